/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream's bytes, both ways. What is received waits in blocks until the owner reads it; what is
 * sent becomes frames at once, as far as the peer's windows and the socket allow: small ones in the
 * session's `out`, large ones straight to the socket. The rest waits in conn->out.
 *
 * That a body has ended is known behind its last piece only: END_STREAM is put into the frame that
 * carries it as long as that has not left, so an answer of one piece is two frames and not three.
 */
#include "edge/lane.h"

#include "base/num.h"
#include "edge/h2_fields.h"
#include "edge/worker.h"
#include "proto/http2_head.h"

#include <stdlib.h>

enum {
    ROOM_FIRST = 16 * 1024, /* before anything is known of the peer's windows */
    ROOM_MAX = 256 * 1024,
    COPY_MAX = 4 * 1024, /* larger pieces are sent from where they lie */
    DIRECT_MAX = 3,      /* frames of them in one send */
};

void lane_init(struct lane *lane, struct h2 *h2, struct conn *conn, void (*news)(struct lane *))
{
    *lane = (struct lane){.h2 = h2, .conn = conn, .news = news};
    list_init(&lane->ready);
    list_init(&lane->starved);
    list_push_back(&h2->lanes, &lane->node);
    h2->lane_count++;
    conn->worker = h2->conn->worker;
    conn->ops = &lane_ops;
    conn->layer = lane;
    conn->room = ROOM_FIRST;
    conn->writable = true;
    loop_fd_init(&conn->watch, NULL);
}

void lane_note(struct lane *lane)
{
    if (lane->h2 && list_empty(&lane->ready)) {
        list_push_back(&lane->h2->ready, &lane->ready);
    }
}

/* --- receiving --- */

int lane_received(struct lane *lane, struct str bytes)
{
    if (!block_chain_add(&lane->conn->worker->blocks, &lane->in, bytes)) {
        return -ENOMEM;
    }
    lane->conn->readable = true;
    lane_note(lane);
    return 0;
}

static void give_window(struct lane *lane, size_t len)
{
    if (lane->h2 && !lane->h2->http.failed) {
        http2_taken(&lane->h2->http, &lane->stream, len);
        if (lane->h2->http.out_len > 0) {
            h2_wants_write(lane->h2);
        }
    }
}

static int64_t receive(struct conn *conn, void *p, size_t len)
{
    struct lane *lane = lane_of(conn);
    struct block *block = lane->in.first;
    if (block) {
        struct str rest = block_rest(block);
        size_t n = MIN(rest.len, len);
        memcpy(p, rest.p, n);
        block->at += (uint32_t)n;
        if (block->at == block->len) {
            lane->in.first = block->next;
            lane->in.last = lane->in.first ? lane->in.last : NULL;
            block_put(&conn->worker->blocks, block);
        }
        conn->readable = lane->in.first || lane->in_end || lane->closed;
        give_window(lane, n);
        return (int64_t)n;
    }
    conn->readable = false;
    if (lane->in_end) {
        conn->eof = true;
        return 0;
    }
    if (lane->closed) {
        conn->failed = true;
        return -ECONNRESET;
    }
    return 0;
}

void lane_trailer(struct lane *lane, const struct hpack_found *field)
{
    struct str name = field->name;
    struct str value = field->value;
    struct http1_trailers *trailers = &lane->trailers;
    if (field->too_long || lane->trailer_lines == HTTP1_TRAILER_LINES_MAX) {
        lane->bad_trailer = true; /* as in HTTP/1: without it the message is not whole */
        return;
    }
    lane->trailer_lines++;
    if (!lane->trailer_block) {
        lane->trailer_block = block_get(&lane->conn->worker->blocks, BLOCK_HEAD);
        if (!lane->trailer_block) {
            return; /* as if the sender had left them out */
        }
        trailers->p = lane->trailer_block->data;
    }
    if (!http2_field_is_good(field)) {
        lane->bad_trailer = true;
        return;
    }
    if (trailers->len + name.len + value.len + 4 > HTTP1_TRAILERS_MAX) {
        lane->bad_trailer = true;
        return;
    }
    for (size_t i = 0; i < name.len; i++) {
        http1_trailers_name(trailers, name.p[i]);
    }
    http1_trailers_name(trailers, ':');
    for (size_t i = 0; i < value.len; i++) {
        http1_trailers_value(trailers, value.p[i]);
    }
    http1_trailers_line_end(trailers);
    trailers->secret |= field->secret;
}

/* --- sending --- */

static size_t waiting(const struct conn *conn)
{
    return conn->out ? conn->out->len - conn->out->at : 0;
}

/* What the peer and the socket take now. */
static size_t may_send(const struct lane *lane)
{
    return h2_blocked(lane->h2) ? 0 : http2_may_send(&lane->h2->http, &lane->stream);
}

static void lane_said_all(struct lane *lane)
{
    lane->out_end = true;
    lane->conn->room = UINT32_MAX;
    list_del(&lane->starved);
}

