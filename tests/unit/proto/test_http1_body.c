/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "proto/http1_body.h"

/* Decodes all of `in` in random pieces. */
static int decode(struct http1_body *body, struct str in, struct buf *out, size_t *ret_used)
{
    int r = http1_body_done(body) ? HTTP1_E_DONE : 0;
    size_t at = 0;
    while (r == 0 && at < in.len) {
        size_t used;
        struct str data;
        struct str piece = str_slice(in, at, at + 1 + rng_below(test_rng(), 40));
        r = http1_body_read(body, piece, &used, &data);
        check(data.len <= used && used <= piece.len && used > 0);
        buf_add(out, data);
        at += used;
    }
    *ret_used = at;
    return r;
}

static void encode(struct str data, struct buf *out)
{
    struct rng *rng = test_rng();
    while (data.len) {
        char head[HTTP1_CHUNK_HEAD_MAX];
        struct str chunk = str_slice(data, 0, 1 + rng_below(rng, 300));
        buf_add_mem(out, head, http1_chunk_head(head, chunk.len));
        buf_add(out, chunk);
        buf_add(out, STR("\r\n"));
        data = str_skip(data, chunk.len);
    }
    buf_add(out, STR(HTTP1_LAST_CHUNK));
}

TEST(what_was_chunked_comes_back)
{
    for (size_t i = 0; i < test_rounds(500); i++) {
        struct buf data = BUF_INIT(8192), wire = BUF_INIT(65536), back = BUF_INIT(8192);
        for (uint64_t n = rng_below(test_rng(), 4000); n > 0; n--) {
            buf_add_char(&data, (char)rng_u64(test_rng()));
        }
        encode(buf_str(&data), &wire);
        size_t end = wire.len, used;
        buf_add(&wire, STR("GET / next"));
        struct http1_body body;
        http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
        check_int(decode(&body, buf_str(&wire), &back, &used), HTTP1_E_DONE);
        check_int(used, end);
        check_str(buf_str(&back), buf_str(&data));
        check(http1_body_done(&body));
        buf_fini(&data);
        buf_fini(&wire);
        buf_fini(&back);
    }
}

