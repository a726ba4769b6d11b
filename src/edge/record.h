/* SPDX-License-Identifier: Apache-2.0
 *
 * What remains of a request: one count in its cell and one record in the thread's ring.
 */
#ifndef EDGE_RECORD_H
#define EDGE_RECORD_H

struct ring_access;
struct stream;

/* A connection was made: how long that took is counted at once, the request may try others. */
void record_connected(const struct stream *stream);
void record_stream(struct stream *stream);
/* A tunnel begins: what is known by now, since its head goes. */
void record_tunnel(const struct stream *stream, struct ring_access *ret);

#endif
