/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot says (link/snapshot.h), as plain structs: written by the core, read by the edge.
 * Texts are slices: borrowed from the caller when building, from the blob when reading.
 *
 * Items are named by stable ids (link_id): they name the same thing over reloads, crashes and
 * upgrades, so that counters and connections find their place again.
 */
#ifndef LINK_SNAPSHOT_TYPES_H
#define LINK_SNAPSHOT_TYPES_H

#include "link/snapshot_access.h"
#include "link/snapshot_balance.h"
#include "link/snapshot_gateway.h"
#include "link/snapshot_policy.h"
#include "link/snapshot_probe.h"
#include "link/snapshot_route.h"
#include "link/snapshot_tls.h"

enum {
    SNAPSHOT_LISTENERS_MAX = 256,
    SNAPSHOT_SERVICES_MAX = 20000,
    SNAPSHOT_ENDPOINTS_MAX = 100000,
    SNAPSHOT_ROUTES_MAX = 100000,
    SNAPSHOT_TEXT_MAX = 4096, /* one string */
    SNAPSHOT_BLOB_MAX = 256 << 20,
};

enum snapshot_listener_kind {
    SNAPSHOT_HTTP,
    SNAPSHOT_TCP,
    SNAPSHOT_ADMIN,
    SNAPSHOT_SNI, /* TLS passed on unread: the name in the ClientHello decides */
    SNAPSHOT_LISTENER_KINDS
};
/* What is spoken to a service. */
enum snapshot_protocol {
    SNAPSHOT_PROTOCOL_HTTP1,
    SNAPSHOT_PROTOCOL_HTTP2, /* with prior knowledge; upgrades go by HTTP/1 */
    SNAPSHOT_PROTOCOLS
};
/* What the core knows of a service; decides whether a request that finds no endpoint is held or
 * refused. */
enum snapshot_service_state {
    SNAPSHOT_SERVICE_RUNNING,  /* or soon again: a request without an endpoint waits hold_ms */
    SNAPSHOT_SERVICE_STARTING, /* the same; the page says "starting" */
    SNAPSHOT_SERVICE_STOPPED,  /* refused at once */
    SNAPSHOT_SERVICE_CRASHED,  /* refused at once */
    /* By people, all of it: refused at once, for nobody else will come. On their way STOPPED and a
     * number, since an edge from before them refuses what it does not know. */
    SNAPSHOT_SERVICE_DRAINED,
    SNAPSHOT_SERVICE_SCALED_TO_0,
    SNAPSHOT_SERVICE_STATES
};
enum snapshot_endpoint_state {
    SNAPSHOT_ENDPOINT_STARTING, /* probed, gets no requests */
    SNAPSHOT_ENDPOINT_READY, /* gets requests unless its probe fails (the edge decides that alone)
                              */
    SNAPSHOT_ENDPOINT_DRAINING, /* requests in flight finish, no new ones */
    SNAPSHOT_ENDPOINT_UNWELL,   /* runs, and its health check fails: requests only in panic */
    SNAPSHOT_ENDPOINT_STATES
};

struct snapshot_listener {
    uint64_t id;
    enum snapshot_listener_kind kind;
    struct str address; /* "0.0.0.0:8080", "[::]:8080": the keeper's socket listen:ADDRESS */
    uint64_t service; /* tcp, admin: where all goes; http: 0; sni: where unrouted names go, or 0 */
    struct snapshot_tls tls;
    uint32_t redirect_port; /* all is redirected to https on that port; 0 = nothing is */
    bool proxy_protocol;    /* each connection begins with a header of the PROXY protocol */
};
/* Zero means the default in brackets. */
struct snapshot_service {
    uint64_t id;
    struct str tenant, project, name;
    const struct snapshot_policy *policy; /* builder; NULL = none */
    uint32_t policy_index;                /* reader: snapshot_policy_at; 0 = none */
    enum snapshot_balance balance;
    enum snapshot_service_state state;
    uint32_t connect_ms;     /* [2,000] */
    uint32_t first_byte_ms;  /* request sent to response head [60,000] */
    uint32_t idle_ms;        /* between bytes of a body [60,000] */
    uint32_t tunnel_idle_ms; /* WebSocket, tcp [3,600,000] */
    uint32_t stream_ms;      /* between pieces of events and calls [3,600,000] */
    uint32_t hold_ms;   /* a request waits this long for an endpoint [10,000]; UINT32_MAX: not */
    uint32_t retries;   /* further tries when that is safe [2]; UINT32_MAX = none */
    uint64_t body_size; /* request body [10 MiB]; UINT64_MAX = unlimited */
    uint64_t call_size; /* of a call of gRPC (HTTP/2) [unlimited]: body_size, where said */
    uint32_t connections_max; /* to one endpoint, per edge thread [1,024] */
    struct snapshot_upstream_tls tls;
    struct snapshot_probe probe;
    struct snapshot_spread spread;
    struct snapshot_access access;
    enum snapshot_protocol protocol;
    uint32_t
        announce; /* connections begin with a header of the PROXY protocol: its version; 0 = not */
};
struct snapshot_endpoint {
    uint64_t id, service;
    struct str address; /* "127.0.0.1:3000", "[::1]:3000", "unix:/path" */
    struct str replica; /* "web-1" */
    enum snapshot_endpoint_state state;
    uint32_t weight; /* 1…256; 0 = 1; WEIGHT_NONE: only requests that are bound to it */
    struct snapshot_seat seat;
};

/* A stable id: XXH3 of the parts with a separator that no name may hold; never 0. */
uint64_t link_id(struct str tenant, struct str project, struct str service, struct str rest);

#endif
