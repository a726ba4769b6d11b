/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge decides about services: breakers that open and close, replicas that are ejected.
 * Looked up once a second and told as events. While no service has either nothing runs. Private to
 * run/.
 */
#ifndef RUN_VERDICTS_H
#define RUN_VERDICTS_H

#include "run/rounds.h"

struct buf;
struct replica;

extern const struct rounds_kind verdicts_rounds;

/* For people, as it is now. Nothing is said while all is well.
 * "gets no requests: its breaker is open for 4 s" */
void verdicts_say_open(const struct service *service, struct buf *out);
/* "ejected for 30 s: it failed several times in a row" */
void verdicts_say_ejected(const struct replica *replica, struct buf *out);

#endif
