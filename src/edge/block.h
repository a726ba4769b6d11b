/* SPDX-License-Identifier: Apache-2.0
 *
 * struct block: a piece of memory for bytes in flight, borrowed from its thread's pool and given
 * back when they are gone. Last in, first out: the block a request gets is the one the request
 * before it left in the cache. An idle connection holds none.
 */
#ifndef EDGE_BLOCK_H
#define EDGE_BLOCK_H

#include "base/str.h"

enum block_class {
    BLOCK_HEAD,  /* a request head and what came with it */
    BLOCK_LARGE, /* what a slow reader did not take yet: one read and its framing */
    BLOCK_WIDE,  /* one read of a large body, and what a reader did not take of it */
    BLOCK_CLASSES
};
enum {
    BLOCK_HEAD_SIZE = 16 * 1024,
    /* With what TLS adds, or what was sent at a turn's end. */
    BLOCK_LARGE_SIZE = 115 * 1024,
    BLOCK_WIDE_SIZE = 1024 * 1024,
    BLOCK_WIDE_MAX = 4, /* of a thread; without one, reads are small */
};

struct block {
    struct block *next; /* in the pool, in a chain */
    uint32_t cap;
    uint32_t at;  /* bytes before it are used up */
    uint32_t len; /* bytes that are filled; at <= len <= cap */
    uint8_t class;
    _Alignas(8) char data[]; /* a struct may lie at its front */
};

struct block_pool {
    struct block *free[BLOCK_CLASSES];
    size_t idle[BLOCK_CLASSES];
    size_t live[BLOCK_CLASSES]; /* handed out */
    size_t max[BLOCK_CLASSES];  /* of live ones */
};

/* `connections`: how many connections this thread may have. */
void block_pool_init(struct block_pool *pool, size_t connections);
void block_pool_fini(struct block_pool *pool);
/* Empty; NULL beyond the maximum or when memory is out. */
struct block *block_get(struct block_pool *pool, enum block_class class);
/* Accepts NULL. */
void block_put(struct block_pool *pool, struct block *block);

/* Bytes that wait in blocks of BLOCK_HEAD, in their order. */
struct block_chain {
    struct block *first, *last;
};

/* False: no memory; what fitted is in it. */
must_check bool block_chain_add(struct block_pool *pool, struct block_chain *chain,
                                struct str bytes);
void block_chain_fini(struct block_pool *pool, struct block_chain *chain);

/* Do these bytes lie in it? */
static inline bool block_holds(const struct block *block, struct str bytes)
{
    return block && bytes.p >= block->data && bytes.p < block->data + block->cap;
}
static inline struct str block_rest(const struct block *block)
{
    return (struct str){block->data + block->at, block->len - block->at};
}

#endif
