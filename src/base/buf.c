/* SPDX-License-Identifier: Apache-2.0
 *
 * One function, grow, decides about memory and errors; everything else goes through it. So the
 * rules hold everywhere: nothing happens after an error, nothing grows beyond the maximum, and
 * there is always one byte more than `cap` for the NUL of buf_cstr.
 *
 * Doubling makes n appends cost O(n) copies altogether; the first 256 bytes come at once, since
 * most texts are short and one realloc costs more than the bytes.
 * How it fails: the append that does not fit changes nothing (no half of it is there), the error
 * stays until buf_reset, and what was there before can still be read.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUF_CAP_MIN = 256 };

void buf_fini(struct buf *buf)
{
    if (buf && !buf->fixed) {
        free(buf->p);
        *buf = (struct buf){.max = buf->max};
    }
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->error = 0;
}

/* One byte beyond `n` is always allocated, for the NUL of buf_cstr. */
static bool grow(struct buf *buf, size_t n)
{
    if (buf->error) {
        return false;
    }
    if (n > buf->max - buf->len) {
        buf->error = -ENOBUFS;
        return false;
    }
    if (buf->p && n <= buf->cap - buf->len) {
        return true; /* always, where the memory is the caller's: cap is max */
    }
    size_t cap = MAX(buf->cap * 2, (size_t)BUF_CAP_MIN);
    cap = MIN(MAX(cap, buf->len + n), buf->max);
    char *p = realloc(buf->p, cap + 1);
    if (!p) {
        buf->error = -ENOMEM;
        return false;
    }
    buf->p = p;
    buf->cap = cap;
    return true;
}

const char *buf_cstr(struct buf *buf)
{
    if (!buf->p) {
        return "";
    }
    buf->p[buf->len] = '\0';
    return buf->p;
}

char *buf_reserve(struct buf *buf, size_t n)
{
    return grow(buf, n) ? buf->p + buf->len : NULL;
}

void buf_commit(struct buf *buf, size_t n)
{
    ensure(n <= buf->cap - buf->len);
    buf->len += n;
}

void buf_add_mem(struct buf *buf, const void *p, size_t len)
{
    if (len && grow(buf, len)) {
        memcpy(buf->p + buf->len, p, len);
        buf->len += len;
    }
}

void buf_add(struct buf *buf, struct str s)
{
    buf_add_mem(buf, s.p, s.len);
}

void buf_add_cstr(struct buf *buf, const char *s)
{
    buf_add_mem(buf, s, strlen(s));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add_mem(buf, &c, 1);
}

void buf_add_u64(struct buf *buf, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    buf_add_mem(buf, digits + at, sizeof(digits) - at);
}

void buf_add_i64(struct buf *buf, int64_t n)
{
    if (n < 0) {
        buf_add_char(buf, '-');
        buf_add_u64(buf, (uint64_t)0 - (uint64_t)n);
    } else {
        buf_add_u64(buf, (uint64_t)n);
    }
}

void buf_vprintf(struct buf *buf, const char *fmt, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    ensure(n >= 0);
    if ((size_t)n < sizeof(small)) {
        buf_add_mem(buf, small, (size_t)n);
    } else if (grow(buf, (size_t)n)) {
        (void)vsnprintf(buf->p + buf->len, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_vprintf(buf, fmt, args);
    va_end(args);
}

void buf_consume(struct buf *buf, size_t n)
{
    ensure(n <= buf->len);
    if (n) {
        memmove(buf->p, buf->p + n, buf->len - n);
        buf->len -= n;
    }
}

void buf_cut(struct buf *buf, size_t len)
{
    ensure(len <= buf->len);
    buf->len = len;
}

char *buf_take(struct buf *buf)
{
    ensure(!buf->fixed);
    char *p = NULL;
    if (!buf->error && grow(buf, 0)) {
        (void)buf_cstr(buf);
        p = buf->p;
        buf->p = NULL;
    }
    buf_fini(buf);
    return p;
}
