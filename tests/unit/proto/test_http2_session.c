/* SPDX-License-Identifier: Apache-2.0
 *
 * Two sessions, each other's peers, in memory: whatever is said on one side arrives on the other
 * side as it was said, in whatever pieces the bytes come, within the windows; and nothing is left.
 */
#include "base/buf.h"
#include "base/num.h"
#include "harness/test.h"
#include "proto/http2.h"

#include <stdlib.h>

enum { STREAMS = 16, OUT_MAX = 1 << 20, CONTENT_MAX = 40000 };

/* One stream on one side. */
struct end {
    struct http2_stream stream;
    struct end *other;
    bool there, ended, closed, interim_only;
    uint32_t error;
    size_t heads, fields, trailers, sent, got, taken;
    size_t content; /* to be sent */
    bool said, trailing;
};

struct side {
    struct http2 http;
    struct side *peer;
    struct end ends[STREAMS];
    size_t count;
    bool goaway, refuse;
    char out[OUT_MAX];
};

static struct side *side_of(struct http2 *h)
{
    return container_of(h, struct side, http);
}
static struct end *end_of(struct http2_stream *stream)
{
    return container_of(stream, struct end, stream);
}

static struct http2_stream *on_open(struct http2 *h)
{
    struct side *side = side_of(h);
    if (side->refuse || side->count == STREAMS) {
        return NULL;
    }
    struct end *end = &side->ends[side->count++];
    struct end *other = side->peer->ends;
    while (other->stream.id != h->past.last) {
        other++;
    }
    *end = (struct end){.there = true, .other = other, .content = 777};
    other->other = end;
    return &end->stream;
}

static void on_field(struct http2 *h, struct http2_stream *stream, const struct hpack_found *field)
{
    struct end *end = end_of(stream);
    (void)h;
    check(field->name.len > 0 && field->value.len > 0);
    *(stream->head_done ? &end->trailers : &end->fields) += 1;
}

static enum http2_head_verdict on_head(struct http2 *h, struct http2_stream *stream, bool last)
{
    struct end *end = end_of(stream);
    (void)h;
    (void)last;
    if (end->interim_only) {
        end->interim_only = false;
        return HTTP2_HEAD_INTERIM;
    }
    end->heads += !stream->head_done;
    return HTTP2_HEAD_OK;
}

static bool on_data(struct http2 *h, struct http2_stream *stream, struct str bytes)
{
    struct end *end = end_of(stream);
    (void)h;
    for (size_t i = 0; i < bytes.len; i++, end->got++) {
        check_int((unsigned char)bytes.p[i], end->got % 251);
    }
    return true;
}

static void on_end(struct http2 *h, struct http2_stream *stream)
{
    (void)h;
    end_of(stream)->ended = true;
}

static void on_closed(struct http2 *h, struct http2_stream *stream, uint32_t error)
{
    struct end *end = end_of(stream);
    (void)h;
    check(!end->closed);
    end->closed = true;
    end->error = error;
}

static void on_goaway(struct http2 *h)
{
    side_of(h)->goaway = true;
}

static void on_window(struct http2 *h)
{
    (void)h;
}

