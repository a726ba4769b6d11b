/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing HTTP/1.1 heads into the caller's memory. Like struct buf, errors are sticky: what does
 * not fit sets `full`, and one question at the end is enough. What is forwarded is written anew
 * from the parsed fields, never as raw lines; runs of lines that are already exact are copied in
 * one piece, with the same result. The memory is the caller's and is not cleared; with `full` set
 * its content is of no use, and the caller answers 502 or closes.
 *
 *     struct http1_writer w = http1_writer_make(memory, sizeof(memory));
 *     http1_write_request_line(&w, http1_str(head, head->method_text), target);
 *     http1_write_header(&w, STR("Host"), host);
 *     http1_write_forward(&w, head, &replaced);
 *     http1_write_framing(&w, framing, length);
 *     http1_write_end(&w);
 */
#ifndef PROTO_HTTP1_WRITE_H
#define PROTO_HTTP1_WRITE_H

#include "proto/http1.h"

struct http1_writer {
    char *p; /* start of the memory */
    size_t len;
    size_t cap;
    bool full;
};

static inline struct http1_writer http1_writer_make(char *memory, size_t cap)
{
    return (struct http1_writer){.p = memory, .cap = cap};
}

/* Always HTTP/1.1. */
void http1_write_request_line(struct http1_writer *w, struct str method, struct str target);
/* With the registered reason phrase; 100 <= status <= 999. */
void http1_write_status_line(struct http1_writer *w, unsigned status);
/* `value` must hold no CR, LF or NUL and `name` must be a token: a programmer's error, which is
 * checked. */
void http1_write_header(struct http1_writer *w, struct str name, struct str value);
void http1_write_header_u64(struct http1_writer *w, struct str name, uint64_t value);
/* All headers of `head` in their order but: hop-by-hop ones, Host, Content-Length, and those in
 * `drop` (NULL = none). */
void http1_write_forward(struct http1_writer *w, const struct http1_head *head,
                         const struct http_set *drop);
/* Content-Length or Transfer-Encoding: chunked; nothing for the other framings. */
void http1_write_framing(struct http1_writer *w, enum http1_framing framing, uint64_t length);
/* The same for a head that is passed on: its own length (also 0, and that of an answer to HEAD) or
 * chunks. */
void http1_write_framing_of(struct http1_writer *w, const struct http1_head *head);
/* Bytes as they are: whole lines that the caller has prepared. */
void http1_write_raw(struct http1_writer *w, struct str bytes);
/* The empty line. */
void http1_write_end(struct http1_writer *w);

#endif
