/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading frames. DATA goes on in pieces as it comes; of all others the payload is looked at whole
 * (from where it lies, if it came so).
 *
 * 1. What a frame's head says is judged before its payload is read (`rules`, begin_*).
 * 2. A field block is decoded even if nobody wants it: the table of compression is one for all.
 * 3. A stream is looked up anew for each piece: its owner may have left it meanwhile.
 */
#include "proto/http2_private.h"

#include "base/num.h"

#include <errno.h>
#include <stdlib.h>

enum {
    PREFACE_LEN = sizeof(HTTP2_PREFACE) - 1,
    CONTINUATIONS_MAX = 8,
    SETTINGS_MAX = 32,       /* entries of one frame */
    BLOCK_MAX = 1024 * 1024, /* decoded: more than that is a bomb */
    PRIORITY_LEN = 5,
};

static void protocol_error(struct http2 *h)
{
    http2_fail(h, HTTP2_PROTOCOL_ERROR);
}

/* --- streams that are gone, or not there yet --- */

/* Could a stream of that number have been there? */
static bool is_idle(const struct http2 *h, uint32_t id)
{
    bool peers = (id % 2 == 1) == h->server;
    if (!peers) {
        return h->server || id >= h->next_id;
    }
    return !h->server || id > h->past.last;
}

/* A frame on a stream that is gone is passed over when it was under way as we reset the stream,
 * and is an error behind the peer's own end (RFC 9113 §5.1). */
static void judge_gone(struct http2 *h, uint32_t id)
{
    if (is_idle(h, id)) {
        protocol_error(h);
        return;
    }
    switch (http2_past_ask(&h->past, id)) {
    case HTTP2_PAST_SKIPPED:
        protocol_error(h);
        break;
    case HTTP2_PAST_OPENED:
        http2_fail(h, HTTP2_STREAM_CLOSED);
        break;
    default:
        break;
    }
}

/* The peer has ended its side, and says more (RFC 9113 §5.1): a client is ended, what a service
 * does to one of its requests must not end the others. */
static void behind_end(struct http2 *h, struct http2_stream *stream)
{
    if (h->server) {
        http2_fail(h, HTTP2_STREAM_CLOSED);
    } else {
        http2_stream_error(h, stream, HTTP2_STREAM_CLOSED);
    }
}

/* --- DATA --- */

static void begin_data(struct http2 *h)
{
    const struct http2_frame *frame = &h->frame;
    struct http2_stream *stream = http2_find(h, frame->id);
    h->pad = 0;
    h->pad_known = !(frame->flags & HTTP2_PADDED);
    if (!h->pad_known && frame->len == 0) {
        protocol_error(h);
        return;
    }
    if (frame->len > h->may_receive) {
        http2_fail(h, HTTP2_FLOW_CONTROL_ERROR);
        return;
    }
    h->may_receive -= frame->len;
    if (!stream) {
        judge_gone(h, frame->id);
    } else if (stream->remote_end) {
        behind_end(h, stream);
    } else if (!stream->head_done) {
        protocol_error(h); /* of an answer whose head has not come */
    } else if (frame->len > stream->may_receive) {
        http2_stream_error(h, stream, HTTP2_FLOW_CONTROL_ERROR);
    } else {
        stream->may_receive -= frame->len;
    }
}

static void data_piece(struct http2 *h, struct str bytes)
{
    struct http2_stream *stream = http2_find(h, h->frame.id);
    if (!stream) {
        http2_taken(h, NULL, bytes.len);
        return;
    }
    if (stream->content_left != UINT64_MAX) {
        if (bytes.len > stream->content_left) {
            http2_taken(h, NULL, bytes.len);
            http2_stream_error(h, stream, HTTP2_PROTOCOL_ERROR);
            return;
        }
        stream->content_left -= bytes.len;
    }
    if (!h->ops->data(h, stream, bytes)) {
        http2_taken(h, NULL, bytes.len);
        stream = http2_find(h, h->frame.id);
        if (stream) {
            http2_stream_error(h, stream, HTTP2_INTERNAL_ERROR);
        }
    }
}

static void end_of_stream(struct http2 *h, struct http2_stream *stream)
{
    if (stream->content_left != UINT64_MAX && stream->content_left > 0) {
        http2_stream_error(h, stream, HTTP2_PROTOCOL_ERROR);
    } else {
        http2_end_remote(h, stream);
    }
}

