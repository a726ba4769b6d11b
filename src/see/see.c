/* SPDX-License-Identifier: Apache-2.0
 *
 * The room: its parts put together, and news of the bus handed to them.
 *
 * Order of the end: no new passes and queries → the threads end → what they held is closed. The
 * store of lines needs no farewell: what is not read yet lies in the services' output files.
 */
#include "see/see.h"

#include "link/keeper_client.h"
#include "os/shm.h"
#include "see/private.h"

#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 2, WORKS_MAX = 4, UNKNOWN_REPLICAS_MAX = 4096 };

struct see *see_get(const struct core *core)
{
    return core_room(core, see_room.name);
}

/* Reads the snapshot that the keeper holds, when it may have changed. */
static void read_snapshot(struct see *see)
{
    struct shm shm = {0};
    int fd = keeper_client_fd(see->core->keeper, STR("snapshot"));
    uint64_t before = see->names.sequence;
    if (fd < 0 || shm_map(&shm, fd, false) < 0) {
        return;
    }
    int r = names_read(&see->names, str_make((const char *)shm.p, shm.size));
    if (r < 0) {
        core_log(see->core, "the names in the snapshot: %s", strerror(-r));
    }
    shm_unmap(&shm);
    /* The message may be ahead of the snapshot: look again until it has moved. */
    see->names_stale = see->names.sequence == before ? see->names_stale - 1 : 0;
}

/* Names are read by the tail's worker, so they change between passes only. */
void see_update_names(struct see *see)
{
    if (see->tail.running) {
        return;
    }
    for (size_t i = 0; i < see->new_replicas.len; i++) {
        const struct bus_id *id = vec_at(&see->new_replicas, struct bus_id, i);
        int r = names_add_replica(&see->names, str_from(id->tenant), str_from(id->project),
                                  str_from(id->service), id->replica);
        if (r < 0) {
            core_log(see->core, "the name of %s-%u: %s", id->service, id->replica, strerror(-r));
        }
    }
    vec_fini(&see->new_replicas);
    if (see->names_stale > 0) {
        read_snapshot(see);
    }
}

static void before_pass(void *arg)
{
    see_update_names(arg);
}

static void committed(void *arg, const struct stream_id *ids, size_t count)
{
    struct see *see = arg;
    logs_committed(&see->logs, ids, count);
}

static void on_message(struct bus_subscriber *subscriber, const struct bus_message *message)
{
    struct see *see = container_of(subscriber, struct see, subscriber);
    if (message->topic == BUS_ROUTES_CHANGED || message->topic == BUS_RESYNC) {
        see->names_stale = SEE_NAMES_TRIES;
    }
    if (message->topic == BUS_REPLICA_CHANGED && vec_push(&see->new_replicas, &message->id) < 0) {
        see->names_stale = SEE_NAMES_TRIES;
    }
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
    names_fini(&see->names);
    vec_fini(&see->new_replicas);
    vec_fini(&see->catalog);
    free(see);
}

static void set_up(struct see *see, struct core *core)
{
    see->core = core;
    see->catalog = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    see->new_replicas = VEC_INIT(struct bus_id, UNKNOWN_REPLICAS_MAX);
    see->names = NAMES_INIT;
    see->names_stale = SEE_NAMES_TRIES;
    (void)snprintf(see->logs_folder, sizeof(see->logs_folder), "%s/logs", core->instance.state_dir);
    (void)snprintf(see->output_folder, sizeof(see->output_folder), "%s/output",
                   core->instance.state_dir);
    see->tail.catalog = &see->catalog;
    see->tail.logs = see->logs_folder;
    see->tail.output = see->output_folder;
    see->tail.ops = (struct tail_ops){.committed = committed, .before = before_pass, .arg = see};
    see->tail.notify.watch.fd = -1;
    see->access.names = &see->names;
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
    int r = worker_pool_init(&see->pool, core->loop, THREADS, WORKS_MAX);
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
