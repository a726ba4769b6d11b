/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pooling.h"
#include "edge/block.h"
#include "harness/test.h"

TEST(the_block_given_back_last_is_handed_out_first)
{
    struct block_pool pool;
    if (!POOLING) {
        test_skip("pools keep nothing under a sanitizer");
    }
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

int __asan_address_is_poisoned(const volatile void *) __attribute__((weak));

TEST(what_uses_a_block_that_was_given_back_is_found)
{
    struct block_pool pool;
    if (!__asan_address_is_poisoned) {
        test_skip("needs the address sanitizer");
    }
    block_pool_init(&pool, 10);
    for (unsigned class = 0; class < BLOCK_CLASSES; class ++) {
        struct block *block = block_get(&pool, class);
        const volatile char *inside = block->data + 100;
        check(!__asan_address_is_poisoned(inside));
        block_put(&pool, block);
        check(__asan_address_is_poisoned(inside));
        block_put(&pool, block_get(&pool, class));
        check(__asan_address_is_poisoned(inside)); /* whoever has one now has another */
    }
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
