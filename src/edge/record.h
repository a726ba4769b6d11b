/* SPDX-License-Identifier: Apache-2.0
 *
 * What remains of a request: one count in its cell and one record in the thread's ring.
 */
#ifndef EDGE_RECORD_H
#define EDGE_RECORD_H

#include "link/ring_record.h"

struct stream;

/* A connection was made: how long that took is counted at once, the request may try others. */
void record_connected(const struct stream *stream);
void record_stream(struct stream *stream);
/* A tunnel begins: what is known by now, since its head goes. */
void record_tunnel(const struct stream *stream, struct ring_access *ret);
/* Host, user agent and referer, where the configuration asks for them. Only while the head is
 * here. */
bool record_wants_more(const struct stream *stream);
void record_more(const struct stream *stream, struct ring_more *ret);
/* Those that a tunnel keeps (stream.more_kept) lie right behind its record. */
static inline struct ring_more *record_kept_more(struct ring_access *record)
{
    return (struct ring_more *)(void *)(record + 1);
}

#endif
