/* SPDX-License-Identifier: Apache-2.0
 *
 * Between edge.c, its workers and its probes.
 */
#ifndef EDGE_EDGE_PRIVATE_H
#define EDGE_EDGE_PRIVATE_H

#include "edge/edge.h"
#include "edge/worker.h"

/* What the keeper holds, mapped; private memory where it holds nothing. */
struct edge_shared {
    struct shm deltas_shm, counters_shm, ring_shm[COUNTERS_THREADS_MAX];
    struct delta_log deltas;
    bool has_deltas;
    struct counters counters;
    struct ring rings[COUNTERS_THREADS_MAX];
};

struct edge_socket {
    struct list node;
    char address[SOCK_ADDR_TEXT_MAX];
    int fd;
    bool ask;   /* `listen` is to be called */
    bool asked; /* no answer has come yet */
    bool seen;
};

struct edge_probes;

struct edge {
    struct edge_opts opts;
    struct edge_memory memory;
    struct edge_shared shared;
    struct worker *workers; /* COUNTERS_THREADS_MAX, the first thread_count of them are in use */
    unsigned thread_count;
    struct list sockets;
    struct config *pending; /* waits for its listeners */
    uint64_t sequence;      /* of the newest snapshot that was taken */
    struct edge_probes *probes;
    struct loop_fd bell;
    struct timer stop_timer;
    bool open;
};

void edge_log(const char *what);
/* From any worker. */
void edge_wake_core(struct edge *edge);
const struct delta_log *edge_delta_log(const struct edge *edge);
void edge_deltas_lost(struct worker *worker);
/* Worker 0 also probes. */
void edge_config_taken(struct worker *worker);
void edge_delta_taken(struct worker *worker, const struct delta *delta);
/* The probes found out something: all workers look again. */
void edge_health_changed(struct edge *edge);

#endif
