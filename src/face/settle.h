/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting until what was ordered has come about. The API answers when the order is on disk; a
 * person, and the next line of a script, want the result: `muelle restart web && curl …` must meet
 * the new web.
 *
 * One struct for all services of a call: all are ordered first and waited for then.
 */
#ifndef FACE_SETTLE_H
#define FACE_SETTLE_H

#include "face/session.h"

struct settle {
    struct session *s;
    struct client_answer before; /* the replicas before the order, when a restart is waited for */
};

/* Before the order. 0 or an exit code. */
must_check int settle_begin(struct settle *settle, struct session *s);
void settle_fini(struct settle *settle);

/* After the order: until as many replicas of the service run and are ready as it should have, and,
 * with `renewed`, none of them is one of those from before. 0 with the service in *ret (the caller
 * finishes it; its doc is NULL when the service is gone); CLI_NOT_READY, said, when it crashes
 * again and again or does not come within the time. */
must_check int settle_wait(struct settle *settle, struct str service, bool renewed,
                           struct client_answer *ret);

#endif
