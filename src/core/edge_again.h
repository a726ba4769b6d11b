/* SPDX-License-Identifier: Apache-2.0
 *
 * The story of an edge that ended and was started again: `role.restarted`, with what was lost. The
 * next edge finds that when it begins (link/counters_carried.h), a moment after it was started;
 * the story waits for it, a second at most.
 */
#ifndef CORE_EDGE_AGAIN_H
#define CORE_EDGE_AGAIN_H

#include "os/loop.h"

struct core;

struct edge_again {
    struct core *core;
    struct timer timer; /* armed: something is to be told */
    int pid;            /* of the edge that was started */
    int64_t until_ns;
};

void edge_again_init(struct edge_again *again, struct core *core);
/* What is not told yet stays untold, and is in the metrics. */
void edge_again_fini(struct edge_again *again);
/* The keeper has started it in place of one that ended. */
void edge_again_tell(struct edge_again *again, int pid);

#endif
