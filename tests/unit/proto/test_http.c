/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "proto/http.h"
#include "proto/http_scan.h"

TEST(every_name_is_found_whatever_its_case)
{
    for (unsigned id = HTTP_H_OTHER + 1; id < HTTP_H_COUNT; id++) {
        char upper[HTTP_HEADER_NAME_MAX];
        struct str name = http_header_name((enum http_header_id)id);
        check(name.len >= 2 && name.len <= HTTP_HEADER_NAME_MAX);
        check_int(http_header_find(name), id);
        for (size_t i = 0; i < name.len; i++) {
            upper[i] = name.p[i] >= 'a' && name.p[i] <= 'z' ? (char)(name.p[i] - 32) : name.p[i];
        }
        check_int(http_header_find(str_make(upper, name.len)), id);
        check_int(http_header_find(str_slice(name, 0, name.len - 1)), HTTP_H_OTHER);
        upper[0] = '_';
        check_int(http_header_find(str_make(upper, name.len)), HTTP_H_OTHER);
    }
    check_int(http_header_find(STR("")), HTTP_H_OTHER);
    check_int(http_header_find(STR("x")), HTTP_H_OTHER);
    check_int(http_header_find(STR("x-unheard-of")), HTTP_H_OTHER);
}

TEST(methods_have_a_case)
{
    for (unsigned m = HTTP_METHOD_OTHER + 1; m < HTTP_METHOD_COUNT; m++) {
        check_int(http_method_find(http_method_name((enum http_method)m)), m);
    }
    check_int(http_method_find(STR("get")), HTTP_METHOD_OTHER);
    check_int(http_method_find(STR("")), HTTP_METHOD_OTHER);
    check(http_method_idempotent(HTTP_PUT) && !http_method_idempotent(HTTP_POST));
    check(!http_method_idempotent(HTTP_METHOD_OTHER));
}

TEST(reasons)
{
    check_str(http_reason(404), STR("Not Found"));
    check_str(http_reason(503), STR("Service Unavailable"));
    check_int(http_reason(799).len, 0);
}

/* Mostly good bytes, so that scanners get far, at every alignment. */
static struct str random_text(char *memory, size_t size)
{
    struct rng *rng = test_rng();
    size_t from = rng_below(rng, 32);
    size_t len = rng_below(rng, size - from + 1);
    for (size_t i = 0; i < len; i++) {
        bool odd = rng_chance(rng, 20);
        memory[from + i] = odd ? (char)rng_u64(rng) : (char)('a' + rng_below(rng, 26));
    }
    return str_make(memory + from, len);
}

TEST(vector_scanners_equal_the_table)
{
    char memory[160];
    for (size_t i = 0; i < test_rounds(100000); i++) {
        struct str s = random_text(memory, sizeof(memory));
        size_t at = rng_below(test_rng(), s.len + 1);
        check_int(http_scan_token(s.p, at, s.len), http_scan_table(s.p, at, s.len, HTTP_C_TOKEN));
        check_int(http_scan_value(s.p, at, s.len), http_scan_table(s.p, at, s.len, HTTP_C_VALUE));
        check_int(http_scan_target(s.p, at, s.len), http_scan_table(s.p, at, s.len, HTTP_C_TARGET));
        check_int(http_scan_host(s.p, at, s.len), http_scan_table(s.p, at, s.len, HTTP_C_HOST));
    }
}

TEST(vector_scanners_know_every_byte_at_every_place)
{
    char text[40];
    for (size_t len = 1; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned c = 0; c < 256; c++) {
                memset(text, 'a', sizeof(text));
                text[at] = (char)c;
                check_int(http_scan_token(text, 0, len),
                          http_scan_table(text, 0, len, HTTP_C_TOKEN));
                check_int(http_scan_value(text, 0, len),
                          http_scan_table(text, 0, len, HTTP_C_VALUE));
                check_int(http_scan_host(text, 0, len), http_scan_table(text, 0, len, HTTP_C_HOST));
                check_int(http_scan_target(text, 0, len),
                          http_scan_table(text, 0, len, HTTP_C_TARGET));
            }
        }
    }
}

TEST(words_fold_case)
{
    check(http_word_is(STR("Keep-ALIVE"), STR("keep-alive")));
    check(http_word_is(STR("CHUNKED"), STR("chunked")));
    check(!http_word_is(STR("chunkee"), STR("chunked")));
    check(!http_word_is(STR("keep-alivf"), STR("keep-alive")));
    check(!http_word_is(STR("leep-alive"), STR("keep-alive")));
    check(!http_word_is(STR("close "), STR("close")));
}

TEST(tokens_and_values)
{
    check(http_is_token(STR("X-a_1.~")));
    check(!http_is_token(STR("")) && !http_is_token(STR("a b")) && !http_is_token(STR("a:")));
    check(http_is_field_value(STR("")) && http_is_field_value(STR("a\tb \xff")));
    check(!http_is_field_value(STR("a\nb")) && !http_is_field_value(STR("a\0")));
}

TEST(lists_skip_empty_elements_and_keep_quotes_whole)
{
    struct str list = STR(" , a,b ;q=1,, \"c,\\\"d\" ,e,");
    static const char *const want[] = {"a", "b ;q=1", "\"c,\\\"d\"", "e"};
    struct str item;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        check(http_list_next(&list, &item));
        check_str(item, str_from(want[i]));
    }
    check(!http_list_next(&list, &item));
    list = STR("\"open, to the end");
    check(http_list_next(&list, &item));
    check_str(item, STR("\"open, to the end"));
}
