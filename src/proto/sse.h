/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events (WHATWG HTML, "text/event-stream"): a writer onto a buf and an incremental
 * parser.
 */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include "base/buf.h"

struct sse_event {
    struct str event; /* empty: "message" */
    struct str id;
    struct str data; /* lines joined by LF */
};

/* One event: fields that are empty are left out, each line of `data` gets its own field. Line
 * breaks in event and id, which the format cannot carry, are a programmer's error. */
void sse_write(struct buf *out, const struct sse_event *event);
/* ": text": keeps the connection alive, means nothing: proxies on the way close what is silent, and
 * a peer that is gone is noticed by writing only. */
void sse_write_comment(struct buf *out, struct str text);
void sse_write_retry(struct buf *out, uint64_t milliseconds);

/* Reads the stream in pieces of any size. Lines are gathered in `line`, the data of the event in
 * `data`; each is bounded by `event_max`: an event beyond it is an error, which stays. Who reads an
 * endless stream needs that bound, as its sender may never end a line. */
struct sse_parser {
    struct buf line;
    struct buf data;
    struct buf event;
    struct buf id; /* stays between events */
    uint64_t retry_ms;
    bool retry_set;
    bool dispatch; /* the last call returned an event: clear it first */
    bool after_cr;
    bool has_data;
    bool started; /* past the byte order mark */
};

void sse_parser_init(struct sse_parser *parser, size_t event_max);
void sse_parser_fini(struct sse_parser *parser);
/* Spends bytes from the front of *in. SSE_E_EVENT: *ret is complete and lives until the next call
 * (call again for the rest of *in). 0: all spent, more bytes wanted. -ENOBUFS, -ENOMEM. */
enum { SSE_E_EVENT = 1 };
must_check int sse_parse(struct sse_parser *parser, struct str *in, struct sse_event *ret);

#endif
