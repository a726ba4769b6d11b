/* SPDX-License-Identifier: Apache-2.0
 *
 * One side of an HTTP/2 connection and a peer that sends the input. The first byte: 1 we are the
 * server (the preface goes in front), 2 streams are answered (or, as a client, have a body) and
 * time passes, 4 what comes is taken at once, 8 heads are long, 16 no new streams in the end; the
 * second: how the input is cut (0: at every byte).
 *
 * What is read is the same however it is cut; what we send is frames, whose heads nghttp2 reads and
 * whose DATA the peer has allowed; no stream is closed twice, and none is left.
 */
#include "fuzz.h"
#include "proto/http2.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum { STREAMS = 8, OUT_MAX = 1 << 20 };

struct end {
    struct http2_stream stream;
    bool there, head;
    size_t untaken;
};

struct run {
    struct http2 http;
    struct end ends[STREAMS];
    unsigned kind;
    uint64_t digest;
    size_t count;
    char *out;
};

static struct run *run_of(struct http2 *h)
{
    return container_of(h, struct run, http);
}
static struct end *end_of(struct http2_stream *stream)
{
    return container_of(stream, struct end, stream);
}

static void note(struct run *run, unsigned what, uint32_t id, struct str bytes)
{
    uint64_t hash = run->digest ^ (what + ((uint64_t)id << 8));
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ (unsigned char)bytes.p[i]) * UINT64_C(0x100000001b3);
    }
    run->digest = hash * UINT64_C(0x100000001b3);
}

static struct http2_stream *on_open(struct http2 *h)
{
    struct run *run = run_of(h);
    for (size_t i = 0; i < STREAMS; i++) {
        if (!run->ends[i].there) {
            run->ends[i] = (struct end){.there = true};
            return &run->ends[i].stream;
        }
    }
    return NULL;
}

static void on_field(struct http2 *h, struct http2_stream *stream, const struct hpack_found *field)
{
    note(run_of(h), 1, stream->id, field->name);
    note(run_of(h), 2, stream->id, field->value);
    if (str_is(field->name, "priority")) {
        http2_prioritize(stream, field->value);
    }
}

static enum http2_head_verdict on_head(struct http2 *h, struct http2_stream *stream, bool last)
{
    note(run_of(h), 3 + last, stream->id, STR_NONE);
    end_of(stream)->head = true;
    return HTTP2_HEAD_OK;
}

/* Bytes are noted one by one: where they were cut is not part of what was read. */
static bool on_data(struct http2 *h, struct http2_stream *stream, struct str bytes)
{
    struct run *run = run_of(h);
    for (size_t i = 0; i < bytes.len; i++) {
        note(run, 5, stream->id, str_slice(bytes, i, i + 1));
    }
    if (run->kind & 4) {
        http2_taken(h, stream, bytes.len);
    } else {
        end_of(stream)->untaken += bytes.len;
    }
    return true;
}

static void on_end(struct http2 *h, struct http2_stream *stream)
{
    note(run_of(h), 6, stream->id, STR_NONE);
}

static void on_closed(struct http2 *h, struct http2_stream *stream, uint32_t error)
{
    struct end *end = end_of(stream);
    fuzz_check(end->there && stream->id == 0);
    end->there = false;
    note(run_of(h), 7, error, STR_NONE);
}

static void on_goaway(struct http2 *h)
{
    note(run_of(h), 8, 0, STR_NONE);
}

static void on_window(struct http2 *h)
{
    (void)h;
}

static bool on_room(struct http2 *h, size_t n)
{
    (void)h;
    (void)n;
    return false; /* it is full */
}

static const struct http2_ops ops = {
    .open = on_open,
    .field = on_field,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .closed = on_closed,
    .goaway = on_goaway,
    .window = on_window,
    .room = on_room,
};

static char long_text[HTTP2_FRAME_MAX + 1000];

/* What we say: an answer, or a request (the first four in place of the status). */
static size_t head_fields(const struct run *run, struct hpack_field *ret)
{
    const struct hpack_field request[] = {
        {.id = HPACK_METHOD, .value = STR("GET")},
        {.id = HPACK_SCHEME, .value = STR("https")},
        {.id = HPACK_AUTHORITY, .value = STR("a")},
        {.id = HPACK_PATH, .value = STR("/")},
    };
    const struct hpack_field others[] = {
        {.id = HTTP_H_CONTENT_TYPE, .value = STR("text/plain")},
        {.id = HTTP_H_OTHER, .name = STR("X-Kept"), .value = STR("in the table")},
        {.id = HTTP_H_AUTHORIZATION, .value = STR("nobody keeps it"), .secret = true},
        {.id = HTTP_H_OTHER, .name = str_make(long_text, 300), .value = STR("long name")},
        {.id = HTTP_H_OTHER,
         .name = STR("x-long"),
         .value = str_make(long_text, sizeof(long_text))},
    };
    size_t n = 0;
    if (run->kind & 1) {
        ret[n++] = (struct hpack_field){.id = HPACK_STATUS, .value = STR("200")};
    }
    for (size_t i = 0; i < ARRAY_LEN(request) && !(run->kind & 1); i++) {
        ret[n++] = request[i];
    }
    for (size_t i = 0; i < (run->kind & 8 ? ARRAY_LEN(others) : 3); i++) {
        ret[n++] = others[i];
    }
    return n;
}

static bool put_head(struct run *run, struct http2_stream *stream, bool last)
{
    struct hpack_field fields[16];
    size_t n = head_fields(run, fields);
    return http2_put_head(&run->http, stream, fields, n, last);
}

