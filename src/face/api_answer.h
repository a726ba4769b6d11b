/* SPDX-License-Identifier: Apache-2.0
 *
 * What a handler can do with its exchange (face/api.h): answer it, or make a stream of it. Private
 * to face/.
 *
 * All of it may be called when the client is gone: then it frees the exchange and nothing is sent.
 * Problems are RFC 9457 documents (application/problem+json) with `code`, `where`, `expected` and
 * `hint` beside its own members.
 */
#ifndef FACE_API_ANSWER_H
#define FACE_API_ANSWER_H

#include "base/json.h"
#include "base/problem.h"

struct exchange;

/* What an SSE answer does later. */
struct exchange_stream {
    void (*closed)(
        struct exchange *x); /* the client is gone, or we shut down: let go of everything */
    void (*drained)(struct exchange *x); /* all that was sent is on its way; may be NULL */
    void *arg;
};

/* ---- answering (api_answer.c): each ends the exchange; it must not be used afterwards ---- */

/* What is in x->out, as `type`. If it did not fit (buf_error) the answer is 500 and says so. */
void exchange_answer(struct exchange *x, unsigned status, const char *type);
/* What is in x->out, as JSON with the endpoint's status; an ETag when `generation` >= 0: then
 * If-None-Match gets 304. */
void exchange_answer_json(struct exchange *x, int64_t generation);
/* Whether the client's If-None-Match names this tag (quoted, strong): it has this representation,
 * and 304 will do. Weak comparison, RFC 9110 §13.1.2. */
bool exchange_has_tag(const struct exchange *x, struct str tag);
void exchange_answer_empty(struct exchange *x, unsigned status);
void exchange_answer_problem(struct exchange *x, const struct problem *problem);
void exchange_answer_problems(struct exchange *x, const struct problem_list *list);
/* A problem made here: status, code, what. */
void exchange_refuse(struct exchange *x, unsigned status, const char *code, const char *fmt, ...)
    printf_like(4, 5);
/* -errno of a room below: 503 for what may work again soon, else 500. */
void exchange_answer_error(struct exchange *x, int error);
/* Adds a header to the answer to come. `value` must be a field value (RFC 9110 §5.5): asserted,
 * since a line break in it would begin another header. */
void exchange_header(struct exchange *x, struct str name, struct str value);
/* Writes one RFC 9457 document: `problem` at its top, all of `list` (may be NULL) as `problems`,
 * the path as `instance` (empty = none). Its status is the HTTP status; 0 = 500. */
void problem_write_json(struct json_writer *w, const struct problem *problem,
                        const struct problem_list *list, struct str instance);

/* ---- lists ---- */

/* Begins {"items":[ … . */
struct json_writer exchange_list_begin(struct exchange *x);
/* … ],"next_cursor":…} and answers. `cursor` empty = null. */
void exchange_list_end(struct exchange *x, struct json_writer *w, struct str cursor);

/* ---- streams (api_stream.c) ---- */

/* Whether the client asks for text/event-stream by name: who takes anything gets JSON. */
bool exchange_wants_stream(const struct exchange *x);
/* Sends the head; from then on exchange_send, until `closed` or exchange_stream_end. `closed`
 * comes at once when the client is gone already: false then, and the exchange must not be used.
 * */
must_check bool exchange_stream_begin(struct exchange *x, struct exchange_stream stream);
/* One event; `id` 0 = none. False when the reader is too slow: the stream was closed (`closed`
 * was called) and the exchange must not be used. */
must_check bool exchange_send(struct exchange *x, const char *event, uint64_t id, struct str data);
/* Bytes not yet taken by the client; what a producer that can wait looks at. */
size_t exchange_backlog(const struct exchange *x);
/* Closes after what was sent. Ends the exchange; `closed` is not called. */
void exchange_stream_end(struct exchange *x);
/* The same after something failed here, with `closed`: to go on would leave a hole that nobody
 * sees, so the reader is told to come again behind the last event it got. */
void exchange_stream_break(struct exchange *x);
/* The timer exchange.alive: a stream that says nothing says that it lives. */
struct timer;
void exchange_sign_of_life(struct timer *timer, int64_t now_ns);

#endif