static void end_data(struct http2 *h)
{
    const struct http2_frame *frame = &h->frame;
    struct http2_stream *stream = http2_find(h, frame->id);
    bool last = frame->flags & HTTP2_END_STREAM;
    uint32_t padding = frame->flags & HTTP2_PADDED ? h->pad + 1 : 0;
    if (padding > 0) {
        http2_taken(h, stream, padding);
    }
    if (frame->len > padding) {
        http2_note(h, HTTP2_GUARD_DATA);
    } else if (!last) {
        http2_note(h, HTTP2_GUARD_EMPTY_DATA);
    }
    if (stream && last && !h->failed) {
        end_of_stream(h, stream);
    }
}

/* Takes what is there of the payload; returns the rest. */
static struct str read_data(struct http2 *h, struct str in)
{
    if (!h->pad_known) {
        h->pad = (unsigned char)in.p[0];
        h->pad_known = true;
        h->left--;
        if (h->pad > h->left) {
            protocol_error(h);
            return in;
        }
        in = str_skip(in, 1);
    }
    uint32_t content = h->left > h->pad ? h->left - h->pad : 0;
    size_t data = MIN((size_t)content, in.len);
    if (data > 0) {
        h->left -= (uint32_t)data;
        data_piece(h, str_slice(in, 0, data));
        in = str_skip(in, data);
    }
    if (h->left <= h->pad) { /* the rest is padding */
        size_t n = MIN((size_t)h->left, in.len);
        h->left -= (uint32_t)n;
        in = str_skip(in, n);
    }
    return in;
}

/* --- field blocks --- */

static void end_block(struct http2 *h)
{
    struct http2_stream *stream = h->block_dropped ? NULL : http2_find(h, h->block_id);
    bool last = h->block_last;
    h->in_block = false;
    if (!stream) {
        return;
    }
    bool trailers = stream->head_done;
    enum http2_head_verdict verdict = HTTP2_HEAD_MALFORMED;
    if (!trailers || last) {
        verdict = h->ops->head(h, stream, last);
    }
    if (verdict == HTTP2_HEAD_MALFORMED || (verdict == HTTP2_HEAD_INTERIM && last)) {
        http2_stream_error(h, stream, HTTP2_PROTOCOL_ERROR);
        return;
    }
    stream->head_done = verdict == HTTP2_HEAD_OK;
    if (last) {
        end_of_stream(h, stream);
    }
}

/* One field. False: it is too much, or the session has failed. */
static bool take_field(struct http2 *h, const struct hpack_found *field)
{
    h->block_size += (uint32_t)(field->name.len + field->value.len);
    if (h->block_size > BLOCK_MAX) {
        http2_calm(h);
        return false;
    }
    struct http2_stream *stream = h->block_dropped ? NULL : http2_find(h, h->block_id);
    if (stream) {
        h->ops->field(h, stream, field);
    }
    return !h->failed;
}

/* All fields that are there. Returns what is left: the beginning of one. */
static struct str decode_fields(struct http2 *h, struct str bytes)
{
    struct hpack_room room;
    struct hpack_found field;
    hpack_room_init(&room);
    int r;
    while ((r = hpack_read(&h->reader, &bytes, &room, &field)) == 0 && take_field(h, &field)) {
    }
    hpack_room_fini(&room);
    if (r < 0) {
        http2_fail(h, r == -ENOMEM ? HTTP2_INTERNAL_ERROR : HTTP2_COMPRESSION_ERROR);
    }
    return bytes;
}

/* What is left of the frame before, and this one behind it. */
static struct str join(struct http2 *h, struct str bytes)
{
    char *joined = realloc(h->rest, h->rest_len + bytes.len + 1);
    if (!joined) {
        http2_fail(h, HTTP2_INTERNAL_ERROR);
        return STR_NONE;
    }
    if (bytes.len > 0) {
        memcpy(joined + h->rest_len, bytes.p, bytes.len);
    }
    h->rest = NULL;
    return str_make(joined, h->rest_len + bytes.len);
}

static void keep_rest(struct http2 *h, struct str rest)
{
    h->rest_len = (uint32_t)rest.len;
    if (rest.len > 0 && !h->failed) {
        h->rest = malloc(rest.len);
        if (h->rest) {
            memcpy(h->rest, rest.p, rest.len);
        } else {
            http2_fail(h, HTTP2_INTERNAL_ERROR);
        }
    }
}

/* The end of a frame is no border in a block: what is left of one goes in front of the next, and
 * that is at most the beginning of a field that somebody takes (hpack_read.h). */
