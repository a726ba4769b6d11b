/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a thread: takes configurations and deltas between two turns, connections from others,
 * and what is to be done at the end of a turn (closed clients, the core's bell).
 *
 * 1. `generation` changes only here, between two turns; streams count those that they still need.
 * 2. A config that memory does not allow is taken a moment later; what is served stays whole.
 *
 * As it ends: stop closes listeners and clients between two requests, what is under way or about to
 * be said finishes (or is cut when the grace is over), and the loop stops when nothing is left
 * (worker_news.may_stop).
 */
#include "edge/worker_life.h"

#include "base/num.h"
#include "edge/client_run.h"
#include "edge/conn_tls.h"
#include "edge/h2_client.h"
#include "edge/listener.h"
#include "edge/tunnel.h"
#include "os/entropy.h"
#include "os/rolelog.h"

#include <stdlib.h>

enum { CONFIG_AGAIN_MS = 100 };

/* --- the end of a turn --- */

static void turn_end(struct loop_task *task)
{
    struct worker *worker = container_of(task, struct worker, turn_end);
    struct list *node;
    while ((node = list_pop_front(&worker->dead))) {
        free(list_entry(node, struct client, node));
    }
    if (worker->ring_written) {
        worker->ring_written = false;
        if (ring_should_wake(&worker->ring)) {
            worker->news->records(worker);
        }
    }
    if (worker->stopping && (worker->cut || worker->news->may_stop(worker))) {
        loop_stop(&worker->loop);
    }
}

/* Behind all that a turn sends. */
static void turn_last(struct loop_task *task)
{
    conn_send_queued(container_of(task, struct worker, turn_last));
}

/* --- what others ask for --- */

/* Memory is out: what is served stays, and the config is taken a moment later, unless a newer one
 * has come. */
static void take_later(struct worker *worker, struct config *config)
{
    struct config *none = NULL;
    if (!atomic_compare_exchange_strong(&worker->next_config, &none, config)) {
        config_unref(config);
    }
    if (!worker->config_late) {
        rolelog(ROLELOG_WARNING, "edge",
                "out of memory while a snapshot is applied: it is tried again");
    }
    worker->config_late = true; /* said once, until it is taken */
    loop_timer_after(&worker->loop, &worker->config_again, CONFIG_AGAIN_MS * NS_PER_MS);
}

static void config_again(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    worker_notify(container_of(timer, struct worker, config_again), WORKER_CONFIG);
}

static void set_generation(struct worker *worker, struct generation *generation,
                           struct config *config)
{
    *generation = (struct generation){.config = config, .refs = 1};
    if (worker->generation) {
        generation_unref(worker->generation);
    }
    worker->generation = generation;
    worker->config_late = false;
}

static void take_config(struct worker *worker)
{
    struct config *config = atomic_exchange(&worker->next_config, NULL);
    if (!config) {
        return;
    }
    struct generation *generation = calloc(1, sizeof(*generation));
    bool routes = worker->generation && config_is_akin(worker->generation->config, config);
    if (!generation || (!routes && (conn_tls_apply(worker, config) < 0 ||
                                    service_set_apply(worker, config) < 0))) {
        free(generation);
        take_later(worker, config);
        return;
    }
    set_generation(worker, generation, config);
    if (routes) { /* nothing else has changed */
        worker->set.cells_gone = true;
        return;
    }
    worker->gateway = config->gateway;
    worker->limits.head_max = config->gateway.head_max;
    worker->limits.line_max = MIN(worker->limits.head_max, (uint32_t)8192);
    worker->delta_cursor = config->snapshot.delta_base;
    if (!worker->stopping && listener_apply(worker, config) < 0) {
        rolelog(ROLELOG_ERROR, "edge", "a listener of the snapshot could not be opened");
    }
    counters_add(&worker->stats->snapshots, 1);
    uint64_t no_places = config->geo_problem.code[0] != '\0';
    counters_add(&worker->stats->no_places, no_places - worker->stats->no_places);
    atomic_store(&worker->serves, !worker->stopping);
    worker->news->config_taken(worker);
}

static void take_deltas(struct worker *worker)
{
    struct delta delta;
    int r;
    if (!worker->generation || !worker->deltas) {
        return;
    }
    while ((r = delta_log_read(worker->deltas, &worker->delta_cursor, &delta)) == 0) {
        counters_add(&worker->stats->deltas, 1);
        service_set_delta(worker, &delta);
        worker->news->delta_taken(worker, &delta);
    }
    if (r == DELTA_E_LOST) {
        worker->news->deltas_lost(worker);
    }
}

/* For those who wait for it; `routed`: the deltas whose routes were in the configuration that lay
 * here before this turn. One that stops serves nobody who comes: no one waits for it. */
static void say_taken(struct worker *worker, uint64_t routed)
{
    if (worker->config_late || !worker->generation || worker->stopping) {
        return;
    }
    uint64_t mark = delta_mark(worker->generation->config->snapshot.sequence,
                               MIN(worker->delta_cursor, routed));
    counters_add(&worker->stats->taken, mark - worker->stats->taken);
}

static void stop(struct worker *worker)
{
    worker->stopping = true;
    atomic_store(&worker->serves, false);
    listener_close_all(worker);
    counters_add(&worker->stats->taken, 0 - worker->stats->taken);
    worker->news->stopping(worker);
    list_for_each_safe (node, &worker->idle) {
        struct client *client = list_entry(node, struct client, node);
        if (client_ends(client)) {
            client_drain(client);
        }
    }
    list_for_each_safe (node, &worker->lingering) {
        client_drain(list_entry(node, struct client, node));
    }
    list_for_each_safe (node, &worker->clients) {
        struct client *client = list_entry(node, struct client, node);
        if (client->codec) {
            client->codec->drain(client);
        }
    }
    tunnels_leave(worker);
    loop_defer(&worker->loop, &worker->turn_end);
}

static void take_gift(struct worker *worker, struct worker_gift *gift)
{
    if (client_open(worker, gift->fd, &gift->peer, gift->source) < 0) {
        counters_add(&worker->stats->refused, 1);
    }
    atomic_fetch_sub(&worker->gifts, 1);
    free(gift);
}

static void deliver(struct mailbox *box, struct mail *mail)
{
    struct worker *worker = container_of(box, struct worker, mailbox);
    if (mail != &worker->mail) {
        struct worker_gift *gift = container_of(mail, struct worker_gift, mail);
        (gift->take ? gift->take : take_gift)(worker, gift);
        return;
    }
    uint64_t routed = atomic_load(worker->routed);
    unsigned todo = atomic_exchange(&worker->todo, 0U);
    if (todo & WORKER_CONFIG) {
        take_config(worker);
    }
    if (todo & (WORKER_CONFIG | WORKER_DELTAS)) {
        take_deltas(worker);
        say_taken(worker, routed);
        tunnels_leave(worker);
    }
    if (todo & WORKER_HEALTH) {
        service_set_health(worker);
    }
    if (todo & WORKER_STOP) {
        stop(worker);
    }
}

/* --- from start to end --- */

static void init_drops(struct worker *worker)
{
    static const uint8_t claims[] = {
        HTTP_H_FORWARDED,         HTTP_H_X_FORWARDED_HOST,   HTTP_H_X_FORWARDED_PORT,
        HTTP_H_X_FORWARDED_PROTO, HTTP_H_X_FORWARDED_PREFIX, HTTP_H_X_REAL_IP,
        HTTP_H_X_FORWARDED_FOR,   HTTP_H_X_REQUEST_ID,       HTTP_H_CLIENT_CERT,
        HTTP_H_CLIENT_CERT_CHAIN, /* RFC 9440 §2.4 */
    };
    for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
        http_set_add(&worker->drop_request, claims[i]);
    }
    worker->drop_options = worker->drop_request; /* its Max-Forwards is counted down */
    http_set_add(&worker->drop_options, HTTP_H_MAX_FORWARDS);
    http_set_add(&worker->drop_response, HTTP_H_X_REQUEST_ID);
    http_set_add(&worker->drop_response, HTTP_H_X_MUELLE_REPLICA);
}

