/* SPDX-License-Identifier: Apache-2.0
 *
 * struct follow: the services that go along with a restart, because they said `depends_on: { db: {
 * restart: true } }`. See follow.c. Private to run/, on the core's loop.
 */
#ifndef RUN_FOLLOW_H
#define RUN_FOLLOW_H

#include "run/model.h"
#include "run/plan.h"
#include "store/store.h"

struct follow {
    char (*names)[NAME_MAX_SIZE];
    size_t count;
    int64_t act; /* their number, from the same counter as those of operators */
};

/* Those that go along with an operator's restart of `service`; with a plan. -ENOMEM. */
must_check int follow_service(struct follow *follow, const struct project *project,
                              struct str service);
must_check int follow_plan(struct follow *follow, const struct plan *plan);
void follow_fini(struct follow *follow);
/* Into the transaction of what they follow. `id`: tenant and project. */
void follow_put(const struct follow *follow, struct txn *txn, const struct bus_id *id,
                struct str actor, int64_t wall_ns);
/* That transaction is committed. */
void follow_begin(const struct follow *follow, struct project *project);

/* An operator restarts the service itself. */
void follow_end(struct service *service);

/* Is one of them left to do for a replica in `state`? Sets follow_due, or counts it as done. */
void follow_look(struct replica *replica, uint8_t state);
/* follow_due, and its turn has not come: what it depends on is still being restarted. */
bool follow_waits(const struct replica *replica);
/* It has a new process, or one that nobody knew of: done, if what it follows was not the former one
 * still. */
void follow_started(struct replica *replica);
/* It ended by itself meanwhile: its next process comes after what it follows. */
void follow_done(struct replica *replica);

#endif
