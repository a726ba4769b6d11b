/* SPDX-License-Identifier: Apache-2.0
 *
 * list and vec.
 */
#include "base/list.h"
#include "base/vec.h"
#include "harness/test.h"

struct item {
    int number;
    struct list node;
};

static void check_list(const struct list *head, const int *want, size_t count)
{
    size_t i = 0;
    list_for_each (it, head) {
        check(i < count);
        check_int(list_entry(it, struct item, node)->number, want[i]);
        check(it->next->prev == it && it->prev->next == it);
        i++;
    }
    check_int(i, count);
}

TEST(lists_keep_their_order)
{
    struct list head = LIST_INIT(head), other = LIST_INIT(other);
    struct item items[5];
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_init(&items[i].node);
    }
    check(list_empty(&head) && list_pop_front(&head) == NULL);
    list_push_back(&head, &items[1].node);
    list_push_front(&head, &items[0].node);
    list_push_back(&head, &items[3].node);
    list_insert(&items[3].node, &items[2].node);
    check_list(&head, (const int[]){0, 1, 2, 3}, 4);
    list_push_back(&other, &items[4].node);
    list_splice_back(&other, &head);
    check(list_empty(&head));
    check_list(&other, (const int[]){4, 0, 1, 2, 3}, 5);
    list_splice_back(&other, &head);
    list_for_each_safe (it, &other) {
        if (list_entry(it, struct item, node)->number % 2) {
            list_del(it);
            list_del(it);
        }
    }
    check_list(&other, (const int[]){4, 0, 2}, 3);
    check(list_pop_front(&other) == &items[4].node && list_empty(&items[4].node));
}

TEST(a_vector_equals_an_array)
{
    enum { MAX = 300 };
    int model[MAX];
    size_t len = 0;
    struct vec vec = VEC_INIT(int, MAX);
    for (size_t i = 0; i < test_rounds(20000); i++) {
        int value = (int)i;
        if (rng_chance(test_rng(), 520)) {
            int r = vec_push(&vec, &value);
            check_int(r, len < MAX ? 0 : -ENOBUFS);
            if (r == 0) {
                model[len++] = value;
            }
        } else if (len) {
            size_t at = rng_below(test_rng(), len);
            vec_remove(&vec, at);
            memmove(model + at, model + at + 1, (len - at - 1) * sizeof(int));
            len--;
        }
        check_int(vec.len, len);
        check(len == 0 || memcmp(vec.items, model, len * sizeof(int)) == 0);
    }
    vec_fini(&vec);
    vec_fini(NULL);
}

TEST(added_items_are_zero_and_bounded)
{
    struct vec vec = VEC_INIT(long, 2);
    check_int(*(long *)vec_add(&vec), 0);
    *vec_at(&vec, long, 0) = 5;
    vec_reset(&vec);
    check_int(*(long *)vec_add(&vec), 0);
    check(vec_add(&vec) != NULL && vec_add(&vec) == NULL);
    vec_fini(&vec);
}
