/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers: status, headers, body, and the problem documents of RFC 9457.
 *
 *   1. An answer is written in one piece when it is complete: its length is known, and a failure on
 *      the way becomes a clean 500 instead of half a document.
 *   2. Nothing is cached unless a handler says so: answers are about now, and some carry secrets.
 *   3. Tags are strong and made of generation and content: "12-9f…". The part before the dash is
 *      what If-Match compares (a change of state is no conflict), all of it is what If-None-Match
 *      needs.
 *   4. An exchange with an Idempotency-Key is stored before it is sent (api_once.c): a client that
 *      never saw the answer gets it again.
 *
 * As it fails: -ENOMEM, -ENOBUFS and -EAGAIN of a room below are 503 with Retry-After (it may work
 * in a moment), a full disk is 507, all else 500 with the system's words.
 *
 * A problem document (RFC 9457), members in this order; empty ones are left out:
 *
 *   type           "urn:muelle:problem:CODE"    a name, not an address: nothing need be fetched
 *   title          reason phrase of the status
 *   status         as in the status line
 *   code           stable slug, "config.unknown-key": what programs compare
 *   detail         what is wrong, for people
 *   where          file:line:column, or a JSON pointer into the request
 *   expected       what would have been right
 *   hint           what to do next
 *   instance       path of the request
 *   problems       all of them, each with code … hint, when there may be several
 *   problem_count  how many there were: more than PROBLEM_LIST_MAX are only counted
 */
#include "base/map.h"
#include "base/num.h"
#include "base/timefmt.h"
#include "face/api_server.h"
#include "proto/http1_write.h"

enum { HEAD_SIZE = 24 << 10 };

/* ---- the head ---- */

/* nosniff: a browser must not take a log line for a page. The type is left out of answers without
 * content (RFC 9110 §15.3.5). */
static void write_head(struct exchange *x, struct http1_writer *w, bool stream)
{
    cleanup(buf_fini) struct buf date = BUF_INIT(64);
    bool empty = x->status == 204 || x->status == 304;

    timefmt_http(&date, core_wall(x->core));
    http1_write_status_line(w, x->status);
    http1_write_header(w, STR("Date"), buf_str(&date));
    if (x->type.len > 0 && !empty) {
        http1_write_header(w, STR("Content-Type"), x->type);
    }
    http1_write_header(w, STR("X-Content-Type-Options"), STR("nosniff"));
    if (x->ctx.request_id[0]) {
        http1_write_header(w, STR("X-Request-ID"), str_from(x->ctx.request_id));
    }
    http1_write_raw(w, buf_str(&x->headers));
    if (str_find(buf_str(&x->headers), STR("Cache-Control:")) < 0) {
        http1_write_header(w, STR("Cache-Control"), STR("no-store"));
    }
    if (stream) {
        http1_write_header(w, STR("Transfer-Encoding"), STR("chunked"));
    } else if (!empty) {
        http1_write_header_u64(w, STR("Content-Length"), x->out.len);
    }
    if (!x->keep_alive) {
        http1_write_header(w, STR("Connection"), STR("close"));
    }
    http1_write_end(w);
}

/* HEAD gets the head of the GET, its Content-Length included (RFC 9110 §9.3.2). */
static void send_answer(struct exchange *x)
{
    struct api_conn *conn = x->conn;
    char memory[HEAD_SIZE];
    struct http1_writer w = http1_writer_make(memory, sizeof(memory));

    write_head(x, &w, false);
    if (w.full) {
        conn->state = CONN_CLOSING; /* cannot happen with our own headers; never send half a head */
        return;
    }
    buf_add_mem(&conn->out, w.p, w.len);
    if (x->head.method != HTTP_HEAD && x->status != 204 && x->status != 304) {
        buf_add(&conn->out, buf_str(&x->out));
    }
    conn->close_after = !x->keep_alive;
    conn->state = buf_error(&conn->out) ? CONN_CLOSING : CONN_WRITING;
}

void exchange_finish(struct exchange *x)
{
    struct api_conn *conn = x->conn;

    if (conn) {
        send_answer(x);
        api_conn_flush_soon(conn);
    }
    exchange_free(x);
}

/* ---- ordinary answers ---- */

/* The one way out of all of them: too large, to be stored first, or to be sent. */
static void answer(struct exchange *x)
{
    if (buf_error(&x->out)) {
        /* The answer does not fit: say that instead. */
        buf_reset(&x->out);
        buf_add_cstr(&x->out, "{\"title\":\"the answer is too large\",\"status\":500,"
                              "\"code\":\"answer.too-large\"}\n");
        x->status = 500;
        x->type = STR("application/problem+json");
    }
    if (x->once_waits) {
        api_once_finish(x);
        return;
    }
    exchange_finish(x);
}

void exchange_answer(struct exchange *x, unsigned status, const char *type)
{
    x->status = status;
    x->type = str_from(type);
    answer(x);
}

void exchange_answer_empty(struct exchange *x, unsigned status)
{
    buf_reset(&x->out);
    exchange_answer(x, status, NULL);
}

void exchange_header(struct exchange *x, struct str name, struct str value)
{
    ensure(http_is_token(name) && http_is_field_value(value));
    buf_add(&x->headers, name);
    buf_add_cstr(&x->headers, ": ");
    buf_add(&x->headers, value);
    buf_add_cstr(&x->headers, "\r\n");
}

