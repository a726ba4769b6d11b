/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies on their way. A piece is read into the worker's one hot buffer, decoded, shown to the
 * filters, framed (gather.c) and sent in the same turn; only what the receiver's socket does not
 * take is kept, and nothing is read meanwhile.
 *
 * 1. At most one piece of a direction is anywhere but in a socket: in `held`, while its filter is
 *    suspended, or in the receiver's `out`.
 * 2. What lies behind a request's body is the next request's and goes to client->ahead; what lies
 *    behind an answer's body is nobody's, and ends the connection that sent it.
 * 3. No more than ROUNDS_MAX reads in a row: a fast body does not keep others waiting.
 *
 * As it fails: a body that cannot be read or is too large is answered (400, 413) as long as no
 * answer has begun, and its end is not handed over; an answer that breaks off is cut. An upstream
 * that takes no more of the body (up_broken) may still say why.
 */
#include "edge/exchange.h"

#include "base/num.h"
#include "edge/admit.h"
#include "edge/call.h"
#include "edge/gather.h"
#include "edge/lane.h"
#include "edge/reply.h"
#include "edge/stream_private.h"
#include "edge/worker.h"
#include "proto/http1_body.h"

enum {
    ROUNDS_MAX = 8,                /* reads before others get their turn */
    WIDE_MIN = 2 * WORKER_IN_SIZE, /* left of a body that is worth a large read */
};

/* --- decoding and filters, the same for both directions --- */

enum take { TAKE_NOTHING, TAKE_PIECE, TAKE_LAST, TAKE_STOPPED, TAKE_BAD };

/* A filter suspended: the piece and what was not decoded yet wait in a block; `at` is the
 * border. */
static enum take hold_piece(struct stream *stream, enum stream_direction direction,
                            struct str piece, struct str rest)
{
    struct block *block = block_get(&stream->worker->blocks, BLOCK_LARGE);
    if (!block || piece.len + rest.len > block->cap) {
        block_put(&stream->worker->blocks, block);
        return TAKE_BAD;
    }
    memcpy(block->data, piece.p, piece.len);
    memcpy(block->data + piece.len, rest.p, rest.len);
    block->at = (uint32_t)piece.len;
    block->len = (uint32_t)(piece.len + rest.len);
    stream->held[direction] = block;
    return TAKE_STOPPED;
}

static enum take show_filters(struct stream *stream, enum stream_direction direction,
                              struct str *piece, struct str rest)
{
    enum filter_stage stage = direction == STREAM_UP ? FILTER_BODY_UP : FILTER_BODY_DOWN;
    bool last = http1_body_done(stream_body(stream, direction));
    if (stream->filters->count[stage] && !filters_run(stream, stream->filters, stage, piece)) {
        return stream->suspended[direction] ? hold_piece(stream, direction, *piece, rest)
                                            : TAKE_STOPPED;
    }
    return last ? TAKE_LAST : TAKE_PIECE;
}

/* The piece whose filter has resumed, back in the hot buffer. */
static enum take take_held(struct stream *stream, enum stream_direction direction, struct str *in,
                           struct str *piece)
{
    struct worker *worker = stream->worker;
    struct block *block = stream->held[direction];
    stream->held[direction] = NULL;
    ensure(block->len <= WORKER_IN_SIZE);
    memcpy(worker->in, block->data, block->len);
    *piece = str_make(worker->in, block->at);
    *in = str_make(worker->in + block->at, block->len - block->at);
    block_put(&worker->blocks, block);
    return show_filters(stream, direction, piece, *in);
}

static enum take take(struct stream *stream, enum stream_direction direction, struct str *in,
                      struct str *piece)
{
    if (unlikely(stream->held[direction] != NULL)) {
        return take_held(stream, direction, in, piece);
    }
    if (in->len == 0) {
        return TAKE_NOTHING;
    }
    size_t used;
    int r = http1_body_read(stream_body(stream, direction), *in, &used, piece);
    if (r == HTTP1_E_BAD) {
        return TAKE_BAD;
    }
    if (unlikely(r == HTTP1_E_ROOM)) {
        trailers_give_room(stream, direction);
    }
    *in = str_skip(*in, used);
    return show_filters(stream, direction, piece, *in);
}

/* Where a read for `to` goes. Each read and send of a large body costs a round of the kernel's TCP,
 * with both peers woken: few and large ones cost a quarter less. That is for bytes that need no
 * framing and no filter. */
static struct str room_for(struct stream *stream, enum stream_direction direction, struct conn *to)
{
    const struct http1_body *body = stream_body(stream, direction);
    enum filter_stage stage = direction == STREAM_UP ? FILTER_BODY_UP : FILTER_BODY_DOWN;
    struct str wide = STR_NONE;
    if (unlikely(body->framing == HTTP1_BODY_LENGTH && body->left >= WIDE_MIN) &&
        stream->filters->count[stage] == 0) {
        wide = conn_wide(to);
    }
    return wide.len ? wide
                    : str_make(stream->worker->in, MIN((size_t)WORKER_IN_SIZE, (size_t)to->room));
}

