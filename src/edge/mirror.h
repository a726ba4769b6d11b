/* SPDX-License-Identifier: Apache-2.0
 *
 * Mirroring (`mirror:` of a service): a copy of a request goes to another service, whose answer is
 * thrown away. Fire and forget: the original never waits for it, and nothing that happens to the
 * copy is told to anybody but the counters.
 *
 * Bounded: at most MIRRORS_MAX at once per thread and service, MIRROR_MS each; a request that
 * is not whole here (whole.h) is not copied. What is not copied is counted.
 */
#ifndef EDGE_MIRROR_H
#define EDGE_MIRROR_H

#include "edge/policy.h"

enum { MIRRORS_MAX = 64, MIRROR_MS = 10000 };

/* The request was sent whole: copies it, perhaps. */
void mirror_send(struct stream *stream);
/* Ends all copies of this policy. */
void mirror_end_all(struct policy *policy);

#endif
