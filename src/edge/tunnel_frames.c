/* SPDX-License-Identifier: Apache-2.0
 *
 * A WebSocket whose frames are read on their way: broken ones end here, a silent client is asked, a
 * side that is left without a Close gets one.
 *
 * 1. What is passed on are the bytes that came, in the runs they came in; only the answers to our
 *    own pings are taken out.
 * 2. A frame of ours goes out only between two frames of the other side's (websocket_between), so
 *    it breaks none; where that is not so, a Close is left out and the connection just ends.
 * 3. Who broke the rules is told which one (1002, 1007, 1009); the other side is told that nobody
 *    is there any more: a service 1001, a client 1014 (bad gateway).
 * 4. What a client said before it broke the rules is answered: the service is told, and the client
 *    hears of it when the service has said its last, or after CLOSE_MS.
 * 5. Behind our Close what still comes is thrown away, for CLOSE_MS: a reset would take the Close
 *    with it.
 */
#include "base/num.h"
#include "edge/stream_private.h"
#include "edge/tunnel.h"
#include "edge/worker.h"
#include "os/entropy.h"

#include <stdlib.h>

enum { CLOSE_MS = 1000, LATER_MS = 1000, BAD_GATEWAY = 1014, ROUNDS_MAX = 4 };
enum { PING_LEN = 10 };

static struct conn *conn_to(struct stream *stream, enum stream_direction direction)
{
    return direction == STREAM_UP ? &stream->upstream->conn : &stream->client->conn;
}

int tunnel_frames_new(struct stream *stream)
{
    const struct snapshot_tunnel *limits = stream->route ? stream->route->tunnel : NULL;
    struct tunnel_frames *frames = calloc(1, sizeof(*frames));
    if (!frames) {
        return -ENOMEM;
    }
    bool deflate = http1_get_name(&stream->worker->response, STR("Sec-WebSocket-Extensions")).len;
    uint64_t message_max = limits ? limits->message_max : 0;
    websocket_reader_init(&frames->from[STREAM_UP], WEBSOCKET_CLIENT, message_max);
    websocket_reader_init(&frames->from[STREAM_DOWN], WEBSOCKET_SERVER, message_max);
    frames->from[STREAM_UP].compressed = frames->from[STREAM_DOWN].compressed = deflate;
    frames->ping_ms = limits ? limits->ping_ms : 0;
    frames->ping_id = (uint32_t)rng_u64(&stream->worker->loop.rng);
    frames->client_ns = frames->any_ns = stream->worker->loop.now_ns;
    stream->frames = frames;
    stream->worker->framed_count++;
    return 0;
}

int tunnel_frames_late(struct stream *stream)
{
    struct tunnel_frames *frames = calloc(1, sizeof(*frames));
    if (!frames) {
        return -ENOMEM;
    }
    for (unsigned from = 0; from < STREAM_DIRECTIONS; from++) {
        frames->from[from].inside = !websocket_bounds_between(&stream->bounds[from]);
        frames->from[from].close_code = stream->bounds[from].close_code;
    }
    stream->frames = frames;
    stream->follows = false; /* framed_count stays */
    return 0;
}

void tunnel_frames_free(struct stream *stream)
{
    free(stream->frames);
    stream->frames = NULL;
    stream->worker->framed_count--;
}

/* --- frames of our own --- */

static void ping_text(const struct tunnel_frames *frames, char ret[PING_LEN])
{
    memcpy(ret, "muelle", 6);
    memcpy(ret + 6, &frames->ping_id, 4);
}

static bool is_our_pong(const struct tunnel_frames *frames, const struct websocket_part *part)
{
    const struct websocket_reader *reader = &frames->from[STREAM_UP];
    char plain[PING_LEN], ours[PING_LEN];
    if (frames->ping_ms == 0 || reader->opcode != WEBSOCKET_PONG || !part->starts ||
        part->payload.len != PING_LEN) {
        return false;
    }
    websocket_mask(plain, part->payload, reader->key, 0);
    ping_text(frames, ours);
    return memcmp(plain, ours, PING_LEN) == 0;
}

static void send_ping(struct stream *stream)
{
    char text[PING_LEN], frame[WEBSOCKET_CLOSE_MAX];
    ping_text(stream->frames, text);
    struct str part = {frame,
                       websocket_control(frame, WEBSOCKET_PING, str_make(text, PING_LEN), NULL)};
    if (conn_send(&stream->client->conn, &part, 1) < 0) {
        stream->client->conn.failed = true;
    }
}

