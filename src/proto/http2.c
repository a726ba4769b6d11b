/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams, and what is sent. Frames are written into `out` as they are decided, in that order;
 * when and whether they can leave is the owner's matter, who stops to produce when they cannot.
 */
#include "proto/http2_private.h"

#include "base/num.h"

#include <errno.h>
#include <stdlib.h>

void http2_note(struct http2 *h, enum http2_guard_kind kind)
{
    if (!http2_guard_note(&h->guard, kind, h->now_ns) && !h->calmed) {
        http2_calm(h);
    }
}

void http2_calm(struct http2 *h)
{
    h->calmed = true;
    http2_fail(h, HTTP2_ENHANCE_YOUR_CALM);
}

/* --- streams --- */

static struct http2_stream **bucket(struct http2 *h, uint32_t id)
{
    return &h->buckets[id / 2 % HTTP2_BUCKETS];
}

struct http2_stream *http2_find(struct http2 *h, uint32_t id)
{
    struct http2_stream *stream = *bucket(h, id);
    while (stream && stream->id != id) {
        stream = stream->next;
    }
    return stream;
}

void http2_add(struct http2 *h, struct http2_stream *stream, uint32_t id)
{
    struct http2_stream **at = bucket(h, id);
    /* Until it has our SETTINGS, a peer goes by the window of the RFC. */
    uint32_t window = h->limits.window;
    *stream = (struct http2_stream){
        .next = *at,
        .id = id,
        .send_window = h->first_window,
        .may_receive = h->unacked ? MAX(window, (uint32_t)HTTP2_WINDOW_FIRST) : window,
        .content_left = UINT64_MAX,
        .urgency = HTTP2_URGENCY,
    };
    *at = stream;
    h->stream_count++;
}

void http2_forget(struct http2 *h, struct http2_stream *stream)
{
    if (stream->id == 0) {
        return;
    }
    struct http2_stream **at = bucket(h, stream->id);
    while (*at != stream) {
        at = &(*at)->next;
    }
    *at = stream->next;
    stream->id = 0;
    h->stream_count--;
}

bool http2_open(struct http2 *h, struct http2_stream *stream)
{
    if (h->failed || h->goaway_seen || h->next_id > HTTP2_WINDOW_MAX) {
        return false;
    }
    http2_add(h, stream, h->next_id);
    http2_past_open(&h->past, h->next_id);
    h->next_id += 2;
    return true;
}

void http2_close(struct http2 *h, struct http2_stream *stream, uint32_t error)
{
    http2_forget(h, stream);
    h->ops->closed(h, stream, error);
}

void http2_stream_error(struct http2 *h, struct http2_stream *stream, uint32_t error)
{
    http2_put_reset(h, stream->id, error);
    http2_note(h, HTTP2_GUARD_INVALID);
    http2_close(h, stream, error);
}

void http2_end_remote(struct http2 *h, struct http2_stream *stream)
{
    stream->remote_end = true;
    h->ops->end(h, stream);
    if (stream->local_end) {
        http2_close(h, stream, HTTP2_NO_ERROR);
    }
}

static void end_local(struct http2 *h, struct http2_stream *stream)
{
    stream->local_end = true;
    if (stream->remote_end) {
        http2_close(h, stream, HTTP2_NO_ERROR);
    }
}

void http2_leave(struct http2 *h, struct http2_stream *stream, uint32_t error)
{
    if (stream->id == 0) {
        return;
    }
    if (!stream->local_end || !stream->remote_end) {
        http2_put_reset(h, stream->id, error);
    }
    http2_forget(h, stream);
}

/* --- frames --- */

static char *room(struct http2 *h, size_t n)
{
    if (unlikely(h->out_cap - h->out_len < n) && !h->ops->room(h, n)) {
        h->failed = true;
        return NULL;
    }
    return h->out + h->out_len;
}

void http2_put_small(struct http2 *h, struct http2_frame frame, const char *payload)
{
    char *p = h->failed ? NULL : room(h, HTTP2_FRAME_HEAD + frame.len);
    if (p) {
        http2_put_frame(p, frame);
        memcpy(p + HTTP2_FRAME_HEAD, payload, frame.len);
        h->out_len += HTTP2_FRAME_HEAD + frame.len;
    }
}

void http2_put_reset(struct http2 *h, uint32_t id, uint32_t error)
{
    char code[4];
    http2_put_u32(code, error);
    http2_put_small(h, (struct http2_frame){.len = 4, .type = HTTP2_RST_STREAM, .id = id}, code);
    http2_past_leave(&h->past, id);
}

