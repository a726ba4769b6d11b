/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers that all threads of an edge count together, by stable id: requests under way at an
 * endpoint, open tunnels of a route. Who asks for an id first claims a place for it, which is then
 * its own for the life of the edge; nobody waits for anybody.
 *
 * Ids of configurations come and go: when all places around are taken an id shares one. Then both
 * look busier than they are.
 */
#ifndef EDGE_TALLY_H
#define EDGE_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    TALLIES = 1 << 16 /* of a table; of zeroed memory, of which only what is claimed is touched */
};

struct tally {
    _Atomic uint64_t id; /* 0 = free */
    atomic_uint count;
};

/* The id's number in a table of TALLIES; ids are hashes, and not 0. Any thread. */
atomic_uint *tally_of(struct tally *tallies, uint64_t id);

#endif
