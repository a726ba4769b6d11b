/* SPDX-License-Identifier: Apache-2.0
 *
 * When names are read, and that they are read again. What fails is said once a look and tried with
 * the next one; until then lines and figures of what has no name have none.
 *
 * A look maps the keeper's memfd, copies and unmaps: the snapshot of 100,000 routes would otherwise
 * count as this process's memory for ever. The number of looks is bounded, since the bus may speak
 * of a change that never reaches the snapshot (it was taken back).
 */
#include "see/naming.h"

#include "core/edge.h"
#include "link/delta.h"
#include "link/keeper_client.h"
#include "os/shm.h"

enum { LOOKS = 5, REPLICAS_MAX = 4096 };

void naming_init(struct naming *naming, struct core *core, const bool *busy)
{
    *naming = (struct naming){
        .names = NAMES_INIT,
        .core = core,
        .busy = busy,
        .looks = LOOKS,
        .replicas = VEC_INIT(struct bus_id, REPLICAS_MAX),
    };
}

void naming_fini(struct naming *naming)
{
    names_fini(&naming->names);
    vec_fini(&naming->replicas);
}

void naming_message(struct naming *naming, const struct bus_message *message)
{
    if (message->topic == BUS_ROUTES_CHANGED || message->topic == BUS_RESYNC) {
        naming->looks = LOOKS;
    }
    if (message->topic == BUS_REPLICA_CHANGED && vec_push(&naming->replicas, &message->id) < 0) {
        naming->looks = LOOKS;
    }
}

void naming_missed(struct naming *naming)
{
    naming->looks = MAX(naming->looks, 1);
}

/* Without a keeper there is nothing to look at, and the look is not spent. */
static void read_snapshot(struct naming *naming)
{
    struct shm shm = {0};
    int fd = keeper_client_fd(naming->core->keeper, STR("snapshot"));
    uint64_t before = naming->names.sequence;
    if (fd < 0 || shm_map(&shm, fd, false) < 0) {
        return;
    }
    int r = names_read(&naming->names, str_make((const char *)shm.p, shm.size));
    if (r < 0) {
        core_log(naming->core, "the names in the snapshot: %s", strerror(-r));
    }
    shm_unmap(&shm);
    bool newer = naming->names.sequence != before;
    naming->cursor = newer ? naming->names.delta_base : naming->cursor;
    naming->looks = newer ? 0 : naming->looks - 1;
}

/* Routes that came since the snapshot. */
static void read_deltas(struct naming *naming)
{
    const struct delta_log *log = edge_link_deltas(naming->core->edge);
    struct delta delta;
    int r = 0, error = 0;
    while (log && error == 0 && (r = delta_log_read(log, &naming->cursor, &delta)) == 0) {
        if (delta.kind == DELTA_ROUTE_SET) {
            struct snapshot_route route = delta_route(&delta);
            error = names_add_route(&naming->names, &route);
        }
    }
    if (log && r == DELTA_E_LOST) { /* the snapshot that holds them is on its way */
        naming->cursor = delta_log_head(log);
        naming->looks = MAX(naming->looks, 1);
    }
    if (error < 0) {
        core_log(naming->core, "the name of a route: %s", strerror(-error));
    }
}

void naming_update(struct naming *naming)
{
    if (*naming->busy) {
        return;
    }
    for (size_t i = 0; i < naming->replicas.len; i++) {
        const struct bus_id *id = vec_at(&naming->replicas, struct bus_id, i);
        int r = names_add_replica(&naming->names, str_from(id->tenant), str_from(id->project),
                                  str_from(id->service), id->replica);
        if (r < 0) {
            core_log(naming->core, "the name of %s-%u: %s", id->service, id->replica, strerror(-r));
        }
    }
    vec_fini(&naming->replicas);
    uint64_t published = edge_link_published(naming->core->edge);
    if (published != naming->published) { /* perhaps nothing but how requests are written */
        naming->published = published;
        naming->looks = LOOKS;
    }
    if (naming->looks > 0) {
        read_snapshot(naming);
    }
    read_deltas(naming);
}
