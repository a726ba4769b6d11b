/* SPDX-License-Identifier: Apache-2.0
 *
 * struct h2_link is a connection with its session, struct h2_call one request on it: an upstream
 * whose connection is a lane.
 *
 * 1. A link takes calls while it connects: they wait together and are told together.
 * 2. It is closed when it is over or draining and has no call left; calls that it takes with it
 *    find their lane cut off.
 * 3. Nothing unasked goes to it: between requests a link costs its session and one timer.
 */
#include "edge/h2_link.h"

#include "base/num.h"
#include "edge/connect.h"
#include "edge/lane.h"
#include "edge/policy_room.h"
#include "edge/stream.h"
#include "edge/worker.h"
#include "proto/http2_head.h"
#include "proto/websocket.h"

#include <stdlib.h>

enum {
    CALLS_MAX = 100, /* on one link, if the peer takes as many */
    EARLY_MAX = 4,   /* interim heads that are kept when more come at once */
};

struct h2_link {
    struct h2 h2;
    struct conn conn;
    struct endpoint *endpoint;
    struct list node; /* endpoint->links */
    struct timer timer;
    bool connecting;
    bool heard; /* its peer's settings have come, and all were told */
    bool draining;
    bool given_up; /* for the sake of another one: counted no more */
    int error;     /* of connecting */
};

struct h2_call {
    struct upstream upstream;
    struct lane lane;
    struct h2_link *link; /* NULL: cut off */
    struct http2_head builder;
    struct block *block; /* struct http1_head, then its texts: the latest head */
    struct block *early; /* interim ones in front of it that were not passed on yet */
    struct block *told;  /* the one of these that the owner looks at */
    uint8_t early_count;
    bool building;
    bool interim;   /* the latest head is an interim one, not passed on yet */
    bool websocket; /* asked for by an extended CONNECT; `accept` is what its client waits for */
    int8_t result;
    uint8_t method;
    char accept[WEBSOCKET_ACCEPT_LEN];
};

static struct h2_call *call_of(struct upstream *upstream)
{
    return container_of(upstream, struct h2_call, upstream);
}

static struct http1_head *head_in(struct block *block)
{
    return (struct http1_head *)(void *)block->data;
}

static struct http1_head *head_of(const struct h2_call *call)
{
    return head_in(call->block);
}

/* --- links --- */

static void link_close(struct h2_link *link)
{
    struct worker *worker = link->conn.worker;
    link->h2.http.failed = true;
    link->draining = true;
    while (!list_empty(&link->h2.lanes)) {
        struct lane *lane = list_entry(link->h2.lanes.next, struct lane, node);
        struct h2_call *call = container_of(lane, struct h2_call, lane);
        lane_cut_off(lane);
        call->link = NULL;
        lane->news(lane);
    }
    list_del(&link->node);
    loop_timer_cancel(&worker->loop, &link->timer);
    h2_fini(&link->h2);
    conn_close(&link->conn);
    counters_add(&worker->stats->upstream_connections, (uint64_t)-1);
    if (!link->given_up) {
        policy_connection_end(link->endpoint->service);
    }
    endpoint_unref(link->endpoint);
    free(link);
}

/* Closes it if there is no further use for it. True: it is gone. */
static bool close_if_over(struct h2_link *link)
{
    bool useless = link->draining || link->error || link->conn.worker->stopping;
    if (h2_over(&link->h2) || (useless && link->h2.lane_count == 0)) {
        link_close(link);
        return true;
    }
    return false;
}

static void tell_all(struct h2_link *link)
{
    list_for_each_safe (node, &link->h2.lanes) {
        struct lane *lane = list_entry(node, struct lane, node);
        lane_note(lane);
    }
    h2_wants_write(&link->h2);
}

static void flushed(struct h2 *h2)
{
    struct h2_link *link = container_of(h2, struct h2_link, h2);
    struct worker *worker = link->conn.worker;
    link->draining |= http2_is_stuck(&link->h2.http); /* nobody would be answered on it */
    if (close_if_over(link)) {
        return;
    }
    if (unlikely(link->h2.http.settings_seen && !link->heard)) {
        link->heard = true;
        link->endpoint->no_websockets = !link->h2.http.peer_connect;
        tell_all(link);
    }
    if (link->h2.lane_count == 0) {
        loop_timer_after(&worker->loop, &link->timer, UPSTREAM_IDLE_S * NS_PER_S);
    }
    if (link->conn.readable) {
        h2_run(h2, STR_NONE);
    }
}

