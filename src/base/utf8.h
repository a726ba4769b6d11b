/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 (RFC 3629): strict (no surrogates, no overlong forms, at most U+10FFFF). An overlong '/' or
 * NUL that one part of a system takes and another one does not is how checks are passed by; so what
 * is not strict is no UTF-8 here, and each caller says what it does then (refuse, or U+FFFD).
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

/* Length of the longest valid prefix; == s.len when all of it is valid. */
size_t utf8_valid_prefix(struct str s);
/* Appends one; a surrogate or what lies beyond U+10FFFF is a programmer's error. */
void utf8_add(struct buf *out, uint32_t code_point);
/* The beginning of `s` that is shown to people: at most `max` bytes, no half character at its
 * end. */
struct str utf8_cut(struct str s, size_t max);
/* Columns on a terminal: code points, wide East Asian ones twice, combining marks and controls
 * none. Sequences that a terminal may draw as one (emoji joined by U+200D) count as their parts. */
size_t utf8_width(struct str s);

#endif
