/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http1_vectors.h"
#include "proto/http1_body.h"
#include "proto/http1_write.h"

#include <stdio.h>
#include <stdlib.h>

static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;

enum kind { REQUEST, RESPONSE };

static int parse(struct http1_head *head, enum kind kind, const char *p, size_t len)
{
    return kind == REQUEST ? http1_parse_request(head, p, len)
                           : http1_parse_response(head, HTTP_GET, p, len);
}

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

static int parse_whole(struct http1_head *head, enum kind kind, struct str bytes)
{
    char *copy = exact(bytes);
    http1_head_init(head, &limits);
    int r = parse(head, kind, copy, bytes.len);
    head->base = bytes.p;
    free(copy);
    return r;
}

/* The bytes arrive one by one, each time in another place. */
static int parse_split(struct http1_head *head, enum kind kind, struct str bytes)
{
    int r = HTTP1_E_MORE;
    http1_head_init(head, &limits);
    for (size_t len = 0; len <= bytes.len && r == HTTP1_E_MORE; len++) {
        char *copy = exact(str_slice(bytes, 0, len));
        r = parse(head, kind, copy, len);
        head->base = bytes.p;
        free(copy);
    }
    return r;
}

static void check_same_head(const struct http1_head *a, const struct http1_head *b)
{
    check_int(a->len, b->len);
    check_int(a->error.status, b->error.status);
    check(a->error.reason == b->error.reason);
    check_int(a->framing, b->framing);
    check_int(a->content_length, b->content_length);
    check_int(a->keep_alive, b->keep_alive);
    check_int(a->upgrade, b->upgrade);
    check_int(a->host.at, b->host.at);
    check_int(a->path.at, b->path.at);
    check_int(a->query.len, b->query.len);
    check_int(a->status, b->status);
    check_int(a->count, b->count);
    check(memcmp(a->headers, b->headers, a->count * sizeof(a->headers[0])) == 0);
}

/* Reads all of a body, `step` bytes at a time; what it holds goes to `out`. */
static int read_body(struct http1_body *body, struct str in, size_t step, struct buf *out)
{
    int r = http1_body_done(body) ? HTTP1_E_DONE : 0;
    while (r == 0 && in.len) {
        size_t used;
        struct str data;
        struct str piece = str_slice(in, 0, step);
        char *copy = exact(piece);
        r = http1_body_read(body, str_make(copy, piece.len), &used, &data);
        check(used <= piece.len);
        check(used > 0);
        buf_add(out, data);
        in = str_skip(in, used);
        free(copy);
    }
    return r;
}

static int body_verdict(const struct http1_head *head, struct str bytes, size_t step)
{
    struct buf out = BUF_INIT(65536);
    struct http1_body body;
    http1_body_of(&body, head);
    int r = read_body(&body, str_skip(bytes, head->len), step, &out);
    buf_fini(&out);
    return r;
}

static void check_vector(enum kind kind, const struct http1_vector *v)
{
    struct http1_head whole, split;
    int r = parse_whole(&whole, kind, v->bytes);
    if (r != (v->status ? HTTP1_E_BAD : 0) || whole.error.status != v->status) {
        printf("# %s (RFC %s): %d, status %u (%s)\n", v->what, v->rfc, r, whole.error.status,
               whole.error.reason ? whole.error.reason : "-");
        check(false);
    }
    check_int(parse_split(&split, kind, v->bytes), r);
    check_same_head(&whole, &split);
    if (r == 0 && whole.framing == HTTP1_BODY_CHUNKED) {
        int want = v->bad_body ? HTTP1_E_BAD : HTTP1_E_DONE;
        if (body_verdict(&whole, v->bytes, SIZE_MAX) != want) {
            printf("# %s (RFC %s)\n", v->what, v->rfc);
            check(false);
        }
        check_int(body_verdict(&whole, v->bytes, 1), want);
    }
}

TEST(every_request_vector_gets_its_verdict_however_it_is_cut)
{
    check(http1_request_vector_count + http1_response_vector_count >= 150);
    for (size_t i = 0; i < http1_request_vector_count; i++) {
        check_vector(REQUEST, &http1_request_vectors[i]);
    }
}

TEST(every_response_vector_gets_its_verdict_however_it_is_cut)
{
    for (size_t i = 0; i < http1_response_vector_count; i++) {
        check_vector(RESPONSE, &http1_response_vectors[i]);
    }
}
