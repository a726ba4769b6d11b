/* SPDX-License-Identifier: Apache-2.0
 *
 * Doubling growth up to the maximum; reallocarray refuses a product that overflows. An addition
 * that fails leaves the array as it was: the sizes are taken over only when the memory is there.
 */
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

enum { VEC_CAP_MIN = 8 };

void vec_fini(struct vec *vec)
{
    if (vec) {
        free(vec->items);
        *vec = (struct vec){.max = vec->max, .item_size = vec->item_size};
    }
}

static int grow(struct vec *vec)
{
    if (vec->len < vec->cap) {
        return 0;
    }
    if (vec->len >= vec->max) {
        return -ENOBUFS;
    }
    size_t cap = MIN(MAX(vec->cap * 2, (size_t)VEC_CAP_MIN), vec->max);
    void *items = reallocarray(vec->items, cap, vec->item_size);
    if (!items) {
        return -ENOMEM;
    }
    vec->items = items;
    vec->cap = cap;
    return 0;
}

void *vec_add(struct vec *vec)
{
    if (grow(vec) < 0) {
        return NULL;
    }
    return memset((char *)vec->items + vec->len++ * vec->item_size, 0, vec->item_size);
}

int vec_push(struct vec *vec, const void *item)
{
    int r = grow(vec);
    if (r < 0) {
        return r;
    }
    memcpy((char *)vec->items + vec->len++ * vec->item_size, item, vec->item_size);
    return 0;
}

void vec_remove(struct vec *vec, size_t i)
{
    ensure(i < vec->len);
    char *at = (char *)vec->items + i * vec->item_size;
    memmove(at, at + vec->item_size, (vec->len - i - 1) * vec->item_size);
    vec->len--;
}