static void send_close(struct stream *stream, enum stream_direction to, unsigned code,
                       const char *reason)
{
    const struct websocket_reader *passed = &stream->frames->from[to];
    struct conn *conn = conn_to(stream, to);
    char frame[WEBSOCKET_CLOSE_MAX];
    uint8_t key[4] = {0};
    bool told = to == STREAM_UP && stream->frames->failing;
    if (told || passed->close_code || !websocket_between(passed) || conn->write_shut ||
        conn->failed) {
        return;
    }
    if (to == STREAM_UP && entropy_fill(key, sizeof(key)) < 0) {
        return;
    }
    struct str part = {
        frame, websocket_close(frame, code, str_from(reason), to == STREAM_UP ? key : NULL)};
    if (conn_send(conn, &part, 1) < 0) {
        conn->failed = true;
    }
}

void tunnel_frames_close(struct stream *stream, unsigned to_client, unsigned to_service,
                         const char *reason)
{
    struct tunnel_frames *frames = stream->frames;
    if (frames->closing) {
        return;
    }
    frames->closing = true;
    stream->close_code = stream->close_code ? stream->close_code : (uint16_t)to_client;
    send_close(stream, STREAM_DOWN, to_client, reason);
    send_close(stream, STREAM_UP, to_service, reason);
    client_deadline(stream->client, stream->worker->loop.now_ns + CLOSE_MS * NS_PER_MS);
    loop_defer(&stream->worker->loop, &stream->client->again);
}

/* The service has said its last to a client that broke the rules. */
static void failed(struct stream *stream)
{
    const struct websocket_reader *client = &stream->frames->from[STREAM_UP];
    tunnel_frames_close(stream, client->error, WEBSOCKET_GOING_AWAY, client->reason);
}

void tunnel_frames_end(struct stream *stream)
{
    struct tunnel_frames *frames = stream->frames;
    if (frames->failing) {
        failed(stream);
    } else if (!frames->closing && frames->from[STREAM_DOWN].close_code == 0) {
        bool stops = !endpoint_pools(stream->endpoint);
        tunnel_frames_close(stream, stops ? WEBSOCKET_RESTART : BAD_GATEWAY, WEBSOCKET_GOING_AWAY,
                            stops ? "the service restarts" : "the service ended the connection");
    }
}

/* Reads and forgets. True: nothing more comes. */
static bool drain(struct stream *stream, struct conn *conn)
{
    struct worker *worker = stream->worker;
    for (unsigned round = 0; conn->readable && !conn->eof && !conn->failed; round++) {
        if (round >= ROUNDS_MAX) {
            loop_defer(&worker->loop, &stream->client->again);
            return false;
        }
        if (conn_recv(conn, worker->in, WORKER_IN_SIZE) < 0) {
            conn->failed = true;
        }
    }
    return conn->eof || conn->failed;
}

bool tunnel_frames_closing(struct stream *stream)
{
    bool over = true;
    for (unsigned to = 0; to < STREAM_DIRECTIONS; to++) {
        struct conn *conn = conn_to(stream, to);
        if (!conn->failed && conn_flush(conn) < 0) {
            conn->failed = true;
        }
        if (!conn->failed && !conn_blocked(conn)) {
            conn_shut_write(conn);
        }
        over &= drain(stream, conn);
    }
    return over;
}

/* --- what passes --- */

static int send_run(struct conn *to, struct str *run)
{
    struct str part = *run;
    *run = STR_NONE;
    return part.len > 0 && !to->write_shut ? conn_send(to, &part, 1) : 0;
}

/* Parts that lie side by side go in one. What lies in the reader goes at once: its next call may
 * write there. */
static int add_part(struct conn *to, struct str *run, struct str bytes,
                    const struct websocket_reader *reader)
{
    int r = 0;
    if (run->len > 0 && run->p + run->len == bytes.p) {
        run->len += bytes.len;
        return 0;
    }
    r = send_run(to, run);
    *run = bytes;
    if (r == 0 && bytes.p == reader->held) {
        r = send_run(to, run);
    }
    return r;
}

