/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunnels: bytes in both directions, unread unless the route asks for WebSockets' frames to be
 * checked. Each end may finish its direction alone (FIN is passed on); the tunnel ends with the
 * second one, with an error, or after its idle time without a byte.
 *
 * 1. Nothing is read from one end while bytes wait for the other.
 * 2. After a 101 the tunnel begins only behind the whole request; what came behind either head is
 *    its first bytes.
 * 3. Of a WebSocket that is not read it is known where its frames end, so that it can be told when
 *    its replica leaves or the gateway stops.
 * 4. A tunnel lives long and mostly sleeps: it gives back what only a request needs (the head's
 *    block, most of the stream: stream_shorten). So no step may use its stream behind the start.
 */
#include "edge/tunnel.h"

#include "base/num.h"
#include "edge/exchange.h"
#include "edge/h2_heads.h"
#include "edge/h2_link.h"
#include "edge/lane.h"
#include "edge/stream_private.h"
#include "edge/worker.h"

enum { ROUNDS_MAX = 4 };

static void progress(struct stream *stream)
{
    if (stream->frames && (stream->frames->closing || stream->frames->failing)) {
        return; /* that has a deadline of its own */
    }
    client_deadline(stream->client, stream->frames
                                        ? tunnel_frames_deadline(stream)
                                        : stream->worker->loop.now_ns + tunnel_idle_ns(stream));
}

/* A service that goes without a Close: the client gets one before the end. */
static bool left_alone(const struct stream *stream)
{
    const struct conn *conn = &stream->upstream->conn;
    return stream->frames && (conn->eof || (conn->failed && !conn->readable)) &&
           !stream->client->conn.failed && !stream->client->conn.eof &&
           stream->frames->from[STREAM_DOWN].close_code == 0;
}

static void follow(struct stream *stream, enum stream_direction direction, struct str bytes)
{
    struct websocket_bounds *bounds = &stream->bounds[direction];
    websocket_bounds_pass(bounds, bytes);
    if (unlikely(bounds->close_code) && stream->close_code == 0) {
        stream->close_code = bounds->close_code;
    }
}

static int pass(struct stream *stream, enum stream_direction direction, struct conn *to,
                struct str bytes)
{
    if (stream->frames) {
        return tunnel_frames_pass(stream, direction, bytes);
    }
    if (stream->follows) {
        follow(stream, direction, bytes);
    }
    return to->write_shut ? 0 : conn_send(to, &bytes, 1);
}

/* Moves what can be moved from one end to the other. False: an end is broken. */
static bool pump(struct stream *stream, enum stream_direction direction, struct conn *from,
                 struct conn *to)
{
    struct worker *worker = stream->worker;
    if (conn_flush(to) < 0) {
        return false;
    }
    for (unsigned round = 0; from->readable && !conn_blocked(to); round++) {
        if (round >= ROUNDS_MAX) {
            loop_defer(&worker->loop, &stream->client->again);
            return true;
        }
        size_t most = MIN((size_t)WORKER_IN_SIZE, (size_t)to->room);
        int64_t n = conn_recv(from, worker->in, most);
        if (n < 0) {
            return false;
        }
        if (n == 0) {
            break;
        }
        *(direction == STREAM_UP ? &stream->bytes_in : &stream->bytes_out) += (uint64_t)n;
        int r = pass(stream, direction, to, str_make(worker->in, (size_t)n));
        if (r == TUNNEL_E_CLOSED) {
            return true;
        }
        if (r < 0) {
            return false;
        }
        progress(stream);
    }
    if (from->eof && !conn_blocked(to) && !left_alone(stream)) {
        conn_shut_write(to);
    }
    return true;
}

static bool end(struct stream *stream)
{
    stream->keep_client = false;
    stream->keep_upstream = false;
    stream_end(stream);
    return false;
}

static bool closing(struct stream *stream)
{
    return tunnel_frames_closing(stream) ? end(stream) : false;
}

bool tunnel_run(struct stream *stream)
{
    struct conn *client = &stream->client->conn;
    struct conn *upstream = &stream->upstream->conn;
    if (stream->frames && stream->frames->closing) {
        return closing(stream);
    }
    bool alive =
        pump(stream, STREAM_UP, client, upstream) && pump(stream, STREAM_DOWN, upstream, client);
    if (left_alone(stream)) {
        tunnel_frames_end(stream);
    }
    if (stream->frames && stream->frames->closing) {
        return closing(stream);
    }
    bool over = client->eof && upstream->eof && !conn_blocked(client) && !conn_blocked(upstream);
    return !alive || over ? end(stream) : false;
}

void tunnel_timeout(struct stream *stream)
{
    if (stream->follows && tunnel_frames_late(stream) == 0) {
        tunnel_frames_close(stream, WEBSOCKET_GOING_AWAY, WEBSOCKET_GOING_AWAY,
                            "nobody said anything for too long");
        return;
    }
    if (!stream->frames || !tunnel_frames_timeout(stream)) {
        stream_abort(stream);
    }
}

