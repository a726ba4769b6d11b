/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream's bytes, both ways. What is received waits in blocks until the owner reads it; what is
 * sent waits in conn->out until nghttp2 asks for it (at the end of the turn, as far as the peer's
 * windows allow).
 */
#include "edge/lane.h"

#include "base/num.h"
#include "edge/h2_fields.h"
#include "edge/worker.h"

#include <stdlib.h>

enum { ROOM_FIRST = 16 * 1024 /* before anything is known of the peer's windows */ };

void lane_init(struct lane *lane, struct h2 *h2, struct conn *conn, void (*news)(struct lane *))
{
    *lane = (struct lane){.h2 = h2, .conn = conn, .news = news, .id = -1};
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
    struct block_pool *blocks = &lane->conn->worker->blocks;
    while (bytes.len > 0) {
        struct block *block = lane->in_last;
        if (!block || block->len == block->cap) {
            block = block_get(blocks, BLOCK_HEAD);
            if (!block) {
                return -ENOMEM;
            }
            if (lane->in_last) {
                lane->in_last->next = block;
            } else {
                lane->in_first = block;
            }
            lane->in_last = block;
        }
        size_t n = MIN(bytes.len, (size_t)(block->cap - block->len));
        memcpy(block->data + block->len, bytes.p, n);
        block->len += (uint32_t)n;
        bytes = str_skip(bytes, n);
    }
    lane->conn->readable = true;
    lane_note(lane);
    return 0;
}

static void give_window(struct lane *lane, size_t len)
{
    if (lane->h2 && !lane->h2->failed) {
        (void)nghttp2_session_consume(lane->h2->session, lane->id, len);
        h2_wants_write(lane->h2);
    }
}

static int64_t receive(struct conn *conn, void *p, size_t len)
{
    struct lane *lane = lane_of(conn);
    struct block *block = lane->in_first;
    if (block) {
        struct str rest = block_rest(block);
        size_t n = MIN(rest.len, len);
        memcpy(p, rest.p, n);
        block->at += (uint32_t)n;
        if (block->at == block->len) {
            lane->in_first = block->next;
            lane->in_last = lane->in_first ? lane->in_last : NULL;
            block_put(&conn->worker->blocks, block);
        }
        conn->readable = lane->in_first || lane->in_end || lane->closed;
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

void lane_trailer(struct lane *lane, struct str name, struct str value)
{
    struct http1_trailers *trailers = &lane->trailers;
    if (!lane->trailer_block) {
        lane->trailer_block = block_get(&lane->conn->worker->blocks, BLOCK_HEAD);
        if (!lane->trailer_block) {
            return; /* as if the sender had left them out */
        }
        trailers->p = lane->trailer_block->data;
    }
    if (name.len == 0 || name.p[0] == ':' || !http_is_token(name) || !http_is_field_value(value) ||
        trailers->len + name.len + value.len + 4 > HTTP1_TRAILERS_MAX) {
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
}

/* --- sending --- */

void lane_update_room(struct lane *lane)
{
    struct h2 *h2 = lane->h2;
    struct conn *conn = lane->conn;
    int64_t room = 0;
    if (lane->out_end) {
        return;
    }
    if (lane->closed || !h2 || h2->failed) {
        room = ROOM_FIRST; /* whoever writes is told */
    } else if (h2->queued < H2_QUEUED_MAX && !conn_blocked(h2->conn)) {
        int64_t session = nghttp2_session_get_remote_window_size(h2->session);
        int64_t stream = lane->id < 0
                             ? session
                             : nghttp2_session_get_stream_remote_window_size(h2->session, lane->id);
        room = MIN(session, stream);
        room -= conn->out ? (int64_t)(conn->out->len - conn->out->at) : 0;
        room = MIN(MAX(room, (int64_t)0), (int64_t)H2_QUEUED_MAX);
    }
    conn->room = (uint32_t)room;
    if (room > 0) {
        list_del(&lane->starved);
    } else if (list_empty(&lane->starved)) {
        list_push_back(&h2->starved, &lane->starved);
    }
}

static void resume(struct lane *lane)
{
    if (lane->deferred) {
        lane->deferred = false;
        (void)nghttp2_session_resume_data(lane->h2->session, lane->id);
    }
    h2_wants_write(lane->h2);
}

static int send(struct conn *conn, const struct str *parts, size_t count)
{
    struct lane *lane = lane_of(conn);
    if (lane->closed || !lane->h2 || lane->out_end) {
        return -EPIPE;
    }
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].len;
    }
    if (total == 0) {
        return 0;
    }
    size_t before = conn->out ? conn->out->len - conn->out->at : 0;
    int r = conn_keep(conn, parts, count, 0);
    if (r < 0) {
        return r;
    }
    size_t now = conn->out->len - conn->out->at;
    lane->h2->queued += now - before;
    if (lane->out_begun) {
        resume(lane);
    }
    return 0;
}

static void submit_trailers(struct lane *lane)
{
    struct h2_fields fields;
    h2_fields_init(&fields);
    h2_fields_lines(&fields, lane->end_trailers);
    (void)nghttp2_submit_trailer(lane->h2->session, lane->id, fields.nv, fields.count);
}

/* nghttp2 asks for the next bytes of a body, at most `len`. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *p, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct lane *lane = nghttp2_session_get_stream_user_data(session, id);
    (void)source;
    (void)context;
    if (!lane) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    struct conn *conn = lane->conn;
    size_t n = 0;
    if (conn->out) {
        struct str rest = block_rest(conn->out);
        n = MIN(rest.len, len);
        memcpy(p, rest.p, n);
        conn->out->at += (uint32_t)n;
        lane->h2->queued -= n;
        if (n == rest.len) {
            block_put(&conn->worker->blocks, conn->out);
            conn->out = NULL;
            lane_note(lane);
        }
    }
    if (!conn->out && lane->out_end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        conn->room = UINT32_MAX;
        lane_note(lane);
        if (lane->end_trailers.len > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(lane);
        }
        return (ssize_t)n;
    }
    if (n == 0) {
        lane->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

nghttp2_data_provider lane_body(struct lane *lane)
{
    lane->out_begun = true;
    return (nghttp2_data_provider){.read_callback = read_body};
}

void lane_said_all(struct lane *lane)
{
    lane->out_end = true;
    lane->conn->room = UINT32_MAX;
    list_del(&lane->starved);
}

int lane_end(struct lane *lane, struct str trailers)
{
    if (lane->closed || !lane->h2 || lane->out_end) {
        return 0;
    }
    if (trailers.len > 0) {
        lane->end_block = block_get(&lane->conn->worker->blocks, BLOCK_HEAD);
        if (!lane->end_block || trailers.len > lane->end_block->cap) {
            return -ENOMEM;
        }
        memcpy(lane->end_block->data, trailers.p, trailers.len);
        lane->end_trailers = str_make(lane->end_block->data, trailers.len);
    }
    lane_said_all(lane);
    if (lane->out_begun) {
        lane->conn->room = 0; /* until nghttp2 has taken the end */
        resume(lane);
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
        int r = lane_end(lane_of(conn), STR_NONE);
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
        return NGHTTP2_INTERNAL_ERROR;
    }
    bool answered = lane->out_end && nghttp2_session_check_server_session(lane->h2->session);
    return answered ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL;
}

