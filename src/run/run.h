/* SPDX-License-Identifier: Apache-2.0
 *
 * Supervision: what face/ and others may ask of run/. All on the core's loop. Every call names its
 * context and is decided by authorise(); a refusal is a problem with status 401 or 403.
 *
 * Reads (run/reads.h) answer at once. Changes are asynchronous: `done` comes exactly once, on the
 * loop, after what it reports is on disk. A call may fail early (its `done` still comes later,
 * through the loop). Progress is seen on the bus (BUS_*_CHANGED).
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/problem.h"
#include "core/core.h"
#include "run/check.h"
#include "run/plan.h"
#include "run/reads.h"

struct run;

extern const struct room_ops run_room;
struct run *run_get(const struct core *core);
/* Everything that was stored is loaded, and the keeper's children are known: reads show the
 * truth. */
bool run_ready(const struct run *run);

struct run_env {
    struct str name;
    struct str value;
};

/* Everything is copied by run_apply. */
struct run_apply {
    const struct str *files; /* absolute paths, merged in order; ≥ 1 */
    size_t file_count;
    struct str name; /* of the project; empty = the file's own, else its folder's */
    const struct str *profiles;
    size_t profile_count;
    const struct str *env_files; /* instead of .env; none = .env */
    size_t env_file_count;
    const struct str
        *services; /* of new ones start only these and what they depend on; none = all */
    size_t service_count;
    const struct run_env *environment; /* of the caller: for interpolation */
    size_t environment_count;
    struct str working_dir; /* of relative paths; empty = the first file's folder */
    bool dry_run;           /* plan only */
    bool strict;            /* keys that do not apply are problems */
};

struct run_applied {
    struct problem_list problems; /* count > 0: nothing was changed */
    struct problem_list warnings; /* e.g. keys that do not apply */
    char project[NAME_MAX_SIZE];
    uint64_t generation;     /* 0 for a dry run of a new project */
    const struct plan *plan; /* valid during the call; NULL with problems */
    int64_t load_ns;         /* reading, decoding and checking the files, on a worker */
    int64_t commit_ns;       /* the transaction, until it is on disk */
};

/* Loads on a worker, plans, commits, reconciles. `done` comes after the commit, not after the
 * services run. */
void run_apply(struct run *run, const struct context *ctx, const struct run_apply *apply,
               void (*done)(void *arg, const struct run_applied *applied), void *arg);
/* Applies the stored files, profiles and environment again. Empty project = all of them, one `done`
 * each. */
void run_reload(struct run *run, const struct context *ctx, struct str project,
                void (*done)(void *arg, const struct run_applied *applied), void *arg);

/* problem NULL = done. */
struct run_done {
    void (*fn)(void *arg, const struct problem *problem);
    void *arg;
};

/* Stops all services (reverse order of dependencies) and forgets the project. `done` comes when the
 * decision is on disk; BUS_PROJECT_REMOVED when nothing is left. With `end_instance` the instance
 * ends with its last project. */
void run_down(struct run *run, const struct context *ctx, struct str project, bool end_instance,
              struct run_done done);

enum run_verb { RUN_START, RUN_STOP, RUN_RESTART, RUN_SCALE, RUN_WEIGHT, RUN_DRAIN, RUN_RESET };
struct run_act {
    enum run_verb verb;
    struct str project;
    struct str service;
    uint32_t replicas; /* RUN_SCALE */
    uint32_t replica;  /* RUN_WEIGHT, RUN_DRAIN: which one */
    uint32_t weight;   /* RUN_WEIGHT: 0 … SPREAD_WEIGHT_MAX */
    bool end;          /* RUN_DRAIN: it gets requests again */
};
/* start, stop, scale, weight and drain are overrides: kept over restarts, dropped by reset or when
 * the file changes the field. */
void run_act(struct run *run, const struct context *ctx, const struct run_act *act,
             struct run_done done);

/* A command in a service's surroundings (`exec`: its environment, user, folder; `run`: a fresh
 * one-off copy). */
struct run_exec {
    struct str project, service;
    uint32_t replica; /* whose environment it gets */
    const struct str *argv;
    size_t argc; /* 0 = the service's own command (`run`) */
    const struct run_env *environment;
    size_t environment_count;
    struct str working_dir; /* empty = the service's */
    int fds[3];             /* stdin, stdout, stderr; taken over (closed) by run */
};
struct run_exec_done {
    void (*started)(void *arg, uint64_t id, pid_t pid);                    /* at most once */
    void (*done)(void *arg, const struct problem *problem, int exit_code); /* exactly once */
    void *arg;
};
void run_exec(struct run *run, const struct context *ctx, const struct run_exec *exec,
              struct run_exec_done done);
void run_exec_signal(struct run *run, uint64_t id, int signal);

#endif