static void idle_for_long(struct timer *timer, int64_t now_ns)
{
    struct h2_link *link = container_of(timer, struct h2_link, timer);
    (void)now_ns;
    if (link->h2.lane_count == 0) {
        link_close(link);
    }
}

static void ready(struct loop_fd *watch, uint32_t events)
{
    struct h2_link *link = container_of(watch, struct h2_link, conn.watch);
    conn_note(&link->conn, events);
    if (unlikely(link->connecting)) {
        if (!link->conn.writable && !link->conn.failed) {
            return;
        }
        int r = sock_error(link->conn.watch.fd);
        r = r < 0 ? r : connect_step(&link->conn);
        if (r == CONNECT_E_WAIT) {
            return;
        }
        link->connecting = false;
        link->conn.room = UINT32_MAX;
        link->error = r;
        tell_all(link);
        return;
    }
    h2_run(&link->h2, STR_NONE);
}

static void goaway(struct h2 *h2)
{
    container_of(h2, struct h2_link, h2)->draining = true;
}

/* --- what the peer answers --- */

/* The latest head waits in front of the next one. */
static void keep_early(struct h2_call *call)
{
    struct block **at = &call->early;
    while (*at) {
        at = &(*at)->next;
    }
    *at = call->block;
    call->block->next = NULL;
    call->block = NULL;
    call->early_count++;
}

static struct block *take_early(struct h2_call *call)
{
    struct block *block = call->early;
    if (block) {
        call->early = block->next;
        call->early_count--;
    }
    return block;
}

static void begin_head(struct h2_call *call)
{
    struct worker *worker = call->upstream.conn.worker;
    if (unlikely(call->interim) && call->early_count < EARLY_MAX) {
        keep_early(call);
    }
    if (!call->block) {
        call->block = block_get(&worker->blocks, BLOCK_HEAD);
    }
    call->building = call->block != NULL;
    call->interim = false;
    if (call->block) {
        struct http1_head *head = head_of(call);
        size_t used = sizeof(*head);
        http2_head_response(&call->builder, head, &worker->limits, (enum http_method)call->method,
                            str_make(call->block->data + used, call->block->cap - used));
    }
}

static void take_field(struct lane *lane, const struct hpack_found *field)
{
    struct h2_call *call = container_of(lane, struct h2_call, lane);
    if (!call->building) {
        begin_head(call);
    }
    if (call->building) {
        http2_head_field(&call->builder, field);
    }
}

static enum http2_head_verdict end_head(struct lane *lane, bool no_body)
{
    struct h2_call *call = container_of(lane, struct h2_call, lane);
    if (!call->building) { /* no memory for it, or it is empty */
        call->result = HTTP1_E_BAD;
        return HTTP2_HEAD_MALFORMED;
    }
    call->building = false;
    if (unlikely(call->websocket)) { /* with no_body one whose way back is over (RFC 8441 §5) */
        http2_head_switch(&call->builder, str_make(call->accept, sizeof(call->accept)));
    }
    call->result = (int8_t)http2_head_end(&call->builder, no_body);
    if (call->result != 0) {
        return HTTP2_HEAD_MALFORMED;
    }
    const struct http1_head *head = head_of(call);
    call->interim = head->status < 200 && head->framing != HTTP1_TUNNEL;
    lane->head_done = !call->interim;
    lane->conn->readable = true;
    if (call->interim) {
        return HTTP2_HEAD_INTERIM;
    }
    if (head->framing == HTTP1_BODY_NONE) {
        lane->stream.content_left = 0;
    } else if (head->has_length && head->framing != HTTP1_TUNNEL) {
        lane->stream.content_left = head->content_length;
    }
    return HTTP2_HEAD_OK;
}

static const struct h2_role role = {
    .field = take_field,
    .head = end_head,
    .goaway = goaway,
    .flushed = flushed,
};

static void copy_head(struct http1_head *to, const struct http1_head *head)
{
    memcpy(to, head, offsetof(struct http1_head, headers));
    memcpy(to->headers, head->headers, head->count * sizeof(head->headers[0]));
}

