/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a request as small steps: each state has one function that goes as far as it can and
 * says whether the next state may run at once. Waiting is returning: whatever happens next (a
 * readable socket, a timer, a filter that resumes) comes back through client_run and finds the
 * state.
 *
 * 1. A step that ended the stream returns false, and nobody looks at the stream again.
 * 2. Each step may be entered again after a suspended filter: what it has done it finds done.
 * 3. There is always a deadline: of the head, of holding, of connecting, of the first byte, of the
 *    pause between two pieces, of a page (stream_timeout says what each costs).
 */
#include "base/num.h"
#include "edge/affinity.h"
#include "edge/cells.h"
#include "edge/exchange.h"
#include "edge/hello.h"
#include "edge/record.h"
#include "edge/reply.h"
#include "edge/stream_private.h"
#include "edge/tunnel.h"
#include "edge/worker.h"
#include "proto/uri.h"

static bool step_connection(struct stream *stream)
{
    if (!stream->suspended[STREAM_UP] &&
        filters_run(stream, stream->global, FILTER_CONNECTION, NULL)) {
        stream_move(stream, STREAM_HEADERS);
        return true;
    }
    return stream->state == STREAM_REPLY;
}

/* Dot segments and escapes are resolved before routing, and what was routed is what is
 * forwarded. */
static int normalise_path(struct stream *stream)
{
    struct str path = http1_str(&stream->req, stream->req.path);
    bool whole_server =
        stream->req.method == HTTP_OPTIONS && path.len == 0 && !stream->req.has_query;
    if (whole_server) { /* also http://host: RFC 9112 §3.2.4 */
        stream->path = STR("*");
        stream->path_changed = true;
        return 0;
    }
    if (path.len == 0) {
        stream->path = STR("/");
        stream->path_changed = true;
        return 0;
    }
    struct str normal;
    int r = uri_normalise(path, stream->worker->out, WORKER_OUT_SIZE, &normal);
    if (r < 0) {
        return r;
    }
    stream->path = normal;
    if (unlikely(normal.p != path.p)) {
        stream->path_block = block_get(&stream->worker->blocks, BLOCK_HEAD);
        if (!stream->path_block) {
            return -ENOMEM;
        }
        memcpy(stream->path_block->data, normal.p, normal.len);
        stream->path.p = stream->path_block->data;
    }
    bool same = normal.p == path.p && normal.len == path.len; /* nearly always */
    stream->path_changed = (!same && !str_eq(normal, path)) || stream->req.form != HTTP1_ORIGIN;
    return 0;
}

bool stream_take_route(struct stream *stream, const struct route *route)
{
    struct worker *worker = stream->worker;
    stream->generation = worker->generation;
    stream->generation->refs++;
    stream->route = route;
    stream->route_id = route->id;
    stream->filters = route->filters;
    stream->service = worker->set.by_index[route->service];
    return stream->service != NULL;
}

static bool find_service(struct stream *stream)
{
    struct worker *worker = stream->worker;
    struct client *client = stream->client;
    if (client->kind != SNAPSHOT_HTTP) {
        stream->service =
            map_get(&worker->set.services, str_make((const char *)&client->service, 8));
        stream->flags |= client->kind == SNAPSHOT_ADMIN ? RING_FLAG_ADMIN : 0;
    } else {
        char memory[ROUTE_HOST_MAX + 1];
        struct str host = route_host_of(http1_str(&stream->req, stream->req.host), memory);
        const struct config *config = worker_config(worker);
        const struct route *route = route_table_find(&config->table, host, stream->path);
        if (route && !stream_take_route(stream, route)) {
            return false;
        }
    }
    if (stream->service) {
        service_ref(stream->service);
        const struct snapshot_service *spec = &stream->service->spec;
        stream->flows = stream->flows && spec->protocol == SNAPSHOT_PROTOCOL_HTTP2;
        stream->body_size = unlikely(stream->flows) ? spec->call_size : spec->body_size;
    }
    return stream->service != NULL;
}

