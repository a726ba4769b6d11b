/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields to a head. What breaks the messaging rules of RFC 9113 §8.2 and §8.3 (upper case,
 * connection fields, order and number of pseudo-header fields, characters) makes the message
 * malformed; what is only not to our taste is answered. A service behind an HTTP/1.1 connection
 * must not be deceived: a byte that is harmless in HTTP/2 may end a line there.
 *
 * 1. Each field becomes the line "name: value\r\n", and nothing is in the memory but such lines and
 *    the values of pseudo-header fields, each of which has passed the scan of its class.
 * 2. The first refusal is final.
 */
#include "proto/http2_head.h"

#include "proto/http1_private.h"
#include "proto/http_scan.h"

enum pseudo {
    PSEUDO_METHOD = 1,
    PSEUDO_SCHEME = 2,
    PSEUDO_AUTHORITY = 4,
    PSEUDO_PATH = 8,
    PSEUDO_PROTOCOL = 16,
    PSEUDO_STATUS = 32,
};

static void begin(struct http2_head *builder, struct http1_head *head,
                  const struct http1_limits *limits, struct str memory)
{
    http1_head_init(head, limits);
    head->base = memory.p;
    head->minor = 1;
    *builder = (struct http2_head){
        .head = head,
        .p = (char *)(uintptr_t)memory.p,
        .cap = (uint32_t)MIN(memory.len, (size_t)limits->head_max),
    };
}

void http2_head_request(struct http2_head *builder, struct http1_head *head,
                        const struct http1_limits *limits, struct str memory)
{
    begin(builder, head, limits, memory);
}

void http2_head_response(struct http2_head *builder, struct http1_head *head,
                         const struct http1_limits *limits, enum http_method method,
                         struct str memory)
{
    begin(builder, head, limits, memory);
    head->seen = HTTP1_SEEN_RESPONSE;
    head->request_method = (uint16_t)method;
}

static void refuse(struct http2_head *builder, unsigned status, const char *reason)
{
    if (!builder->head->error.status) {
        (void)http1_refuse(builder->head, status, reason);
    }
}

/* The message is none (RFC 9113 §8.1.1). */
static void malformed(struct http2_head *builder, const char *reason)
{
    builder->malformed |= !builder->head->error.status;
    refuse(builder, 400, reason);
}

/* Copies a text behind the others. */
static bool keep(struct http2_head *builder, struct str text, struct http1_span *ret)
{
    if (text.len > builder->cap - builder->len) {
        refuse(builder, 431, "headers too large");
        return false;
    }
    memcpy(builder->p + builder->len, text.p, text.len);
    *ret = (struct http1_span){builder->len, (uint32_t)text.len};
    builder->len += (uint32_t)text.len;
    return true;
}

static void copy_line(char *p, size_t len, const struct hpack_found *field)
{
    if (likely(field->line)) {
        memcpy(p, field->name.p, len);
        return;
    }
    memcpy(p, field->name.p, field->name.len);
    memcpy(p + field->name.len, ": ", 2);
    memcpy(p + field->name.len + 2, field->value.p, field->value.len);
    memcpy(p + len - 2, "\r\n", 2);
}

/* What is said again by itself remembers that nobody may keep it. */
static uint8_t secret_of(enum http_header_id id)
{
    switch (id) {
    case HTTP_H_HOST:
        return HTTP1_SECRET_AUTHORITY;
    case HTTP_H_X_REQUEST_ID:
        return HTTP1_SECRET_ID;
    case HTTP_H_FORWARDED:
    case HTTP_H_X_FORWARDED_FOR:
    case HTTP_H_X_FORWARDED_HOST:
    case HTTP_H_X_FORWARDED_PROTO:
        return HTTP1_SECRET_WHO;
    default:
        return 0;
    }
}

