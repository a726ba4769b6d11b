/* SPDX-License-Identifier: Apache-2.0
 *
 * The average fades by exp(-t / tau). Anything cheaper that is not exponential (a line between
 * half-lives) would fade by another rate when samples come often than when they come seldom.
 */
#include "traffic/peak.h"

#include <math.h>

static double left_after(int64_t age_ns)
{
    return age_ns > 0 ? exp(-(double)age_ns / (double)PEAK_TAU_NS) : 1;
}

void peak_sample(struct peak *peak, int64_t sample_ns, int64_t now_ns)
{
    double sample = (double)MAX(sample_ns, 1);
    double left = left_after(now_ns - peak->at_ns);
    double keep = peak->value_ns * left;
    peak->value_ns = sample >= keep ? sample : keep + sample * (1 - left);
    peak->at_ns = now_ns;
}

double peak_value(const struct peak *peak, int64_t now_ns)
{
    double value = peak->value_ns * left_after(now_ns - peak->at_ns);
    return value >= 1 ? value : 0;
}
