/* SPDX-License-Identifier: Apache-2.0
 *
 * struct names: what the edge's stable ids stand for. Read from the snapshot that the keeper holds,
 * which is what the edge works by; replicas that came by a delta since are added from the bus. Why
 * not from the configuration: counters and records speak of what the edge had at that moment, also
 * of a service that was taken out since.
 */
#ifndef SEE_NAMES_H
#define SEE_NAMES_H

#include "base/arena.h"
#include "base/map.h"

enum name_kind { NAME_SERVICE, NAME_ENDPOINT, NAME_ROUTE };
enum { NAMES_MAX = 262144 };

/* What one id stands for; its texts lie in the arena of the names, with a NUL behind them. */
struct name {
    uint64_t id;
    enum name_kind kind;
    struct str tenant, project, service;
    struct str replica;    /* of an endpoint: "web-1" */
    uint32_t number;       /* of the replica; 0 = not known */
    struct str host, path; /* of a route */
    struct str access;     /* of a service: how its requests are written (access_format.h) */
};

struct names {
    struct map by_id;
    struct arena arena;
    uint64_t sequence, delta_base; /* of the snapshot */
};

#define NAMES_INIT ((struct names){.by_id = MAP_INIT(NAMES_MAX), .arena = ARENA_INIT(64 * MIB)})
void names_fini(struct names *names);
/* NULL: not known. Valid until the next names_read. */
const struct name *names_get(const struct names *names, uint64_t id);
/* Takes in a snapshot's bytes if they are newer than what is known; names that it does not hold are
 * kept, since the edge's counters still do. 0 or -errno. */
must_check int names_read(struct names *names, struct str snapshot);
/* A replica that a delta brought: its endpoint, and that of its replacement in a rolling change. */
must_check int names_add_replica(struct names *names, struct str tenant, struct str project,
                                 struct str service, uint32_t replica);
/* A route that a delta brought; one of a service that is not known is left out. */
struct snapshot_route;
must_check int names_add_route(struct names *names, const struct snapshot_route *route);

#endif