void lane_update_room(struct lane *lane)
{
    struct h2 *h2 = lane->h2;
    struct conn *conn = lane->conn;
    if (lane->out_end && !conn->out) {
        return;
    }
    size_t room = 0;
    size_t allowed = h2 && lane->stream.id ? may_send(lane) : 0;
    if (lane->closed || !h2 || h2->http.failed) {
        room = ROOM_FIRST; /* whoever writes is told */
    } else if (lane->stream.id == 0) {
        room = h2_blocked(h2) ? 0 : ROOM_FIRST;
    } else if (!conn->out) {
        room = MIN(allowed, (size_t)ROOM_MAX);
    }
    conn->room = (uint32_t)room;
    if (room > 0) {
        list_del(&lane->starved);
    } else if (list_empty(&lane->starved)) {
        list_push_back(&h2->starved, &lane->starved);
    }
}

static bool put_data(struct lane *lane, struct str bytes)
{
    struct http2 *http = &lane->h2->http;
    if (!http2_put_data(http, &lane->stream, bytes)) {
        return false;
    }
    lane->frame_serial = lane->h2->serial;
    lane->frame_at = http->last_frame;
    return true;
}

/* Frames of one large piece, as far as they may go; returns how much that was. */
static size_t send_direct(struct lane *lane, struct str piece)
{
    char heads[DIRECT_MAX][HTTP2_FRAME_HEAD];
    struct str parts[2 * DIRECT_MAX];
    size_t sent = 0;
    while (sent < piece.len && may_send(lane) > 0) {
        size_t count = 0;
        for (size_t i = 0; i < DIRECT_MAX && sent < piece.len; i++) {
            size_t left = http2_may_send(&lane->h2->http, &lane->stream);
            size_t n = MIN(piece.len - sent, left);
            n = MIN(n, (size_t)HTTP2_FRAME_MAX);
            if (n == 0) {
                break;
            }
            http2_data_head(&lane->h2->http, &lane->stream, n, heads[i]);
            parts[count++] = str_make(heads[i], HTTP2_FRAME_HEAD);
            parts[count++] = str_slice(piece, sent, sent + n);
            sent += n;
        }
        h2_send(lane->h2, parts, count);
    }
    return sent;
}

/* Sends the beginning of a piece; returns how much of it. */
static size_t send_piece(struct lane *lane, struct str piece)
{
    size_t most = may_send(lane);
    size_t n = MIN(piece.len, most);
    if (n > COPY_MAX) {
        return send_direct(lane, str_slice(piece, 0, n));
    }
    return n > 0 && put_data(lane, str_slice(piece, 0, n)) ? n : 0;
}

static int send(struct conn *conn, const struct str *parts, size_t count)
{
    struct lane *lane = lane_of(conn);
    if (lane->closed || !lane->h2 || lane->out_end || lane->h2->http.failed) {
        return -EPIPE;
    }
    size_t total = 0;
    size_t sent = 0;
    for (size_t i = 0; i < count; i++) {
        if (sent == total && !conn->out && parts[i].len > 0) {
            sent += send_piece(lane, parts[i]);
        }
        total += parts[i].len;
    }
    h2_wants_write(lane->h2);
    int r = sent < total ? conn_keep(conn, parts, count, sent) : 0;
    lane_update_room(lane);
    return r;
}

static void finish(struct lane *lane)
{
    struct http2 *http = &lane->h2->http;
    if (lane->end_trailers.len > 0) {
        struct h2_fields fields;
        h2_fields_init(&fields);
        h2_fields_lines(&fields, lane->end_trailers, lane->end_secret);
        if (fields.count > 0) {
            bool said = http2_put_head(http, &lane->stream, fields.items, fields.count, true);
            ensure(said || http->failed);
            return;
        }
    }
    if (lane->frame_serial == lane->h2->serial) {
        http2_end_in(http, &lane->stream, http->out + lane->frame_at);
    } else {
        http2_put_end(http, &lane->stream);
    }
}

bool lane_may_go_on(const struct lane *lane)
{
    return lane->closed || lane->stream.id == 0 || lane->h2->http.failed ||
           (lane->out_end && !lane->conn->out) || may_send(lane) > 0;
}

bool lane_feed(struct lane *lane)
{
    struct conn *conn = lane->conn;
    size_t before = waiting(conn);
    if (lane->closed || lane->h2->http.failed) {
        lane_update_room(lane);
        return true;
    }
    if (before > 0) {
        struct str rest = block_rest(conn->out);
        size_t n = send_piece(lane, str_slice(rest, 0, HTTP2_FRAME_MAX));
        conn->out->at += (uint32_t)n;
        if (n > 0) {
            list_del(&lane->starved);
            list_push_back(&lane->h2->starved, &lane->starved);
        }
        if (waiting(conn) > 0) {
            return false;
        }
        block_put(&conn->worker->blocks, conn->out);
        conn->out = NULL;
    }
    if (lane->out_end) {
        finish(lane);
        lane_said_all(lane);
        return true;
    }
    lane_update_room(lane);
    return conn->room > 0;
}

