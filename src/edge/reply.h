/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that the edge gives by itself: a page for people, an RFC 9457 problem for programs. Each
 * says what is wrong, with which service, and what to do. After it the state is REPLY; reply_run
 * sends it.
 */
#ifndef EDGE_REPLY_H
#define EDGE_REPLY_H

#include "edge/page.h"
#include "edge/stream.h"

/* What is said in front of a page, besides framing and what is about the connection. */
enum { REPLY_FIELDS_MAX = 10 };
struct reply_head {
    unsigned status;
    size_t count;
    struct stream_field fields[REPLY_FIELDS_MAX];
};

void reply_page(struct stream *stream, unsigned status, struct said reason);
/* 405, 413. */
void reply_method(struct stream *stream);
void reply_body_too_large(struct stream *stream);
/* To an OPTIONS that asks the gateway itself. */
void reply_options(struct stream *stream);
void reply_no_route(struct stream *stream);
/* 403: the route wants a client's certificate, and there is none. */
void reply_no_certificate(struct stream *stream);
/* 308 to the same target by https. */
void reply_redirect(struct stream *stream);
/* 503: starting, crashed, unhealthy, overloaded with Retry-After; stopped, drained, without weight
 * without one: people say when it comes back. */
void reply_no_endpoint(struct stream *stream);
/* 503 with Retry-After: the service's policy takes no more. */
enum reply_refusal { REPLY_OVERLOADED, REPLY_BREAKER_OPEN };
void reply_refused(struct stream *stream, enum reply_refusal why, unsigned retry_after_s);
/* The page that the service names for when no replica can answer; without a body the usual one. */
void reply_fallback(struct stream *stream, unsigned status, struct str type, struct str body);
/* 502 or 504 by the error. */
void reply_upstream_error(struct stream *stream, int error);
/* 408. */
void reply_timeout(struct stream *stream);
must_check bool reply_run(struct stream *stream);

#endif
