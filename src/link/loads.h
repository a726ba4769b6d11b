/* SPDX-License-Identifier: Apache-2.0
 *
 * How busy endpoints are, as the core measures it once a second: words behind the slots of the
 * delta log's memory, stored by the core, read by the edge's threads whenever they pick. Nobody is
 * woken for it, nothing grows, and what is old says so itself (traffic/pick.h has the word).
 *
 * A word belongs to an endpoint by its id alone. Two may meet in one: then it holds what the busier
 * one uses.
 */
#ifndef LINK_LOADS_H
#define LINK_LOADS_H

#include "base/def.h"

enum { LOADS = 8192, LOADS_SIZE = LOADS * 8 };

static inline const uint64_t *loads_word(const uint64_t *loads, uint64_t endpoint)
{
    return &loads[endpoint % LOADS];
}

/* Per mille of what it may use. A word of the same second keeps the larger one. */
static inline void loads_set(uint64_t *loads, uint64_t endpoint, unsigned per_mille, int64_t now_ns)
{
    uint64_t *word = &loads[endpoint % LOADS];
    uint64_t second = (uint64_t)(now_ns / INT64_C(1000000000));
    uint64_t next = second << 16 | 0x8000 | MIN(per_mille, 1000U);
    uint64_t before = __atomic_load_n(word, __ATOMIC_RELAXED);
    if (before >> 16 != second || before < next) {
        __atomic_store_n(word, next, __ATOMIC_RELAXED);
    }
}

#endif
