/* SPDX-License-Identifier: Apache-2.0
 *
 * What `traffic:` of a service asks of the gateway (docs/gateway.md has each key with an example).
 * Durations are nanoseconds, 0 = the gateway's usual value.
 */
#ifndef SCHEMA_SPEC_TRAFFIC_H
#define SCHEMA_SPEC_TRAFFIC_H

#include "schema/spec_spread.h"

struct traffic_spec {
    struct spread_spec spread;
};

#endif