static void decode(struct http2 *h, struct str bytes, bool whole)
{
    char *joined = NULL;
    if (unlikely(h->rest != NULL)) {
        bytes = join(h, bytes);
        joined = (char *)(uintptr_t)bytes.p;
    }
    if (likely(!h->failed)) {
        bytes = decode_fields(h, bytes);
    }
    if (unlikely(!whole)) {
        keep_rest(h, bytes);
    } else if (!h->failed && (bytes.len > 0 || hpack_read_is_amid(&h->reader))) {
        http2_fail(h, HTTP2_COMPRESSION_ERROR);
    }
    free(joined);
    if (whole && !h->failed) {
        end_block(h);
    }
}

/* A client asks for something new. */
static void open_stream(struct http2 *h, uint32_t id)
{
    http2_past_open(&h->past, id);
    http2_note(h, HTTP2_GUARD_REQUEST);
    struct http2_stream *stream =
        h->stream_count < h->limits.streams_max && !h->failed ? h->ops->open(h) : NULL;
    if (stream) {
        http2_add(h, stream, id);
    } else {
        h->block_dropped = true;
        http2_put_reset(h, id, HTTP2_REFUSED_STREAM);
    }
}

/* Whose head or trailers these are. */
static void find_stream(struct http2 *h, uint32_t id)
{
    struct http2_stream *stream = http2_find(h, id);
    h->block_dropped = !stream;
    if (stream) {
        if (stream->remote_end) {
            h->block_dropped = true;
            behind_end(h, stream);
        }
    } else if (h->server && id % 2 && id > h->past.last) {
        h->block_dropped = false;
        open_stream(h, id);
    } else {
        judge_gone(h, id);
    }
}

static void read_headers(struct http2 *h, struct str payload)
{
    const struct http2_frame *frame = &h->frame;
    if (frame->flags & HTTP2_PADDED) {
        size_t pad = payload.len ? (unsigned char)payload.p[0] : SIZE_MAX;
        if (pad >= payload.len) {
            protocol_error(h);
            return;
        }
        payload = str_slice(payload, 1, payload.len - pad);
    }
    if (frame->flags & HTTP2_PRIORITIZED) {
        if (payload.len < PRIORITY_LEN) {
            http2_fail(h, HTTP2_FRAME_SIZE_ERROR);
            return;
        }
        if ((http2_u32(payload.p) & HTTP2_WINDOW_MAX) == frame->id) {
            protocol_error(h);
            return;
        }
        payload = str_skip(payload, PRIORITY_LEN);
    }
    h->block_id = frame->id;
    h->block_last = frame->flags & HTTP2_END_STREAM;
    h->block_size = 0;
    h->continuations = 0;
    h->in_block = true;
    hpack_read_begin(&h->reader);
    find_stream(h, frame->id);
    if (!h->failed) {
        decode(h, payload, frame->flags & HTTP2_END_HEADERS);
    }
}

static void read_continuation(struct http2 *h, struct str payload)
{
    if (++h->continuations > CONTINUATIONS_MAX) {
        http2_calm(h);
        return;
    }
    decode(h, payload, h->frame.flags & HTTP2_END_HEADERS);
}

/* --- the others --- */

static void read_priority(struct http2 *h, struct str payload)
{
    if ((http2_u32(payload.p) & HTTP2_WINDOW_MAX) == h->frame.id) {
        protocol_error(h);
        return;
    }
    http2_note(h, HTTP2_GUARD_PRIORITY);
}

static void read_reset(struct http2 *h, struct str payload)
{
    struct http2_stream *stream = http2_find(h, h->frame.id);
    if (!stream && is_idle(h, h->frame.id)) {
        protocol_error(h);
        return;
    }
    bool due = h->server ? stream && stream->local_end : ++h->resets <= h->past.count;
    if (!due) {
        http2_note(h, HTTP2_GUARD_RESET);
    }
    if (stream) {
        http2_close(h, stream, http2_u32(payload.p));
    }
}

void http2_prioritize(struct http2_stream *stream, struct str value)
{
    struct str item;
    while (http_list_next(&value, &item)) {
        ptrdiff_t end = str_find_char(item, ';');
        item = end < 0 ? item : str_slice(item, 0, (size_t)end);
        if (item.len == 3 && item.p[0] == 'u' && item.p[1] == '=' && item.p[2] >= '0' &&
            item.p[2] <= '7') {
            stream->urgency = (uint8_t)(item.p[2] - '0');
        } else if (str_is(item, "i") || str_is(item, "i=?1")) {
            stream->incremental = true;
        } else if (str_is(item, "i=?0")) {
            stream->incremental = false;
        }
    }
}

