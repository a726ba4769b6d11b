/* SPDX-License-Identifier: Apache-2.0
 *
 * What run/ knows: projects, their services, their replicas. Private to run/, on the core's loop.
 *
 * Ownership: run → projects → services → replicas. A replica holds a reference to the project_spec
 * it was started with, since a reload may replace the project's while it runs. reconcile.c decides
 * what should be, life.c carries it out (one replica), publish.c tells the edge.
 */
#ifndef RUN_MODEL_H
#define RUN_MODEL_H

#include "base/list.h"
#include "base/map.h"
#include "core/authorise.h"
#include "core/edge.h"
#include "link/keeper_client.h"
#include "run/driver.h"
#include "run/reason.h"
#include "run/replica.h"
#include "run/rounds.h"
#include "run/run.h"
#include "run/seats.h"
#include "run/source.h"
#include "run/spent.h"

enum {
    RUN_PROJECTS_MAX = 256,
    RUN_SERVICES_MAX = 4096,              /* of one project */
    RUN_REPLICAS_MAX = SPEC_REPLICAS_MAX, /* of one service */
    RUN_ID_MAX = 216,                     /* "tenant/project/service/12.b" */
    RUN_PORT_FIRST = 20000,
    RUN_PORT_LAST = 31999,
};

/* What the last probe of a replica said. */
struct probe_result {
    int64_t status;         /* HTTP status or exit code; 0 = no answer */
    int64_t wall_ns, error; /* error: errno of one that the edge made; 0 = it was well */
    char body[128];
};

struct health_command; /* a probe that runs a command (healthcheck.test), see health.c */
struct feeds;

struct replica {
    struct list node; /* in the service */
    struct service *service;
    uint32_t number; /* from 1 */
    uint8_t slot;    /* 0 or 1: a replacement runs beside the one it replaces under another id */
    bool retiring;   /* is replaced; goes when its replacement is ready */
    bool doomed;     /* to be removed when it has stopped */
    bool restart_due, follow_due;  /* by an operator, by follow.c; has not begun */
    bool later;                    /* its process is later than its row: adopt.c */
    int64_t act_seen, follow_seen; /* the last ones that it has obeyed */
    struct replica_sm sm;
    struct replica_policy policy;
    struct project_spec *project_spec; /* reference: what its process was started with */
    struct source *source;             /* reference */
    const struct service_spec *spec;   /* in project_spec */
    uint64_t spec_hash;                /* of what its process was started with */
    uint64_t start_time;               /* of an adopted process, the kernel's; 0 = not known */
    uint8_t stored;                    /* its state in the store, for adoption */
    int64_t stored_retry_ns;           /* when it was to start again; INT64_MAX = never */
    char id[RUN_ID_MAX];               /* of the keeper's child */
    uint64_t endpoint;                 /* stable id for the edge */
    uint16_t port;
    int pid; /* 0 = none */
    int64_t started_wall_ns;
    int exit_code;                    /* as shells say it */
    bool exited, stop_asked, overdue; /* overdue: killed for not stopping in its time of grace */
    char reason[REASON_MAX];
    struct probe_result probe;
    struct timer timer, drain; /* the machine's deadline; looks for requests in flight */
    struct driver_order order; /* requests of the driver */
    struct feeds *feeds;       /* its output, when that is no file; NULL */
    struct health_command *health;
    uint8_t edge_state; /* what the edge knows: EDGE_NONE, else enum snapshot_endpoint_state + 1 */
    uint64_t edge_said; /* and the digest of what else */
    bool output_open, forget_due; /* due: its process ended, the keeper still knows how */
    bool unsaved;                 /* the last commit of its state failed */
    struct list saves;            /* commits of its state under way (life.c) */
    bool load_known;              /* below: as read last (loads.h); load_ns 0 = never */
    int64_t load_ns;
    uint64_t load_cpu_ns, verdict; /* verdict: its ejections as seen last, + 1; 0 = never looked */
    uint8_t drained;               /* looks in a row that found nothing in flight */
};

struct service {
    struct list node;
    struct project *project;
    char name[NAME_MAX_SIZE];
    uint64_t id, opened, closed_ns;    /* stable id for the edge; two of verdicts.c */
    struct project_spec *project_spec; /* reference; the last one that had it, when removing */
    struct source *source;             /* reference */
    const struct service_spec *spec;   /* in project_spec */
    uint64_t generation;               /* of the project, when it last changed */
    bool removing;
    struct override replicas, stopped;                                   /* by scale, by stop */
    struct seats seats;                                                  /* by weight, by drain */
    int64_t started_act, restarted_act, followed_act, restarted_wall_ns; /* committed; 0 = none */
    struct list members;                                                 /* replicas, by number */
    struct driver *driver;
    uint16_t listen_port;            /* LISTEN_FDS */
    uint8_t edge_state, verdict;     /* enum snapshot_service_state as it knows it; verdicts.c */
    struct project_spec *told_spec;  /* reference; NULL: nothing was told yet */
    const struct service_spec *told; /* in told_spec: its routes the edge knows; NULL: none */
    char reason[REASON_MAX];         /* why it waits; "" */
};

struct project {
    struct list node;
    char tenant[NAME_MAX_SIZE];
    char name[NAME_MAX_SIZE];
    uint64_t generation;
    int64_t applied_wall_ns;
    struct source *source; /* how it was loaded, for reload and restart */
    struct project_spec *spec;
    struct list services;        /* in the order of the file */
    int64_t act_last;            /* number of the last start or restart asked for */
    bool removing, dirty, renew; /* dirty: reconcile; renew: its certificates are due */
    bool forgetting, applying; /* the last commit of a removal, or that of a return, is under way */
};

struct run {
    struct core *core;
    struct driver *process, *none; /* none: services that nothing here can run */
    struct loop_task reconcile;
    struct timer again;            /* shortage.h */
    struct rounds loads, verdicts; /* loads.h, verdicts.h */
    struct renewal *renewal;       /* NULL: no certificate is watched */
    struct endings *endings;       /* NULL: there was no certificate yet */
    struct ocsp *ocsp;             /* NULL: no responder was asked yet */
    struct spent spent;
    bool end_instance, loaded, children_known, gave_up, snapshot_dirty;
    bool started;        /* may act: both of the above */
    bool listens_known;  /* the sockets of what was stored are open again: the edge may be told */
    struct map children; /* id → struct stray (adopt.c), until it is taken up */
    struct edge_reader probes;
    struct map endpoints; /* 8 bytes of the stable id → replica */
    uint8_t ports[(RUN_PORT_LAST - RUN_PORT_FIRST + 8) / 8];
    struct list projects, strays, listens, execs;
    struct list applies, acts, answering; /* the first is at work; not yet; done (taken.h) */
    struct tickets *tickets;              /* NULL: nothing has asked for keys yet */
    unsigned opening, resuming; /* who opens sockets and is not done; projects of the store */
    uint64_t exec_last, told;   /* told: of the last snapshot (publish.c) */
};

#endif
