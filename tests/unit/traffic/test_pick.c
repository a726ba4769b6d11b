/* SPDX-License-Identifier: Apache-2.0
 *
 * Distributions: under a simulated clock, with bounds from theory. Chi-square bounds are those of
 * one run in a hundred thousand, and three runs in a row must break them: a test that fails says
 * something.
 */
#include "traffic/pick.h"

#include "base/num.h"
#include "harness/test.h"

#include <math.h>

enum { MEMBERS_MAX = 64 };

struct world {
    struct pick pick;
    struct pick_member members[MEMBERS_MAX];
    struct pick_member *room[MEMBERS_MAX];
    atomic_uint shared[MEMBERS_MAX];
    uint64_t loads[MEMBERS_MAX];
    size_t count;
    struct pick_ask ask;
    uint64_t got[MEMBERS_MAX];
};

static void build(struct world *w)
{
    unsigned totals[PICK_GROUPS_MAX] = {0};
    pick_begin(&w->pick);
    for (size_t i = 0; i < w->count; i++) {
        pick_add(&w->pick, &w->members[i]);
        totals[w->members[i].group]++;
    }
    pick_end(&w->pick, totals);
}

static void setup(struct world *w, enum pick_method method, size_t count, const uint32_t *weights)
{
    *w = (struct world){.count = count};
    w->pick.members = w->room;
    w->pick.method = (uint8_t)method;
    w->pick.in_flight_max = 1024;
    w->pick.factor_percent = PICK_FACTOR_DEFAULT;
    w->ask.rng = test_rng();
    w->ask.now_ns = 100 * NS_PER_S;
    for (size_t i = 0; i < count; i++) {
        w->members[i] =
            (struct pick_member){.id = 1000 + i * 7919, .weight = weights ? weights[i] : 1};
    }
    build(w);
}

static size_t take(struct world *w)
{
    struct pick_member *member = pick_one(&w->pick, &w->ask);
    check(member != NULL);
    size_t i = (size_t)(member - w->members);
    w->got[i]++;
    return i;
}

/* Chi-square of what was got against shares; its bound for k-1 degrees of freedom by Wilson and
 * Hilferty, z = 4.3 (1 in 100,000). */
static bool fits(const struct world *w, const double *shares, double n)
{
    double chi = 0, sum = 0, k = 0;
    for (size_t i = 0; i < w->count; i++) {
        sum += shares[i];
    }
    for (size_t i = 0; i < w->count; i++) {
        double want = n * shares[i] / sum;
        if (shares[i] > 0) {
            chi += ((double)w->got[i] - want) * ((double)w->got[i] - want) / want;
            k += 1;
        } else {
            check_int(w->got[i], 0);
        }
    }
    double df = k - 1, h = 2 / (9 * df);
    double bound = df * pow(1 - h + 4.3 * sqrt(h), 3);
    return chi <= bound;
}

static void check_shares(struct world *w, const double *shares, size_t n)
{
    for (int tries = 0; tries < 3; tries++) {
        memset(w->got, 0, sizeof(w->got));
        for (size_t i = 0; i < n; i++) {
            take(w);
        }
        if (fits(w, shares, (double)n)) {
            return;
        }
    }
    check(!"the shares are not those");
}

TEST(round_robin_gives_all_the_same)
{
    struct world w;
    setup(&w, PICK_ROUND_ROBIN, 7, NULL);
    check(w.pick.plain);
    for (size_t i = 0; i < 700; i++) {
        check_int(take(&w), (i + 1) % 7);
    }
}

/* Smooth: in every run of picks, from wherever, a member gets its share to within one. */
TEST(weights_are_spaced_smoothly)
{
    for (size_t round = 0; round < test_rounds(50); round++) {
        struct world w;
        uint32_t weights[MEMBERS_MAX] = {0};
        uint64_t sum = 0;
        size_t count = 2 + rng_below(test_rng(), 8);
        for (size_t i = 0; i < count; i++) {
            weights[i] = (uint32_t)(1 + rng_below(test_rng(), 20));
            sum += weights[i];
        }
        weights[0] = weights[1] + 1; /* they differ */
        sum = 0;
        for (size_t i = 0; i < count; i++) {
            sum += weights[i];
        }
        setup(&w, PICK_ROUND_ROBIN, count, weights);
        check(!w.pick.plain);
        for (uint64_t n = 1; n <= sum * 3; n++) {
            take(&w);
            for (size_t i = 0; i < count; i++) {
                double want = (double)n * weights[i] / (double)sum;
                check(fabs((double)w.got[i] - want) < (double)count / 2 + 1);
                check(n % sum || w.got[i] == n / sum * weights[i]); /* exact by whole turns */
            }
        }
    }
}