static bool on_room(struct http2 *h, size_t n)
{
    (void)h;
    (void)n;
    return false;
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

static void begin(struct side *side, struct side *peer, bool server,
                  const struct http2_limits *limits)
{
    memset(side, 0, sizeof(*side));
    side->peer = peer;
    side->http.out = side->out;
    side->http.out_cap = OUT_MAX;
    check_int(http2_init(&side->http, &ops, limits, server, 1024), 0);
}

static struct side *sides[2];

static void begin_both(const struct http2_limits *limits)
{
    sides[0] = sides[0] ? sides[0] : calloc(1, sizeof(struct side));
    sides[1] = sides[1] ? sides[1] : calloc(1, sizeof(struct side));
    begin(sides[0], sides[1], false, limits);
    begin(sides[1], sides[0], true, limits);
}

static void end_both(void)
{
    http2_fini(&sides[0]->http);
    http2_fini(&sides[1]->http);
}

/* What one side has said goes to the other, in pieces. */
static void carry(struct side *from, size_t piece_max)
{
    struct str bytes = str_make(from->out, from->http.out_len);
    while (bytes.len > 0) {
        size_t n = piece_max > 1 ? 1 + rng_below(test_rng(), piece_max) : 1;
        struct str piece = str_slice(bytes, 0, n);
        char *copy = malloc(piece.len); /* so that a look beyond it is found */
        memcpy(copy, piece.p, piece.len);
        http2_read(&from->peer->http, str_make(copy, piece.len));
        free(copy);
        bytes = str_skip(bytes, piece.len);
    }
    from->http.out_len = 0;
}

static void carry_both(size_t piece_max)
{
    while (sides[0]->http.out_len + sides[1]->http.out_len > 0) {
        carry(sides[0], piece_max);
        carry(sides[1], piece_max);
    }
}

static void say_head(struct side *side, struct end *end, bool last)
{
    static char large[40000];
    struct hpack_field fields[] = {
        {.id = HPACK_METHOD, .value = STR("GET")},
        {.id = HPACK_PATH, .value = STR("/x")},
        {.id = HTTP_H_USER_AGENT, .value = STR("test")},
        {.id = HTTP_H_OTHER, .name = STR("X-Large"), .value = str_make(large, 1)},
    };
    if (rng_below(test_rng(), 10) == 0) {
        memset(large, 'x', sizeof(large));
        fields[3].value.len = sizeof(large); /* in three frames */
    }
    large[0] = 'x';
    check(http2_put_head(&side->http, &end->stream, fields, 4, last));
    end->said = true;
}

/* Sends what may be sent; at its end END_STREAM in one of its three forms. */
static void say_more(struct side *side, struct end *end)
{
    static char bytes[HTTP2_FRAME_MAX];
    size_t wish = 1 + rng_below(test_rng(), HTTP2_FRAME_MAX);
    size_t n = MIN(end->content - end->sent, wish);
    size_t may = http2_may_send(&side->http, &end->stream);
    n = MIN(n, may);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)((end->sent + i) % 251);
    }
    bool marked = n > 0;
    if (n > 0) {
        check(http2_put_data(&side->http, &end->stream, str_make(bytes, n)));
        end->sent += n;
    }
    if (end->sent < end->content) {
        return;
    }
    if (end->trailing) {
        struct hpack_field field = {.id = HTTP_H_OTHER, .name = STR("x-sum"), .value = STR("1")};
        check(http2_put_head(&side->http, &end->stream, &field, 1, true));
    } else if (marked) {
        http2_end_in(&side->http, &end->stream, side->out + side->http.last_frame);
    } else {
        http2_put_end(&side->http, &end->stream);
    }
    end->sent = SIZE_MAX;
}

static void step(struct side *side, struct end *end)
{
    if (!end->said && side == sides[0]) {
        if (!http2_open(&side->http, &end->stream)) {
            return;
        }
        end->there = true;
    }
    if (!end->there || end->closed || end->stream.local_end) {
        return;
    }
    if (!end->said) {
        end->content = rng_below(test_rng(), 3) ? rng_below(test_rng(), CONTENT_MAX) : 0;
        end->trailing = rng_below(test_rng(), 2);
        bool last = end->content == 0 && !end->trailing;
        say_head(side, end, last);
        end->sent = last ? SIZE_MAX : 0;
    } else if (end->sent != SIZE_MAX) {
        say_more(side, end);
    }
    if (end->got > end->taken) {
        size_t n = 1 + rng_below(test_rng(), end->got - end->taken);
        http2_taken(&side->http, &end->stream, n);
        end->taken += n;
    }
}

static void take_all(struct side *side)
{
    for (size_t i = 0; i < STREAMS; i++) {
        struct end *end = &side->ends[i];
        if (end->got > end->taken) {
            http2_taken(&side->http, end->stream.id ? &end->stream : NULL, end->got - end->taken);
            end->taken = end->got;
        }
    }
}

static bool all_closed(void)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (!sides[0]->ends[i].closed || !sides[1]->ends[i].closed) {
            return false;
        }
    }
    return true;
}

