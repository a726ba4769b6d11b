/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a request as small steps: each state has one function that goes as far as it can and
 * says whether the next state may run at once. Waiting is returning: whatever happens next (a
 * readable socket, a timer, a filter that resumes) comes back through client_run and finds the
 * state.
 *
 * A step that ended the stream returns false, and nobody looks at the stream again.
 */
#include "edge/stream.h"

#include "base/num.h"
#include "base/sm.h"
#include "edge/cells.h"
#include "edge/exchange.h"
#include "edge/record.h"
#include "edge/reply.h"
#include "edge/stream_private.h"
#include "edge/worker.h"
#include "proto/uri.h"

#include <stdlib.h>

#define TO SM_TO
/* An answer of our own, and the end, may come from nearly everywhere. */
#define OR_OUT | TO(STREAM_REPLY) | TO(STREAM_ENDED)
static const struct sm_state states[STREAM_STATES] = {
    [STREAM_HEAD] = {"head", TO(STREAM_CONNECTION) | TO(STREAM_HEADERS) | TO(STREAM_PICK) OR_OUT,
                     0},
    [STREAM_CONNECTION] = {"connection", TO(STREAM_HEADERS) OR_OUT, 0},
    [STREAM_HEADERS] = {"headers", TO(STREAM_ROUTE) OR_OUT, 0},
    [STREAM_ROUTE] = {"route", TO(STREAM_PICK) OR_OUT, 0},
    [STREAM_PICK] = {"pick", TO(STREAM_UPSTREAM) | TO(STREAM_HELD) OR_OUT, 0},
    [STREAM_HELD] = {"held", TO(STREAM_PICK) OR_OUT, 0},
    [STREAM_UPSTREAM] = {"upstream",
                         TO(STREAM_PICK) | TO(STREAM_CONNECT) | TO(STREAM_EXCHANGE) OR_OUT, 0},
    [STREAM_CONNECT] = {"connect", TO(STREAM_EXCHANGE) | TO(STREAM_TUNNEL) | TO(STREAM_PICK) OR_OUT,
                        0},
    [STREAM_EXCHANGE] = {"exchange", TO(STREAM_TUNNEL) | TO(STREAM_PICK) OR_OUT, 0},
    [STREAM_TUNNEL] = {"tunnel", TO(STREAM_ENDED), 0},
    [STREAM_REPLY] = {"reply", TO(STREAM_ENDED), 0},
    [STREAM_ENDED] = {"ended", 0, 0},
};
#undef TO
#undef OR_OUT
const struct sm stream_sm = {"stream", states, STREAM_STATES};

enum { FREE_STREAMS_MAX = 256, UNWRITTEN_MAX = 16 };

void stream_move(struct stream *stream, enum stream_state state)
{
    sm_move(&stream_sm, &stream->state, state);
}

static void resume_task(struct loop_task *task)
{
    client_run(container_of(task, struct stream, resume)->client);
}

struct stream *stream_new(struct client *client)
{
    struct worker *worker = client->conn.worker;
    struct stream *stream = worker->free_streams;
    if (likely(stream != NULL)) {
        worker->free_streams = stream->next_free;
        worker->free_stream_count--;
    } else {
        stream = malloc(sizeof(*stream));
        if (!stream) {
            return NULL;
        }
    }
    memset(stream, 0, offsetof(struct stream, req));
    stream->worker = worker;
    stream->client = client;
    stream->filters = &filter_chain_empty;
    stream->global = &filter_chain_empty;
    stream->state = STREAM_HEAD;
    stream->start_ns = worker->loop.now_ns;
    stream->start_wall_ns = worker->loop.wall_ns;
    list_init(&stream->waiting);
    loop_task_init(&stream->resume, resume_task);
    http1_head_init(&stream->req, &worker->limits);
    client->stream = stream;
    return stream;
}

static void free_stream(struct stream *stream)
{
    struct worker *worker = stream->worker;
    block_put(&worker->blocks, stream->path_block);
    block_put(&worker->blocks, stream->answer_in);
    block_put(&worker->blocks, stream->held[STREAM_UP]);
    block_put(&worker->blocks, stream->held[STREAM_DOWN]);
    if (unlikely(stream->has_trailers[STREAM_UP])) {
        block_put(&worker->blocks, stream->trailer_block[STREAM_UP]);
    }
    if (unlikely(stream->has_trailers[STREAM_DOWN])) {
        block_put(&worker->blocks, stream->trailer_block[STREAM_DOWN]);
    }
    if (worker->free_stream_count >= FREE_STREAMS_MAX) {
        free(stream);
        return;
    }
    stream->next_free = worker->free_streams;
    worker->free_streams = stream;
    worker->free_stream_count++;
}

