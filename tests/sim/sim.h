/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated machine: one virtual clock, one heap of events, one seed. The core's own objects
 * (src/core, src/run, the real store on a disk that can crash, the real schema and link code) run
 * on it unchanged; what they call below is simulated at the headers of os/ and at
 * link/keeper_client.h.
 *
 *   sim.c         clock, events, the order of everything; starting and killing the core
 *   sim_os.c      loop, files, shared memory, workers, sockets
 *   sim_keeper.c  the keeper and its channel, children that crash, hang, fork, get sick
 *   sim_edge.c    the edge: reads snapshots and deltas, probes, writes its ring
 *   sim_user.c    the operator: writes configurations, applies, scales, restarts; knows what was acknowledged
 *   sim_oracle.c  what must hold
 *
 * Nothing here reads a real clock, a real file or real chance: a seed that fails, fails again.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/num.h"
#include "core/core.h"
#include "core/edge.h"
#include "link/keeper_client.h"
#include "os/loop.h"
#include "sim/mutants.h"

enum {
    SIM_SERVICES = 6,
    SIM_CHILDREN_MAX = 512,
    SIM_FAULT_S = 120,  /* how long there are faults */
    SIM_SETTLE_S = 180, /* by then it must have converged */
};

#define SIM_US INT64_C(1000)
#define SIM_MS INT64_C(1000000)
#define SIM_S  INT64_C(1000000000)

/* Who an event is for: it is dropped when that one has died since it was sent. */
enum sim_who { SIM_WORLD, SIM_CORE, SIM_KEEPER, SIM_EDGE, SIM_WHO_COUNT };

struct sim {
    uint64_t seed;
    struct rng rng;
    int64_t now; /* monotonic; the wall clock is SIM_WALL ahead */
    bool trace;
    bool healing;            /* no more faults */
    bool shortages;          /* memory runs out now and then */
    unsigned plenty;         /* > 0: not now, the world works for itself */
    unsigned busy_per_mille; /* commits that take long */
    uint32_t generation[SIM_WHO_COUNT];
    struct core *core; /* NULL: dead */
    struct loop *loop;
    bool ready_seen; /* this core has started its rooms */
    uint64_t events, turns;
    unsigned same_time_turns;
    int64_t turn_time;
    int64_t core_down_ns,
        keeper_down_ns; /* when each was last killed; oracles excuse what is near */
    bool failed;
    char failure[512];
};
extern struct sim sim;

#define SIM_WALL (INT64_C(1700000000) * SIM_S)

/* sim.c */
void sim_at(enum sim_who who, int64_t time, void (*run)(void *arg), void *arg);
static inline void sim_after(enum sim_who who, int64_t delay, void (*run)(void *arg), void *arg)
{
    sim_at(who, sim.now + delay, run, arg);
}
int64_t sim_between(int64_t from, int64_t to);
bool sim_chance(unsigned per_mille);
void sim_trace(const char *fmt, ...) printf_like(1, 2);
/* A violation: the run ends with this message. */
void sim_fail(const char *fmt, ...) printf_like(1, 2);
void sim_core_start(void);
void sim_core_kill(bool power_cut);
void sim_power_cut(void);
/* The core has something to do: runs its loop until it has not. */
void sim_core_turn(void);

/* sim_os.c */
void sim_os_init(void);
void sim_os_fini(void);
void sim_os_core_died(void);
bool sim_loop_turn(struct loop *loop); /* false: nothing was there to do */
void sim_file_put(const char *path, struct str content);
int sim_fd_dup(int fd);
struct store_executor *sim_executor(void);
void sim_executor_reset(void);

/* sim_memory.c */
void sim_memory_init(uint64_t seed);
/* A moment ago: a refusal is no wonder. */
bool sim_memory_was_short(void);