TEST(all_that_is_said_arrives_however_it_is_cut)
{
    for (size_t round = 0; round < test_rounds(15); round++) {
        struct http2_limits limits = {
            .window = 1000 + (uint32_t)rng_below(test_rng(), 100000),
            .session_window = 65535 + (uint32_t)rng_below(test_rng(), 100000),
            .streams_max = STREAMS,
            .head_max = 65536,
        };
        size_t piece_max = rng_below(test_rng(), 4) ? 1 + rng_below(test_rng(), 20000) : 1;
        begin_both(&limits);
        for (unsigned turn = 0; turn < 1000000 && !all_closed(); turn++) {
            struct side *side = sides[rng_below(test_rng(), 2)];
            step(side, &side->ends[rng_below(test_rng(), STREAMS)]);
            if (rng_below(test_rng(), 4) == 0) {
                carry(side, piece_max);
                take_all(side->peer);
            }
            check(!sides[0]->http.failed && !sides[1]->http.failed);
        }
        carry_both(piece_max);
        for (size_t i = 0; i < STREAMS; i++) {
            for (size_t k = 0; k < 2; k++) {
                const struct end *end = &sides[k]->ends[i];
                check(end->closed && end->ended && end->heads == 1 && end->fields == 4);
                check_int(end->error, HTTP2_NO_ERROR);
                check_int(end->got, end->other->content);
                check_int(end->trailers, end->other->trailing);
            }
        }
        check_int(sides[0]->http.stream_count + sides[1]->http.stream_count, 0);
        end_both();
    }
}

static const struct http2_limits usual = {
    .window = 65535, .session_window = 65535, .streams_max = STREAMS, .head_max = 65536};

static void ask(size_t i)
{
    struct end *end = &sides[0]->ends[i];
    check(http2_open(&sides[0]->http, &end->stream));
    end->there = true;
    say_head(sides[0], end, false);
}

TEST(more_streams_than_allowed_are_refused_and_the_others_live)
{
    struct http2_limits two = usual;
    two.streams_max = 2;
    begin_both(&two);
    for (size_t i = 0; i < 3; i++) {
        ask(i);
    }
    carry_both(100);
    check(!sides[0]->ends[0].closed && !sides[0]->ends[1].closed && sides[0]->ends[2].closed);
    check_int(sides[0]->ends[2].error, HTTP2_REFUSED_STREAM);
    check_int(sides[0]->http.peer_streams_max, 2);
    end_both();
}

TEST(who_leaves_a_stream_resets_it_and_what_is_under_way_is_passed_over)
{
    begin_both(&usual);
    ask(0);
    carry_both(100);
    check(http2_put_data(&sides[0]->http, &sides[0]->ends[0].stream, STR_NONE));
    http2_leave(&sides[1]->http, &sides[1]->ends[0].stream, HTTP2_CANCEL);
    carry_both(100);
    check_int(sides[0]->ends[0].error, HTTP2_CANCEL);
    check(!sides[0]->http.failed && !sides[1]->http.failed);
    check(!sides[1]->ends[0].closed); /* its owner knows */
    end_both();
}

TEST(what_a_server_has_not_seen_when_it_goes_may_be_asked_again)
{
    begin_both(&usual);
    ask(0);
    carry_both(100);
    http2_drain(&sides[1]->http);
    ask(1);
    carry_both(100);
    check(sides[0]->goaway && !sides[0]->ends[0].closed);
    check_int(sides[0]->ends[1].error, HTTP2_REFUSED_STREAM);
    struct http2_stream stream;
    check(!http2_open(&sides[0]->http, &stream));
    end_both();
}

TEST(a_peer_that_sends_more_than_its_windows_is_stopped)
{
    begin_both(&usual);
    ask(0);
    sides[0]->http.send_window = sides[0]->ends[0].stream.send_window = 1000000;
    static char bytes[HTTP2_FRAME_MAX];
    for (size_t i = 0, sent = 0; i < 5; i++) {
        for (size_t k = 0; k < sizeof(bytes); k++, sent++) {
            bytes[k] = (char)(sent % 251);
        }
        check(http2_put_data(&sides[0]->http, &sides[0]->ends[0].stream,
                             str_make(bytes, sizeof(bytes))));
    }
    carry_both(1000);
    check(sides[1]->http.failed);
    check_int(sides[1]->http.error, HTTP2_FLOW_CONTROL_ERROR);
    check(sides[0]->goaway);
    end_both();
}

TEST(a_smaller_first_window_may_leave_less_than_nothing)
{
    begin_both(&usual);
    ask(0);
    carry_both(100);
    struct end *end = &sides[1]->ends[0];
    say_head(sides[1], end, false);
    check(http2_put_data(&sides[1]->http, &end->stream, STR("")));
    end->stream.send_window = 100;
    sides[1]->http.first_window = 65535;
    static const char smaller[] = "\0\0\6\4\0\0\0\0\0\0\4\0\0\0\1";
    http2_read(&sides[1]->http, str_make(smaller, sizeof(smaller) - 1));
    check_int(end->stream.send_window, 100 - 65534);
    check_int(http2_may_send(&sides[1]->http, &end->stream), 0);
    end_both();
}