/* One line, whose name and value have been checked. */
static void add_line(struct http2_head *builder, enum http_header_id id,
                     const struct hpack_found *field)
{
    struct http1_head *head = builder->head;
    size_t len = field->name.len + field->value.len + 4;
    if (head->count >= head->limits->count_max) {
        refuse(builder, 431, "too many headers");
        return;
    }
    if (len > builder->cap - builder->len || len > head->limits->header_max) {
        refuse(builder, 431, "headers too large");
        return;
    }
    copy_line(builder->p + builder->len, len, field);
    head->headers[head->count] = (struct http1_header){
        .name_at = builder->len,
        .value_at = builder->len + (uint32_t)field->name.len + 2,
        .value_len = (uint32_t)field->value.len,
        .name_len = (uint16_t)field->name.len,
        .id = (uint8_t)id,
        .flags = field->secret ? HTTP1_PLAIN | HTTP1_SECRET : HTTP1_PLAIN,
    };
    builder->len += (uint32_t)len;
    if (unlikely(field->secret)) {
        head->secret |= secret_of(id);
    }
    if (id - 1U < HTTP_H_UPGRADE && http1_note(head, head->count) != 0) {
        builder->malformed |= head->error.status == 400 && id != HTTP_H_HOST;
        return;
    }
    if (id == HTTP_H_OTHER && http1_is_lookalike(field->name)) {
        head->headers[head->count].flags |= HTTP1_HOP;
    }
    http_set_add(&head->present, id);
    head->count++;
}

static void add_text(struct http2_head *builder, enum http_header_id id, struct str value,
                     bool secret)
{
    struct hpack_found field = {.name = http_header_name(id), .value = value, .secret = secret};
    add_line(builder, id, &field);
}

/* --- pseudo-header fields (RFC 9113 §8.3) --- */

static void take_method(struct http2_head *builder, struct str value)
{
    struct http1_head *head = builder->head;
    if (!http_is_token(value)) {
        malformed(builder, "bad method");
    } else if (value.len > HTTP1_METHOD_MAX) {
        refuse(builder, 501, "bad method");
    } else if (keep(builder, value, &head->method_text)) {
        head->method = (uint8_t)http_method_find(value);
    }
}

