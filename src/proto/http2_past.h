/* SPDX-License-Identifier: Apache-2.0
 *
 * struct http2_past: what became of the last streams that a client opened, so that a frame on one
 * that is gone can be judged (RFC 9113 §5.1): behind a reset of ours it was under way and is passed
 * over, behind the sender's own end, or on a number that it left out, it breaks the protocol.
 * Streams are opened in ascending order. Pure.
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

/* That stream is opened: above `last`. */
void http2_past_open(struct http2_past *past, uint32_t id);
/* We reset it. */
void http2_past_leave(struct http2_past *past, uint32_t id);
enum http2_past_verdict http2_past_ask(const struct http2_past *past, uint32_t id);

#endif
