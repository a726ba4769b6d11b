/* SPDX-License-Identifier: Apache-2.0
 *
 * A message head that comes field by field (HTTP/2, HTTP/3) as the struct http1_head that a parser
 * would have made of the same message in HTTP/1.1 (RFC 9113 §8): so everything behind it, and every
 * rule about what may be forwarded, is the same for all versions. No I/O, no allocation.
 *
 * Texts are copied behind each other into the caller's memory as plain lines, offsets are from
 * head->base. A field or head that breaks a rule is noted in head->error and the rest passed over,
 * so that the sender's state of compression stays whole; the verdict comes with http2_head_end.
 *
 *     http2_head_request(&builder, &head, &limits, memory, size);
 *     http2_head_field(&builder, &field);   each, in their order
 *     r = http2_head_end(&builder, no_body);     0 or HTTP1_E_BAD: head.error
 */
#ifndef PROTO_HTTP2_HEAD_H
#define PROTO_HTTP2_HEAD_H

#include "proto/hpack_read.h"
#include "proto/http1.h"

struct http2_head {
    struct http1_head *head;
    char *p; /* the caller's memory */
    uint32_t len;
    uint32_t cap;
    uint16_t cookies; /* fields of that name: joined at the end (RFC 9113 §8.2.3) */
    uint8_t seen;     /* bits: pseudo-header fields met */
    bool malformed;   /* it breaks the rules of HTTP/2: the stream is reset, not answered */
    bool websocket;   /* an extended CONNECT (RFC 8441), read as the GET it stands for */
};

/* Both clear `head`; `memory` must live as long as it, `limits` too. */
void http2_head_request(struct http2_head *builder, struct http1_head *head,
                        const struct http1_limits *limits, struct str memory);
/* The answer to a `method` request; interim ones come one by one, each begun anew. */
void http2_head_response(struct http2_head *builder, struct http1_head *head,
                         const struct http1_limits *limits, enum http_method method,
                         struct str memory);
/* The answer to an extended CONNECT, if it grants it, is to a client of HTTP/1 what a 101 is (RFC
 * 8441 §5), with this Sec-WebSocket-Accept. In front of the end. */
void http2_head_switch(struct http2_head *builder, struct str accept);
void http2_head_field(struct http2_head *builder, const struct hpack_found *field);
/* May it stand in a head, or behind a body (RFC 9113 §8.2)? */
bool http2_field_is_good(const struct hpack_found *field);
/* `no_body`: the stream ends with its head. A body of unknown length is said to come in chunks by
 * a request, until the connection closes by a response. */
must_check int http2_head_end(struct http2_head *builder, bool no_body);

#endif