/* What came behind the client's head belongs to the tunnel. */
static int send_early(struct stream *stream)
{
    struct block *in = stream->client->in;
    struct str early = in ? block_rest(in) : STR_NONE;
    if (early.len == 0) {
        return 0;
    }
    stream->bytes_in += early.len;
    in->at = in->len;
    return pass(stream, STREAM_UP, &stream->upstream->conn, early);
}

/* From here on it sleeps, mostly: goes on at the end of the turn, as a stream of what it needs. */
static bool start(struct stream *stream)
{
    struct worker *worker = stream->worker;
    const struct snapshot_tunnel *limits = stream->route ? stream->route->tunnel : NULL;
    stream->flags |= RING_FLAG_TUNNEL;
    stream->tunnel_idle_ms = limits ? limits->idle_ms : 0;
    stream->endpoint->member.asleep++;
    counters_add(&worker->stats->tunnels, 1);
    stream_last_head(stream, true);
    stream_carry(stream, STREAM_AS_TUNNEL);
    stream_move(stream, STREAM_TUNNEL);
    if (conn_is_lane(&stream->upstream->conn)) {
        h2_link_rest(stream->upstream);
    }
    stream = stream_shorten(stream);
    progress(stream);
    loop_defer(&worker->loop, &stream->client->again);
    return false;
}

/* The head of the answer is in worker->out. */
static bool send_first(struct stream *stream, size_t len, struct str already)
{
    struct str parts[2] = {{stream->worker->out, len}, already};
    bool unread = !stream->frames && already.len > 0;
    if (unread && stream->follows) {
        follow(stream, STREAM_DOWN, already);
    }
    int r = conn_send(&stream->client->conn, parts, unread ? 2 : 1);
    if (r == 0 && stream->frames && already.len > 0) {
        r = tunnel_frames_pass(stream, STREAM_DOWN, already);
    }
    stream->bytes_out += already.len;
    if (r == 0) {
        r = send_early(stream);
    }
    if (r < 0) {
        stream_abort(stream);
        return false;
    }
    block_put(&stream->worker->blocks, stream->answer_in);
    stream->answer_in = NULL;
    return start(stream);
}

static void take_answer(struct stream *stream, unsigned status)
{
    stream->status = (uint16_t)status;
    stream->answer_ns = stream->worker->loop.now_ns;
    stream->answer_begun = true;
    stream->keep_client = false;
    stream->keep_upstream = false;
    stream->up_done = true;
}

bool tunnel_begin(struct stream *stream, struct str already)
{
    size_t len;
    /* Asked for, to a protocol that was named, and the request is whole: its rest would be the
     * tunnel's first bytes. */
    if (!stream->req.upgrade || !stream->up_done ||
        !http1_answers_upgrade(&stream->worker->response,
                               http1_get(&stream->req, HTTP_H_UPGRADE)) ||
        !tunnel_granted(stream) || exchange_write_response(stream, &len) < 0) {
        return stream_lost(stream, -EBADMSG);
    }
    if (stream->frames_asked && tunnel_frames_new(stream) < 0) {
        return stream_lost(stream, -ENOMEM);
    }
    stream->follows = tunnel_follows(stream);
    stream->worker->framed_count += stream->follows;
    take_answer(stream, 101);
    return send_first(stream, len, already);
}

bool tunnel_connected(struct stream *stream)
{
    static const char head[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    if (stream->tcp) {
        if (send_early(stream) < 0) { /* of an sni listener: the hello */
            stream_abort(stream);
            return false;
        }
        return start(stream);
    }
    take_answer(stream, 200);
    if (conn_is_lane(&stream->client->conn)) {
        if (h2_write_connected(stream) < 0) {
            stream_abort(stream);
            return false;
        }
        return send_first(stream, 0, STR_NONE);
    }
    memcpy(stream->worker->out, head, sizeof(head) - 1);
    return send_first(stream, sizeof(head) - 1, STR_NONE);
}

/* --- when somebody leaves --- */

void tunnels_leave(struct worker *worker)
{
    if (worker->framed_count == 0) {
        return;
    }
    list_for_each (node, &worker->clients) {
        struct stream *stream = list_entry(node, struct client, node)->stream;
        if (!stream || !(stream->frames || stream->follows) || !stream->upstream) {
            continue;
        }
        if (worker->stopping && worker->moving && !worker->last_words) {
            continue; /* it may end here, beside the next edge */
        }
        bool leaves = worker->stopping || !endpoint_pools(stream->endpoint);
        if (!leaves || (stream->follows && tunnel_frames_late(stream) < 0)) {
            continue;
        }
        if (worker->stopping) {
            tunnel_frames_close(stream, WEBSOCKET_GOING_AWAY, WEBSOCKET_GOING_AWAY,
                                "the gateway stops");
        } else {
            tunnel_frames_close(stream, WEBSOCKET_RESTART, WEBSOCKET_GOING_AWAY,
                                "the service restarts");
        }
    }
}
