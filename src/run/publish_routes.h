/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes as the edge sees them: whole, or what has changed of them. See publish_routes.c. Private
 * to run/.
 */
#ifndef RUN_PUBLISH_ROUTES_H
#define RUN_PUBLISH_ROUTES_H

#include "run/model.h"

/* All of a service, in the snapshot. */
void publish_routes_add(struct snapshot_builder *builder, struct service *service);
/* The edge knows what the service has now. */
void publish_routes_told(struct service *service);
/* What has changed of all services, by deltas. False: nothing was told, a snapshot must be. */
bool publish_routes_changes(struct run *run);

#endif
