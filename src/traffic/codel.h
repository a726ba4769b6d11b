/* SPDX-License-Identifier: Apache-2.0
 *
 * struct codel: controlled delay (RFC 8289). A queue that is never shorter than `target` for a
 * whole `interval` is no buffer of a burst but a delay that all share: then requests are refused,
 * first one, then faster (interval / √count), until the time in the queue is below the target
 * again.
 *
 * Asked once for each one that leaves the queue. Zeroes are the state before the first.
 */
#ifndef TRAFFIC_CODEL_H
#define TRAFFIC_CODEL_H

#include "base/def.h"

struct codel_spec {
    int64_t target_ns;   /* 0 = never refuse */
    int64_t interval_ns; /* > 0 */
};

struct codel {
    int64_t above_since_ns; /* + interval: when it has been too long for too long; 0 = it is not */
    int64_t next_ns;        /* the next refusal */
    uint32_t count, last_count;
    bool dropping;
};

/* One that has waited so long leaves the queue: is it refused? `last`: nobody waits behind it; then
 * it never is. */
bool codel_drop(struct codel *codel, const struct codel_spec *spec, int64_t waited_ns, bool last,
                int64_t now_ns);

#endif
