/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena is a list of chunks, the newest in front; only that one has room. Chunks double in size
 * up to a bound, so that a small request costs one malloc and a large one a few dozen.
 *
 * Invariants: 1. `used` <= `max`, and counts what was handed out, not what chunks hold: the process
 *                may hold up to twice `max`, and a chunk's unused end is lost when the next begins;
 *             2. every piece is aligned to 16 bytes and zeroed: structs with bool or pointers in
 *                them are valid as they come.
 * Happy path: bump `len` of the newest chunk, clear the piece.
 * How it fails: beyond `max`, or without memory, the one allocation returns NULL, `failed` is set
 * and nothing else changes; smaller pieces may still be had.
 */
#include "base/arena.h"

#include "base/pooling.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_ALIGN = 16, ARENA_CHUNK_MIN = 4096, ARENA_CHUNK_MAX = 1 << 20 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t cap;
    size_t len;
    _Alignas(ARENA_ALIGN) char bytes[];
};

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void arena_fini(struct arena *arena)
{
    if (arena) {
        free_chunks(arena->chunks);
        *arena = (struct arena){.max = arena->max};
    }
}

void arena_reset(struct arena *arena)
{
    if (POOLING && arena->chunks) {
        /* Mostly the largest one (a single huge piece in front of it may have been larger): what
         * the last use needed is at hand for the next one, without a malloc. */
        free_chunks(arena->chunks->next);
        arena->chunks->next = NULL;
        arena->chunks->len = 0;
    } else {
        free_chunks(arena->chunks);
        arena->chunks = NULL;
    }
    arena->used = 0;
    arena->failed = false;
}

static bool add_chunk(struct arena *arena, size_t size)
{
    size_t cap = arena->chunks ? MIN(arena->chunks->cap * 2, (size_t)ARENA_CHUNK_MAX)
                               : (size_t)ARENA_CHUNK_MIN - sizeof(struct arena_chunk);
    cap = MAX(cap, size);
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + cap);
    if (!chunk) {
        return false;
    }
    *chunk = (struct arena_chunk){.next = arena->chunks, .cap = cap};
    arena->chunks = chunk;
    return true;
}

static void *fail(struct arena *arena)
{
    arena->failed = true;
    return NULL;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t want = ALIGN_UP(MAX(size, 1u), ARENA_ALIGN);
    if (want < size || want > arena->max - arena->used) {
        return fail(arena);
    }
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || want > chunk->cap - chunk->len) {
        if (!add_chunk(arena, want)) {
            return fail(arena);
        }
        chunk = arena->chunks;
    }
    void *p = chunk->bytes + chunk->len;
    chunk->len += want;
    arena->used += want;
    return memset(p, 0, want);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    return __builtin_mul_overflow(count, size, &total) ? fail(arena) : arena_alloc(arena, total);
}

char *arena_cstr(struct arena *arena, struct str s)
{
    char *copy = s.len == SIZE_MAX ? fail(arena) : arena_alloc(arena, s.len + 1);
    if (copy && s.len) {
        memcpy(copy, s.p, s.len);
    }
    return copy;
}

struct str arena_str(struct arena *arena, struct str s)
{
    char *copy = arena_cstr(arena, s);
    return copy ? str_make(copy, s.len) : STR_NONE;
}

struct str arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    ensure(n >= 0);
    char *p = arena_alloc(arena, (size_t)n + 1);
    if (p) {
        (void)vsnprintf(p, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    va_end(args);
    return p ? str_make(p, (size_t)n) : STR_NONE;
}
