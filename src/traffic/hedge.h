/* SPDX-License-Identifier: Apache-2.0
 *
 * struct hedge: when a request that has no answer yet is sent to a second endpoint too: after a
 * fixed time, or when it takes longer than most do (a percentile of latencies, estimated as they
 * come). How many may be is a budget's business (retry_budget.h).
 *
 * The estimate moves by small steps: up by q when a latency lies above it, down by 1 - q when
 * below; it rests where that is level, which is the percentile. No list of latencies is kept.
 */
#ifndef TRAFFIC_HEDGE_H
#define TRAFFIC_HEDGE_H

#include "base/num.h"

enum { HEDGE_LEARN = 100 /* latencies before the percentile is trusted */ };

struct hedge_spec {
    uint32_t after_ms;   /* at the earliest; 0 with a percentile = no such bound */
    uint32_t percentile; /* 1…99; 0 = after_ms alone decides */
};

struct hedge {
    double estimate_us;
    uint32_t learned;
};

static inline void hedge_learn(struct hedge *hedge, const struct hedge_spec *spec,
                               uint64_t latency_us)
{
    double q = spec->percentile / 100.0;
    if (hedge->learned == 0) {
        hedge->estimate_us = (double)latency_us;
    }
    /* A step is a part of the estimate; larger ones while little is known. */
    double step = hedge->estimate_us * (hedge->learned < HEDGE_LEARN ? 0.1 : 0.02) + 1;
    hedge->estimate_us += (double)latency_us > hedge->estimate_us ? step * q : -step * (1 - q);
    hedge->learned += hedge->learned < HEDGE_LEARN;
}

/* How long after it was sent; 0 = not yet known, so not at all. */
static inline int64_t hedge_delay_ns(const struct hedge *hedge, const struct hedge_spec *spec)
{
    int64_t after_ns = (int64_t)spec->after_ms * NS_PER_MS;
    if (spec->percentile == 0) {
        return after_ns;
    }
    if (hedge->learned < HEDGE_LEARN) {
        return 0;
    }
    int64_t estimate_ns = (int64_t)hedge->estimate_us * NS_PER_US;
    return MAX(estimate_ns, after_ns);
}

#endif
