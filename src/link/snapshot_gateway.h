/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot says of the gateway as a whole (see snapshot_types.h). Zero means the default in
 * brackets.
 */
#ifndef LINK_SNAPSHOT_GATEWAY_H
#define LINK_SNAPSHOT_GATEWAY_H

#include "base/str.h"

struct snapshot_gateway {
    uint32_t threads;                     /* 0 = one per CPU, at most 8 */
    bool expose_replica, trust_forwarded; /* trust: the client's X-Forwarded-* and Forwarded stay */
    uint32_t connections_max;             /* clients per thread [16,384] */
    uint32_t head_max;                    /* request head in bytes [16,384], at most that */
    uint32_t head_ms;                     /* whole request head [10,000] */
    uint32_t keepalive_ms;                /* idle client connection [75,000] */
    struct str instance;                  /* name for pages and logs */
    struct str ticket_keys;               /* of TLS session tickets, newest first: bytes, secret */
    struct str geo;                       /* file with the places of addresses; empty = none */
};

#endif