/* What an owner does between two reads: answers, bodies, ends. */
static void answer(struct run *run)
{
    struct http2 *h = &run->http;
    for (size_t i = 0; i < STREAMS; i++) {
        struct end *end = &run->ends[i];
        struct http2_stream *stream = &end->stream;
        if (!end->there || !end->head || stream->local_end || h->failed) {
            continue;
        }
        bool last = stream->id % 8 == 3;
        if (!put_head(run, stream, last) || !end->there || last) {
            continue;
        }
        size_t n = http2_may_send(h, stream);
        if (n > 0 && !http2_put_data(h, stream, str_slice(STR("some bytes"), 0, n))) {
            continue;
        }
        if (stream->id % 8 == 5) {
            http2_put_end(h, stream);
        } else if (stream->id % 8 == 7) {
            http2_end_in(h, stream, h->out + h->last_frame);
        } else {
            http2_leave(h, stream, HTTP2_CANCEL);
            end->there = false;
        }
    }
}

static void begin(struct run *run, unsigned kind)
{
    static const struct http2_limits limits = {.window = 100,
                                               .session_window = 70000,
                                               .streams_max = 5,
                                               .head_max = 16384,
                                               .glitches_max = 2000};
    *run = (struct run){.kind = kind, .out = malloc(OUT_MAX), .digest = 1};
    run->http.out = run->out;
    run->http.out_cap = OUT_MAX;
    fuzz_check(http2_init(&run->http, &ops, &limits, kind & 1, 512) == 0);
    for (size_t i = 0; i < 4 && !(kind & 1); i++) {
        struct end *end = &run->ends[i];
        fuzz_check(http2_open(&run->http, &end->stream));
        *end = (struct end){.stream = end->stream, .there = true};
        fuzz_check(put_head(run, &end->stream, !(kind & 2) || i == 3));
    }
}

static void feed(struct run *run, struct str in, size_t step)
{
    while (in.len > 0 && !run->http.failed) {
        struct str piece = str_slice(in, 0, step);
        char *copy = malloc(piece.len); /* a look beyond it is found */
        memcpy(copy, piece.p, piece.len);
        http2_read(&run->http, str_make(copy, piece.len));
        free(copy);
        in = str_skip(in, piece.len);
        if (run->kind & 2) {
            run->http.now_ns += 100000000;
            answer(run);
        }
    }
}

static void check_head(nghttp2_hd_inflater *inflater, struct str block)
{
    int flags = 0;
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv nv;
        ssize_t n =
            nghttp2_hd_inflate_hd2(inflater, &nv, &flags, (const uint8_t *)block.p, block.len, 1);
        fuzz_check(n >= 0);
        block = str_skip(block, (size_t)n);
    }
    nghttp2_hd_inflate_end_headers(inflater);
}

/* Frames, and heads that can be read. */
static void check_out(const struct run *run)
{
    struct str out = str_make(run->out, run->http.out_len);
    struct buf block = BUF_INIT(OUT_MAX);
    nghttp2_hd_inflater *inflater;
    fuzz_check(nghttp2_hd_inflate_new(&inflater) == 0);
    if (!(run->kind & 1)) {
        fuzz_check(str_starts(out, STR(HTTP2_PREFACE)));
        out = str_skip(out, sizeof(HTTP2_PREFACE) - 1);
    }
    while (out.len > 0) {
        fuzz_check(out.len >= HTTP2_FRAME_HEAD);
        uint32_t len = http2_u32(out.p) >> 8;
        fuzz_check(len <= HTTP2_FRAME_MAX && HTTP2_FRAME_HEAD + len <= out.len);
        fuzz_check((block.len > 0) == (out.p[3] == HTTP2_CONTINUATION));
        if (out.p[3] == HTTP2_HEADERS || out.p[3] == HTTP2_CONTINUATION) {
            buf_add(&block, str_slice(out, HTTP2_FRAME_HEAD, HTTP2_FRAME_HEAD + len));
            if (out.p[4] & HTTP2_END_HEADERS) {
                check_head(inflater, buf_str(&block));
                buf_reset(&block);
            }
        }
        out = str_skip(out, HTTP2_FRAME_HEAD + len);
    }
    nghttp2_hd_inflate_del(inflater);
    buf_fini(&block);
}

static void finish(struct run *run)
{
    if (run->kind & 16 && !run->http.failed) {
        http2_drain(&run->http);
    }
    check_out(run);
    for (size_t i = 0; i < STREAMS; i++) {
        struct end *end = &run->ends[i];
        if (end->there) {
            fuzz_check(http2_find(&run->http, end->stream.id) == &end->stream);
            http2_taken(&run->http, &end->stream, end->untaken);
            http2_leave(&run->http, &end->stream, HTTP2_CANCEL);
        }
    }
    fuzz_check(run->http.stream_count == 0);
    http2_fini(&run->http);
    free(run->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    unsigned kind = fuzz_byte(&in);
    size_t step = 1 + fuzz_byte(&in);
    struct buf bytes = BUF_INIT(16 << 20);
    static struct run whole, cut;
    memset(long_text, 'x', sizeof(long_text));
    if (kind & 1) {
        buf_add(&bytes, STR(HTTP2_PREFACE));
    }
    buf_add(&bytes, STR("\0\0\0\4\0\0\0\0\0"));
    buf_add(&bytes, in);
    begin(&whole, kind);
    begin(&cut, kind);
    feed(&whole, buf_str(&bytes), SIZE_MAX);
    feed(&cut, buf_str(&bytes), step);
    if (!(kind & 2)) {
        fuzz_check(whole.digest == cut.digest && whole.http.error == cut.http.error);
    }
    if (!(kind & 6)) { /* when windows open depends on the pieces that are taken */
        fuzz_check(
            str_eq(str_make(whole.out, whole.http.out_len), str_make(cut.out, cut.http.out_len)));
    }
    finish(&whole);
    finish(&cut);
    buf_fini(&bytes);
    return 0;
}
