/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to link/: the head of the counters' memory, which cells and probes share.
 */
#ifndef LINK_COUNTERS_PRIVATE_H
#define LINK_COUNTERS_PRIVATE_H

#include "link/counters.h"

struct counters_header {
    uint64_t magic;
    uint32_t threads, cells, probes_used, serving;
    uint64_t unused[5];
};

enum { COUNTERS_PROBES_OFFSET = 64 };

_Static_assert(sizeof(struct counters_header) == COUNTERS_PROBES_OFFSET, "the layout is fixed");

#endif
