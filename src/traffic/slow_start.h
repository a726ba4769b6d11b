/* SPDX-License-Identifier: Apache-2.0
 *
 * Slow start: an endpoint that has just come gets a growing part of its turns, whatever balances
 * them, so that caches fill and code is compiled before the full load arrives.
 */
#ifndef TRAFFIC_SLOW_START_H
#define TRAFFIC_SLOW_START_H

#include "base/num.h"
#include "base/rng.h"

enum { SLOW_START_FLOOR_PERMILLE = 100 };

/* The part of its turns, in thousandths: from a tenth to all, evenly over span_ms. */
static inline uint32_t slow_start_permille(uint32_t span_ms, int64_t since_ns, int64_t now_ns)
{
    int64_t span_ns = (int64_t)span_ms * NS_PER_MS;
    int64_t age_ns = MAX(now_ns - since_ns, 0);
    if (age_ns >= span_ns) {
        return 1000;
    }
    int64_t grown =
        (1000 - SLOW_START_FLOOR_PERMILLE) * (age_ns / NS_PER_US) / (span_ns / NS_PER_US);
    return (uint32_t)(SLOW_START_FLOOR_PERMILLE + grown);
}

/* Does it take this turn? */
static inline bool slow_start_takes(struct rng *rng, uint32_t span_ms, int64_t since_ns,
                                    int64_t now_ns)
{
    uint32_t permille = slow_start_permille(span_ms, since_ns, now_ns);
    return permille >= 1000 || rng_chance(rng, permille);
}

#endif
