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

struct traffic_spec {
    int32_t protocol; /* enum traffic_protocol */
    struct spread_spec spread;
    int32_t socket; /* enum socket_kind */
};

#endif
