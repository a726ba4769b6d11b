/* SPDX-License-Identifier: Apache-2.0
 *
 * struct config: a snapshot compiled for serving. Made by thread 0, read by all, never changed;
 * each thread holds a reference and moves to the next one between two turns. Texts lie in the
 * mapped snapshot, which the config owns. What changes at run time (endpoints, pools, counters) is
 * per thread, in edge/service.h.
 *
 * Routes that come or go by deltas make another config of the same snapshot: it has tables of its
 * own, and shares all else with the first one, its `base`.
 */
#ifndef EDGE_CONFIG_H
#define EDGE_CONFIG_H

#include "base/ip.h"
#include "base/map.h"
#include "edge/geo.h"
#include "edge/route.h"
#include "link/delta.h"
#include "link/snapshot.h"
#include "os/shm.h"

#include <stdatomic.h>

/* Room of an endpoint for the cells of routes that come by deltas. */
enum { CONFIG_ROUTES_SPARE = 16 };

struct config_listener {
    struct snapshot_listener spec;
    int fd; /* set by thread 0 before others see the config; -1 = could not be opened */
};

struct config {
    atomic_uint refs;
    struct config *base; /* whose parts these are, but for the tables; NULL: its own */
    struct shm shm;
    struct snapshot snapshot;
    struct snapshot_gateway gateway;
    struct ip_net *trusted; /* proxies */
    size_t trusted_count;
    struct snapshot_service *services;
    struct config_listener *listeners;
    size_t listener_count;
    bool connects_tls;      /* some service is reached by TLS */
    uint32_t *route_counts; /* per service */
    size_t service_count;
    struct map service_index;        /* by id: index + 1 */
    struct route *routes;            /* of the snapshot */
    struct snapshot_tunnel *tunnels; /* by route; NULL: none says anything */
    bool connects;                   /* there is a route that takes CONNECT */
    struct filter_chain *chains;     /* the first is of all routes that have none of their own */
    struct filter_chain global;      /* connection and headers stages */
    struct route_table table;        /* of http listeners */
    struct route_table names;        /* of sni listeners: hosts only */
    struct geo *geo;                 /* NULL: none is named, or it cannot be used */
    struct problem geo_problem;      /* then why */
};

/* A config as one worker holds it: counted without atomics by the streams that still need its
 * filters. */
struct generation {
    struct config *config;
    uint32_t refs;
};
void generation_unref(struct generation *generation);

/* Compiles the snapshot in `shm`, which it takes over on success. 0, -EINVAL (no snapshot),
 * -ENOMEM. */
must_check int config_new(struct shm *shm, struct config **ret);
/* The same again, to be given changes of routes before others see it. 0 or -ENOMEM. */
must_check int config_share(struct config *from, struct config **ret);
/* DELTA_ROUTE_SET or _REMOVE. A service that is not known is passed over. 0; -ENOMEM: nothing has
 * changed. */
must_check int config_change(struct config *config, const struct delta *delta);
/* Do they differ in nothing but routes? */
bool config_is_akin(const struct config *a, const struct config *b);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/* Filters that every config gets besides its own, for tests (a filter that suspends); NULL = none.
 * Set before the edge starts. */
extern const struct filter_ops *config_test_filter;

#endif
