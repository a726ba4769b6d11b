/* SPDX-License-Identifier: Apache-2.0
 *
 * struct http2: one side of an HTTP/2 connection (RFC 9113): frames in, frames out, streams and
 * windows. Bytes are handed in, what they say is told by `ops`, what is to be sent is put into
 * `out`. No I/O, no clock (now_ns is set by the owner). Fields are read by hpack_read.h, written by
 * hpack.h; what a head means is http2_head.h's.
 *
 * 1. A stream is known from its first HEADERS until both sides have ended, or one has reset it;
 *    then `closed` is told, unless its owner left it. The owner's memory holds it.
 * 2. What a peer may send is bounded by the windows; they open when http2_taken says that bytes
 *    were taken, not when they come.
 * 3. A violation ends the stream (RST_STREAM) or the connection (GOAWAY, then `failed`). After
 *    `failed` nothing is read, and nothing of use is written.
 * 4. Callbacks may write, and leave any stream, but not end the session.
 */
#ifndef PROTO_HTTP2_H
#define PROTO_HTTP2_H

#include "proto/http2_guard.h"
#include "proto/http2_ops.h"
#include "proto/http2_past.h"

struct http2 {
    const struct http2_ops *ops;
    struct http2_limits limits;
    struct hpack_reader reader;
    struct hpack_writer hpack;
    struct http2_guard guard;
    struct http2_stream *buckets[HTTP2_BUCKETS];
    uint32_t stream_count;
    int64_t now_ns;
    bool server;
    bool failed;        /* GOAWAY was said, or cannot be */
    bool calmed;        /* because of frames that bring nothing, or too much */
    bool settings_seen; /* of the peer */
    bool goaway_sent, goaway_seen;
    uint32_t error; /* why it failed */

    char *out; /* the owner's: what is to be sent */
    size_t out_len, out_cap;
    size_t last_frame; /* where the latest HEADERS or DATA lies in it */

    /* What the peer allows. */
    int64_t send_window;
    int32_t first_window; /* of a stream */
    uint32_t peer_streams_max;
    bool peer_connect; /* it knows the extended CONNECT */

    /* What it sends. */
    uint32_t may_receive, taken;
    uint32_t next_id; /* of our streams */
    uint32_t resets;  /* that a service has sent */
    uint8_t unacked;  /* SETTINGS of ours */
    uint8_t have;     /* bytes of `head` (or of the preface) */
    uint8_t continuations;
    bool preface_done, first_seen, begun; /* begun: a frame's head is whole */
    bool in_block, block_dropped, block_last, pad_known;
    uint32_t block_id, block_size;
    uint32_t left; /* of the payload */
    uint32_t pad;
    struct http2_frame frame;
    char *part; /* of a payload that has not come whole */
    uint32_t part_len, part_cap;
    uint32_t rest_len;
    char *rest; /* of a block: the beginning of a field whose end comes in another frame */
    uint8_t head[HTTP2_FRAME_HEAD];
    struct http2_past past; /* streams of the client, whichever side that is */
};

/* Says preface and SETTINGS; `out` must be set, or `room` provide it. 0 or -ENOMEM. */
must_check int http2_init(struct http2 *h, const struct http2_ops *ops,
                          const struct http2_limits *limits, bool server, uint32_t table_max);
/* `out` is the owner's. */
void http2_fini(struct http2 *h);
void http2_read(struct http2 *h, struct str bytes);
/* A head has begun whose stream was left meanwhile: nothing else can come in front of its rest. */
bool http2_is_stuck(struct http2 *h);
struct http2_stream *http2_find(struct http2 *h, uint32_t id);

/* What the peer says of its priority (RFC 9218 §4): a dictionary of which u and i count. */
void http2_prioritize(struct http2_stream *stream, struct str value);
/* A request: the stream gets its number. False: there are no more. */
must_check bool http2_open(struct http2 *h, struct http2_stream *stream);
/* A head, or trailers. False: no room, and the session has failed. */
must_check bool http2_put_head(struct http2 *h, struct http2_stream *stream,
                               const struct hpack_field *fields, size_t count, bool last);
/* Leaves it without a word: the session ends. */
void http2_forget(struct http2 *h, struct http2_stream *stream);
/* What may be sent on the stream now. */
size_t http2_may_send(const struct http2 *h, const struct http2_stream *stream);
/* The head of a DATA frame of `len` bytes (at most http2_may_send), whose bytes the owner sends
 * behind it. */
void http2_data_head(struct http2 *h, struct http2_stream *stream, size_t len,
                     char ret[HTTP2_FRAME_HEAD]);
/* A DATA frame with these bytes, into `out`. False: as above. */
must_check bool http2_put_data(struct http2 *h, struct http2_stream *stream, struct str bytes);
/* Ends our side by a frame of its own; or by the stream's latest one, which lies in `out` yet. */
void http2_put_end(struct http2 *h, struct http2_stream *stream);
void http2_end_in(struct http2 *h, struct http2_stream *stream, char *frame);
/* Bytes of the stream's body were taken; `stream` NULL: it is gone. */
void http2_taken(struct http2 *h, struct http2_stream *stream, size_t n);
/* Leaves the stream, with a reset if it has not ended; `closed` is not told. */
void http2_leave(struct http2 *h, struct http2_stream *stream, uint32_t error);
/* No new streams of the peer. */
void http2_drain(struct http2 *h);
/* GOAWAY; the session has failed. */
void http2_fail(struct http2 *h, uint32_t error);

#endif
