/* SPDX-License-Identifier: Apache-2.0
 *
 * Probes and what they say. See health.c. Private to run/.
 */
#ifndef RUN_HEALTH_H
#define RUN_HEALTH_H

#include "run/model.h"

void health_init(struct run *run);
void health_fini(struct run *run);
void health_started(struct run *run, struct replica *replica);
void health_stopped(struct run *run, struct replica *replica);
/* Takes up what the edge knew when this core started. */
void health_adopt(struct run *run, struct replica *replica);
/* Of each replica the last result, also one that was no news: for people who look. */
void health_refresh(struct run *run);
/* What its last probe said, of one that has been starting for a few seconds; else nothing. */
void health_say_starting(const struct replica *replica, int64_t wall_ns, struct buf *out);
/* News of a probe's own process ("…/probe"); false: that is not one. */
bool health_child(struct run *run, const struct keeper_child *child);

#endif