TEST(the_heavy_one_is_not_taken_in_a_row)
{
    struct world w;
    setup(&w, PICK_ROUND_ROBIN, 3, (uint32_t[]){5, 1, 1});
    char order[8] = {0};
    for (size_t i = 0; i < 7; i++) {
        order[i] = (char)('a' + take(&w));
    }
    check_cstr(order, "aabacaa"); /* nginx's own example */
}

/* What members were owed of large weights is not paid in small ones. */
TEST(weights_that_change_begin_about_level)
{
    for (size_t round = 0; round < test_rounds(50); round++) {
        struct world w;
        struct rng *rng = test_rng();
        uint32_t weights[MEMBERS_MAX] = {0};
        uint64_t sum = 0;
        size_t count = 2 + rng_below(rng, 6);
        for (size_t i = 0; i < count; i++) {
            weights[i] = (uint32_t)(1 + rng_below(rng, PICK_WEIGHT_MAX));
        }
        setup(&w, rng_chance(rng, 500) ? PICK_ROUND_ROBIN : PICK_LEAST_CONN, count, weights);
        for (uint64_t n = rng_below(rng, 1000); n > 0; n--) {
            take(&w);
        }
        for (size_t i = 0; i < count; i++) {
            w.members[i].weight = i == 0 ? 5 : (uint32_t)(1 + rng_below(rng, 4));
            sum += w.members[i].weight;
        }
        build(&w);
        memset(w.got, 0, sizeof(w.got));
        for (uint64_t n = 1; n <= sum * 3; n++) {
            take(&w);
            for (size_t i = 0; i < count; i++) {
                double want = (double)n * w.members[i].weight / (double)sum;
                check(fabs((double)w.got[i] - want) < (double)count / 2 + 4);
            }
        }
    }
}

TEST(random_goes_by_weight)
{
    struct world w;
    setup(&w, PICK_RANDOM, 5, (uint32_t[]){1, 2, 3, 4, 10});
    check_shares(&w, (double[]){1, 2, 3, 4, 10}, 20000);
    setup(&w, PICK_RANDOM, 4, NULL);
    check_shares(&w, (double[]){1, 1, 1, 1}, 20000);
}

TEST(least_load_goes_by_what_is_free)
{
    struct world w;
    setup(&w, PICK_LEAST_LOAD, 4, (uint32_t[]){1, 1, 2, 1});
    const unsigned used[] = {0, 500, 800, 1000};
    for (size_t i = 0; i < 4; i++) {
        w.loads[i] = pick_load(used[i], w.ask.now_ns);
        w.members[i].load = &w.loads[i];
    }
    check_shares(&w, (double[]){1000, 500, 400, 20}, 20000);
    check_int(w.pick.missing, 0);
    w.members[0].load = NULL; /* it has just started: as the others on average, 720/3 = 240 */
    check_shares(&w, (double[]){240, 500, 400, 20}, 20000);
    w.ask.now_ns += (PICK_LOAD_SECONDS + 1) * NS_PER_S; /* the core is away: figures are too old */
    memset(w.got, 0, sizeof(w.got));
    for (size_t i = 0; i < 500; i++) {
        take(&w);
    }
    check_int(w.pick.missing, 500);
    check_int(w.got[2], 200); /* smooth weighted round robin */
}

