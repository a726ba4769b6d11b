/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the constant parts of heads without asking for room at each: the caller has made sure of
 * it once (put_room), the copies of constants become a few stores.
 */
#ifndef EDGE_PUT_H
#define EDGE_PUT_H

#include "proto/http1_write.h"

/* Room for `n` bytes at the writer's end? Else it is full from now on. */
static inline bool put_room(struct http1_writer *w, size_t n)
{
    if (unlikely(w->full || n > w->cap - w->len)) {
        w->full = true;
        return false;
    }
    return true;
}
static inline void put_str(struct http1_writer *w, struct str s)
{
    memcpy(w->p + w->len, s.p, s.len);
    w->len += s.len;
}
/* A literal: its length is known to the compiler. */
#define put_lit(w, lit)                                                                            \
    do {                                                                                           \
        memcpy((w)->p + (w)->len, "" lit, sizeof(lit) - 1);                                        \
        (w)->len += sizeof(lit) - 1;                                                               \
    } while (0)

#endif
