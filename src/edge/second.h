/* SPDX-License-Identifier: Apache-2.0
 *
 * struct second: the second try of a hedged request (`hedge:` of a service). When the first
 * endpoint has not answered in time, the same request goes to another one, and the first answer
 * wins. The loser's answer would be nobody's: its connection is closed, in HTTP/2 its stream
 * cancelled.
 *
 * Only requests whose method is idempotent and which are whole here (whole.h). One second at most;
 * it is part of the stream (visit.second) and ends with the try that it belongs to.
 */
#ifndef EDGE_SECOND_H
#define EDGE_SECOND_H

#include "edge/policy.h"

/* The request was sent whole: sets the time at which a second one asks. */
void second_arm(struct stream *stream);
/* The first one has answered, or the stream lets go. */
void second_cancel(struct stream *stream);
/* The first one is lost: is a second one on its way? Then it is the first now. */
must_check bool second_takes_over(struct stream *stream);

#endif
