/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers, durations and sizes as people and protocols write them. Parsers take the whole slice or
 * refuse it: no leading space, no sign for unsigned, no overflow.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/buf.h"

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* 0, or -EINVAL (not a number), -ERANGE (too large). *ret is set only on success. "007" is 7, for
 * the signed one "-0" is 0; a '+' is refused. Hex digits come without "0x", at most 16 that
 * count. */
must_check int num_parse_u64(struct str s, uint64_t *ret);
must_check int num_parse_i64(struct str s, int64_t *ret);
must_check int num_parse_hex(struct str s, uint64_t *ret);
/* A decimal as JSON has it, but leading zeros are taken. -ERANGE beyond a double or 511 characters;
 * what is too small becomes 0. */
must_check int num_parse_double(struct str s, double *ret);
/* Compose durations: "1h30m", "10s", "1.5s", "250ms", "20us", a bare number counts seconds. To ns.
 */
must_check int num_parse_duration(struct str s, int64_t *ret_ns);
/* Compose sizes: "64k", "1.5gb", "512m", "2b", bare number = bytes; powers of 1024, any case, one
 * blank in front of the unit, as Docker reads them (go-units, RAMInBytes). At most INT64_MAX. */
must_check int num_parse_size(struct str s, uint64_t *ret_bytes);

/* "1m30s", "2.5s", "250ms", "0s": exact when it is short, as Compose writes durations. */
void num_format_duration(struct buf *out, int64_t ns);
/* The shortest decimal that reads back as the same finite number: "0.1", "1e+300". */
void num_format_double(struct buf *out, double value);
/* "12 s", "3 min", "5 h", "2 d": rounded, for tables. */
void num_format_age(struct buf *out, int64_t ns);
/* "812 B", "1.4 MB" (powers of 1000, as people use them). */
void num_format_bytes(struct buf *out, uint64_t bytes);

#endif