/* An answer that is all with nghttp2, but not all gone: a reset now would take its place. It
 * follows when the end is sent (h2.c). */
static bool is_unsent(const struct lane *lane)
{
    nghttp2_session *session = lane->h2->session;
    return nghttp2_session_check_server_session(session) &&
           nghttp2_session_get_stream_local_close(session, lane->id) == 0;
}

static void lane_close(struct conn *conn)
{
    struct lane *lane = lane_of(conn);
    struct h2 *h2 = lane->h2;
    struct block_pool *blocks = &conn->worker->blocks;
    if (h2) {
        h2->queued -= conn->out ? conn->out->len - conn->out->at : 0;
        if (!lane->closed && lane->id > 0 && !h2->failed) {
            (void)nghttp2_session_set_stream_user_data(h2->session, lane->id, NULL);
            if (lane->aborted || !lane->out_end || conn->out ||
                (!lane->in_end && !is_unsent(lane))) {
                (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, lane->id,
                                                reset_code(lane));
            }
        }
        for (struct block *block = lane->in_first; block; block = block->next) {
            give_window(lane, block->len - block->at);
        }
        h2->lane_count--;
        h2_wants_write(h2);
    }
    list_del(&lane->node);
    list_del(&lane->ready);
    list_del(&lane->starved);
    while (lane->in_first) {
        struct block *block = lane->in_first;
        lane->in_first = block->next;
        block_put(blocks, block);
    }
    lane->in_last = NULL;
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
    lane->reset = error_code != NGHTTP2_NO_ERROR || !lane->in_end;
    lane->conn->readable = true;
    lane->conn->hup |= lane->reset;
    lane->in_end &= !lane->reset;
    lane_note(lane);
}

void lane_cut_off(struct lane *lane)
{
    if (!lane->closed) {
        lane_closed(lane, NGHTTP2_INTERNAL_ERROR);
    }
    list_del(&lane->ready);
    list_del(&lane->starved);
    list_del(&lane->node);
    lane->h2->lane_count--;
    lane->h2->queued -= lane->conn->out ? lane->conn->out->len - lane->conn->out->at : 0;
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
