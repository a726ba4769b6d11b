/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot says of the gateway as a whole (link/snapshot_types.h). Zero means the default in
 * brackets.
 */
#ifndef LINK_SNAPSHOT_GATEWAY_H
#define LINK_SNAPSHOT_GATEWAY_H

#include "base/str.h"

/* In a limit: there is none. */
#define SNAPSHOT_NO_LIMIT UINT32_MAX

struct snapshot_gateway {
    uint32_t threads; /* 0 = one per CPU, at most 8 */
    bool expose_replica;
    uint32_t connections_max;  /* clients per thread [16,384] */
    uint32_t head_max;         /* request head in bytes [16,384], at most that */
    uint32_t head_ms;          /* whole request head [10,000] */
    uint32_t keepalive_ms;     /* idle client connection [75,000] */
    uint32_t upgrade_drain_ms; /* what cannot move ends in the old edge [3,600,000] */
    struct str instance;       /* name for pages and logs */
    struct str ticket_keys;    /* of TLS session tickets, newest first: bytes, secret */
    struct str geo;            /* file with the places of addresses; empty = none */
    /* Networks by spaces: from there X-Forwarded-*, Forwarded and PROXY headers are believed. */
    struct str trusted_proxies;
    uint32_t body_rate; /* bytes a second that a request body must average [512] */
    uint32_t read_rate; /* that a client must take of an answer [512] */
    /* Of one address (IPv6: /64) [half of all; then not for loopback]. */
    uint32_t address_connections;
    uint32_t address_rate; /* new ones of it a second [none] */
    uint32_t glitches_max; /* oddities of one connection [100] */
    /* Of HTTP/2: at once on a connection [128], bytes unasked on a stream [262,144] and on all
     * [1,048,576], points for frames that bring nothing [20,000]. */
    uint32_t http2_streams, http2_window, http2_session_window, http2_glitches;
    bool sockmap; /* services on this machine are spoken to the short way (os/sockmap.h) */
};

#endif