static void end_client(struct client *client)
{
    if (client->stream) {
        stream_abort(client->stream);
    }
    client_close(client);
}

void worker_cut(struct worker *worker)
{
    while (!list_empty(&worker->clients)) {
        end_client(list_entry(worker->clients.next, struct client, node));
    }
    while (!list_empty(&worker->lingering)) {
        end_client(list_entry(worker->lingering.next, struct client, node));
    }
    while (!list_empty(&worker->idle)) {
        end_client(list_entry(worker->idle.next, struct client, node));
    }
}

void worker_fini(struct worker *worker)
{
    if (!worker->edge) {
        return;
    }
    listener_close_all(worker);
    loop_timer_cancel(&worker->loop, &worker->config_again);
    loop_timer_cancel(&worker->loop, &worker->move_again);
    worker_cut(worker);
    turn_end(&worker->turn_end);
    service_set_fini(&worker->set);
    while (worker->free_streams) {
        struct stream *stream = worker->free_streams;
        worker->free_streams = stream->next_free;
        free(stream);
    }
    if (worker->generation) {
        generation_unref(worker->generation);
    }
    config_unref(atomic_exchange(&worker->next_config, NULL));
    mailbox_fini(&worker->mailbox);
    loop_fini(&worker->loop);
    block_put(&worker->blocks, worker->wide);
    block_pool_fini(&worker->blocks);
    conn_tls_free_shared(worker->tls);
    free(worker->in);
    free(worker->outbox);
}

int worker_init(struct worker *worker, struct edge *edge, unsigned index,
                const struct worker_news *news)
{
    *worker = (struct worker){.edge = edge, .index = index, .news = news};
    worker->limits = (struct http1_limits)HTTP1_LIMITS_DEFAULT;
    worker->h2_start = h2_client_start;
    worker->in = malloc(WORKER_IN_SIZE);
    worker->outbox = malloc(sizeof(*worker->outbox));
    list_init(&worker->listeners);
    list_init(&worker->clients);
    list_init(&worker->idle);
    list_init(&worker->lingering);
    list_init(&worker->dead);
    timer_init(&worker->accept_pause, NULL);
    timer_init(&worker->config_again, config_again);
    timer_init(&worker->move_again, NULL);
    loop_task_init(&worker->turn_end, turn_end);
    atomic_init(&worker->todo, 0U);
    atomic_init(&worker->next_config, NULL);
    service_set_init(&worker->set);
    block_pool_init(&worker->blocks, 32768);
    init_drops(worker);
    int r = loop_init(&worker->loop, entropy_seed());
    if (r == 0) {
        r = worker->in && worker->outbox ? 0 : -ENOMEM;
    }
    if (r == 0) {
        worker->outbox->count = worker->outbox->len = 0;
        worker->out = outbox_scratch(worker->outbox);
        loop_task_init(&worker->turn_last, turn_last);
        worker->loop.last = &worker->turn_last;
    }
    if (r == 0) {
        r = mailbox_init(&worker->mailbox, &worker->loop, deliver);
    }
    if (r < 0) {
        worker_fini(worker);
    }
    return r;
}