static void broken(struct stream *stream, enum stream_direction direction)
{
    struct tunnel_frames *frames = stream->frames;
    const struct websocket_reader *reader = &frames->from[direction];
    bool client = direction == STREAM_UP;
    if (frames->failing) {
        failed(stream);
        return;
    }
    stream->flags |= client ? RING_FLAG_CLIENT_ABORT : RING_FLAG_UPSTREAM_ABORT;
    stream->close_code = reader->error;
    if (client && websocket_between(reader)) {
        send_close(stream, STREAM_UP, WEBSOCKET_GOING_AWAY, reader->reason);
        frames->failing = true;
        client_deadline(stream->client, stream->worker->loop.now_ns + CLOSE_MS * NS_PER_MS);
        return;
    }
    tunnel_frames_close(stream, client ? reader->error : BAD_GATEWAY,
                        client ? WEBSOCKET_GOING_AWAY : reader->error, reader->reason);
}

static void note(struct stream *stream, enum stream_direction direction)
{
    struct tunnel_frames *frames = stream->frames;
    frames->any_ns = stream->worker->loop.now_ns;
    if (direction == STREAM_UP) {
        frames->client_ns = frames->any_ns;
        frames->ping_ns = 0;
    }
}

int tunnel_frames_pass(struct stream *stream, enum stream_direction direction, struct str bytes)
{
    struct tunnel_frames *frames = stream->frames;
    struct websocket_reader *reader = &frames->from[direction];
    struct conn *to = conn_to(stream, direction);
    struct websocket_part part;
    struct str run = STR_NONE;
    int r, sent = 0;
    if (frames->failing && direction == STREAM_UP) {
        return 0;
    }
    if (reader->close_code == 0) {
        note(stream, direction);
    }
    while ((r = websocket_read(reader, &bytes, &part)) == 0) {
        bool ours = direction == STREAM_UP ? is_our_pong(frames, &part)
                                           : frames->failing && reader->close_code;
        sent = ours ? send_run(to, &run) : add_part(to, &run, part.bytes, reader);
        if (sent < 0) {
            return sent;
        }
        if (reader->close_code && stream->close_code == 0) {
            stream->close_code = reader->close_code;
        }
    }
    sent = send_run(to, &run);
    if (sent == 0 && frames->failing && reader->close_code) {
        reader->close_code = 0; /* it was not passed on: the client gets ours */
        failed(stream);
        return TUNNEL_E_CLOSED;
    }
    if (sent == 0 && r == WEBSOCKET_E_BAD) {
        broken(stream, direction);
        return TUNNEL_E_CLOSED;
    }
    return sent;
}

/* --- time --- */

int64_t tunnel_frames_deadline(const struct stream *stream)
{
    const struct tunnel_frames *frames = stream->frames;
    int64_t idle = frames->any_ns + tunnel_idle_ns(stream);
    if (frames->ping_ms == 0) {
        return idle;
    }
    int64_t since = MAX(frames->ping_ns, frames->client_ns);
    int64_t ping = since + frames->ping_ms * NS_PER_MS;
    return MIN(idle, ping);
}

bool tunnel_frames_timeout(struct stream *stream)
{
    struct tunnel_frames *frames = stream->frames;
    int64_t now = stream->worker->loop.now_ns;
    if (frames->closing) {
        return false;
    }
    if (frames->failing) {
        failed(stream);
        return true;
    }
    bool due = frames->ping_ms && now >= frames->client_ns + frames->ping_ms * NS_PER_MS;
    if (now >= frames->any_ns + tunnel_idle_ns(stream)) {
        tunnel_frames_close(stream, WEBSOCKET_GOING_AWAY, WEBSOCKET_GOING_AWAY,
                            "nobody said anything for too long");
    } else if (due && (frames->ping_ns || frames->from[STREAM_DOWN].close_code)) {
        stream->flags |= RING_FLAG_CLIENT_ABORT;
        stream->close_code = WEBSOCKET_ABNORMAL;
        tunnel_frames_close(stream, WEBSOCKET_GOING_AWAY, WEBSOCKET_GOING_AWAY,
                            "the client did not answer a ping");
    } else if (due && websocket_between(&frames->from[STREAM_DOWN]) &&
               !conn_blocked(&stream->client->conn)) {
        send_ping(stream);
        frames->ping_ns = now;
        client_deadline(stream->client, tunnel_frames_deadline(stream));
    } else {
        int64_t later = now + LATER_MS * NS_PER_MS, deadline = tunnel_frames_deadline(stream);
        client_deadline(stream->client, MAX(deadline, later));
    }
    return true;
}