static void put_goaway(struct http2 *h, uint32_t error)
{
    char payload[8];
    http2_put_u32(payload, h->server ? h->past.last : 0); /* no stream is a service's */
    http2_put_u32(payload + 4, error);
    http2_put_small(h, (struct http2_frame){.len = 8, .type = HTTP2_GOAWAY}, payload);
    h->goaway_sent = true;
}

void http2_drain(struct http2 *h)
{
    if (!h->goaway_sent) {
        put_goaway(h, HTTP2_NO_ERROR);
    }
}

void http2_fail(struct http2 *h, uint32_t error)
{
    if (!h->failed) {
        put_goaway(h, error);
        h->failed = true;
        h->error = error;
    }
}

/* A block larger than a frame: what follows goes into CONTINUATION, whose heads are put between. */
static size_t cut_block(char *p, size_t len, struct http2_frame frame)
{
    size_t more = (len - 1) / HTTP2_FRAME_MAX;
    for (size_t i = more; i > 0; i--) {
        size_t from = i * HTTP2_FRAME_MAX;
        size_t n = MIN(len - from, (size_t)HTTP2_FRAME_MAX);
        char *to = p + i * (HTTP2_FRAME_MAX + HTTP2_FRAME_HEAD);
        memmove(to + HTTP2_FRAME_HEAD, p + HTTP2_FRAME_HEAD + from, n);
        http2_put_frame(to, (struct http2_frame){
                                .len = (uint32_t)n,
                                .type = HTTP2_CONTINUATION,
                                .flags = i == more ? HTTP2_END_HEADERS : 0,
                                .id = frame.id,
                            });
    }
    frame.len = HTTP2_FRAME_MAX;
    frame.flags &= (uint8_t)~HTTP2_END_HEADERS;
    http2_put_frame(p, frame);
    return len + (more + 1) * HTTP2_FRAME_HEAD;
}

bool http2_put_head(struct http2 *h, struct http2_stream *stream, const struct hpack_field *fields,
                    size_t count, bool last)
{
    size_t most = HTTP2_FRAME_HEAD;
    for (size_t i = 0; i < count; i++) {
        most += hpack_room(&fields[i]);
    }
    most += most / HTTP2_FRAME_MAX * HTTP2_FRAME_HEAD;
    char *frame = h->failed ? NULL : room(h, most);
    if (!frame) {
        return false;
    }
    h->last_frame = h->out_len;
    char *p = hpack_begin(&h->hpack, frame + HTTP2_FRAME_HEAD);
    for (size_t i = 0; i < count; i++) {
        p = hpack_add(&h->hpack, p, &fields[i]);
    }
    size_t len = (size_t)(p - frame) - HTTP2_FRAME_HEAD;
    struct http2_frame head = {
        .len = (uint32_t)len,
        .type = HTTP2_HEADERS,
        .flags = last ? HTTP2_END_HEADERS | HTTP2_END_STREAM : HTTP2_END_HEADERS,
        .id = stream->id,
    };
    if (likely(len <= HTTP2_FRAME_MAX)) {
        http2_put_frame(frame, head);
        h->out_len += HTTP2_FRAME_HEAD + len;
    } else {
        h->out_len += cut_block(frame, len, head);
    }
    if (last) {
        end_local(h, stream);
    }
    return true;
}

size_t http2_may_send(const struct http2 *h, const struct http2_stream *stream)
{
    int64_t n = MIN(h->send_window, (int64_t)stream->send_window);
    return n > 0 && !h->failed ? (size_t)n : 0;
}

void http2_data_head(struct http2 *h, struct http2_stream *stream, size_t len,
                     char ret[HTTP2_FRAME_HEAD])
{
    ensure(len <= HTTP2_FRAME_MAX && len <= http2_may_send(h, stream));
    http2_put_frame(
        ret, (struct http2_frame){.len = (uint32_t)len, .type = HTTP2_DATA, .id = stream->id});
    h->send_window -= (int64_t)len;
    stream->send_window -= (int32_t)len;
    /* Who reads so much, or all that there is, may open windows and measure the way. */
    if (len >= HTTP2_GUARD_SENT_MIN || (len > 0 && http2_may_send(h, stream) > 0)) {
        http2_note(h, HTTP2_GUARD_SENT);
    }
}

bool http2_put_data(struct http2 *h, struct http2_stream *stream, struct str bytes)
{
    char *p = room(h, HTTP2_FRAME_HEAD + bytes.len);
    if (!p) {
        return false;
    }
    h->last_frame = h->out_len;
    http2_data_head(h, stream, bytes.len, p);
    if (bytes.len > 0) {
        memcpy(p + HTTP2_FRAME_HEAD, bytes.p, bytes.len);
    }
    h->out_len += HTTP2_FRAME_HEAD + bytes.len;
    return true;
}

