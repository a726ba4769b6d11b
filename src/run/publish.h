/* SPDX-License-Identifier: Apache-2.0
 *
 * Projects and replicas as the edge sees them. See publish.c. Private to run/.
 */
#ifndef RUN_PUBLISH_H
#define RUN_PUBLISH_H

#include "run/model.h"

void publish_endpoint(struct run *run, struct replica *replica);
void publish_seats(struct run *run, struct service *service);
void publish_remove(struct run *run, struct replica *replica);
void publish_service(struct run *run, struct service *service);
void publish_snapshot(struct run *run);
/* Without room for it a snapshot follows. */
struct delta;
void publish_delta(struct run *run, struct delta *delta);
/* The threads of the edge that all projects together ask for; `next` stands for the project of its
 * name (NULL: none does). */
unsigned publish_threads(const struct run *run, const struct project_spec *next);
unsigned publish_in_flight(struct run *run, const struct replica *replica);
/* Does the edge probe it? Services that take requests have at least a TCP probe: a port nobody
 * listens on is not ready. */
bool publish_probed(const struct service_spec *spec, const struct project_spec *project);
bool publish_has_endpoint(const struct service_spec *spec, const struct project_spec *project);
uint64_t publish_route_id(const struct service *service, const struct route_spec *route);
/* The port that the program binds whatever PORT says; 0 = it is given one. */
uint16_t publish_fixed_port(const struct service_spec *spec, const struct project_spec *project);

#endif
