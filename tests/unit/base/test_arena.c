/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "harness/test.h"

TEST(memory_is_zeroed_aligned_and_apart)
{
    struct arena arena = ARENA_INIT(1 << 20);
    unsigned char *blocks[200];
    size_t sizes[200];
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
            sizes[i] = rng_below(test_rng(), 3000);
            blocks[i] = arena_alloc(&arena, sizes[i]);
            check(blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0);
            for (size_t j = 0; j < sizes[i]; j++) {
                check_int(blocks[i][j], 0);
            }
            memset(blocks[i], (int)i + 1, sizes[i]);
        }
        for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
            for (size_t j = 0; j < sizes[i]; j++) {
                check_int(blocks[i][j], (unsigned char)(i + 1));
            }
        }
        arena_reset(&arena);
        check_int(arena.used, 0);
    }
    arena_fini(&arena);
    arena_fini(NULL);
}

TEST(nothing_beyond_the_maximum)
{
    struct arena arena = ARENA_INIT(100);
    check(arena_alloc(&arena, 64) != NULL);
    check(arena_alloc(&arena, 64) == NULL);
    check(arena_alloc(&arena, 32) != NULL);
    check(arena_alloc(&arena, 1) == NULL);
    check(arena_alloc(&arena, SIZE_MAX) == NULL);
    check(arena_array(&arena, SIZE_MAX / 2, 4) == NULL);
    check(arena_cstr(&arena, STR("x")) == NULL);
    check(arena_str(&arena, STR("x")).p == NULL);
    check(arena_printf(&arena, "%d", 5).p == NULL);
    arena_reset(&arena);
    check(arena_array(&arena, 4, 4) != NULL);
    arena_fini(&arena);
}

TEST(copies_and_formats)
{
    struct arena arena = ARENA_INIT(1 << 16);
    check_str(arena_str(&arena, STR("abc")), STR("abc"));
    check_cstr(arena_cstr(&arena, STR_NONE), "");
    check_str(arena_printf(&arena, "%s/%d", "x", 12), STR("x/12"));
    check_str(arena_printf(&arena, "%s", ""), STR(""));
    int *n = arena_new(&arena, int);
    check_int(*n, 0);
    arena_fini(&arena);
}
