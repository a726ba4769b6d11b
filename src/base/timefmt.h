/* SPDX-License-Identifier: Apache-2.0
 *
 * Wall-clock times as text. Pure calendar arithmetic (days from civil, Hinnant): no locale, no time
 * zone database, no C library state. Times are nanoseconds since 1970-01-01T00:00:00Z, which an
 * int64_t holds from 1677 to 2262; POSIX days have 86,400 s, so a leap second has no time of its
 * own.
 */
#ifndef BASE_TIMEFMT_H
#define BASE_TIMEFMT_H

#include "base/buf.h"

/* "2026-11-20T23:00:05.123456Z" (RFC 3339, UTC, microseconds). */
void timefmt_rfc3339(struct buf *out, int64_t wall_ns);
/* RFC 3339 with any offset and 0 to 9 fraction digits; 't', 'z' and a blank for 'T' are taken (§5.6
 * allows them). 0 or -EINVAL, also for a day that no month has and a time outside of 1677 to
 * 2262. */
must_check int timefmt_parse(struct str s, int64_t *ret_wall_ns);
/* "Fri, 20 Nov 2026 23:00:05 GMT" (RFC 9110 §5.6.7). */
void timefmt_http(struct buf *out, int64_t wall_ns);
/* "20/Nov/2026:23:00:05 +0000", as web servers write their access logs. */
void timefmt_log(struct buf *out, int64_t wall_ns);

#endif
