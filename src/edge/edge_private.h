/* SPDX-License-Identifier: Apache-2.0
 *
 * Between edge.c, its workers and its probes.
 */
#ifndef EDGE_EDGE_PRIVATE_H
#define EDGE_EDGE_PRIVATE_H

#include "edge/addresses.h"
#include "edge/edge.h"
#include "edge/handover.h"
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
    struct worker *workers; /* COUNTERS_HALF, the first thread_count of them are in use */
    unsigned thread_count;
    struct tally *loads;        /* requests in flight, by endpoint; NULL: there is one thread */
    struct tally *tunnels;      /* open ones of routes with a limit, by route */
    struct addresses addresses; /* of clients */
    struct list sockets;
    struct config *pending;    /* waits for its listeners */
    struct config *config;     /* the last one that the threads were given; NULL: none yet */
    uint64_t route_cursor;     /* the deltas whose routes are in it */
    _Atomic uint64_t routed;   /* the same, for the threads */
    struct timer routes_again; /* memory was out */
    uint64_t sequence;         /* of the newest snapshot that was taken */
    struct edge_probes *probes;
    struct loop_fd bell;
    struct timer stop_timer;
    atomic_uint stopped;       /* threads behind 0 that are done */
    int sockmap[SOCKMAP_LINK]; /* while has_sockmap */
    atomic_bool has_sockmap;
    bool open;
    bool deltas_lost;
    atomic_bool moves;                   /* connections that can go to the next edge do */
    struct edge_handover giving, taking; /* to the next edge; from the last */
};

/* Routes that came or went by deltas: the threads are given another config. */
void edge_take_routes(struct edge *edge);
/* Connections of this thread that can go to the next edge go there from now on. */
void edge_worker_moves(struct worker *worker);

#endif
