/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: classes of bytes, as one table, and the names of header fields, padded.
 *
 * One table for all classes: a byte's line of it is in the cache when the next class is asked.
 * ctype.h is no choice, as its answers depend on the locale.
 */
#ifndef PROTO_HTTP_CHARS_H
#define PROTO_HTTP_CHARS_H

#include "proto/http.h"

enum {
    HTTP_C_TOKEN = 1,  /* tchar: RFC 9110 §5.6.2 */
    HTTP_C_VALUE = 2,  /* field-vchar, SP, HTAB: RFC 9110 §5.5 */
    HTTP_C_TARGET = 4, /* what a request target may hold; see http_chars.c */
    HTTP_C_HOST = 8,   /* reg-name without escapes: RFC 3986 §3.2.2 */
    HTTP_C_DIGIT = 16,
    HTTP_C_UNRESERVED = 32, /* RFC 3986 §2.3 */
};
extern const uint8_t http_chars[256];

/* The names of the ids, padded, so that they can be compared in whole vectors. */
struct http_name {
    char text[HTTP_HEADER_NAME_MAX];
    uint8_t len;
};
extern const struct http_name http_names[HTTP_H_COUNT];

static inline bool http_char_is(char c, unsigned class)
{
    return http_chars[(unsigned char)c] & class;
}

static inline size_t http_scan_table(const char *p, size_t at, size_t end, unsigned class)
{
    while (at < end && http_char_is(p[at], class)) {
        at++;
    }
    return at;
}

/* Is `s` the word `lower` (letters and '-', in lower case), whatever its case? For text of
 * HTTP_C_VALUE only: folding by one bit would take a CR for a '-'. */
static inline bool http_word_is(struct str s, struct str lower)
{
    const uint64_t fold = UINT64_C(0x2020202020202020);
    uint64_t a, b;
    size_t at = 0;
    if (s.len != lower.len) {
        return false;
    }
    for (; s.len - at >= 8; at += 8) {
        memcpy(&a, s.p + at, 8);
        memcpy(&b, lower.p + at, 8);
        if ((a | fold) != b) {
            return false;
        }
    }
    for (; at < s.len; at++) {
        if ((s.p[at] | 0x20) != lower.p[at]) {
            return false;
        }
    }
    return true;
}

#endif
