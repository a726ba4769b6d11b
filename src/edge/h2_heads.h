/* SPDX-License-Identifier: Apache-2.0
 *
 * Message heads that go out over HTTP/2, each a counterpart of what is written as text for HTTP/1.
 * 0; -ENOBUFS: too large; -EPIPE, -ECONNRESET: the stream is gone; -ENOMEM.
 */
#ifndef EDGE_H2_HEADS_H
#define EDGE_H2_HEADS_H

#include "edge/reply.h"
#include "edge/stream.h"

/* The answer, from worker->response, to the client. */
must_check int h2_write_response(struct stream *stream);
/* An answer of our own; `body` empty: a head only. */
must_check int h2_write_reply(struct stream *stream, const struct reply_head *head,
                              struct str body);
/* That a CONNECT has its tunnel. */
must_check int h2_write_connected(struct stream *stream);
/* The request, to an upstream. */
must_check int h2_write_request(struct stream *stream, struct upstream *upstream);

#endif
