/* SPDX-License-Identifier: Apache-2.0
 *
 * What `traffic:` of a service asks of the gateway (docs/gateway.md has each key with an example).
 * Durations are nanoseconds, 0 = the gateway's usual value.
 */
#ifndef SCHEMA_SPEC_TRAFFIC_H
#define SCHEMA_SPEC_TRAFFIC_H

#include "schema/spec_spread.h"

enum traffic_protocol { TRAFFIC_HTTP1, TRAFFIC_HTTP2 };
enum socket_kind { SOCKET_TCP, SOCKET_LISTEN_FDS, SOCKET_PATH };

/* How replicas are reached by TLS; files are PEM, absolute. */
struct upstream_tls_spec {
    bool on, verify;
    struct str server_name;   /* sent, and what the certificate must be for */
    struct str ca, cert, key; /* may be empty */
};

struct traffic_spec {
    struct upstream_tls_spec tls;
    int32_t protocol; /* enum traffic_protocol */
    struct spread_spec spread;
    int32_t socket; /* enum socket_kind */
};

#endif
