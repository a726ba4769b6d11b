/* SPDX-License-Identifier: Apache-2.0
 *
 * encode, utf8, timefmt, problem.
 */
#include "base/encode.h"
#include "base/num.h"
#include "base/problem.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "harness/test.h"

#include <time.h>

static void random_bytes(struct buf *out, size_t max)
{
    buf_reset(out);
    for (uint64_t n = rng_below(test_rng(), max); n > 0; n--) {
        buf_add_char(out, (char)rng_u64(test_rng()));
    }
}

TEST(what_was_encoded_is_decoded)
{
    struct buf data = BUF_INIT(256), text = BUF_INIT(1024), back = BUF_INIT(256);
    for (size_t i = 0; i < test_rounds(3000); i++) {
        random_bytes(&data, 100);
        for (int form = 0; form < 3; form++) {
            buf_reset(&text);
            buf_reset(&back);
            (form == 0   ? encode_hex
             : form == 1 ? encode_base64
                         : encode_base64url)(&text, buf_str(&data));
            check_int((form == 0 ? decode_hex : decode_base64)(&back, buf_str(&text)), 0);
            check_str(buf_str(&back), buf_str(&data));
        }
    }
    buf_fini(&data);
    buf_fini(&text);
    buf_fini(&back);
}

TEST(base64_of_rfc_4648)
{
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {"Z",    "Zg=",      "Zg===", "=",     "==",     "Zh==",
                                      "Zm9=", "Zg==Zg==", "Z g=",  "Zm9v=", "Zm9v\n", "Zg=a"};
    struct buf out = BUF_INIT(64);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&out);
        encode_base64(&out, str_from(cases[i][0]));
        check_str(buf_str(&out), str_from(cases[i][1]));
    }
    buf_reset(&out);
    check_int(decode_base64(&out, STR("-_+/")), 0);
    check_str(buf_str(&out), STR("\xfb\xff\xbf"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(decode_base64(&out, str_from(bad[i])), -EINVAL);
        check_int(out.len, 3);
    }
    check_int(decode_hex(&out, STR("0")), -EINVAL);
    check_int(decode_hex(&out, STR("aAzz")), -EINVAL);
    check_int(out.len, 3);
    buf_fini(&out);
}

TEST(uuids_are_ordered_by_time)
{
    uint8_t random[10] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    char a[UUID_TEXT_LEN + 1], b[UUID_TEXT_LEN + 1];
    uuid_v7(INT64_C(0x017f22e279b0), random, a);
    check_cstr(a, "017f22e2-79b0-7fff-bfff-ffffffffffff");
    memset(random, 0, sizeof(random));
    uuid_v7(INT64_C(0x017f22e279b1), random, b);
    check_cstr(b, "017f22e2-79b1-7000-8000-000000000000");
    check(strcmp(a, b) < 0);
}

/* UTF-8 by its definition: decode, then look at the number. */
static size_t plain_valid_prefix(struct str s)
{
    size_t at = 0;
    while (at < s.len) {
        unsigned char c = (unsigned char)s.p[at];
        size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
        if (len == 0 || c > 0xf7 || at + len > s.len) {
            return at;
        }
        uint32_t code = len == 1 ? c : c & (0x7fu >> len);
        for (size_t i = 1; i < len; i++) {
            if (((unsigned char)s.p[at + i] & 0xc0) != 0x80) {
                return at;
            }
            code = code << 6 | ((unsigned char)s.p[at + i] & 0x3f);
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
            return at;
        }
        at += len;
    }
    return at;
}

TEST(utf8_is_what_its_definition_says)
{
    static const char lead[] =
        "\x7f\x80\xbf\xc0\xc1\xc2\xdf\xe0\xed\xef\xf0\xf4\xf5\xff\x9f\xa0\x8f\x90 ab";
    char bytes[24];
    for (size_t i = 0; i < test_rounds(200000); i++) {
        size_t len = rng_below(test_rng(), sizeof(bytes));
        bool ascii = rng_chance(test_rng(), 500);
        for (size_t j = 0; j < len; j++) {
            bytes[j] = ascii && j + 5 < len ? 'a' : lead[rng_below(test_rng(), sizeof(lead) - 1)];
        }
        check_int(utf8_valid_prefix(str_make(bytes, len)),
                  plain_valid_prefix(str_make(bytes, len)));
    }
}