static void read_priority_update(struct http2 *h, struct str payload)
{
    uint32_t id = http2_u32(payload.p) & HTTP2_WINDOW_MAX;
    struct http2_stream *stream = http2_find(h, id);
    http2_note(h, HTTP2_GUARD_PRIORITY);
    if (id == 0 || !h->server) {
        protocol_error(h);
    } else if (stream) {
        stream->urgency = HTTP2_URGENCY;
        stream->incremental = false;
        http2_prioritize(stream, str_skip(payload, 4));
    }
}

/* What a stream may be sent is counted from the first window on, also below 0. */
static void move_windows(struct http2 *h, uint32_t value)
{
    int64_t more = (int64_t)value - h->first_window;
    h->first_window = (int32_t)value;
    for (size_t i = 0; i < HTTP2_BUCKETS; i++) {
        for (struct http2_stream *stream = h->buckets[i]; stream; stream = stream->next) {
            if (stream->send_window + more > HTTP2_WINDOW_MAX) {
                http2_fail(h, HTTP2_FLOW_CONTROL_ERROR);
                return;
            }
            stream->send_window = (int32_t)(stream->send_window + more);
        }
    }
}

static void take_setting(struct http2 *h, unsigned id, uint32_t value)
{
    switch (id) {
    case HTTP2_SET_TABLE_SIZE:
        hpack_limit(&h->hpack, value);
        break;
    case HTTP2_SET_PUSH: /* a server may not even say that it could */
        if (value > 1 || (value == 1 && !h->server)) {
            protocol_error(h);
        }
        break;
    case HTTP2_SET_STREAMS_MAX:
        h->peer_streams_max = value;
        break;
    case HTTP2_SET_WINDOW:
        if (value > HTTP2_WINDOW_MAX) {
            http2_fail(h, HTTP2_FLOW_CONTROL_ERROR);
        } else {
            move_windows(h, value);
        }
        break;
    case HTTP2_SET_FRAME_MAX:
        if (value < HTTP2_FRAME_MAX || value > 0xffffff) {
            protocol_error(h);
        }
        break;
    case HTTP2_SET_CONNECT:
        if (value > 1) {
            protocol_error(h);
        }
        h->peer_connect = value == 1;
        break;
    case HTTP2_SET_NO_PRIORITIES:
        if (value > 1) {
            protocol_error(h);
        }
        break;
    default:
        break;
    }
}

static void read_settings(struct http2 *h, struct str payload)
{
    if (h->frame.flags & HTTP2_ACK) {
        if (h->unacked == 0) {
            protocol_error(h);
        } else {
            h->unacked--;
            http2_note(h, HTTP2_GUARD_SETTINGS);
        }
        return;
    }
    if (payload.len / 6 > SETTINGS_MAX) {
        http2_calm(h);
        return;
    }
    for (; payload.len > 0 && !h->failed; payload = str_skip(payload, 6)) {
        unsigned id = (unsigned)(unsigned char)payload.p[0] << 8 | (unsigned char)payload.p[1];
        take_setting(h, id, http2_u32(payload.p + 2));
    }
    h->settings_seen = true;
    http2_put_small(h, (struct http2_frame){.type = HTTP2_SETTINGS, .flags = HTTP2_ACK}, "");
    http2_note(h, HTTP2_GUARD_SETTINGS);
    h->ops->window(h);
}

static void read_push(struct http2 *h, struct str payload)
{
    (void)payload;
    protocol_error(h); /* clients cannot, services were told not to */
}

static void read_ping(struct http2 *h, struct str payload)
{
    if (!(h->frame.flags & HTTP2_ACK)) {
        struct http2_frame frame = {.len = 8, .type = HTTP2_PING, .flags = HTTP2_ACK};
        http2_put_small(h, frame, payload.p);
    }
    http2_note(h, HTTP2_GUARD_PING);
}

/* What the peer has not looked at may be asked of another. */
static void read_goaway(struct http2 *h, struct str payload)
{
    uint32_t last = http2_u32(payload.p) & HTTP2_WINDOW_MAX;
    h->goaway_seen = true;
    for (size_t i = 0; i < HTTP2_BUCKETS && !h->server; i++) {
        struct http2_stream *next;
        for (struct http2_stream *stream = h->buckets[i]; stream; stream = next) {
            next = stream->next;
            if (stream->id > last) {
                http2_close(h, stream, HTTP2_REFUSED_STREAM);
            }
        }
    }
    h->ops->goaway(h);
}

