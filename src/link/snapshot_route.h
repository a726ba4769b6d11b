/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot says of a route (snapshot_types.h includes it).
 */
#ifndef LINK_SNAPSHOT_ROUTE_H
#define LINK_SNAPSHOT_ROUTE_H

#include "base/str.h"

enum {
    SNAPSHOT_ROUTE_STRIP_PREFIX = 1,
    SNAPSHOT_ROUTE_PASSTHROUGH = 2,        /* of sni listeners; the others do not see it */
    SNAPSHOT_ROUTE_CLIENT_CERTIFICATE = 8, /* a verified one is shown to the service */
    SNAPSHOT_ROUTE_CLIENT_REQUIRED = 16,   /* who has none is refused */
    SNAPSHOT_ROUTE_CONNECT = 32,           /* CONNECT makes a tunnel to the service */
    SNAPSHOT_ROUTE_CHECK_FRAMES = 64,      /* of WebSockets */
};
/* What a route says of its tunnels; 0 = nothing. */
struct snapshot_tunnel {
    uint64_t message_max; /* bytes of a WebSocket message; with CHECK_FRAMES, as ping_ms */
    uint32_t ping_ms;     /* a client that says nothing for so long is asked */
    uint32_t idle_ms;     /* in place of the service's tunnel_idle_ms */
    uint32_t connections_max;
};
struct snapshot_route {
    uint64_t id, service;
    struct str host; /* lower case; "" or "*" = any, "*.x" = any label(s) below x */
    struct str path; /* prefix at a segment border, starts with '/'; "" = "/" */
    uint32_t flags;
    struct snapshot_tunnel tunnel;
};

#endif