/* A queue per member: who is slow has fewer in it. */
static void serve(struct world *w, const int64_t *service_ns, size_t n, int64_t gap_ns)
{
    struct {
        int64_t end_ns;
        size_t at;
        int64_t start_ns;
    } flying[64] = {0};
    for (size_t i = 0; i < n; i++) {
        w->ask.now_ns += gap_ns;
        size_t slot = ARRAY_LEN(flying);
        for (size_t f = 0; f < ARRAY_LEN(flying); f++) {
            if (flying[f].end_ns && flying[f].end_ns <= w->ask.now_ns) {
                struct pick_member *done = &w->members[flying[f].at];
                done->in_flight--;
                peak_sample(&done->latency, flying[f].end_ns - flying[f].start_ns, w->ask.now_ns);
                flying[f].end_ns = 0;
            }
            slot = flying[f].end_ns ? slot : f;
        }
        check(slot < ARRAY_LEN(flying));
        size_t at = take(w);
        w->members[at].in_flight++;
        flying[slot].at = at;
        flying[slot].start_ns = w->ask.now_ns;
        flying[slot].end_ns = w->ask.now_ns + service_ns[at] * w->members[at].in_flight;
    }
}

TEST(power_of_two_leaves_the_slow_one_alone)
{
    struct world w;
    const int64_t ms[] = {NS_PER_MS, NS_PER_MS, NS_PER_MS, 30 * NS_PER_MS};
    setup(&w, PICK_POWER_OF_TWO, 4, NULL);
    serve(&w, ms, 250000, 400 * NS_PER_US);
    check(w.got[3] < 250000 / 100); /* never near an even share */
    check(w.got[3] >= 3);           /* and yet it is asked again when what it cost has faded */
    for (size_t i = 0; i < 3; i++) {
        check(w.got[i] > 250000 / 5);
    }
}

TEST(power_of_two_without_latencies_goes_by_requests_in_flight)
{
    struct world w;
    setup(&w, PICK_POWER_OF_TWO, 8, NULL);
    unsigned most = 0, least = UINT32_MAX;
    for (size_t i = 0; i < 4000; i++) {
        w.members[take(&w)].in_flight++; /* nothing ends: balls into bins */
    }
    for (size_t i = 0; i < 8; i++) {
        most = MAX(most, w.members[i].in_flight);
        least = MIN(least, w.members[i].in_flight);
    }
    check(most - least <= 8); /* log log n / log 2 + O(1), for random alone it were some 100 */
}

TEST(power_of_two_finds_the_one_that_can)
{
    struct world w;
    setup(&w, PICK_POWER_OF_TWO, 40, NULL);
    for (size_t i = 0; i < 40; i++) {
        w.members[i].down_until_ns = i == 17 ? 0 : INT64_MAX;
    }
    for (size_t i = 0; i < 100; i++) {
        check_int(take(&w), 17);
    }
}

TEST(least_conn_fills_evenly_for_the_weight)
{
    struct world w;
    setup(&w, PICK_LEAST_CONN, 3, (uint32_t[]){1, 2, 3});
    for (size_t i = 0; i < 600; i++) {
        size_t at = take(&w);
        w.members[at].in_flight++;
    }
    check_int(w.got[0], 100);
    check_int(w.got[1], 200);
    check_int(w.got[2], 300);
}

TEST(least_conn_goes_by_weight_where_nothing_is_under_way)
{
    struct world w;
    setup(&w, PICK_LEAST_CONN, 3, (uint32_t[]){1, 2, 5});
    for (size_t i = 0; i < 800; i++) {
        take(&w);
    }
    check_int(w.got[0], 100);
    check_int(w.got[1], 200);
    check_int(w.got[2], 500);
}

TEST(power_of_two_compares_both_of_two)
{
    struct world w;
    setup(&w, PICK_POWER_OF_TWO, 2, NULL);
    peak_sample(&w.members[0].latency, 100 * NS_PER_MS, w.ask.now_ns);
    peak_sample(&w.members[1].latency, NS_PER_MS, w.ask.now_ns);
    for (size_t i = 0; i < 1000; i++) {
        check_int(take(&w), 1);
    }
}

/* --- hash --- */

static size_t take_key(struct world *w, uint64_t key)
{
    w->ask.key = key;
    w->ask.has_key = true;
    return take(w);
}

