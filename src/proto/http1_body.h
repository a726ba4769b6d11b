/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 bodies: a length, chunks (RFC 9112 §7.1) or all until the connection closes. Decoding
 * hands out slices of the input, never a copy.
 */
#ifndef PROTO_HTTP1_BODY_H
#define PROTO_HTTP1_BODY_H

#include "proto/http1.h"
#include "proto/http1_trailers.h"

enum { HTTP1_E_DONE = 3, HTTP1_E_ROOM = 4 };

struct http1_body {
    uint8_t framing;
    uint8_t step;            /* chunked: private */
    uint8_t digits;          /* of the chunk size */
    uint8_t trailer_lines;   /* met so far */
    uint16_t extension_left; /* bytes that chunk extensions may still take, all chunks together */
    uint16_t trailer_left;   /* the same for trailers */
    uint64_t left;           /* of the body or chunk; UINT64_MAX until the connection closes */
    struct http1_error error;
    /* Where trailers are kept for one who passes them on; set it behind init. NULL: checked and
     * dropped (RFC 9110 §6.5.1 allows it). */
    struct http1_trailers *trailers;
};

enum { HTTP1_EXTENSIONS_MAX = 4096 };

void http1_body_init(struct http1_body *body, enum http1_framing framing, uint64_t length);
static inline void http1_body_of(struct http1_body *body, const struct http1_head *head)
{
    http1_body_init(body, (enum http1_framing)head->framing, head->content_length);
}

/* Reads some of `in`: *ret_used bytes are spent, *ret_data of them (a slice of `in`, perhaps empty)
 * are content. Call again with the rest until it is used up.
 *   0             goes on
 *   HTTP1_E_DONE  the body is complete; *ret_data may hold its last piece; the rest of `in` is not
 *                 ours
 *   HTTP1_E_ROOM  a trailer comes, and body->trailers has no memory: give it, or set trailers to
 *                 NULL, and call again with the rest; *ret_data counts
 *   HTTP1_E_BAD   body->error says why; the connection cannot be used further */
must_check int http1_body_read(struct http1_body *body, struct str in, size_t *ret_used,
                               struct str *ret_data);
/* The connection has ended: 0 when the body was complete or had no other end, else HTTP1_E_BAD. A
 * body cut short must be seen as such by whoever it is passed on to: no last chunk, a broken
 * connection (RFC 9112 §8). */
must_check int http1_body_eof(struct http1_body *body);
bool http1_body_done(const struct http1_body *body);

/* "1a2b\r\n"; behind the chunk's data comes "\r\n", behind the last chunk HTTP1_LAST_CHUNK. Returns
 * the length. n > 0: a chunk of 0 would end the body. */
enum { HTTP1_CHUNK_HEAD_MAX = 18 };
size_t http1_chunk_head(char ret[HTTP1_CHUNK_HEAD_MAX], uint64_t n);
#define HTTP1_LAST_CHUNK "0\r\n\r\n"

#endif
