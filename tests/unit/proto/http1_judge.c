/* SPDX-License-Identifier: Apache-2.0 */
#include "http1_judge.h"

#include "harness/test.h"
#include "proto/http1_body.h"
#include "proto/uri.h"

#include <stdlib.h>

enum { BODY_MAX = 10 << 20, INTERIM_MAX = 200 };

static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;

/* The bytes in memory that ends where they end, so that the sanitizer sees reads beyond. */
static char *exact(struct str s)
{
    char *copy = malloc(MAX(s.len, (size_t)1));
    check(copy != NULL);
    if (s.len) {
        memcpy(copy, s.p, s.len);
    }
    return copy;
}

static void put(struct buf *out, const char *what)
{
    buf_printf(out, "%s%s", out->len ? "; " : "", what);
}

static void put_status(struct buf *out, unsigned status)
{
    buf_printf(out, "%s%u", out->len ? "; " : "", status);
}

/* Parses a head that begins at bytes.p, `step` bytes at a time. */
static int read_head(struct http1_head *head, struct str bytes, size_t step,
                     const struct str *method)
{
    int r = HTTP1_E_MORE;
    size_t len = 0;
    http1_head_init(head, &limits);
    while (r == HTTP1_E_MORE && len < bytes.len) {
        len += MIN(step, bytes.len - len);
        char *copy = exact(str_slice(bytes, 0, len));
        r = method ? http1_parse_response(head, http_method_find(*method), copy, len)
                   : http1_parse_request(head, copy, len);
        head->base = bytes.p;
        free(copy);
    }
    return r;
}

/* Reads a body from the front of *in, which moves behind it. 0: it is not whole. */
static int read_body(struct http1_body *body, struct str *in, size_t step, size_t *ret_len)
{
    int r = http1_body_done(body) ? HTTP1_E_DONE : 0;
    *ret_len = 0;
    while (r == 0 && in->len > 0) {
        size_t used;
        struct str data, piece = str_slice(*in, 0, MIN(step, in->len));
        char *copy = exact(piece);
        r = http1_body_read(body, str_make(copy, piece.len), &used, &data);
        check(used > 0 && used <= piece.len);
        *ret_len += data.len;
        *in = str_skip(*in, used);
        free(copy);
    }
    return r;
}

/* What is refused although the head is good: 0 = nothing. */
static unsigned refusal(const struct http1_head *head, struct str *ret_path)
{
    static char memory[8192];
    struct str path = http1_str(head, head->path);
    if (head->method == HTTP_CONNECT || head->method == HTTP_TRACE) {
        return 405;
    }
    bool whole = head->method == HTTP_OPTIONS && path.len == 0 && !head->has_query;
    *ret_path = whole ? STR("*") : STR("/"); /* RFC 9112 §3.2.4 */
    if (path.len > 0 && uri_normalise(path, memory, sizeof(memory), ret_path) < 0) {
        return 400;
    }
    return head->has_length && head->content_length > BODY_MAX ? 413 : 0;
}

static void put_message(struct buf *out, const struct http1_head *head, struct str path, size_t len)
{
    struct str query = http1_str(head, head->query);
    buf_printf(out, "%s" STR_FMT " " STR_FMT STR_FMT "%s" STR_FMT " %zu", out->len ? "; " : "",
               STR_ARG(http1_str(head, head->method_text)), STR_ARG(http1_str(head, head->host)),
               STR_ARG(path), head->has_query ? "?" : "", STR_ARG(query), len);
}

/* One message from the front of *in. False: it goes no further. */
static bool judge_request(struct buf *out, struct str *in, size_t step)
{
    struct http1_head head;
    struct http1_body body;
    struct str path = STR_NONE;
    size_t len;
    int r = read_head(&head, *in, step, NULL);
    if (r != 0) {
        r == HTTP1_E_MORE ? put(out, "more") : put_status(out, head.error.status);
        return false;
    }
    unsigned status = refusal(&head, &path);
    if (status) {
        put_status(out, status);
        return false;
    }
    *in = str_skip(*in, head.len);
    http1_body_of(&body, &head);
    r = read_body(&body, in, step, &len);
    if (r != HTTP1_E_DONE) {
        r == HTTP1_E_BAD ? put_status(out, 400) : put(out, "more");
        return false;
    }
    put_message(out, &head, path, len);
    if (!head.keep_alive) {
        put(out, "close");
    }
    return head.keep_alive;
}

void http1_judge_requests(struct buf *out, struct str bytes, size_t step)
{
    while (bytes.len > 0 && judge_request(out, &bytes, step)) {
    }
}

static void judge_final(struct buf *out, const struct http1_head *head, struct str rest,
                        const struct http1_vector *vector, size_t step)
{
    struct http1_body body;
    size_t len;
    http1_body_of(&body, head);
    int r = read_body(&body, &rest, step, &len);
    if (r == 0 && vector->eof && http1_body_eof(&body) == 0) {
        r = HTTP1_E_DONE;
    }
    if (r != HTTP1_E_DONE) {
        put(out, "cut");
        return;
    }
    bool reuse = head->keep_alive && rest.len == 0 && !vector->eof;
    buf_printf(out, "%s%u %zu %s", out->len ? "; " : "", head->status, len,
               reuse ? "reuse" : "close");
}

void http1_judge_answer(struct buf *out, const struct http1_vector *vector, size_t step)
{
    bool upgrade = str_is(vector->method, "UPGRADE");
    struct str method = upgrade ? STR("GET") : vector->method;
    struct str in = vector->bytes;
    struct http1_head head;
    for (unsigned interim = 0;; interim++) {
        if (read_head(&head, in, step, &method) != 0) {
            put(out, "502");
            return;
        }
        in = str_skip(in, head.len);
        if (head.status >= 200) {
            judge_final(out, &head, in, vector, step);
            return;
        }
        bool asked = upgrade && http1_answers_upgrade(&head, STR("websocket"));
        if (head.status == 101 || interim == INTERIM_MAX) {
            put(out, head.status == 101 && asked ? "101" : "502");
            return;
        }
        put_status(out, head.status);
    }
}
