/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared memory of the edge, mapped.
 */
#ifndef EDGE_MEMORY_H
#define EDGE_MEMORY_H

#include "edge/edge_private.h"

/* 0 or -errno. */
must_check int memory_open(struct edge_shared *shared, const struct edge_memory *memory,
                           unsigned threads);
void memory_close(struct edge_shared *shared);

#endif
