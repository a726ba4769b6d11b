/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads of a stream whose client or upstream is a lane: what request_head.c, response_head.c and
 * reply.c do in HTTP/1.
 */
#ifndef EDGE_H2_HEADS_H
#define EDGE_H2_HEADS_H

#include "edge/stream.h"

/* worker->response to the client; its end, too, if it has no body. 0 or -ENOBUFS, -EPIPE,
 * -ENOMEM. */
must_check int h2_write_response(struct stream *stream);
/* An answer of our own: a head as HTTP/1 text, and its body. 0 or -errno. */
must_check int h2_write_reply(struct stream *stream, struct str head, struct str body);
/* The request to the upstream. 0 or -errno as above. */
must_check int h2_write_request(struct stream *stream);

#endif
