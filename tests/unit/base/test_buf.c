/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/test.h"

#include <stdlib.h>

TEST(a_random_walk_equals_a_plain_array)
{
    enum { MAX = 3000 };
    char model[MAX];
    size_t len = 0;
    struct buf buf = BUF_INIT(MAX);
    for (size_t i = 0; i < test_rounds(20000); i++) {
        char piece[300];
        size_t n = rng_below(test_rng(), sizeof(piece));
        memset(piece, (int)('a' + i % 26), sizeof(piece));
        switch (rng_below(test_rng(), 6)) {
        case 0:
        case 1:
            buf_add_mem(&buf, piece, n);
            if (len + n <= MAX) {
                memcpy(model + len, piece, n);
                len += n;
            } else {
                check_int(buf_error(&buf), -ENOBUFS);
                buf_reset(&buf);
                len = 0;
            }
            break;
        case 2:
            n = MIN(n, len);
            buf_consume(&buf, n);
            memmove(model, model + n, len - n);
            len -= n;
            break;
        case 3:
            len = MIN(n, len);
            buf_cut(&buf, len);
            break;
        default: {
            char *room = buf_reserve(&buf, n);
            if (len + n <= MAX) {
                memcpy(room, piece, n);
                memcpy(model + len, piece, n);
                buf_commit(&buf, n);
                len += n;
            } else {
                check(room == NULL);
                buf_reset(&buf);
                len = 0;
            }
        }
        }
        check_str(buf_str(&buf), str_make(model, len));
        check_int(buf_cstr(&buf)[len], '\0');
    }
    buf_fini(&buf);
}

TEST(errors_are_sticky_until_reset)
{
    struct buf buf = BUF_INIT(4);
    buf_add(&buf, STR("abc"));
    buf_add(&buf, STR("de"));
    check_int(buf_error(&buf), -ENOBUFS);
    buf_add(&buf, STR("f"));
    check_str(buf_str(&buf), STR("abc"));
    check(buf_take(&buf) == NULL);
    check_int(buf_error(&buf), 0);
    buf_add(&buf, STR("abcd"));
    check_int(buf_error(&buf), 0);
    check_cstr(buf_cstr(&buf), "abcd");
    buf_fini(&buf);
    buf_fini(NULL);
}

TEST(numbers_and_formats)
{
    struct buf buf = BUF_INIT(1024);
    buf_add_u64(&buf, 0);
    buf_add_char(&buf, ' ');
    buf_add_u64(&buf, UINT64_MAX);
    buf_add_char(&buf, ' ');
    buf_add_i64(&buf, INT64_MIN);
    buf_add_char(&buf, ' ');
    buf_add_i64(&buf, 7);
    buf_printf(&buf, " %s-%d", "x", 5);
    check_cstr(buf_cstr(&buf), "0 18446744073709551615 -9223372036854775808 7 x-5");
    buf_reset(&buf);
    buf_printf(&buf, "%0500d", 1);
    check_int(buf.len, 500);
    buf_printf(&buf, "%0600d", 1);
    check_int(buf_error(&buf), -ENOBUFS);
    buf_fini(&buf);
}

TEST(a_full_buffer_can_be_taken)
{
    struct buf buf = BUF_INIT(4);
    buf_add(&buf, STR("abcd"));
    char *p = buf_take(&buf);
    check(p != NULL);
    check_cstr(p, "abcd");
    free(p);
}

TEST(taking_hands_the_memory_over)
{
    struct buf buf = BUF_INIT(64);
    buf_add_cstr(&buf, "mine");
    char *p = buf_take(&buf);
    check_cstr(p, "mine");
    free(p);
    check_int(buf.len, 0);
    p = buf_take(&buf);
    check_cstr(p, "");
    free(p);
    check_cstr(buf_cstr(&buf), "");
    buf_fini(&buf);
}