/* sim_keeper.c */
enum child_kind {
    CHILD_GOOD,
    CHILD_CRASHER,
    CHILD_ONESHOT,
    CHILD_STUBBORN,
    CHILD_FORKER,
    CHILD_SICK,
    CHILD_SLOW
};
struct child {
    bool used;
    char id[220];
    char service[64];
    unsigned number;
    unsigned slot;
    char version[16];
    enum child_kind kind;
    int pid;
    bool alive;
    bool empty;
    unsigned orphans;
    struct proc_exit exit;
    uint64_t spec_hash;
    uint16_t port;
    bool listening;
    bool has_listened;
    bool sick;      /* does not answer although it lives */
    bool was_sick;  /* ever: a restart of it needs no other cause */
    bool signalled; /* with the stop signal */
    int64_t started, ended, listening_since, signalled_at, listening_last;
    uint32_t core_generation; /* of the core that started it */
    int64_t asked;            /* when the core asked for it */
    bool again;               /* its life before this one ended by itself */
};
void sim_keeper_init(void);
void sim_keeper_kill(bool power_cut);
void sim_keeper_core_died(void);
struct child *sim_child_at(unsigned i); /* i < SIM_CHILDREN_MAX; unused ones too */
struct child *sim_child_by_port(uint16_t port);
int sim_kept_fd(const char *name);
bool sim_keeper_up(void);
void sim_child_fault(void);
void sim_child_crash(int pid);
bool sim_keeper_ended(void); /* told to shut down */
bool sim_port_in_use(uint16_t port);

/* sim_edge.c */
void sim_edge_start(void);
void sim_edge_kill(void);
void sim_edge_bell(void); /* bell:edge was rung */
enum { SIM_ENDPOINT_UNKNOWN = -1 };
/* What the delta log says of the endpoint with that port: enum snapshot_endpoint_state. */
int sim_edge_state(uint16_t port);
bool sim_edge_ready_at(unsigned i, uint16_t *ret_port);
/* The same of a route: its service, 0 = it is not there; and how many there are. */
uint64_t sim_edge_route(uint64_t id);
unsigned sim_edge_routes(void);

/* sim_user.c */
void sim_user_init(void);
void sim_user_core_died(void);
enum { SIM_VALUES = 8 };
/* A set of values that are all acceptable: one, unless a change was never answered. */
struct sim_set {
    int values[SIM_VALUES];
    unsigned count;
};
struct sim_service {
    char name[16];
    enum child_kind kind;
    bool present;        /* in the file as last written */
    struct sim_set here; /* 1 present, 0 removed */
    struct sim_set version;
    struct sim_set scale;
    struct sim_set stopped;
    int file_version, file_replicas;
    bool routed, probed, oneshot;
    int restart;   /* 0 no, 1 on-failure, 2 always */
    int depends;   /* index of a service, -1 none */
    int condition; /* DEPENDS_… */
    bool follows;  /* is restarted with that one */
    bool doubtful; /* it was edited in an apply that was never answered */
    int64_t grace;
    int64_t touched;   /* when an operation last concerned it */
    int64_t restarted; /* when a restart was asked for that was acknowledged */
};
struct sim_service *sim_service(unsigned i);
struct sim_service *sim_service_named(const char *name);
bool sim_set_has(const struct sim_set *set, int value);
bool sim_user_down(
    void); /* a removal of the project was asked for, in time near enough to explain stops */
/* An operation that concerns it has no answer yet: it is carried out before that is given. */
bool sim_user_waits(const struct sim_service *service);

/* sim_oracle.c */
void oracle_reset(void);
void oracle_spawn(struct child *child, struct child *before);
void oracle_exit(struct child *child);
void oracle_listens(const struct child *child);
void oracle_signal(struct child *child);
void oracle_kill(struct child *child);
void oracle_ready(uint16_t port);
void oracle_sick(struct child *child);
void oracle_tick(void);
void oracle_core_ready(void);
void oracle_event(uint64_t seq);
void oracle_core_died(void);
void oracle_final(void);

#endif
