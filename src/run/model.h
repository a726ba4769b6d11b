/* SPDX-License-Identifier: Apache-2.0
 *
 * What run/ knows: projects, their services, their replicas. Private to run/. Everything lives on
 * the core's loop.
 *
 * Ownership: run → projects → services → replicas. A replica holds a reference to the project_spec
 * it was started with, since a reload may replace the project's while it runs. Decisions are made
 * in reconcile.c (what should be), carried out in life.c (one replica) and told to the edge in
 * publish.c.
 */
#ifndef RUN_MODEL_H
#define RUN_MODEL_H

#include "base/list.h"
#include "base/map.h"
#include "core/authorise.h"
#include "core/edge.h"
#include "link/keeper_client.h"
#include "os/loop.h"
#include "os/user.h"
#include "run/driver.h"
#include "run/reason.h"
#include "run/replica.h"
#include "run/run.h"
#include "run/source.h"

enum {
    RUN_PROJECTS_MAX = 256,
    RUN_SERVICES_MAX = 4096, /* of one project */
    RUN_REPLICAS_MAX = 256,  /* of one service */
    RUN_ID_MAX = 216,        /* "tenant/project/service/12.b" */
    RUN_PORT_FIRST = 20000,
    RUN_PORT_LAST = 31999,
};

/* A change made at run time; kept in the store. */
struct override {
    bool set;
    uint32_t value;
    char actor[NAME_MAX_SIZE];
    int64_t wall_ns;
};

/* What the last probe of a replica said. */
struct probe_result {
    int64_t status; /* HTTP status or exit code; 0 = no answer */
    int64_t wall_ns;
    char body[128];
};

/* A probe that runs a command (healthcheck.test), see health.c. */
struct health_command;
struct snapshot_builder;

struct replica {
    struct list node; /* in the service */
    struct service *service;
    uint32_t number;  /* from 1 */
    uint8_t slot;     /* 0 or 1: a replacement runs beside the one it replaces under another id */
    bool retiring;    /* is replaced; goes when its replacement is ready */
    bool doomed;      /* to be removed when it has stopped */
    bool restart_due; /* an operator asked for a restart that has not begun */
    struct replica_sm sm;
    struct replica_policy policy;
    struct project_spec *project_spec; /* reference: what its process was started with */
    struct source *source;             /* reference */
    const struct service_spec *spec;   /* in project_spec */
    uint64_t spec_hash;                /* of what its process was started with */
    uint8_t stored;                    /* its state in the store, for adoption */
    char id[RUN_ID_MAX];               /* of the keeper's child */
    uint64_t endpoint;                 /* stable id for the edge */
    uint16_t port;
    int pid; /* 0 = none */
    int64_t started_wall_ns;
    bool exited;
    int exit_code; /* as shells say it */
    bool stop_asked;
    char reason[REASON_MAX];
    struct probe_result probe;
    struct timer timer;        /* the machine's deadline */
    struct timer drain;        /* looks for requests in flight */
    struct driver_order order; /* requests of the driver */
    struct health_command *health;
    uint8_t edge_state; /* what the edge knows: EDGE_NONE, else enum snapshot_endpoint_state + 1 */
    bool output_open;
    uint8_t drained; /* looks in a row that found nothing in flight */
};

struct service {
    struct list node;
    struct project *project;
    char name[NAME_MAX_SIZE];
    uint64_t id;                       /* stable id for the edge */
    struct project_spec *project_spec; /* reference; the last one that had it, when removing */
    struct source *source;             /* reference */
    const struct service_spec *spec;   /* in project_spec */
    uint64_t generation;               /* of the project, when it last changed */
    bool removing;
    struct override replicas; /* scale */
    struct override stopped;
    struct list members; /* replicas, by number */
    struct driver *driver;
    uint16_t listen_port;    /* LISTEN_FDS */
    uint8_t edge_state;      /* enum snapshot_service_state, as the edge knows it */
    char reason[REASON_MAX]; /* why it waits; "" */
};

struct project {
    struct list node;
    char tenant[NAME_MAX_SIZE];
    char name[NAME_MAX_SIZE];
    uint64_t generation;
    int64_t applied_wall_ns;
    struct source *source; /* how it was loaded, for reload and restart */
    struct project_spec *spec;
    struct list services; /* in the order of the file */
    bool removing;
    bool dirty;      /* reconcile */
    bool forgetting; /* the last commit of a removal is under way */
    bool applying;   /* a commit that brings it back is under way */
};

struct run {
    struct core *core;
    struct list projects;
    struct driver *process;
    struct driver *none; /* services that nothing here can run */
    struct loop_task reconcile;
    bool snapshot_dirty;
    bool end_instance; /* with the last project */
    bool loaded;       /* from the store */
    bool children_known;
    bool started;       /* may act: both of the above */
    bool listens_known; /* the sockets of what was stored are open again: the edge may be told */
    struct map
        children; /* id → struct stray (adopt.c): what the keeper told, until it is taken up */
    struct list strays;
    struct edge_reader probes;
    struct map endpoints; /* 8 bytes of the stable id → replica */
    uint8_t ports[(RUN_PORT_LAST - RUN_PORT_FIRST + 8) / 8];
    struct list applies; /* struct apply: the first one is under way */
    struct list listens; /* listen.c */
    unsigned opening;    /* changes that have opened sockets and are not committed */
    struct list execs;
    uint64_t exec_last;
};

