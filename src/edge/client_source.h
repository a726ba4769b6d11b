/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client's connection has from its listener.
 */
#ifndef EDGE_CLIENT_SOURCE_H
#define EDGE_CLIENT_SOURCE_H

#include "base/def.h"

struct client_source {
    uint64_t service; /* admin and tcp: where all goes */
    uint64_t listener;
    uint8_t kind;           /* enum snapshot_listener_kind */
    uint16_t redirect_port; /* of https: all is redirected there; 0 = nothing is */
    bool tls;
    bool proxy_protocol; /* a header of the PROXY protocol comes first */
};

#endif
