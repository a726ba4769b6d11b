/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client's connection has from its listener.
 */
#ifndef EDGE_CLIENT_SOURCE_H
#define EDGE_CLIENT_SOURCE_H

#include "base/def.h"

struct client_source {
    uint64_t service;    /* admin and tcp: where all goes */
    uint8_t kind;        /* enum snapshot_listener_kind */
    bool proxy_protocol; /* a header of the PROXY protocol comes first */
};

#endif
