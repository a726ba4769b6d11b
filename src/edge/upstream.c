/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections to endpoints, from connect to the pool and back.
 *
 * 1. In use: `stream` is set, in no list. Idle: no stream, in endpoint->idle. Any event on an idle
 *    one but "writable" closes it.
 * 2. Only a connection of which nothing is pending, unread or unsaid goes back to the pool.
 * 3. Its timer is set when it is first idle and moves only when it fires: reuse costs no timer.
 */
#include "edge/upstream.h"

#include "base/num.h"
#include "edge/announce.h"
#include "edge/connect.h"
#include "edge/h2_link.h"
#include "edge/lane.h"
#include "edge/policy_room.h"
#include "edge/short_way.h"
#include "edge/stream.h"
#include "edge/worker.h"

#include <stdlib.h>

static void upstream_close(struct upstream *upstream)
{
    struct worker *worker = upstream->conn.worker;
    struct endpoint *endpoint = upstream->endpoint;
    if (!list_empty(&upstream->node)) {
        list_del(&upstream->node);
        endpoint->idle_count--;
    }
    if (unlikely(upstream->joined)) {
        short_way_leave(upstream);
    }
    loop_timer_cancel(&worker->loop, &upstream->timer);
    conn_forget(&upstream->conn); /* a request that nobody waits for, or that is sent elsewhere */
    conn_close(&upstream->conn);
    counters_add(&worker->stats->upstream_connections, (uint64_t)-1);
    policy_connection_end(endpoint->service);
    endpoint_unref(endpoint);
    free(upstream->announced);
    free(upstream);
}

static void ready(struct loop_fd *watch, uint32_t events)
{
    struct upstream *upstream = container_of(watch, struct upstream, conn.watch);
    if (unlikely(!upstream->user)) {
        conn_note(&upstream->conn, events);
        if ((events & ~(uint32_t)LOOP_WRITE) &&
            (upstream->conn.hup || !connect_is_quiet(&upstream->conn))) {
            upstream_close(upstream); /* idle: it speaks unasked, or hung up */
        }
        return;
    }
    conn_note(&upstream->conn, events);
    upstream->news(upstream->user);
}

/* Set once when the connection is first idle, then only when it fires: reuse costs nothing. */
static void idle_for_long(struct timer *timer, int64_t now_ns)
{
    struct upstream *upstream = container_of(timer, struct upstream, timer);
    if (!upstream->user && now_ns >= upstream->idle_until_ns) {
        upstream_close(upstream);
    } else {
        int64_t again = MAX(upstream->idle_until_ns, now_ns + NS_PER_S);
        loop_timer_set(&upstream->conn.worker->loop, timer, again);
    }
}

static bool speaks_http2(const struct endpoint *endpoint)
{
    return unlikely(endpoint->service->spec.protocol == SNAPSHOT_PROTOCOL_HTTP2);
}

/* On a connection with others; only where HTTP/2 is spoken. */
static bool is_shared(const struct stream *stream)
{
    return !stream->tcp && !stream->connect && !stream->req.upgrade;
}

/* A WebSocket that the service may take so, too; again, it goes by HTTP/1. */
static bool may_be_lane(const struct endpoint *endpoint, const struct stream *stream)
{
    return stream->req.upgrade && stream->retries == 0 && h2_link_may_websocket(endpoint, stream);
}

/* NULL: there is none, or it needs a connection of its own: a new one, as it will be a tunnel. */
static struct upstream *take_lane(struct endpoint *endpoint, struct stream *stream,
                                  void (*news)(void *user))
{
    if (is_shared(stream)) {
        return h2_link_take(endpoint, stream, news);
    }
    return may_be_lane(endpoint, stream) ? h2_link_take_websocket(endpoint, stream, news) : NULL;
}

/* Of one that was announced for a client nobody else has use. */
static int64_t idle_ns(const struct upstream *upstream)
{
    return unlikely(upstream->announced) ? ANNOUNCE_IDLE_S * NS_PER_S : UPSTREAM_IDLE_S * NS_PER_S;
}

struct upstream *upstream_take(struct endpoint *endpoint, struct stream *stream, bool repeatable,
                               void (*news)(void *user))
{
    if (speaks_http2(endpoint)) {
        return take_lane(endpoint, stream, news);
    }
    /* Tried again: idle ones of a process that ended may all be dead and not known to be. */
    if (list_empty(&endpoint->idle) || stream->retries > 0) {
        return NULL;
    }
    struct upstream *upstream = list_entry(endpoint->idle.next, struct upstream, node);
    if (unlikely(endpoint->service->spec.announce)) {
        upstream = announce_find(endpoint, stream);
        if (!upstream) {
            return NULL;
        }
    }
    int64_t idle_since_ns = upstream->idle_until_ns - idle_ns(upstream);
    int64_t now_ns = upstream->conn.worker->loop.now_ns;
    if (!repeatable && now_ns - idle_since_ns > UPSTREAM_FRESH_MS * NS_PER_MS) {
        return NULL;
    }
    list_del(&upstream->node);
    upstream->user = stream;
    endpoint->idle_count--;
    if (unlikely(upstream->joined) && stream->req.framing != HTTP1_BODY_NONE) {
        short_way_leave(upstream);
    }
    return upstream;
}