/* Letters that a service could take for the end of something. */
static bool has_border(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.p[i] <= ' ' || value.p[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Of one that is refused the beginning is kept, as far as it is good: people are told what was
 * asked for. */
static void take_path(struct http2_head *builder, struct str value)
{
    enum { SHOWN_MAX = 256 };
    struct http1_head *head = builder->head;
    size_t good = value.len > 0 ? http_scan_target(value.p, 0, value.len) : 0;
    if (value.len > head->limits->line_max) {
        refuse(builder, 414, "target too long");
        good = MIN(good, (size_t)SHOWN_MAX);
    } else if (value.len == 0 || (value.p[0] != '/' && !str_is(value, "*"))) {
        malformed(builder, "bad target");
    } else if (good != value.len) {
        if (has_border(value)) {
            malformed(builder, "bad character in target");
        }
        refuse(builder, 400, "bad character in target");
    }
    if (!builder->malformed) {
        (void)keep(builder, str_slice(value, 0, good), &head->target);
    }
}

static void take_status(struct http2_head *builder, struct str value)
{
    unsigned status = 0;
    for (size_t i = 0; i < value.len && i < 3; i++) {
        if (!http_char_is(value.p[i], HTTP_C_DIGIT)) {
            status = 0;
            break;
        }
        status = status * 10 + (unsigned)(value.p[i] - '0');
    }
    if (value.len != 3 || status < 100 || status == 101) { /* no 101 in HTTP/2 (RFC 9113 §8.6) */
        refuse(builder, 502, "bad status code");
    }
    builder->head->status = (uint16_t)status;
}

static void take_scheme(struct http2_head *builder, struct str value)
{
    if (str_eq_nocase(value, STR("http")) || str_eq_nocase(value, STR("https"))) {
        return;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (!http_char_is(value.p[i], HTTP_C_TOKEN)) { /* nor is it any other scheme */
            malformed(builder, "bad scheme");
        }
    }
    refuse(builder, 400, "bad scheme");
}

static void take_pseudo(struct http2_head *builder, const struct hpack_found *field)
{
    static const uint8_t bits[] = {
        [HPACK_AUTHORITY - HPACK_AUTHORITY] = PSEUDO_AUTHORITY,
        [HPACK_METHOD - HPACK_AUTHORITY] = PSEUDO_METHOD,
        [HPACK_PATH - HPACK_AUTHORITY] = PSEUDO_PATH,
        [HPACK_PROTOCOL - HPACK_AUTHORITY] = PSEUDO_PROTOCOL,
        [HPACK_SCHEME - HPACK_AUTHORITY] = PSEUDO_SCHEME,
        [HPACK_STATUS - HPACK_AUTHORITY] = PSEUDO_STATUS,
    };
    bool response = builder->head->seen & HTTP1_SEEN_RESPONSE;
    struct str value = field->value;
    unsigned bit = field->id >= HPACK_AUTHORITY ? bits[field->id - HPACK_AUTHORITY] : 0;
    if (!bit || (bit == PSEUDO_STATUS) != response || (builder->seen & bit) ||
        builder->head->count > (builder->seen & PSEUDO_AUTHORITY ? 1 : 0)) {
        malformed(builder, "bad pseudo-header field");
        return;
    }
    builder->seen |= (uint8_t)bit;
    if (unlikely(field->secret)) {
        builder->head->secret |= bit == PSEUDO_METHOD   ? HTTP1_SECRET_METHOD
                                 : bit == PSEUDO_PATH   ? HTTP1_SECRET_TARGET
                                 : bit == PSEUDO_STATUS ? HTTP1_SECRET_STATUS
                                                        : 0;
    }
    switch (bit) {
    case PSEUDO_METHOD:
        take_method(builder, value);
        break;
    case PSEUDO_PATH:
        take_path(builder, value);
        break;
    case PSEUDO_AUTHORITY:
        if (value.len == 0 || has_border(value) || str_find_char(value, '/') >= 0) {
            malformed(builder, "bad Host");
        } else {
            add_text(builder, HTTP_H_HOST, value, field->secret);
        }
        break;
    case PSEUDO_SCHEME:
        take_scheme(builder, value);
        break;
    case PSEUDO_PROTOCOL:
        builder->websocket = str_is(value, "websocket");
        if (!builder->websocket) {
            refuse(builder, 501, "only WebSocket can be asked for by an extended CONNECT");
        }
        break;
    default:
        take_status(builder, value);
    }
}

/* Names are in lower case. */
static bool is_lower(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] >= 'A' && name.p[i] <= 'Z') {
            return false;
        }
    }
    return true;
}

