/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of projects, services and replicas: finding, making, freeing. See project.c. Private to
 * run/.
 */
#ifndef RUN_PROJECT_H
#define RUN_PROJECT_H

#include "run/model.h"

struct project *project_find(struct run *run, struct str tenant, struct str name);
struct project *project_new(struct run *run, struct str tenant, struct str name);
void project_free(struct run *run, struct project *project);
struct service *service_find(struct project *project, struct str name);
struct service *service_new(struct run *run, struct project *project, struct str name);
void service_free(struct run *run, struct service *service);
struct replica *replica_new(struct run *run, struct service *service, uint32_t number,
                            uint8_t slot);
void replica_free(struct run *run, struct replica *replica);
/* The keeper's name for it. */
void replica_id(const struct service *service, uint32_t number, uint8_t slot, char ret[RUN_ID_MAX]);
/* The one of that number that is to stay. */
struct replica *replica_current(struct service *service, uint32_t number);
struct replica *replica_by_id(struct run *run, struct str id);
/* From now on it follows its service's spec (its next process, and its policy at once). */
void replica_use_spec(struct replica *replica);
/* Does the last start or restart that was acknowledged still wait for this replica, which is in
 * `state`? Then restart_due is set, and reconcile carries it out; else it counts as obeyed. */
void service_obey(const struct service *service, struct replica *replica, uint8_t state);
/* Its process is younger than all of them. */
void service_obeyed(const struct service *service, struct replica *replica);
bool replica_outdated(const struct replica *replica);
uint32_t service_wanted(const struct service *service);
/* The file's number, or that of an override; without looking at `stopped`. */
uint32_t service_scale(const struct service *service, const struct service_spec *spec);
/* None is wanted, and `start` does not change that. */
bool service_scaled_to_0(const struct service *service);
struct bus_id service_bus_id(const struct service *service);
struct bus_id replica_bus_id(const struct replica *replica);
void service_changed(struct run *run, struct service *service);
/* Takes the spec of an applied project over: services appear, change, begin to go. */
must_check int project_take(struct run *run, struct project *project, struct source *source,
                            struct project_spec *spec);

#endif