/* Of the rounds of a turn: a large read is as many as small ones it replaced. */
static unsigned rounds_of(size_t read)
{
    return 1 + (unsigned)(read / (WORKER_IN_SIZE + 1));
}

static void progress(struct stream *stream)
{
    const struct snapshot_service *spec = &stream->service->spec;
    uint32_t ms = unlikely(stream->flows) ? spec->stream_ms : spec->idle_ms;
    client_deadline(stream->client, stream->worker->loop.now_ns + ms * NS_PER_MS);
}

static void go_on_later(struct stream *stream)
{
    loop_defer(&stream->worker->loop, &stream->client->again);
}

/* --- request body --- */

/* Each piece buys idle_ms more, but the whole must come at the least rate: a body in drops holds a
 * connection no longer than one that stopped. What is sent again has come long ago. */
static void progress_up(struct stream *stream, bool again)
{
    if (unlikely(stream->flows)) { /* a caller speaks when it has something to say */
        progress(stream);
        return;
    }
    uint32_t rate = stream->worker->gateway.body_rate;
    int64_t now_ns = stream->worker->loop.now_ns;
    int64_t idle_ns = stream->service->spec.idle_ms * NS_PER_MS;
    int64_t due_ns = now_ns;
    if (rate != SNAPSHOT_NO_LIMIT && likely(!again)) {
        due_ns = stream->head_ns + (int64_t)(stream->bytes_in / rate) * NS_PER_S;
    }
    client_deadline(stream->client, MIN(now_ns, due_ns) + idle_ns);
}

/* What lies behind the body is the next request. Without room for it this one is the last. */
static void keep_ahead(struct stream *stream, struct str rest)
{
    struct client *client = stream->client;
    replay_trim(stream, rest.len);
    client->ahead = block_get(&stream->worker->blocks, BLOCK_HEAD);
    if (!client->ahead || rest.len > client->ahead->cap) {
        stream->keep_client = false;
        return;
    }
    memcpy(client->ahead->data, rest.p, rest.len);
    client->ahead->len = (uint32_t)rest.len;
}

/* The body is whole. `fresh`: what is behind it was just read. */
static void end_up(struct stream *stream, struct str rest, bool fresh)
{
    stream->up_done = true;
    stream->sent_ns = stream->worker->loop.now_ns;
    if (stream->req.framing == HTTP1_BODY_CHUNKED &&
        stream->up.extension_left < HTTP1_EXTENSIONS_MAX && admit_glitch(stream->client)) {
        stream->keep_client = false;
    }
    if (fresh && rest.len > 0) {
        keep_ahead(stream, rest);
    }
    if (unlikely(stream->flows && stream->answer_begun)) {
        progress(stream);
        return;
    }
    client_deadline(stream->client,
                    stream->sent_ns + stream->service->spec.first_byte_ms * NS_PER_MS);
}

/* What the upstream gets; a lane frames by itself. */
static struct gather gather_up(const struct stream *stream)
{
    struct conn *conn = &stream->upstream->conn;
    return (struct gather){
        .conn = conn,
        .p = stream->worker->out,
        .chunked = stream->req.framing == HTTP1_BODY_CHUNKED && !conn_is_lane(conn),
    };
}

/* Decodes and sends `in`, which lies in `source` or was just read. 0; > 0: stopped (suspended,
 * answered, refused); < 0: nothing more can be sent. */
static int feed_up(struct stream *stream, struct str in, struct block *source)
{
    struct gather gather = gather_up(stream);
    struct str piece;
    enum take taken = TAKE_PIECE;
    while (taken == TAKE_PIECE) {
        taken = take(stream, STREAM_UP, &in, &piece);
        if (taken == TAKE_PIECE || taken == TAKE_LAST) {
            stream->bytes_in += piece.len;
            if (stream->bytes_in > stream->body_size) { /* before its end is handed over */
                reply_body_too_large(stream);
                return 1;
            }
            gather_piece(&gather, piece);
        }
    }
    if (source) {
        source->at = source->len - (uint32_t)in.len;
    }
    if (taken == TAKE_LAST) {
        gather_last(&gather, &stream->up);
        end_up(stream, in, source == NULL);
    }
    gather_send(&gather, STR_NONE);
    if (taken == TAKE_LAST && unlikely(stream->visit.begun)) {
        policy_sent(stream);
    }
    if (taken == TAKE_BAD) {
        if (stream->up.error.reason) {
            reply_page(stream, 400, (struct said){.en = stream->up.error.reason});
        } else {
            reply_upstream_error(stream, -ENOMEM); /* there was no room to wait in */
        }
        return 1;
    }
    return gather.error < 0 ? gather.error : taken == TAKE_STOPPED;
}