int h2_link_answer(struct upstream *upstream, struct http1_head *ret)
{
    struct h2_call *call = call_of(upstream);
    struct lane *lane = &call->lane;
    if (unlikely(call->told || call->early)) {
        block_put(&upstream->conn.worker->blocks, call->told);
        call->told = take_early(call);
        if (call->told) {
            copy_head(ret, head_in(call->told));
            return 0;
        }
    }
    if (call->result != 0) {
        return -EBADMSG;
    }
    if (lane->head_done || call->interim) {
        copy_head(ret, head_of(call));
        call->interim = false;
        return 0;
    }
    if (lane->closed) {
        return lane->error == HTTP2_REFUSED_STREAM ? -ESTALE : -ECONNRESET;
    }
    upstream->conn.readable = false;
    return H2_LINK_E_NONE;
}

/* --- calls --- */

static void news(struct lane *lane)
{
    struct h2_call *call = container_of(lane, struct h2_call, lane);
    call->upstream.news(call->upstream.user);
}

static struct upstream *add_call(struct h2_link *link, struct stream *stream,
                                 void (*news_of)(void *user))
{
    struct h2_call *call = calloc(1, sizeof(*call));
    if (!call) {
        return NULL;
    }
    struct upstream *upstream = &call->upstream;
    call->link = link;
    list_init(&upstream->node);
    upstream->endpoint = link->endpoint;
    upstream->user = stream;
    upstream->news = news_of;
    call->method = stream->req.method;
    lane_init(&call->lane, &link->h2, &upstream->conn, news);
    call->lane.answers = true;
    endpoint_ref(link->endpoint);
    return upstream;
}

/* What the peer said, or said last time: a new connection is used before its settings come. */
static uint32_t capacity(const struct h2_link *link)
{
    uint32_t *known = &link->endpoint->streams_max;
    if (link->h2.http.settings_seen) {
        *known = link->h2.http.peer_streams_max;
    }
    return *known ? MIN(*known, (uint32_t)CALLS_MAX) : CALLS_MAX;
}

static bool takes_calls(const struct h2_link *link)
{
    return !link->draining && !link->error && !link->h2.http.failed && !link->conn.hup &&
           link->h2.lane_count < capacity(link);
}

uint32_t h2_link_room(const struct endpoint *endpoint)
{
    uint32_t room = 0;
    list_for_each (node, &endpoint->links) {
        const struct h2_link *link = list_entry(node, struct h2_link, node);
        room += takes_calls(link) ? capacity(link) - (uint32_t)link->h2.lane_count : 0;
    }
    return room;
}

bool h2_link_close_one(struct endpoint *endpoint)
{
    list_for_each (node, &endpoint->links) {
        struct h2_link *link = list_entry(node, struct h2_link, node);
        if (link->h2.lane_count == 0 && !link->draining) {
            link->draining = true;
            link->given_up = true;
            policy_connection_end(endpoint->service);
            h2_wants_write(&link->h2); /* closed at the end of the turn: it may be running now */
            return true;
        }
    }
    return false;
}

static struct h2_link *find_link(struct endpoint *endpoint, bool connecting)
{
    list_for_each (node, &endpoint->links) {
        struct h2_link *link = list_entry(node, struct h2_link, node);
        if (link->connecting == connecting && takes_calls(link)) {
            return link;
        }
    }
    return NULL;
}

struct upstream *h2_link_take(struct endpoint *endpoint, struct stream *stream,
                              void (*news_of)(void *user))
{
    struct h2_link *link = find_link(endpoint, false);
    return link ? add_call(link, stream, news_of) : NULL;
}

/* -EBUSY: the service has as many connections as it may. */
static int new_link(struct endpoint *endpoint, struct h2_link **ret)
{
    struct worker *worker = endpoint->service->worker;
    if (!policy_connection_begin(endpoint->service)) {
        return -EBUSY;
    }
    struct h2_link *link = calloc(1, sizeof(*link));
    int r = link ? connect_open(endpoint, &link->conn, ready) : -ENOMEM;
    if (r == 0) {
        r = h2_init(&link->h2, &link->conn, &role, false);
        if (r < 0) {
            conn_close(&link->conn);
        }
    }
    if (r < 0) {
        policy_connection_end(endpoint->service);
        free(link);
        return r;
    }
    timer_init(&link->timer, idle_for_long);
    link->conn.room = 0; /* until it is connected */
    link->connecting = true;
    link->endpoint = endpoint;
    endpoint_ref(endpoint);
    list_push_front(&endpoint->links, &link->node);
    counters_add(&worker->stats->upstream_connections, 1);
    *ret = link;
    return 0;
}

