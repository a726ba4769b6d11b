/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http1_judge.h"
#include "proto/http1_body.h"
#include "proto/http1_write.h"
#include "proto/http_chars.h"

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

static void check_judged(const struct http1_vector *v, struct buf *got)
{
    if (!str_eq(buf_str(got), v->expected)) {
        printf("# %.*s (RFC " STR_FMT "): " STR_FMT " instead of " STR_FMT "\n", (int)v->what.len,
               v->what.p, STR_ARG(v->rfc), STR_ARG(buf_str(got)), STR_ARG(v->expected));
        check(false);
    }
    buf_fini(got);
}

/* Large ones are cut less often: each cut copies what is there. */
static size_t smallest_step(const struct http1_vector *v)
{
    return MAX(v->bytes.len / 1000, (size_t)1);
}

TEST(every_request_vector_gets_its_verdict_however_it_is_cut)
{
    const struct http1_vectors *vectors = http1_request_vectors();
    check(vectors->count >= 300);
    for (size_t i = 0; i < vectors->count; i++) {
        const struct http1_vector *v = &vectors->at[i];
        struct buf whole = BUF_INIT(65536), split = BUF_INIT(65536);
        http1_judge_requests(&whole, v->bytes, SIZE_MAX);
        check_judged(v, &whole);
        http1_judge_requests(&split, v->bytes, smallest_step(v));
        check_judged(v, &split);
    }
}

TEST(every_response_vector_gets_its_verdict_however_it_is_cut)
{
    const struct http1_vectors *vectors = http1_response_vectors();
    check(vectors->count >= 100);
    for (size_t i = 0; i < vectors->count; i++) {
        const struct http1_vector *v = &vectors->at[i];
        struct buf whole = BUF_INIT(65536), split = BUF_INIT(65536);
        http1_judge_answer(&whole, v, SIZE_MAX);
        check_judged(v, &whole);
        http1_judge_answer(&split, v, smallest_step(v));
        check_judged(v, &split);
    }
}

/* Random changes to a vector: bytes replaced, removed, doubled, taken from those that matter. */
static struct str mutate(struct str from, char *memory, size_t size)
{
    static const char bytes[] = "\r\n\0 \t:,;/?#%[]\"\\\x7f\x80\xff"
                                "0aZ-chunked";
    struct rng *rng = test_rng();
    size_t len = MIN(from.len, size);
    memcpy(memory, from.p, len);
    for (uint64_t n = 1 + rng_below(rng, 3); n > 0 && len > 1; n--) {
        size_t at = rng_below(rng, len);
        uint64_t how = rng_below(rng, 4);
        if (how == 0) {
            memmove(memory + at, memory + at + 1, len - at - 1);
            len--;
        } else if (how == 1 && len < size) {
            memmove(memory + at + 1, memory + at, len - at);
            len++;
        } else {
            memory[at] = bytes[rng_below(rng, sizeof(bytes) - 1)];
        }
    }
    return str_make(memory, len);
}

static struct str random_vector(enum kind kind)
{
    struct rng *rng = test_rng();
    const struct http1_vectors *vectors =
        kind == REQUEST ? http1_request_vectors() : http1_response_vectors();
    return vectors->at[rng_below(rng, vectors->count)].bytes;
}

TEST(whole_is_split_at_every_byte_for_mutated_heads)
{
    char memory[512];
    for (size_t i = 0; i < test_rounds(4000); i++) {
        enum kind kind = rng_chance(test_rng(), 700) ? REQUEST : RESPONSE;
        struct str bytes = mutate(random_vector(kind), memory, sizeof(memory));
        struct http1_head whole, split;
        int r = parse_whole(&whole, kind, bytes);
        check_int(parse_split(&split, kind, bytes), r);
        check_same_head(&whole, &split);
        if (r == 0 && whole.framing == HTTP1_BODY_CHUNKED) {
            check_int(body_verdict(&whole, bytes, SIZE_MAX), body_verdict(&whole, bytes, 1));
        }
    }
}

static void forward(const struct http1_head *head, struct http1_writer *w)
{
    http1_write_request_line(w, http1_str(head, head->method_text), http1_str(head, head->target));
    http1_write_header(w, STR("Host"), http1_str(head, head->host));
    http1_write_forward(w, head, NULL);
    http1_write_framing_of(w, head);
    http1_write_end(w);
}

