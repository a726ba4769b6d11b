/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "harness/test.h"
#include "traffic/hedge.h"
#include "traffic/limiter.h"

/* A service with `capacity` workers, each 10 ms a request: what is beyond waits. */
static uint64_t latency_of(uint32_t capacity, uint32_t used)
{
    uint64_t rounds_permille = used <= capacity ? 1000 : (uint64_t)used * 1000 / capacity;
    return 10000 * rounds_permille / 1000;
}

/* Clients that always use all they get. */
static uint32_t settle(const struct limiter_spec *spec, uint32_t capacity, uint32_t *ret_most)
{
    struct limiter limiter;
    int64_t now_ns = 0;
    *ret_most = 0;
    limiter_init(&limiter, spec);
    for (int window = 0; window < 600; window++) {
        uint32_t used = limiter_limit(&limiter);
        for (int i = 0; i < 12; i++) {
            now_ns += 10 * NS_PER_MS;
            limiter_sample(&limiter, spec,
                           &(struct limiter_answer){latency_of(capacity, used), used, false},
                           now_ns);
        }
        if (window > 300) {
            *ret_most = MAX(*ret_most, limiter_limit(&limiter));
        }
    }
    return limiter_limit(&limiter);
}

TEST(the_gradient_finds_the_capacity)
{
    static const uint32_t capacities[] = {4, 20, 100};
    const struct limiter_spec spec = {LIMITER_GRADIENT, 20, 1, 1000, 100, 1500, 0};
    for (size_t i = 0; i < ARRAY_LEN(capacities); i++) {
        uint32_t most, limit = settle(&spec, capacities[i], &most);
        check(limit >= capacities[i]);
        check(most <= capacities[i] * 2 + 4);
    }
}

TEST(aimd_saws_at_the_capacity)
{
    const struct limiter_spec spec = {LIMITER_AIMD, 20, 1, 1000, 100, 0, 15};
    uint32_t most, limit = settle(&spec, 40, &most);
    check(limit >= 40 && most <= 70);
}

TEST(failures_lower_it_and_what_is_not_used_does_not_grow)
{
    for (int kind = 0; kind < LIMITER_KINDS; kind++) {
        const struct limiter_spec spec = {(enum limiter_kind)kind, 100, 5, 200, 100, 2000, 0};
        struct limiter limiter;
        int64_t now_ns = 0;
        limiter_init(&limiter, &spec);
        for (int i = 0; i < 950; i++) {
            limiter_sample(&limiter, &spec, &(struct limiter_answer){1000, 10, false},
                           now_ns += 20 * NS_PER_MS);
        }
        check_int(limiter_limit(&limiter), 100);
        for (int i = 0; i < 1000; i++) {
            limiter_sample(&limiter, &spec, &(struct limiter_answer){1000, 10, true},
                           now_ns += 20 * NS_PER_MS);
        }
        check_int(limiter_limit(&limiter), 5);
    }
}

TEST(the_bounds_hold_in_any_walk)
{
    for (size_t round = 0; round < test_rounds(100); round++) {
        struct rng *rng = test_rng();
        uint32_t least = 1 + (uint32_t)rng_below(rng, 50);
        uint32_t most = least + (uint32_t)rng_below(rng, 500);
        const struct limiter_spec spec = {(enum limiter_kind)rng_below(rng, LIMITER_KINDS),
                                          least,
                                          least,
                                          most,
                                          1 + (uint32_t)rng_below(rng, 1000),
                                          1000 + (uint32_t)rng_below(rng, 2000),
                                          (uint32_t)rng_below(rng, 100)};
        struct limiter limiter;
        int64_t now_ns = 0;
        limiter_init(&limiter, &spec);
        for (int step = 0; step < 5000; step++) {
            uint64_t latency_us = rng_u64(rng) >> (1 + rng_below(rng, 62));
            now_ns += (int64_t)rng_below(rng, 100) * NS_PER_MS;
            struct limiter_answer answer = {latency_us, (uint32_t)rng_below(rng, 1000),
                                            rng_chance(rng, 10)};
            limiter_sample(&limiter, &spec, &answer, now_ns);
            check(limiter_limit(&limiter) >= least && limiter_limit(&limiter) <= most);
        }
    }
}

TEST(a_hedge_after_a_time)
{
    struct hedge hedge = {0};
    const struct hedge_spec spec = {.after_ms = 30};
    check_int(hedge_delay_ns(&hedge, &spec), 30 * NS_PER_MS);
}

/* Latencies from 1 to 100 ms, all alike often: the estimate comes to the percentile, and follows
 * when all get ten times slower. */
TEST(a_hedge_after_a_percentile)
{
    static const uint32_t percentiles[] = {50, 90, 95};
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
        struct hedge hedge = {0};
        const struct hedge_spec spec = {.percentile = percentiles[i]};
        check_int(hedge_delay_ns(&hedge, &spec), 0);
        for (unsigned times = 1; times <= 10; times += 9) {
            for (int n = 0; n < 5000; n++) {
                hedge_learn(&hedge, &spec, times * (1000 + rng_below(test_rng(), 99000)));
            }
            int64_t want_ns = percentiles[i] * times * NS_PER_MS;
            int64_t got_ns = hedge_delay_ns(&hedge, &spec);
            check(got_ns > want_ns * 70 / 100 && got_ns < want_ns * 125 / 100);
        }
    }
}
