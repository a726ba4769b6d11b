/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request says about where it belongs: a sticky cookie, the key of a hash, the place of its
 * client. Every service is picked this way but those whose pick is plain.
 */
#ifndef EDGE_AFFINITY_H
#define EDGE_AFFINITY_H

#include "edge/stream.h"

/* service_pick by what the stream's request says; sets stream->bound. */
struct endpoint *affinity_pick(struct stream *stream);
/* Counts a pick whose signal was missing in the stream's cell. */
void affinity_count(const struct stream *stream);
/* A try has ended: what the endpoint costs in time. */
void affinity_learn(const struct stream *stream);
/* It was waited for since then, in vain. */
void affinity_waited(struct endpoint *endpoint, int64_t since_ns);
/* Writes the endpoint's Set-Cookie anew; memory that is out leaves it without one. */
void affinity_set_cookie(struct endpoint *endpoint);

#endif
