/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to link/: the head of the counters' memory, which cells and probes share, and what the
 * writer of a table notes about its cells and octaves.
 */
#ifndef LINK_COUNTERS_PRIVATE_H
#define LINK_COUNTERS_PRIVATE_H

#include "link/counters.h"

struct counters_header {
    uint64_t magic;
    uint32_t threads, cells, probes_used, serving;
    uint32_t octaves; /* since layout 3 */
    uint32_t policies_used, policies_lock;
    uint32_t edge_pid;             /* of the one that began last */
    struct counters_carried found; /* by it */
    uint64_t unused[2];
};

enum { COUNTERS_PROBES_OFFSET = 64 };

struct counters_policy;
struct counters_policy *counters_policies_of(const struct counters *counters);

/* A killed writer may leave any of it half done: counters_take_over makes it anew. */
struct counters_upkeep {
    uint64_t begun, ended; /* reclaims and carries; equal: none is under way */
    uint64_t free;         /* cells that were given back and not used again */
    uint64_t free_from;    /* none lies before it */
    uint64_t octaves_used; /* of the pool, from the front, ever */
    uint64_t octaves_free; /* given back; the first of a list through their first counts, or 0 */
    struct counters_carried carried, lost;
};

_Static_assert(sizeof(struct counters_upkeep) == 64, "it is part of the layout");
_Static_assert(sizeof(struct counters_header) == COUNTERS_PROBES_OFFSET, "the layout is fixed");

/* A reader sees no sum in between (counters_settled). */
static inline void counters_begin(struct counters_upkeep *upkeep)
{
    __atomic_store_n(&upkeep->begun, upkeep->begun + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
static inline void counters_end(struct counters_upkeep *upkeep)
{
    __atomic_store_n(&upkeep->ended, upkeep->begun, __ATOMIC_RELEASE);
}
/* All that was counted in `from` goes to `to`; `from` is empty then, its octaves are free or the
 * other's. */
void counters_histogram_move(const struct counters_pool *pool, struct counters_histogram *to,
                             struct counters_histogram *from);
/* After a writer was killed: the octaves that cells name are in use, all others free. Begin, each
 * histogram, end. `seen` has a bit for each octave. */
enum { COUNTERS_SEEN_SIZE = 65536 / 8 };
void counters_histogram_check(const struct counters_pool *pool,
                              struct counters_histogram *histogram,
                              uint8_t seen[COUNTERS_SEEN_SIZE]);
void counters_pool_make(const struct counters_pool *pool, const uint8_t seen[COUNTERS_SEEN_SIZE]);

/* --- the layout before this one: counters_older.c --- */
struct counters_thread counters_older_thread(const struct counters *counters, uint32_t thread);
uint32_t counters_older_used(const struct counters *counters, uint32_t thread);
bool counters_older_cell(const struct counters *counters, uint32_t thread, uint32_t i,
                         struct counters_cell *ret);
bool counters_older_octave(const struct counters_place *place, unsigned octave,
                           uint64_t ret[COUNTERS_OCTAVE]);
bool counters_older_settled(const struct counters *counters, uint32_t thread, uint64_t *count);

#endif
