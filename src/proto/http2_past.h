/* SPDX-License-Identifier: Apache-2.0
 *
 * struct http2_past: what became of the last streams that a peer opened, so that a frame on one
 * that is gone can be judged (RFC 9113 §5.1): behind a reset of ours it was under way and is passed
 * over, behind the sender's own end, or on a number that it left out, it breaks the protocol.
 * Streams are opened in ascending order. Pure.
 *
 * struct http2_walk finds the frames in a client's bytes, for what the layer below does not tell.
 */
#ifndef PROTO_HTTP2_PAST_H
#define PROTO_HTTP2_PAST_H

#include "base/str.h"

enum { HTTP2_PAST_MAX = 64 }; /* a power of two */

enum http2_past_verdict {
    HTTP2_PAST_NEW,     /* above all that were opened */
    HTTP2_PAST_SKIPPED, /* below them, and never opened */
    HTTP2_PAST_OPENED,  /* opened, and not left by us */
    HTTP2_PAST_LEFT,    /* reset by us */
    HTTP2_PAST_UNKNOWN, /* too long ago */
};

struct http2_past {
    uint32_t count;                 /* of streams that were opened */
    uint32_t last;                  /* the highest */
    uint32_t items[HTTP2_PAST_MAX]; /* number, and the highest bit: left */
};

/* The peer opens that stream: above `last`. */
void http2_past_open(struct http2_past *past, uint32_t id);
/* We reset it. */
void http2_past_leave(struct http2_past *past, uint32_t id);
enum http2_past_verdict http2_past_ask(const struct http2_past *past, uint32_t id);

struct http2_walk {
    uint32_t left; /* of the preface or a payload, to be passed over */
    uint8_t have;  /* bytes of `head`, which came in pieces */
    bool told;     /* of the DATA frame whose head it is in */
    bool bad;      /* a PRIORITY frame of stream 0, or of one that depends on itself */
    uint8_t head[13];
    uint32_t priorities; /* PRIORITY frames since the caller set it to 0 */
};

/* At the client's preface. */
void http2_walk_init(struct http2_walk *walk);
/* What of the bytes is to be read next: up to a DATA frame, whose stream goes to *ret_id (0: there
 * is none), or as far as heads of frames are whole, so that none is read in pieces; *bytes becomes
 * the rest. Until http2_walk_done. Of PRIORITY, which nobody reads any more, what has always been
 * an error still is (RFC 9113 §6.3, RFC 7540 §5.3.1). */
struct str http2_walk_next(struct http2_walk *walk, struct str *bytes, uint32_t *ret_id);
static inline bool http2_walk_done(const struct http2_walk *walk, struct str bytes)
{
    return walk->bad || (bytes.len == 0 && !walk->told);
}

#endif
