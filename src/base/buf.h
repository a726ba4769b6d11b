/* SPDX-License-Identifier: Apache-2.0
 *
 * struct buf: bytes being built. Born with a maximum; grows by doubling up to it.
 *
 * Errors are sticky: once an append fails (-ENOMEM, or -ENOBUFS beyond the maximum) the later ones
 * do nothing, and buf_error says so. So a builder appends without checking and asks once at the
 * end. Invariant: len <= cap <= max (+1 for the NUL that buf_cstr adds).
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"
#include <stdarg.h>

struct buf {
    char *p;
    size_t len;
    size_t cap;
    size_t max;
    int error;
    bool fixed; /* p is the caller's: neither grown nor freed */
};

#define BUF_INIT(limit) ((struct buf){.max = (limit)})
/* On an array of the caller's (an array, not a pointer to one), one byte of which is for the NUL:
 * for those who may not allocate. buf_fini does nothing to it, buf_take is a programmer's error. */
#define BUF_ON(array)                                                                              \
    ((struct buf){.p = (array), .cap = sizeof(array) - 1, .max = sizeof(array) - 1, .fixed = true})

void buf_fini(struct buf *buf);
/* Empties it and forgets an error; keeps the memory. */
void buf_reset(struct buf *buf);
/* 0, -ENOMEM or -ENOBUFS: the first append that failed. */
static inline int buf_error(const struct buf *buf)
{
    return buf->error;
}
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->p, buf->len};
}
/* The content with a NUL behind it, owned by the buffer and valid until the next append; "" when
 * nothing was ever added. A NUL among the bytes ends it early for C functions. */
const char *buf_cstr(struct buf *buf);

/* Room for `n` more bytes at the end, to be filled and then committed (fewer may be); NULL on
 * failure. For those who write in place: a read from a file, a compressor. */
char *buf_reserve(struct buf *buf, size_t n);
void buf_commit(struct buf *buf, size_t n);

/* The bytes (and the arguments of buf_printf) must not lie in the buffer itself: growing moves
 * it. */
void buf_add(struct buf *buf, struct str s);
void buf_add_mem(struct buf *buf, const void *p, size_t len);
void buf_add_cstr(struct buf *buf, const char *s);
void buf_add_char(struct buf *buf, char c);
void buf_add_u64(struct buf *buf, uint64_t n);
void buf_add_i64(struct buf *buf, int64_t n);
void buf_printf(struct buf *buf, const char *fmt, ...) printf_like(2, 3);
void buf_vprintf(struct buf *buf, const char *fmt, va_list args) printf_like(2, 0);
/* Drops the first `n` bytes (n <= len) and moves the rest to the front. */
void buf_consume(struct buf *buf, size_t n);
/* Cuts to `len` bytes. */
void buf_cut(struct buf *buf, size_t len);
/* Hands the heap memory (NUL-terminated) to the caller, who frees it; NULL on error. Resets the
 * buffer. */
char *buf_take(struct buf *buf);

#endif