/* Its conn is open: it is in use by the stream. */
static void begin(struct upstream *upstream, struct endpoint *endpoint, struct stream *stream,
                  void (*news)(void *user))
{
    list_init(&upstream->node);
    timer_init(&upstream->timer, idle_for_long);
    upstream->endpoint = endpoint;
    upstream->user = stream;
    upstream->news = news;
    endpoint_ref(endpoint);
    counters_add(&endpoint->service->worker->stats->upstream_connections, 1);
}

int upstream_connect(struct endpoint *endpoint, struct stream *stream, void (*news)(void *user),
                     struct upstream **ret)
{
    if (speaks_http2(endpoint)) {
        if (is_shared(stream)) {
            return h2_link_connect(endpoint, stream, news, ret);
        }
        if (may_be_lane(endpoint, stream)) {
            return h2_link_connect_websocket(endpoint, stream, news, ret);
        }
    }
    if (unlikely(endpoint->service->worker->gateway.sockmap)) {
        short_way_serve(endpoint);
    }
    if (!policy_connection_begin(endpoint->service)) {
        return -EBUSY;
    }
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    int r = upstream ? connect_open(endpoint, &upstream->conn, ready) : -ENOMEM;
    if (r == 0 && unlikely(endpoint->service->spec.announce)) {
        r = announce_begin(endpoint->service, stream, &upstream->conn, &upstream->announced);
        if (r < 0) {
            conn_close(&upstream->conn);
        }
    }
    if (r < 0) {
        policy_connection_end(endpoint->service);
        free(upstream);
        return r;
    }
    begin(upstream, endpoint, stream, news);
    upstream->connecting = true;
    *ret = upstream;
    return 0;
}

int upstream_adopt(struct endpoint *endpoint, struct stream *stream, int fd,
                   void (*news)(void *user), struct upstream **ret)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    int r = upstream ? conn_open(&upstream->conn, endpoint->service->worker, fd, ready) : -ENOMEM;
    if (r < 0) {
        free(upstream);
        return r;
    }
    endpoint->service->connections++; /* it was there before, whatever the bound */
    begin(upstream, endpoint, stream, news);
    *ret = upstream;
    return 0;
}

int upstream_connected(struct upstream *upstream)
{
    if (unlikely(conn_is_lane(&upstream->conn))) {
        return h2_link_connected(upstream);
    }
    if (upstream->connecting) {
        if (!upstream->conn.writable && !upstream->conn.failed) {
            return UPSTREAM_E_WAIT;
        }
        int r = sock_error(upstream->conn.watch.fd);
        r = r < 0 || likely(!upstream->conn.out) ? r : conn_socket_flush(&upstream->conn);
        r = r < 0 ? r : connect_step(&upstream->conn);
        if (r != 0) {
            return r < 0 ? r : UPSTREAM_E_WAIT;
        }
        upstream->connecting = false;
        if (upstream->endpoint->address.family == SOCK_ADDR_UNIX && !upstream->conn.out) {
            return conn_hush(&upstream->conn);
        }
    }
    return 0;
}

void upstream_release(struct upstream *upstream, bool reusable)
{
    struct endpoint *endpoint = upstream->endpoint;
    struct conn *conn = &upstream->conn;
    struct worker *worker = conn->worker;
    if (unlikely(conn_is_lane(conn))) {
        h2_link_release(upstream);
        return;
    }
    const struct stream *stream = upstream->user;
    upstream->user = NULL;
    if (!reusable || (upstream->announced != NULL) != (endpoint->service->spec.announce != 0) ||
        conn->hup || conn->failed || conn->out || conn->queued ||
        (conn->readable && !connect_is_quiet(conn)) || !endpoint_pools(endpoint) ||
        worker->stopping || endpoint->idle_count >= UPSTREAM_IDLE_MAX) {
        upstream_close(upstream);
        return;
    }
    if (unlikely(upstream->joined | worker->gateway.sockmap)) {
        short_way_choose(upstream, stream);
    }
    upstream->idle_until_ns = worker->loop.now_ns + idle_ns(upstream);
    if (unlikely(!timer_armed(&upstream->timer))) {
        loop_timer_set(&worker->loop, &upstream->timer, upstream->idle_until_ns);
    }
    list_push_front(&endpoint->idle, &upstream->node);
    endpoint->idle_count++;
}

bool upstream_close_one(struct endpoint *endpoint)
{
    if (list_empty(&endpoint->idle)) {
        return h2_link_close_one(endpoint);
    }
    upstream_close(list_entry(endpoint->idle.prev, struct upstream, node));
    return true;
}

void upstream_close_idle(struct endpoint *endpoint)
{
    while (!list_empty(&endpoint->idle)) {
        upstream_close(list_entry(endpoint->idle.next, struct upstream, node));
    }
    h2_link_close_idle(endpoint);
}
