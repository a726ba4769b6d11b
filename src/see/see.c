/* SPDX-License-Identifier: Apache-2.0
 *
 * The room: its parts put together, and news of the bus handed to them.
 *
 * Order of the end: no new passes and queries → the threads end → what they held is closed. The
 * store of lines needs no farewell: what is not read yet lies in the services' output files.
 *
 * Half-built rooms are taken down by the same function: every part is zeroed first, and its fini
 * takes that. Messages of the bus go to the names before the figures, which look names up.
 */
#include "see/see.h"

#include "see/private.h"

#include <stdio.h>
#include <stdlib.h>

struct see *see_get(const struct core *core)
{
    return core_room(core, see_room.name);
}

static void before_pass(void *arg)
{
    struct see *see = arg;
    naming_update(&see->naming);
}

static void committed(void *arg, const struct stream_id *ids, size_t count)
{
    struct see *see = arg;
    logs_committed(&see->logs, ids, count);
}

static void on_message(struct bus_subscriber *subscriber, const struct bus_message *message)
{
    struct see *see = container_of(subscriber, struct see, subscriber);
    naming_message(&see->naming, message);
    tail_message(&see->tail, message);
    metrics_message(see->metrics, message);
}

static void see_fini(void *room)
{
    struct see *see = room;
    if (!see) {
        return;
    }
    tail_stop(&see->tail);
    logs_stop(&see->logs);
    if (see->pool_up) {
        worker_pool_fini(&see->pool);
    }
    bus_unsubscribe(&see->subscriber);
    pss_fini(see);
    metrics_free(see->metrics);
    logs_fini(&see->logs);
    access_fini(&see->access);
    tail_fini(&see->tail);
    naming_fini(&see->naming);
    vec_fini(&see->catalog);
    free(see);
}

/* What parts know of each other, before any of them begins: folders, the catalog, who is told. */
static void set_up(struct see *see, struct core *core)
{
    see->core = core;
    see->catalog = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    naming_init(&see->naming, core, &see->tail.running);
    (void)snprintf(see->logs_folder, sizeof(see->logs_folder), "%s/logs", core->instance.state_dir);
    (void)snprintf(see->output_folder, sizeof(see->output_folder), "%s/output",
                   core->instance.state_dir);
    see->tail.catalog = &see->catalog;
    see->tail.logs = see->logs_folder;
    see->tail.output = see->output_folder;
    see->tail.ops = (struct tail_ops){.committed = committed, .before = before_pass, .arg = see};
    see->tail.notify.watch.fd = -1;
    see->access.names = &see->naming.names;
    see->access.catalog = &see->catalog;
    see->access.logs = see->logs_folder;
    see->subscriber =
        (struct bus_subscriber){.topics = BUS_ALL & ~BUS_BIT(BUS_EVENT), .notify = on_message};
    list_init(&see->pss);
    logs_init(&see->logs);
}

static int see_init(struct core *core, void **ret_room)
{
    struct see *see = calloc(1, sizeof(*see));
    if (!see) {
        return -ENOMEM;
    }
    set_up(see, core);
    int r = worker_pool_init(&see->pool, core->loop, SEE_WORKS, SEE_WORKS);
    see->pool_up = r == 0;
    if (r == 0) {
        r = tail_init(&see->tail, core, &see->pool);
    }
    if (r == 0) {
        r = access_init(&see->access, core, &see->tail);
    }
    if (r == 0) {
        r = stream_catalog_scan(&see->catalog, see->logs_folder);
    }
    if (r == 0) {
        r = metrics_new(see, &see->metrics);
    }
    if (r < 0) {
        see_fini(see);
        return r;
    }
    bus_subscribe(core->bus, &see->subscriber);
    *ret_room = see;
    return 0;
}

static int see_start(void *room)
{
    struct see *see = room;
    access_start(&see->access);
    metrics_start(see->metrics);
    return tail_start(&see->tail);
}

static void see_stop(void *room)
{
    struct see *see = room;
    tail_stop(&see->tail);
    logs_stop(&see->logs);
}

const struct room_ops see_room = {
    .name = "see",
    .init = see_init,
    .start = see_start,
    .stop = see_stop,
    .fini = see_fini,
};
