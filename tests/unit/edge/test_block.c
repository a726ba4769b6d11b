/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/block.h"
#include "harness/test.h"

TEST(the_block_given_back_last_is_handed_out_first)
{
    struct block_pool pool;
    block_pool_init(&pool, 10);
    struct block *a = block_get(&pool, BLOCK_HEAD);
    struct block *b = block_get(&pool, BLOCK_HEAD);
    a->len = 7;
    block_put(&pool, a);
    block_put(&pool, b);
    check(block_get(&pool, BLOCK_HEAD) == b);
    check(block_get(&pool, BLOCK_HEAD) == a);
    check_int(a->len, 0);
    block_put(&pool, a);
    block_put(&pool, b);
    block_put(&pool, NULL);
    block_pool_fini(&pool);
}

TEST(a_pool_has_a_maximum_and_recovers_from_it)
{
    struct block_pool pool;
    struct block *blocks[30];
    block_pool_init(&pool, 10);
    for (size_t i = 0; i < 30; i++) {
        blocks[i] = block_get(&pool, BLOCK_HEAD);
        check(blocks[i] != NULL);
    }
    check(block_get(&pool, BLOCK_HEAD) == NULL);
    struct block *large = block_get(&pool, BLOCK_LARGE);
    check(large != NULL); /* classes have their own */
    block_put(&pool, large);
    block_put(&pool, blocks[0]);
    blocks[0] = block_get(&pool, BLOCK_HEAD);
    check(blocks[0] != NULL);
    for (size_t i = 0; i < 30; i++) {
        block_put(&pool, blocks[i]);
    }
    block_pool_fini(&pool);
}

TEST(a_chain_holds_what_was_added_in_its_order)
{
    struct block_pool pool;
    block_pool_init(&pool, 4);
    for (size_t round = 0; round < test_rounds(200); round++) {
        struct block_chain chain = {0};
        uint8_t next = 0;
        size_t total = 0;
        for (size_t i = 0; i < 6; i++) {
            char bytes[BLOCK_HEAD_SIZE];
            size_t len = rng_below(test_rng(), sizeof(bytes) + 1);
            for (size_t k = 0; k < len; k++) {
                bytes[k] = (char)next++;
            }
            check(block_chain_add(&pool, &chain, str_make(bytes, len)));
            total += len;
        }
        uint8_t want = 0;
        for (const struct block *block = chain.first; block; block = block->next) {
            struct str rest = block_rest(block);
            check(rest.len > 0 && (rest.len == block->cap || block == chain.last));
            for (size_t k = 0; k < rest.len; k++) {
                check((uint8_t)rest.p[k] == want++);
            }
            total -= rest.len;
        }
        check_int(total, 0);
        block_chain_fini(&pool, &chain);
        check(!chain.first && !chain.last);
        check_int(pool.live[BLOCK_HEAD], 0);
    }
    block_pool_fini(&pool);
}
