/* SPDX-License-Identifier: Apache-2.0
 *
 * struct route_table: (host, path) to route, compiled once per snapshot and never changed: all
 * threads read the same table.
 *
 * Hosts are tried from exact over wildcards ("*.b.c", "*.c") to any; within a host the longest path
 * prefix at a segment border wins. One hash table holds (host, prefix) pairs; a host knows the
 * depth (number of '/') of its deepest prefix, so that a long path costs no more than the routes'
 * own depth. A host without a fitting path hands over to the next one, since a route without a host
 * stands for all hosts.
 */
#ifndef EDGE_ROUTE_H
#define EDGE_ROUTE_H

#include "edge/filter.h"
#include "link/snapshot.h"

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
};

struct route_host;
struct route_slot;

struct route_table {
    struct route_host *hosts; /* open addressing, a power of two */
    size_t host_slots;
    struct route_slot *slots;
    size_t slot_count;
    bool wildcards; /* there is any "*.x" */
    uint32_t any;   /* index of the host "", or UINT32_MAX */
};

/* Compiles those of `routes` that are of this kind; they must outlive the table. A doubled (host,
 * path) keeps the first. 0 or -ENOMEM. */
must_check int route_table_init(struct route_table *table, const struct route *routes, size_t count,
                                bool passthrough);
void route_table_fini(struct route_table *table);
/* `host`: lower case, without port. `path`: normalised, starts with '/' (or is "*"). NULL =
 * none. */
const struct route *route_table_find(const struct route_table *table, struct str host,
                                     struct str path);

enum { ROUTE_HOST_MAX = 255 };
/* The host of an authority in lower case, without port and the dot at the end; brackets of IPv6
 * stay. Empty when it is longer than ROUTE_HOST_MAX. */
struct str route_host_of(struct str authority, char memory[ROUTE_HOST_MAX + 1]);

#endif
