/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "harness/test.h"

#define check_duration(text, want)                                                                 \
    do {                                                                                           \
        int64_t ns_ = -1;                                                                          \
        check_int(num_parse_duration(STR(text), &ns_), 0);                                         \
        check_int(ns_, want);                                                                      \
    } while (0)

#define check_size(text, want)                                                                     \
    do {                                                                                           \
        uint64_t bytes_ = 1;                                                                       \
        check_int(num_parse_size(STR(text), &bytes_), 0);                                          \
        check_int(bytes_, want);                                                                   \
    } while (0)

TEST(integers_take_the_whole_slice_or_refuse)
{
    static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1a", "1.0"};
    uint64_t u = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(num_parse_u64(str_from(bad[i]), &u), -EINVAL);
        check_int(u, 7);
    }
    check_int(num_parse_u64(STR("18446744073709551615"), &u), 0);
    check(u == UINT64_MAX);
    check_int(num_parse_u64(STR("18446744073709551616"), &u), -ERANGE);
    check_int(num_parse_u64(STR("99999999999999999999999999"), &u), -ERANGE);
    check_int(num_parse_u64(STR("000012"), &u), 0);
    check_int(u, 12);
}

TEST(signed_integers_reach_both_ends)
{
    int64_t n;
    check_int(num_parse_i64(STR("-9223372036854775808"), &n), 0);
    check(n == INT64_MIN);
    check_int(num_parse_i64(STR("-9223372036854775809"), &n), -ERANGE);
    check_int(num_parse_i64(STR("9223372036854775807"), &n), 0);
    check(n == INT64_MAX);
    check_int(num_parse_i64(STR("9223372036854775808"), &n), -ERANGE);
    check_int(num_parse_i64(STR("-"), &n), -EINVAL);
    check_int(num_parse_i64(STR("--1"), &n), -EINVAL);
}

TEST(hex_has_no_prefix_and_no_overflow)
{
    uint64_t n;
    check_int(num_parse_hex(STR("dEadBeef"), &n), 0);
    check_int(n, 0xdeadbeef);
    check_int(num_parse_hex(STR("0ffffffffffffffff"), &n), 0);
    check(n == UINT64_MAX);
    check_int(num_parse_hex(STR("10000000000000000"), &n), -ERANGE);
    check_int(num_parse_hex(STR("0x1"), &n), -EINVAL);
    check_int(num_parse_hex(STR(""), &n), -EINVAL);
    check_int(num_parse_hex(STR("g"), &n), -EINVAL);
}

TEST(doubles_are_plain_decimals)
{
    static const char *const bad[] = {"",   "nan", "inf", "0x1p3", " 1", "1.",
                                      ".5", "1e",  "1e+", "--1",   "1 "};
    double d;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(num_parse_double(str_from(bad[i]), &d), -EINVAL);
    }
    check_int(num_parse_double(STR("-12.5e1"), &d), 0);
    check_int((int)d, -125);
    check_int(num_parse_double(STR("-1.7976931348623157e308"), &d), 0);
    check_int(num_parse_double(STR("1.7976931348623157e308"), &d), 0);
    check_int(num_parse_double(STR("1e999"), &d), -ERANGE);
    check_int(num_parse_double(STR("-1e999"), &d), -ERANGE);
}

TEST(durations_as_compose_writes_them)
{
    check_duration("1h30m", 5400 * NS_PER_S);
    check_duration("10s", 10 * NS_PER_S);
    check_duration("1.5s", 1500 * NS_PER_MS);
    check_duration("250ms", 250 * NS_PER_MS);
    check_duration("20us", 20 * NS_PER_US);
    check_duration("20\xc2\xb5s", 20 * NS_PER_US);
    check_duration("7ns", 7);
    check_duration("10", 10 * NS_PER_S);
    check_duration("0", 0);
    check_duration("2d", 172800 * NS_PER_S);
    check_duration("0.0000000001s", 0);
    check_duration("1m1m", 120 * NS_PER_S);
}

