/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: scanners over classes of bytes. Each has a plain version by table, which is its
 * definition, and an SSE2 one (x86-64 always has it), which a test holds equal to it. A scanner
 * returns the index of the first byte in [at, end) that is not of its class, or `end`; it never reads
 * at or beyond `end`.
 */
#ifndef PROTO_HTTP_SCAN_H
#define PROTO_HTTP_SCAN_H

#include "proto/http_chars.h"
#include "proto/http_simd.h"

#ifdef __SSE2__
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

/* The fast path: letters, digits, '-' and '.'. */
static inline unsigned http_stops_host(__m128i v)
{
    __m128i good = http_in_range(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 25);
    good = _mm_or_si128(good, http_in_range(v, '0', 9));
    good = _mm_or_si128(good, http_in_range(v, '-', 1));
    return ~(unsigned)_mm_movemask_epi8(good) & 0xffff;
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

/* HTTP_C_HOST. */
static inline size_t http_scan_host(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        unsigned stops = http_stops_host(http_load(p + at));
        at += (size_t)__builtin_ctz(stops | 0x10000);
        if (stops) {
            break;
        }
    }
    if (at < end && end - at < 16 && !http_stops_host(http_load_few(p + at, end - at))) {
        return end;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_HOST);
}

#endif