TEST(keys_spread_by_weight)
{
    struct world w;
    uint64_t key = 0;
    setup(&w, PICK_HASH, 4, (uint32_t[]){1, 1, 2, 4});
    w.pick.factor_percent = 0;
    for (size_t i = 0; i < 40000; i++) {
        take_key(&w, key++); /* numbers in a row are as good as any */
    }
    check(fits(&w, (double[]){1, 1, 2, 4}, 40000));
}

TEST(a_member_that_leaves_moves_its_own_keys_only)
{
    enum { KEYS = 20000, MEMBERS = 10 };
    static size_t before[KEYS];
    for (int weighted = 0; weighted < 2; weighted++) {
        struct world w;
        uint32_t weights[MEMBERS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, weighted ? 3 : 1};
        setup(&w, PICK_HASH, MEMBERS, weights);
        for (size_t k = 0; k < KEYS; k++) {
            before[k] = take_key(&w, k * 2654435761U);
        }
        size_t gone = 4, moved = 0;
        w.members[gone].down_until_ns = INT64_MAX;
        build(&w);
        memset(w.got, 0, sizeof(w.got));
        for (size_t k = 0; k < KEYS; k++) {
            size_t now = take_key(&w, k * 2654435761U);
            check(now != gone);
            check(before[k] == gone || before[k] == now); /* theory: nothing else */
            moved += before[k] != now;
        }
        double want = (double)KEYS / (weighted ? 12 : 10);
        check(fabs((double)moved - want) < 5 * sqrt(want));
        for (size_t i = 0; i < MEMBERS; i++) { /* and they go to all others alike */
            check(i == gone || w.got[i] > 0);
        }
    }
}

/* A new member takes from each its share, and nothing moves between the old ones. */
TEST(a_member_that_comes_takes_its_share_only)
{
    enum { KEYS = 20000 };
    static size_t before[KEYS];
    struct world w;
    size_t moved = 0;
    setup(&w, PICK_HASH, 9, NULL);
    for (size_t k = 0; k < KEYS; k++) {
        before[k] = take_key(&w, k);
    }
    w.members[9] = (struct pick_member){.id = 424242, .weight = 1};
    w.count = 10;
    build(&w);
    for (size_t k = 0; k < KEYS; k++) {
        size_t now = take_key(&w, k);
        check(now == before[k] || now == 9);
        moved += now == 9;
    }
    check(fabs((double)moved - KEYS / 10.0) < 5 * sqrt(KEYS / 10.0));
}

TEST(a_weight_that_grows_only_attracts)
{
    struct world w;
    static size_t before[5000];
    setup(&w, PICK_HASH, 5, (uint32_t[]){2, 2, 2, 2, 3});
    for (size_t k = 0; k < ARRAY_LEN(before); k++) {
        before[k] = take_key(&w, k);
    }
    w.members[1].weight = 7;
    build(&w);
    for (size_t k = 0; k < ARRAY_LEN(before); k++) {
        size_t now = take_key(&w, k);
        check(now == before[k] || now == 1);
    }
}

/* Whatever comes and goes: nobody has more than its bound, even if all ask for one key. */
TEST(the_bound_is_never_exceeded)
{
    for (size_t round = 0; round < test_rounds(30); round++) {
        struct world w;
        uint32_t weights[MEMBERS_MAX] = {0};
        size_t count = 1 + rng_below(test_rng(), 12);
        uint64_t sum = 0, total = 0;
        for (size_t i = 0; i < count; i++) {
            weights[i] = (uint32_t)(round % 2 ? 1 : 1 + rng_below(test_rng(), 5));
            sum += weights[i];
        }
        setup(&w, PICK_HASH, count, weights);
        w.pick.factor_percent = (uint32_t)(100 + rng_below(test_rng(), 100));
        for (size_t i = 0; i < count; i++) {
            w.members[i].shared = &w.shared[i];
        }
        for (size_t n = 0; n < 2000; n++) {
            if (total && rng_chance(test_rng(), 450)) {
                size_t i = rng_below(test_rng(), count);
                if (w.shared[i]) {
                    w.shared[i]--;
                    total--;
                }
                continue;
            }
            size_t at = take_key(&w, rng_chance(test_rng(), 700) ? 1 : rng_u64(test_rng()));
            w.shared[at]++;
            total++;
            double bound =
                ceil((double)total * weights[at] * w.pick.factor_percent / ((double)sum * 100));
            check((double)w.shared[at] <= bound);
        }
    }
}

