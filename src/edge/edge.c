/* SPDX-License-Identifier: Apache-2.0
 *
 * The threads together: started, told of deltas and of each other's news, and stopped. Deltas are
 * read by each thread itself; thread 0 is the calling one and ends last.
 *
 * 1. Threads are added before the first snapshot comes and never later: `workers` does not move.
 * 2. Each thread that has nothing left is counted once in `stopped`; thread 0 waits for all.
 *
 * As it ends: edge_stop tells all; each drains (worker_life.c); the last tells thread 0, whose loop
 * stops, and edge_run joins. When the grace is over all are cut. As it fails: a thread that cannot
 * be started fails edge_open, and its caller ends the process; a loop that fails is only said, for
 * the other threads serve on.
 */
#include "edge/edge.h"

#include "base/num.h"
#include "edge/edge_private.h"
#include "edge/memory.h"
#include "edge/probe.h"
#include "edge/tally.h"
#include "edge/worker_life.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/rolelog.h"

#include <stdio.h>
#include <stdlib.h>

enum { THREADS_DEFAULT_MAX = 8, LAST_WORDS_MS = 1100 };

/* --- deltas and news --- */

void edge_deltas(struct edge *edge)
{
    edge_take_routes(edge);
    for (unsigned i = 0; i < edge->thread_count; i++) {
        worker_notify(&edge->workers[i], WORKER_DELTAS);
    }
}

static void routes_again(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    edge_deltas(container_of(timer, struct edge, routes_again));
}

static void health_changed(struct worker *worker)
{
    struct edge *edge = worker->edge;
    for (unsigned i = 0; i < edge->thread_count; i++) {
        worker_notify(&edge->workers[i], WORKER_HEALTH);
    }
}

static void deltas_lost(struct worker *worker)
{
    if (worker->index == 0) {
        if (!worker->edge->deltas_lost) {
            rolelog(ROLELOG_WARNING, "edge",
                    "the delta log has run over; waiting for the next snapshot");
        }
        worker->edge->deltas_lost = true; /* said once, until a snapshot comes */
        worker->edge->opts.snapshot_wanted(worker->edge->opts.context);
    }
}

static void config_taken(struct worker *worker)
{
    if (worker->index == 0 && worker->edge->probes) {
        probe_apply(worker->edge->probes);
    }
}

static void delta_taken(struct worker *worker, const struct delta *delta)
{
    struct edge *edge = worker->edge;
    if (worker->index != 0) {
        return;
    }
    if (delta->kind == DELTA_SNAPSHOT) {
        edge->opts.snapshot_wanted(edge->opts.context);
    } else if (edge->probes) {
        probe_delta(edge->probes, delta);
    }
}

static void records_written(struct worker *worker)
{
    if (worker->edge->memory.bell_core >= 0) {
        shm_bell_ring(worker->edge->memory.bell_core);
    }
}

static void bell_rang(struct loop_fd *watch, uint32_t events)
{
    struct edge *edge = container_of(watch, struct edge, bell);
    (void)events;
    shm_bell_clear(watch->fd);
    edge_deltas(edge);
}

static bool may_stop(struct worker *worker)
{
    struct edge *edge = worker->edge;
    if (worker->client_count > 0 || atomic_load(&worker->gifts) > 0) {
        return false;
    }
    if (worker->index == 0) {
        return atomic_load(&edge->stopped) == edge->thread_count - 1 && edge->giving.waiting == 0 &&
               !(worker->moving && edge_receives(edge));
    }
    if (worker->stopped) { /* counted once */
        return true;
    }
    worker->stopped = true;
    atomic_fetch_add(&edge->stopped, 1);
    worker_notify(&edge->workers[0], WORKER_STOP);
    return true;
}

static void stopping(struct worker *worker)
{
    if (atomic_load(&worker->edge->moves) && !worker->moving) {
        edge_worker_moves(worker);
    }
}

static const struct worker_news news = {.config_taken = config_taken,
                                        .delta_taken = delta_taken,
                                        .deltas_lost = deltas_lost,
                                        .health_changed = health_changed,
                                        .records = records_written,
                                        .stopping = stopping,
                                        .may_stop = may_stop};

/* --- life --- */

static void attach(struct edge *edge, struct worker *worker)
{
    worker->counters = edge->shared.counters;
    worker->table = edge->memory.first + worker->index;
    worker->stats = counters_thread_of(&worker->counters, worker->table);
    worker->carried = counters_carried_of(&worker->counters, worker->table);
    worker->pool = counters_pool_of(&worker->counters, worker->table);
    worker->ring = edge->shared.rings[worker->table];
    worker->deltas = edge->shared.has_deltas ? &edge->shared.deltas : NULL;
    worker->loads = edge->loads;
    worker->routed = &edge->routed;
}

int edge_new(const struct edge_opts *opts, struct edge **ret)
{
    struct edge *edge = calloc(1, sizeof(*edge));
    if (!edge) {
        return -ENOMEM;
    }
    edge->opts = *opts;
    edge->memory.bell_core = -1;
    list_init(&edge->sockets);
    loop_fd_init(&edge->bell, bell_rang);
    timer_init(&edge->stop_timer, NULL);
    timer_init(&edge->routes_again, routes_again);
    handover_init(&edge->giving, edge);
    handover_init(&edge->taking, edge);
    edge->workers = calloc(COUNTERS_HALF, sizeof(*edge->workers));
    int r = edge->workers ? worker_init(&edge->workers[0], edge, 0, &news) : -ENOMEM;
    if (r == 0) {
        edge->thread_count = 1;
        r = probe_new(&edge->workers[0], health_changed, &edge->probes);
    }
    if (r < 0) {
        edge_free(edge);
        return r;
    }
    *ret = edge;
    return 0;
}

