/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/map.h"
#include "harness/test.h"

enum { KEYS = 200 };

struct model {
    char name[16];
    struct str key;
    int value;
    bool there;
};

TEST(a_random_walk_equals_a_table)
{
    static struct model model[KEYS];
    struct map map = MAP_INIT(KEYS);
    map.seed = rng_u64(test_rng());
    size_t count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        struct buf name = {.p = model[i].name, .cap = 15, .max = 15};
        buf_printf(&name, "k%d", (int)i);
        model[i].key = buf_str(&name);
    }
    for (size_t i = 0; i < test_rounds(50000); i++) {
        struct model *m = &model[rng_below(test_rng(), KEYS)];
        if (rng_chance(test_rng(), 550)) {
            check_int(map_put(&map, m->key, &m->value), 0);
            count += !m->there;
            m->there = true;
        } else {
            check(map_take(&map, m->key) == (m->there ? &m->value : NULL));
            count -= m->there;
            m->there = false;
        }
        check_int(map.len, count);
        m = &model[rng_below(test_rng(), KEYS)];
        check(map_get(&map, m->key) == (m->there ? &m->value : NULL));
    }
    size_t seen = 0;
    for (size_t i = 0; i < map.len; i++) {
        struct model *m = container_of(map.entries[i].value, struct model, value);
        check(m->there && str_eq(m->key, map.entries[i].key));
        seen++;
    }
    check_int(seen, count);
    map_fini(&map);
    map_fini(NULL);
}

TEST(iteration_is_in_order_of_insertion)
{
    static const char *const names[] = {"z", "a", "m", "b", "y", "c", "x", "d", "w", "e", "v"};
    struct map map = MAP_INIT(99);
    map.seed = rng_u64(test_rng());
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        check_int(map_put(&map, str_from(names[i]), NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        check_str(map.entries[i].key, str_from(names[i]));
    }
    map_fini(&map);
}

TEST(the_maximum_holds_and_replacing_is_free)
{
    struct map map = MAP_INIT(2);
    int a, b;
    check(map_get(&map, STR("x")) == NULL && map_take(&map, STR("x")) == NULL);
    check_int(map_put(&map, STR("x"), &a), 0);
    check_int(map_put(&map, STR("y"), &a), 0);
    check_int(map_put(&map, STR("z"), &a), -ENOBUFS);
    check_int(map_put(&map, STR("x"), &b), 0);
    check(map_get(&map, STR("x")) == &b);
    check_int(map_put(&map, STR_NONE, &a), -ENOBUFS);
    check(map_take(&map, STR("y")) == &a);
    check_int(map_put(&map, STR_NONE, &a), 0);
    check(map_get(&map, STR("")) == &a);
    map_fini(&map);
}
