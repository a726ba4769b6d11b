/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: classes of bytes, and scanners over them. Each scanner has a plain version by
 * table, which is its definition, and an SSE2 one (x86-64 always has it), which a test holds equal
 * to it. A scanner returns the index of the first byte in [at, end) that is not of its class, or
 * `end`; it never reads at or beyond `end`.
 */
#ifndef PROTO_HTTP_CHARS_H
#define PROTO_HTTP_CHARS_H

#include "proto/http.h"

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

/* All n bytes (1 to 15) at p and nothing else, in some order and perhaps twice: enough to ask whether all
 * of them are good. */
static inline __m128i http_load_few(const char *p, size_t n)
{
    uint64_t low = (unsigned char)p[0], high;
    if (n >= 8) {
        memcpy(&low, p, 8);
        memcpy(&high, p + n - 8, 8);
        return _mm_set_epi64x((long long)high, (long long)low);
    }
    if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        low = (uint64_t)last << 32 | first;
    } else {
        low |= (uint64_t)(unsigned char)p[n / 2] << 8 | (uint64_t)(unsigned char)p[n - 1] << 16;
        low |= low << 24;
        low |= (low & 0xffff) << 48;
    }
    return _mm_set_epi64x((long long)low, (long long)low);
}

/* One bit per byte that is not of the class; for tokens the rarer characters are counted among them. */
static inline unsigned http_stops_token(__m128i v)
{
    __m128i good = http_in_range(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 25);
    good = _mm_or_si128(good, http_in_range(v, '0', 9));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
    return ~(unsigned)_mm_movemask_epi8(good) & 0xffff;
}

static inline unsigned http_stops_value(__m128i v)
{
    __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
    __m128i stop = _mm_andnot_si128(tab, http_in_range(v, 0, 0x1f));
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
    return (unsigned)_mm_movemask_epi8(stop);
}

static inline unsigned http_stops_target(__m128i v)
{
    /* signed: bytes from 0x80 are below too */
    __m128i stop = _mm_cmplt_epi8(v, _mm_set1_epi8(0x21));
    stop = _mm_or_si128(stop, http_in_range(v, '"', 1)); /* and '#' */
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8('<')));
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8('>')));
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
    return (unsigned)_mm_movemask_epi8(stop);
}
#endif

/* HTTP_C_TOKEN. The fast path knows letters, digits and '-'; other token characters are rare. */
static inline size_t http_scan_token(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        unsigned stops = http_stops_token(http_load(p + at));
        at += (size_t)__builtin_ctz(stops | 0x10000);
        if (stops) {
            if (!http_char_is(p[at], HTTP_C_TOKEN)) {
                return at;
            }
            at++;
        }
    }
    if (at < end && !http_stops_token(http_load_few(p + at, end - at))) {
        return end;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_TOKEN);
}

/* HTTP_C_VALUE: stops at control characters other than the tab, and at DEL. */
static inline size_t http_scan_value(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        unsigned stops = http_stops_value(http_load(p + at));
        if (stops) {
            return at + (size_t)__builtin_ctz(stops);
        }
        at += 16;
    }
    if (at < end && !http_stops_value(http_load_few(p + at, end - at))) {
        return end;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_VALUE);
}

/* HTTP_C_TARGET: visible ASCII without the quote, the angle brackets and the hash. */
static inline size_t http_scan_target(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        unsigned stops = http_stops_target(http_load(p + at));
        if (stops) {
            return at + (size_t)__builtin_ctz(stops);
        }
        at += 16;
    }
    if (at < end && !http_stops_target(http_load_few(p + at, end - at))) {
        return end;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_TARGET);
}

/* Is `s` the word `lower` (letters and '-', in lower case), whatever its case? For text of HTTP_C_VALUE only:
 * folding by one bit would take a CR for a '-'. */
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
