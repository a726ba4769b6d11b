/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: scanners over classes of bytes. Each has a plain version by table, which is
 * its definition, and an SSE2 one (x86-64 always has it), which a test holds equal to it. A scanner
 * returns the index of the first byte in [at, end) that is not of its class, or `end`; it never
 * reads at or beyond `end`.
 *
 * The tail of less than sixteen bytes is asked as a whole, together with bytes in front of it: a
 * head is longer. Of text that is shorter than that (http_load_few) no byte is looked at alone if
 * all of it is good; else the table finds the first bad one.
 */
#ifndef PROTO_HTTP_SCAN_H
#define PROTO_HTTP_SCAN_H

#include "proto/http_chars.h"
#include "proto/http_simd.h"

/* HTTP_C_TOKEN. The fast path knows letters, digits and '-'; other token characters are rare. */
static inline always_inline_fn size_t http_scan_token(const char *p, size_t at, size_t end)
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
    if (likely(at < end && end >= 16)) {
        unsigned stops = http_tail_bits(http_stops_token(http_load_tail(p, end)), at, end);
        if (!stops) {
            return end;
        }
        at += (size_t)__builtin_ctz(stops); /* perhaps one of the rare ones: the table goes on */
    } else if (at < end && !http_stops_token(http_load_few(p + at, end - at))) {
        return end;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_TOKEN);
}

/* HTTP_C_VALUE: stops at control characters other than the tab, and at DEL. */
static inline always_inline_fn size_t http_scan_value(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        unsigned stops = http_stops_value(http_load(p + at));
        if (stops) {
            return at + (size_t)__builtin_ctz(stops);
        }
        at += 16;
    }
    if (likely(at < end && end >= 16)) {
        unsigned stops = http_tail_bits(http_stops_value(http_load_tail(p, end)), at, end);
        return stops ? at + (size_t)__builtin_ctz(stops) : end;
    }
    if (at < end && !http_stops_value(http_load_few(p + at, end - at))) {
        return end;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_VALUE);
}

/* HTTP_C_TARGET: visible ASCII without the quote, the angle brackets and the hash. */
static inline always_inline_fn size_t http_scan_target(const char *p, size_t at, size_t end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        unsigned stops = http_stops_target(http_load(p + at));
        if (stops) {
            return at + (size_t)__builtin_ctz(stops);
        }
        at += 16;
    }
    if (likely(at < end && end >= 16)) {
        unsigned stops = http_tail_bits(http_stops_target(http_load_tail(p, end)), at, end);
        return stops ? at + (size_t)__builtin_ctz(stops) : end;
    }
    if (at < end && !http_stops_target(http_load_few(p + at, end - at))) {
        return end;
    }
#endif
    return http_scan_table(p, at, end, HTTP_C_TARGET);
}

/* HTTP_C_HOST. */
static inline always_inline_fn size_t http_scan_host(const char *p, size_t at, size_t end)
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
