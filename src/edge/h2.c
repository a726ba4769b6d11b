/* SPDX-License-Identifier: Apache-2.0
 *
 * A session's input and output, and what is the same for both roles.
 *
 * The happy path: h2_run reads, frames become notes in lanes, lanes in `ready` go on (their owners
 * read, decide, write into `out`), and at the end of the turn `flush` sends `out`.
 * As it fails: a connection that breaks, or a peer that breaks the protocol, makes http.failed; the
 * owner cuts the lanes off and closes.
 */
#include "edge/h2.h"

#include "base/num.h"
#include "edge/lane.h"
#include "edge/worker.h"

enum {
    ROUNDS_MAX = 4,      /* reads before others get their turn */
    TABLE_CLIENT = 1024, /* of HPACK: what compression costs in memory */
    TABLE_LINK = 4096,
};

static struct h2 *h2_of(struct http2 *http)
{
    return container_of(http, struct h2, http);
}

static struct lane *lane_at(struct http2_stream *stream)
{
    return container_of(stream, struct lane, stream);
}

/* --- what frames say --- */

static struct http2_stream *on_open(struct http2 *http)
{
    struct h2 *h2 = h2_of(http);
    struct lane *lane = h2->role->open(h2);
    return lane ? &lane->stream : NULL;
}

static void on_field(struct http2 *http, struct http2_stream *stream,
                     const struct hpack_found *field)
{
    struct lane *lane = lane_at(stream);
    if (stream->head_done) {
        lane_trailer(lane, field);
    } else {
        h2_of(http)->role->field(lane, field);
    }
}

static enum http2_head_verdict on_head(struct http2 *http, struct http2_stream *stream, bool last)
{
    struct lane *lane = lane_at(stream);
    if (stream->head_done) {
        return lane->bad_trailer ? HTTP2_HEAD_MALFORMED : HTTP2_HEAD_OK;
    }
    enum http2_head_verdict verdict = h2_of(http)->role->head(lane, last);
    lane_note(lane);
    return verdict;
}

static bool on_data(struct http2 *http, struct http2_stream *stream, struct str bytes)
{
    (void)http;
    return lane_received(lane_at(stream), bytes) == 0;
}

static void on_end(struct http2 *http, struct http2_stream *stream)
{
    struct lane *lane = lane_at(stream);
    (void)http;
    lane->in_end = true;
    lane->conn->readable = true;
    lane_note(lane);
}

static void on_closed(struct http2 *http, struct http2_stream *stream, uint32_t error)
{
    (void)http;
    lane_closed(lane_at(stream), error);
}

static void on_goaway(struct http2 *http)
{
    struct h2 *h2 = h2_of(http);
    h2->role->goaway(h2);
}

static void on_window(struct http2 *http)
{
    h2_wants_write(h2_of(http));
}

/* --- output --- */

static void fail(struct h2 *h2)
{
    h2->http.failed = true;
}

/* What is in `out` has gone on. */
static void begin_out(struct h2 *h2, struct block *block)
{
    h2->out = block;
    h2->http.out = block ? block->data : NULL;
    h2->http.out_cap = block ? block->cap : 0;
    h2->http.out_len = 0;
    h2->serial++;
}

static void queue_out(struct h2 *h2)
{
    struct block *block = h2->out;
    block->len = (uint32_t)h2->http.out_len;
    block->next = NULL;
    if (h2->queue_last) {
        h2->queue_last->next = block;
    } else {
        h2->queue = block;
    }
    h2->queue_last = block;
    h2->queued++;
    begin_out(h2, NULL);
}

static void send_out(struct h2 *h2)
{
    struct str part = str_make(h2->http.out, h2->http.out_len);
    if (part.len > 0 && conn_send(h2->conn, &part, 1) < 0) {
        fail(h2);
    }
    begin_out(h2, h2->out);
}

/* The queue first, then `out`, as far as the socket takes it. */
static void send_waiting(struct h2 *h2)
{
    struct block_pool *blocks = &h2->conn->worker->blocks;
    while (h2->queue && !conn_blocked(h2->conn)) {
        struct block *block = h2->queue;
        struct str part = block_rest(block);
        if (conn_send(h2->conn, &part, 1) < 0) {
            fail(h2);
        }
        h2->queue = block->next;
        h2->queue_last = h2->queue ? h2->queue_last : NULL;
        h2->queued--;
        block_put(blocks, block);
    }
    if (!h2_blocked(h2) && h2->out) {
        send_out(h2);
        block_put(blocks, h2->out);
        begin_out(h2, NULL);
    }
}

static bool on_room(struct http2 *http, size_t n)
{
    struct h2 *h2 = h2_of(http);
    struct block_pool *blocks = &h2->conn->worker->blocks;
    if (h2->out && h2_blocked(h2)) {
        queue_out(h2);
    } else if (h2->out) {
        send_out(h2);
    }
    if (h2->out && n > h2->out->cap) {
        block_put(blocks, h2->out);
        begin_out(h2, NULL);
    }
    if (!h2->out && h2->queued < H2_QUEUE_MAX) {
        bool large = n > BLOCK_HEAD_SIZE || h2->queue;
        begin_out(h2, block_get(blocks, large ? BLOCK_LARGE : BLOCK_HEAD));
    }
    return h2->out && n <= h2->out->cap;
}