int lane_say_head(struct lane *lane, const struct h2_fields *fields, bool body)
{
    struct h2 *h2 = lane->h2;
    if (fields->full) {
        return -ENOBUFS;
    }
    if (!h2 || lane->closed || h2->http.failed) {
        return -EPIPE;
    }
    h2_wants_write(h2);
    struct http2_stream *stream = &lane->stream;
    if (!http2_put_head(&h2->http, stream, fields->items, fields->count, !body)) {
        return -ENOMEM;
    }
    lane->frame_at = h2->http.last_frame;
    lane->frame_serial = h2->serial;
    if (!body) {
        lane_said_all(lane);
    } else {
        lane_update_room(lane);
    }
    return 0;
}

int lane_end(struct lane *lane, const struct http1_trailers *trailers)
{
    struct str lines = trailers ? http1_trailers_str(trailers) : STR_NONE;
    if (lane->closed || !lane->h2 || lane->out_end || lane->h2->http.failed) {
        return 0;
    }
    if (lines.len > 0 && lane->conn->out) {
        lane->end_block = block_get(&lane->conn->worker->blocks, BLOCK_HEAD);
        if (!lane->end_block || lines.len > lane->end_block->cap) {
            return -ENOMEM;
        }
        memcpy(lane->end_block->data, lines.p, lines.len);
        lines.p = lane->end_block->data;
    }
    lane->end_trailers = lines;
    lane->end_secret = trailers && trailers->secret;
    h2_wants_write(lane->h2);
    if (lane->conn->out) { /* the end follows when it is gone */
        lane->out_end = true;
        lane_update_room(lane);
    } else {
        finish(lane);
        lane_said_all(lane);
    }
    return 0;
}

static int flush(struct conn *conn)
{
    struct lane *lane = lane_of(conn);
    if (lane->closed && conn->out) {
        return -EPIPE;
    }
    if (conn->room == 0 && !conn->out) {
        lane_update_room(lane);
    }
    return 0;
}

/* A tunnel's half is over. */
static void shut_write(struct conn *conn)
{
    if (!conn->write_shut) {
        conn->write_shut = true;
        int r = lane_end(lane_of(conn), NULL);
        ensure(r == 0); /* only trailers need memory */
    }
}

/* --- the end --- */

static void lane_abort(struct conn *conn)
{
    lane_of(conn)->aborted = true;
}

/* What the peer is told when its stream is left before both halves are over. Whoever has answered
 * needs no more of the request (RFC 9113 §8.1); a request that is given up is cancelled. */
static uint32_t reset_code(const struct lane *lane)
{
    if (lane->aborted) {
        return HTTP2_INTERNAL_ERROR;
    }
    bool answered = lane->out_end && !lane->conn->out && lane->h2->http.server;
    return answered ? HTTP2_NO_ERROR : HTTP2_CANCEL;
}

static void lane_close(struct conn *conn)
{
    struct lane *lane = lane_of(conn);
    struct h2 *h2 = lane->h2;
    struct block_pool *blocks = &conn->worker->blocks;
    if (h2) {
        http2_leave(&h2->http, &lane->stream, reset_code(lane));
        for (struct block *block = lane->in.first; block; block = block->next) {
            give_window(lane, block->len - block->at);
        }
        h2->lane_count--;
        h2_wants_write(h2);
    }
    list_del(&lane->node);
    list_del(&lane->ready);
    list_del(&lane->starved);
    block_chain_fini(blocks, &lane->in);
    block_put(blocks, lane->trailer_block);
    block_put(blocks, lane->end_block);
    lane->trailer_block = NULL;
    lane->end_block = NULL;
    lane->h2 = NULL;
}

void lane_closed(struct lane *lane, uint32_t error_code)
{
    lane->closed = true;
    lane->error = error_code;
    bool gone = lane->h2->http.server && !lane->stream.local_end; /* a client: whatever it says */
    lane->reset = !lane->in_end || ((gone || error_code != HTTP2_NO_ERROR) && !lane->answers);
    lane->conn->readable = true;
    if (lane->reset) { /* else both ends were told when they came */
        lane->conn->hup = true;
        lane->in_end = false;
    }
    if (lane->reset || !lane->out_end) { /* there is no more to be said, either */
        lane_note(lane);
    }
}

void lane_cut_off(struct lane *lane)
{
    if (!lane->closed) {
        http2_forget(&lane->h2->http, &lane->stream);
        lane_closed(lane, HTTP2_INTERNAL_ERROR);
    }
    list_del(&lane->ready);
    list_del(&lane->starved);
    list_del(&lane->node);
    lane->h2->lane_count--;
    lane->h2 = NULL;
}

const struct conn_ops lane_ops = {
    .recv = receive,
    .send = send,
    .flush = flush,
    .shut_write = shut_write,
    .abort = lane_abort,
    .close = lane_close,
};