void http2_put_end(struct http2 *h, struct http2_stream *stream)
{
    struct http2_frame frame = {.type = HTTP2_DATA, .flags = HTTP2_END_STREAM, .id = stream->id};
    http2_put_small(h, frame, "");
    end_local(h, stream);
}

void http2_end_in(struct http2 *h, struct http2_stream *stream, char *frame)
{
    ensure(frame[3] == HTTP2_DATA || frame[3] == HTTP2_HEADERS);
    ensure(http2_u32(frame + 5) == stream->id);
    frame[4] |= HTTP2_END_STREAM;
    end_local(h, stream);
}

/* --- windows of ours --- */

static void put_window(struct http2 *h, uint32_t id, uint32_t n)
{
    char payload[4];
    http2_put_u32(payload, n);
    http2_put_small(h, (struct http2_frame){.len = 4, .type = HTTP2_WINDOW_UPDATE, .id = id},
                    payload);
}

void http2_taken(struct http2 *h, struct http2_stream *stream, size_t n)
{
    h->taken += (uint32_t)n;
    if (h->taken >= h->limits.session_window / 2 && !h->failed) {
        put_window(h, 0, h->taken);
        h->may_receive += h->taken;
        h->taken = 0;
    }
    if (stream && stream->id && !stream->remote_end) {
        stream->taken += (uint32_t)n;
        if (stream->taken >= h->limits.window / 2 && !h->failed) {
            put_window(h, stream->id, stream->taken);
            stream->may_receive += stream->taken;
            stream->taken = 0;
        }
    }
}

/* --- life --- */

static void say_settings(struct http2 *h)
{
    const struct {
        uint32_t id, value;
    } all[] = {
        {HTTP2_SET_WINDOW, h->limits.window},
        {HTTP2_SET_HEAD_MAX, h->limits.head_max},
        {HTTP2_SET_STREAMS_MAX, h->limits.streams_max},
        {h->server ? HTTP2_SET_CONNECT : HTTP2_SET_PUSH, h->server},
        {HTTP2_SET_NO_PRIORITIES, 1}, /* no tree of RFC 7540 */
    };
    char *p = room(h, sizeof(HTTP2_PREFACE) + HTTP2_FRAME_HEAD + 6 * ARRAY_LEN(all));
    if (!p) {
        return;
    }
    if (!h->server) {
        memcpy(p, HTTP2_PREFACE, sizeof(HTTP2_PREFACE) - 1);
        p += sizeof(HTTP2_PREFACE) - 1;
    }
    http2_put_frame(p, (struct http2_frame){.len = 6 * ARRAY_LEN(all), .type = HTTP2_SETTINGS});
    p += HTTP2_FRAME_HEAD;
    for (size_t i = 0; i < ARRAY_LEN(all); i++, p += 6) {
        p[0] = 0;
        p[1] = (char)all[i].id;
        http2_put_u32(p + 2, all[i].value);
    }
    h->out_len = (size_t)(p - h->out);
    h->unacked = 1;
    h->may_receive = HTTP2_WINDOW_FIRST;
    if (h->limits.session_window > HTTP2_WINDOW_FIRST) {
        h->may_receive = h->limits.session_window;
        put_window(h, 0, h->limits.session_window - HTTP2_WINDOW_FIRST);
    }
}

int http2_init(struct http2 *h, const struct http2_ops *ops, const struct http2_limits *limits,
               bool server, uint32_t table_max)
{
    char *out = h->out;
    size_t cap = h->out_cap;
    *h = (struct http2){
        .ops = ops,
        .limits = *limits,
        .server = server,
        .out = out,
        .out_cap = cap,
        .now_ns = h->now_ns,
        .send_window = HTTP2_WINDOW_FIRST,
        .first_window = HTTP2_WINDOW_FIRST,
        .peer_streams_max = UINT32_MAX,
        .next_id = 1,
        .preface_done = !server,
    };
    hpack_reader_init(&h->reader, limits->head_max);
    hpack_init(&h->hpack, table_max);
    http2_guard_init(&h->guard, limits->glitches_max, h->now_ns);
    say_settings(h);
    return h->failed ? -ENOMEM : 0;
}

void http2_fini(struct http2 *h)
{
    hpack_reader_fini(&h->reader);
    hpack_fini(&h->hpack);
    free(h->part);
    free(h->rest);
    h->part = h->rest = NULL;
}
