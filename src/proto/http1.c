/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of a head. Reading goes line by line: a line that is not complete is begun anew at the
 * next call, but its long part (target, value, reason) goes on where it stopped, so no sender can
 * make us look at bytes again and again.
 *
 * Invariants: 1. the verdict depends on the first bytes of the input and the limits only: any way
 *                of cutting the input gives the same (tests cut at every byte);
 *             2. every byte before head->line has passed a check that names its class;
 *             3. a span never reaches beyond the bytes that were checked.
 *
 *   step      what is expected at head->line
 *   START     perhaps one empty line, which RFC 9112 §2.2 asks servers to pass over
 *   FIRST     request line or status line
 *   HEADERS   a header line or the empty line
 *   DONE      -
 */
#include "proto/http1.h"

#include "proto/http1_private.h"
#include "proto/http_hash.h"
#include "proto/http_scan.h"

enum { STEP_START, STEP_FIRST, STEP_HEADERS, STEP_DONE };

void http1_head_init(struct http1_head *head, const struct http1_limits *limits)
{
    /* Sums of a place and a limit must not wrap (window_end). */
    ensure(limits->count_max <= HTTP1_HEADERS_MAX &&
           (limits->head_max | limits->line_max | limits->header_max) <= INT32_MAX);
    memset(head, 0, offsetof(struct http1_head, headers));
    head->limits = limits;
}

int http1_refuse(struct http1_head *head, unsigned status, const char *reason)
{
    head->error.status = (uint16_t)(head->seen & HTTP1_SEEN_RESPONSE ? 502 : status);
    head->error.reason = reason;
    return HTTP1_E_BAD;
}

/* Where the bytes end that the line at head->line may be read from. */
static uint32_t window_end(const struct http1_head *head, size_t len, uint32_t line_max)
{
    uint32_t limit = MIN(head->line + line_max, head->limits->head_max);
    return (uint32_t)MIN(len, (size_t)limit);
}

/* The line is not complete before `end`: more bytes will help unless a limit lies there. */
static int want_header_bytes(struct http1_head *head, uint32_t end)
{
    if (end == head->limits->head_max) {
        return http1_refuse(head, 431, "headers too large");
    }
    if (end == head->line + head->limits->header_max) {
        return http1_refuse(head, 431, "header line too long");
    }
    return HTTP1_E_MORE;
}

static int want_line_bytes(struct http1_head *head, uint32_t end)
{
    const struct http1_limits *limits = head->limits;
    if (end == limits->head_max || end == head->line + limits->line_max) {
        return http1_refuse(head, 414, "first line too long");
    }
    return HTTP1_E_MORE;
}

/* CR LF at `at`? Sets *ret to behind it. Only bytes in the window are looked at. */
static int read_line_end(struct http1_head *head, uint32_t end, uint32_t at, uint32_t *ret)
{
    const char *data = head->base;
    if (data[at] != '\r') {
        return http1_refuse(head, 400,
                            data[at] == '\n' ? "line ends without CR" : "control character");
    }
    if (at + 1 == end) {
        return HTTP1_E_MORE;
    }
    if (data[at + 1] != '\n') {
        return http1_refuse(head, 400, "CR without LF");
    }
    *ret = at + 2;
    return 0;
}

/* The id of a name whose characters have been checked; `readable` bytes lie at p. The hash is that
 * of http_header_find. */
static unsigned header_id(const char *p, size_t len, size_t readable)
{
    if (len < 2 || len > HTTP_HEADER_NAME_MAX) {
        return HTTP_H_OTHER;
    }
    size_t hash = len * HASH_LEN + ((unsigned char)p[0] | 32u) * HASH_FIRST;
    hash += ((unsigned char)p[len / 2] | 32u) * HASH_MIDDLE;
    hash += ((unsigned char)p[len - 2] | 32u) * HASH_LAST;
    unsigned id = http_hash_slots[hash & 255];
    const struct http_name *name = &http_names[id];
    if (name->len != len) {
        return HTTP_H_OTHER;
    }
#ifdef __SSE2__
    if (readable >= 16) {
        const __m128i fold = _mm_set1_epi8(0x20);
        __m128i v = _mm_or_si128(http_load(p), fold);
        unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, http_load(name->text)));
        if (len <= 16) {
            return (~same & ((1u << len) - 1)) == 0 ? id : HTTP_H_OTHER;
        }
        v = _mm_or_si128(http_load(p + len - 16), fold);
        same &= (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, http_load(name->text + len - 16)));
        return same == 0xffff ? id : HTTP_H_OTHER;
    }
    if (readable >= 8 && len <= 8) { /* a short name at the very end of a head */
        uint64_t word, want;
        memcpy(&word, p, 8);
        memcpy(&want, name->text, 8);
        word = (word | UINT64_C(0x2020202020202020)) ^ want;
        return word << (64 - 8 * len) == 0 ? id : HTTP_H_OTHER;
    }
