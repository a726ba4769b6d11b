/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/num.h"
#include "harness/test.h"
#include "proto/http2_guard.h"
#include "proto/http2_head.h"
#include "proto/http2_past.h"

#include <stdio.h>

static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
static char memory[16384];

struct field {
    struct str name, value;
};
/* clang-format off */
#define FIELD(a, b) {STR_INIT(a), STR_INIT(b)}
#define GET FIELD(":method", "GET"), FIELD(":scheme", "http"), FIELD(":authority", "a"), FIELD(":path", "/")
/* clang-format on */

static int read_request(struct http1_head *head, const struct field *fields, size_t count,
                        bool no_body)
{
    struct http2_head builder;
    http2_head_request(&builder, head, &limits, str_make(memory, sizeof(memory)));
    for (size_t i = 0; i < count; i++) {
        struct hpack_found field = hpack_found_make(fields[i].name, fields[i].value);
        http2_head_field(&builder, &field);
    }
    return http2_head_end(&builder, no_body);
}

static int read_response(struct http1_head *head, enum http_method method,
                         const struct field *fields, size_t count, bool no_body)
{
    struct http2_head builder;
    http2_head_response(&builder, head, &limits, method, str_make(memory, sizeof(memory)));
    for (size_t i = 0; i < count; i++) {
        struct hpack_found field = hpack_found_make(fields[i].name, fields[i].value);
        http2_head_field(&builder, &field);
    }
    return http2_head_end(&builder, no_body);
}

/* --- the same as HTTP/1.1 makes of it --- */