TEST(what_a_hot_member_cannot_take_is_spread)
{
    struct world w;
    setup(&w, PICK_HASH, 8, NULL);
    w.pick.factor_percent = 0;
    size_t hot = take_key(&w, 1);
    w.pick.factor_percent = 125;
    for (size_t i = 0; i < 8; i++) {
        w.members[i].in_flight = 10;
    }
    w.members[hot].in_flight = 100;
    memset(w.got, 0, sizeof(w.got));
    for (uint64_t k = 0; k < 7000; k++) {
        take_key(&w, k);
    }
    double even[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    even[hot] = 0;
    check(fits(&w, even, 7000));
}

TEST(without_a_key_it_is_round_robin_and_counted)
{
    struct world w;
    setup(&w, PICK_HASH, 4, NULL);
    for (size_t i = 0; i < 40; i++) {
        check_int(take(&w), (i + 1) % 4);
    }
    check_int(w.pick.missing, 40);
}

/* --- near --- */

TEST(the_nearest_is_taken_and_the_next_one_when_it_is_down)
{
    struct world w;
    setup(&w, PICK_NEAREST, 4, NULL);
    w.members[0].place = pick_place_of(52.5, 13.4);   /* Berlin */
    w.members[1].place = pick_place_of(40.4, -3.7);   /* Madrid */
    w.members[2].place = pick_place_of(-33.9, 151.2); /* Sydney */
    w.members[3].place = pick_place_of(-33.9, 151.2);
    w.ask.place = pick_place_of(48.9, 2.4); /* Paris */
    check_int(take(&w), 0);
    w.members[0].down_until_ns = INT64_MAX;
    check_int(take(&w), 1);
    w.ask.place = pick_place_of(-36.8, 174.8); /* Auckland: two are equally near, in turn */
    size_t first = take(&w);
    check_int(take(&w) + first, 5);
    w.ask.place = pick_place_of(-17.5, -179.9); /* over the date line */
    check(take(&w) >= 2);
    check_int(w.pick.missing, 0);
    w.ask.place = pick_place_of(91, 0);
    check(!pick_place_known(w.ask.place));
    take(&w);
    check_int(w.pick.missing, 1);
}

/* --- groups --- */

static void set_groups(struct world *w, size_t first, unsigned total_first, unsigned total_second)
{
    unsigned totals[PICK_GROUPS_MAX] = {total_first, total_second};
    for (size_t i = 0; i < w->count; i++) {
        w->members[i].group = i >= first;
    }
    pick_begin(&w->pick);
    for (size_t i = w->count; i > 0; i--) {
        pick_add(&w->pick, &w->members[i - 1]);
    }
    pick_end(&w->pick, totals);
}

TEST(backups_get_nothing_while_the_others_are_well)
{
    struct world w;
    setup(&w, PICK_ROUND_ROBIN, 6, NULL);
    set_groups(&w, 4, 4, 2);
    check_shares(&w, (double[]){1, 1, 1, 1, 0, 0}, 4000);
    set_groups(&w, 4, 5, 2); /* one of five is gone: 1.4 × 80 % is plenty still */
    check_shares(&w, (double[]){1, 1, 1, 1, 0, 0}, 4000);
}

TEST(backups_get_what_the_others_cannot_carry)
{
    struct world w;
    setup(&w, PICK_ROUND_ROBIN, 4, NULL);
    set_groups(&w, 2, 4, 2); /* half of the first: 70 %, the rest to the second */
    check_shares(&w, (double[]){35, 35, 15, 15}, 20000);
    set_groups(&w, 2, 20, 20); /* both poor: 14 % each, so half and half */
    check_shares(&w, (double[]){1, 1, 1, 1}, 20000);
}

TEST(a_key_keeps_its_member_while_backups_help)
{
    struct world w;
    size_t backups = 0;
    setup(&w, PICK_HASH, 6, NULL);
    set_groups(&w, 3, 6, 3); /* half of the first: 70 % */
    for (uint64_t key = 0; key < 3000; key++) {
        size_t at = take_key(&w, key);
        backups += at >= 3;
        for (int i = 0; i < 5; i++) {
            check_int(take_key(&w, key), at);
        }
    }
    check(backups > 750 && backups < 1050);
}

TEST(groups_help_where_all_of_one_are_down)
{
    struct world w;
    setup(&w, PICK_ROUND_ROBIN, 4, NULL);
    set_groups(&w, 2, 2, 2);
    w.members[0].down_until_ns = w.members[1].down_until_ns = INT64_MAX;
    check(take(&w) >= 2);
    w.members[2].down_until_ns = w.members[3].down_until_ns = INT64_MAX;
    check(!pick_one(&w.pick, &w.ask));
    w.members[1].down_until_ns = 0;
    check_int(take(&w), 1);
}

/* --- for every method --- */

static void ask_all(struct world *w)
{
    w->ask.has_key = true;
    w->ask.place = pick_place_of(1, 1);
    for (size_t i = 0; i < w->count; i++) {
        w->members[i].place = pick_place_of((double)i, 1);
        w->loads[i] = pick_load(100, w->ask.now_ns);
        w->members[i].load = &w->loads[i];
    }
}

TEST(who_is_bound_goes_there_unless_it_is_gone)
{
    for (int method = 0; method < PICK_METHODS; method++) {
        struct world w;
        setup(&w, (enum pick_method)method, 5, NULL);
        ask_all(&w);
        w.members[3].weight = 0; /* it takes none but its own */
        build(&w);
        for (size_t i = 0; i < 300; i++) {
            w.ask.key = i;
            check(take(&w) != 3);
        }
        w.ask.bound = &w.members[3];
        for (size_t i = 0; i < 20; i++) {
            check_int(take(&w), 3);
        }
        w.members[3].down_until_ns = INT64_MAX;
        check(take(&w) != 3);
    }
}

TEST(the_one_that_failed_is_avoided_while_there_is_another)
{
    for (int method = 0; method < PICK_METHODS; method++) {
        struct world w;
        setup(&w, (enum pick_method)method, 3, (uint32_t[]){1, 1, 2});
        ask_all(&w);
        w.ask.avoid = &w.members[2];
        for (size_t i = 0; i < 300; i++) {
            w.ask.key = i;
            check(take(&w) != 2);
        }
        w.members[0].down_until_ns = w.members[1].down_until_ns = INT64_MAX;
        check_int(take(&w), 2);
        w.members[2].in_flight = w.pick.in_flight_max;
        check(!pick_one(&w.pick, &w.ask));
    }
}

/* Random changes and picks: what is given may be given, and something is given if anything may. */
TEST(any_walk_gives_only_what_is_usable)
{
    for (size_t round = 0; round < test_rounds(60); round++) {
        struct world w;
        setup(&w, (enum pick_method)(round % PICK_METHODS), 12, NULL);
        ask_all(&w);
        for (size_t step = 0; step < 400; step++) {
            size_t i = rng_below(test_rng(), w.count);
            struct pick_member *member = &w.members[i];
            member->weight = (uint32_t)rng_below(test_rng(), 4);
            member->group = (uint32_t)rng_below(test_rng(), 3);
            member->down_until_ns = rng_chance(test_rng(), 500) ? INT64_MAX : 0;
            member->in_flight = rng_chance(test_rng(), 300) ? 1024 : (unsigned)(step % 7);
            build(&w);
            w.ask.key = rng_u64(test_rng());
            w.ask.avoid = rng_chance(test_rng(), 300) ? &w.members[(i + 1) % w.count] : NULL;
            bool any = false;
            for (size_t m = 0; m < w.count; m++) {
                any |= w.members[m].weight && pick_usable(&w.pick, &w.members[m], w.ask.now_ns);
            }
            struct pick_member *got = pick_one(&w.pick, &w.ask);
            check(any == (got != NULL));
            check(!got || (got->weight && pick_usable(&w.pick, got, w.ask.now_ns)));
        }
    }
}