static void drop_generation(struct generation **generation, const struct filter_chain **chain)
{
    if (*generation) {
        generation_unref(*generation);
        *generation = NULL;
        *chain = &filter_chain_empty;
    }
}

static void forget_config(struct stream *stream)
{
    drop_generation(&stream->generation, &stream->filters);
    drop_generation(&stream->global_generation, &stream->global);
    stream->route = NULL;
}

void stream_last_head(struct stream *stream, bool tunnel)
{
    const struct filter_chain *chain = stream->filters;
    bool bodies = !tunnel && (chain->count[FILTER_BODY_DOWN] || chain->count[FILTER_BODY_UP]);
    if (!bodies && !chain->count[FILTER_END] && !stream->global->count[FILTER_END]) {
        forget_config(stream);
    }
}

void stream_take_global(struct stream *stream)
{
    struct generation *generation = stream->worker->generation;
    if (unlikely(generation->config->global.filter_count > 0)) {
        stream->global_generation = generation;
        stream->global = &generation->config->global;
        generation->refs++;
    }
}

void stream_detach(struct stream *stream, bool reusable)
{
    if (stream->upstream) {
        struct upstream *upstream = stream->upstream;
        stream->upstream = NULL;
        upstream_release(upstream, reusable);
    }
    if (stream->endpoint) {
        service_done(stream->endpoint, stream->shared_load);
        stream->cell->in_flight--;
        stream->cell = NULL; /* may be another's from here on */
        endpoint_unref(stream->endpoint);
        stream->endpoint = NULL;
    }
}

static void stop_waiting(struct stream *stream)
{
    if (!list_empty(&stream->waiting)) {
        list_del(&stream->waiting);
        stream->service->waiter_count--;
    }
}

/* The end stage runs whole: nothing can be suspended or answered any more. */
static void filters_end(struct stream *stream)
{
    const struct filter_chain *chains[] = {stream->global, stream->filters};
    for (size_t c = 0; c < ARRAY_LEN(chains); c++) {
        for (unsigned i = 0; i < chains[c]->count[FILTER_END]; i++) {
            const struct filter *filter = chains[c]->at[FILTER_END][i];
            (void)filter->ops->run[FILTER_END](stream, filter, NULL);
        }
    }
}

void stream_end(struct stream *stream)
{
    struct client *client = stream->client;
    bool keep = stream->keep_client && stream->up_done && !client->conn.failed;
    stop_waiting(stream);
    loop_task_cancel(&stream->resume);
    filters_end(stream);
    record_stream(stream);
    stream_detach(stream, stream->keep_upstream && stream->down_done && stream->up_done &&
                              !stream->up_broken);
    if (stream->service) {
        service_unref(stream->service);
    }
    forget_config(stream);
    stream_move(stream, STREAM_ENDED);
    client->stream = NULL;
    bool linger = stream->answer_begun && !stream->cut && !(stream->flags & RING_FLAG_TUNNEL) &&
                  !client->conn.failed && !client->conn.eof;
    if (stream->cut) {
        sock_set_abort(client->conn.watch.fd);
    }
    free_stream(stream);
    if (keep) {
        client_next(client);
    } else if (linger) {
        client_linger(client);
    } else {
        client_close(client);
    }
}

void stream_abort(struct stream *stream)
{
    stream->flags |= RING_FLAG_CLIENT_ABORT;
    stream->keep_client = false;
    stream->keep_upstream = false;
    /* Whoever still reads must not take a part of an answer for the whole. */
    stream->cut |= stream->answer_begun && stream->state != STREAM_TUNNEL;
    stream_end(stream);
}

/* --- filters --- */

bool filters_run(struct stream *stream, const struct filter_chain *chain, enum filter_stage stage,
                 struct str *piece)
{
    enum stream_direction direction =
        stage == FILTER_RESPONSE || stage == FILTER_BODY_DOWN ? STREAM_DOWN : STREAM_UP;
    uint8_t *at = &stream->filter_at[direction];
    while (*at < chain->count[stage]) {
        const struct filter *filter = chain->at[stage][(*at)++];
        enum filter_verdict verdict = filter->ops->run[stage](stream, filter, piece);
        if (verdict == FILTER_SUSPEND) {
            stream->suspended[direction] = true;
            return false;
        }
        if (verdict == FILTER_ANSWERED) {
            *at = 0;
            return false;
        }
    }
    *at = 0;
    return true;
}

