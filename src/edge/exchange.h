/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP/1 codec of the stream on both sides and what flows between: heads are read, changed and
 * written anew; bodies are decoded, shown to filters and framed again; back-pressure by not
 * reading. Steps of the stream's machine: true = go on.
 */
#ifndef EDGE_EXCHANGE_H
#define EDGE_EXCHANGE_H

#include "edge/lane.h"
#include "edge/trailers.h"

must_check bool exchange_read_head(struct stream *stream);
must_check bool exchange_run(struct stream *stream);
/* The deadline has come during the exchange. True = go on. */
must_check bool exchange_timeout(struct stream *stream);

/* request_head.c: writes the request as the upstream gets it. 0 or -ENOBUFS (grew too large). */
must_check int exchange_write_request(struct stream *stream, struct str *ret);
/* Whom the request is for; a client of HTTP/1.0 may say nobody: then the replica, as in probes. */
static inline struct str exchange_host(const struct stream *stream)
{
    struct str host = http1_str(&stream->req, stream->req.host);
    if (likely(host.len > 0)) {
        return host;
    }
    return stream->endpoint->address.family == SOCK_ADDR_UNIX
               ? STR("localhost")
               : str_from(stream->endpoint->address_text);
}
/* Forwarded's value for a client that speaks for itself; the caller has made sure of the room. */
void exchange_write_forwarded(struct http1_writer *w, const struct client *client, struct str host);
/* Fields of the request that are not passed on. */
const struct http_set *exchange_dropped(const struct stream *stream);
/* Does the client take trailers (RFC 9110 §10.1.4)? We pass them on, so it may be said. */
bool exchange_takes_trailers(const struct http1_head *req);
/* response_head.c: writes worker->response as the client gets it; decides on framing and
 * keep-alive. 0 or -ENOBUFS. */
must_check int exchange_write_response(struct stream *stream, size_t *ret_len);
/* Gets the decoder of the body behind `head` ready, also once more. */
static inline void exchange_begin_body(struct stream *stream, enum stream_direction direction,
                                       const struct http1_head *head)
{
    const struct conn *from =
        direction == STREAM_UP ? &stream->client->conn : &stream->upstream->conn;
    if (unlikely(conn_is_lane(from)) && head->framing != HTTP1_BODY_NONE) {
        /* Frames are taken off, lengths are held; the end is the stream's. */
        http1_body_init(stream_body(stream, direction), HTTP1_BODY_CLOSE, 0);
        return;
    }
    http1_body_of(stream_body(stream, direction), head);
    if (unlikely(head->framing == HTTP1_BODY_CHUNKED)) {
        trailers_begin(stream, direction, head);
    }
}
/* Moves body bytes. True = the exchange goes on. */
must_check bool exchange_pump_up(struct stream *stream);
must_check bool exchange_pump_down(struct stream *stream, struct str already);

#endif
