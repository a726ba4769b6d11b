/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 (RFC 3629): strict (no surrogates, no overlong forms, at most U+10FFFF).
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

/* Length of the longest valid prefix; == s.len when all of it is valid. */
size_t utf8_valid_prefix(struct str s);
void utf8_add(struct buf *out, uint32_t code_point);
/* Columns on a terminal: code points, wide East Asian ones twice, combining marks none. */
size_t utf8_width(struct str s);

#endif
