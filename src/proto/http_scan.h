/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: scanners over classes of bytes. Each has a plain version by table, which is
 * its definition, and an SSE2 one (x86-64 always has it), which a test holds equal to it. A scanner
 * returns the index of the first byte in [at, end) that is not of its class, or `end`; it never
 * reads at or beyond `end`.
 *
 * The tail of less than sixteen bytes is asked as a whole (http_load_few): if all of it is good,
 * which is nearly always so, no byte of it is looked at alone; else the table finds the first bad
 * one.
 */
#ifndef PROTO_HTTP_SCAN_H
#define PROTO_HTTP_SCAN_H

#include "proto/http_chars.h"
#include "proto/http_simd.h"

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
