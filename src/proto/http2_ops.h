/* SPDX-License-Identifier: Apache-2.0
 *
 * What a session of HTTP/2 (http2.h) and its owner know of each other.
 */
#ifndef PROTO_HTTP2_OPS_H
#define PROTO_HTTP2_OPS_H

#include "proto/hpack_read.h"
#include "proto/http2_types.h"

struct http2;

struct http2_stream {
    struct http2_stream *next; /* in its bucket */
    uint32_t id;               /* 0: not known to the session */
    int32_t send_window;
    uint32_t may_receive;  /* what the peer may send yet */
    uint32_t taken;        /* of what it has sent; not told it yet */
    uint64_t content_left; /* of its Content-Length; UINT64_MAX: it has none */
    bool head_done, remote_end, local_end;
    bool incremental; /* it shares with others of its urgency (RFC 9218 §4) */
    uint8_t urgency;  /* 0 is first, 7 last */
};

enum { HTTP2_URGENCY = 3 /* unless it is said */ };

enum http2_head_verdict { HTTP2_HEAD_OK, HTTP2_HEAD_INTERIM, HTTP2_HEAD_MALFORMED };

struct http2_ops {
    /* The peer opens a stream. NULL: it is refused, and may be asked again. */
    struct http2_stream *(*open)(struct http2 *h);
    /* A field of a head, or (head_done) behind the body. */
    void (*field)(struct http2 *h, struct http2_stream *stream, const struct hpack_found *field);
    /* They are all. `last`: nothing comes behind them. Sets content_left of a head. */
    enum http2_head_verdict (*head)(struct http2 *h, struct http2_stream *stream, bool last);
    /* A piece of the body. False: it cannot be kept. */
    bool (*data)(struct http2 *h, struct http2_stream *stream, struct str bytes);
    /* The peer has ended its side. */
    void (*end)(struct http2 *h, struct http2_stream *stream);
    /* It is known no more: an error code, or HTTP2_NO_ERROR when both sides have ended. */
    void (*closed)(struct http2 *h, struct http2_stream *stream, uint32_t error);
    /* The peer takes, or opens, no more streams. */
    void (*goaway)(struct http2 *h);
    /* More may be sent than before. */
    void (*window)(struct http2 *h);
    /* Makes room for `n` more bytes behind out_len. False: there is none. */
    bool (*room)(struct http2 *h, size_t n);
};

enum { HTTP2_BUCKETS = 32 };

struct http2_limits {
    uint32_t window;         /* that a peer may send on one stream unasked */
    uint32_t session_window; /* and on all together */
    uint32_t streams_max;    /* that a peer may have open; 0 for none */
    uint32_t head_max;       /* bytes of a head, as they are told the peer */
    uint32_t glitches_max;   /* 0: the usual */
};

#endif
