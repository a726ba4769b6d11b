/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: classes of bytes, and scanners over them. Each scanner has a plain version by
 * table, which is its definition, and an SSE2 one (x86-64 always has it), which a test holds equal
 * to it. A scanner returns the index of the first byte in [at, end) that is not of its class, or
 * `end`; it never reads at or beyond `end`.
 */
#ifndef PROTO_HTTP_CHARS_H
#define PROTO_HTTP_CHARS_H

#include "base/str.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    HTTP_C_TOKEN = 1,  /* tchar: RFC 9110 §5.6.2 */
    HTTP_C_VALUE = 2,  /* field-vchar, SP, HTAB: RFC 9110 §5.5 */
    HTTP_C_TARGET = 4, /* what a request target may hold; see http_chars.c */
    HTTP_C_HOST = 8,   /* reg-name without escapes: RFC 3986 §3.2.2 */
    HTTP_C_DIGIT = 16,
    HTTP_C_UNRESERVED = 32, /* RFC 3986 §2.3 */
};
extern const uint8_t http_chars[256];

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

#ifdef __SSE2__
/* All ones in the bytes of `v` that lie in [low, low + width]. */
static inline __m128i http_in_range(__m128i v, char low, char width)
{
    __m128i moved = _mm_sub_epi8(v, _mm_set1_epi8(low));
    return _mm_cmpeq_epi8(_mm_min_epu8(moved, _mm_set1_epi8(width)), moved);
}

static inline __m128i http_load(const char *p)
{
    __m128i v;
    memcpy(&v, p, sizeof(v));
    return v;
}
#endif

/* HTTP_C_TOKEN. The fast path knows letters, digits and '-'; other token characters are rare. */
static inline size_t http_scan_token(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        __m128i v = http_load(p + at);
        __m128i good = http_in_range(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 25);
        good = _mm_or_si128(good, http_in_range(v, '0', 9));
        good = _mm_or_si128(good, _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
        unsigned stop = ~(unsigned)_mm_movemask_epi8(good);
        at += (size_t)__builtin_ctz(stop | 0x10000);
        if (stop & 0xffff) {
            if (!http_char_is(p[at], HTTP_C_TOKEN)) {
                return at;
            }
            at++;
        }
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_TOKEN);
}

/* HTTP_C_VALUE: stops at control characters other than the tab, and at DEL. */
static inline size_t http_scan_value(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        __m128i v = http_load(p + at);
        __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
        __m128i stop = _mm_andnot_si128(tab, http_in_range(v, 0, 0x1f));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask) {
            return at + (size_t)__builtin_ctz(mask);
        }
        at += 16;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_VALUE);
}

/* HTTP_C_TARGET: visible ASCII without the quote, the angle brackets and the hash. */
static inline size_t http_scan_target(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        __m128i v = http_load(p + at);
        /* signed: bytes from 0x80 are below too */
        __m128i stop = _mm_cmplt_epi8(v, _mm_set1_epi8(0x21));
        stop = _mm_or_si128(stop, http_in_range(v, '"', 1)); /* and '#' */
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8('<')));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8('>')));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask) {
            return at + (size_t)__builtin_ctz(mask);
        }
        at += 16;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_TARGET);
}

#endif
