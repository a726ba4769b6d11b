/* SPDX-License-Identifier: Apache-2.0
 *
 * struct request_queue: requests that wait for a place, by priority, with CoDel (codel.h) against
 * standing queues.
 *
 * 1. Higher classes leave first, and each eighth place is offered from the other end: nobody
 *    starves.
 * 2. A full queue makes room for a higher class by refusing the youngest of the lowest class.
 * 3. Who is taken out is in no list; the queue owns nobody.
 */
#ifndef TRAFFIC_REQUEST_QUEUE_H
#define TRAFFIC_REQUEST_QUEUE_H

#include "base/list.h"
#include "traffic/codel.h"

enum { QUEUE_CLASSES = 3 /* 0 = first */, QUEUE_USUAL = 1, QUEUE_FAIR = 8 };

struct request_queue_item {
    struct list node; /* alone while it does not wait */
    int64_t since_ns;
    uint8_t class;
};

struct request_queue {
    struct list waiting[QUEUE_CLASSES]; /* oldest first */
    size_t count, count_max;
    struct codel_spec codel_spec;
    struct codel codel;
    uint32_t turns;
};

void request_queue_init(struct request_queue *queue, size_t count_max,
                        const struct codel_spec *codel);
void request_queue_item_init(struct request_queue_item *item);
/* False: full, of classes that are not lower. *ret_refused: one that was taken out for it, or
 * NULL. */
must_check bool request_queue_put(struct request_queue *queue, struct request_queue_item *item,
                                  int64_t now_ns, struct request_queue_item **ret_refused);
/* The next one, or NULL. *ret_refused: it is to be refused, not served. */
struct request_queue_item *request_queue_take(struct request_queue *queue, int64_t now_ns,
                                              bool *ret_refused);
/* Also for one who does not wait. */
void request_queue_leave(struct request_queue *queue, struct request_queue_item *item);

#endif
