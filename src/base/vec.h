/* SPDX-License-Identifier: Apache-2.0
 *
 * struct vec: a growing array of equal items, born with a maximum count. Items are plain bytes to
 * it: moved by memcpy, never constructed or destroyed; who keeps pointers in items frees what they
 * point at before vec_fini. Pointers into the items are valid until the next addition. `len` may be
 * lowered by the owner to drop items from the end; memory is given back by vec_fini alone.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/def.h"

struct vec {
    void *items;
    size_t len;
    size_t cap;
    size_t max;
    size_t item_size;
};

#define VEC_INIT(type, limit) ((struct vec){.max = (limit), .item_size = sizeof(type)})

void vec_fini(struct vec *vec);
/* A zeroed item at the end; NULL beyond the maximum or when memory is out. */
void *vec_add(struct vec *vec);
/* 0, -ENOBUFS beyond the maximum, -ENOMEM. */
must_check int vec_push(struct vec *vec, const void *item);
/* Removes item i, keeping the order. */
void vec_remove(struct vec *vec, size_t i);
static inline void vec_reset(struct vec *vec)
{
    vec->len = 0;
}

#define vec_at(vec, type, i) (&((type *)(vec)->items)[i])

#endif
