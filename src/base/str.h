/* SPDX-License-Identifier: Apache-2.0
 *
 * struct str: a slice of bytes by value, for reading. It owns nothing and is not NUL-terminated;
 * whoever hands one out says how long its bytes live. An empty slice may have p == NULL.
 *
 * Why by value: two registers, no indirection, and a part of a text is a text again without
 * copying. STR_NONE against an empty slice with p != NULL is "absent" against "empty" where a
 * function says so, and nowhere else: str_eq takes them for equal. STR_ARG cuts at INT_MAX bytes
 * and, as printf does, at a NUL.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/def.h"
#include <string.h>

struct str {
    const char *p;
    size_t len;
};

#define STR(lit) ((struct str){("" lit), sizeof(lit) - 1})
#define STR_INIT(lit)                                                                              \
    {                                                                                              \
        ("" lit), sizeof(lit) - 1                                                                  \
    } /* for static tables */
#define STR_NONE   ((struct str){NULL, 0})
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).len, ((s).p ? (s).p : "")

static inline struct str str_make(const char *p, size_t len)
{
    return (struct str){p, len};
}

/* The bytes of a C string up to its NUL; NULL gives the empty slice. */
static inline struct str str_from(const char *cstr)
{
    return (struct str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool str_is(struct str a, const char *cstr)
{
    return str_eq(a, str_from(cstr));
}

/* Bytes [from, to), both clamped to the slice. */
static inline struct str str_slice(struct str s, size_t from, size_t to)
{
    to = MIN(to, s.len);
    from = MIN(from, to);
    /* by way of an integer, because NULL + 0 is undefined for pointers */
    return (struct str){(const char *)((uintptr_t)s.p + from), to - from};
}

static inline struct str str_skip(struct str s, size_t n)
{
    return str_slice(s, n, s.len);
}

/* ASCII only, as protocols want it: no locale. */
bool str_eq_nocase(struct str a, struct str b);
/* <0, 0, >0 in byte order; a prefix sorts first. */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Index of the first occurrence, or -1. An empty needle is found at 0. */
ptrdiff_t str_find(struct str s, struct str needle);
ptrdiff_t str_find_char(struct str s, char c);
ptrdiff_t str_rfind_char(struct str s, char c);
/* Without spaces and tabs (trim_ws: also CR, LF) at both ends. */
struct str str_trim(struct str s);
struct str str_trim_ws(struct str s);
/* Cuts s at the first `sep`: head before it, tail after it. False (head = s, tail empty) if none.
 */
bool str_split(struct str s, char sep, struct str *ret_head, struct str *ret_tail);
/* Copies into dst with a NUL, cutting to `size`-1 bytes (perhaps inside a character). Returns false
 * when it had to cut: for a name or a path that is an error, for a text to be shown it may not
 * be. */
bool str_copy(char *dst, size_t size, struct str s);
/* A heap copy with a NUL; NULL when memory is out. */
char *str_dup(struct str s);
/* Levenshtein distance with swapped neighbours as one step, at most `limit`+1; for "did you mean".
 * Slices over 64 bytes give limit+1.
 */
unsigned str_distance(struct str a, struct str b, unsigned limit);

#endif