void stream_resume(struct stream *stream, enum filter_stage stage)
{
    bool down = stage == FILTER_RESPONSE || stage == FILTER_BODY_DOWN;
    stream->suspended[down ? STREAM_DOWN : STREAM_UP] = false;
    loop_defer(&stream->worker->loop, &stream->resume);
}

void stream_add_request(struct stream *stream, struct str name, struct str value)
{
    if (stream->add_request_count < STREAM_EDITS_MAX) {
        stream->add_request[stream->add_request_count++] = (struct stream_field){name, value};
    }
}

void stream_add_response(struct stream *stream, struct str name, struct str value)
{
    if (stream->add_response_count < STREAM_EDITS_MAX) {
        stream->add_response[stream->add_response_count++] = (struct stream_field){name, value};
    }
}

void stream_answer(struct stream *stream, unsigned status, const char *reason)
{
    reply_page(stream, status, reason);
}

/* --- steps: true = the new state may run at once --- */

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
    if (stream->req.form == HTTP1_ASTERISK) {
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
    stream->path_changed = !str_eq(normal, path) || stream->req.form != HTTP1_ORIGIN;
    return 0;
}

static bool take_route(struct stream *stream, const struct route *route)
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
        if (route && !take_route(stream, route)) {
            return false;
        }
    }
    if (stream->service) {
        service_ref(stream->service);
        stream->body_max = stream->service->spec.body_max;
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
        reply_page(stream, r == -ENOMEM ? 503 : 400,
                   r == -ENOMEM ? "out of memory" : "the path is not valid");
    } else if (!find_service(stream)) {
        counters_add(&worker->stats->no_route, 1);
        reply_no_route(stream);
    } else if (stream->req.framing == HTTP1_BODY_LENGTH &&
               stream->req.content_length > stream->body_max) {
        reply_page(stream, 413, "the request body is larger than the service allows");
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

/* No endpoint: wait for one if one is expected, else say so. */
static bool hold(struct stream *stream)
{
    struct worker *worker = stream->worker;
    struct service *service = stream->service;
    int64_t deadline = stream->pick_ns + stream_hold_ns(stream);
    if (!service_may_hold(service) || worker->loop.now_ns >= deadline ||
        service->waiter_count >= SERVICE_WAITERS_MAX || stream->client->conn.failed) {
        counters_add(&worker->stats->no_endpoint, 1);
        reply_no_endpoint(stream);
        return true;
    }
    if (!(stream->flags & RING_FLAG_HELD)) {
        stream->flags |= RING_FLAG_HELD;
        counters_add(&worker->stats->held, 1);
    }
    service_wait(service, stream);
    client_deadline(stream->client, deadline);
    stream_move(stream, STREAM_HELD);
    return false;
}

int64_t stream_hold_ns(const struct stream *stream)
{
    const struct service *service = stream->service;
    int64_t ms = service->spec.hold_ms;
    /* Ready by name and yet refusing: if it crashed the core will say so within that time. */
    if (service->ready_count > 0 && service->spec.state != SNAPSHOT_SERVICE_STARTING) {
        ms = MIN(ms, (int64_t)1000);
    }
    return ms * NS_PER_MS;
}

static bool step_pick(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (!stream->pick_ns) {
        stream->pick_ns = worker->loop.now_ns;
    }
    struct endpoint *endpoint = service_pick(stream->service, stream->avoid, &stream->shared_load);
    if (unlikely(!endpoint)) {
        return hold(stream);
    }
    stream->endpoint = endpoint;
    endpoint_ref(endpoint);
    stream->cell = cells_of(endpoint, stream->route);
    stream->cell->in_flight++;
    stream_move(stream, STREAM_UPSTREAM);
    return true;
}

static bool step_held(struct stream *stream)
{
    if (stream->client->conn.failed) {
        stream_abort(stream);
        return false;
    }
    if (!stream->woken) {
        return false;
    }
    stream->woken = false;
    stop_waiting(stream);
    stream_move(stream, STREAM_PICK);
    return true;
}

/* May a pooled connection that turns out to be dead be paid for with a second try? */
static bool repeatable(const struct stream *stream)
{
    return http_method_idempotent((enum http_method)stream->req.method);
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
    stream->upstream =
        stream->tcp ? NULL : upstream_take(stream->endpoint, stream, repeatable(stream));
    if (likely(stream->upstream != NULL)) {
        stream->connect_ns = worker->loop.now_ns;
        stream_move(stream, STREAM_EXCHANGE);
        return true;
    }
    counters_add(&stream->cell->connects, 1);
    int r = upstream_connect(stream->endpoint, stream, &stream->upstream);
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
    if (r < 0) {
        return stream_lost(stream, r);
    }
    endpoint_worked(stream->endpoint);
    stream->connect_ns = stream->worker->loop.now_ns;
    stream_move(stream, stream->tcp ? STREAM_TUNNEL : STREAM_EXCHANGE);
    if (stream->tcp) {
        stream->flags |= RING_FLAG_TUNNEL;
        counters_add(&stream->worker->stats->tunnels, 1);
        client_deadline(stream->client,
                        stream->connect_ns + stream->service->spec.tunnel_idle_ms * NS_PER_MS);
    }
    return true;
}

/* Is it we who lack something? Then no other endpoint helps, and none is to blame. */
static bool own_shortage(int error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EMFILE || error == -ENFILE;
}

/* May the whole request be sent once more? Its body must still lie in the client's first block. */
static bool can_repeat(const struct stream *stream, bool written, int error)
{
    bool filtered = stream->suspended[STREAM_UP] || stream->held[STREAM_UP]; /* in the middle */
    if (stream->answer_seen || stream->answer_begun || stream->body_moved || filtered ||
        own_shortage(error)) {
        return false;
    }
    if (!written) {
        /* Connecting again is bounded by the time to hold; a peer that resets each connection is
         * not. */
        return stream->state != STREAM_EXCHANGE || stream->retries < UNWRITTEN_MAX;
    }
    return repeatable(stream) && stream->retries < stream->service->spec.retries;
}

static void rewind_request(struct stream *stream)
{
    exchange_begin_body(stream, STREAM_UP, &stream->req);
    stream->client->in->at = stream->req.len;
    stream->up_done = stream->req.framing == HTTP1_BODY_NONE;
    stream->head_sent = false;
    stream->up_broken = false;
    stream->bytes_in = 0;
}

bool stream_lost(struct stream *stream, int error)
{
    bool connected = stream->state == STREAM_EXCHANGE;
    if (!connected) {
        counters_add(&stream->cell->connect_errors, 1);
        if (!own_shortage(error)) {
            endpoint_failed(stream->endpoint);
        }
    }
    if (stream->tcp && connected) {
        stream_end(stream);
        return false;
    }
    if (can_repeat(stream, stream->head_sent, error)) {
        counters_add(&stream->cell->retries, 1);
        stream->retries = (uint8_t)MIN(stream->retries + 1, UINT8_MAX);
        stream->avoid = stream->endpoint;
        stream->last_error = error;
        if (!stream->tcp) {
            rewind_request(stream);
        }
        stream_detach(stream, false);
        stream_move(stream, STREAM_PICK);
        return true;
    }
    counters_add(&stream->cell->errors, 1);
    if (stream->answer_begun) {
        stream->flags |= RING_FLAG_UPSTREAM_ABORT;
        stream->keep_client = false;
        stream->keep_upstream = false;
        stream->cut = true;
        stream_end(stream);
        return false;
    }
    reply_upstream_error(stream, error);
    return true;
}

static bool (*const steps[STREAM_STATES])(struct stream *stream) = {
    [STREAM_HEAD] = exchange_read_head, [STREAM_CONNECTION] = step_connection,
    [STREAM_HEADERS] = step_headers,    [STREAM_ROUTE] = step_route,
    [STREAM_PICK] = step_pick,          [STREAM_HELD] = step_held,
    [STREAM_UPSTREAM] = step_upstream,  [STREAM_CONNECT] = step_connect,
    [STREAM_EXCHANGE] = exchange_run,   [STREAM_TUNNEL] = tunnel_run,
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
        stop_waiting(stream);
        counters_add(&stream->worker->stats->no_endpoint, 1);
        reply_no_endpoint(stream);
        break;
    case STREAM_CONNECT:
        if (!stream_lost(stream, -ETIMEDOUT)) {
            return;
        }
        break;
    case STREAM_EXCHANGE:
        exchange_timeout(stream);
        return;
    default: /* a tunnel or an answer that nobody reads, or a filter that never came back */
        stream_abort(stream);
        return;
    }
    stream_run(stream);
}