/* The client's stream has ended, and its body with it. */
static int end_of_client(struct stream *stream)
{
    struct gather gather = gather_up(stream);
    stream->up.trailers = &lane_of(&stream->client->conn)->trailers;
    gather_last(&gather, &stream->up);
    end_up(stream, STR_NONE, false);
    gather_send(&gather, STR_NONE);
    if (unlikely(stream->visit.begun)) {
        policy_sent(stream);
    }
    return gather.error;
}

enum { READ_LOST = -1, READ_NOTHING, READ_BYTES, READ_END };

/* One read from the client; no byte of a next request is taken where that can be known. */
static int read_up(struct stream *stream, struct str *ret)
{
    struct conn *conn = &stream->client->conn;
    struct str room = room_for(stream, STREAM_UP, &stream->upstream->conn);
    size_t most = BLOCK_HEAD_SIZE;
    if (stream->req.framing == HTTP1_BODY_LENGTH) {
        most = (size_t)MIN(stream->up.left, (uint64_t)room.len);
    }
    most = MIN(most, room.len);
    char *p = (char *)(uintptr_t)room.p;
    int64_t n = conn_recv(conn, p, most);
    if (n < 0 || conn->eof) {
        return n == 0 && conn_is_lane(conn) ? READ_END : READ_LOST;
    }
    *ret = str_make(p, (size_t)n);
    replay_take(stream, *ret);
    return n > 0 ? READ_BYTES : READ_NOTHING;
}

static bool broken_up(struct stream *stream, int error)
{
    if (unlikely(error == -ENOMEM) && !stream->answer_begun) {
        return stream_lost(stream, error); /* the service is not to blame, and waits for the rest */
    }
    stream->up_broken = true;
    stream->upstream->conn.readable = true; /* perhaps it has answered */
    return true;
}

/* What is here already: behind the head, or kept of a try before. */
static struct block *source_up(const struct stream *stream)
{
    struct block *first = stream->client->in;
    return first->at < first->len ? first : replay_next(stream);
}

bool exchange_pump_up(struct stream *stream)
{
    for (unsigned round = 0; !stream->up_done && !stream->up_broken;) {
        if (stream->suspended[STREAM_UP] || conn_blocked(&stream->upstream->conn)) {
            return true;
        }
        struct block *source = source_up(stream);
        struct str in = source ? block_rest(source) : STR_NONE;
        if (!source && !stream->held[STREAM_UP]) {
            if (round >= ROUNDS_MAX) {
                go_on_later(stream);
                return true;
            }
            int r = stream->client->conn.readable ? read_up(stream, &in) : READ_NOTHING;
            if (r == READ_LOST) {
                stream_abort(stream);
                return false;
            }
            if (r == READ_END) {
                r = end_of_client(stream);
                return r < 0 ? broken_up(stream, r) : true;
            }
            if (r == READ_NOTHING) {
                return true;
            }
        }
        progress_up(stream, source && stream->retries > 0);
        round += rounds_of(in.len);
        int r = feed_up(stream, in, source);
        if (r != 0) {
            return r > 0 ? true : broken_up(stream, r);
        }
    }
    return true;
}

/* --- response body --- */

static bool send_gathered(struct stream *stream, struct gather *gather)
{
    if (unlikely(gather->more)) {
        return true;
    }
    gather_send(gather, STR_NONE);
    if (gather->error < 0) {
        stream_abort(stream);
        return false;
    }
    return true;
}

static bool feed_down(struct stream *stream, struct gather *gather, struct str in)
{
    struct str piece;
    enum take taken = stream->down_done ? TAKE_NOTHING : TAKE_PIECE;
    while (taken == TAKE_PIECE) {
        taken = take(stream, STREAM_DOWN, &in, &piece);
        if (taken == TAKE_PIECE || taken == TAKE_LAST) {
            stream->bytes_out += piece.len;
            gather_piece(gather, piece);
        }
    }
    if (taken == TAKE_LAST) {
        gather_last(gather, &stream->down);
        stream->down_done = true;
        stream->keep_upstream &= in.len == 0;
    }
    if (unlikely(taken == TAKE_BAD)) {
        gather->more = false;
    }
    if (!send_gathered(stream, gather)) {
        return false;
    }
    return taken == TAKE_BAD ? stream_lost(stream, -EBADMSG) : true;
}

/* The upstream has closed: the end of a body without length, else a broken one. */
static bool end_of_upstream(struct stream *stream, struct gather *gather)
{
    struct conn *conn = &stream->upstream->conn;
    if (http1_body_eof(&stream->down) != 0) {
        return stream_lost(stream, -ECONNRESET);
    }
    if (unlikely(conn_is_lane(conn))) {
        stream->down.trailers = &lane_of(conn)->trailers;
        call_ended(stream, http1_trailers_str(stream->down.trailers));
    }
    stream->down_done = true;
    stream->keep_upstream = false;
    gather_last(gather, &stream->down);
    return send_gathered(stream, gather);
}