TEST(every_code_point_is_written_and_read)
{
    struct buf out = BUF_INIT(8);
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        if (code >= 0xd800 && code <= 0xdfff) {
            continue;
        }
        buf_reset(&out);
        utf8_add(&out, code);
        check_int(utf8_valid_prefix(buf_str(&out)), out.len);
        check_int(plain_valid_prefix(buf_str(&out)), out.len);
        check_int(out.len, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
    }
    buf_fini(&out);
}

TEST(columns_on_a_terminal)
{
    check_int(utf8_width(STR("abc")), 3);
    check_int(utf8_width(STR("se\xc3\xb1or")), 5);
    check_int(utf8_width(STR("e\xcc\x81")), 1);
    check_int(utf8_width(STR("\xe6\x97\xa5\xe6\x9c\xac")), 4);
    check_int(utf8_width(STR("\xf0\x9f\x98\x80")), 2);
    check_int(utf8_width(STR("a\xff"
                             "b")),
              3);
    check_int(utf8_width(STR("\xe2\x80\x8b\x1b")), 0);
}

TEST(times_in_rfc_3339)
{
    static const struct {
        int64_t seconds;
        const char *text;
        const char *http;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
        {1795215605, "2026-11-20T23:00:05.000000Z", "Fri, 20 Nov 2026 23:00:05 GMT"},
        {951782400, "2000-02-29T00:00:00.000000Z", "Tue, 29 Feb 2000 00:00:00 GMT"},
        {-1, "1969-12-31T23:59:59.000000Z", "Wed, 31 Dec 1969 23:59:59 GMT"},
        {-2208988801, "1899-12-31T23:59:59.000000Z", "Sun, 31 Dec 1899 23:59:59 GMT"},
    };
    struct buf out = BUF_INIT(64);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t back;
        buf_reset(&out);
        timefmt_rfc3339(&out, cases[i].seconds * NS_PER_S);
        check_cstr(buf_cstr(&out), cases[i].text);
        check_int(timefmt_parse(buf_str(&out), &back), 0);
        check_int(back, cases[i].seconds * NS_PER_S);
        buf_reset(&out);
        timefmt_http(&out, cases[i].seconds * NS_PER_S);
        check_cstr(buf_cstr(&out), cases[i].http);
    }
    buf_fini(&out);
}

/* Against the C library, over the whole range. */
TEST(the_calendar_is_that_of_the_c_library)
{
    struct buf out = BUF_INIT(64);
    for (size_t i = 0; i < test_rounds(20000); i++) {
        int64_t ns = (int64_t)rng_u64(test_rng());
        ns -= ns % NS_PER_US;
        time_t seconds = (time_t)(ns / NS_PER_S - (ns % NS_PER_S < 0));
        struct tm tm;
        char want[64];
        int64_t back;
        check(gmtime_r(&seconds, &tm) != NULL);
        (void)strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
        buf_reset(&out);
        timefmt_rfc3339(&out, ns);
        check(str_starts(buf_str(&out), str_from(want)));
        check_int(timefmt_parse(buf_str(&out), &back), 0);
        check_int(back, ns);
        (void)strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        buf_reset(&out);
        timefmt_http(&out, ns);
        check_cstr(buf_cstr(&out), want);
    }
    buf_fini(&out);
}

