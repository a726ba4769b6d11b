/* SPDX-License-Identifier: Apache-2.0
 *
 * What an edge carries at this moment, in the counters' memory: each thread writes its own. An edge
 * that ends has nothing at last; what one that was killed had is lost, and the edge that clears its
 * tables counts it as that (counters_clear), once.
 */
#ifndef LINK_COUNTERS_CARRIED_H
#define LINK_COUNTERS_CARRIED_H

#include "base/def.h"

struct counters;

struct counters_carried {
    uint32_t requests, /* whose head came whole, until their record */
        tunnels;       /* those after a 101 and of CONNECT; connections of tcp and tls listeners */
};

/* Edge: what this thread carries. */
struct counters_carried *counters_carried_of(const struct counters *counters, uint32_t thread);
static inline void counters_carry(uint32_t *count, uint32_t n)
{
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}
/* Edge: this process has begun, and what it found was lost with the one before. */
void counters_begun(const struct counters *counters, int pid, struct counters_carried found);
/* Core: what the edge with that pid found. False: it has not begun yet, or is not the last one. */
must_check bool counters_found(const struct counters *counters, int pid,
                               struct counters_carried *ret);
/* Core: lost so far, with all edges that were killed. */
struct counters_carried counters_lost(const struct counters *counters);

#endif
