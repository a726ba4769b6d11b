/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "harness/test.h"
#include "traffic/breaker.h"

enum { TICKETS = 200 };

static const struct breaker_spec usual = {
    .consecutive = 5,
    .failures_permille = 500,
    .minimum = 20,
    .window_ms = 10000,
    .open_ms = 3000,
    .probes = 3,
};

static enum breaker_state state_of(const struct breaker *breaker)
{
    int64_t until_ns;
    return breaker_look(breaker, &until_ns);
}

static void one(struct breaker *breaker, const struct breaker_spec *spec,
                enum breaker_result result, int64_t now_ns)
{
    uint32_t ticket;
    check(breaker_admit(breaker, spec, now_ns, &ticket));
    (void)breaker_report(breaker, spec, ticket, result, now_ns);
}

static void open_it(struct breaker *breaker, const struct breaker_spec *spec, int64_t now_ns)
{
    for (uint32_t i = 0; i < spec->consecutive; i++) {
        one(breaker, spec, BREAKER_FAILED, now_ns);
    }
    check_int(state_of(breaker), BREAKER_OPEN);
}

TEST(failures_in_a_row_open_it_and_probes_close_it)
{
    struct breaker breaker = {0};
    int64_t now_ns = 7 * NS_PER_S, until_ns;
    uint32_t tickets[4];
    for (int i = 0; i < 4; i++) {
        one(&breaker, &usual, BREAKER_FAILED, now_ns);
    }
    one(&breaker, &usual, BREAKER_WORKED, now_ns);
    check_int(state_of(&breaker), BREAKER_CLOSED);
    open_it(&breaker, &usual, now_ns);
    check(!breaker_admit(&breaker, &usual, now_ns + 2999 * NS_PER_MS, &tickets[0]));
    check_int(breaker_look(&breaker, &until_ns), BREAKER_OPEN);
    check_int(until_ns, 10 * NS_PER_S);
    check_int(breaker_retry_after_s(&breaker, now_ns), 3);
    now_ns += 3 * NS_PER_S;
    for (int i = 0; i < 3; i++) {
        check(breaker_admit(&breaker, &usual, now_ns, &tickets[i]));
    }
    check(!breaker_admit(&breaker, &usual, now_ns, &tickets[3]));
    check_int(state_of(&breaker), BREAKER_HALF_OPEN);
    check(!breaker_report(&breaker, &usual, tickets[0], BREAKER_WORKED, now_ns));
    check(!breaker_report(&breaker, &usual, tickets[1], BREAKER_WORKED, now_ns));
    check(breaker_report(&breaker, &usual, tickets[2], BREAKER_WORKED, now_ns));
    check_int(state_of(&breaker), BREAKER_CLOSED);
    check_int(breaker.opened, 1);
}

TEST(one_failed_probe_opens_it_again)
{
    struct breaker breaker = {0};
    open_it(&breaker, &usual, 0);
    one(&breaker, &usual, BREAKER_FAILED, 3 * NS_PER_S);
    check_int(state_of(&breaker), BREAKER_OPEN);
    uint32_t ticket;
    check(!breaker_admit(&breaker, &usual, 5 * NS_PER_S, &ticket));
    check(breaker_admit(&breaker, &usual, 6 * NS_PER_S, &ticket));
}

TEST(a_share_of_failures_opens_it)
{
    struct breaker_spec spec = usual;
    struct breaker breaker = {0};
    spec.consecutive = 0;
    for (int i = 0; i < 9; i++) {
        one(&breaker, &spec, BREAKER_FAILED, NS_PER_S);
    }
    for (int i = 0; i < 10; i++) {
        one(&breaker, &spec, BREAKER_WORKED, NS_PER_S);
    }
    check_int(state_of(&breaker), BREAKER_CLOSED);
    one(&breaker, &spec, BREAKER_FAILED, NS_PER_S);
    check_int(state_of(&breaker), BREAKER_OPEN);
}

TEST(old_failures_fade)
{
    struct breaker_spec spec = usual;
    struct breaker breaker = {0};
    spec.consecutive = 0;
    for (int i = 0; i < 19; i++) {
        one(&breaker, &spec, BREAKER_FAILED, NS_PER_S);
    }
    one(&breaker, &spec, BREAKER_FAILED, 30 * NS_PER_S);
    check_int(state_of(&breaker), BREAKER_CLOSED);
}

TEST(a_client_that_leaves_is_no_failure)
{
    struct breaker breaker = {0};
    for (int i = 0; i < 1000; i++) {
        one(&breaker, &usual, BREAKER_NOTHING, NS_PER_S);
    }
    check_int(state_of(&breaker), BREAKER_CLOSED);
    check_int(breaker.streak, 0);
}

TEST(what_began_before_it_opened_says_nothing_about_now)
{
    struct breaker breaker = {0};
    uint32_t old, probe;
    check(breaker_admit(&breaker, &usual, 0, &old));
    open_it(&breaker, &usual, 0);
    check(breaker_admit(&breaker, &usual, 3 * NS_PER_S, &probe));
    check(!breaker_report(&breaker, &usual, old, BREAKER_FAILED, 3 * NS_PER_S));
    check_int(state_of(&breaker), BREAKER_HALF_OPEN);
    check(!breaker_report(&breaker, &usual, old, BREAKER_WORKED, 3 * NS_PER_S));
    (void)breaker_report(&breaker, &usual, probe, BREAKER_WORKED, 3 * NS_PER_S);
    check_int(state_of(&breaker), BREAKER_HALF_OPEN);
}

