/* SPDX-License-Identifier: Apache-2.0
 *
 * The blocks that OpenSSL gets: each as large as was asked for, its bytes nobody else's, and what
 * is kept bounded; a random walk with every byte checked.
 */
#include "base/rng.h"
#include "tls/memory.h"

#include "harness/test.h"

#include <stdlib.h>

struct held {
    unsigned char *p;
    size_t len;
    unsigned char fill;
};

static void check_fill(const struct held *held)
{
    for (size_t i = 0; i < held->len; i++) {
        check_int(held->p[i], held->fill);
    }
}

static size_t some_size(struct rng *rng)
{
    switch (rng_below(rng, 10)) {
    case 0:
        return 16 * KIB + rng_below(rng, 2048); /* a record's buffer */
    case 1:
        return 1 + rng_below(rng, 9000);
    default:
        return 1 + rng_below(rng, 300);
    }
}

TEST(blocks_are_whole_and_apart)
{
    enum { SLOTS = 400, STEPS = 60000 };
    static struct held held[SLOTS];
    struct rng rng;
    rng_init(&rng, 7);
    for (unsigned step = 0; step < STEPS; step++) {
        struct held *one = &held[rng_below(&rng, SLOTS)];
        if (one->p) {
            check_fill(one);
        }
        if (one->p && rng_below(&rng, 4) == 0) {
            size_t len = some_size(&rng);
            one->p = tls_memory_resize(one->p, len, "", 0);
            one->len = MIN(one->len, len);
            check_fill(one);
            continue;
        }
        tls_memory_free(one->p, "", 0);
        one->p = NULL;
        if (rng_below(&rng, 3) != 0) {
            *one = (struct held){.len = some_size(&rng), .fill = (unsigned char)step};
            one->p = tls_memory_alloc(one->len, "", 0);
            check(one->p != NULL && (uintptr_t)one->p % 16 == 0);
            memset(one->p, one->fill, one->len);
        }
        check(tls_memory_kept() <= TLS_MEMORY_KEPT);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        tls_memory_free(held[i].p, "", 0);
    }
    tls_memory_trim();
    check_int(tls_memory_kept(), 0);
}

TEST(what_was_given_back_is_used_again)
{
    const size_t sizes[] = {24, 40, 56, 1000, 3272, 8008, 16704}; /* as malloc has them */
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        void *first = tls_memory_alloc(sizes[i], "", 0);
        tls_memory_free(first, "", 0);
        check(tls_memory_kept() >= sizes[i]);
        void *second = tls_memory_alloc(sizes[i], "", 0);
        check(first == second);
        check_int(tls_memory_kept(), 0);
        tls_memory_free(second, "", 0);
        tls_memory_trim();
    }
}

TEST(no_more_is_kept_than_its_bound)
{
    enum { COUNT = 5000 };
    static void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = tls_memory_alloc(4000, "", 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        tls_memory_free(blocks[i], "", 0);
        check(tls_memory_kept() <= TLS_MEMORY_KEPT);
    }
    check(tls_memory_kept() > TLS_MEMORY_KEPT - 8 * KIB);
    tls_memory_trim();
}