static bool step_headers(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (stream->suspended[STREAM_UP]) {
        return false;
    }
    if (stream->global->count[FILTER_HEADERS] &&
        !filters_run(stream, stream->global, FILTER_HEADERS, NULL)) {
        return stream->state == STREAM_REPLY;
    }
    int r = normalise_path(stream);
    if (r < 0) {
        stream->keep_client = false;
        if (r == -ENOMEM) {
            reply_upstream_error(stream, r);
        } else {
            reply_page(stream, 400, SAID("the path is not valid", "la dirección no es válida"));
        }
    } else if (unlikely(stream->client->redirect_port != 0)) {
        reply_redirect(stream);
    } else if (!find_service(stream)) {
        counters_add(&worker->stats->no_route, 1);
        reply_no_route(stream);
    } else if (unlikely(stream->route && stream->route->needs_client &&
                        !stream->client->identity)) {
        reply_no_certificate(stream);
    } else if (unlikely(stream->req.method == HTTP_OPTIONS) &&
               str_is(http1_get(&stream->req, HTTP_H_MAX_FORWARDS), "0")) {
        reply_options(stream); /* RFC 9110 §7.6.2: it asks us */
    } else if (stream->req.framing == HTTP1_BODY_LENGTH &&
               stream->req.content_length > stream->body_size) {
        reply_body_too_large(stream);
    } else if (unlikely(stream->req.upgrade || stream->req.method == HTTP_CONNECT) &&
               !tunnel_ask(stream)) {
        return true;
    } else {
        stream_move(stream, STREAM_ROUTE);
    }
    return true;
}

static bool step_route(struct stream *stream)
{
    if (stream->suspended[STREAM_UP]) {
        return false;
    }
    if (stream->filters->count[FILTER_ROUTE] &&
        !filters_run(stream, stream->filters, FILTER_ROUTE, NULL)) {
        return stream->state == STREAM_REPLY;
    }
    stream_move(stream, STREAM_PICK);
    return true;
}

static int64_t hold_ns(const struct stream *stream)
{
    const struct service *service = stream->service;
    int64_t ms = service->spec.hold_ms;
    /* Ready by name and yet refusing: if it crashed the core will say so within that time. */
    if (service->pick.count > 0 && service->spec.state != SNAPSHOT_SERVICE_STARTING) {
        ms = MIN(ms, (int64_t)1000);
    }
    return ms * NS_PER_MS;
}

static bool no_endpoint(struct stream *stream)
{
    counters_add(&stream->worker->stats->no_endpoint, 1);
    if (likely(stream->service->policy == NULL) || !policy_fallback(stream)) {
        reply_no_endpoint(stream);
    }
    return true;
}

/* No endpoint: wait for one if one is expected, else say so. */
static bool hold(struct stream *stream)
{
    struct worker *worker = stream->worker;
    struct service *service = stream->service;
    int64_t deadline = stream->pick_ns + hold_ns(stream);
    if (unlikely(service->policy != NULL)) {
        deadline = policy_hold_until(stream, deadline);
    }
    policy_done(stream); /* a place is for who is with a replica */
    if (!service_may_hold(service) || worker->loop.now_ns >= deadline ||
        service_lack(service) == LACKS_WEIGHT || service->waiter_count >= service->waiters_max ||
        stream->client->conn.failed) {
        return no_endpoint(stream);
    }
    if (!(stream->flags & RING_FLAG_HELD)) {
        stream->flags |= RING_FLAG_HELD;
        counters_add(&worker->stats->held, 1);
    }
    service_wait(service, &stream->waiting);
    client_deadline(stream->client, deadline);
    stream_move(stream, STREAM_HELD);
    return false;
}

static bool step_pick(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (!stream->pick_ns) {
        stream->pick_ns = worker->loop.now_ns;
    }
    struct service *service = stream->service;
    if (unlikely(service->policy != NULL)) {
        enum policy_verdict verdict = policy_admit(stream);
        if (verdict != POLICY_PASS) {
            return verdict == POLICY_MOVED;
        }
    }
    bool plain = likely(service->pick.plain);
    struct endpoint *endpoint =
        plain ? service_pick(service, stream->avoid, &stream->shared_load) : affinity_pick(stream);
    if (unlikely(endpoint && stream->visit.begun)) {
        endpoint = policy_slow_start(stream, endpoint);
    }
    if (unlikely(!endpoint)) {
        return hold(stream);
    }
    stream->endpoint = endpoint;
    endpoint_ref(endpoint);
    stream->cell = cells_of(endpoint, stream->route);
    stream->cell->in_flight++;
    if (unlikely(stream->flags & RING_FLAG_HELD)) {
        stream->picked_ns = worker->loop.now_ns;
    }
    if (!plain) {
        affinity_count(stream);
    }
    stream_move(stream, STREAM_UPSTREAM);
    return true;
}