static void run_thread(struct thread *thread)
{
    struct worker *worker = container_of(thread, struct worker, thread);
    if (worker_run(worker) < 0) {
        rolelog(ROLELOG_ERROR, "edge", "a thread's loop failed");
    }
}

static int start_thread(struct edge *edge, unsigned i)
{
    char name[16];
    struct worker *worker = &edge->workers[i];
    int r = worker_init(worker, edge, i, &news);
    if (r < 0) {
        return r;
    }
    edge->thread_count = i + 1;
    attach(edge, worker);
    (void)snprintf(name, sizeof(name), "edge-%u", i);
    return thread_start(&worker->thread, name, run_thread);
}

int edge_open(struct edge *edge, const struct edge_memory *memory, unsigned threads)
{
    ensure(!edge->open);
    unsigned cpus = thread_cpus();
    threads = threads ? threads : MIN(cpus, (unsigned)THREADS_DEFAULT_MAX);
    threads = MIN(threads, (unsigned)COUNTERS_HALF);
    edge->memory = *memory;
    int r = memory_open(&edge->shared, memory, threads);
    r = r < 0 ? r : addresses_init(&edge->addresses, entropy_seed());
    if (r < 0) {
        return r;
    }
    edge->tunnels = calloc(TALLIES, sizeof(*edge->tunnels));
    if (!edge->tunnels) {
        return -ENOMEM;
    }
    if (threads > 1) {
        edge->loads = calloc(TALLIES, sizeof(*edge->loads));
        if (!edge->loads) {
            return -ENOMEM;
        }
    }
    attach(edge, &edge->workers[0]);
    edge->open = true;
    for (unsigned i = 1; r == 0 && i < threads; i++) {
        r = start_thread(edge, i);
    }
    if (r == 0 && memory->bell_edge >= 0) {
        r = loop_fd_add(edge_loop(edge), &edge->bell, memory->bell_edge, LOOP_READ);
    }
    return r;
}

void edge_sockmap(struct edge *edge, const int fds[SOCKMAP_LINK])
{
    memcpy(edge->sockmap, fds, sizeof(edge->sockmap));
    atomic_store(&edge->has_sockmap, true);
}

bool edge_is_open(const struct edge *edge)
{
    return edge->open;
}

void edge_free(struct edge *edge)
{
    if (!edge) {
        return;
    }
    config_unref(edge->pending);
    config_unref(edge->config);
    for (unsigned i = 0; i < edge->thread_count; i++) {
        worker_cut(&edge->workers[i]);
    }
    handover_fini(&edge->giving); /* the other edge takes what is carried then for lost */
    handover_fini(&edge->taking);
    probe_free(edge->probes);
    for (unsigned i = 0; i < edge->thread_count; i++) {
        worker_fini(&edge->workers[i]);
    }
    while (!list_empty(&edge->sockets)) {
        struct edge_socket *socket = list_entry(edge->sockets.next, struct edge_socket, node);
        list_del(&socket->node);
        sock_close(&socket->fd);
        free(socket);
    }
    memory_close(&edge->shared);
    addresses_fini(&edge->addresses);
    free(edge->loads);
    free(edge->tunnels);
    for (size_t i = 0; atomic_load(&edge->has_sockmap) && i < SOCKMAP_LINK; i++) {
        file_close(&edge->sockmap[i]);
    }
    free(edge->workers);
    free(edge);
}

struct loop *edge_loop(struct edge *edge)
{
    return &edge->workers[0].loop;
}

int edge_run(struct edge *edge)
{
    int r = worker_run(&edge->workers[0]);
    for (unsigned i = 1; i < edge->thread_count; i++) {
        edge->workers[i].cut = true; /* thread 0 ends last, or without grace */
        worker_notify(&edge->workers[i], WORKER_STOP);
        thread_join(&edge->workers[i].thread);
    }
    return r;
}

static bool has_framed(struct edge *edge)
{
    size_t count = 0;
    for (unsigned i = 0; i < edge->thread_count; i++) {
        count += __atomic_load_n(&edge->workers[i].framed_count, __ATOMIC_RELAXED);
    }
    return count > 0;
}

void edge_last_words(struct edge *edge)
{
    for (unsigned i = 0; i < edge->thread_count; i++) {
        edge->workers[i].last_words = true;
        worker_notify(&edge->workers[i], WORKER_STOP);
    }
}

/* The grace is over: thread 0's loop ends, and the process with it. WebSockets that were left alone
 * beside the next edge are told before, and have the time of a Close. */
static void stop_now(struct timer *timer, int64_t now_ns)
{
    struct edge *edge = container_of(timer, struct edge, stop_timer);
    (void)now_ns;
    if (atomic_load(&edge->moves) && !edge->workers[0].last_words && has_framed(edge)) {
        edge_last_words(edge);
        loop_timer_after(edge_loop(edge), timer, LAST_WORDS_MS * NS_PER_MS);
        return;
    }
    for (unsigned i = 0; i < edge->thread_count; i++) {
        edge->workers[i].cut = true;
        worker_notify(&edge->workers[i], WORKER_STOP);
    }
}

void edge_stop(struct edge *edge, unsigned grace_ms)
{
    if (!edge->open) {
        loop_stop(edge_loop(edge));
        return;
    }
    for (unsigned i = 0; i < edge->thread_count; i++) {
        worker_notify(&edge->workers[i], WORKER_STOP);
    }
    edge->stop_timer.fire = stop_now;
    loop_timer_after(edge_loop(edge), &edge->stop_timer, grace_ms * NS_PER_MS);
}