TEST(bad_durations_are_refused)
{
    static const char *const bad[] = {"",    "s",  "-1s",  "+1s", " 1s", "1 s",
                                      "1s ", "1x", "1h30", "1.s", ".5s", "1,5s"};
    int64_t ns;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(num_parse_duration(str_from(bad[i]), &ns), -EINVAL);
    }
    check_int(num_parse_duration(STR("9223372036854775807ns"), &ns), 0);
    check_int(num_parse_duration(STR("9223372036854775807ns1ns"), &ns), -ERANGE);
    check_int(num_parse_duration(STR("9999999999h"), &ns), -ERANGE);
}

TEST(sizes_are_powers_of_1024_in_any_case)
{
    check_size("64k", 65536);
    check_size("64KB", 65536);
    check_size("64KiB", 65536);
    check_size("1.5gb", 3 * GIB / 2);
    check_size("512m", 512 * MIB);
    check_size("2b", 2);
    check_size("2", 2);
    check_size("1t", 1024 * GIB);
    check_size("1 MB", MIB);
    static const char *const bad[] = {"",    "k",  "-1k", "1kk",  "1bb", "1x",
                                      "1ib", "1i", " 1",  "1  k", "1kbx"};
    uint64_t n;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        check_int(num_parse_size(str_from(bad[i]), &n), -EINVAL);
    }
    check_int(num_parse_size(STR("99999p"), &n), -ERANGE);
}

static struct str duration_text(struct buf *out, int64_t ns)
{
    buf_reset(out);
    num_format_duration(out, ns);
    return buf_str(out);
}

TEST(durations_are_written_short)
{
    struct buf out = BUF_INIT(64);
    check_str(duration_text(&out, 90 * NS_PER_S), STR("1m30s"));
    check_str(duration_text(&out, 2500 * NS_PER_MS), STR("2.5s"));
    check_str(duration_text(&out, 250 * NS_PER_MS), STR("250ms"));
    check_str(duration_text(&out, 0), STR("0s"));
    check_str(duration_text(&out, 3600 * NS_PER_S), STR("1h"));
    check_str(duration_text(&out, 3601 * NS_PER_S), STR("1h1s"));
    check_str(duration_text(&out, 1500), STR("1.5us"));
    check_str(duration_text(&out, 999), STR("999ns"));
    check_str(duration_text(&out, 1000), STR("1us"));
    check_str(duration_text(&out, NS_PER_MS), STR("1ms"));
    check_str(duration_text(&out, NS_PER_S), STR("1s"));
    check_str(duration_text(&out, 60 * NS_PER_S), STR("1m"));
    check_str(duration_text(&out, -NS_PER_S), STR("-1s"));
    check_str(duration_text(&out, INT64_MIN), STR("-2562047h47m16.854775808s"));
    buf_fini(&out);
}

TEST(a_written_duration_reads_back)
{
    struct buf out = BUF_INIT(64);
    for (size_t i = 0; i < test_rounds(20000); i++) {
        int64_t ns = (int64_t)(rng_u64(test_rng()) >> (1 + rng_below(test_rng(), 62)));
        int64_t back = -1;
        check_int(num_parse_duration(duration_text(&out, ns), &back), 0);
        check_int(back, ns);
    }
    buf_fini(&out);
}

TEST(ages_and_bytes_are_rounded_for_people)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},          {812, "812 B"},        {999, "999 B"},        {1000, "1.0 kB"},
        {1400000, "1.4 MB"}, {99949, "99.9 kB"},    {99950, "100 kB"},     {999499, "999 kB"},
        {999500, "1.0 MB"},  {999999999, "1.0 GB"}, {15000000, "15.0 MB"}, {UINT64_MAX, "18.4 EB"}};
    struct buf out = BUF_INIT(64);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&out);
        num_format_bytes(&out, cases[i].bytes);
        check_cstr(buf_cstr(&out), cases[i].text);
    }
    static const struct {
        int64_t seconds;
        const char *text;
    } ages[] = {{-5, "0 s"},    {12, "12 s"},    {180, "3 min"},
                {18000, "5 h"}, {172800, "2 d"}, {172799, "47 h"}};
    for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
        buf_reset(&out);
        num_format_age(&out, ages[i].seconds * NS_PER_S);
        check_cstr(buf_cstr(&out), ages[i].text);
    }
    buf_fini(&out);
}