int h2_link_connect(struct endpoint *endpoint, struct stream *stream, void (*news_of)(void *user),
                    struct upstream **ret)
{
    struct h2_link *link = find_link(endpoint, true);
    int r = link ? 0 : new_link(endpoint, &link);
    if (r < 0) {
        return r;
    }
    *ret = add_call(link, stream, news_of);
    return *ret ? 0 : -ENOMEM;
}

/* --- WebSockets --- */

/* Only a handshake that is one, so that what a client waits for can be said to it. */
bool h2_link_may_websocket(const struct endpoint *endpoint, const struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    return !endpoint->no_websockets && req->method == HTTP_GET && req->framing == HTTP1_BODY_NONE &&
           str_eq_nocase(http1_get(req, HTTP_H_UPGRADE), STR("websocket")) &&
           str_is(http1_get_name(req, STR("Sec-WebSocket-Version")), "13") &&
           websocket_key_ok(http1_get(req, HTTP_H_SEC_WEBSOCKET_KEY));
}

/* One whose peer has said whether it takes them, and does; or has not said it yet. */
static struct h2_link *find_websocket_link(struct endpoint *endpoint, bool said)
{
    list_for_each (node, &endpoint->links) {
        struct h2_link *link = list_entry(node, struct h2_link, node);
        const struct http2 *http = &link->h2.http;
        if (http->settings_seen == said && (http->peer_connect || !said) && takes_calls(link)) {
            return link;
        }
    }
    return NULL;
}

static struct upstream *add_websocket(struct h2_link *link, struct stream *stream,
                                      void (*news_of)(void *user))
{
    struct upstream *upstream = add_call(link, stream, news_of);
    if (upstream) {
        struct h2_call *call = call_of(upstream);
        call->websocket = true;
        call->lane.answers = false; /* two ways, of which neither lives alone */
        websocket_accept(http1_get(&stream->req, HTTP_H_SEC_WEBSOCKET_KEY), call->accept);
    }
    return upstream;
}

struct upstream *h2_link_take_websocket(struct endpoint *endpoint, struct stream *stream,
                                        void (*news_of)(void *user))
{
    struct h2_link *link = find_websocket_link(endpoint, true);
    return link ? add_websocket(link, stream, news_of) : NULL;
}

int h2_link_connect_websocket(struct endpoint *endpoint, struct stream *stream,
                              void (*news_of)(void *user), struct upstream **ret)
{
    struct h2_link *link = find_websocket_link(endpoint, false);
    int r = link ? 0 : new_link(endpoint, &link);
    if (r < 0) {
        return r;
    }
    *ret = add_websocket(link, stream, news_of);
    return *ret ? 0 : -ENOMEM;
}

/* Nothing may be asked before the peer has said that it takes them. */
static int websocket_connected(struct h2_link *link)
{
    const struct http2 *http = &link->h2.http;
    if (!http->settings_seen) {
        return http->failed ? -ECONNRESET : UPSTREAM_E_WAIT;
    }
    link->endpoint->no_websockets = !http->peer_connect;
    return http->peer_connect ? 0 : UPSTREAM_E_OTHER;
}

bool h2_link_is_websocket(const struct upstream *upstream)
{
    return container_of(upstream, const struct h2_call, upstream)->websocket;
}

void h2_link_rest(struct upstream *upstream)
{
    struct h2_call *call = call_of(upstream);
    block_put(&upstream->conn.worker->blocks, call->block);
    call->block = NULL;
}

int h2_link_connected(struct upstream *upstream)
{
    const struct h2_call *call = call_of(upstream);
    struct h2_link *link = call->link;
    if (!link) {
        return -ECONNRESET;
    }
    if (link->connecting || link->error) {
        return link->connecting ? UPSTREAM_E_WAIT : link->error;
    }
    return unlikely(call->websocket) ? websocket_connected(link) : 0;
}

void h2_link_release(struct upstream *upstream)
{
    struct h2_call *call = call_of(upstream);
    struct block_pool *blocks = &upstream->conn.worker->blocks;
    struct endpoint *endpoint = upstream->endpoint;
    conn_close(&upstream->conn);
    block_put(blocks, call->block);
    block_put(blocks, call->told);
    for (struct block *block; (block = take_early(call));) {
        block_put(blocks, block);
    }
    free(call);
    endpoint_unref(endpoint);
}

void h2_link_close_idle(struct endpoint *endpoint)
{
    list_for_each_safe (node, &endpoint->links) {
        struct h2_link *link = list_entry(node, struct h2_link, node);
        link->draining = true;
        h2_wants_write(&link->h2); /* closed at the end of the turn */
    }
}