TEST(chunk_heads_are_short_hex)
{
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = {{1, "1\r\n"},
                 {15, "f\r\n"},
                 {16, "10\r\n"},
                 {0x1a2b, "1a2b\r\n"},
                 {UINT64_MAX, "ffffffffffffffff\r\n"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char head[HTTP1_CHUNK_HEAD_MAX];
        check_str(str_make(head, http1_chunk_head(head, cases[i].n)), str_from(cases[i].text));
    }
}

TEST(a_length_ends_the_body_and_leaves_the_rest)
{
    struct http1_body body;
    size_t used;
    struct str data;
    http1_body_init(&body, HTTP1_BODY_LENGTH, 5);
    check_int(http1_body_read(&body, STR("abc"), &used, &data), 0);
    check_str(data, STR("abc"));
    check_int(http1_body_read(&body, STR("deXY"), &used, &data), HTTP1_E_DONE);
    check_str(data, STR("de"));
    check_int(used, 2);
    check_int(http1_body_read(&body, STR("XY"), &used, &data), HTTP1_E_DONE);
    check_int(used, 0);
}

TEST(no_body_is_done_at_once)
{
    struct http1_body body;
    http1_body_init(&body, HTTP1_BODY_NONE, 0);
    check(http1_body_done(&body));
    http1_body_init(&body, HTTP1_BODY_LENGTH, 0);
    check(http1_body_done(&body));
    check_int(http1_body_eof(&body), 0);
}

TEST(until_close_takes_all_and_ends_well)
{
    struct http1_body body;
    size_t used;
    struct str data;
    http1_body_init(&body, HTTP1_BODY_CLOSE, 0);
    check_int(http1_body_read(&body, STR("abc"), &used, &data), 0);
    check_str(data, STR("abc"));
    check_int(http1_body_eof(&body), 0);
}

TEST(a_connection_that_ends_in_the_body_is_an_error)
{
    struct http1_body body;
    size_t used;
    struct str data;
    http1_body_init(&body, HTTP1_BODY_LENGTH, 5);
    check_int(http1_body_read(&body, STR("abc"), &used, &data), 0);
    check_int(http1_body_eof(&body), HTTP1_E_BAD);
    http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
    check_int(http1_body_read(&body, STR("3\r\nabc\r\n0\r\n"), &used, &data), 0);
    check_int(http1_body_eof(&body), HTTP1_E_BAD);
    check(body.error.reason != NULL);
    check_int(http1_body_eof(&body), HTTP1_E_BAD);
}

/* Feeds `unit` again and again; how many times it was taken before the body was refused. */
static size_t feed(struct str start, struct str unit, size_t max)
{
    struct http1_body body;
    size_t used;
    struct str data;
    http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
    check(start.len == 0 || http1_body_read(&body, start, &used, &data) == 0);
    for (size_t n = 0; n < max; n++) {
        struct str rest = unit;
        while (rest.len) {
            if (http1_body_read(&body, rest, &used, &data) != 0) {
                return n;
            }
            rest = str_skip(rest, used);
        }
    }
    return max;
}

TEST(extensions_and_trailers_have_a_budget)
{
    check_int(feed(STR(""), STR("1;abcdefg\r\nx\r\n"), 1 << 20), HTTP1_EXTENSIONS_MAX / 8);
    check_int(feed(STR("0\r\n"), STR("A: b\r\n"), 1 << 20), HTTP1_TRAILER_LINES_MAX);
    check_int(feed(STR("0\r\nA:"), STR("1234567"), 1 << 20), (HTTP1_TRAILERS_MAX - 2) / 7);
    check_int(feed(STR(""), STR("1\r\nx\r\n"), 1 << 16), 1 << 16);
}

/* Decodes `in` in pieces of `step`, giving room when it is asked for; the trailers go to `out`. */
static int keep_trailers(struct str in, size_t step, struct buf *out, struct http1_body *body)
{
    static char memory[HTTP1_TRAILERS_ROOM];
    struct http1_trailers trailers = {0};
    unsigned asked = 0;
    int r = 0;
    http1_body_init(body, HTTP1_BODY_CHUNKED, 0);
    body->trailers = &trailers;
    while ((r == 0 || r == HTTP1_E_ROOM) && in.len) {
        size_t used;
        struct str data;
        struct str piece = str_slice(in, 0, step);
        r = http1_body_read(body, piece, &used, &data);
        if (r == HTTP1_E_ROOM) {
            check(trailers.p == NULL && asked++ == 0);
            trailers.p = memory;
        } else {
            check(used > 0);
        }
        in = str_skip(in, used);
    }
    if (trailers.p) {
        buf_add(out, http1_trailers_str(&trailers));
    }
    body->trailers = NULL;
    return r;
}

static const char trailer_section[] = "3\r\nabc\r\n0\r\n"
                                      "X-Sum: 1 2\r\n"
                                      "x-none:\r\n"
                                      "X-Wide:\t  a b \t\r\n"
                                      "Content-Length: 5\r\n"
                                      "ETag: \"x\"\r\n"
                                      "Transfer_Encoding: chunked\r\n"
                                      "Authorization: Basic eA==\r\n"
                                      "Server-Timing: db;dur=5\r\n"
                                      "X-Forwarded-Anything: 1\r\n\r\n";

TEST(trailers_are_kept_whole_however_they_are_cut)
{
    struct str in = str_from(trailer_section);
    for (size_t step = 1; step <= in.len; step++) {
        struct buf out = BUF_INIT(1024);
        struct http1_body body;
        check_int(keep_trailers(in, step, &out, &body), HTTP1_E_DONE);
        check_str(buf_str(&out), STR("X-Sum: 1 2\r\nx-none: \r\nX-Wide: a b\r\nETag: \"x\"\r\n"
                                     "Server-Timing: db;dur=5\r\n"));
        buf_fini(&out);
    }
}

TEST(a_body_without_trailers_asks_for_no_room)
{
    struct buf out = BUF_INIT(16);
    struct http1_body body;
    check_int(keep_trailers(STR("1\r\nx\r\n0\r\n\r\n"), 1, &out, &body), HTTP1_E_DONE);
    check_int(out.len, 0);
    buf_fini(&out);
}

/* The longest section that is taken: each line grows by a space, and all of it fits the room. */
TEST(the_largest_trailers_fit_their_room)
{
    struct buf in = BUF_INIT(16384), out = BUF_INIT(16384);
    struct http1_body body;
    buf_add(&in, STR("0\r\n"));
    size_t section = in.len;
    for (size_t i = 1; i < HTTP1_TRAILER_LINES_MAX; i++) {
        buf_add(&in, STR("x:y\r\n"));
    }
    buf_add(&in, STR("z:"));
    while (in.len - section < HTTP1_TRAILERS_MAX - 4) {
        buf_add_char(&in, 'v');
    }
    buf_add(&in, STR("\r\n\r\n"));
    check_int(keep_trailers(buf_str(&in), 1000, &out, &body), HTTP1_E_DONE);
    check_int(out.len, HTTP1_TRAILERS_MAX - 2 + HTTP1_TRAILER_LINES_MAX);
    out.len = 0;
    in.len = section;
    for (size_t i = 0; i <= HTTP1_TRAILER_LINES_MAX; i++) {
        buf_add(&in, STR("x:y\r\n"));
    }
    check_int(keep_trailers(buf_str(&in), 7, &out, &body), HTTP1_E_BAD);
    check_int(strcmp(body.error.reason, "too many trailers"), 0);
    buf_fini(&in);
    buf_fini(&out);
}

TEST(what_frames_routes_or_authenticates_is_no_trailer)
{
    static const char *const never[] = {
        "Transfer-Encoding",
        "content-length",
        "HOST",
        "Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Anything",
        "Set-Cookie",
        "Cookie",
        "Authorization",
        "Forwarded",
        "WWW-Authenticate",
        "Content-MD5",
        "X-Forwarded-User",
        "X-Real-IP",
        "Via",
        "Authentication-Info",
        "If-Anything",
        "Cache-Control",
        "Max-Forwards",
        "Range",
        "X-Request-ID",
        "x_sum",
        "Access-Control-Allow-Credentials",
        "Date",
        "Sec-Anything",
        "Set-Cookie2",
    };
    static const char *const fine[] = {"ETag",   "X-Checksum",    "grpc-status", "Server-Timing",
                                       "Digest", "Accept-Ranges", "Contentment"};
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        check(!http1_trailer_allowed(str_from(never[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        check(http1_trailer_allowed(str_from(fine[i])));
    }
}