/* What was read and written anew reads as the same message, and writing that again changes
 * nothing. */
TEST(a_forwarded_request_reads_as_the_same)
{
    char memory[512], once[2048], twice[2048];
    size_t taken = 0;
    for (size_t i = 0; i < test_rounds(4000) || taken < 100; i++) {
        struct str bytes = mutate(random_vector(REQUEST), memory, sizeof(memory));
        struct http1_head head, again;
        if (parse_whole(&head, REQUEST, bytes) != 0 || head.minor == 0) {
            continue;
        }
        taken++;
        struct http1_writer w = http1_writer_make(once, sizeof(once));
        forward(&head, &w);
        check(!w.full);
        struct str written = str_make(once, w.len);
        check_int(parse_whole(&again, REQUEST, written), 0);
        check_int(again.len, w.len);
        check_int(again.framing, head.framing);
        check_int(again.content_length, head.content_length);
        check_str(http1_str(&again, again.host), http1_str(&head, head.host));
        check_str(http1_str(&again, again.target), http1_str(&head, head.target));
        struct http1_writer v = http1_writer_make(twice, sizeof(twice));
        forward(&again, &v);
        check_int(v.len, w.len);
        for (size_t j = 0; j < again.count; j++) {
            check(again.headers[j].flags & HTTP1_PLAIN);
            check(!(again.headers[j].flags & HTTP1_HOP) ||
                  again.headers[j].id == HTTP_H_TRANSFER_ENCODING);
        }
    }
}

/* The definition of http1_write_forward: header by header. */
static void forward_plainly(struct http1_writer *w, const struct http1_head *head,
                            const struct http_set *drop)
{
    for (size_t i = 0; i < head->count; i++) {
        const struct http1_header *header = &head->headers[i];
        if (!(header->flags & HTTP1_HOP) && header->id != HTTP_H_HOST &&
            header->id != HTTP_H_CONTENT_LENGTH && !http_set_has(drop, header->id)) {
            http1_write_header(w, http1_name(head, i), http1_value(head, i));
        }
    }
}

TEST(copying_runs_of_lines_is_the_same_as_writing_each)
{
    static const char *const lines[] = {
        "Host: a\r\n", "X-A: 1\r\n",      "X-B:2\r\n",         "Accept: \t*/*\r\n",
        "Via: x \r\n", "Cookie: a=b\r\n", "TE: trailers\r\n",  "X-C:\r\n",
        "X-D: \r\n",   "Age: 3\r\n",      "Keep-Alive: 1\r\n", "ETag: \"x\"\r\n"};
    struct rng *rng = test_rng();
    for (size_t i = 0; i < test_rounds(2000); i++) {
        struct buf in = BUF_INIT(4096);
        buf_add(&in, STR("HTTP/1.1 200 OK\r\n"));
        for (uint64_t n = rng_below(rng, 12); n > 0; n--) {
            buf_add_cstr(&in, lines[rng_below(rng, ARRAY_LEN(lines))]);
        }
        buf_add(&in, STR("\r\n"));
        struct http1_head head;
        check_int(parse_whole(&head, RESPONSE, buf_str(&in)), 0);
        struct http_set drop = {{rng_u64(rng), rng_u64(rng)}};
        char a[1024], b[1024];
        struct http1_writer fast = http1_writer_make(a, sizeof(a));
        struct http1_writer slow = http1_writer_make(b, sizeof(b));
        http1_write_forward(&fast, &head, &drop);
        forward_plainly(&slow, &head, &drop);
        check_str(str_make(a, fast.len), str_make(b, slow.len));
        buf_fini(&in);
    }
}

static int parse_request(struct http1_head *head, const char *text)
{
    return parse_whole(head, REQUEST, str_from(text));
}

