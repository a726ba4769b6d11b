/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "proto/grpc.h"

#include "base/num.h"

TEST(calls_are_known_by_their_content_type)
{
    static const struct {
        const char *type;
        bool call;
    } rows[] = {
        {"application/grpc", true},           {"application/grpc+proto", true},
        {"Application/gRPC;v=1", true},       {"application/grpc-web", false},
        {"application/grpc-web+json", false}, {"application/json", false},
        {"application/grp", false},           {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_int(grpc_is_call(str_from(rows[i].type)), rows[i].call);
    }
}

TEST(timeouts)
{
    static const struct {
        const char *text;
        int64_t ns; /* -1: refused */
    } rows[] = {
        {"1S", NS_PER_S},
        {"100m", 100 * NS_PER_MS},
        {"5u", 5000},
        {"7n", 7},
        {"2M", 120 * NS_PER_S},
        {"1H", 3600 * NS_PER_S},
        {"99999999H", INT64_MAX / 2},
        {"0S", 0},
        {"S", -1},
        {"", -1},
        {"1", -1},
        {"1s", -1},
        {"999999999S", -1},
        {"-1S", -1},
        {"1.5S", -1},
        {" 1S", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ns = -1;
        int r = grpc_parse_timeout(str_from(rows[i].text), &ns);
        check_int(r, rows[i].ns < 0 ? -EINVAL : 0);
        check_int(ns, rows[i].ns);
    }
}

TEST(statuses_of_a_gateway)
{
    check_int(grpc_status_of(503), GRPC_UNAVAILABLE);
    check_int(grpc_status_of(504), GRPC_DEADLINE_EXCEEDED);
    check_int(grpc_status_of(404), GRPC_UNIMPLEMENTED);
    check_int(grpc_status_of(401), GRPC_UNAUTHENTICATED);
    check_int(grpc_status_of(403), GRPC_PERMISSION_DENIED);
    check_int(grpc_status_of(413), GRPC_RESOURCE_EXHAUSTED);
    check_int(grpc_status_of(400), GRPC_INTERNAL);
    check_int(grpc_status_of(500), GRPC_UNKNOWN);
}

TEST(a_message_is_printable)
{
    char memory[64];
    struct buf out = {.p = memory, .cap = sizeof(memory), .max = sizeof(memory)};
    grpc_write_message(&out, STR("100 % of \xc3\xbc\n"));
    check_str(buf_str(&out), STR("100 %25 of %C3%BC%0A"));
}

TEST(health_requests)
{
    char memory[64];
    struct buf out = {.p = memory, .cap = sizeof(memory), .max = sizeof(memory)};
    grpc_write_health_request(&out, STR_NONE);
    check(str_eq(buf_str(&out), STR("\0\0\0\0\0")));
    buf_reset(&out);
    grpc_write_health_request(&out, STR("a.B"));
    check(str_eq(buf_str(&out), STR("\0\0\0\0\5\x0a\3a.B")));
}

TEST(health_answers)
{
    static const struct {
        struct str bytes;
        int status; /* -1: refused */
    } rows[] = {
        {STR_INIT("\0\0\0\0\2\x08\1"), GRPC_HEALTH_SERVING},
        {STR_INIT("\0\0\0\0\2\x08\2"), GRPC_HEALTH_NOT_SERVING},
        {STR_INIT("\0\0\0\0\0"), GRPC_HEALTH_UNKNOWN}, /* the default is left out */
        {STR_INIT("\0\0\0\0\3\x08\x90\1"), GRPC_HEALTH_UNKNOWN},
        {STR_INIT("\0\0\0\0\6\x12\2hi\x08\1"), GRPC_HEALTH_SERVING}, /* an unknown field before */
        {STR_INIT("\0\0\0\0\7\x1d\1\2\3\4\x08\1"), GRPC_HEALTH_SERVING},
        {STR_INIT("\1\0\0\0\2\x08\1"), -1}, /* compressed */
        {STR_INIT("\0\0\0\0\3\x08\1"), -1}, /* shorter than it says */
        {STR_INIT("\0\0\0\0\1\x08\1"), -1},
        {STR_INIT("\0\0\0\0\1\x08"), -1},
        {STR_INIT("\0\0\0\0\2\x0b\1"), -1}, /* no such wire type */
        {STR_INIT("\0\0\0\0\3\x12\7h"), -1},
        {STR_INIT("\0\0\0"), -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum grpc_health health = GRPC_HEALTH_UNKNOWN;
        check_int(grpc_read_health_answer(rows[i].bytes, &health),
                  rows[i].status < 0 ? -EBADMSG : 0);
        if (rows[i].status >= 0) {
            check_int((int)health, rows[i].status);
        }
    }
}

TEST(no_bytes_are_read_beyond_an_answer)
{
    for (size_t round = 0; round < test_rounds(2000); round++) {
        char bytes[32];
        size_t len = rng_below(test_rng(), sizeof(bytes));
        enum grpc_health health;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)rng_below(test_rng(), i < 4 ? 2 : 256);
        }
        (void)!grpc_read_health_answer(str_make(bytes, len), &health);
    }
}
