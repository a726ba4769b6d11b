/* SPDX-License-Identifier: Apache-2.0
 *
 * How requests are spread over the replicas, as the edge is told: of a service, and of each of its
 * replicas. File first, then what was changed at run time. Private to run/.
 */
#ifndef RUN_PUBLISH_SPREAD_H
#define RUN_PUBLISH_SPREAD_H

#include "link/snapshot_types.h"
#include "run/model.h"

/* Texts are borrowed from the spec and from `cookie`. */
enum { PUBLISH_COOKIE_MAX = 96 };
void publish_spread(const struct service *service, struct snapshot_service *item,
                    char cookie[PUBLISH_COOKIE_MAX]);
enum snapshot_balance publish_balance(const struct service_spec *spec);
struct snapshot_seat publish_seat(struct run *run, const struct replica *replica);
/* 0 … SPREAD_WEIGHT_MAX, and as the snapshot has it. */
uint32_t publish_weight(const struct replica *replica);
uint32_t publish_weight_wire(const struct replica *replica);
uint32_t publish_priority(const struct replica *replica);
/* It gets no new requests, by an operator. */
bool publish_drained(const struct replica *replica);
/* Of the file of places: another one when the file was replaced; 0 = there is none. */
uint64_t publish_places_digest(const struct run *run);
/* Why the service is balanced in turn although its file says otherwise; NULL: it is not. */
const char *publish_fallback(const struct run *run, const struct service *service);

#endif
