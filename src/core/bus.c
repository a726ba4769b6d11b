/* SPDX-License-Identifier: Apache-2.0
 *
 * One queue, one deferred task. A burst (a project of 500 services comes up) merges into few
 * messages, because "changed" says nothing that a later "changed" of the same thing does not say
 * too.
 *
 * Invariants
 *  1. Subscribers run only from the loop, never from inside bus_publish.
 *  2. A message of BUS_EVENT owns its event (malloc); it is freed after delivery, or when the queue
 * is dropped.
 *  3. What is published during a delivery is delivered in the next turn.
 *  4. A subscriber may go away inside any callback: the walk keeps its place in `cursor`.
 */
#include "core/bus.h"

#include "base/vec.h"
#include "core/mutate.h"
#include "os/loop.h"

#include <stdlib.h>

enum { QUEUE_MAX = 4096, MERGE_DEPTH = 128 };

struct bus {
    struct loop *loop;
    struct loop_task task;
    struct vec queue; /* of struct bus_message */
    bool overflow;
    struct list subscribers;
    struct list *cursor; /* the next subscriber of the delivery that runs */
};

/* Topics that say only "look again": merged while they wait. */
#define MERGED                                                                                     \
    (BUS_BIT(BUS_PROJECT_CHANGED) | BUS_BIT(BUS_SERVICE_CHANGED) | BUS_BIT(BUS_REPLICA_CHANGED) |  \
     BUS_BIT(BUS_ROUTES_CHANGED))

struct bus_id bus_id_make(struct str tenant, struct str project, struct str service,
                          uint32_t replica)
{
    struct bus_id id = {.replica = replica};
    str_copy(id.tenant, sizeof(id.tenant), tenant);
    str_copy(id.project, sizeof(id.project), project);
    str_copy(id.service, sizeof(id.service), service);
    return id;
}

static void queue_drop(struct vec *queue)
{
    for (size_t i = 0; i < queue->len; i++) {
        struct bus_message *message = vec_at(queue, struct bus_message, i);
        if (message->topic == BUS_EVENT) {
            free(message->event);
        }
    }
    vec_reset(queue);
}

static void deliver_one(struct bus *bus, const struct bus_message *message)
{
    for (struct list *it = bus->subscribers.next; it != &bus->subscribers; it = bus->cursor) {
        struct bus_subscriber *subscriber = list_entry(it, struct bus_subscriber, node);
        bus->cursor = it->next;
        if (message->topic == BUS_RESYNC || (subscriber->topics & BUS_BIT(message->topic))) {
            subscriber->notify(subscriber, message);
        }
    }
    bus->cursor = NULL;
}

static void deliver(struct loop_task *task)
{
    struct bus *bus = container_of(task, struct bus, task);
    struct vec batch = bus->queue;
    bool overflow = bus->overflow;
    bus->queue = VEC_INIT(struct bus_message, QUEUE_MAX);
    bus->overflow = false;
    if (overflow) {
        deliver_one(bus, &(struct bus_message){.topic = BUS_RESYNC});
    }
    for (size_t i = 0; i < batch.len; i++) {
        deliver_one(bus, vec_at(&batch, struct bus_message, i));
    }
    queue_drop(&batch);
    if (bus->queue.items == NULL) {
        bus->queue = batch; /* keep the memory for the next burst */
    } else {
        vec_fini(&batch);
    }
}

int bus_new(struct loop *loop, struct bus **ret_bus)
{
    struct bus *bus = calloc(1, sizeof(*bus));
    if (!bus) {
        return -ENOMEM;
    }
    bus->loop = loop;
    bus->queue = VEC_INIT(struct bus_message, QUEUE_MAX);
    list_init(&bus->subscribers);
    loop_task_init(&bus->task, deliver);
    *ret_bus = bus;
    return 0;
}

void bus_free(struct bus *bus)
{
    if (!bus) {
        return;
    }
    loop_task_cancel(&bus->task);
    queue_drop(&bus->queue);
    vec_fini(&bus->queue);
    while (list_pop_front(&bus->subscribers)) {
    }
    free(bus);
}

void bus_subscribe(struct bus *bus, struct bus_subscriber *subscriber)
{
    subscriber->bus = bus;
    list_push_back(&bus->subscribers, &subscriber->node);
}

void bus_unsubscribe(struct bus_subscriber *subscriber)
{
    struct bus *bus = subscriber->bus;
    if (!bus) {
        return;
    }
    if (bus->cursor == &subscriber->node) {
        bus->cursor = subscriber->node.next;
    }
    list_del(&subscriber->node);
    subscriber->bus = NULL;
}

static bool id_eq(const struct bus_id *a, const struct bus_id *b)
{
    return a->replica == b->replica && strcmp(a->service, b->service) == 0 &&
           strcmp(a->project, b->project) == 0 && strcmp(a->tenant, b->tenant) == 0;
}

/* Does an equal message wait already? Looks only at the newest ones: a burst is about few things. A
 * message of another topic about the same thing ends the search, since order between them matters.
 */
static bool merged(struct bus *bus, const struct bus_message *message)
{
    if (!(MERGED & BUS_BIT(message->topic))) {
        return false;
    }
    size_t stop = bus->queue.len > MERGE_DEPTH ? bus->queue.len - MERGE_DEPTH : 0;
    for (size_t i = bus->queue.len; i-- > stop;) {
        struct bus_message *waiting = vec_at(&bus->queue, struct bus_message, i);
        if (id_eq(&waiting->id, &message->id)) {
            bool same = waiting->topic == message->topic;
            *waiting = same ? *message : *waiting; /* the newer one knows better */
            return same;
        }
    }
    return false;
}

void bus_publish(struct bus *bus, const struct bus_message *message)
{
    ensure(message->topic > BUS_RESYNC && message->topic < BUS_TOPIC_COUNT);
    loop_defer(bus->loop, &bus->task);
    if (merged(bus, message)) {
        return;
    }
    if (bus->overflow || vec_push(&bus->queue, message) < 0) {
        if (message->topic == BUS_EVENT) {
            free(message->event);
        }
        if (!bus->overflow) {
            queue_drop(&bus->queue);
            bus->overflow = true;
        }
    }
}
