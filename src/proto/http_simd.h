/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: sixteen bytes at a time, where the machine can (SSE2 is part of x86-64;
 * elsewhere the table does it). Nothing here reads outside of what it was given, so a head may end
 * with its page. Loads go by memcpy, which compilers make one instruction of: addresses need no
 * alignment.
 */
#ifndef PROTO_HTTP_SIMD_H
#define PROTO_HTTP_SIMD_H

#ifdef __SSE2__
#include <emmintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* All n bytes (1 to 15) at p and nothing else, in some order and perhaps twice: enough to ask
 * whether all of them are good. */
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

/* The last sixteen of the bytes p[0, end), which are at least that many; what stops among those
 * from `at` on is bit 0 and following of http_tail_bits. */
static inline __m128i http_load_tail(const char *p, size_t end)
{
    return http_load(p + end - 16);
}
static inline unsigned http_tail_bits(unsigned stops, size_t at, size_t end)
{
    return stops >> (16 - (end - at));
}

/* One bit per byte that is not of the class; for tokens the rarer characters are counted among
 * them. */
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

#endif