static void read_window(struct http2 *h, struct str payload)
{
    uint32_t n = http2_u32(payload.p) & HTTP2_WINDOW_MAX;
    uint32_t id = h->frame.id;
    struct http2_stream *stream = id ? http2_find(h, id) : NULL;
    if (n == 0 || (id && !stream && is_idle(h, id))) {
        protocol_error(h);
        return;
    }
    http2_note(h, HTTP2_GUARD_WINDOW);
    if (id == 0) {
        if (h->send_window + n > HTTP2_WINDOW_MAX) {
            http2_fail(h, HTTP2_FLOW_CONTROL_ERROR);
            return;
        }
        h->send_window += n;
    } else if (stream) {
        if ((int64_t)stream->send_window + n > HTTP2_WINDOW_MAX) {
            http2_stream_error(h, stream, HTTP2_FLOW_CONTROL_ERROR);
            return;
        }
        stream->send_window += (int32_t)n;
    }
    h->ops->window(h);
}

/* --- frames --- */

enum on { ON_ANY, ON_STREAM, ON_CONNECTION };

static const struct {
    void (*read)(struct http2 *h, struct str payload);
    uint8_t on;
    uint16_t least, most; /* bytes of payload */
} rules[HTTP2_TYPES] = {
    [HTTP2_DATA] = {NULL, ON_STREAM, 0, HTTP2_FRAME_MAX},
    [HTTP2_HEADERS] = {read_headers, ON_STREAM, 0, HTTP2_FRAME_MAX},
    [HTTP2_PRIORITY] = {read_priority, ON_STREAM, 5, 5},
    [HTTP2_RST_STREAM] = {read_reset, ON_STREAM, 4, 4},
    [HTTP2_SETTINGS] = {read_settings, ON_CONNECTION, 0, HTTP2_FRAME_MAX},
    [HTTP2_PUSH_PROMISE] = {read_push, ON_ANY, 0, HTTP2_FRAME_MAX},
    [HTTP2_PING] = {read_ping, ON_CONNECTION, 8, 8},
    [HTTP2_GOAWAY] = {read_goaway, ON_CONNECTION, 8, HTTP2_FRAME_MAX},
    [HTTP2_WINDOW_UPDATE] = {read_window, ON_ANY, 4, 4},
    [HTTP2_CONTINUATION] = {read_continuation, ON_STREAM, 0, HTTP2_FRAME_MAX},
    [HTTP2_PRIORITY_UPDATE] = {read_priority_update, ON_CONNECTION, 4, HTTP2_FRAME_MAX},
};

/* Others are passed over. */
static bool is_known(unsigned type)
{
    return type == HTTP2_DATA || (type < HTTP2_TYPES && rules[type].read);
}

static uint32_t size_error(const struct http2_frame *frame)
{
    if (frame->len > HTTP2_FRAME_MAX) {
        return HTTP2_FRAME_SIZE_ERROR;
    }
    if (!is_known(frame->type)) {
        return HTTP2_NO_ERROR;
    }
    bool settings = frame->type == HTTP2_SETTINGS;
    bool bad = frame->len < rules[frame->type].least || frame->len > rules[frame->type].most ||
               (settings && (frame->len % 6 || (frame->flags & HTTP2_ACK && frame->len)));
    return bad ? HTTP2_FRAME_SIZE_ERROR : HTTP2_NO_ERROR;
}

/* Whether the frame may come here; what is wrong with it is the connection's end. */
static uint32_t judge_frame(const struct http2 *h)
{
    const struct http2_frame *frame = &h->frame;
    if (!h->first_seen && (frame->type != HTTP2_SETTINGS || frame->flags & HTTP2_ACK)) {
        return frame->len > HTTP2_FRAME_MAX ? HTTP2_FRAME_SIZE_ERROR : HTTP2_PROTOCOL_ERROR;
    }
    uint32_t error = size_error(frame);
    if (error) {
        return error;
    }
    if (h->in_block != (frame->type == HTTP2_CONTINUATION) ||
        (h->in_block && frame->id != h->block_id)) {
        return HTTP2_PROTOCOL_ERROR;
    }
    unsigned on = is_known(frame->type) ? rules[frame->type].on : ON_ANY;
    bool misplaced = (on == ON_STREAM && frame->id == 0) || (on == ON_CONNECTION && frame->id != 0);
    return misplaced ? HTTP2_PROTOCOL_ERROR : HTTP2_NO_ERROR;
}

