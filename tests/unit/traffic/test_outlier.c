/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "harness/test.h"
#include "traffic/outlier.h"
#include "traffic/slow_start.h"

enum { MANY = 12 };

static const struct outlier_spec usual = {
    .consecutive = 5,
    .success_permille = 800,
    .latency_permille = 3000,
    .minimum = 10,
    .interval_ms = 10000,
    .ejection_ms = 1000,
    .ejection_max_ms = 8000,
    .share_permille = 300,
};

static size_t judge(struct outlier *outliers, size_t count, int64_t now_ns,
                    struct outlier_case *cases)
{
    for (size_t i = 0; i < count; i++) {
        cases[i] = (struct outlier_case){.outlier = &outliers[i]};
    }
    return outlier_judge(&usual, cases, count, now_ns);
}

static void requests(struct outlier *outlier, int good, int bad, uint64_t latency_us)
{
    for (int i = 0; i < good + bad; i++) {
        (void)outlier_report(outlier, &usual, i < bad, latency_us);
    }
}

TEST(failures_in_a_row)
{
    struct outlier outlier = {0};
    for (int i = 0; i < 4; i++) {
        check(!outlier_report(&outlier, &usual, true, 0));
    }
    check(!outlier_report(&outlier, &usual, false, 10));
    for (int i = 0; i < 4; i++) {
        check(!outlier_report(&outlier, &usual, true, 0));
    }
    check(outlier_report(&outlier, &usual, true, 0));
}

TEST(ejections_grow_to_the_most_and_are_forgiven)
{
    struct outlier outliers[2] = {0};
    struct outlier_case cases[2];
    static const int64_t spans_ms[] = {1000, 2000, 4000, 8000, 8000};
    int64_t now_ns = 0;
    for (size_t i = 0; i < ARRAY_LEN(spans_ms); i++) {
        check(outlier_eject(&outliers[0], &usual, now_ns));
        check(!outlier_eject(&outliers[0], &usual, now_ns));
        check_int(outliers[0].until_ns - now_ns, spans_ms[i] * NS_PER_MS);
        check(outlier_out(&outliers[0], now_ns + spans_ms[i] * NS_PER_MS - 1));
        now_ns = outliers[0].until_ns;
        check(!outlier_out(&outliers[0], now_ns));
    }
    for (int i = 0; i < 5; i++) {
        check_int(judge(outliers, 2, now_ns, cases), 0);
    }
    check_int(outliers[0].level, 0);
    check_int(outliers[0].ejections, 5);
}

TEST(a_shorter_time_acts_on_who_is_out)
{
    struct outlier outlier = {0};
    struct outlier_spec spec = usual;
    spec.ejection_ms = spec.ejection_max_ms = 3600000;
    check(outlier_eject(&outlier, &spec, 0));
    check(!outlier_shorten(&outlier, &spec, NS_PER_S));
    spec = usual;
    check(outlier_shorten(&outlier, &spec, NS_PER_S));
    check(!outlier_shorten(&outlier, &spec, 2 * NS_PER_S));
    check(outlier_out(&outlier, 9 * NS_PER_S - 1) && !outlier_out(&outlier, 9 * NS_PER_S));
}

/* What was given up for a faster second try is slow, and neither failed nor worked. */
TEST(who_was_waited_for_in_vain_is_slow)
{
    struct outlier outliers[3] = {0};
    struct outlier_case cases[3];
    for (int i = 0; i < 3; i++) {
        requests(&outliers[i], i == 0 ? 0 : 20, 0, 1000);
    }
    (void)outlier_report(&outliers[0], &usual, true, 0);
    for (int i = 0; i < 20; i++) {
        outlier_waited(&outliers[0], 50000);
    }
    check_int(outliers[0].streak, 1);
    check_int(judge(outliers, 3, 0, cases), 1);
    check_int(cases[0].reason, OUTLIER_LATENCY);
}

