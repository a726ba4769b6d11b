/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic/peak.h"

#include "base/num.h"
#include "harness/test.h"

TEST(a_slower_sample_counts_at_once)
{
    struct peak peak = {0};
    check(peak_value(&peak, 5) == 0);
    peak_sample(&peak, 2 * NS_PER_MS, NS_PER_S);
    peak_sample(&peak, 80 * NS_PER_MS, NS_PER_S + 1);
    check(peak_value(&peak, NS_PER_S + 1) == (double)(80 * NS_PER_MS));
}

TEST(it_decays_with_time_alone)
{
    struct peak peak = {0};
    int64_t start = 77 * NS_PER_S;
    peak_sample(&peak, NS_PER_S, start);
    double before = (double)NS_PER_S;
    for (int64_t age = 0; age < 120 * NS_PER_S; age += 100 * NS_PER_MS) {
        double now = peak_value(&peak, start + age);
        check(now <= before);
        before = now;
    }
    double third = peak_value(&peak, start + PEAK_TAU_NS) / 1e9;
    check(third > 0.3678 && third < 0.3680); /* 1/e */
    check(peak_value(&peak, start + 300 * NS_PER_S) == 0);
}

/* However often samples come: the time counts, not their number. */
TEST(fast_samples_bring_it_down_by_time_not_by_count)
{
    for (int64_t gap = 1000; gap <= 100 * NS_PER_MS; gap *= 10) {
        struct peak peak = {0};
        int64_t now = NS_PER_S;
        peak_sample(&peak, 100 * NS_PER_MS, now);
        for (int64_t end = now + PEAK_TAU_NS; now < end; now += gap) {
            peak_sample(&peak, NS_PER_MS, now);
        }
        double ms = peak_value(&peak, now) / (double)NS_PER_MS;
        check(ms > 37.3 && ms < 37.5); /* 1 + 99/e */
    }
}

TEST(samples_that_make_no_sense_are_one_nanosecond)
{
    struct peak peak = {0};
    peak_sample(&peak, -5, 100);
    check(peak_value(&peak, 100) == 1);
    peak_sample(&peak, INT64_MAX, 200);
    check(peak_value(&peak, 200) > 9e18);
}
