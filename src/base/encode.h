/* SPDX-License-Identifier: Apache-2.0
 *
 * Hexadecimal, base64 (RFC 4648 §4 and §5, url-safe without padding), UUIDs (RFC 9562).
 */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include "base/buf.h"

/* The value of a hexadecimal digit in either case; -1 for any other byte. */
static inline int decode_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20); /* nothing but a letter becomes one by this bit */
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}
void encode_hex(struct buf *out, struct str bytes);
/* Appends the bytes that pairs of digits, in either case, stand for. 0; -EINVAL: an odd number or
 * another character, and `out` is as it was; buf_error of out. */
must_check int decode_hex(struct buf *out, struct str text);
void encode_base64(struct buf *out, struct str bytes);
void encode_base64url(struct buf *out, struct str bytes);
/* Takes both alphabets (also mixed), padded or not, no white space. 0, -EINVAL, buf_error as above:
 * who compares secrets compares the decoded bytes, since a value may be spelled in two
 * alphabets. */
must_check int decode_base64(struct buf *out, struct str text);

enum { UUID_TEXT_LEN = 36 };
/* A UUIDv7 (RFC 9562 §5.7) from a wall-clock time and 10 random bytes; ret gets 36 characters and a
 * NUL. Its text sorts by time to the millisecond and tells that time to everybody: for ids, not for
 * what must not be guessed. */
void uuid_v7(int64_t wall_ms, const uint8_t random[10], char ret[UUID_TEXT_LEN + 1]);

#endif