TEST(the_parts_of_a_request)
{
    struct http1_head head;
    check_int(parse_request(&head, "POST http://b.example:81/x/y?q=1?2 HTTP/1.1\r\nhost: a\r\n"
                                   "CONTENT-LENGTH: 12\r\nX-Odd:  v \r\n\r\n"),
              0);
    check_int(head.method, HTTP_POST);
    check_int(head.form, HTTP1_ABSOLUTE);
    check_str(http1_str(&head, head.host), STR("b.example:81"));
    check_str(http1_str(&head, head.path), STR("/x/y"));
    check_str(http1_str(&head, head.query), STR("q=1?2"));
    check(head.has_query && head.keep_alive && head.has_length);
    check_int(head.framing, HTTP1_BODY_LENGTH);
    check_int(head.content_length, 12);
    check_int(head.count, 3);
    check_str(http1_get(&head, HTTP_H_HOST), STR("a"));
    check_str(http1_get_name(&head, STR("x-odd")), STR("v"));
    check_str(http1_get_name(&head, STR("Content-Length")), STR("12"));
    check(http1_get(&head, HTTP_H_COOKIE).p == NULL);
    check(http1_get_name(&head, STR("x-other")).p == NULL);
    check_int(http1_find(&head, HTTP_H_OTHER), -1);
}