/* project.c */
struct project *project_find(struct run *run, struct str tenant, struct str name);
struct project *project_new(struct run *run, struct str tenant, struct str name);
void project_free(struct run *run, struct project *project);
struct service *service_find(struct project *project, struct str name);
struct service *service_new(struct run *run, struct project *project, struct str name);
void service_free(struct run *run, struct service *service);
struct replica *replica_new(struct run *run, struct service *service, uint32_t number,
                            uint8_t slot);
void replica_free(struct run *run, struct replica *replica);
/* The keeper's name for it. */
void replica_id(const struct service *service, uint32_t number, uint8_t slot, char ret[RUN_ID_MAX]);
/* The one of that number that is to stay. */
struct replica *replica_current(struct service *service, uint32_t number);
struct replica *replica_by_id(struct run *run, struct str id);
/* From now on it follows its service's spec (its next process, and its policy at once). */
void replica_use_spec(struct replica *replica);
bool replica_outdated(const struct replica *replica);
uint32_t service_wanted(const struct service *service);
/* The file's number, or that of an override; without looking at `stopped`. */
uint32_t service_scale(const struct service *service, const struct service_spec *spec);
struct bus_id service_bus_id(const struct service *service);
struct bus_id replica_bus_id(const struct replica *replica);
void service_changed(struct run *run, struct service *service);
/* Takes the spec of an applied project over: services appear, change, begin to go. */
must_check int project_take(struct run *run, struct project *project, struct source *source,
                            struct project_spec *spec);

/* life.c: one replica */
void replica_feed(struct run *run, struct replica *replica, uint8_t input);
/* Carries out what a step of its machine said. `before`: the state it had. */
void replica_perform(struct run *run, struct replica *replica, uint8_t before, uint32_t actions);
void replica_timers_init(struct replica *replica);

/* reconcile.c */
void reconcile_soon(struct run *run, struct project *project);
void reconcile_run(struct loop_task *task);

/* port.c */
must_check int port_take(struct run *run, struct replica *replica);
void port_put(struct run *run, uint16_t port);
void port_mark(struct run *run, uint16_t port);

/* publish.c: what the edge knows */
void publish_endpoint(struct run *run, struct replica *replica);
void publish_remove(struct run *run, struct replica *replica);
void publish_service(struct run *run, struct service *service);
void publish_snapshot(struct run *run);
unsigned publish_in_flight(struct run *run, const struct replica *replica);
/* Does the edge probe it? Services that take requests have at least a TCP probe: a port nobody
 * listens on is not ready. */
bool publish_probed(const struct service_spec *spec, const struct project_spec *project);
bool publish_has_endpoint(const struct service_spec *spec, const struct project_spec *project);
uint64_t publish_route_id(const struct service *service, const struct route_spec *route);
/* The port that the program binds whatever PORT says; 0 = it is given one. */
uint16_t publish_fixed_port(const struct service_spec *spec, const struct project_spec *project);

/* listen.c: the sockets of the gateway */
/* "127.0.0.1:8080", "*:8080": the keeper's name for it. False: not an address. */
bool listen_address(const struct listen_spec *listen, char *ret, size_t size);
/* Does the program itself bind the published port, so that no listener can? */
bool listen_is_direct(const struct project_spec *project, const struct listen_spec *listen);
/* Opens what the spec needs and is not open. `done` comes once, through the loop; problem NULL =
 * all are open. Those that were opened for a project that is not applied after all are closed by
 * listen_sweep. */
struct listen_wait;
must_check int listen_open(struct run *run, const struct project_spec *spec,
                           void (*done)(void *arg, const struct problem *problem), void *arg);
/* A socket on loopback that a service is handed as LISTEN_FDS; asked for before the spawn that
 * names it. */
must_check int listen_reserve(struct run *run, uint16_t port);
/* Adds the listeners of all projects; `admin`: the service of the API. */
void listen_publish(struct run *run, struct snapshot_builder *builder, uint64_t admin);
/* Closes what no project needs any more. */
void listen_sweep(struct run *run);
void listen_fini(struct run *run);

/* health.c */
void health_init(struct run *run);
void health_fini(struct run *run);
void health_started(struct run *run, struct replica *replica);
void health_stopped(struct run *run, struct replica *replica);
/* Takes up what the edge knew when this core started. */
void health_adopt(struct run *run, struct replica *replica);
/* News of a probe's own process ("…/probe"); false: that is not one. */
bool health_child(struct run *run, const struct keeper_child *child);

/* adopt.c: what was there before this core */
must_check int adopt_init(struct run *run);
void adopt_fini(struct run *run);

/* apply.c */
/* Lets the first of those that wait in; nothing before adoption is done. */
void apply_begin(struct run *run);
void apply_fini(struct run *run);

/* exec.c: one-off commands; false: not a child of ours */
bool exec_child(struct run *run, const struct keeper_child *child);
bool exec_owns(struct run *run, struct str id);
void exec_fini(struct run *run);

/* act.c */
/* 0, or the problem of a refused call (401, 403). */
bool run_allowed(struct run *run, const struct context *ctx, enum action action, struct str project,
                 struct str service, struct problem *problem);
/* Answers through the loop. */
void run_answer(struct run *run, struct run_done done, const struct problem *problem);

#endif
