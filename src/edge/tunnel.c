/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunnels: bytes in both directions, unread: after a 101 (WebSocket), and connections of tcp
 * listeners. Each end may finish its direction alone (FIN is passed on); the tunnel ends with the
 * second one, with an error, or after tunnel_idle without a byte.
 *
 * 1. Nothing is read from one end while bytes wait for the other.
 * 2. After a 101 the tunnel begins only behind the whole request; what came behind either head is
 *    its first bytes.
 */
#include "base/num.h"
#include "edge/exchange.h"
#include "edge/stream_private.h"
#include "edge/worker.h"

enum { ROUNDS_MAX = 4 };

static void progress(struct stream *stream)
{
    client_deadline(stream->client,
                    stream->worker->loop.now_ns + stream->service->spec.tunnel_idle_ms * NS_PER_MS);
}

/* Moves what can be moved from one end to the other. False: an end is broken. */
static bool pump(struct stream *stream, struct conn *from, struct conn *to, uint64_t *count)
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
        *count += (uint64_t)n;
        progress(stream);
        struct str part = str_make(worker->in, (size_t)n);
        if (!to->write_shut && conn_send(to, &part, 1) < 0) {
            return false;
        }
    }
    if (from->eof && !conn_blocked(to)) {
        conn_shut_write(to);
    }
    return true;
}

bool tunnel_run(struct stream *stream)
{
    struct conn *client = &stream->client->conn;
    struct conn *upstream = &stream->upstream->conn;
    bool alive = pump(stream, client, upstream, &stream->bytes_in) &&
                 pump(stream, upstream, client, &stream->bytes_out);
    bool over = client->eof && upstream->eof && !conn_blocked(client) && !conn_blocked(upstream);
    if (!alive || over) {
        stream->keep_client = false;
        stream->keep_upstream = false;
        stream_end(stream);
    }
    return false;
}

/* What came behind the client's head belongs to the tunnel. */
static int send_early(struct stream *stream)
{
    struct block *in = stream->client->in;
    struct str early = block_rest(in);
    if (early.len == 0) {
        return 0;
    }
    stream->bytes_in += early.len;
    in->at = in->len;
    return conn_send(&stream->upstream->conn, &early, 1);
}

bool tunnel_begin_tcp(struct stream *stream)
{
    struct worker *worker = stream->worker;
    struct client *client = stream->client;
    if (client->in && send_early(stream) < 0) {
        stream_abort(stream);
        return false;
    }
    block_put(&worker->blocks, client->in); /* of a hello; a tunnel lives long */
    client->in = NULL;
    stream->flags |= RING_FLAG_TUNNEL;
    counters_add(&worker->stats->tunnels, 1);
    stream_last_head(stream, true);
    progress(stream);
    stream_move(stream, STREAM_TUNNEL);
    return true;
}

bool tunnel_begin(struct stream *stream, struct str already)
{
    struct worker *worker = stream->worker;
    struct str parts[2] = {{worker->out, 0}, already};
    /* Asked for, to a protocol that was named, and the request is whole: its rest would be the
     * tunnel's first bytes. */
    if (!stream->req.upgrade || !stream->up_done ||
        !http1_answers_upgrade(&worker->response, http1_get(&stream->req, HTTP_H_UPGRADE)) ||
        exchange_write_response(stream, &parts[0].len) < 0) {
        return stream_lost(stream, -EBADMSG);
    }
    stream->status = 101;
    stream->answer_ns = worker->loop.now_ns;
    stream->answer_begun = true;
    stream->keep_client = false;
    stream->keep_upstream = false;
    stream->up_done = true;
    stream->bytes_out += already.len;
    stream->flags |= RING_FLAG_TUNNEL;
    counters_add(&worker->stats->tunnels, 1);
    if (conn_send(&stream->client->conn, parts, already.len ? 2 : 1) < 0 ||
        send_early(stream) < 0) {
        stream_abort(stream);
        return false;
    }
    block_put(&worker->blocks, stream->answer_in); /* a tunnel lives long */
    stream->answer_in = NULL;
    stream_last_head(stream, true);
    progress(stream);
    stream_move(stream, STREAM_TUNNEL);
    return true;
}