TEST(probes_of_a_process_that_died_are_taken_back)
{
    struct breaker breaker = {0};
    uint32_t ticket, late;
    open_it(&breaker, &usual, 0);
    for (int i = 0; i < 3; i++) {
        check(breaker_admit(&breaker, &usual, 3 * NS_PER_S, &late));
    }
    check(!breaker_admit(&breaker, &usual, 5 * NS_PER_S, &ticket));
    check(breaker_admit(&breaker, &usual, 6 * NS_PER_S, &ticket));
    (void)breaker_report(&breaker, &usual, late, BREAKER_FAILED, 6 * NS_PER_S);
    check_int(state_of(&breaker), BREAKER_HALF_OPEN);
}

TEST(a_shorter_time_acts_on_one_that_is_open)
{
    struct breaker breaker = {0};
    struct breaker_spec spec = usual;
    uint32_t ticket;
    spec.open_ms = 3600000;
    open_it(&breaker, &spec, 0);
    spec.open_ms = 2000;
    check(!breaker_admit(&breaker, &spec, 1 * NS_PER_S, &ticket));
    check(!breaker_admit(&breaker, &spec, 2999 * NS_PER_MS, &ticket));
    check(breaker_admit(&breaker, &spec, 3 * NS_PER_S, &ticket));
    breaker.word |= ~(uint64_t)0 << 26; /* a damaged word keeps nobody out for ever */
    for (int i = 0; i < 3; i++) {
        (void)!breaker_admit(&breaker, &spec, 4 * NS_PER_S, &ticket);
    }
    check(breaker_admit(&breaker, &spec, 6 * NS_PER_S, &ticket));
}

/* Whatever happens, in whatever order: as soon as all that were admitted have ended, or open_ms has
 * passed, a request gets through; and the number of probes under way never exceeds the bound. */
TEST(no_walk_leaks_a_place)
{
    for (size_t round = 0; round < test_rounds(300); round++) {
        struct rng *rng = test_rng();
        struct breaker breaker = {0};
        struct breaker_spec spec = usual;
        uint32_t tickets[TICKETS], generation = 0;
        size_t count = 0, probes = 0;
        int64_t now_ns = 0;
        spec.probes = 1 + (uint32_t)rng_below(rng, 5);
        for (int step = 0; step < 2000; step++) {
            uint32_t ticket;
            now_ns += (int64_t)rng_below(rng, 200) * NS_PER_MS;
            if (count < TICKETS && rng_chance(rng, 500) &&
                breaker_admit(&breaker, &spec, now_ns, &ticket)) {
                bool half = state_of(&breaker) == BREAKER_HALF_OPEN;
                probes = half && ticket == generation ? probes + 1 : half;
                generation = ticket;
                check(!half || probes <= spec.probes * 1000);
                tickets[count++] = ticket;
            } else if (count > 0) {
                size_t i = (size_t)rng_below(rng, count);
                enum breaker_result result = (enum breaker_result)rng_below(rng, 3);
                (void)breaker_report(&breaker, &spec, tickets[i], result, now_ns);
                tickets[i] = tickets[--count];
            }
        }
        uint32_t ticket;
        if (rng_chance(rng, 500)) { /* all end without a word, or all are lost */
            while (count > 0) {
                (void)breaker_report(&breaker, &spec, tickets[--count], BREAKER_NOTHING, now_ns);
            }
            bool open = state_of(&breaker) == BREAKER_OPEN;
            check(open || breaker_admit(&breaker, &spec, now_ns, &ticket));
        }
        now_ns += (int64_t)spec.open_ms * NS_PER_MS;
        check(breaker_admit(&breaker, &spec, now_ns, &ticket));
    }
}

/* The same against a model that keeps the probes in a list. */
TEST(half_open_admits_as_many_as_a_model)
{
    for (size_t round = 0; round < test_rounds(500); round++) {
        struct rng *rng = test_rng();
        struct breaker breaker = {0};
        struct breaker_spec spec = usual;
        uint32_t tickets[BREAKER_PROBES_MAX];
        uint32_t out = 0, good = 0, ticket;
        spec.probes = 1 + (uint32_t)rng_below(rng, BREAKER_PROBES_MAX);
        open_it(&breaker, &spec, 0);
        int64_t now_ns = 3 * NS_PER_S;
        for (int step = 0; step < 300; step++) {
            if (rng_chance(rng, 500)) {
                bool room = out + good < spec.probes;
                check_int(breaker_admit(&breaker, &spec, now_ns, &ticket), room);
                if (room) {
                    tickets[out++] = ticket;
                }
            } else if (out > 0) {
                bool worked = rng_chance(rng, 500);
                bool moved = breaker_report(&breaker, &spec, tickets[--out],
                                            worked ? BREAKER_WORKED : BREAKER_NOTHING, now_ns);
                good += worked;
                check_int(moved, good == spec.probes);
                if (moved) {
                    break;
                }
            }
        }
        check_int(state_of(&breaker), good == spec.probes ? BREAKER_CLOSED : BREAKER_HALF_OPEN);
    }
}

TEST(any_bytes_are_a_breaker)
{
    for (size_t round = 0; round < test_rounds(2000); round++) {
        struct breaker breaker = {.word = rng_u64(test_rng()), .window = rng_u64(test_rng())};
        uint32_t ticket;
        int64_t now_ns = (int64_t)(rng_u64(test_rng()) >> 4);
        if (breaker_admit(&breaker, &usual, now_ns, &ticket)) {
            (void)breaker_report(&breaker, &usual, ticket, BREAKER_FAILED, now_ns);
        }
        check((unsigned)state_of(&breaker) < BREAKER_STATES);
    }
}