/* Which of them is about a connection (§8.2.2)? */
static bool is_connection(enum http_header_id id)
{
    return id == HTTP_H_CONNECTION || id == HTTP_H_TRANSFER_ENCODING || id == HTTP_H_UPGRADE ||
           id == HTTP_H_KEEP_ALIVE || id == HTTP_H_PROXY_CONNECTION;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* NULL, or what is wrong. */
static const char *judge(const struct hpack_found *field)
{
    struct str name = field->name;
    struct str value = field->value;
    if (field->id == HTTP_H_OTHER &&
        (name.len == 0 || http_scan_token(name.p, 0, name.len) != name.len || !is_lower(name))) {
        return "bad header name";
    }
    if (value.len > 0 && (is_space(value.p[0]) || is_space(value.p[value.len - 1]) ||
                          http_scan_value(value.p, 0, value.len) != value.len)) {
        return "bad character in a header";
    }
    if (field->id - 1U < HTTP_H_UPGRADE) {
        if (is_connection((enum http_header_id)field->id)) {
            return "connection-specific header";
        }
        if (field->id == HTTP_H_TE && !str_eq_nocase(value, STR("trailers"))) {
            return "TE other than trailers";
        }
    }
    return field->id >= HPACK_AUTHORITY ? "bad pseudo-header field" : NULL;
}

/* What was found good once is so when the table says it again. */
static const char *judge_once(const struct hpack_found *field)
{
    if (field->mark && *field->mark) {
        return NULL;
    }
    const char *wrong = judge(field);
    if (field->mark && !wrong) {
        *field->mark = 1;
    }
    return wrong;
}

bool http2_field_is_good(const struct hpack_found *field)
{
    return judge_once(field) == NULL;
}

void http2_head_field(struct http2_head *builder, const struct hpack_found *field)
{
    struct http1_head *head = builder->head;
    enum http_header_id id = (enum http_header_id)field->id;
    if (unlikely(head->error.status)) {
        return;
    }
    if (field->name.len > 0 && field->name.p[0] == ':') {
        take_pseudo(builder, field);
        return;
    }
    const char *wrong = judge_once(field);
    if (unlikely(wrong != NULL)) {
        if (field->too_long) { /* it has no name */
            refuse(builder, 431, "headers too large");
        } else {
            malformed(builder, wrong);
        }
    } else if (field->name.len > HTTP1_NAME_MAX) {
        refuse(builder, 431, "header name too long");
    } else if (id == HTTP_H_HOST && (builder->seen & PSEUDO_AUTHORITY)) {
        if (!str_eq_nocase(http1_get(head, HTTP_H_HOST), field->value)) {
            refuse(builder, 400, "Host is not the authority"); /* §8.3.1 */
        }
    } else if (id == HTTP_H_HOST && http_set_has(&head->present, HTTP_H_HOST)) {
        malformed(builder, "more than one Host");
    } else {
        if (id == HTTP_H_COOKIE) {
            builder->cookies++;
        }
        add_line(builder, id, field);
    }
}

/* --- the end --- */

/* Cookie fields were cut for compression's sake: one line again, in place of the first.
 * An empty one says nothing. If nobody may keep one of them, nobody may keep the line. */
static void join_cookies(struct http2_head *builder)
{
    struct http1_head *head = builder->head;
    uint32_t at = builder->len;
    struct http1_span part;
    size_t kept = 0;
    size_t first = SIZE_MAX;
    unsigned secret = 0;
    for (size_t i = 0; i < head->count; i++) {
        const struct http1_header *header = &head->headers[i];
        if (header->id != HTTP_H_COOKIE) {
            head->headers[kept] = *header;
            /* Lines behind one that was taken out are no longer the next line's neighbours. */
            head->headers[kept].flags &= (uint8_t)(first == SIZE_MAX ? 0xff : ~HTTP1_PLAIN);
            kept++;
            continue;
        }
        secret |= header->flags & HTTP1_SECRET;
        if (first == SIZE_MAX) {
            first = kept++;
            (void)keep(builder, STR("cookie: "), &part);
        }
        struct str value = http1_value(head, i);
        if (value.len > 0 && builder->len > at + 8) {
            (void)keep(builder, STR("; "), &part);
        }
        (void)keep(builder, value, &part);
    }
    head->count = (uint16_t)kept;
    head->headers[first] = (struct http1_header){
        .name_at = at,
        .value_at = at + 8,
        .value_len = builder->len - at - 8,
        .name_len = 6,
        .id = HTTP_H_COOKIE,
        .flags = (uint8_t)secret,
    };
}

/* An extended CONNECT is to the service what a GET with Upgrade is (RFC 8441 §5). */
static void as_upgrade(struct http2_head *builder)
{
    struct http1_head *head = builder->head;
    (void)keep(builder, STR("GET"), &head->method_text);
    head->method = HTTP_GET;
    add_text(builder, HTTP_H_UPGRADE, STR("websocket"), false);
    head->seen |= HTTP1_SEEN_UPGRADE;
}

/* Says nothing here: a length (RFC 9110 §9.3.6), and an answer to a key that it was not given. */
static void pass_over(struct http1_header *header)
{
    if (header->id == HTTP_H_CONTENT_LENGTH) {
        header->flags |= HTTP1_HOP;
    } else if (header->id == HTTP_H_SEC_WEBSOCKET_ACCEPT) {
        header->flags |= HTTP1_HOP;
        header->id = HTTP_H_OTHER; /* ours is found by the name */
    }
}

void http2_head_switch(struct http2_head *builder, struct str accept)
{
    struct http1_head *head = builder->head;
    if (!head->error.status && head->status >= 200 && head->status < 300) {
        head->status = 101;
        for (size_t i = 0; i < head->count; i++) {
            pass_over(&head->headers[i]);
        }
        add_text(builder, HTTP_H_UPGRADE, STR("websocket"), false);
        add_text(builder, HTTP_H_SEC_WEBSOCKET_ACCEPT, accept, false);
        head->seen |= HTTP1_SEEN_UPGRADE;
    }
}

static int end_request(struct http2_head *builder, bool no_body)
{
    struct http1_head *head = builder->head;
    bool connect = head->method == HTTP_CONNECT;
    bool plain_connect = connect && !builder->websocket;
    unsigned wanted = plain_connect ? PSEUDO_METHOD | PSEUDO_AUTHORITY
                                    : PSEUDO_METHOD | PSEUDO_SCHEME | PSEUDO_PATH;
    bool asterisk = str_is(http1_str(head, head->target), "*");
    if ((builder->seen & wanted) != wanted || (builder->websocket && !connect) ||
        (plain_connect && (builder->seen & (PSEUDO_SCHEME | PSEUDO_PATH))) ||
        (asterisk && head->method != HTTP_OPTIONS)) {
        malformed(builder, "a pseudo-header field is missing, or one too many");
        return HTTP1_E_BAD;
    }
    if (http1_find(head, HTTP_H_HOST) < 0) {
        malformed(builder, "the authority is missing");
        return HTTP1_E_BAD;
    }
    if (builder->websocket) {
        as_upgrade(builder);
    } else if (connect) {
        head->target = (struct http1_span){head->headers[0].value_at, head->headers[0].value_len};
    }
    int r = head->error.status ? HTTP1_E_BAD : http1_split_target(head);
    if (r == 0 && (head->form == HTTP1_ORIGIN || head->form == HTTP1_ASTERISK)) {
        /* The authority was there before the form of the target was known. */
        int i = http1_find(head, HTTP_H_HOST);
        if (i >= 0) {
            head->host = (struct http1_span){head->headers[i].value_at, head->headers[i].value_len};
        }
    }
    if (r == 0) {
        r = http1_finish_request(head);
    }
    if (r == 0 && !no_body && !head->has_length && !connect) {
        head->framing = HTTP1_BODY_CHUNKED;
    }
    return r;
}

int http2_head_end(struct http2_head *builder, bool no_body)
{
    struct http1_head *head = builder->head;
    int r = 0;
    if (builder->cookies > 1 && !head->error.status) {
        join_cookies(builder);
    }
    if (!head->error.status && (head->seen & HTTP1_SEEN_RESPONSE)) {
        if (!(builder->seen & PSEUDO_STATUS)) {
            (void)http1_refuse(head, 502, "status is missing");
        } else {
            r = http1_finish_response(head);
        }
    } else if (!head->error.status) {
        r = end_request(builder, no_body);
    }
    if (!head->error.status && no_body && head->framing == HTTP1_BODY_LENGTH &&
        head->content_length > 0) {
        malformed(builder, "the content is not as long as its Content-Length");
    }
    if (head->error.status || r != 0) {
        return HTTP1_E_BAD;
    }
    head->len = builder->len;
    if (no_body && head->framing != HTTP1_TUNNEL) {
        if (head->framing == HTTP1_BODY_CLOSE) { /* in HTTP/1 an empty body has to be said */
            head->has_length = true;
            head->content_length = 0;
        }
        head->framing = HTTP1_BODY_NONE;
    }
    head->keep_alive = true;
    return 0;
}
