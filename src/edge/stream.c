/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request owns, from its first byte to its record: state, connections, endpoint, config and
 * filters, and how it lets them go. Its steps are in stream_steps.c.
 *
 * 1. What is taken is noted in the stream at once, so that stream_end finds it in any state.
 * 2. stream_end is the only end: one count, one record, and the client lives on, lingers or is cut.
 */
#include "edge/stream.h"

#include "base/pooling.h"
#include "base/sm.h"
#include "edge/affinity.h"
#include "edge/lane.h"
#include "edge/record.h"
#include "edge/stream_private.h"
#include "edge/tunnel.h"
#include "edge/worker.h"

#include <stdlib.h>

#define TO SM_TO
/* An answer of our own, and the end, may come from nearly everywhere. */
#define OR_OUT | TO(STREAM_REPLY) | TO(STREAM_ENDED)
static const struct sm_state states[STREAM_STATES] = {
    [STREAM_HEAD] = {"head",
                     TO(STREAM_CONNECTION) | TO(STREAM_HEADERS) | TO(STREAM_HELLO) |
                         TO(STREAM_PICK) | TO(STREAM_TUNNEL) OR_OUT,
                     0},
    [STREAM_HELLO] = {"hello", TO(STREAM_PICK) | TO(STREAM_ENDED), 0},
    [STREAM_CONNECTION] = {"connection", TO(STREAM_HEADERS) OR_OUT, 0},
    [STREAM_HEADERS] = {"headers", TO(STREAM_ROUTE) OR_OUT, 0},
    [STREAM_ROUTE] = {"route", TO(STREAM_PICK) OR_OUT, 0},
    [STREAM_PICK] = {"pick", TO(STREAM_UPSTREAM) | TO(STREAM_HELD) OR_OUT, 0},
    [STREAM_HELD] = {"held", TO(STREAM_PICK) OR_OUT, 0},
    [STREAM_UPSTREAM] = {"upstream",
                         TO(STREAM_PICK) | TO(STREAM_CONNECT) | TO(STREAM_EXCHANGE) OR_OUT, 0},
    [STREAM_CONNECT] = {"connect",
                        TO(STREAM_EXCHANGE) | TO(STREAM_TUNNEL) | TO(STREAM_PICK) |
                            TO(STREAM_UPSTREAM) OR_OUT,
                        0},
    [STREAM_EXCHANGE] = {"exchange", TO(STREAM_TUNNEL) | TO(STREAM_PICK) OR_OUT, 0},
    [STREAM_TUNNEL] = {"tunnel", TO(STREAM_ENDED), 0},
    [STREAM_REPLY] = {"reply", TO(STREAM_ENDED), 0},
    [STREAM_ENDED] = {"ended", 0, 0},
};
#undef TO
#undef OR_OUT
const struct sm stream_sm = {"stream", states, STREAM_STATES};

enum { FREE_STREAMS_MAX = 256 };

void stream_move(struct stream *stream, enum stream_state state)
{
    sm_move(&stream_sm, &stream->state, state);
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
    list_init(&stream->waiting.node);
    stream->waiting.task = &client->again;
    http1_head_init(&stream->req, &worker->limits);
    client->stream = stream;
    return stream;
}

void stream_carry(struct stream *stream, enum stream_carried as)
{
    struct counters_carried *carried = stream->worker->carried;
    uint32_t *counts[] = {NULL, &carried->requests, &carried->tunnels};
    if (stream->carried) {
        counters_carry(counts[stream->carried], (uint32_t)-1);
    }
    if (as) {
        counters_carry(counts[as], 1);
    }
    stream->carried = (uint8_t)as;
}

/* Of what only a request needs. */
static void put_blocks(struct stream *stream)
{
    struct worker *worker = stream->worker;
    block_put(&worker->blocks, stream->path_block);
    block_put(&worker->blocks, stream->answer_in);
    if (unlikely(stream->replay.chain.first != NULL)) {
        replay_drop(stream);
    }
    block_put(&worker->blocks, stream->held[STREAM_UP]);
    block_put(&worker->blocks, stream->held[STREAM_DOWN]);
    if (unlikely(stream->has_trailers[STREAM_UP])) {
        block_put(&worker->blocks, stream->trailer_block[STREAM_UP]);
    }
    if (unlikely(stream->has_trailers[STREAM_DOWN])) {
        block_put(&worker->blocks, stream->trailer_block[STREAM_DOWN]);
    }
}

static void pool_stream(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (!POOLING || worker->free_stream_count >= FREE_STREAMS_MAX) {
        free(stream);
        return;
    }
    stream->next_free = worker->free_streams;
    worker->free_streams = stream;
    worker->free_stream_count++;
}

static void free_stream(struct stream *stream)
{
    if (unlikely(stream->frames != NULL)) {
        tunnel_frames_free(stream);
    }
    stream->worker->framed_count -= stream->follows;
    if (unlikely(stream->brief)) {
        free(stream);
        return;
    }
    put_blocks(stream);
    pool_stream(stream);
}

/* What is in no list and points to itself nowhere may be copied; the rest is made anew. */
static struct stream *copy_brief(struct stream *stream, char *memory)
{
    struct list *node = (struct list *)(void *)(memory + offsetof(struct stream, waiting.node));
    stream->brief = true;
    stream->waiting.node = (struct list){node, node};
    memcpy(memory, stream, STREAM_BRIEF);
    return (struct stream *)(void *)memory;
}

