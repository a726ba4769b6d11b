/* SPDX-License-Identifier: Apache-2.0
 *
 * struct route_table: (host, path) to route. Once others see it, it never changes: all threads read
 * the same one.
 *
 * Hosts are tried from exact over wildcards ("*.b.c", "*.c") to any; within a host the longest path
 * prefix at a segment border wins. One hash table holds (host, prefix) pairs; the pair of the host
 * alone knows the depth (number of '/') of its deepest prefix, so that a long path costs no more
 * than the routes' own depth. A host without a fitting path hands over to the next one, since a
 * route without a host stands for all hosts.
 *
 * The hash table is cut into shards, which are counted: a table with one route more shares all of
 * them but one or two with the table it comes from (route_table.c).
 */
#ifndef EDGE_ROUTE_H
#define EDGE_ROUTE_H

#include "edge/filter.h"
#include "link/snapshot.h"

#include <stdatomic.h>

struct route {
    uint64_t id;
    uint32_t service;      /* index into the config's services */
    uint32_t service_slot; /* this is the service's n-th route: where its counters lie */
    struct str host;       /* lower case; "" = any; "*.x" */
    struct str path;       /* without a '/' at the end; "" = all */
    bool strip_prefix;
    bool passthrough;                     /* of TLS connections, by their name; else of requests */
    bool connect;                         /* CONNECT makes a tunnel to the service */
    bool frames;                          /* WebSockets' frames are checked */
    bool shows_client;                    /* a client's verified certificate is handed on */
    bool needs_client;                    /* who has none is refused */
    const struct snapshot_tunnel *tunnel; /* NULL: it says nothing of tunnels */
    const struct filter_chain *filters;   /* never NULL */
    /* NULL: it lies in its config. Else it came by a delta: how many places of tables name it; the
     * number begins the memory that is freed with the last of them. */
    atomic_uint *refs;
};

/* A (host, path) pair; private to route_table.c and route.c. */
struct route_entry {
    uint64_t hash;
    const struct route *of;    /* whose host and path these are; NULL: the place is free */
    const struct route *route; /* NULL: the host has no route for all paths */
    uint32_t depth;            /* of a host: of its deepest prefix, or more */
    uint32_t count;            /* of a host: its routes; 0: this is the entry of a path */
};
struct route_shard {
    atomic_uint refs;
    uint32_t mask, used;
    struct route_entry entries[]; /* open addressing */
};
struct route_table {
    struct route_shard **shards; /* a power of two */
    size_t shard_mask;
    uint32_t wildcards; /* hosts "*.x" */
    uint32_t any;       /* 1: there is the host "" */
};

/* Compiles those of `routes` that are of this kind; they must outlive the table. A doubled (host,
 * path) keeps the first. 0 or -ENOMEM. */
must_check int route_table_init(struct route_table *table, const struct route *routes, size_t count,
                                bool passthrough);
void route_table_fini(struct route_table *table);
/* The same table again, to be changed before others see it. 0 or -ENOMEM. */
must_check int route_table_share(const struct route_table *from, struct route_table *ret);
/* The route takes the place of its (host, path). 0; -ENOMEM: nothing has changed. */
must_check int route_table_put(struct route_table *table, const struct route *route);
/* Takes the route with that id out, if (host, path) still leads to it. 0; -ENOMEM: nothing has
 * changed. */
must_check int route_table_drop(struct route_table *table, struct str host, struct str path,
                                uint64_t id);
/* Each route of the table, in no order, until `each` fails: then that. */
must_check int route_table_walk(const struct route_table *table,
                                int (*each)(void *context, const struct route *route),
                                void *context);
/* `host`: lower case, without port. `path`: normalised, starts with '/' (or is "*"). NULL =
 * none. */
const struct route *route_table_find(const struct route_table *table, struct str host,
                                     struct str path);

/* Private to the two files: where a host, and a path of it, is or would be (then it is free). */
uint64_t route_host_hash(struct str host);
uint64_t route_path_hash(uint64_t host_hash, struct str path);
struct route_entry *route_host_entry(const struct route_table *table, struct str host);
struct route_entry *route_path_entry(const struct route_table *table,
                                     const struct route_entry *host, struct str path);

enum { ROUTE_HOST_MAX = 255 };
/* The host of an authority in lower case, without port and the dot at the end; brackets of IPv6
 * stay. Empty when it is longer than ROUTE_HOST_MAX. */
struct str route_host_of(struct str authority, char memory[ROUTE_HOST_MAX + 1]);

#endif
