/* SPDX-License-Identifier: Apache-2.0
 *
 * An edge's end of the channel to the one that it replaces, or that replaces it. See handover.c.
 */
#ifndef EDGE_HANDOVER_H
#define EDGE_HANDOVER_H

#include "base/wheel.h"
#include "os/chan.h"

struct edge;

struct edge_handover {
    struct edge *edge;
    struct chan chan;
    uint8_t *queue;
    struct list parcels; /* given by the threads, not sent yet */
    size_t waiting;
    uint32_t credit; /* giving: what the other one takes; taking: what it did not use yet */
    bool begun;      /* it may give */
    bool gives;      /* the next edge is understood; set before the edge `moves` */
    struct timer tick;
};

void handover_init(struct edge_handover *handover, struct edge *edge);
void handover_fini(struct edge_handover *handover);

#endif
