/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge: the data plane of muelle as one process of N share-nothing threads.
 *
 * edge_main is the role `muelle edge`: it takes snapshot, deltas, counters, rings and listening
 * sockets from the keeper by name and needs nothing else. struct edge is the machine beneath, also
 * run by tests and benchmarks (tests/tools/edge_driver.c) with memory and sockets of their own.
 *
 * Names with the keeper: `snapshot`, `deltas`, `counters`, `ring:N`, `bell:core`, `bell:edge`,
 * `listen:ADDRESS`. What is missing is replaced by private memory (nobody reads it then).
 */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include "base/str.h"
#include "link/counters.h"
#include "os/sockmap.h"

int edge_main(int argc, char **argv);

struct edge;

/* Shared memory by descriptor; -1 = none. The descriptors stay the caller's. */
struct edge_memory {
    int deltas;
    int counters;
    int rings[COUNTERS_THREADS_MAX];
    int bell_core; /* rung for records */
    int bell_edge; /* watched for deltas */
    /* Another edge may have the other half of tables and rings, and end beside this one. */
    unsigned first; /* table and ring of thread 0: 0 or COUNTERS_HALF */
    bool beside;    /* another one has the other half */
};

struct edge_opts {
    /* A snapshot names a listener: must give its descriptor with edge_listening, now or later (or
     * -1, when it could not be opened). Called on thread 0, like the others. */
    void (*listen)(void *context, struct str address);
    /* No snapshot names that address any more. */
    void (*unlisten)(void *context, struct str address);
    /* The delta log says that a new snapshot lies with the keeper, or has run over. */
    void (*snapshot_wanted)(void *context);
    /* The edge that this one replaced (edge_take_over) has ended; may be NULL. */
    void (*former_ended)(void *context);
    void *context;
};

/* 0 or -errno. Thread 0 is the calling one; nothing is served yet. */
must_check int edge_new(const struct edge_opts *opts, struct edge **ret);
void edge_free(struct edge *edge);
/* The loop of thread 0, for the owner's own descriptors and timers. */
struct loop *edge_loop(struct edge *edge);
/* Maps the memory and starts the other threads (0 = one per CPU, at most 8). Once. 0 or -errno. */
must_check int edge_open(struct edge *edge, const struct edge_memory *memory, unsigned threads);
bool edge_is_open(const struct edge *edge);
/* A sealed snapshot: compiled, then served once its listeners are there. One that is not newer than
 * the last is passed over. 0; -EINVAL, -EPERM (what is served stays), -ENOMEM. The descriptor stays
 * the caller's. */
must_check int edge_apply(struct edge *edge, int snapshot_fd);
/* The answer to `listen`: takes `fd` over (-1: could not be opened). */
void edge_listening(struct edge *edge, struct str address, int fd);
/* The short way to services (os/sockmap.h): its tables without the link, once; taken over. */
void edge_sockmap(struct edge *edge, const int fds[SOCKMAP_LINK]);
/* Deltas may have come. */
void edge_deltas(struct edge *edge);
/* Runs thread 0 until edge_stop; then the others are joined. 0 or -errno. */
must_check int edge_run(struct edge *edge);
/* Another edge replaces this one and will be at the other end of `fd` (taken over): this one serves
 * on until that one serves, then gives it the connections that can move, and ends as by edge_stop
 * when the others have ended, or upgrade_drain is over. 0 or -errno: it goes on as it is. */
must_check int edge_retire(struct edge *edge, int fd);
/* This edge replaces the one at the other end of `fd` (taken over): takes its connections as soon
 * as all threads serve. 0 or -errno. */
must_check int edge_take_over(struct edge *edge, int fd);
/* That one has not ended yet. It was told that it may give. */
bool edge_receives(const struct edge *edge);
bool edge_takes(const struct edge *edge);
/* Of one that was replaced: WebSockets that end in it are told that it is over. */
void edge_last_words(struct edge *edge);
/* Stops accepting, lets what is in flight finish (at most `grace_ms`), then edge_run returns. */
void edge_stop(struct edge *edge, unsigned grace_ms);

#endif
