/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "harness/test.h"
#include "traffic/retry_budget.h"

enum { WINDOW_MS = 10000, MODEL = 4000 };

TEST(a_share_and_a_minimum)
{
    struct retry_budget budget = {0};
    struct retry_budget_spec spec = {200, WINDOW_MS, 3000};
    int64_t now_ns = 100 * NS_PER_S;
    for (int i = 0; i < 100; i++) {
        retry_budget_request(&budget, &spec, now_ns);
    }
    int taken = 0;
    while (retry_budget_take(&budget, &spec, now_ns, now_ns)) {
        taken++;
    }
    check_int(taken, 20 + 3);
    check(!retry_budget_take(&budget, &spec, now_ns, now_ns + 5 * NS_PER_S));
    now_ns += 2 * WINDOW_MS * NS_PER_MS;
    for (int i = 0; i < 3; i++) {
        check(retry_budget_take(&budget, &spec, now_ns, now_ns));
    }
    check(!retry_budget_take(&budget, &spec, now_ns, now_ns));
}

TEST(without_share_and_minimum_nothing_is_tried_again)
{
    struct retry_budget budget = {0};
    struct retry_budget_spec spec = {0, WINDOW_MS, 0};
    for (int i = 0; i < 100; i++) {
        retry_budget_request(&budget, &spec, NS_PER_S);
        check(!retry_budget_take(&budget, &spec, NS_PER_S, NS_PER_S));
    }
}

/* 100 % means: each request may be tried once more. Always: requests that last longer than the
 * window, that all fail at once, or one after the other. */
TEST(a_whole_share_never_refuses_a_first_retry)
{
    for (size_t round = 0; round < test_rounds(200); round++) {
        struct rng *rng = test_rng();
        struct retry_budget budget = {0};
        struct retry_budget_spec spec = {1000, WINDOW_MS, 0};
        static int64_t began_ns[MODEL];
        size_t under_way = 0;
        int64_t now_ns = (int64_t)rng_below(rng, 1000) * NS_PER_S;
        for (int step = 0; step < 3000; step++) {
            now_ns += rng_chance(rng, 20) ? (int64_t)rng_below(rng, 30000) * NS_PER_MS
                                          : (int64_t)rng_below(rng, 50) * NS_PER_MS;
            if (rng_chance(rng, 600) && under_way < MODEL) {
                retry_budget_request(&budget, &spec, now_ns);
                began_ns[under_way++] = now_ns;
            } else if (under_way > 0) {
                size_t i = (size_t)rng_below(rng, under_way);
                check(retry_budget_take(&budget, &spec, began_ns[i], now_ns));
                began_ns[i] = began_ns[--under_way];
            }
        }
    }
}

/* Requests and second tries by the slot in which the request began, as a model that forgets
 * nothing. */
enum { SLOTS = 4096 };
static uint64_t requests_in[SLOTS], tries_in[SLOTS];

static uint64_t in_window(const uint64_t *counts, int64_t slot)
{
    uint64_t sum = 0;
    int64_t first = MAX(slot - BUDGET_SLOTS + 1, (int64_t)0);
    for (int64_t i = first; i <= slot; i++) {
        sum += counts[i];
    }
    return sum;
}

TEST(in_each_window_the_share_holds)
{
    const int64_t slot_ns = WINDOW_MS * NS_PER_MS / BUDGET_SLOTS;
    for (size_t round = 0; round < test_rounds(200); round++) {
        struct rng *rng = test_rng();
        struct retry_budget budget = {0};
        struct retry_budget_spec spec = {(uint32_t)rng_below(rng, 1500), WINDOW_MS,
                                         (uint32_t)rng_below(rng, 5000)};
        int64_t now_ns = 0;
        uint64_t taken = 0;
        memset(requests_in, 0, sizeof(requests_in));
        memset(tries_in, 0, sizeof(tries_in));
        for (int step = 0; step < 5000; step++) {
            now_ns += (int64_t)rng_below(rng, 200) * NS_PER_MS;
            int64_t slot = now_ns / slot_ns;
            retry_budget_request(&budget, &spec, now_ns);
            requests_in[slot]++;
            for (uint64_t n = rng_below(rng, 4); n > 0; n--) {
                int64_t age_ns = (int64_t)rng_below(rng, WINDOW_MS * 3 / 2) * NS_PER_MS;
                int64_t began = MAX(now_ns - age_ns, (int64_t)0) / slot_ns;
                if (began <= slot - BUDGET_SLOTS) { /* older than the window: counted again */
                    began = slot;
                    requests_in[slot]++;
                }
                uint64_t allowed = in_window(requests_in, slot) * spec.share_permille;
                bool fits =
                    (in_window(tries_in, slot) + 1) * 1000 <= allowed + spec.minimum_permille;
                check_int(
                    retry_budget_take(&budget, &spec, MAX(now_ns - age_ns, (int64_t)0), now_ns),
                    fits);
                tries_in[began] += fits;
                taken += fits;
            }
        }
        check(spec.share_permille < 100 || taken > 0); /* a window has some 100 requests */
    }
}

TEST(a_clock_that_stands_or_jumps_is_no_danger)
{
    struct retry_budget budget = {0};
    struct retry_budget_spec spec = {500, 1, 1000};
    for (int i = 0; i < 1000; i++) {
        int64_t now_ns = (int64_t)(rng_u64(test_rng()) >> 2);
        retry_budget_request(&budget, &spec, now_ns);
        (void)!retry_budget_take(&budget, &spec, now_ns / 2, now_ns);
        (void)!retry_budget_take(&budget, &spec, now_ns * 2, now_ns);
        check(budget.request_sum <= UINT32_MAX && budget.try_sum <= UINT32_MAX);
    }
}

/* The slots of a longer window have smaller numbers: it must not wait until the clock is there. */
TEST(a_longer_window_begins_anew)
{
    struct retry_budget budget = {0};
    const struct retry_budget_spec before = {0, 1000, 10000}, after = {0, 600000, 5000};
    int64_t now_ns = 86400 * NS_PER_S;
    retry_budget_request(&budget, &before, now_ns);
    for (int i = 0; i < 10; i++) {
        check(retry_budget_take(&budget, &before, now_ns, now_ns));
    }
    check(!retry_budget_take(&budget, &before, now_ns, now_ns));
    for (int window = 0; window < 5; window++) {
        for (int i = 0; i < 5; i++) {
            check(retry_budget_take(&budget, &after, now_ns, now_ns));
        }
        check(!retry_budget_take(&budget, &after, now_ns, now_ns));
        now_ns += 601 * NS_PER_S;
    }
}