/* Who takes what we send may open its windows for each frame of it, for as long as it likes. */
TEST(windows_that_open_for_what_was_sent_are_no_flood)
{
    static const char opened[] = "\0\0\4\x8\0\0\0\0\0\0\0\4\0"
                                 "\0\0\4\x8\0\0\0\0\1\0\0\4\0"; /* 1,024 each */
    static const char bytes[1024];
    for (size_t i = 0; i < 2; i++) {
        begin_both(&usual);
        ask(0);
        carry_both(100);
        struct end *end = &sides[i]->ends[0];
        if (i == 1) {
            say_head(sides[1], end, false);
        }
        for (size_t n = 0; n < 20000; n++) {
            sides[i]->http.out_len = 0; /* as if it had been sent */
            check(http2_put_data(&sides[i]->http, &end->stream, str_make(bytes, sizeof(bytes))));
            http2_read(&sides[i]->http, str_make(opened, sizeof(opened) - 1));
            check(!sides[i]->http.failed);
        }
        end_both();
    }
}

/* gRPC measures the way's delay by a PING behind each message, in front of which its window
 * opens. */
TEST(a_ping_for_each_small_message_is_no_flood)
{
    static const char measured[] = "\0\0\4\x8\0\0\0\0\1\0\0\0\x64"
                                   "\0\0\4\x8\0\0\0\0\0\0\0\0\x64"
                                   "\0\0\x8\6\0\0\0\0\0bdp_ping";
    static const char bytes[100];
    for (size_t i = 0; i < 2; i++) {
        begin_both(&usual);
        ask(0);
        carry_both(100);
        struct end *end = &sides[i]->ends[0];
        if (i == 1) {
            say_head(sides[1], end, false);
        }
        for (size_t n = 0; n < 20000; n++) {
            sides[i]->http.out_len = 0;
            check(http2_put_data(&sides[i]->http, &end->stream, str_make(bytes, sizeof(bytes))));
            http2_read(&sides[i]->http, str_make(measured, sizeof(measured) - 1));
            check(!sides[i]->http.failed);
        }
        end_both();
    }
}

/* Who keeps the window so small that we can say a byte at a time is no reader. */
TEST(windows_that_let_out_bytes_one_by_one_are_a_flood)
{
    static const char opened[] = "\0\0\4\x8\0\0\0\0\1\0\0\0\1";
    begin_both(&usual);
    ask(0);
    carry_both(100);
    struct end *end = &sides[1]->ends[0];
    say_head(sides[1], end, false);
    end->stream.send_window = 0;
    size_t n = 0;
    for (; n < 20000 && !sides[1]->http.failed; n++) {
        sides[1]->http.out_len = 0;
        http2_read(&sides[1]->http, str_make(opened, sizeof(opened) - 1));
        if (!sides[1]->http.failed) {
            check(http2_put_data(&sides[1]->http, &end->stream, STR("x")));
        }
    }
    check(sides[1]->http.failed && n < 6000);
    check_int(sides[1]->http.error, HTTP2_ENHANCE_YOUR_CALM);
    end_both();
}

/* A service may reset each request that it got, also behind its answer (RFC 9113 §8.1). */
TEST(a_service_resets_what_it_was_asked_once_each)
{
    begin_both(&usual);
    carry_both(100);
    struct http2 *http = &sides[0]->http;
    char reset[] = {0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    for (uint32_t i = 0; i < 2000; i++) {
        struct end *end = &sides[0]->ends[0];
        *end = (struct end){.there = true};
        check(http2_open(http, &end->stream));
        reset[7] = (char)(end->stream.id >> 8);
        reset[8] = (char)(end->stream.id & 255);
        if (i % 2) {
            http2_forget(http, &end->stream); /* it was answered whole */
        }
        http2_read(http, str_make(reset, sizeof(reset)));
        check(!http->failed && end->closed == !(i % 2));
    }
    for (size_t n = 0; n < 300; n++) {
        http2_read(http, str_make(reset, sizeof(reset))); /* the same once more */
    }
    check(http->failed);
    check_int(http->error, HTTP2_ENHANCE_YOUR_CALM);
    end_both();
}
