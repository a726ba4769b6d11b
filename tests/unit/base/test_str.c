/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "harness/test.h"

#include <stdlib.h>

static struct str random_str(char *memory, size_t max, unsigned letters)
{
    size_t len = rng_below(test_rng(), max + 1);
    for (size_t i = 0; i < len; i++) {
        memory[i] = (char)('a' + rng_below(test_rng(), letters));
    }
    return str_make(memory, len);
}

TEST(slices_are_clamped)
{
    struct str s = STR("hello");
    check_str(str_slice(s, 1, 3), STR("el"));
    check_str(str_slice(s, 3, 99), STR("lo"));
    check_str(str_slice(s, 9, 99), STR(""));
    check_str(str_slice(s, 4, 2), STR(""));
    check_str(str_skip(s, 5), STR(""));
    check_str(str_skip(STR_NONE, 3), STR(""));
    check_str(str_from(NULL), STR_NONE);
}

TEST(prefix_and_suffix)
{
    check(str_starts(STR("abc"), STR("ab")) && str_starts(STR("abc"), STR("")));
    check(!str_starts(STR("a"), STR("ab")) && !str_starts(STR("ba"), STR("a")));
    check(str_ends(STR("abc"), STR("bc")) && str_ends(STR_NONE, STR("")));
    check(!str_ends(STR("c"), STR("bc")));
}

TEST(case_is_folded_for_ascii_only)
{
    check(str_eq_nocase(STR("aZ-09"), STR("Az-09")));
    check(!str_eq_nocase(STR("@"), STR("`")));
    check(!str_eq_nocase(STR("["), STR("{")));
    check(!str_eq_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
    check(!str_eq_nocase(STR("a"), STR("ab")));
}

TEST(order_is_that_of_bytes_and_a_prefix_sorts_first)
{
    char a[8], b[8], c[8];
    check(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
    check(str_cmp(STR("\xff"), STR("a")) > 0 && str_cmp(STR_NONE, STR("")) == 0);
    for (size_t i = 0; i < test_rounds(5000); i++) {
        struct str x = random_str(a, 6, 3), y = random_str(b, 6, 3), z = random_str(c, 6, 3);
        int xy = str_cmp(x, y);
        check((xy < 0) == (str_cmp(y, x) > 0));
        check((xy == 0) == str_eq(x, y));
        check(!(xy <= 0 && str_cmp(y, z) <= 0) || str_cmp(x, z) <= 0);
    }
}

TEST(finding_equals_a_plain_search)
{
    char a[24], b[4];
    for (size_t i = 0; i < test_rounds(5000); i++) {
        struct str s = random_str(a, 20, 3), needle = random_str(b, 3, 3);
        ptrdiff_t want = -1;
        for (size_t at = 0; want < 0 && at + needle.len <= s.len; at++) {
            want = str_eq(str_slice(s, at, at + needle.len), needle) ? (ptrdiff_t)at : -1;
        }
        check_int(str_find(s, needle), want);
        ptrdiff_t first = str_find_char(s, 'a'), last = str_rfind_char(s, 'a');
        check(first < 0 ? last < 0 : s.p[first] == 'a' && s.p[last] == 'a' && first <= last);
        check_int(str_find_char(str_slice(s, 0, (size_t)MAX(first, 0)), 'a'), -1);
        check(last < 0 || str_find_char(str_skip(s, (size_t)last + 1), 'a') < 0);
    }
}

TEST(split_and_join_give_the_same)
{
    char memory[20];
    for (size_t i = 0; i < test_rounds(2000); i++) {
        struct str s = random_str(memory, 18, 3), head, tail;
        bool found = str_split(s, 'b', &head, &tail);
        check_int(found, str_find_char(s, 'b') >= 0);
        check_int(head.len + tail.len + found, s.len);
        check(str_starts(s, head) && str_ends(s, tail));
    }
}

TEST(trimming)
{
    check_str(str_trim(STR(" \t a b\t ")), STR("a b"));
    check_str(str_trim(STR("\r\na\r\n")), STR("\r\na\r\n"));
    check_str(str_trim_ws(STR("\r\n a \r\n")), STR("a"));
    check_str(str_trim(STR("  ")), STR(""));
    check_str(str_trim(STR("\0 ")), STR("\0"));
}

TEST(copies_are_cut_and_terminated)
{
    char out[4] = "zzz";
    check(str_copy(out, sizeof(out), STR("ab")));
    check_cstr(out, "ab");
    check(!str_copy(out, sizeof(out), STR("abcdef")));
    check_cstr(out, "abc");
    check(str_copy(out, 1, STR("")) && !str_copy(out, 1, STR("a")));
    char *copy = str_dup(STR("xy\0z"));
    check(copy && memcmp(copy, "xy\0z", 5) == 0);
    free(copy);
}

TEST(edit_distance)
{
    check_int(str_distance(STR("imge"), STR("image"), 3), 1);
    check_int(str_distance(STR("IMAGE"), STR("image"), 3), 0);
    check_int(str_distance(STR("kitten"), STR("sitting"), 5), 3);
    check_int(str_distance(STR("kitten"), STR("sitting"), 2), 3);
    check_int(str_distance(STR(""), STR("abc"), 9), 3);
    char longer[65] = {0};
    check_int(str_distance(str_make(longer, 65), STR("a"), 3), 4);
    char a[12], b[12];
    for (size_t i = 0; i < test_rounds(1000); i++) {
        struct str x = random_str(a, 10, 3), y = random_str(b, 10, 3);
        check_int(str_distance(x, y, 99), str_distance(y, x, 99));
        check((str_distance(x, y, 99) == 0) == str_eq(x, y));
    }
}
