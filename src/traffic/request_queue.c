/* SPDX-License-Identifier: Apache-2.0
 *
 * One CoDel for all classes: it looks at who leaves, and under load those are the high ones. So the
 * time of the *oldest* of any class that waits is what counts for CoDel, and whom it refuses is the
 * oldest of the lowest class: the load goes where it hurts least.
 */
#include "traffic/request_queue.h"

#include "base/num.h"

void request_queue_init(struct request_queue *queue, size_t count_max,
                        const struct codel_spec *codel)
{
    *queue = (struct request_queue){.count_max = count_max, .codel_spec = *codel};
    for (unsigned i = 0; i < QUEUE_CLASSES; i++) {
        list_init(&queue->waiting[i]);
    }
}

void request_queue_item_init(struct request_queue_item *item)
{
    list_init(&item->node);
}

static struct request_queue_item *item_of(struct list *node)
{
    return list_entry(node, struct request_queue_item, node);
}

static struct request_queue_item *remove_item(struct request_queue *queue,
                                              struct request_queue_item *item)
{
    list_del(&item->node);
    queue->count--;
    return item;
}

/* The lowest class in which somebody waits; QUEUE_CLASSES: nobody does. */
static unsigned lowest(const struct request_queue *queue)
{
    for (unsigned i = QUEUE_CLASSES; i > 0; i--) {
        if (!list_empty(&queue->waiting[i - 1])) {
            return i - 1;
        }
    }
    return QUEUE_CLASSES;
}

static unsigned highest(const struct request_queue *queue)
{
    unsigned i = 0;
    while (i < QUEUE_CLASSES && list_empty(&queue->waiting[i])) {
        i++;
    }
    return i;
}

bool request_queue_put(struct request_queue *queue, struct request_queue_item *item, int64_t now_ns,
                       struct request_queue_item **ret_refused)
{
    ensure(list_empty(&item->node) && item->class < QUEUE_CLASSES);
    *ret_refused = NULL;
    if (queue->count >= queue->count_max) {
        unsigned low = lowest(queue);
        if (low == QUEUE_CLASSES || low <= item->class) {
            return false;
        }
        *ret_refused = remove_item(queue, item_of(queue->waiting[low].prev));
    }
    item->since_ns = now_ns;
    list_push_back(&queue->waiting[item->class], &item->node);
    queue->count++;
    return true;
}

static int64_t longest_wait(const struct request_queue *queue, int64_t now_ns)
{
    int64_t since_ns = now_ns;
    for (unsigned i = 0; i < QUEUE_CLASSES; i++) {
        if (!list_empty(&queue->waiting[i])) {
            int64_t oldest_ns = item_of(queue->waiting[i].next)->since_ns;
            since_ns = MIN(since_ns, oldest_ns);
        }
    }
    return now_ns - since_ns;
}

struct request_queue_item *request_queue_take(struct request_queue *queue, int64_t now_ns,
                                              bool *ret_refused)
{
    *ret_refused = false;
    if (queue->count == 0) {
        return NULL;
    }
    int64_t waited_ns = longest_wait(queue, now_ns);
    unsigned class = ++queue->turns % QUEUE_FAIR == 0 ? lowest(queue) : highest(queue);
    if (codel_drop(&queue->codel, &queue->codel_spec, waited_ns, queue->count == 1, now_ns)) {
        *ret_refused = true;
        class = lowest(queue);
    }
    return remove_item(queue, item_of(queue->waiting[class].next));
}

void request_queue_leave(struct request_queue *queue, struct request_queue_item *item)
{
    if (!list_empty(&item->node)) {
        (void)remove_item(queue, item);
    }
}
