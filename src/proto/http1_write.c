/* SPDX-License-Identifier: Apache-2.0
 *
 * Every piece reserves its place first and is then copied, so a head that does not fit is never
 * half a line. Names and values are checked once more before they are written: a CR or LF in a
 * value would be a second header, and that mistake must not leave this program (RFC 9110 §5.5).
 * What was parsed needs no second check: its bytes passed the same classes on the way in.
 */
#include "proto/http1_write.h"

#include "proto/http_scan.h"

/* Room for `n` more bytes, or NULL and `full`. */
static char *reserve(struct http1_writer *w, size_t n)
{
    if (unlikely(w->full || n > w->cap - w->len)) {
        w->full = true;
        return NULL;
    }
    char *p = w->p + w->len;
    w->len += n;
    return p;
}

/* memcpy for pieces that are mostly short, in line: two words that may overlap. Returns behind the
 * copy. */
static inline char *put(char *p, struct str s)
{
    if (s.len > 16) {
        memcpy(p, s.p, s.len);
    } else if (s.len >= 8) {
        uint64_t first, last;
        memcpy(&first, s.p, 8);
        memcpy(&last, s.p + s.len - 8, 8);
        memcpy(p, &first, 8);
        memcpy(p + s.len - 8, &last, 8);
    } else if (s.len >= 4) {
        uint32_t first, last;
        memcpy(&first, s.p, 4);
        memcpy(&last, s.p + s.len - 4, 4);
        memcpy(p, &first, 4);
        memcpy(p + s.len - 4, &last, 4);
    } else {
        for (size_t i = 0; i < s.len; i++) {
            p[i] = s.p[i];
        }
    }
    return p + s.len;
}

static inline void write_raw(struct http1_writer *w, struct str bytes)
{
    char *p = reserve(w, bytes.len);
    if (p) {
        (void)put(p, bytes);
    }
}

void http1_write_raw(struct http1_writer *w, struct str bytes)
{
    write_raw(w, bytes);
}

void http1_write_request_line(struct http1_writer *w, struct str method, struct str target)
{
    ensure(method.len && http_scan_token(method.p, 0, method.len) == method.len);
    ensure(target.len && http_scan_target(target.p, 0, target.len) == target.len);
    char *p = reserve(w, method.len + target.len + sizeof("  HTTP/1.1\r\n") - 1);
    if (p) {
        p = put(p, method);
        *p++ = ' ';
        p = put(p, target);
        (void)put(p, STR(" HTTP/1.1\r\n"));
    }
}

void http1_write_status_line(struct http1_writer *w, unsigned status)
{
    ensure(status >= 100 && status <= 999);
    if (status == 200) { /* nearly all of them */
        http1_write_raw(w, STR("HTTP/1.1 200 OK\r\n"));
        return;
    }
    struct str reason = http_reason(status);
    char *p = reserve(w, sizeof("HTTP/1.1 123 \r\n") - 1 + reason.len);
    if (p) {
        p = put(p, STR("HTTP/1.1 "));
        *p++ = (char)('0' + status / 100);
        *p++ = (char)('0' + status / 10 % 10);
        *p++ = (char)('0' + status % 10);
        *p++ = ' ';
        p = put(p, reason);
        (void)put(p, STR("\r\n"));
    }
}

static void write_checked(struct http1_writer *w, struct str name, struct str value)
{
    char *p = reserve(w, name.len + value.len + 4);
    if (p) {
        p = put(p, name);
        *p++ = ':';
        *p++ = ' ';
        p = put(p, value);
        *p++ = '\r';
        *p = '\n';
    }
}

void http1_write_header(struct http1_writer *w, struct str name, struct str value)
{
    /* The last guard against a header that ends where its writer did not mean it to. */
    ensure(name.len && http_scan_token(name.p, 0, name.len) == name.len);
    ensure(http_scan_value(value.p, 0, value.len) == value.len);
    write_checked(w, name, value);
}

void http1_write_header_u64(struct http1_writer *w, struct str name, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    http1_write_header(w, name, str_make(digits + at, sizeof(digits) - at));
}

/* The line of a header, as it lies in the buffer. */
static uint32_t line_end(const struct http1_header *header)
{
    return header->value_at + header->value_len + 2;
}

static bool is_forwarded(const struct http1_header *header, const struct http_set *drop)
{
    bool anew = header->id == HTTP_H_HOST || header->id == HTTP_H_CONTENT_LENGTH;
    return !(header->flags & HTTP1_HOP) && !anew && !http_set_has(drop, header->id);
}

/* A plain line is what write_checked would make of it; lines are adjacent, so a run of them is one
 * copy. */
static inline void write_lines(struct http1_writer *w, const struct http1_head *head,
                               const struct http1_header *first, const struct http1_header *last)
{
    write_raw(w, str_make(head->base + first->name_at, line_end(last) - first->name_at));
}

void http1_write_forward(struct http1_writer *w, const struct http1_head *head,
                         const struct http_set *drop)
{
    static const struct http_set none;
    drop = drop ? drop : &none;
    const struct http1_header *header = head->headers, *end = header + head->count, *first = NULL;
    for (; header < end; header++) {
        bool forward = is_forwarded(header, drop);
        bool plain = header->flags & HTTP1_PLAIN;
        if (likely(forward && plain)) {
            first = first ? first : header;
            continue;
        }
        if (first) {
            write_lines(w, head, first, header - 1);
            first = NULL;
        }
        if (forward) {
            size_t i = (size_t)(header - head->headers);
            write_checked(w, http1_name(head, i), http1_value(head, i));
        }
    }
    if (first) {
        write_lines(w, head, first, end - 1);
    }
}

/* A field that nearly every answer has; digits need no check. */
static void write_length(struct http1_writer *w, uint64_t length)
{
    size_t digits = 1;
    for (uint64_t more = 10; digits < 20 && length >= more; more *= 10) {
        digits++;
    }
    char *p = reserve(w, sizeof("Content-Length: \r\n") - 1 + digits);
    if (p) {
        memcpy(p, "Content-Length: ", 16);
        p += 16 + digits;
        memcpy(p, "\r\n", 2);
        do {
            *--p = (char)('0' + length % 10);
            length /= 10;
        } while (length > 0);
    }
}

void http1_write_framing(struct http1_writer *w, enum http1_framing framing, uint64_t length)
{
    if (framing == HTTP1_BODY_CHUNKED) {
        http1_write_raw(w, STR("Transfer-Encoding: chunked\r\n"));
    } else if (framing == HTTP1_BODY_LENGTH) {
        write_length(w, length);
    }
}

void http1_write_framing_of(struct http1_writer *w, const struct http1_head *head)
{
    if (head->framing == HTTP1_BODY_CHUNKED) {
        http1_write_framing(w, HTTP1_BODY_CHUNKED, 0);
    } else if (head->has_length && head->framing != HTTP1_TUNNEL && head->status != 204 &&
               (head->status == 0 || head->status >= 200)) {
        http1_write_framing(w, HTTP1_BODY_LENGTH, head->content_length);
    }
}

void http1_write_end(struct http1_writer *w)
{
    char *p = reserve(w, 2);
    if (p) {
        memcpy(p, "\r\n", 2);
    }
}