#endif
    return http_word_is(str_make(p, len), str_make(name->text, len)) ? id : HTTP_H_OTHER;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Says what is wrong with the byte behind a name that is not a colon. */
static int refuse_name(struct http1_head *head, uint32_t at)
{
    if (!is_space(head->base[at])) {
        return http1_refuse(head, 400, "bad header name");
    }
    bool folded = at == head->line;
    return http1_refuse(head, 400, folded ? "folded header line" : "space before the colon");
}

/* What a header line was cut into; offsets from head->base. */
struct line {
    size_t at;
    size_t colon;
    size_t from; /* of the value, without the white space around it */
    size_t to;
    size_t cr;
};

/* Finds the value between colon and CR. True when the line is plain. */
static inline bool trim_value(const char *data, struct line *line)
{
    line->to = line->cr;
    line->from = line->colon + 2;
    /* nearly always: one space, then text to the end */
    if (likely(line->from < line->cr && data[line->colon + 1] == ' ' && data[line->from] > ' ' &&
               data[line->cr - 1] > ' ')) {
        return true;
    }
    line->from = line->colon + 1;
    while (line->from < line->to && is_space(data[line->from])) {
        line->from++;
    }
    while (line->to > line->from && is_space(data[line->to - 1])) {
        line->to--;
    }
    return line->from == line->colon + 2 && line->to == line->cr && data[line->colon + 1] == ' ';
}

/* Stores a header. `readable` bytes lie behind the start of its line. */
static inline int add_header(struct http1_head *head, struct line *line, size_t readable)
{
    const char *data = head->base;
    size_t count = head->count;
    size_t name_len = line->colon - line->at;
    if (count == head->limits->count_max) {
        return http1_refuse(head, 431, "too many headers");
    }
    struct http1_header *header = &head->headers[count];
    unsigned id = header_id(data + line->at, name_len, readable);
    header->flags = trim_value(data, line) ? HTTP1_PLAIN : 0;
    header->name_at = (uint32_t)line->at;
    header->value_at = (uint32_t)line->from;
    header->value_len = (uint32_t)(line->to - line->from);
    header->name_len = (uint16_t)name_len;
    header->id = (uint8_t)id;
    int r = 0;
    if (id - 1 < HTTP_H_UPGRADE) { /* OTHER wraps round */
        r = http1_note(head, count);
    } else if (id == HTTP_H_OTHER && http1_is_lookalike(http1_name(head, count))) {
        header->flags |= HTTP1_HOP;
    }
    http_set_add(&head->present, id);
    head->count = (uint16_t)(count + 1);
    return r;
}

/* One header line, read from [*at, end), where it begins; of its value the first `scanned` bytes of
 * the head are known. 0 and *at moved, or E_MORE, E_BAD with head->line at its begin. */
static inline int read_header(struct http1_head *head, size_t *at, size_t end, size_t scanned)
{
    const char *data = head->base;
    struct line line = {.at = *at};
    line.colon = http_scan_token(data, line.at, end);
    if (unlikely(line.colon - line.at > HTTP1_NAME_MAX)) {
        return http1_refuse(head, 431, "header name too long");
    }
    if (unlikely(line.colon == end)) {
        head->line = (uint32_t)line.at;
        return want_header_bytes(head, (uint32_t)end);
    }
    if (unlikely(data[line.colon] != ':' || line.colon == line.at)) {
        head->line = (uint32_t)line.at;
        return refuse_name(head, (uint32_t)line.colon);
    }
    line.cr = http_scan_value(data, MAX(line.colon + 1, scanned), end);
    if (unlikely(line.cr + 2 > end || memcmp(data + line.cr, "\r\n", 2) != 0)) {
        uint32_t next;
        head->line = (uint32_t)line.at;
        head->scanned = (uint32_t)line.cr;
        int r = line.cr == end ? HTTP1_E_MORE
                               : read_line_end(head, (uint32_t)end, (uint32_t)line.cr, &next);
        return r == HTTP1_E_MORE ? want_header_bytes(head, (uint32_t)end) : r;
    }
    *at = line.cr + 2;
    return add_header(head, &line, end - line.at);
}

