/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections on their way from an edge that is replaced to the next one: taken out of a thread
 * here, put into one there. Between the two: handover.c.
 */
#ifndef EDGE_MOVE_H
#define EDGE_MOVE_H

#include "edge/worker_life.h"
#include "link/handover.h"

/* A connection without a thread. Given to a thread it is a gift like others. */
struct parcel {
    struct worker_gift gift;
    struct list node;
    struct handover_msg msg;
    int fds[2]; /* client, upstream; -1 = none */
};

/* NULL when memory is out. */
struct parcel *parcel_new(void);
/* Closes what it still holds. Accepts NULL. */
void parcel_free(struct parcel *parcel);

/* From here on what can be moved leaves this thread (worker->moving), now and as it comes to rest;
 * each parcel goes to `give`, on this thread. */
void move_begin(struct worker *worker, void (*give)(struct worker *worker, struct parcel *parcel));
/* Goes on from where the other edge stood; frees the parcel. On the thread of `worker`. */
void move_take(struct worker *worker, struct parcel *parcel);

#endif
