/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands for an id is copied out of the snapshot, which the keeper's memory may lose.
 *
 *   1. A name that is known is never forgotten while the edge's counters may still speak of it;
 *      only when half of the memory is used does everything begin anew with what is there now.
 *   2. Services come first: endpoints and routes take tenant, project and service from theirs, and
 *      are left out when it is not known.
 *   3. `sequence` moves when all of a snapshot was taken in; a failure is tried again with the next
 *      look.
 *
 * Ids are hashes of what they stand for (link_id), the same in every life of every role: a name
 * that comes late fits to what was counted before it came. Old copies of names that changed stay in
 * the arena until everything begins anew; that bounds the memory at twice what is in use.
 */
#include "see/names.h"

#include "base/num.h"
#include "link/snapshot.h"

#include <stdio.h>

void names_fini(struct names *names)
{
    map_fini(&names->by_id);
    arena_fini(&names->arena);
}

static struct str key_of(const uint64_t *id)
{
    return str_make((const char *)id, sizeof(*id));
}

const struct name *names_get(const struct names *names, uint64_t id)
{
    return map_get(&names->by_id, key_of(&id));
}

/* Keeps a copy unless the same is known already. */
static int add(struct names *names, const struct name *from)
{
    const struct name *known = names_get(names, from->id);
    if (known && str_eq(known->replica, from->replica) && str_eq(known->host, from->host) &&
        str_eq(known->path, from->path) && str_eq(known->access, from->access)) {
        return 0;
    }
    struct name *name = arena_new(&names->arena, struct name);
    if (!name) {
        return -ENOMEM;
    }
    *name = *from;
    struct str *const texts[] = {&name->tenant, &name->project, &name->service, &name->replica,
                                 &name->host,   &name->path,    &name->access};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = arena_str(&names->arena, *texts[i]);
        if (!texts[i]->p) {
            return -ENOMEM;
        }
    }
    return map_put(&names->by_id, key_of(&name->id), name);
}

/* "web-12" of service "web" → 12. */
static uint32_t replica_number(struct str label)
{
    uint64_t n = 0;
    ptrdiff_t dash = str_rfind_char(label, '-');
    int r = dash < 0 ? -EINVAL : num_parse_u64(str_skip(label, (size_t)dash + 1), &n);
    return r == 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static int add_endpoints(struct names *names, const struct snapshot *snapshot)
{
    int r = 0;
    for (uint32_t i = 0; i < snapshot->endpoints && r == 0; i++) {
        struct snapshot_endpoint endpoint = snapshot_endpoint_at(snapshot, i);
        const struct name *service = names_get(names, endpoint.service);
        if (service) {
            struct name name = *service;
            name.id = endpoint.id;
            name.kind = NAME_ENDPOINT;
            name.access = STR_NONE;
            name.replica = endpoint.replica;
            name.number = replica_number(endpoint.replica);
            r = add(names, &name);
        }
    }
    return r;
}

int names_add_route(struct names *names, const struct snapshot_route *route)
{
    const struct name *service = names_get(names, route->service);
    if (!service) {
        return 0;
    }
    struct name name = *service;
    name.id = route->id;
    name.kind = NAME_ROUTE;
    name.access = STR_NONE;
    name.host = route->host;
    name.path = route->path;
    return add(names, &name);
}

/* Behind the services (invariant 2): a route names its service by id. */
static int add_routes(struct names *names, const struct snapshot *snapshot)
{
    int r = 0;
    for (uint32_t i = 0; i < snapshot->routes && r == 0; i++) {
        struct snapshot_route route = snapshot_route_at(snapshot, i);
        r = names_add_route(names, &route);
    }
    return r;
}

int names_read(struct names *names, struct str bytes)
{
    struct snapshot snapshot;
    int r = snapshot_open(bytes, &snapshot);
    if (r < 0 || snapshot.sequence == names->sequence) {
        return r;
    }
    if (names->arena.used > names->arena.max / 2) { /* many changes: keep only what is there now */
        struct names fresh = NAMES_INIT;
        names_fini(names);
        *names = fresh;
    }
    for (uint32_t i = 0; i < snapshot.services && r == 0; i++) {
        struct snapshot_service service = snapshot_service_at(&snapshot, i);
        r = add(names, &(struct name){.id = service.id,
                                      .kind = NAME_SERVICE,
                                      .tenant = service.tenant,
                                      .project = service.project,
                                      .service = service.name,
                                      .access = service.access.format});
    }
    if (r == 0) {
        r = add_endpoints(names, &snapshot);
    }
    if (r == 0) {
        r = add_routes(names, &snapshot);
    }
    if (r == 0) {
        names->sequence = snapshot.sequence;
        names->delta_base = snapshot.delta_base;
    }
    return r;
}

int names_add_replica(struct names *names, struct str tenant, struct str project,
                      struct str service, uint32_t replica)
{
    char rest[24], label[128];
    int r = 0;
    (void)snprintf(label, sizeof(label), STR_FMT "-%u", STR_ARG(service), replica);
    for (size_t i = 0; i < 2 && r == 0; i++) {
        /* The second slot is that of a rolling change. */
        (void)snprintf(rest, sizeof(rest), i ? "%u.b" : "%u", replica);
        r = add(names, &(struct name){.id = link_id(tenant, project, service, str_from(rest)),
                                      .kind = NAME_ENDPOINT,
                                      .tenant = tenant,
                                      .project = project,
                                      .service = service,
                                      .replica = str_from(label),
                                      .number = replica});
    }
    return r;
}