TEST(targets_without_path_or_query)
{
    struct http1_head head;
    check_int(parse_request(&head, "GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    check_int(head.path.len, 0);
    check(head.has_query);
    check_str(http1_str(&head, head.query), STR("q"));
    check_int(parse_request(&head, "GET /? HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    check(head.has_query);
    check_int(head.query.len, 0);
    check_int(parse_request(&head, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    check_int(head.form, HTTP1_ASTERISK);
    check_str(http1_str(&head, head.host), STR("a"));
    check_int(parse_request(&head, "CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    check_str(http1_str(&head, head.host), STR("[::1]:443"));
}

static bool keeps_alive(const char *text)
{
    struct http1_head head;
    check_int(parse_request(&head, text), 0);
    return head.keep_alive;
}

TEST(persistence_follows_version_and_connection)
{
    check(keeps_alive("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    check(!keeps_alive("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n"));
    check(!keeps_alive(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: x, close\r\n\r\n"));
    check(!keeps_alive("GET / HTTP/1.0\r\n\r\n"));
    check(keeps_alive("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    check(!keeps_alive("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

TEST(hop_by_hop_headers_stay_here)
{
    struct http1_head head;
    char out[256];
    check_int(
        parse_request(&head,
                      "GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: 1\r\nX-Foo: 1\r\nTE: trailers\r\n"
                      "Connection: x-foo, TE, X-Bar\r\nProxy-Connection: x\r\nUpgrade: y\r\n"
                      "Trailer: z\r\nx-bar: 2\r\nX-Stay: 3\r\nProxy-Authorization: b\r\n\r\n"),
        0);
    struct http1_writer w = http1_writer_make(out, sizeof(out));
    http1_write_forward(&w, &head, NULL);
    check_str(str_make(out, w.len), STR("X-Stay: 3\r\n"));
}

/* Naming thousands of fields made a proxy compare each with each: milliseconds for one request. */
TEST(connection_names_a_bounded_number_of_fields)
{
    for (unsigned more = 0; more < 2; more++) {
        struct http1_head head;
        struct buf text = BUF_INIT(4096);
        buf_add(&text, STR("GET / HTTP/1.1\r\nHost: a\r\nConnection: close"));
        for (unsigned i = 1; i < HTTP1_CONNECTION_MAX / 2; i++) {
            buf_add(&text, STR(",a"));
        }
        buf_add(&text, STR("\r\nConnection: b"));
        for (unsigned i = 1; i < HTTP1_CONNECTION_MAX / 2 + more; i++) {
            buf_add(&text, STR(",a"));
        }
        buf_add(&text, STR("\r\n\r\n"));
        http1_head_init(&head, &limits);
        check_int(http1_parse_request(&head, text.p, text.len), more ? HTTP1_E_BAD : 0);
        buf_fini(&text);
    }
}

TEST(names_that_a_backend_would_confuse_stay_here)
{
    struct http1_head head;
    char out[256];
    check_int(parse_request(&head,
                            "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\nx-request_id: 2\r\n"
                            "Transfer_Encoding: chunked\r\nContent_Length: 3\r\nMy_Own: 4\r\n\r\n"),
              0);
    check_int(head.framing, HTTP1_BODY_NONE);
    struct http1_writer w = http1_writer_make(out, sizeof(out));
    http1_write_forward(&w, &head, NULL);
    check_str(str_make(out, w.len), STR("My_Own: 4\r\n"));
}

TEST(upgrades_that_may_become_tunnels)
{
    struct http1_head head;
    check_int(parse_request(
                  &head,
                  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
              0);
    check(head.upgrade);
    check_int(parse_request(&head, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"), 0);
    check(!head.upgrade);
    check_int(
        parse_request(&head, "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
        0);
    check(!head.upgrade);
    check_int(
        parse_request(
            &head, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x, H2C\r\n\r\n"),
        0);
    check(!head.upgrade);
    check_int(
        parse_request(
            &head, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: HTTP/2.0\r\n\r\n"),
        0);
    check(!head.upgrade);
}

TEST(expect_continue_needs_a_body_and_1_1)
{
    struct http1_head head;
    check_int(
        parse_request(
            &head,
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
        0);
    check(head.expect_continue);
    check_int(parse_request(&head, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"),
              0);
    check(!head.expect_continue);
    check_int(parse_request(&head,
                            "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
              0);
    check(!head.expect_continue);
}

static unsigned framing(enum http_method method, const char *text)
{
    struct http1_head head;
    http1_head_init(&head, &limits);
    check_int(http1_parse_response(&head, method, text, strlen(text)), 0);
    return head.framing;
}

TEST(where_a_response_ends)
{
    check_int(framing(HTTP_GET, "HTTP/1.1 200 OK\r\n\r\n"), HTTP1_BODY_CLOSE);
    check_int(framing(HTTP_GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), HTTP1_BODY_NONE);
    check_int(framing(HTTP_GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), HTTP1_BODY_LENGTH);
    check_int(framing(HTTP_GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
              HTTP1_BODY_CHUNKED);
    check_int(framing(HTTP_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), HTTP1_BODY_NONE);
    check_int(framing(HTTP_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
              HTTP1_BODY_NONE);
    check_int(framing(HTTP_GET, "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n"), HTTP1_BODY_NONE);
    check_int(framing(HTTP_GET, "HTTP/1.1 204 x\r\n\r\n"), HTTP1_BODY_NONE);
    check_int(framing(HTTP_GET, "HTTP/1.1 100 Continue\r\n\r\n"), HTTP1_BODY_NONE);
    check_int(framing(HTTP_CONNECT, "HTTP/1.1 200 OK\r\n\r\n"), HTTP1_TUNNEL);
    check_int(framing(HTTP_CONNECT, "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n"),
              HTTP1_BODY_LENGTH);
    check_int(framing(HTTP_GET, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n"),
              HTTP1_TUNNEL);
}

TEST(the_parts_of_a_status_line)
{
    struct http1_head head;
    check_int(parse_whole(&head, RESPONSE, STR("HTTP/1.0 404 Not here\r\n\r\n")), 0);
    check_int(head.status, 404);
    check_int(head.minor, 0);
    check_str(http1_str(&head, head.reason), STR("Not here"));
    check_int(parse_whole(&head, RESPONSE, STR("HTTP/1.1 200\r\n\r\n")), 0);
    check_int(head.reason.len, 0);
}

TEST(a_body_where_none_may_be_ends_the_connection)
{
    struct http1_head head;
    check_int(
        parse_whole(&head, RESPONSE, STR("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n")),
        0);
    check(!head.keep_alive);
    check_int(parse_whole(&head, RESPONSE, STR("HTTP/1.1 204 x\r\n\r\n")), 0);
    check(head.keep_alive);
}

static struct str written_framing(enum http_method method, const char *text, char *out, size_t size)
{
    struct http1_head head;
    http1_head_init(&head, &limits);
    check_int(http1_parse_response(&head, method, text, strlen(text)), 0);
    struct http1_writer w = http1_writer_make(out, size);
    http1_write_framing_of(&w, &head);
    return str_make(out, w.len);
}

TEST(lengths_are_passed_on_even_without_a_body)
{
    char out[64];
    check_str(written_framing(HTTP_GET, "HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n", out, 64),
              STR("Content-Length: 0\r\n"));
    check_str(written_framing(HTTP_HEAD, "HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n", out, 64),
              STR("Content-Length: 9\r\n"));
    check_str(written_framing(HTTP_GET, "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", out, 64),
              STR(""));
    check_str(written_framing(HTTP_GET, "HTTP/1.1 200 x\r\n\r\n", out, 64), STR(""));
    check_str(
        written_framing(HTTP_GET, "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", out, 64),
        STR("Transfer-Encoding: chunked\r\n"));
}

/* A request with a target, a header value and a number of headers of given sizes. */
static struct str sized_request(struct buf *out, size_t target, size_t value, size_t count)
{
    buf_reset(out);
    buf_add(out, STR("GET /"));
    for (size_t i = 1; i < target; i++) {
        buf_add_char(out, 'a');
    }
    buf_add(out, STR(" HTTP/1.1\r\nHost: a\r\n"));
    for (size_t i = 1; i < count; i++) {
        buf_add(out, STR("X: "));
        for (size_t j = 0; j < value; j++) {
            buf_add_char(out, 'b');
        }
        buf_add(out, STR("\r\n"));
    }
    buf_add(out, STR("\r\n"));
    return buf_str(out);
}

TEST(limits_hold_to_the_byte)
{
    struct buf out = BUF_INIT(1 << 20);
    struct http1_head head;
    size_t line = limits.line_max - sizeof("GET  HTTP/1.1\r\n") + 1;
    check_int(parse_whole(&head, REQUEST, sized_request(&out, line, 0, 1)), 0);
    check_int(parse_whole(&head, REQUEST, sized_request(&out, line + 1, 0, 1)), HTTP1_E_BAD);
    check_int(head.error.status, 414);
    size_t value = limits.header_max - sizeof("X: \r\n") + 1;
    check_int(parse_whole(&head, REQUEST, sized_request(&out, 1, value, 2)), 0);
    check_int(parse_whole(&head, REQUEST, sized_request(&out, 1, value + 1, 2)), HTTP1_E_BAD);
    check_int(head.error.status, 431);
    check_int(parse_whole(&head, REQUEST, sized_request(&out, 1, 0, limits.count_max)), 0);
    check_int(parse_whole(&head, REQUEST, sized_request(&out, 1, 0, limits.count_max + 1u)),
              HTTP1_E_BAD);
    check_int(head.error.status, 431);
    /* all of it: 1 + 1 + n headers of 8000 bytes */
    check_int(parse_whole(&head, REQUEST, sized_request(&out, 1, 7000, 3)), 0);
    check_int(parse_whole(&head, REQUEST, sized_request(&out, 1, 8000, 4)), HTTP1_E_BAD);
    check_int(head.error.status, 431);
    buf_fini(&out);
}

TEST(limits_do_not_depend_on_how_the_bytes_come)
{
    static const struct http1_limits small = {
        .line_max = 40, .header_max = 30, .head_max = 90, .count_max = 4};
    struct buf out = BUF_INIT(4096);
    for (size_t i = 0; i < test_rounds(3000); i++) {
        struct rng *rng = test_rng();
        struct str bytes =
            sized_request(&out, 1 + rng_below(rng, 40), rng_below(rng, 40), rng_below(rng, 7));
        struct http1_head whole, split;
        http1_head_init(&whole, &small);
        http1_head_init(&split, &small);
        int want = http1_parse_request(&whole, bytes.p, bytes.len);
        int got = HTTP1_E_MORE;
        for (size_t len = 0; len <= bytes.len && got == HTTP1_E_MORE; len++) {
            got = http1_parse_request(&split, bytes.p, len);
        }
        check_int(got, want);
        check_same_head(&whole, &split);
    }
    buf_fini(&out);
}

/* A line that frames, with a byte that does not belong there. */
struct intruder {
    const char *front, *back;
    bool in_name;
    bool digits; /* the value is a number */
};

static const struct intruder intruders[] = {
    {"", "Transfer-Encoding: chunked", true, false},
    {"Transfer", "Encoding: chunked", true, false},
    {"Transfer-Encoding", ": chunked", true, false},
    {"Transfer-Encoding:", "chunked", false, false},
    {"Transfer-Encoding: chunk", "ed", false, false},
    {"Transfer-Encoding: chunked", "", false, false},
    {"", "Content-Length: 3", true, true},
    {"Content", "Length: 3", true, true},
    {"Content-Length", ": 3", true, true},
    {"Content-Length:", "3", false, true},
    {"Content-Length: 1", "3", false, true},
    {"Content-Length: 3", "", false, true},
};

static bool is_outer_space(const struct intruder *at, int c)
{
    if ((c != ' ' && c != '\t') || at->in_name) {
        return false;
    }
    return at->back[0] == '\0' || at->front[strlen(at->front) - 1] == ':';
}

/* It may be white space around the value, a digit of a number, or make another name of it. */
static void check_intruder(const struct intruder *at, int c, int r, const struct http1_head *head)
{
    unsigned frames = at->digits ? HTTP1_BODY_LENGTH : HTTP1_BODY_CHUNKED;
    bool digit = at->digits && !at->in_name && c >= '0' && c <= '9';
    bool dash = at->in_name && c == '-' && at->front[0] != '\0' && at->back[0] != ':';
    bool colon = c == ':' && at->in_name;
    if (is_outer_space(at, c) || digit || dash) {
        check_int(r, 0);
        check_int(head->framing, frames);
    } else if (at->in_name && http_char_is((char)c, HTTP_C_TOKEN)) {
        check_int(r, 0);
        check_int(head->framing, HTTP1_BODY_NONE);
    } else if (!(colon && r == 0 && head->framing == HTTP1_BODY_NONE)) { /* "Transfer: Encoding…" */
        check_int(r, HTTP1_E_BAD);
    }
}

TEST(no_byte_hides_what_frames_a_request)
{
    char text[128];
    for (size_t i = 0; i < ARRAY_LEN(intruders); i++) {
        for (int c = 0; c < 256; c++) {
            struct http1_head head;
            int front = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s",
                                 intruders[i].front);
            text[front] = (char)c;
            int back = snprintf(text + front + 1, sizeof(text) - (size_t)front - 1, "%s\r\n\r\n",
                                intruders[i].back);
            int r = parse_whole(&head, REQUEST, str_make(text, (size_t)(front + 1 + back)));
            check_intruder(&intruders[i], c, r, &head);
        }
    }
}

TEST(an_endless_line_is_refused_at_its_limit)
{
    static char flood[20000];
    struct http1_head head;
    memset(flood, 'a', sizeof(flood));
    check_int(parse_whole(&head, REQUEST, str_make(flood, sizeof(flood))), HTTP1_E_BAD);
    check_int(head.error.status, 501);
    memcpy(flood, "GET /", 5);
    check_int(parse_whole(&head, REQUEST, str_make(flood, limits.line_max - 1)), HTTP1_E_MORE);
    check_int(parse_whole(&head, REQUEST, str_make(flood, limits.line_max)), HTTP1_E_BAD);
    check_int(head.error.status, 414);
}

TEST(a_refused_head_stays_refused)
{
    struct http1_head head;
    http1_head_init(&head, &limits);
    check_int(http1_parse_request(&head, "GET\n", 4), HTTP1_E_BAD);
    check_int(http1_parse_request(&head, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), HTTP1_E_BAD);
}

TEST(a_writer_that_is_full_says_so_and_writes_nothing_beyond)
{
    char out[64];
    for (size_t cap = 0; cap < 50; cap++) {
        memset(out, '#', sizeof(out));
        struct http1_writer w = http1_writer_make(out, cap);
        http1_write_status_line(&w, 404);
        http1_write_header(&w, STR("X-A"), STR("b"));
        http1_write_header_u64(&w, STR("N"), 10);
        http1_write_end(&w);
        struct str want = STR("HTTP/1.1 404 Not Found\r\nX-A: b\r\nN: 10\r\n\r\n");
        check_int(w.full, cap < want.len);
        check(w.len <= cap);
        check_int(out[cap], '#');
        if (!w.full) {
            check_str(str_make(out, w.len), want);
        }
    }
}

TEST(status_lines)
{
    char out[64];
    struct http1_writer w = http1_writer_make(out, sizeof(out));
    http1_write_status_line(&w, 200);
    check_str(str_make(out, w.len), STR("HTTP/1.1 200 OK\r\n"));
    w.len = 0;
    http1_write_status_line(&w, 799);
    check_str(str_make(out, w.len), STR("HTTP/1.1 799 \r\n"));
}