TEST(few_successes)
{
    struct outlier outliers[4] = {0};
    struct outlier_case cases[4];
    requests(&outliers[0], 90, 10, 100);
    requests(&outliers[1], 79, 21, 100);
    requests(&outliers[2], 1, 8, 100); /* too few to be judged by */
    requests(&outliers[3], 100, 0, 100);
    check_int(judge(outliers, 4, 0, cases), 1);
    check_int(cases[1].reason, OUTLIER_SUCCESS);
    check(outlier_out(&outliers[1], 1) && !outlier_out(&outliers[2], 1));
    check_int(outliers[1].requests, 0);
}

TEST(one_that_is_slow_among_two_and_among_many)
{
    for (size_t count = 2; count <= MANY; count++) {
        struct outlier outliers[MANY] = {0};
        struct outlier_case cases[MANY];
        for (size_t i = 0; i < count; i++) {
            requests(&outliers[i], 20, 0, i == 1 ? 3100 : 1000);
        }
        check_int(judge(outliers, count, 0, cases), 1);
        check_int(cases[1].reason, OUTLIER_LATENCY);
        requests(&outliers[0], 20, 0, 2900);
        for (size_t i = 2; i < count; i++) {
            requests(&outliers[i], 20, 0, 1000);
        }
        check_int(judge(outliers, count, 0, cases), 0);
    }
}

TEST(the_worst_go_first)
{
    struct outlier outliers[MANY] = {0};
    struct outlier_case cases[MANY];
    for (int i = 0; i < MANY; i++) {
        requests(&outliers[i], 100 - i * 8, i * 8, 100);
    }
    check_int(judge(outliers, MANY, 0, cases), 3); /* 30 % of 12 */
    for (int i = 0; i < MANY; i++) {
        check_int(outlier_out(&outliers[i], 1), i >= MANY - 3);
    }
}

/* Whatever happens: the share holds, and one is always left. */
TEST(the_cap_holds_in_any_walk)
{
    for (size_t round = 0; round < test_rounds(300); round++) {
        struct rng *rng = test_rng();
        struct outlier outliers[MANY] = {0};
        struct outlier_case cases[MANY];
        size_t count = 1 + (size_t)rng_below(rng, MANY);
        int64_t now_ns = NS_PER_S;
        for (int step = 0; step < 500; step++) {
            struct outlier *one = &outliers[rng_below(rng, count)];
            size_t out = 0;
            now_ns += (int64_t)rng_below(rng, 300) * NS_PER_MS;
            for (size_t i = 0; i < count; i++) {
                out += outlier_out(&outliers[i], now_ns);
            }
            if (rng_chance(rng, 50)) {
                (void)judge(outliers, count, now_ns, cases);
            } else if (outlier_report(one, &usual, rng_chance(rng, 700), rng_below(rng, 5000)) &&
                       outlier_room(&usual, out, count)) {
                (void)outlier_eject(one, &usual, now_ns);
            }
            out = 0;
            for (size_t i = 0; i < count; i++) {
                out += outlier_out(&outliers[i], now_ns);
                check(outliers[i].until_ns <= now_ns + 8 * NS_PER_S);
            }
            check(out < count || count == 0);
            check(out <= MAX(count * usual.share_permille / 1000, (size_t)1));
        }
    }
}

TEST(slow_start_grows_evenly)
{
    uint32_t before = 0;
    for (int64_t ms = 0; ms <= 10000; ms += 100) {
        uint32_t now = slow_start_permille(10000, NS_PER_S, NS_PER_S + ms * NS_PER_MS);
        check_int(now, 100 + 900 * ms / 10000);
        check(now >= before);
        before = now;
    }
    check_int(slow_start_permille(10000, NS_PER_S, 0), 100);
    check_int(slow_start_permille(0, 0, 0), 1000);
}

TEST(slow_start_takes_its_part_of_the_turns)
{
    int taken = 0;
    for (int i = 0; i < 10000; i++) {
        taken += slow_start_takes(test_rng(), 1000, 0, 500 * NS_PER_MS);
    }
    check(taken > 5200 && taken < 5800); /* 55 % */
}