static bool step_held(struct stream *stream)
{
    if (stream->client->conn.failed) {
        stream_abort(stream);
        return false;
    }
    if (!stream->waiting.woken) {
        return false;
    }
    service_wait_no_more(stream->service, &stream->waiting);
    stream_move(stream, STREAM_PICK);
    return true;
}

/* The client goes on now, as at the end of a turn (client_run): an answer does not wait. */
void stream_upstream_news(void *user)
{
    struct stream *stream = user;
    struct loop_task *task = &stream->client->again;
    task->run(task);
}

static bool step_upstream(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (stream->suspended[STREAM_UP]) {
        return false;
    }
    if (stream->filters->count[FILTER_UPSTREAM] &&
        !filters_run(stream, stream->filters, FILTER_UPSTREAM, NULL)) {
        return stream->state == STREAM_REPLY;
    }
    stream->upstream = stream->tcp || stream->connect
                           ? NULL
                           : upstream_take(stream->endpoint, stream, stream_repeatable(stream),
                                           stream_upstream_news);
    if (likely(stream->upstream != NULL)) {
        stream->connect_ns = worker->loop.now_ns;
        stream_move(stream, STREAM_EXCHANGE);
        return true;
    }
    counters_add(&stream->cell->connects, 1);
    stream->connect_from_ns = worker->loop.now_ns;
    int r = upstream_connect(stream->endpoint, stream, stream_upstream_news, &stream->upstream);
    if (unlikely(r == -EBUSY)) {
        return policy_no_connection(stream) != POLICY_WAIT;
    }
    if (r < 0) {
        return stream_lost(stream, r);
    }
    client_deadline(stream->client,
                    worker->loop.now_ns + stream->service->spec.connect_ms * NS_PER_MS);
    stream_move(stream, STREAM_CONNECT);
    return false;
}

static bool step_connect(struct stream *stream)
{
    if (stream->client->conn.failed) {
        stream_abort(stream);
        return false;
    }
    int r = upstream_connected(stream->upstream);
    if (r == UPSTREAM_E_WAIT) {
        return false;
    }
    if (unlikely(r == UPSTREAM_E_OTHER)) {
        upstream_release(stream->upstream, false);
        stream->upstream = NULL;
        stream_move(stream, STREAM_UPSTREAM);
        return true;
    }
    if (r < 0) {
        return stream_lost(stream, r);
    }
    endpoint_worked(stream->endpoint);
    stream->connect_ns = stream->worker->loop.now_ns;
    record_connected(stream);
    if (unlikely(stream->tcp || stream->connect)) {
        return tunnel_connected(stream);
    }
    stream_move(stream, STREAM_EXCHANGE);
    return true;
}

static bool (*const steps[STREAM_STATES])(struct stream *stream) = {
    [STREAM_HEAD] = exchange_read_head,
    [STREAM_HELLO] = hello_run,
    [STREAM_CONNECTION] = step_connection,
    [STREAM_HEADERS] = step_headers,
    [STREAM_ROUTE] = step_route,
    [STREAM_PICK] = step_pick,
    [STREAM_HELD] = step_held,
    [STREAM_UPSTREAM] = step_upstream,
    [STREAM_CONNECT] = step_connect,
    [STREAM_EXCHANGE] = exchange_run,
    [STREAM_TUNNEL] = tunnel_run,
    [STREAM_REPLY] = reply_run,
};

void stream_run(struct stream *stream)
{
    while (steps[stream->state](stream)) {
    }
}

void stream_timeout(struct stream *stream)
{
    counters_add(&stream->worker->stats->timeouts, 1);
    switch (stream->state) {
    case STREAM_HEAD:
        reply_timeout(stream);
        break;
    case STREAM_HELD:
        service_wait_no_more(stream->service, &stream->waiting);
        if (likely(stream->service->policy == NULL) || !policy_woken(stream)) {
            (void)no_endpoint(stream);
        }
        break;
    case STREAM_CONNECT:
        if (!stream_lost(stream, -ETIMEDOUT)) {
            return;
        }
        break;
    case STREAM_EXCHANGE:
        if (!exchange_timeout(stream)) {
            return;
        }
        break;
    case STREAM_TUNNEL:
        tunnel_timeout(stream);
        return;
    default: /* a hello that does not come, an answer that nobody reads, or a filter that never came back */
        stream_abort(stream);
        return;
    }
    stream_run(stream);
}
