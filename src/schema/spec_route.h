/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service's route asks for (spec_parts.h includes it).
 */
#ifndef SCHEMA_SPEC_ROUTE_H
#define SCHEMA_SPEC_ROUTE_H

#include "base/str.h"

enum websocket_check { WEBSOCKET_CHECK_OFF, WEBSOCKET_CHECK_FRAMES };

struct websocket_spec {
    int32_t check;           /* enum websocket_check */
    int64_t message_max;     /* bytes; 0 = no limit */
    int64_t ping_ns;         /* 0 = never */
    int64_t idle_ns;         /* 0 = the service's */
    int64_t connections_max; /* 0 = no limit */
};

struct route_spec {
    struct str service; /* owner */
    struct str host;    /* lower case; empty = any host; "*.x" = one label more or several */
    struct str path;    /* prefix of whole segments; "/" = all */
    int32_t balance;    /* enum balance_kind */
    bool strip_prefix;
    bool connect; /* CONNECT makes a tunnel to the service */
    struct websocket_spec websocket;
    int32_t client_certificate; /* enum client_certificate_kind */
    bool passthrough;           /* of TLS connections to tls listeners, by name; else of requests */
};

/* The same host and path of the same kind: in one instance they can lead to one service only. */
static inline bool route_spec_same_place(const struct route_spec *a, const struct route_spec *b)
{
    return a->passthrough == b->passthrough && str_eq(a->host, b->host) && str_eq(a->path, b->path);
}

#endif
