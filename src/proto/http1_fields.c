/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fields of a head mean for the message: where it ends, whose it is, whether the
 * connection lives on (RFC 9112 §3, §6, §9.3; RFC 9110 §7.6.1, §7.8). Here request smuggling is
 * decided, so the rule is: where the RFC lets a recipient repair or choose, refuse.
 *
 * Invariants:
 * 1. A message has one framing, decided by fields that were each seen once; a second one, or one of
 *    the other kind, refuses the message even if both agree.
 * 2. `host` is what routes are chosen by, and the only one the next server gets to see: the
 *    target's authority wins over Host (RFC 9112 §3.2.2), and Host is written anew from it.
 * 3. No field that a hop may name away (mark_named) is one that this proxy or the service behind it
 *    relies on (is_end_to_end): else a client could take off what we put on.
 */
#include "proto/http1_private.h"
#include "proto/http_scan.h"
#include "proto/uri.h"

/* Content-Length = 1*DIGIT, once. Lists and repetitions are refused even when all agree. */
static int note_length(struct http1_head *head, struct str value)
{
    uint64_t length = 0;
    if (head->has_length) {
        return http1_refuse(head, 400, "Content-Length twice");
    }
    if (head->seen & HTTP1_SEEN_CHUNKED) {
        return http1_refuse(head, 400, "both Content-Length and Transfer-Encoding");
    }
    if (value.len == 0 ||
        value.len > 18) { /* 18 digits: no overflow, and more than any disk holds */
        return http1_refuse(head, 400, "bad Content-Length");
    }
    for (size_t i = 0; i < value.len; i++) {
        if (!http_char_is(value.p[i], HTTP_C_DIGIT)) {
            return http1_refuse(head, 400, "bad Content-Length");
        }
        length = length * 10 + (uint64_t)(value.p[i] - '0');
    }
    head->has_length = true;
    head->content_length = length;
    return 0;
}

/* Exactly "chunked", once, in HTTP/1.1. A chain of codings that ends in chunked could be framed but
 * not understood: 501 (RFC 9112 §6.1); all else has no certain end: 400. */
