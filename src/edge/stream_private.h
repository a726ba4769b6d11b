/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stream's steps (stream_steps.c, exchange.c with its parts, tunnel.c, reply.c) stand on:
 * stream.c, and stream_retry.c. Law: a function that returns false may have ended the stream; the
 * caller returns false too and touches it no more.
 */
#ifndef EDGE_STREAM_PRIVATE_H
#define EDGE_STREAM_PRIVATE_H

#include "edge/stream.h"

/* Moves the state; the table says what may follow. */
void stream_move(struct stream *stream, enum stream_state state);
/* Its head came whole, it became a tunnel, or is over: so is it counted from here on. */
void stream_carry(struct stream *stream, enum stream_carried as);
/* All is over: record, counters, connections kept or closed. The stream is gone. */
void stream_end(struct stream *stream);
/* Of a tunnel: is it nothing but its two sockets, so that another edge can go on with it? */
bool stream_movable(const struct stream *stream);
/* Another edge goes on with it: ends without a record. The client lives. */
void stream_forget(struct stream *stream);
/* What happens to its upstream comes to this, for those that make the connection. */
void stream_upstream_news(void *stream);
/* Lets the endpoint and its connection go; it is kept for others if `reusable`. */
void stream_detach(struct stream *stream, bool reusable);
/* The upstream failed with -errno: tries again if that is safe, else answers or breaks off. */
must_check bool stream_lost(struct stream *stream, int error);
/* Holds the route's config, and finds its service; false: it is gone. */
must_check bool stream_take_route(struct stream *stream, const struct route *route);
/* Takes back what was sent of a request that is whole in its first block. */
void stream_rewind(struct stream *stream);
/* This answer's head was read but not sent on: throws it away and tries again. */
void stream_try_again(struct stream *stream);
/* Holds the gateway's filters for this request, if there are any. */
void stream_take_global(struct stream *stream);
/* The answer's head is sent: if no filter can run any more the config may go (tunnels and streams
 * live long). */
void stream_last_head(struct stream *stream, bool tunnel);
/* A tunnel begins: gives back what only a request needs, and all it held of the head; the record is
 * written as far as it is known. The stream to go on with: the one given is gone, unless memory is
 * out or filters of the end still want all of it. */
struct stream *stream_shorten(struct stream *stream);
/* May it be paid for with a second try when a connection that took it turns out to be dead? */
static inline bool stream_repeatable(const struct stream *stream)
{
    return http_method_idempotent((enum http_method)stream->req.method);
}
/* Runs (the rest of) a stage. False: a filter suspended or answered. */
must_check bool filters_run(struct stream *stream, const struct filter_chain *chain,
                            enum filter_stage stage, struct str *piece);

#endif
