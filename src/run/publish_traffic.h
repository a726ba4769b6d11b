/* SPDX-License-Identifier: Apache-2.0
 *
 * `traffic:` of a service as the edge is told of it (struct snapshot_service).
 */
#ifndef RUN_PUBLISH_TRAFFIC_H
#define RUN_PUBLISH_TRAFFIC_H

#include "link/snapshot_types.h"
#include "schema/spec.h"

struct service;

/* Is it the fallback or the mirror of another service? Then it has endpoints without a route. */
bool publish_stands_in(const struct service_spec *spec, const struct project_spec *project);
/* item->policy is `policy`, or NULL. Texts are borrowed from the spec. */
void publish_traffic(const struct service *service, struct snapshot_service *item,
                     struct snapshot_policy *policy);

#endif
