/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's HTTP/2 connection: struct client stays what was accepted (address, timer, its place
 * among the idle or the busy), and what it asks are further clients, made when a stream is opened
 * and gone with its answer.
 *
 * 1. A request's head is built into its stream and the first block of its client, as if an
 *    HTTP/1 parser had read it there; everything behind is the same.
 * 2. Requests end before their session, and the session before its connection (codec->end).
 * 3. A connection without requests is idle, and its end is as near as that of any other.
 */
#include "edge/h2_client.h"

#include "base/encode.h"
#include "base/num.h"
#include "edge/client_run.h"
#include "edge/h2.h"
#include "edge/lane.h"
#include "edge/stream.h"
#include "edge/worker.h"
#include "proto/http2_head.h"

#include <stdlib.h>

#define GOODBYE_NS (500 * NS_PER_MS)

struct h2_client {
    struct h2 h2;
    struct client *client;
    bool draining;
};

struct h2_request {
    struct client client; /* first: it is freed as one */
    struct lane lane;
    struct http2_head head;
};

static struct h2_request *request_of(struct lane *lane)
{
    return container_of(lane, struct h2_request, lane);
}

static struct h2_client *session_of(struct h2 *h2)
{
    return container_of(h2, struct h2_client, h2);
}

/* --- requests --- */

static void news(struct lane *lane)
{
    struct client *client = &request_of(lane)->client;
    client->conn.failed |= lane->reset;
    client_run(client);
}

static struct lane *open_request(struct h2 *h2)
{
    struct h2_client *session = session_of(h2);
    struct worker *worker = h2->conn->worker;
    struct h2_request *request = session->draining ? NULL : calloc(1, sizeof(*request));
    if (!request) {
        return NULL;
    }
    struct client *client = &request->client;
    client->in = block_get(&worker->blocks, BLOCK_HEAD);
    lane_init(&request->lane, h2, &client->conn, news);
    client_open_lane(client, session->client);
    client->requests = h2->http.past.count;
    if (!client->in || !stream_new(client)) {
        client_close(client);
        counters_add(&worker->stats->refused, 1);
        return NULL;
    }
    http2_head_request(&request->head, &client->stream->req, &worker->limits,
                       str_make(client->in->data, client->in->cap));
    request->lane.head_result = HTTP1_E_MORE;
    client_deadline(client, worker->loop.now_ns + worker->gateway.head_ms * NS_PER_MS);
    return &request->lane;
}

static void take_field(struct lane *lane, const struct hpack_found *field)
{
    if (unlikely(field->name.len == 8 && str_is(field->name, "priority"))) {
        http2_prioritize(&lane->stream, field->value);
    }
    http2_head_field(&request_of(lane)->head, field);
}

/* A WebSocket that is asked for in HTTP/2 has no key, which HTTP/1.1 wants (RFC 8441 §5). */
static void add_websocket_key(struct h2_request *request)
{
    char id[32];
    char memory[32];
    struct buf key = {.p = memory, .cap = sizeof(memory), .max = sizeof(memory)};
    worker_request_id(request->client.conn.worker, id);
    encode_base64(&key, str_make(id, 16));
    struct hpack_found field = {
        .name = STR("sec-websocket-key"),
        .value = buf_str(&key),
        .id = HTTP_H_SEC_WEBSOCKET_KEY,
    };
    http2_head_field(&request->head, &field);
}

static enum http2_head_verdict end_head(struct lane *lane, bool no_body)
{
    struct h2_request *request = request_of(lane);
    struct client *client = &request->client;
    if (request->head.websocket) {
        add_websocket_key(request);
    }
    lane->head_result = (int8_t)http2_head_end(&request->head, no_body);
    lane->head_done = true;
    client->in->len = client->stream ? client->stream->req.len : 0;
    if (lane->head_result == 0 && request->head.head->has_length) {
        lane->stream.content_left = request->head.head->content_length;
    }
    return request->head.malformed ? HTTP2_HEAD_MALFORMED : HTTP2_HEAD_OK;
}

/* --- the connection --- */

static void goaway(struct h2 *h2)
{
    session_of(h2)->draining = true;
}

/* Among the busy, or among the idle with a deadline. */
static void place(struct h2_client *session)
{
    struct client *client = session->client;
    struct worker *worker = client->conn.worker;
    struct http2 *http = &session->h2.http;
    bool busy = session->h2.lane_count > 0;
    if (unlikely(http2_is_stuck(http))) { /* a head did not come in time: nothing else can come */
        http2_fail(http, HTTP2_NO_ERROR);
        h2_wants_write(&session->h2);
    }
    if (busy == client->busy) {
        return;
    }
    client->busy = busy;
    list_del(&client->node);
    list_push_back(busy ? &worker->clients : &worker->idle, &client->node);
    client->deadline_ns = INT64_MAX;
    if (!busy) {
        uint32_t ms = http->in_block ? worker->gateway.head_ms : worker->gateway.keepalive_ms;
        client_deadline(client, worker->loop.now_ns + ms * NS_PER_MS);
    }
}

static void end(struct client *client)
{
    struct h2_client *session = client->session;
    client->codec = NULL;
    client->session = NULL;
    session->h2.http.failed = true;
    list_for_each_safe (node, &session->h2.lanes) {
        struct lane *lane = list_entry(node, struct lane, node);
        struct client *request = &request_of(lane)->client;
        lane_cut_off(lane);
        request->conn.failed = true;
        if (request->stream) {
            stream_abort(request->stream);
        }
        client_close(request);
    }
    h2_fini(&session->h2);
    free(session);
}

static void flushed(struct h2 *h2)
{
    struct h2_client *session = session_of(h2);
    struct client *client = session->client;
    if (h2_over(h2)) {
        bool polite = !client->conn.failed && !client->conn.eof && !conn_blocked(&client->conn);
        end(client);
        if (polite) {
            client_linger(client, false);
        } else {
            client_close(client);
        }
        return;
    }
    place(session);
    if (client->conn.readable) {
        h2_run(h2, STR_NONE);
    }
}

static void run(struct client *client)
{
    struct h2_client *session = client->session;
    h2_run(&session->h2, STR_NONE);
}

static void drain(struct client *client)
{
    struct h2_client *session = client->session;
    if (!session->draining) {
        session->draining = true;
        h2_drain(&session->h2);
    }
}

/* Idle for too long: it is told, and given a moment to hear it. */
static void expire(struct client *client)
{
    struct h2_client *session = client->session;
    if (session->draining) {
        client_close(client);
        return;
    }
    drain(client);
    client_deadline(client, client->conn.worker->loop.now_ns + GOODBYE_NS);
}

static const struct h2_role role = {
    .open = open_request,
    .field = take_field,
    .head = end_head,
    .goaway = goaway,
    .flushed = flushed,
};
static const struct client_codec codec = {.run = run, .drain = drain, .expire = expire, .end = end};

int h2_client_start(struct client *client)
{
    struct block *in = client->in;
    struct h2_client *session = calloc(1, sizeof(*session));
    int r = session ? h2_init(&session->h2, &client->conn, &role, true) : -ENOMEM;
    if (r < 0) {
        free(session);
        return r;
    }
    session->client = client;
    client->session = session;
    client->codec = &codec;
    client->in = NULL;
    h2_run(&session->h2, in ? block_rest(in) : STR_NONE);
    block_put(&client->conn.worker->blocks, in);
    return 0;
}