static int begin_down(struct stream *stream, struct gather *gather)
{
    int r = exchange_write_response(stream, &gather->len);
    if (r < 0) {
        return r;
    }
    stream->answer_begun = true;
    stream_last_head(stream, false);
    return 0;
}

/* The last piece of a lane, and its end with it. */
static bool feed_last(struct stream *stream, struct gather *gather, struct str in)
{
    struct conn *conn = &stream->upstream->conn;
    gather->more = true;
    if (!feed_down(stream, gather, in)) {
        return false;
    }
    gather->more = false;
    bool goes_on = stream->state == STREAM_EXCHANGE && !stream->suspended[STREAM_DOWN];
    int64_t n = goes_on && !stream->down_done ? conn_recv(conn, stream->worker->in, 1) : 0;
    ensure(n <= 0); /* it was the last one */
    return goes_on && conn->eof && !stream->down_done ? end_of_upstream(stream, gather)
                                                      : send_gathered(stream, gather);
}

/* The head came alone: who writes the body apart, without TCP_NODELAY, holds it back until the head
 * is acknowledged. */
__attribute__((cold, noinline)) static void ask_for_body(const struct stream *stream)
{
    const struct conn *conn = &stream->upstream->conn;
    if (stream->bytes_out == 0 && !conn_is_lane(conn)) {
        sock_ack_now(conn->watch.fd);
    }
}

/* One read, of *ret_read bytes. False: it ended the stream. */
static bool round_down(struct stream *stream, struct gather *gather, size_t *ret_read)
{
    struct conn *conn = &stream->upstream->conn;
    struct str room = room_for(stream, STREAM_DOWN, &stream->client->conn);
    char *p = (char *)(uintptr_t)room.p;
    int64_t n = conn_recv(conn, p, room.len);
    gather->more = false;
    *ret_read = n > 0 ? (size_t)n : 0;
    if (n < 0) {
        return send_gathered(stream, gather) && stream_lost(stream, (int)n);
    }
    if (n == 0 && conn->eof) {
        return end_of_upstream(stream, gather);
    }
    if (n == 0) {
        ask_for_body(stream);
        return send_gathered(stream, gather);
    }
    progress(stream);
    struct str in = str_make(p, *ret_read);
    if (unlikely(conn_is_lane(conn)) && lane_is_spent(conn)) {
        return feed_last(stream, gather, in);
    }
    return feed_down(stream, gather, in);
}

/* Will round_down read a part of the body at once? */
static bool begins_with_body(const struct stream *stream)
{
    return !stream->down_done && stream->upstream->conn.readable &&
           !conn_blocked(&stream->client->conn) && !stream->suspended[STREAM_DOWN];
}

/* The head, and what came with it. `already` may lie in the block the head was collected in. */
static bool first_down(struct stream *stream, struct gather *gather, struct str already)
{
    struct block_pool *blocks = &stream->worker->blocks;
    struct block *kept = stream->answer_in;
    int r = begin_down(stream, gather);
    if (r < 0) {
        return stream_lost(stream, r);
    }
    stream->answer_in = NULL;
    if (unlikely(stream->replay.chain.first != NULL)) {
        replay_drop(stream);
    }
    gather->chunked = stream->chunk_down;
    gather->more = conn_is_lane(&stream->upstream->conn) && begins_with_body(stream);
    progress(stream);
    bool alive = feed_down(stream, gather, already);
    block_put(blocks, kept);
    return alive;
}

bool exchange_pump_down(struct stream *stream, struct str already)
{
    struct gather gather = {
        .conn = &stream->client->conn,
        .p = stream->worker->out,
        .chunked = stream->chunk_down,
        .later = stream->keep_client && stream->up_done,
    };
    if (!stream->answer_begun) {
        if (!first_down(stream, &gather, already)) {
            return false;
        }
    } else if (stream->held[STREAM_DOWN] && !feed_down(stream, &gather, STR_NONE)) {
        return false;
    }
    size_t read = 1;
    for (unsigned round = 0; read > 0 && !stream->down_done && stream->state == STREAM_EXCHANGE;
         round += rounds_of(read)) {
        if (!stream->upstream->conn.readable || conn_blocked(&stream->client->conn) ||
            stream->suspended[STREAM_DOWN]) {
            ask_for_body(stream);
            return true;
        }
        if (round >= ROUNDS_MAX) {
            go_on_later(stream);
            return true;
        }
        if (!round_down(stream, &gather, &read)) {
            return false;
        }
    }
    return true;
}
