/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks stay malloc's own: whoever frees one, on whichever thread, by whichever function, is
 * right. Their sizes are malloc's, too (malloc_usable_size), so no block has a header.
 *
 *   small   up to SMALL_MAX: a list for each size that malloc has (16 n + 8), newest first
 *   large   records' buffers of 16 KiB: a handful, of any size, newest first
 *
 * A list holds only blocks of its size or more, so what is taken from it always fits.
 */
#include "tls/memory.h"

#include "base/pooling.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

enum { STEP = 16, SMALL_MAX = 8 * KIB, LISTS = SMALL_MAX / STEP + 1, LARGE_MAX = 8 };
enum { LARGE_SPARE = 512 }; /* that a large block may have more than is asked for */

struct pool {
    void *lists[LISTS];
    void *large[LARGE_MAX];
    unsigned large_count;
    size_t kept;
};
static _Thread_local struct pool pool;

/* What a list's blocks have room for, at least; and the list whose blocks have room for `size`. */
static size_t room_of(size_t list)
{
    return list * STEP + 8;
}

static size_t list_for(size_t size)
{
    return size <= STEP + 8 ? 1 : (size - 8 + STEP - 1) / STEP;
}

static void *take_large(size_t size)
{
    for (unsigned i = pool.large_count; i-- > 0;) {
        void *p = pool.large[i];
        size_t usable = malloc_usable_size(p);
        if (usable >= size && usable - size <= LARGE_SPARE) {
            pool.large[i] = pool.large[--pool.large_count];
            pool.kept -= usable;
            return p;
        }
    }
    return NULL;
}

void *tls_memory_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (unlikely(size > SMALL_MAX)) {
        void *p = take_large(size);
        return p ? p : malloc(size);
    }
    size_t list = list_for(size);
    void *p = pool.lists[list];
    if (unlikely(!p)) {
        return malloc(size);
    }
    memcpy(&pool.lists[list], p, sizeof(p));
    pool.kept -= room_of(list);
    return p;
}

void tls_memory_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    if (!p) {
        return;
    }
    size_t usable = malloc_usable_size(p);
    if (pool.kept + usable > TLS_MEMORY_KEPT || usable < STEP + 8) {
        free(p);
    } else if (likely(usable <= SMALL_MAX)) {
        size_t list = (usable - 8) / STEP;
        memcpy(p, &pool.lists[list], sizeof(p));
        pool.lists[list] = p;
        pool.kept += room_of(list);
    } else if (pool.large_count < LARGE_MAX) {
        pool.large[pool.large_count++] = p;
        pool.kept += usable;
    } else {
        free(p);
    }
}

void *tls_memory_resize(void *p, size_t size, const char *file, int line)
{
    if (size == 0) {
        tls_memory_free(p, file, line);
        return NULL;
    }
    return p ? realloc(p, size) : tls_memory_alloc(size, file, line);
}

size_t tls_memory_kept(void)
{
    return pool.kept;
}

void tls_memory_trim(void)
{
    for (size_t i = 0; i < LISTS; i++) {
        while (pool.lists[i]) {
            void *p = pool.lists[i];
            memcpy(&pool.lists[i], p, sizeof(p));
            free(p);
        }
    }
    while (pool.large_count > 0) {
        free(pool.large[--pool.large_count]);
    }
    pool.kept = 0;
}

void tls_memory_keep(void)
{
    if (POOLING) {
        (void)CRYPTO_set_mem_functions(tls_memory_alloc, tls_memory_resize, tls_memory_free);
    }
}
