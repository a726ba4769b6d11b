/* SPDX-License-Identifier: Apache-2.0
 *
 * One replica connected to the world: its machine, the driver, timers, the store. See life.c.
 * Private to run/.
 */
#ifndef RUN_LIFE_H
#define RUN_LIFE_H

#include "run/model.h"

void replica_feed(struct run *run, struct replica *replica, uint8_t input);
/* Tells the other rooms of its process. */
void replica_announce(struct run *run, const struct replica *replica);
/* Carries out what a step of its machine said. `before`: the state it had. */
void replica_perform(struct run *run, struct replica *replica, uint8_t before, uint32_t actions);
/* Has the keeper forget a process that ended, where that waited for a commit. */
void replica_forget_ended(struct run *run, struct replica *replica);
void replica_life_init(struct replica *replica);
void replica_life_fini(struct run *run, struct replica *replica);
/* What could not be done for it when memory or the disk was full is tried once more. */
void replica_again(struct run *run, struct replica *replica);

#endif
