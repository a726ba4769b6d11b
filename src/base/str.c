/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices are compared and searched as bytes. Case is folded for ASCII letters only: protocols ask
 * for no more, and a locale would make two machines disagree. Comparisons end at the first
 * difference: secrets are compared elsewhere, in constant time.
 */
#include "base/str.h"

#include <stdlib.h>

static unsigned char fold(char c)
{
    unsigned char u = (unsigned char)c;
    return (unsigned char)(u >= 'A' && u <= 'Z' ? u + 32 : u);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (fold(a.p[i]) != fold(b.p[i])) {
            return false;
        }
    }
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len);
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0) {
        return 0;
    }
    if (s.len < needle.len) {
        return -1;
    }
    const char *at = memmem(s.p, s.len, needle.p, needle.len);
    return at ? at - s.p : -1;
}

ptrdiff_t str_find_char(struct str s, char c)
{
    const char *at = s.len ? memchr(s.p, c, s.len) : NULL;
    return at ? at - s.p : -1;
}

ptrdiff_t str_rfind_char(struct str s, char c)
{
    const char *at = s.len ? memrchr(s.p, c, s.len) : NULL;
    return at ? at - s.p : -1;
}

static struct str trim_set(struct str s, const char *set)
{
    while (s.len && strchr(set, s.p[0]) && s.p[0]) {
        s = str_skip(s, 1);
    }
    while (s.len && strchr(set, s.p[s.len - 1]) && s.p[s.len - 1]) {
        s.len--;
    }
    return s;
}

struct str str_trim(struct str s)
{
    return trim_set(s, " \t");
}

struct str str_trim_ws(struct str s)
{
    return trim_set(s, " \t\r\n");
}

bool str_split(struct str s, char sep, struct str *ret_head, struct str *ret_tail)
{
    ptrdiff_t at = str_find_char(s, sep);
    *ret_head = at < 0 ? s : str_slice(s, 0, (size_t)at);
    *ret_tail = at < 0 ? STR_NONE : str_skip(s, (size_t)at + 1);
    return at >= 0;
}

bool str_copy(char *dst, size_t size, struct str s)
{
    ensure(size > 0);
    size_t n = MIN(s.len, size - 1);
    if (n) {
        memcpy(dst, s.p, n);
    }
    dst[n] = '\0';
    return n == s.len;
}

char *str_dup(struct str s)
{
    char *copy = malloc(s.len + 1);
    if (copy) {
        (void)str_copy(copy, s.len + 1, s);
    }
    return copy;
}

static bool swapped(struct str a, struct str b, unsigned i, unsigned j)
{
    return i > 1 && j > 1 && fold(a.p[i - 1]) == fold(b.p[j - 2]) &&
           fold(a.p[i - 2]) == fold(b.p[j - 1]);
}

unsigned str_distance(struct str a, struct str b, unsigned limit)
{
    unsigned rows[3][65]; /* this one, the one above, and the one above that */
    if (a.len > 64 || b.len > 64) {
        return limit + 1;
    }
    for (unsigned j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *higher = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned best = above[j - 1] + (fold(a.p[i - 1]) != fold(b.p[j - 1]));
            best = MIN(best, MIN(above[j], row[j - 1]) + 1);
            row[j] = swapped(a, b, i, j) ? MIN(best, higher[j - 2] + 1) : best;
        }
    }
    return MIN(rows[a.len % 3][b.len], limit + 1);
}
