/* SPDX-License-Identifier: Apache-2.0
 *
 * How the edge asks an endpoint whether it works.
 */
#ifndef LINK_SNAPSHOT_PROBE_H
#define LINK_SNAPSHOT_PROBE_H

#include "base/str.h"

enum snapshot_probe_kind {
    SNAPSHOT_PROBE_NONE,
    SNAPSHOT_PROBE_HTTP,
    SNAPSHOT_PROBE_TCP,
    SNAPSHOT_PROBE_GRPC,
    SNAPSHOT_PROBES
};
struct snapshot_probe {
    enum snapshot_probe_kind kind;
    struct str path;                  /* http; grpc: the service's name */
    struct str host;                  /* http, grpc; may be empty: the endpoint's address */
    uint32_t interval_ms, timeout_ms; /* 0 = 5,000 and 2,000 */
    uint32_t retries;                 /* failures in a row until "failing"; 0 = 3 */
    uint32_t start_period_ms,
        start_interval_ms; /* start_interval 0 = 5 ms, then an eighth of the age */
};

#endif
