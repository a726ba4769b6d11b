/* SPDX-License-Identifier: Apache-2.0
 *
 * struct worker: one thread of the edge with everything it owns: loop, connections, pools,
 * services, its ring and its counters. Workers share only what never changes (struct config) and
 * keeper-held memory in which each has its own part; they speak by mailbox. Worker 0 runs on the
 * process's main thread and also probes and talks to the keeper (edge/role.c).
 */
#ifndef EDGE_WORKER_H
#define EDGE_WORKER_H

#include "edge/block.h"
#include "edge/client_source.h"
#include "edge/date.h"
#include "edge/outbox.h"
#include "edge/service_set.h"
#include "link/ring.h"
#include "os/mailbox.h"
#include "os/thread.h"
#include "proto/http1.h"

struct client;
struct edge;
struct parcel;

enum worker_todo { /* bits of worker->todo */
                   WORKER_CONFIG = 1,
                   WORKER_DELTAS = 2,
                   WORKER_HEALTH = 4,
                   WORKER_STOP = 8,
};
enum {
    WORKER_IN_SIZE = 64 * 1024,
    WORKER_OUT_SIZE = OUTBOX_SCRATCH,
    WORKER_IDS = 256,
};

struct worker {
    struct loop loop;
    struct edge *edge;
    const struct worker_news *news;
    int (*h2_start)(struct client *client); /* h2_client_start */
    unsigned index, table;                  /* of the threads; of counters and rings */
    struct thread thread;
    struct mailbox mailbox;
    atomic_uint gifts;  /* connections given to it that it has not taken yet */
    atomic_bool serves; /* has a configuration, is not stopping: may be given connections */
    struct mail mail;
    atomic_uint todo;
    _Atomic(struct config *) next_config;

    struct generation *generation; /* NULL before the first snapshot */
    struct snapshot_gateway gateway;
    struct tls_shared *tls; /* conn_tls.c; NULL: nothing speaks TLS */
    struct service_set set;
    struct http1_limits limits;
    struct http_set drop_request, drop_options, drop_response; /* fields not passed on */
    struct list listeners;
    struct list clients;         /* with a request under way, or not HTTP */
    struct list idle, lingering; /* between requests, or behind the last; longest first */
    size_t client_count, framed_count, free_stream_count; /* framed: frames are known */
    struct block_pool blocks;
    struct stream *free_streams;
    struct list dead; /* closed clients, freed at the end of the turn */
    struct loop_task turn_end, turn_last;
    struct timer accept_pause, config_again, move_again;
    bool config_late;      /* memory was out: it is tried again */
    bool stopping, moving; /* moving: what can go to the next edge does (move.c) */
    void (*move_give)(struct worker *worker, struct parcel *parcel);
    void (*move_client)(struct client *client); /* one that came to rest; NULL: it cannot move */
    bool stopped;                               /* and nothing is left */
    _Atomic bool cut;                           /* do not wait for what is in flight */
    _Atomic bool last_words; /* who was left to end here is told that it is over */

    struct counters counters;
    struct counters_pool pool; /* of histograms */
    struct counters_thread *stats;
    struct counters_carried *carried; /* what it carries now */
    struct ring ring;
    bool ring_written;
    uint32_t skipped; /* what is_skipped adds up, of 65,536 */
    uint64_t delta_cursor;
    const _Atomic uint64_t *routed; /* deltas whose routes the last configuration has */
    const struct delta_log *deltas; /* NULL: there is none */
    struct tally *loads;            /* of all threads, by endpoint; NULL: this one is alone */

    /* Scratch, of use within one callback only. */
    struct http1_head response;
    char *in, *out;        /* out: in the outbox, of WORKER_OUT_SIZE; elsewhere after each send */
    struct outbox *outbox; /* NULL: what is sent goes at once */
    struct block *wide;    /* conn_wide; made when a large body comes */
    uint8_t ids[WORKER_IDS * 16];
    unsigned ids_left;
    int64_t stranger_ns; /* admit.c: when the next one is told of */
    struct date date;
};

/* From any thread: asks for what the bits say. The second takes over a reference; WORKER_CONFIG
 * follows. */
void worker_notify(struct worker *worker, unsigned todo);
void worker_give_config(struct worker *worker, struct config *config);
/* Who should serve a new connection: itself, unless others have clearly less. */
struct worker *worker_least_busy(struct worker *worker);
/* Gives an accepted connection to another worker. 0, -ENOMEM, or -ECANCELED: it stops (then fd is
 * the caller's). */
must_check int worker_give_client(struct worker *to, int fd, const struct sock_addr *peer,
                                  struct client_source source);
/* Runs until stopped. */
must_check int worker_run(struct worker *worker);

/* 32 digits of kernel randomness, unique. */
void worker_request_id(struct worker *worker, char ret[32]);
/* Something was written to the ring: the core's bell is looked at when the turn ends. */
void worker_ring_written(struct worker *worker);
/* There is one as soon as there is a client. */
static inline const struct config *worker_config(const struct worker *worker)
{
    return worker->generation->config;
}

#endif