static const struct field choices[] = {
    FIELD("accept", "*/*"),
    FIELD("x-a", ""),
    FIELD("x-b", "one, two"),
    FIELD("te", "trailers"),
    FIELD("content_length", "9"),
    FIELD("content-type", "text/plain"),
    FIELD("if-none-match", "\"x\""),
    FIELD("x-forwarded-for", "1.2.3.4"),
    FIELD("expect", "100-continue"),
    FIELD("range", "bytes=0-1"),
    FIELD("trailer", "x-sum"),
    FIELD("x-long", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
};

static void check_same(const struct http1_head *a, const struct http1_head *b, size_t from_a,
                       size_t from_b)
{
    check_int(a->count - from_a, b->count - from_b);
    for (size_t i = 0; i + from_a < a->count; i++) {
        check_str(http1_name(a, i + from_a), http1_name(b, i + from_b));
        check_str(http1_value(a, i + from_a), http1_value(b, i + from_b));
        check_int(a->headers[i + from_a].id, b->headers[i + from_b].id);
        check_int(a->headers[i + from_a].flags & HTTP1_HOP,
                  b->headers[i + from_b].flags & HTTP1_HOP);
    }
    check_int(a->content_length, b->content_length);
    check_int(a->has_length, b->has_length);
    check(memcmp(&a->present, &b->present, sizeof(a->present)) == 0);
}

static size_t some_fields(struct field *fields, struct buf *text)
{
    size_t count = rng_below(test_rng(), 12);
    for (size_t i = 0; i < count; i++) {
        fields[i] = choices[rng_below(test_rng(), ARRAY_LEN(choices))];
        buf_printf(text, STR_FMT ": " STR_FMT "\r\n", STR_ARG(fields[i].name),
                   STR_ARG(fields[i].value));
    }
    return count;
}

TEST(a_request_is_what_it_is_in_http1)
{
    static const struct str methods[] = {STR_INIT("GET"), STR_INIT("POST"), STR_INIT("HEAD"),
                                         STR_INIT("PROPFIND"), STR_INIT("OPTIONS")};
    static const struct str paths[] = {STR_INIT("/"),   STR_INIT("/a/b?c=d"), STR_INIT("/?"),
                                       STR_INIT("//x"), STR_INIT("/%2e%2e/"), STR_INIT("/a?b?c")};
    static const struct str hosts[] = {STR_INIT("a"),   STR_INIT("a:80"), STR_INIT("[::1]:8080"),
                                       STR_INIT("a b"), STR_INIT("a:x"),  STR_INIT("")};
    for (size_t round = 0; round < test_rounds(5000); round++) {
        struct field fields[20];
        struct buf text = BUF_INIT(KIB * 16);
        struct str method = methods[rng_below(test_rng(), ARRAY_LEN(methods))];
        struct str path = paths[rng_below(test_rng(), ARRAY_LEN(paths))];
        struct str host = hosts[rng_below(test_rng(), ARRAY_LEN(hosts))];
        bool length = rng_below(test_rng(), 2);
        fields[0] = (struct field){STR(":method"), method};
        fields[1] = (struct field)FIELD(":scheme", "https");
        fields[2] = (struct field){STR(":path"), path};
        fields[3] = (struct field){STR(":authority"), host};
        buf_printf(&text, STR_FMT " " STR_FMT " HTTP/1.1\r\nhost: " STR_FMT "\r\n", STR_ARG(method),
                   STR_ARG(path), STR_ARG(host));
        size_t count = 4 + some_fields(fields + 4, &text);
        if (length) {
            fields[count++] = (struct field)FIELD("content-length", "5");
            buf_add(&text, STR("content-length: 5\r\n"));
        }
        buf_add(&text, STR("\r\n"));
        struct http1_head one;
        struct http1_head two;
        http1_head_init(&one, &limits);
        int r = http1_parse_request(&one, text.p, text.len);
        int r2 = read_request(&two, fields, count, !length);
        if (host.len == 0 && r == 0) { /* HTTP/2 has no empty authority (RFC 9113 §8.3.1) */
            check_int(r2, HTTP1_E_BAD);
            buf_fini(&text);
            continue;
        }
        check_int(r2, r);
        check_int(two.error.status, one.error.status);
        if (r == 0) {
            check_same(&one, &two, 0, 0);
            check_int(two.method, one.method);
            check_int(two.form, one.form);
            check_int(two.framing, one.framing);
            check_int(two.has_query, one.has_query);
            check_int(two.expect_continue, one.expect_continue);
            check_str(http1_str(&two, two.path), http1_str(&one, one.path));
            check_str(http1_str(&two, two.query), http1_str(&one, one.query));
            check_str(http1_str(&two, two.host), http1_str(&one, one.host));
            check_str(http1_str(&two, two.target), http1_str(&one, one.target));
        }
        buf_fini(&text);
    }
}

TEST(a_response_is_what_it_is_in_http1)
{
    static const enum http_method methods[] = {HTTP_GET, HTTP_HEAD, HTTP_POST};
    static const unsigned statuses[] = {100, 103, 200, 204, 206, 304, 404, 500, 999};
    for (size_t round = 0; round < test_rounds(5000); round++) {
        struct field fields[20];
        struct buf text = BUF_INIT(KIB * 16);
        unsigned status = statuses[rng_below(test_rng(), ARRAY_LEN(statuses))];
        enum http_method method = methods[rng_below(test_rng(), ARRAY_LEN(methods))];
        char digits[4];
        snprintf(digits, sizeof(digits), "%u", status);
        fields[0] = (struct field){STR(":status"), str_make(digits, 3)};
        buf_printf(&text, "HTTP/1.1 %u x\r\n", status);
        size_t count = 1 + some_fields(fields + 1, &text);
        buf_add(&text, STR("\r\n"));
        struct http1_head one;
        struct http1_head two;
        http1_head_init(&one, &limits);
        int r = http1_parse_response(&one, method, text.p, text.len);
        int r2 = read_response(&two, method, fields, count, false);
        check_int(r2, r);
        if (r == 0) {
            check_same(&one, &two, 0, 0);
            check_int(two.status, one.status);
            check_int(two.framing, one.framing);
        }
        buf_fini(&text);
    }
}

/* --- refusals --- */

TEST(each_rule_that_is_broken_is_refused)
{
    static const struct {
        const char *what;
        unsigned status;
        struct field fields[6];
    } cases[] = {
        {"nothing", 400, {FIELD("a", "b")}},
        {"no path", 400, {FIELD(":method", "GET"), FIELD(":scheme", "http")}},
        {"an unknown pseudo field", 400, {FIELD(":x", "y"), GET}},
        {"a response's", 400, {FIELD(":status", "200"), GET}},
        {"a pseudo field twice", 400, {FIELD(":path", "/x"), GET}},
        {"behind a field", 400, {FIELD("a", "b"), GET}},
        {"a space in the method", 400, {FIELD(":method", "GET /x")}},
        {"a long method", 501, {FIELD(":method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")}},
        {"a space in the path", 400, {FIELD(":path", "/a HTTP/1.1")}},
        {"a line in the path", 400, {FIELD(":path", "/a\r\nb: c")}},
        {"a fragment", 400, {FIELD(":path", "/a#b")}},
        {"an empty path", 400, {FIELD(":path", "")}},
        {"an absolute path", 400, {FIELD(":path", "http://b/")}},
        {"another scheme", 400, {FIELD(":scheme", "ftp")}},
        {"a line in the authority", 400, {FIELD(":authority", "a\r\nb: c")}},
        {"another protocol", 501, {FIELD(":protocol", "connect-udp")}},
        {"websocket by GET", 400, {FIELD(":protocol", "websocket"), GET}},
        {"no name", 400, {GET, FIELD("", "b")}},
        {"a colon in a name", 400, {GET, FIELD("a:b", "c")}},
        {"a line in a name", 400, {GET, FIELD("a\r\nb", "c")}},
        {"a line in a value", 400, {GET, FIELD("a", "b\r\nc: d")}},
        {"LF in a value", 400, {GET, FIELD("a", "b\nc: d")}},
        {"NUL in a value", 400, {GET, FIELD("a", "b\0c")}},
        {"connection", 400, {GET, FIELD("connection", "close")}},
        {"keep-alive", 400, {GET, FIELD("keep-alive", "x")}},
        {"proxy-connection", 400, {GET, FIELD("proxy-connection", "x")}},
        {"upgrade", 400, {GET, FIELD("upgrade", "x")}},
        {"transfer-encoding", 400, {GET, FIELD("transfer-encoding", "chunked")}},
        {"te", 400, {GET, FIELD("te", "gzip")}},
        {"another host", 400, {GET, FIELD("host", "b")}},
        {"two lengths", 400, {GET, FIELD("content-length", "1"), FIELD("content-length", "2")}},
        {"no length", 400, {GET, FIELD("content-length", "+1")}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_head head;
        size_t count = 0;
        while (count < 6 && cases[i].fields[count].name.p) {
            count++;
        }
        int r = read_request(&head, cases[i].fields, count, false);
        if (r != HTTP1_E_BAD || head.error.status != cases[i].status) {
            printf("# %s: %u\n", cases[i].what, head.error.status);
        }
        check_int(r, HTTP1_E_BAD);
        check_int(head.error.status, cases[i].status);
        check(head.error.reason != NULL);
    }
}

TEST(answers_that_are_none)
{
    static const struct field cases[] = {
        FIELD(":status", "101"), FIELD(":status", "2000"), FIELD(":status", "20"),
        FIELD(":status", "2x0"), FIELD(":status", "099"),  FIELD(":path", "/"),
        FIELD("a", "b"),         FIELD(":status", ""),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_head head;
        check_int(read_response(&head, HTTP_GET, &cases[i], 1, true), HTTP1_E_BAD);
        check_int(head.error.status, 502);
    }
}

TEST(cookies_are_joined_where_the_first_was)
{
    const struct field fields[] = {GET,
                                   FIELD("cookie", "a=b"),
                                   FIELD("x", "y"),
                                   FIELD("cookie", "c=d"),
                                   FIELD("z", ""),
                                   FIELD("cookie", "e")};
    struct http1_head head;
    check_int(read_request(&head, fields, ARRAY_LEN(fields), true), 0);
    check_int(head.count, 4);
    check_str(http1_name(&head, 1), STR("cookie"));
    check_str(http1_value(&head, 1), STR("a=b; c=d; e"));
    check_str(http1_name(&head, 2), STR("x"));
    check_str(http1_name(&head, 3), STR("z"));
    check_str(http1_get(&head, HTTP_H_COOKIE), STR("a=b; c=d; e"));
}

/* RFC 7541 §6.2.3: what nobody may keep stays so on the next hop. */
TEST(joined_cookies_are_secret_if_one_of_them_is)
{
    static const struct field fields[] = {GET, FIELD("cookie", "a=b"), FIELD("cookie", "c=d"),
                                          FIELD("cookie", "e=f")};
    for (size_t secret = 3; secret <= ARRAY_LEN(fields); secret++) {
        struct http1_head head;
        struct http2_head builder;
        http2_head_request(&builder, &head, &limits, str_make(memory, sizeof(memory)));
        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
            struct hpack_found field = hpack_found_make(fields[i].name, fields[i].value);
            field.secret = i == secret;
            http2_head_field(&builder, &field);
        }
        check_int(http2_head_end(&builder, true), 0);
        int at = http1_find(&head, HTTP_H_COOKIE);
        check(at >= 0);
        bool one_is = secret > 3 && secret < ARRAY_LEN(fields);
        check_int(head.headers[at].flags & HTTP1_SECRET, one_is ? HTTP1_SECRET : 0);
    }
}

TEST(cookies_that_do_not_fit_together_are_refused)
{
    static char crumb[7000];
    struct http1_head head;
    memset(crumb, 'a', sizeof(crumb));
    const struct field fields[] = {GET,
                                   {STR_INIT("cookie"), {crumb, sizeof(crumb)}},
                                   {STR_INIT("cookie"), {crumb, sizeof(crumb)}}};
    check_int(read_request(&head, fields, ARRAY_LEN(fields), true), HTTP1_E_BAD);
    check_int(head.error.status, 431);
}

TEST(websockets_are_asked_for_as_in_http1)
{
    const struct field fields[] = {
        FIELD(":method", "CONNECT"), FIELD(":protocol", "websocket"),
        FIELD(":scheme", "https"),   FIELD(":path", "/chat"),
        FIELD(":authority", "a"),    FIELD("sec-websocket-version", "13")};
    struct http1_head head;
    check_int(read_request(&head, fields, ARRAY_LEN(fields), false), 0);
    check_int(head.method, HTTP_GET);
    check(head.upgrade);
    check_str(http1_get(&head, HTTP_H_UPGRADE), STR("websocket"));
    check_str(http1_str(&head, head.path), STR("/chat"));
}

TEST(connect_names_an_authority)
{
    const struct field fields[] = {FIELD(":method", "CONNECT"), FIELD(":authority", "a:443")};
    struct http1_head head;
    check_int(read_request(&head, fields, ARRAY_LEN(fields), false), 0);
    check_int(head.form, HTTP1_AUTHORITY);
    check_str(http1_str(&head, head.host), STR("a:443"));
}

TEST(limits_hold)
{
    struct http1_head head;
    struct field fields[130] = {GET};
    for (size_t i = 4; i < ARRAY_LEN(fields); i++) {
        fields[i] = (struct field)FIELD("a", "b");
    }
    /* The authority is the Host line. */
    check_int(read_request(&head, fields, 3 + limits.count_max, true), 0);
    check_int(head.count, limits.count_max);
    check_int(read_request(&head, fields, 4 + limits.count_max, true), HTTP1_E_BAD);
    check_int(head.error.status, 431);
    static char long_text[16384];
    memset(long_text, 'a', sizeof(long_text));
    long_text[0] = '/';
    fields[3].value = str_make(long_text, limits.line_max + 1);
    check_int(read_request(&head, fields, 4, true), HTTP1_E_BAD);
    check_int(head.error.status, 414);
    fields[3].value = STR("/");
    fields[4].value = str_make(long_text, limits.header_max - 5);
    check_int(read_request(&head, fields, 5, true), 0);
    fields[4].value.len++;
    check_int(read_request(&head, fields, 5, true), HTTP1_E_BAD);
    check_int(head.error.status, 431);
    fields[4] = (struct field){str_make(long_text + 1, HTTP1_NAME_MAX + 1), STR_INIT("b")};
    check_int(read_request(&head, fields, 5, true), HTTP1_E_BAD);
    check_int(head.error.status, 431);
}

/* --- the guard --- */

TEST(each_kind_of_nonsense_ends_a_connection_that_sends_nothing_else)
{
    for (int kind = 0; kind < HTTP2_GUARD_REQUEST; kind++) {
        struct http2_guard guard;
        unsigned frames = 0;
        http2_guard_init(&guard, 0, NS_PER_S);
        while (http2_guard_note(&guard, (enum http2_guard_kind)kind, NS_PER_S)) {
            check(++frames <= 10000);
        }
        /* Those behind the first quarter, or all if each is one too many. */
        unsigned first = kind == HTTP2_GUARD_INVALID ? 0 : frames / 4;
        check(guard.glitches >= frames - first && guard.glitches <= frames - first + 2);
        check(frames >= 100);
    }
}

TEST(what_is_ordinary_is_no_glitch)
{
    struct http2_guard guard;
    http2_guard_init(&guard, 0, 0);
    for (int64_t s = 0; s < 100000; s++) { /* a ping a second, settings, downloads with windows */
        check(http2_guard_note(&guard, HTTP2_GUARD_PING, s * NS_PER_S));
        check(http2_guard_note(&guard, HTTP2_GUARD_SETTINGS, s * NS_PER_S));
        for (int i = 0; i < 40; i++) {
            check(http2_guard_note(&guard, HTTP2_GUARD_WINDOW, s * NS_PER_S));
        }
    }
    check_int(guard.glitches, 0);
    check(http2_guard_note(&guard, HTTP2_GUARD_INVALID, 0));
    check_int(guard.glitches, 1);
}

TEST(time_and_useful_frames_give_points_back)
{
    struct http2_guard guard;
    http2_guard_init(&guard, 0, 0);
    /* Ten pings a second for ever, 200 resets with a request each. */
    for (int i = 0; i < 100000; i++) {
        check(http2_guard_note(&guard, HTTP2_GUARD_PING, i * (NS_PER_S / 10)));
        check(guard.points <= HTTP2_GUARD_POINTS);
    }
    http2_guard_init(&guard, 0, 0);
    for (int i = 0; i < 100000; i++) {
        check(http2_guard_note(&guard, HTTP2_GUARD_REQUEST, 0));
        check(http2_guard_note(&guard, HTTP2_GUARD_WINDOW, 0));
    }
}

TEST(a_clock_that_goes_back_gives_nothing)
{
    struct http2_guard guard;
    unsigned frames = 0;
    http2_guard_init(&guard, 0, NS_PER_S * 1000);
    while (http2_guard_note(&guard, HTTP2_GUARD_RESET, (1000 - (int64_t)frames) * NS_PER_S)) {
        check(++frames <= HTTP2_GUARD_POINTS / 100);
    }
}

/* --- streams that are gone --- */

TEST(what_became_of_a_stream_is_known_for_the_last_ones)
{
    struct http2_past past = {0};
    uint8_t state[4096] = {0}; /* 1: opened, 2: left */
    uint32_t id = 1;
    for (unsigned i = 0; i < 600; i++) {
        http2_past_open(&past, id);
        state[id] = 1;
        if (rng_below(test_rng(), 3) == 0) {
            http2_past_leave(&past, id);
            state[id] = 2;
        }
        check_int(http2_past_ask(&past, id + 2), HTTP2_PAST_NEW);
        unsigned known = 0;
        for (uint32_t k = id; k >= 1 && k <= id; k -= 2) {
            enum http2_past_verdict verdict = http2_past_ask(&past, k);
            if (known >= HTTP2_PAST_MAX && i + 1 > HTTP2_PAST_MAX) {
                check_int(verdict, HTTP2_PAST_UNKNOWN);
            } else {
                check_int(verdict, state[k] == 2   ? HTTP2_PAST_LEFT
                                   : state[k] == 1 ? HTTP2_PAST_OPENED
                                                   : HTTP2_PAST_SKIPPED);
            }
            known += state[k] != 0;
        }
        id += 2 + 2 * (uint32_t)rng_below(test_rng(), 3);
    }
}