static void begin_frame(struct http2 *h)
{
    const char *p = (const char *)h->head;
    h->frame = (struct http2_frame){
        .len = http2_u32(p) >> 8,
        .type = h->head[3],
        .flags = h->head[4],
        .id = http2_u32(p + 5) & HTTP2_WINDOW_MAX,
    };
    h->left = h->frame.len;
    h->begun = true;
    uint32_t error = judge_frame(h);
    if (error) {
        http2_fail(h, error);
        return;
    }
    h->first_seen = true;
    if (h->frame.type == HTTP2_DATA) {
        begin_data(h);
    } else if (!is_known(h->frame.type)) {
        http2_note(h, HTTP2_GUARD_PRIORITY); /* it brings nothing that we know of */
    }
}

/* Its payload is here, or has been passed over. */
static void end_frame(struct http2 *h, struct str payload)
{
    h->begun = false;
    h->have = 0;
    if (h->frame.type == HTTP2_DATA) {
        end_data(h);
    } else if (is_known(h->frame.type)) {
        rules[h->frame.type].read(h, payload);
    }
}

/* For `n` more bytes: a peer that sends little of a large frame costs little. */
static bool grow_part(struct http2 *h, size_t n)
{
    if (!h->part) {
        h->part_len = h->part_cap = 0;
    }
    uint32_t needed = h->part_len + (uint32_t)n;
    if (h->part && needed <= h->part_cap) {
        return true;
    }
    uint32_t cap = MIN(h->frame.len, MAX(needed, 2 * h->part_cap));
    char *part = realloc(h->part, MAX(cap, 1U));
    if (part) {
        h->part = part;
        h->part_cap = cap;
    }
    return part != NULL;
}

/* The payload of a frame that has to be whole. Returns the rest. */
static struct str read_whole(struct http2 *h, struct str in)
{
    size_t n = MIN((size_t)h->left, in.len);
    struct str piece = str_slice(in, 0, n);
    if (!h->part && n == h->left) {
        h->left = 0;
        end_frame(h, piece);
        return str_skip(in, n);
    }
    if (!grow_part(h, n)) {
        http2_fail(h, HTTP2_INTERNAL_ERROR);
        return in;
    }
    if (n > 0) {
        memcpy(h->part + h->part_len, piece.p, n);
    }
    h->part_len += (uint32_t)n;
    h->left -= (uint32_t)n;
    if (h->left == 0) {
        char *part = h->part;
        h->part = NULL;
        end_frame(h, str_make(part, h->part_len));
        free(part);
    }
    return str_skip(in, n);
}

bool http2_is_stuck(struct http2 *h)
{
    return h->in_block && !h->block_dropped && !http2_find(h, h->block_id);
}

static struct str read_payload(struct http2 *h, struct str in)
{
    if (h->frame.type == HTTP2_DATA || !is_known(h->frame.type)) {
        if (h->left > 0 && h->frame.type == HTTP2_DATA) {
            in = read_data(h, in);
        } else {
            size_t n = MIN((size_t)h->left, in.len);
            h->left -= (uint32_t)n;
            in = str_skip(in, n);
        }
        if (h->left == 0 && !h->failed) {
            end_frame(h, STR_NONE);
        }
        return in;
    }
    return read_whole(h, in);
}

static struct str read_head(struct http2 *h, struct str in)
{
    size_t n = MIN((size_t)(HTTP2_FRAME_HEAD - h->have), in.len);
    memcpy(h->head + h->have, in.p, n);
    h->have += (uint8_t)n;
    if (h->have == HTTP2_FRAME_HEAD) {
        begin_frame(h);
    }
    return str_skip(in, n);
}

/* What is not HTTP/2 is not answered in it. */
static struct str read_preface(struct http2 *h, struct str in)
{
    size_t n = MIN((size_t)(PREFACE_LEN - h->have), in.len);
    if (memcmp(&HTTP2_PREFACE[h->have], in.p, n) != 0) {
        h->failed = true;
        return in;
    }
    h->have += (uint8_t)n;
    if (h->have == PREFACE_LEN) {
        h->preface_done = true;
        h->have = 0;
    }
    return str_skip(in, n);
}

void http2_read(struct http2 *h, struct str bytes)
{
    while (!h->failed && (bytes.len > 0 || (h->begun && h->left == 0))) {
        if (unlikely(!h->preface_done)) {
            bytes = read_preface(h, bytes);
        } else if (!h->begun) {
            bytes = read_head(h, bytes);
        } else {
            bytes = read_payload(h, bytes);
        }
    }
}
