/* SPDX-License-Identifier: Apache-2.0
 *
 * struct core: the control plane of one instance: one loop that never blocks, and what hangs on it.
 *
 * Start: core.lock (flock; never two cores) → store → keeper channel → rooms init → children of the
 * keeper known → rooms start → ready. Stop (SIGTERM, or the keeper is told to end): rooms stop →
 * store drained → exit. Services are the keeper's children and stay. SIGHUP = reload of every
 * project.
 *
 * Everything here is used on the loop's thread only.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "core/bus.h"
#include "core/event.h"
#include "core/instance.h"
#include "core/room.h"

struct core_sockmap;
struct edge_link;
struct event_log;
struct keeper_child;
struct keeper_client;
struct loop;
struct store;
struct store_executor;
struct worker_pool;

struct core_options {
    const char *state_dir;
    const char *run_dir;
    const char *id; /* of the instance, by its keeper; NULL = what the state folder says */
    int keeper_fd;  /* the socketpair given at spawn; -1 = connect to keeper.sock */
    struct store_executor *executor; /* of the store; NULL = its threads. For simulators */
    const char *vfs;                 /* of the store; NULL = the usual */
};

/* Who acts on news of the keeper's children (run/): `listing`, a `child` for each of them, `ready`,
 * at the start and whenever a new keeper took over. A keeper that dies over its list has another
 * `listing` follow. */
struct core_children {
    void *arg;
    void (*listing)(void *arg);
    void (*child)(void *arg, const struct keeper_child *child);
    void (*ready)(void *arg);
    void (*exited)(void *arg, const struct keeper_child *child);
    void (*empty)(void *arg, const struct keeper_child *child);
};

struct role_info {
    int keeper_pid, core_pid, edge_pid; /* 0 = not there */
    unsigned edge_threads;
    uint64_t edge_moved;   /* connections that it took from the edges before it, since they began */
    uint64_t edge_leaving; /* connections that end in an edge that it replaced */
    uint64_t edge_restarts, adopted; /* adopted: services' processes that ran when this core came */
};

/* How much log the instance keeps; 0 = not known yet. */
struct core_logging {
    uint64_t max_bytes;
    int64_t max_age_ns;
};

/* All certificates that the edge serves with; set by run/, whose memory it is. */
struct core_certificates {
    const struct certificate_status *items;
    size_t count;
};

struct core {
    struct loop *loop;
    struct bus *bus;
    struct store *store;
    struct worker_pool *workers;  /* for what blocks: loading a configuration */
    struct keeper_client *keeper; /* link/keeper_client.h */
    struct edge_link *edge;       /* core/edge.h: snapshot, deltas, counters, rings */
    struct core_sockmap *sockmap; /* core/sockmap.h */
    struct event_log *events;     /* private to event.c */
    struct instance instance;
    struct core_children children;
    struct role_info roles;
    struct core_logging logging; /* set by run/, told by BUS_LOGGING_CHANGED */
    struct core_certificates certificates;
    const struct room_ops *const *ops; /* NULL-terminated */
    void *rooms[ROOM_MAX];             /* same index */
    uint8_t sticky_key[32];            /* core/keys.h: read when it is first needed */
    bool sticky_key_asked, sticky_key_known;
    bool ready; /* all rooms are started */
    bool stopping;
    int exit_code;
    void (*reload)(void *arg); /* SIGHUP; set by run/ */
    void *reload_arg;
};

/* The role. Called by main.c for `muelle core --state-dir D --run-dir R`; the channel to the keeper
 * is in the environment (link/keeper_client.h). Returns the exit code. */
int core_main(int argc, char **argv, const struct room_ops *const *rooms);

/* The parts of core_main behind lock and loop, for the simulator. `core` is zeroed. On failure the
 * problem is filled and core_close may be called. */
must_check int core_open(struct core *core, struct loop *loop, const struct core_options *options,
                         const struct room_ops *const *rooms, struct problem *problem);
void core_close(struct core *core);

/* The state of the room with that name; NULL before its init. */
void *core_room(const struct core *core, const char *name);
/* Leaves the loop soon with that exit code; services stay. */
void core_stop(struct core *core, int exit_code);
/* Ends the instance: keeper, edge and core exit. For `down` of the last project, when its services
 * are gone. */
void core_end_instance(struct core *core);
/* This turn's times: monotonic and wall clock. */
int64_t core_now(const struct core *core);
int64_t core_wall(const struct core *core);
/* A warning in muelle.log; the layer that decides says it, once (os/rolelog.h has other levels). */
void core_log(const struct core *core, const char *fmt, ...) printf_like(2, 3);
void core_roles(const struct core *core, struct role_info *ret);

#endif
