/* SPDX-License-Identifier: Apache-2.0
 *
 * struct arena: memory with one lifetime. Things are allocated one after another and freed together
 * (a request, a parsed file, a configuration). Born with a maximum; beyond it, or when memory is
 * out, allocations return NULL.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"
#include <stdarg.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* bytes handed out, with their alignment */
    size_t max;
    bool failed; /* some allocation returned NULL: for those who look once, at the end */
};

#define ARENA_INIT(limit) ((struct arena){.max = (limit)})

/* Takes NULL and an arena that never allocated; it may be used again afterwards. */
void arena_fini(struct arena *arena);
/* Everything handed out is invalid from here on; one chunk is kept for what comes. */
void arena_reset(struct arena *arena);

/* Zeroed memory, aligned for any type; NULL beyond the maximum. */
void *arena_alloc(struct arena *arena, size_t size);
/* The same for `count` items; NULL also when the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

/* Copies with a NUL behind them; p == NULL when memory is out, so that an empty slice that was
 * copied (p != NULL) is told from a failure. A NUL inside ends what C functions see of it. */
struct str arena_str(struct arena *arena, struct str s);
char *arena_cstr(struct arena *arena, struct str s);
struct str arena_printf(struct arena *arena, const char *fmt, ...) printf_like(2, 3);

#endif
