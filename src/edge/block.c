/* SPDX-License-Identifier: Apache-2.0
 *
 * A stack per class. Taking and giving back is a few moves; memory comes from the heap only when
 * the stack is empty, and goes back when it is full, so that a burst leaves little behind.
 *
 * 1. live <= max: more is refused (NULL), which its caller turns into one refused request.
 * 2. A block that is given back is in nobody's hands: callers set their pointer to NULL.
 */
#include "edge/block.h"

#include "base/num.h"
#include "base/pooling.h"

#include <stdlib.h>

/* Blocks kept for the next burst; more go back to the heap. */
static const size_t idle_max[BLOCK_CLASSES] = {[BLOCK_HEAD] = 256, [BLOCK_LARGE] = 16};
static const uint32_t sizes[BLOCK_CLASSES] = {
    [BLOCK_HEAD] = BLOCK_HEAD_SIZE,
    [BLOCK_LARGE] = BLOCK_LARGE_SIZE,
    [BLOCK_WIDE] = BLOCK_WIDE_SIZE,
};

void block_pool_init(struct block_pool *pool, size_t connections)
{
    *pool = (struct block_pool){0};
    /* A stream may hold its head, a piece of the next one and a half-read response head. */
    pool->max[BLOCK_HEAD] = connections * 3;
    pool->max[BLOCK_LARGE] = connections * 2;
    pool->max[BLOCK_WIDE] = BLOCK_WIDE_MAX;
}

void block_pool_fini(struct block_pool *pool)
{
    for (unsigned class = 0; class < BLOCK_CLASSES; class ++) {
        while (pool->free[class]) {
            struct block *block = pool->free[class];
            pool->free[class] = block->next;
            free(block);
        }
        pool->idle[class] = 0;
    }
}

struct block *block_get(struct block_pool *pool, enum block_class class)
{
    struct block *block = pool->free[class];
    if (likely(block != NULL)) {
        pool->free[class] = block->next;
        pool->idle[class]--;
    } else {
        if (pool->live[class] >= pool->max[class]) {
            return NULL;
        }
        block = malloc(sizeof(*block) + sizes[class]);
        if (!block) {
            return NULL;
        }
        block->cap = sizes[class];
        block->class = (uint8_t) class;
    }
    pool->live[class]++;
    block->next = NULL;
    block->at = 0;
    block->len = 0;
    return block;
}

void block_put(struct block_pool *pool, struct block *block)
{
    if (!block) {
        return;
    }
    unsigned class = block->class;
    ensure(pool->live[class] > 0);
    pool->live[class]--;
    if (!POOLING || pool->idle[class] >= idle_max[class]) {
        free(block);
        return;
    }
    block->next = pool->free[class];
    pool->free[class] = block;
    pool->idle[class]++;
}

bool block_chain_add(struct block_pool *pool, struct block_chain *chain, struct str bytes)
{
    while (bytes.len > 0) {
        struct block *block = chain->last;
        if (!block || block->len == block->cap) {
            block = block_get(pool, BLOCK_HEAD);
            if (!block) {
                return false;
            }
            *(chain->last ? &chain->last->next : &chain->first) = block;
            chain->last = block;
        }
        size_t n = MIN(bytes.len, (size_t)(block->cap - block->len));
        memcpy(block->data + block->len, bytes.p, n);
        block->len += (uint32_t)n;
        bytes = str_skip(bytes, n);
    }
    return true;
}

void block_chain_fini(struct block_pool *pool, struct block_chain *chain)
{
    while (chain->first) {
        struct block *block = chain->first;
        chain->first = block->next;
        block_put(pool, block);
    }
    chain->last = NULL;
}
