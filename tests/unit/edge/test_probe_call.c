/* SPDX-License-Identifier: Apache-2.0
 *
 * A health check against the bytes of servers, whole and byte by byte.
 */
#include "edge/probe_call.h"

#include "harness/test.h"
#include "proto/http2_types.h"

#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define OK_HEAD  "\0\0\1\1\4\0\0\0\1\x88"
#define SERVING  "\0\0\7\0\0\0\0\0\1\0\0\0\0\2\10\1"
#define STATUS   "\0\13grpc-status\1"
/* HEADERS with END_STREAM: grpc-status. */
#define TRAILERS(digit) "\0\0\17\1\5\0\0\0\1" STATUS digit

static const struct {
    const char *what;
    struct str bytes;
    int error; /* of the result; -1: it is not done; -2: the session fails */
    const char *words;
} answers[] = {
    {"it serves", STR_INIT(SETTINGS OK_HEAD SERVING TRAILERS("0")), 0, "SERVING"},
    {"it does not", STR_INIT(SETTINGS OK_HEAD "\0\0\7\0\0\0\0\0\1\0\0\0\0\2\10\2" TRAILERS("0")),
     EPROTO, "NOT_SERVING"},
    {"an interim answer first",
     STR_INIT(SETTINGS "\0\0\5\1\4\0\0\0\1\x08\x03"
                       "103" OK_HEAD SERVING TRAILERS("0")),
     0, "SERVING"},
    {"no such service", STR_INIT(SETTINGS "\0\0\20\1\5\0\0\0\1\x88" STATUS "5"), EPROTO,
     "no such service"},
    {"not implemented",
     STR_INIT(SETTINGS "\0\0\21\1\5\0\0\0\1\x88\0\13grpc-status\2"
                       "12"),
     EPROTO, "grpc.health.v1 is not implemented"},
    {"a status that is none", STR_INIT(SETTINGS OK_HEAD TRAILERS("x")), EPROTO, "the call failed"},
    {"an answer without a status", STR_INIT(SETTINGS "\0\0\1\1\5\0\0\0\1\x8d"), EBADMSG,
     "no grpc-status"},
    {"no message", STR_INIT(SETTINGS OK_HEAD TRAILERS("0")), EBADMSG, "not a health answer"},
    {"a reset", STR_INIT(SETTINGS "\0\0\4\3\0\0\0\0\1\0\0\0\2"), EBADMSG, "no grpc-status"},
    {"nothing yet", STR_INIT(SETTINGS OK_HEAD), -1, NULL},
    {"HTTP/1", STR_INIT("HTTP/1.1 400 Bad Request\r\n\r\n"), -2, NULL},
    {"a head that is not HPACK", STR_INIT(SETTINGS "\0\0\1\1\4\0\0\0\1\x80"), -2, NULL},
};

static int feed(struct probe_call *call, struct str bytes, size_t step)
{
    int r = 0;
    while (bytes.len > 0 && r == 0) {
        r = probe_call_input(call, str_slice(bytes, 0, step));
        bytes = str_skip(bytes, step);
        (void)probe_call_output(call);
    }
    return r;
}

TEST(answers_of_servers_are_understood_however_they_come)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        for (size_t step = 1; step < 90; step += 11) {
            struct str words = STR_NONE;
            struct probe_call *call = probe_call_new(STR("shop"), STR("a.example:50051"), false);
            check(call);
            check(str_starts(probe_call_output(call), STR(HTTP2_PREFACE)));
            int r = feed(call, answers[i].bytes, step);
            r = r == PROBE_CALL_E_DONE ? probe_call_result(call, &words) : r < 0 ? -2 : -1;
            if (r != answers[i].error) {
                check_cstr(answers[i].what, "understood");
            }
            check_str(words, str_from(answers[i].words));
            probe_call_free(call);
        }
    }
}

/* The payload of the next frame of that type. */
static struct str find_frame(struct str out, unsigned type)
{
    while (out.len >= HTTP2_FRAME_HEAD) {
        size_t len = http2_u32(out.p) >> 8;
        if ((unsigned char)out.p[3] == type) {
            return str_slice(out, HTTP2_FRAME_HEAD, HTTP2_FRAME_HEAD + len);
        }
        out = str_skip(out, HTTP2_FRAME_HEAD + len);
    }
    return STR_NONE;
}

TEST(the_scheme_is_that_of_the_connection)
{
    for (unsigned secure = 0; secure < 2; secure++) {
        struct probe_call *call = probe_call_new(STR("shop"), STR("a.example"), secure);
        struct str out = str_skip(probe_call_output(call), sizeof(HTTP2_PREFACE) - 1);
        struct str head = find_frame(out, HTTP2_HEADERS);
        check(str_starts(str_skip(head, 1), secure ? STR("\x87") : STR("\x86")));
        probe_call_free(call);
    }
}

TEST(the_request_names_the_service_and_ends_there)
{
    struct probe_call *call = probe_call_new(STR("shop"), STR("a.example"), false);
    struct str out = str_skip(probe_call_output(call), sizeof(HTTP2_PREFACE) - 1);
    check_str(find_frame(out, HTTP2_DATA), STR("\0\0\0\0\6\12\4shop"));
    check(str_find(find_frame(out, HTTP2_HEADERS), STR("/grpc.health.v1.Health/Check")) > 0);
    check_int(out.p[out.len - 11 - 9 + 4] & HTTP2_END_STREAM, HTTP2_END_STREAM);
    check_int(probe_call_output(call).len, 0);
    check_int(feed(call,
                   STR(SETTINGS "\0\0\10\6\0\0\0\0\0"
                                "12345678"),
                   SIZE_MAX),
              0);
    probe_call_free(call);
}

TEST(who_asks_too_much_of_a_probe_is_no_server)
{
    struct probe_call *call = probe_call_new(STR(""), STR("a"), false);
    int r = probe_call_input(call, STR(SETTINGS));
    for (size_t i = 0; i < 1000 && r == 0; i++) { /* pings, and nobody takes the answers */
        r = probe_call_input(call, STR("\0\0\10\6\0\0\0\0\0"
                                       "12345678"));
    }
    check_int(r, -EBADMSG);
    probe_call_free(call);
}