bool exchange_has_tag(const struct exchange *x, struct str tag)
{
    struct str list = http1_get(&x->head, HTTP_H_IF_NONE_MATCH);
    struct str item = STR_NONE;

    if (str_is(str_trim(list), "*")) {
        return true;
    }
    while (http_list_next(&list, &item)) {
        if (str_starts(item, STR("W/"))) {
            item = str_skip(item, 2);
        }
        if (str_eq(item, tag)) {
            return true;
        }
    }
    return false;
}

/* The tag is the generation, which If-Match compares, and a hash of the representation, which
 * If-None-Match needs: a state may change while the generation does not. */
void exchange_answer_json(struct exchange *x, int64_t generation)
{
    char tag[64];
    bool read = x->head.method == HTTP_GET || x->head.method == HTTP_HEAD;

    buf_add_char(&x->out, '\n');
    if (generation >= 0 && (x->endpoint->flags & ENDPOINT_ETAG)) {
        snprintf(tag, sizeof(tag), "\"%lld-%016llx\"", (long long)generation,
                 (unsigned long long)map_hash(0, buf_str(&x->out)));
        exchange_header(x, STR("ETag"), str_from(tag));
        if (read && exchange_has_tag(x, str_from(tag))) {
            exchange_answer_empty(x, 304);
            return;
        }
    }
    exchange_answer(x, x->endpoint->status, "application/json");
}

/* ---- problems ---- */

/* Empty parts are left out: a member without words helps nobody. */
static void optional(struct json_writer *w, const char *key, const char *text)
{
    if (text[0]) {
        json_key(w, str_from(key));
        json_cstr(w, text);
    }
}

/* What RFC 9457 §3.2 calls extension members, but `detail`. */
static void problem_members(struct json_writer *w, const struct problem *problem)
{
    optional(w, "code", problem->code);
    optional(w, "detail", problem->what);
    optional(w, "where", problem->where);
    optional(w, "expected", problem->expected);
    optional(w, "hint", problem->hint);
}

void problem_write_json(struct json_writer *w, const struct problem *problem,
                        const struct problem_list *list, struct str instance)
{
    unsigned status = problem->status ? problem->status : 500;
    struct str title = http_reason(status);
    char type[96];

    snprintf(type, sizeof(type), "urn:muelle:problem:%s", problem->code);
    json_begin_object(w);
    json_field(w, "type", cstr, type);
    json_key(w, STR("title"));
    json_str(w, title.len > 0 ? title : STR("Error"));
    json_field(w, "status", u64, status);
    problem_members(w, problem);
    if (instance.len > 0) {
        json_field(w, "instance", str, instance);
    }
    if (list) {
        json_key(w, STR("problems"));
        json_begin_array(w);
        for (size_t i = 0; i < MIN(list->count, (size_t)PROBLEM_LIST_MAX); i++) {
            json_begin_object(w);
            problem_members(w, &list->items[i]);
            json_end_object(w);
        }
        json_end_array(w);
        json_field(w, "problem_count", u64, list->count);
    }
    json_end_object(w);
}

/* What a handler had begun to write is dropped: an answer is one or the other. */
static void answer_problem(struct exchange *x, const struct problem *problem,
                           const struct problem_list *list)
{
    struct json_writer w = JSON_WRITER(&x->out);

    buf_reset(&x->out);
    problem_write_json(&w, problem, list, x->path);
    buf_add_char(&x->out, '\n');
    if (problem->status == 503) {
        exchange_header(x, STR("Retry-After"), STR("1"));
    }
    exchange_answer(x, problem->status ? problem->status : 500, "application/problem+json");
}

void exchange_answer_problem(struct exchange *x, const struct problem *problem)
{
    answer_problem(x, problem, NULL);
}

void exchange_answer_problems(struct exchange *x, const struct problem_list *list)
{
    ensure(list->count > 0);
    answer_problem(x, &list->items[0], list);
}

void exchange_refuse(struct exchange *x, unsigned status, const char *code, const char *fmt, ...)
{
    struct problem problem;
    char what[PROBLEM_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    problem_set(&problem, code, "%s", what);
    problem.status = (uint16_t)status;
    exchange_answer_problem(x, &problem);
}

void exchange_answer_error(struct exchange *x, int error)
{
    switch (error) {
    case -ENOMEM:
    case -ENOBUFS:
    case -EAGAIN:
        exchange_refuse(x, 503, "server.busy", "too much is going on; try again in a moment");
        return;
    case -ENOSPC:
        exchange_refuse(x, 507, "store.full",
                        "the disk of the state folder is full; nothing was changed");
        return;
    default:
        exchange_refuse(x, 500, "server.error", "something failed inside: %s", strerror(-error));
        return;
    }
}

/* ---- lists ---- */

/* No ETag on lists: they change all the time, and a hash over a thousand items is no cheaper than
 * them.
 */
struct json_writer exchange_list_begin(struct exchange *x)
{
    struct json_writer w = JSON_WRITER(&x->out);

    json_begin_object(&w);
    json_key(&w, STR("items"));
    json_begin_array(&w);
    return w;
}

void exchange_list_end(struct exchange *x, struct json_writer *w, struct str cursor)
{
    json_end_array(w);
    json_key(w, STR("next_cursor"));
    if (cursor.len > 0) {
        json_str(w, cursor);
    } else {
        json_null(w);
    }
    json_end_object(w);
    exchange_answer_json(x, -1);
}
