/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "proto/sse.h"

/* All events of a stream, as "event|id|data;", read in pieces of at most `step` bytes. */
static int collect(struct str in, size_t step, size_t max, struct buf *out)
{
    struct sse_parser parser;
    struct sse_event event;
    int r = 0;
    sse_parser_init(&parser, max);
    while (r >= 0 && in.len) {
        struct str piece = str_slice(in, 0, step);
        in = str_skip(in, piece.len);
        while ((r = sse_parse(&parser, &piece, &event)) == SSE_E_EVENT) {
            buf_add(out, event.event);
            buf_add_char(out, '|');
            buf_add(out, event.id);
            buf_add_char(out, '|');
            buf_add(out, event.data);
            buf_add_char(out, ';');
        }
    }
    sse_parser_fini(&parser);
    return r;
}

static const struct {
    struct str in;
    const char *want;
} streams[] = {
    {STR_INIT("data: a\n\n"), "||a;"},
    {STR_INIT("data:a\r\rdata: b\r\r"), "||a;||b;"},
    {STR_INIT("data: a\r\n\r\ndata: b\r\n\r\n"), "||a;||b;"},
    {STR_INIT("\xef\xbb\xbf"
              "data: a\n\n"),
     "||a;"},
    {STR_INIT("event: x\nid: 7\ndata: a\ndata: b\n\ndata: c\n\n"), "x|7|a\nb;|7|c;"},
    {STR_INIT(": comment\n\ndata\n\n"), "||;"},
    {STR_INIT("data:\ndata:\n\n"), "||\n;"},
    {STR_INIT("event: x\n\ndata: a\n\n"), "||a;"},
    {STR_INIT("id: 1\0"
              "2\ndata: a\n\n"),
     "||a;"},
    {STR_INIT("data: a\nunknown: b\nretry: 5\n\n"), "||a;"},
    {STR_INIT("data:  a \n\n"), "|| a ;"},
    {STR_INIT("data: lost at the end"), ""},
    {STR_INIT("data: a\n\ndata: lost\n"), "||a;"},
};

TEST(streams_by_the_standard_however_they_are_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        for (size_t step = 1; step <= streams[i].in.len; step++) {
            struct buf out = BUF_INIT(256);
            check_int(collect(streams[i].in, step, 1024, &out), 0);
            check_str(buf_str(&out), str_from(streams[i].want));
            buf_fini(&out);
        }
    }
}

static struct str random_text(char *memory, size_t size, bool lines)
{
    static const char letters[] = "ab: \xc3\xb1\n\n";
    size_t len = rng_below(test_rng(), size);
    for (size_t i = 0; i < len; i++) {
        memory[i] = letters[rng_below(test_rng(), lines ? 8 : 6)];
    }
    return str_make(memory, len);
}

TEST(what_was_written_is_read)
{
    char a[20], b[20], c[40];
    for (size_t i = 0; i < test_rounds(2000); i++) {
        struct buf wire = BUF_INIT(4096), got = BUF_INIT(4096), want = BUF_INIT(4096);
        struct sse_event event = {random_text(a, sizeof(a), false),
                                  random_text(b, sizeof(b), false),
                                  random_text(c, sizeof(c), true)};
        sse_write_comment(&wire, STR("hello"));
        sse_write(&wire, &event);
        buf_add(&want, event.event);
        buf_add_char(&want, '|');
        buf_add(&want, event.id);
        buf_add_char(&want, '|');
        buf_add(&want, event.data);
        buf_add_char(&want, ';');
        check_int(collect(buf_str(&wire), 1 + rng_below(test_rng(), 30), 1024, &got), 0);
        check_str(buf_str(&got), buf_str(&want));
        buf_fini(&wire);
        buf_fini(&got);
        buf_fini(&want);
    }
}

TEST(written_data_with_carriage_returns_becomes_lines)
{
    struct buf out = BUF_INIT(256);
    sse_write(&out, &(struct sse_event){.data = STR("a\r\nb\rc")});
    sse_write(&out, &(struct sse_event){.data = STR("d\r\n")});
    sse_write_retry(&out, 1500);
    check_str(buf_str(&out),
              STR("data: a\ndata: b\ndata: c\n\ndata: d\ndata: \n\nretry: 1500\n\n"));
    buf_fini(&out);
}

TEST(events_are_bounded)
{
    struct buf out = BUF_INIT(256), in = BUF_INIT(8192);
    for (size_t i = 0; i < 100; i++) {
        buf_add(&in, STR("data: 0123456789\n"));
    }
    check_int(collect(buf_str(&in), 7, 500, &out), -ENOBUFS);
    buf_reset(&in);
    for (size_t i = 0; i < 1000; i++) {
        buf_add_char(&in, 'x');
    }
    check_int(collect(buf_str(&in), 7, 500, &out), -ENOBUFS);
    check_int(out.len, 0);
    buf_fini(&in);
    buf_fini(&out);
}

TEST(retry_is_kept)
{
    struct sse_parser parser;
    struct sse_event event;
    struct str in = STR("retry: soon\n\n");
    sse_parser_init(&parser, 100);
    check_int(sse_parse(&parser, &in, &event), 0);
    check(!parser.retry_set);
    in = STR("retry: 250\nretry: soon\n\n");
    check_int(sse_parse(&parser, &in, &event), 0);
    check(parser.retry_set);
    check_int(parser.retry_ms, 250);
    sse_parser_fini(&parser);
    sse_parser_fini(NULL);
}
