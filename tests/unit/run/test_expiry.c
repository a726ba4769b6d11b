/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a certificate under a clock that jumps: whoever wakes at the times that are named
 * sees every step once, in order, and renews its own before the first warning.
 */
#include "base/rng.h"
#include "run/expiry.h"

#include "harness/test.h"

enum { DAY = 86400 };

/* Wakes when it is told to, or (late) at most `late_s` after. */
static void live(int64_t from_s, int64_t until_s, bool ours, struct rng *rng, int64_t late_s)
{
    int64_t now = from_s, renewed = 0;
    enum expiry_step said = EXPIRY_FAR;
    for (unsigned wakes = 0; now < until_s + 2 * DAY; wakes++) {
        check(wakes < 12); /* it does not tick */
        enum expiry_step step = expiry_step(until_s, now);
        check(step >= said);
        if (late_s == 0) {
            check(step <= said + 1 || wakes == 0);
        }
        said = step;
        check_int(step == EXPIRY_ENDED, now >= until_s);
        check_int(expiry_days(until_s, now) == 0, now >= until_s);
        if (ours && !renewed && expiry_renew(from_s, until_s, now)) {
            renewed = now;
        }
        int64_t next = expiry_next_s(from_s, until_s, ours, now);
        check(next > now);
        if (next == INT64_MAX) {
            check_int(step, EXPIRY_ENDED);
            break;
        }
        now = next + (int64_t)rng_below(rng, (uint64_t)late_s + 1);
    }
    check_int(said, EXPIRY_ENDED);
    check_int(renewed != 0, ours);
    if (ours) {
        int64_t third = until_s - (until_s - from_s) / 3;
        check(renewed >= third && renewed <= third + late_s);
    }
}

TEST(each_step_is_met_once_whoever_wakes_when_told)
{
    struct rng rng;
    rng_init(&rng, 11);
    for (unsigned i = 0; i < 20000; i++) {
        int64_t from = (int64_t)rng_below(&rng, 4000000000);
        int64_t life = 1 + (int64_t)rng_below(&rng, i % 2 ? 400 * DAY : 40 * DAY);
        bool ours = rng_below(&rng, 2) != 0;
        live(from, from + life, ours, &rng, 0);
        live(from, from + life, ours, &rng, 3600);
    }
}

TEST(steps_begin_with_their_days)
{
    const struct {
        int64_t left;
        enum expiry_step step;
        int64_t days;
    } want[] = {
        {22 * DAY, EXPIRY_FAR, 22},     {21 * DAY + 1, EXPIRY_FAR, 22},
        {21 * DAY, EXPIRY_21_DAYS, 21}, {7 * DAY + 1, EXPIRY_21_DAYS, 8},
        {7 * DAY, EXPIRY_7_DAYS, 7},    {DAY + 1, EXPIRY_7_DAYS, 2},
        {DAY, EXPIRY_1_DAY, 1},         {1, EXPIRY_1_DAY, 1},
        {0, EXPIRY_ENDED, 0},           {-9 * DAY, EXPIRY_ENDED, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        check_int(expiry_step(want[i].left, 0), want[i].step);
        check_int(expiry_days(want[i].left, 0), want[i].days);
    }
}