/* One piece of memory: the stream as far as a tunnel needs it, its record behind it, and behind
 * that what more the configuration wants of it. */
struct stream *stream_shorten(struct stream *stream)
{
    struct client *client = stream->client;
    size_t size = ALIGN_UP(STREAM_BRIEF, _Alignof(struct ring_access));
    if (stream->generation || stream->global_generation) {
        return stream;
    }
    bool more = record_wants_more(stream);
    char *memory =
        malloc(size + sizeof(struct ring_access) + (more ? sizeof(struct ring_more) : 0));
    if (!memory) {
        return stream;
    }
    service_wait_no_more(stream->service, &stream->waiting);
    struct ring_access *record = (struct ring_access *)(void *)(memory + size);
    record_tunnel(stream, record);
    stream->record = record;
    stream->more_kept = more;
    if (more) {
        record_more(stream, record_kept_more(record));
    }
    client->stream = stream->upstream->user = copy_brief(stream, memory);
    put_blocks(stream);
    pool_stream(stream);
    if (client->in && client->in->at == client->in->len) {
        block_put(&client->conn.worker->blocks, client->in);
        client->in = NULL;
    }
    return client->stream;
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
    if (unlikely(tunnel && stream->visit.begun)) {
        stream->client->latest_ns = 0;
        policy_done(stream);
    }
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
    if (unlikely(stream->place != POLICY_NO_PLACE)) {
        policy_done(stream); /* who waits for its place may have its connection */
    }
    if (stream->endpoint) {
        stream->endpoint->member.asleep -= stream->state == STREAM_TUNNEL;
        if (unlikely(stream->service->pick.method == PICK_POWER_OF_TWO)) {
            affinity_learn(stream);
        }
        service_done(stream->endpoint, stream->shared_load);
        stream->cell->in_flight--;
        stream->cell = NULL; /* may be another's from here on */
        endpoint_unref(stream->endpoint);
        stream->endpoint = NULL;
    }
}

/* The end stage runs whole: nothing can be suspended or answered any more. */
static void filters_end(struct stream *stream)
{
    const struct filter_chain *chains[] = {stream->global, stream->filters};
    if (likely(!chains[0]->count[FILTER_END] && !chains[1]->count[FILTER_END])) {
        return;
    }
    for (size_t c = 0; c < ARRAY_LEN(chains); c++) {
        for (unsigned i = 0; i < chains[c]->count[FILTER_END]; i++) {
            const struct filter *filter = chains[c]->at[FILTER_END][i];
            (void)filter->ops->run[FILTER_END](stream, filter, NULL);
        }
    }
}

/* Does the client read an answer to its end while it may still be sending? */
static bool may_linger(const struct stream *stream)
{
    const struct conn *conn = &stream->client->conn;
    return stream->answer_begun && !stream->cut && !(stream->flags & RING_FLAG_TUNNEL) &&
           !conn->failed && !conn->eof && (!conn_is_lane(conn) || lane_may_receive(conn));
}

void stream_end(struct stream *stream)
{
    struct client *client = stream->client;
    bool keep = stream->keep_client && stream->up_done && !client->conn.failed &&
                likely(!conn_is_lane(&client->conn));
    if (stream->service) {
        service_wait_no_more(stream->service, &stream->waiting);
    }
    if (unlikely(stream->tunnel_slot != NULL)) {
        atomic_fetch_sub(stream->tunnel_slot, 1U);
    }
    filters_end(stream);
    record_stream(stream);
    stream_carry(stream, STREAM_NOT_CARRIED);
    stream_detach(stream, stream->keep_upstream && stream->down_done && stream->up_done &&
                              !stream->up_broken);
    if (stream->service) {
        if (unlikely(stream->service->policy != NULL) && !stream->brief) {
            policy_given_up(stream);
        }
        service_unref(stream->service);
    }
    forget_config(stream);
    stream_move(stream, STREAM_ENDED);
    client->stream = NULL;
    client->latest_ns = 0;
    if (stream->cut) {
        conn_abort(&client->conn);
    }
    if (likely(keep)) {
        client_next(client);
    } else if (may_linger(stream)) { /* who sends too slowly has no further time for it */
        client_linger(client, stream->status != 408 && !conn_is_lane(&client->conn));
    } else {
        client_close(client);
    }
    free_stream(stream);
}

bool stream_movable(const struct stream *stream)
{
    return !stream->global->count[FILTER_END] && !stream->filters->count[FILTER_END] &&
           !stream->cut && !stream->frames && !stream->suspended[STREAM_UP] &&
           !stream->suspended[STREAM_DOWN];
}

void stream_forget(struct stream *stream)
{
    struct client *client = stream->client;
    if (stream->tunnel_slot) {
        atomic_fetch_sub(stream->tunnel_slot, 1U);
    }
    stream_carry(stream, STREAM_NOT_CARRIED);
    stream_detach(stream, false);
    if (stream->service) {
        service_unref(stream->service);
    }
    forget_config(stream);
    stream_move(stream, STREAM_ENDED);
    client->stream = NULL;
    free_stream(stream);
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
    loop_defer(&stream->worker->loop, &stream->client->again);
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