__attribute__((cold, noinline)) static int note_transfer_encoding(struct http1_head *head,
                                                                  struct str value)
{
    if (head->seen & HTTP1_SEEN_CHUNKED) {
        return http1_refuse(head, 400, "Transfer-Encoding twice");
    }
    if (head->has_length) {
        return http1_refuse(head, 400, "both Content-Length and Transfer-Encoding");
    }
    if (head->minor == 0) {
        return http1_refuse(head, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (!http_word_is(value, STR("chunked"))) {
        struct str item;
        unsigned chunked = 0;
        bool last = false;
        while (http_list_next(&value, &item)) {
            last = str_eq_nocase(item, STR("chunked"));
            chunked += last;
        }
        bool framed = chunked == 1 && last;
        return http1_refuse(head, framed ? 501 : 400, "Transfer-Encoding other than chunked");
    }
    head->seen |= HTTP1_SEEN_CHUNKED;
    return 0;
}

__attribute__((cold, noinline)) static int note_connection(struct http1_head *head,
                                                           struct str value)
{
    struct str item;
    if (http_word_is(value, STR("keep-alive"))) { /* what nearly all say */
        head->seen |= HTTP1_SEEN_KEEP_ALIVE;
        return 0;
    }
    while (http_list_next(&value, &item)) {
        if (http_word_is(item, STR("keep-alive"))) {
            head->seen |= HTTP1_SEEN_KEEP_ALIVE;
        } else if (http_word_is(item, STR("close"))) {
            head->seen |= HTTP1_SEEN_CLOSE;
        } else if (http_word_is(item, STR("upgrade"))) {
            head->seen |= HTTP1_SEEN_UPGRADE;
        } else if (http_is_token(item)) {
            head->seen |= HTTP1_SEEN_NAMES;
        } else {
            return http1_refuse(head, 400, "bad Connection header");
        }
    }
    return 0;
}

__attribute__((noinline)) static int note_host(struct http1_head *head, size_t i)
{
    struct uri_authority authority;
    struct str value = http1_value(head, i);
    if (head->seen & HTTP1_SEEN_RESPONSE) {
        return 0;
    }
    if (http_set_has(&head->present, HTTP_H_HOST)) {
        return http1_refuse(head, 400, "Host twice");
    }
    if (uri_parse_authority(value, &authority) < 0) { /* an http URI has a host (RFC 9110 §4.2.1) */
        return http1_refuse(head, 400, "bad Host");
    }
    if (head->form == HTTP1_ORIGIN || head->form == HTTP1_ASTERISK) {
        head->host = (struct http1_span){head->headers[i].value_at, (uint32_t)value.len};
    }
    return 0;
}

__attribute__((cold, noinline)) static int note_expect(struct http1_head *head, struct str value)
{
    if (head->seen & HTTP1_SEEN_RESPONSE) {
        return 0;
    }
    if (!str_eq_nocase(value, STR("100-continue")) || http_set_has(&head->present, HTTP_H_EXPECT)) {
        return http1_refuse(head, 417, "only 100-continue can be expected");
    }
    head->expect_continue = head->minor == 1; /* RFC 9110 §10.1.1 */
    return 0;
}

int http1_note(struct http1_head *head, size_t i)
{
    struct str value = http1_value(head, i);
    switch (head->headers[i].id) {
    case HTTP_H_HOST:
        return note_host(head, i);
    case HTTP_H_CONTENT_LENGTH:
        return note_length(head, value);
    case HTTP_H_EXPECT:
        return note_expect(head, value);
    case HTTP_H_TRANSFER_ENCODING:
        head->headers[i].flags |= HTTP1_HOP;
        return note_transfer_encoding(head, value);
    case HTTP_H_CONNECTION:
        head->headers[i].flags |= HTTP1_HOP;
        return note_connection(head, value);
    default:
        head->headers[i].flags |= HTTP1_HOP;
        return 0;
    }
}

bool http1_is_lookalike(struct str name)
{
    char dashed[HTTP_HEADER_NAME_MAX];
    if (str_find_char(name, '_') < 0 || name.len > sizeof(dashed)) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        dashed[i] = name.p[i] == '_' ? '-' : name.p[i];
    }
    return http_header_find(str_make(dashed, name.len)) != HTTP_H_OTHER;
}

/* Fields that are for all recipients, which nobody may have dropped on the way (RFC 9110
 * §7.6.1). */
static bool is_end_to_end(enum http_header_id id)
{
    switch (id) {
    case HTTP_H_HOST:
    case HTTP_H_CONTENT_LENGTH:
    case HTTP_H_CONTENT_TYPE:
    case HTTP_H_CONTENT_ENCODING:
    case HTTP_H_CONTENT_RANGE:
    case HTTP_H_CACHE_CONTROL:
    case HTTP_H_AUTHORIZATION:
    case HTTP_H_COOKIE:
    case HTTP_H_SET_COOKIE:
    case HTTP_H_DATE:
    case HTTP_H_EXPECT:
    case HTTP_H_RANGE:
    case HTTP_H_FORWARDED:
    case HTTP_H_X_FORWARDED_FOR:
    case HTTP_H_X_FORWARDED_HOST:
    case HTTP_H_X_FORWARDED_PROTO:
        return true;
    default:
        return false;
    }
}

static void mark_hop(struct http1_head *head, struct str name)
{
    for (size_t i = 0; i < head->count; i++) {
        if (str_eq_nocase(http1_name(head, i), name)) {
            head->headers[i].flags |= HTTP1_HOP;
        }
    }
}

/* The fields that Connection names are about this hop only: mark them. Each name is held against
 * all fields, so their number is bounded: a head of 16 KiB that names 8,000 would cost 5 ms. */
__attribute__((cold, noinline)) static int mark_named(struct http1_head *head)
{
    unsigned options = 0;
    for (size_t i = 0; i < head->count; i++) {
        if (head->headers[i].id != HTTP_H_CONNECTION) {
            continue;
        }
        struct str list = http1_value(head, i);
        struct str item;
        while (http_list_next(&list, &item)) {
            enum http_header_id id = http_header_find(item);
            if (++options > HTTP1_CONNECTION_MAX) {
                return http1_refuse(head, 400, "too many options in Connection");
            }
            if (is_end_to_end(id)) {
                return http1_refuse(head, 400, "Connection names an end-to-end header");
            }
            head->hop_names |=
                id > HTTP_H_UPGRADE || (id == HTTP_H_OTHER && !str_eq_nocase(item, STR("close")));
            mark_hop(head, item);
        }
    }
    return 0;
}

/* Upgrading to another HTTP inside a proxied connection would hide requests from us: such an
 * Upgrade is passed over, as RFC 9110 §7.8 allows. */
__attribute__((cold, noinline)) static bool wants_tunnel(const struct http1_head *head)
{
    if (head->minor == 0 || !http_set_has(&head->present, HTTP_H_UPGRADE)) {
        return false;
    }
    for (size_t i = 0; i < head->count; i++) {
        struct str list = http1_value(head, i);
        struct str item;
        while (head->headers[i].id == HTTP_H_UPGRADE && http_list_next(&list, &item)) {
            if (str_eq_nocase(str_slice(item, 0, 2), STR("h2")) ||
                str_eq_nocase(str_slice(item, 0, 4), STR("http"))) {
                return false;
            }
        }
    }
    return true;
}

static bool list_has(struct str list, struct str what)
{
    struct str item;
    while (http_list_next(&list, &item)) {
        if (str_eq_nocase(item, what)) {
            return true;
        }
    }
    return false;
}

bool http1_answers_upgrade(const struct http1_head *head, struct str asked)
{
    unsigned named = 0;
    for (size_t i = 0; i < head->count; i++) {
        struct str list = http1_value(head, i);
        struct str item;
        while (head->headers[i].id == HTTP_H_UPGRADE && http_list_next(&list, &item)) {
            if (!list_has(asked, item)) {
                return false;
            }
            named++;
        }
    }
    return named > 0;
}

static int finish_connection(struct http1_head *head)
{
    head->keep_alive = !(head->seen & HTTP1_SEEN_CLOSE) &&
                       (head->minor == 1 || (head->seen & HTTP1_SEEN_KEEP_ALIVE));
    head->upgrade = unlikely(head->seen & HTTP1_SEEN_UPGRADE) && wants_tunnel(head);
    return unlikely(head->seen & HTTP1_SEEN_NAMES) ? mark_named(head) : 0;
}

static uint8_t framing_of(const struct http1_head *head, enum http1_framing otherwise)
{
    if (head->seen & HTTP1_SEEN_CHUNKED) {
        return HTTP1_BODY_CHUNKED;
    }
    if (head->has_length) {
        return head->content_length ? HTTP1_BODY_LENGTH : HTTP1_BODY_NONE;
    }
    return (uint8_t)otherwise;
}

/* Without content there is nothing to wait for, and HTTP/1.0 does not know it (RFC 9110 §10.1.1):
 * passed on, it would only part those who take it for something from those who do not. */
static void drop_expect(struct http1_head *head)
{
    for (size_t i = 0; i < head->count; i++) {
        if (head->headers[i].id == HTTP_H_EXPECT) {
            head->headers[i].flags |= HTTP1_HOP;
        }
    }
}

int http1_finish_request(struct http1_head *head)
{
    if (head->minor == 1 && !http_set_has(&head->present, HTTP_H_HOST)) {
        return http1_refuse(head, 400, "Host is missing");
    }
    head->framing = framing_of(head, HTTP1_BODY_NONE);
    head->expect_continue &= head->framing != HTTP1_BODY_NONE;
    if (unlikely(http_set_has(&head->present, HTTP_H_EXPECT)) && !head->expect_continue) {
        drop_expect(head);
    }
    return finish_connection(head);
}

/* The rules of RFC 9112 §6.3, in their order. */
int http1_finish_response(struct http1_head *head)
{
    bool interim = head->status < 200;
    int r = finish_connection(head);
    if (r != 0) {
        return r;
    }
    if (head->status == 101) {
        if (!(head->seen & HTTP1_SEEN_UPGRADE) || !http_set_has(&head->present, HTTP_H_UPGRADE)) {
            return http1_refuse(head, 502, "101 without Upgrade");
        }
        head->framing = HTTP1_TUNNEL;
    } else if (interim || head->status == 204 || head->status == 304 ||
               head->request_method == HTTP_HEAD) {
        head->framing = HTTP1_BODY_NONE;
        /* A body that must not be may come all the same: such a connection is not used again. */
        if ((head->seen & HTTP1_SEEN_CHUNKED) && (interim || head->status == 204)) {
            head->keep_alive = false;
        }
    } else if (head->request_method == HTTP_CONNECT && head->status < 300) {
        head->framing = HTTP1_TUNNEL;
    } else {
        head->framing = framing_of(head, HTTP1_BODY_CLOSE);
    }
    if (head->framing == HTTP1_BODY_CLOSE || head->framing == HTTP1_TUNNEL) {
        head->keep_alive = false;
    }
    return 0;
}

/* Path and query of what begins at `at` and ends with the target. */
static void split_path(struct http1_head *head, uint32_t at)
{
    uint32_t end = head->target.at + head->target.len;
    struct str rest = str_make(head->base + at, end - at);
    ptrdiff_t mark = str_find_char(rest, '?');
    uint32_t path_len = mark < 0 ? end - at : (uint32_t)mark;
    head->path = (struct http1_span){at, path_len};
    head->has_query = mark >= 0;
    head->query = mark < 0 ? (struct http1_span){end, 0}
                           : (struct http1_span){at + path_len + 1, end - at - path_len - 1};
}

static int split_absolute(struct http1_head *head, struct str target)
{
    static const struct str schemes[] = {STR_INIT("http://"), STR_INIT("https://")};
    struct uri_authority authority;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct str rest = str_skip(target, schemes[i].len);
        if (!str_eq_nocase(str_slice(target, 0, schemes[i].len), schemes[i])) {
            continue;
        }
        size_t len = 0;
        while (len < rest.len && rest.p[len] != '/' && rest.p[len] != '?') {
            len++;
        }
        if (uri_parse_authority(str_slice(rest, 0, len), &authority) < 0) {
            return http1_refuse(head, 400, "bad authority in target");
        }
        uint32_t at = head->target.at + (uint32_t)schemes[i].len;
        head->form = HTTP1_ABSOLUTE;
        head->host = (struct http1_span){at, (uint32_t)len};
        split_path(head, at + (uint32_t)len);
        return 0;
    }
    return http1_refuse(head, 400, "bad target");
}

/* RFC 9112 §3.2: which form a target may have depends on the method. */
int http1_split_target(struct http1_head *head)
{
    struct str target = http1_str(head, head->target);
    struct uri_authority authority;
    if (head->method == HTTP_CONNECT) {
        if (uri_parse_authority(target, &authority) < 0 || authority.port == URI_PORT_NONE) {
            return http1_refuse(head, 400, "CONNECT wants host:port");
        }
        head->form = HTTP1_AUTHORITY;
        head->host = head->target;
        return 0;
    }
    if (target.p[0] == '/') {
        head->form = HTTP1_ORIGIN;
        split_path(head, head->target.at);
        return 0;
    }
    if (str_eq(target, STR("*"))) {
        head->form = HTTP1_ASTERISK;
        return head->method == HTTP_OPTIONS ? 0 : http1_refuse(head, 400, "bad target");
    }
    return split_absolute(head, target);
}