TEST(times_with_offsets_and_fractions)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"1970-01-01T01:00:00+01:00", 0},        {"1969-12-31 19:30:00-04:30", 0},
        {"1970-01-01t00:00:01.5z", 1500000000},  {"1970-01-01T00:00:00.123456789Z", 123456789},
        {"1970-01-01T00:00:60Z", 60 * NS_PER_S}, {"2024-02-29T00:00:00Z", 1709164800 * NS_PER_S}};
    static const char *const bad[] = {"",
                                      "1970-01-01",
                                      "1970-01-01T00:00:00",
                                      "1970-1-01T00:00:00Z",
                                      "1970-13-01T00:00:00Z",
                                      "1970-00-01T00:00:00Z",
                                      "1970-01-32T00:00:00Z",
                                      "1970-01-00T00:00:00Z",
                                      "2023-02-29T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "1970-01-01T24:00:00Z",
                                      "1970-01-01T00:60:00Z",
                                      "1970-01-01T00:00:61Z",
                                      "1970-01-01T00:00:00.Z",
                                      "1970-01-01T00:00:00.1234567890Z",
                                      "1970-01-01T00:00:00+1:00",
                                      "1970-01-01T00:00:00+24:00",
                                      "1970-01-01T00:00:00+01:60",
                                      "1970-01-01T00:00:00+0100",
                                      "1970-01-01X00:00:00Z",
                                      "1970-01-01T00:00:00ZZ",
                                      "9999-01-01T00:00:00Z",
                                      "0001-01-01T00:00:00Z",
                                      "+970-01-01T00:00:00Z",
                                      "1970-01-01T00-00:00Z"};
    int64_t ns;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        check_int(timefmt_parse(str_from(good[i].text), &ns), 0);
        check_int(ns, good[i].ns);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(timefmt_parse(str_from(bad[i]), &ns), -EINVAL);
    }
}

TEST(problems_are_cut_counted_and_never_lost)
{
    static struct problem_list list;
    for (int i = 0; i < PROBLEM_LIST_MAX + 5; i++) {
        struct problem *p = problem_list_add(&list);
        problem_set(p, "config.x", "number %d %0500d", i, 0);
        problem_where(p, "f:%d", i);
        problem_expected(p, "%s", "y");
        problem_hint(p, "did you mean '%s'?", "z");
        check_cstr(p->hint, "did you mean 'z'?");
    }
    check_int(list.count, PROBLEM_LIST_MAX + 5);
    check(str_starts(str_from(problem_list_first(&list)->what), STR("number 0 ")));
    check_int(strlen(list.items[3].what), PROBLEM_TEXT_MAX - 1);
    static struct problem_list none;
    check(problem_list_first(&none) == NULL);
}

TEST(problems_are_put_in_the_order_of_their_lines)
{
    static struct problem_list list;
    static const char *const given[] = {"z:9:9",      "a.yaml:10:1", "b:7:1",   "a.yaml:2:30",
                                        "a.yaml:2:4", "b:1:1",       "nowhere", "a.yaml:10:1"};
    static const char *const sorted[] = {"z:9:9", "a.yaml:2:30", "a.yaml:2:4", "a.yaml:10:1",
                                         "b:1:1", "b:7:1",       "nowhere",    "a.yaml:10:1"};
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        struct problem *p = problem_list_add(&list);
        problem_set(p, "x", "%zu", i);
        problem_where(p, "%s", given[i]);
    }
    problem_list_sort(&list, 1);
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        check_cstr(list.items[i].where, sorted[i]);
    }
    check_cstr(list.items[3].what, "1"); /* equal ones stay as they were */
}

TEST(the_nearest_name)
{
    static const struct str names[] = {STR_INIT("image"), STR_INIT("build"), STR_INIT("command")};
    check_str(problem_nearest(STR("imge"), names, 3), STR("image"));
    check_str(problem_nearest(STR("comand"), names, 3), STR("command"));
    check(problem_nearest(STR("x"), names, 3).p == NULL);
    check(problem_nearest(STR("something"), names, 3).p == NULL);
    static const struct str keys[] = {STR_INIT("dns"), STR_INIT("environment"), STR_INIT("ports")};
    check_str(problem_nearest(STR("env"), keys, 3), STR("environment"));
    check_str(problem_nearest(STR("port"), keys, 3), STR("ports"));
    check(problem_nearest(STR("dir"), keys, 3).p == NULL);
}
