/* SPDX-License-Identifier: Apache-2.0
 *
 * struct replica_sm: the life of one replica as a pure state machine: an event and the time go in,
 * actions and a deadline come out. It knows no process, no clock and no store; reconcile.c feeds it
 * and does what it says, the unit tests and the simulator walk it at random.
 *
 *   pending ─▶ starting ─▶ running ◀─▶ unhealthy        (any of these) ─▶ stopping ─▶ stopped
 *                 ▲            │ exit                                       │ restart wanted
 *                 └─ crashed ◀─┴─▶ completed                                └─▶ starting
 *
 * Invariants
 *  1. SPAWN is ordered only when nothing is left: none asked for, none alive, tree empty.
 *  2. The endpoint is published only in `running`; UNPUBLISH comes before any signal of a stop.
 *  3. While a tree is left in `stopping` there is a deadline: grace, then kill each second.
 *  4. `crashed` starts again at retry_ns, but never before its tree is gone.
 */
#ifndef RUN_REPLICA_H
#define RUN_REPLICA_H

#include "base/num.h"
#include "base/rng.h"
#include "base/sm.h"
#include "schema/status.h"

/* enum replica_state is the API's own (schema/status.h):
 *   PENDING    waits for dependencies, a port, or an engine
 *   RUNNING    and ready
 *   CRASHED    ended when it should not; waits to start again, or for an operator */
enum { REPLICA_STATE_COUNT = REPLICA_COMPLETED + 1 };

extern const struct sm replica_machine;
/* Flags of the table. */
enum {
    REPLICA_FLAG_LIVE = 1,  /* a process is there, or is being started or stopped */
    REPLICA_FLAG_READY = 2, /* takes requests */
    REPLICA_FLAG_FINAL = 4, /* nothing will happen by itself (crashed: only without a deadline) */
};

enum replica_restart { REPLICA_RESTART_NO, REPLICA_RESTART_ON_FAILURE, REPLICA_RESTART_ALWAYS };

struct replica_policy {
    uint8_t restart;            /* enum replica_restart */
    uint32_t retries_max;       /* consecutive failed lives before it gives up; 0 = never */
    int64_t backoff_initial_ns; /* 100 ms; the first restart is at once */
    int64_t backoff_max_ns;     /* 30 s */
    double backoff_factor;      /* 2 */
    int64_t backoff_reset_ns;   /* 60 s: a life that long was no failure */
    int64_t drain_ns;           /* how long requests in flight may take to end */
    int64_t grace_ns;           /* from the stop signal to the kill */
    int64_t alive_ns;           /* without a probe: alive so long = ready */
    int64_t unhealthy_ns;       /* unhealthy for so long = restart by policy */
    bool probed;                /* readiness comes from a probe */
};
extern const struct replica_policy replica_policy_default;

enum replica_input_kind {
    REPLICA_IN_RUN,     /* it should run; does not wake what is completed or has given up */
    REPLICA_IN_STOP,    /* it should not */
    REPLICA_IN_RESTART, /* an operator or a new spec: start anew, failures are forgotten */
    REPLICA_IN_STARTED, /* the keeper has a child */
    REPLICA_IN_FAILED,  /* the keeper could not start it */
    REPLICA_IN_EXITED,  /* the main process ended; `success` */
    REPLICA_IN_EMPTY,   /* nothing of its tree is left */
    REPLICA_IN_HEALTHY,
    REPLICA_IN_UNHEALTHY, /* the probe failed often enough */
    REPLICA_IN_DRAINED,   /* no request is in flight any more */
    REPLICA_IN_TIME,      /* the deadline passed */
    REPLICA_IN_COUNT,
};

struct replica_input {
    uint8_t kind;
    bool success; /* of EXITED */
};

enum replica_action {
    REPLICA_DO_SPAWN = 1,
    REPLICA_DO_PUBLISH = 2,
    REPLICA_DO_UNPUBLISH = 4,
    REPLICA_DO_SIGNAL = 8, /* the stop signal, to the tree */
    REPLICA_DO_KILL = 16,  /* the whole tree */
    REPLICA_DO_SAVE = 32,  /* what the store holds about it has changed */
};

struct replica_sm {
    uint8_t state; /* enum replica_state */
    uint8_t phase; /* of stopping: private */
    bool want_run;
    bool spawning;  /* asked for, no answer yet */
    bool alive;     /* the main process */
    bool populated; /* something of its tree may be left */
    bool published;
    bool ailing;         /* is being stopped because it was unhealthy: counts as a failure */
    uint32_t restarts;   /* by itself, ever */
    uint32_t failures;   /* consecutive lives that were too short */
    int64_t started_ns;  /* monotonic, of this life; 0 = none */
    int64_t retry_ns;    /* of crashed: when to start again; INT64_MAX = an operator decides */
    int64_t deadline_ns; /* when to send TIME; INT64_MAX = none */
};

void replica_init(struct replica_sm *r);
/* One step. Returns the actions (enum replica_action, or-ed). */
must_check uint32_t replica_step(struct replica_sm *r, const struct replica_policy *policy,
                                 struct replica_input input, int64_t now_ns, struct rng *rng);
/* Takes up a child that a former core started: `state` as stored, made to fit what is alive now. */
must_check uint32_t replica_adopt(struct replica_sm *r, const struct replica_policy *policy,
                                  uint8_t state, int64_t started_ns, int64_t now_ns);
/* Takes up one that had ended before: completed, stopped and given-up ones stay so, one in its
 * back-off goes on waiting once RUN says that it should run, anything else is pending again.
 * `retry_ns`: when a crashed one was to start again, INT64_MAX = never. Counts are the caller's. */
void replica_restore(struct replica_sm *r, const struct replica_policy *policy, uint8_t state,
                     int64_t retry_ns, int64_t now_ns);
/* How long to wait after the n-th failure in a row (0 = first), before jitter. */
int64_t replica_backoff(const struct replica_policy *policy, uint32_t failures);
static inline bool replica_gone(const struct replica_sm *r)
{
    return !r->spawning && !r->alive && !r->populated;
}

#endif
