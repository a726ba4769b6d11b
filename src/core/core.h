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

#include "base/rng.h"
#include "core/bus.h"
#include "core/event.h"
#include "core/room.h"

struct edge_link;
struct event_log;
struct keeper_client;
struct loop;
struct store;
struct worker_pool;

enum { INSTANCE_ID_LEN = 12, INSTANCE_UUID_LEN = 36 };

/* Who we are; read from STATE/instance.json at start, constant afterwards. */
struct instance {
    char id[INSTANCE_ID_LEN + 1]; /* the first 12 characters of the UUID */
    char uuid[INSTANCE_UUID_LEN + 1];
    char version[32];
    char state_dir[256];     /* absolute */
    char run_dir[96];        /* absolute; short, because socket paths end at 107 bytes */
    int64_t started_wall_ns; /* of this core */
    uid_t owner;             /* the uid that we run as */
};

struct core_options {
    const char *state_dir;
    const char *run_dir;
    int keeper_fd; /* the socketpair given at spawn; -1 = connect to keeper.sock */
};

struct core {
    struct loop *loop;
    struct bus *bus;
    struct store *store;
    struct worker_pool *workers;  /* for what blocks: loading a configuration */
    struct keeper_client *keeper; /* link/keeper_client.h */
    struct edge_link *edge;       /* core/edge.h: snapshot, deltas, counters, rings */
    struct event_log *events;     /* private to event.c */
    struct instance instance;
    const struct room_ops *const *ops; /* NULL-terminated */
    void *rooms[ROOM_MAX];             /* same index */
    bool ready;                        /* all rooms are started */
    bool stopping;
};

/* The role. Called by main.c for `muelle core --state-dir D --run-dir R --keeper-fd N`. Returns the
 * exit code. */
int core_main(int argc, char **argv, const struct room_ops *const *rooms);

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
/* A line on standard error: "muelle: core: …". The layer that decides says it, once. */
void core_log(const struct core *core, const char *fmt, ...) printf_like(2, 3);

struct role_info {
    pid_t keeper_pid, core_pid, edge_pid; /* 0 = not there */
    unsigned edge_threads;
};
void core_roles(const struct core *core, struct role_info *ret);

#endif