void h2_send(struct h2 *h2, const struct str *parts, size_t count)
{
    struct str all[8] = {str_make(h2->http.out, h2->http.out_len)};
    size_t first = all[0].len ? 0 : 1;
    ensure(count < ARRAY_LEN(all));
    memcpy(all + 1, parts, count * sizeof(all[0]));
    if (conn_send(h2->conn, all + first, count + 1 - first) < 0) {
        fail(h2);
    }
    begin_out(h2, h2->out);
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

/* --- turns --- */

static void run_ready(struct h2 *h2)
{
    struct list *node;
    while ((node = list_pop_front(&h2->ready))) {
        struct lane *lane = list_entry(node, struct lane, ready);
        lane_update_room(lane);
        lane->news(lane);
    }
}

/* What is to go first (RFC 9218 §10): the most urgent; of these those that do not share, in the
 * order in which they were asked for; who shares in turns is behind the others in the list then. */
static bool goes_before(const struct lane *a, const struct lane *b)
{
    if (a->stream.urgency != b->stream.urgency) {
        return a->stream.urgency < b->stream.urgency;
    }
    if (a->stream.incremental != b->stream.incremental) {
        return b->stream.incremental;
    }
    return !a->stream.incremental && a->stream.id < b->stream.id;
}

static struct lane *most_urgent(struct h2 *h2)
{
    struct lane *first = NULL;
    list_for_each (node, &h2->starved) {
        struct lane *lane = list_entry(node, struct lane, starved);
        if (lane_may_go_on(lane) && (!first || goes_before(lane, first))) {
            first = lane;
        }
    }
    return first;
}

/* Lanes that waited for windows, or for others to be sent, one by one, as long as anything may be
 * sent. Each has sent something, or has left the list, when the next is looked for. */
static void feed_starved(struct h2 *h2)
{
    struct lane *lane;
    while (!h2_blocked(h2) && (lane = most_urgent(h2))) {
        if (lane_feed(lane)) {
            list_del(&lane->ready);
            lane->news(lane);
        }
    }
}

static void flush(struct loop_task *task)
{
    struct h2 *h2 = container_of(task, struct h2, flush);
    if (conn_flush(h2->conn) < 0) {
        fail(h2);
    }
    send_waiting(h2);
    if (!list_empty(&h2->starved) && !h2_blocked(h2)) {
        feed_starved(h2);
    }
    run_ready(h2);
    send_waiting(h2);
    h2->role->flushed(h2);
}

void h2_wants_write(struct h2 *h2)
{
    loop_defer(&h2->conn->worker->loop, &h2->flush);
}

static void feed(struct h2 *h2, struct str bytes)
{
    struct counters_thread *stats = h2->conn->worker->stats;
    uint32_t before = h2->http.guard.glitches;
    bool calm = h2->http.calmed;
    h2->http.now_ns = h2->conn->worker->loop.now_ns;
    http2_read(&h2->http, bytes);
    if (unlikely(h2->http.guard.glitches != before || h2->http.calmed != calm)) {
        counters_add(&stats->glitches, h2->http.guard.glitches - before);
        counters_add(&stats->limit_glitches, h2->http.calmed && !calm);
    }
}

void h2_run(struct h2 *h2, struct str already)
{
    struct worker *worker = h2->conn->worker;
    struct conn *conn = h2->conn;
    if (already.len > 0) {
        feed(h2, already);
    }
    for (unsigned round = 0; conn->readable && !h2->http.failed; round++) {
        if (round >= ROUNDS_MAX) {
            h2_wants_write(h2); /* comes back here at the end of the turn */
            break;
        }
        if (h2->queued >= H2_QUEUE_PAUSE) {
            break;
        }
        int64_t n = conn_recv(conn, worker->in, WORKER_IN_SIZE);
        if (n < 0 || conn->eof) {
            fail(h2);
            break;
        }
        if (n > 0) {
            feed(h2, str_make(worker->in, (size_t)n));
        }
    }
    if (conn->failed) {
        fail(h2);
    }
    h2_wants_write(h2);
    run_ready(h2);
}

bool h2_over(struct h2 *h2)
{
    const struct http2 *http = &h2->http;
    bool quiet = http->stream_count == 0 && http->out_len == 0 && !h2_blocked(h2);
    return http->failed || ((http->goaway_sent || http->goaway_seen) && quiet);
}

void h2_drain(struct h2 *h2)
{
    http2_drain(&h2->http);
    h2_wants_write(h2);
}

/* --- life --- */

int h2_init(struct h2 *h2, struct conn *conn, const struct h2_role *role, bool server)
{
    struct worker *worker = conn->worker;
    const struct http2_limits limits = {
        .window = worker->gateway.http2_window,
        .session_window = worker->gateway.http2_session_window,
        .streams_max = server ? worker->gateway.http2_streams : 0,
        .head_max = worker->limits.head_max,
        .glitches_max = worker->gateway.http2_glitches,
    };
    *h2 = (struct h2){.conn = conn, .role = role};
    list_init(&h2->lanes);
    list_init(&h2->ready);
    list_init(&h2->starved);
    loop_task_init(&h2->flush, flush);
    h2->http.now_ns = worker->loop.now_ns;
    h2->http.ops = &ops;
    int r = http2_init(&h2->http, &ops, &limits, server, server ? TABLE_CLIENT : TABLE_LINK);
    if (r < 0) {
        h2_fini(h2);
        return r;
    }
    h2_wants_write(h2);
    return 0;
}

void h2_fini(struct h2 *h2)
{
    struct block_pool *blocks = &h2->conn->worker->blocks;
    ensure(h2->lane_count == 0);
    loop_task_cancel(&h2->flush);
    http2_fini(&h2->http);
    while (h2->queue) {
        struct block *block = h2->queue;
        h2->queue = block->next;
        block_put(blocks, block);
    }
    block_put(blocks, h2->out);
    h2->out = NULL;
}