static int read_headers(struct http1_head *head, size_t len)
{
    const char *data = head->base;
    size_t header_max = head->limits->header_max, at = head->line, scanned = head->scanned;
    size_t all = MIN(len, (size_t)head->limits->head_max);
    for (;;) {
        size_t end = MIN(all, at + header_max);
        if (unlikely(at >= end)) {
            head->line = (uint32_t)at;
            return want_header_bytes(head, (uint32_t)end);
        }
        if (data[at] == '\r') {
            head->line = (uint32_t)at;
            if (likely(at + 1 < end && data[at + 1] == '\n')) {
                head->len = (uint32_t)at + 2;
                return 0;
            }
            int r = read_line_end(head, (uint32_t)end, (uint32_t)at, &head->len);
            return r == HTTP1_E_MORE ? want_header_bytes(head, (uint32_t)end) : r;
        }
        int r = read_header(head, &at, end, scanned);
        if (unlikely(r != 0)) {
            return r;
        }
        scanned = 0;
    }
}

/* "HTTP/1.0" or "HTTP/1.1" at `at`, as far as it has arrived: 0 when all of it is there. */
static int read_version(struct http1_head *head, uint32_t end, uint32_t at)
{
    static const char pattern[] = "HTTP/d.d";
    const char *p = head->base + at;
    uint32_t avail = MIN(end - at, (uint32_t)8);
    for (uint32_t i = 0; i < avail; i++) {
        bool good = pattern[i] == 'd' ? http_char_is(p[i], HTTP_C_DIGIT) : p[i] == pattern[i];
        if (!good) {
            return http1_refuse(head, 400, "bad HTTP version");
        }
    }
    if (avail < 8) {
        return want_line_bytes(head, end);
    }
    if (p[5] != '1' || p[7] > '1') {
        return http1_refuse(head, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    head->minor = (uint8_t)(p[7] - '0');
    return 0;
}

static void begin_headers(struct http1_head *head, uint32_t at)
{
    head->line = at;
    head->scanned = 0;
    head->step = STEP_HEADERS;
}

static int finish_line(struct http1_head *head, uint32_t end, uint32_t at)
{
    if (likely(end - at >= 2 && memcmp(head->base + at, "\r\n", 2) == 0)) {
        begin_headers(head, at + 2);
        return 0;
    }
    if (at == end) {
        return want_line_bytes(head, end);
    }
    uint32_t next = 0;
    int r = read_line_end(head, end, at, &next);
    if (r != 0) {
        return r == HTTP1_E_MORE ? want_line_bytes(head, end) : r;
    }
    begin_headers(head, next);
    return 0;
}

/* request-line = method SP request-target SP HTTP-version CRLF (RFC 9112 §3) */
static int read_request_line(struct http1_head *head, size_t len)
{
    uint32_t end = window_end(head, len, head->limits->line_max);
    const char *data = head->base;
    uint32_t at = (uint32_t)http_scan_token(data, head->line, end);
    head->method_text = (struct http1_span){head->line, at - head->line};
    if (head->method_text.len > HTTP1_METHOD_MAX) {
        return http1_refuse(head, 501, "method too long");
    }
    if (at == end) {
        return want_line_bytes(head, end);
    }
    if (data[at] != ' ' || at == head->line) {
        bool line = at == head->line && (data[at] == '\r' || data[at] == '\n');
        return http1_refuse(
            head, 400, line ? "only one empty line may stand in front of a request" : "bad method");
    }
    uint32_t target = ++at;
    at = (uint32_t)http_scan_target(data, MAX(at, head->scanned), end);
    head->scanned = at;
    head->target = (struct http1_span){target, at - target};
    if (at == end) {
        return want_line_bytes(head, end);
    }
    if (data[at] != ' ' || at == target) {
        return http1_refuse(head, 400, at == target ? "empty target" : "bad character in target");
    }
    at++;
    if (likely(end - at >= 10 && memcmp(data + at, "HTTP/1.1\r\n", 10) == 0)) {
        head->minor = 1;
        begin_headers(head, at + 10);
    } else {
        int r = read_version(head, end, at);
        if (r == 0) {
            r = finish_line(head, end, at + 8);
        }
        if (r != 0) {
            return r;
        }
    }
    head->method = (uint8_t)http_method_find(http1_str(head, head->method_text));
    return http1_split_target(head);
}

static unsigned digit(char c)
{
    return (unsigned)c - '0'; /* beyond 9: it is none */
}

/* SP 3DIGIT at `at`, as far as it has arrived. */
static int read_code(struct http1_head *head, uint32_t end, uint32_t at)
{
    const char *p = head->base + at;
    uint32_t avail = MIN(end - at, (uint32_t)4);
    for (uint32_t i = 0; i < avail; i++) {
        bool good = i == 0 ? p[0] == ' ' : digit(p[i]) <= 9;
        if (!good || (i == 1 && p[1] == '0')) {
            return http1_refuse(head, 400, "bad status code");
        }
    }
    if (avail < 4) {
        return want_line_bytes(head, end);
    }
    head->status = (uint16_t)(digit(p[1]) * 100 + digit(p[2]) * 10 + digit(p[3]));
    return 0;
}

/* status-line = HTTP-version SP 3DIGIT SP [ reason ] CRLF (RFC 9112 §4); the second SP may be
 * missing. */
static int read_status_line(struct http1_head *head, size_t len)
{
    uint32_t end = window_end(head, len, head->limits->line_max);
    const char *data = head->base;
    uint32_t at = head->line;
    if (likely(end - at >= 17 && memcmp(data + at, "HTTP/1.1 200 OK\r\n", 17) == 0)) {
        head->minor = 1;
        head->status = 200;
        head->reason = (struct http1_span){at + 13, 2};
        begin_headers(head, at + 17);
        return 0;
    }
    if (end - at >= 8 && memcmp(data + at, "HTTP/1.1", 8) == 0) {
        head->minor = 1;
    } else {
        int r = read_version(head, end, at);
        if (r != 0) {
            return r;
        }
    }
    int r = read_code(head, end, at + 8);
    if (r != 0) {
        return r;
    }
    at += 12;
    head->reason = (struct http1_span){at, 0};
    if (at < end && data[at] == ' ') {
        at++;
        uint32_t cr = (uint32_t)http_scan_value(data, MAX(at, head->scanned), end);
        head->scanned = cr;
        head->reason = (struct http1_span){at, cr - at};
        at = cr;
    }
    return finish_line(head, end, at);
}

static int skip_empty_line(struct http1_head *head, size_t len)
{
    uint32_t end = window_end(head, len, head->limits->line_max);
    if (len == 0) {
        return HTTP1_E_MORE;
    }
    if (head->base[0] == '\r') {
        int r = read_line_end(head, end, 0, &head->line);
        if (r != 0) {
            return r;
        }
    }
    head->step = STEP_FIRST;
    return 0;
}

int http1_parse_request(struct http1_head *head, const char *data, size_t len)
{
    int r = head->error.status ? HTTP1_E_BAD : 0;
    head->base = data;
    if (r == 0 && head->step == STEP_START) {
        r = skip_empty_line(head, len);
    }
    if (r == 0 && head->step == STEP_FIRST) {
        r = read_request_line(head, len);
    }
    if (r == 0 && head->step == STEP_HEADERS) {
        r = read_headers(head, len);
        if (r == 0) {
            head->step = STEP_DONE;
            r = http1_finish_request(head);
        }
    }
    return r;
}

int http1_parse_response(struct http1_head *head, enum http_method method, const char *data,
                         size_t len)
{
    int r = head->error.status ? HTTP1_E_BAD : 0;
    head->base = data;
    if (head->step == STEP_START) {
        head->seen = HTTP1_SEEN_RESPONSE;
        head->request_method = (uint16_t)method;
        head->step = STEP_FIRST;
    }
    if (r == 0 && head->step == STEP_FIRST) {
        r = read_status_line(head, len);
    }
    if (r == 0 && head->step == STEP_HEADERS) {
        r = read_headers(head, len);
        if (r == 0) {
            head->step = STEP_DONE;
            r = http1_finish_response(head);
        }
    }
    return r;
}

int http1_find(const struct http1_head *head, enum http_header_id id)
{
    if (id == HTTP_H_OTHER || !http_set_has(&head->present, id)) {
        return -1;
    }
    int i = 0;
    while (head->headers[i].id != id) {
        i++;
    }
    return i;
}

struct str http1_get(const struct http1_head *head, enum http_header_id id)
{
    int i = http1_find(head, id);
    return i < 0 ? STR_NONE : http1_value(head, (size_t)i);
}

struct str http1_get_name(const struct http1_head *head, struct str name)
{
    enum http_header_id id = http_header_find(name);
    if (id != HTTP_H_OTHER) {
        return http1_get(head, id);
    }
    for (size_t i = 0; i < head->count; i++) {
        if (head->headers[i].id == HTTP_H_OTHER && str_eq_nocase(http1_name(head, i), name)) {
            return http1_value(head, i);
        }
    }
    return STR_NONE;
}
