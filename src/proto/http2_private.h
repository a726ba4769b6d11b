/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: what http2.c (streams, sending) and http2_read.c (receiving) say to each
 * other.
 */
#ifndef PROTO_HTTP2_PRIVATE_H
#define PROTO_HTTP2_PRIVATE_H

#include "proto/http2.h"

/* Takes points; without any left the session fails. */
void http2_note(struct http2 *h, enum http2_guard_kind kind);
/* Ends it: what it costs is out of proportion. */
void http2_calm(struct http2 *h);
void http2_add(struct http2 *h, struct http2_stream *stream, uint32_t id);
/* The stream is over; `closed` is told. */
void http2_close(struct http2 *h, struct http2_stream *stream, uint32_t error);
/* A violation on the stream: RST_STREAM, and it is closed. */
void http2_stream_error(struct http2 *h, struct http2_stream *stream, uint32_t error);
/* The peer's side has ended. */
void http2_end_remote(struct http2 *h, struct http2_stream *stream);
/* A frame without flags on `id`; payload of at most 8 bytes. */
void http2_put_small(struct http2 *h, struct http2_frame frame, const char *payload);
void http2_put_reset(struct http2 *h, uint32_t id, uint32_t error);

#endif
