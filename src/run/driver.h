/* SPDX-License-Identifier: Apache-2.0
 *
 * struct driver: what runs a replica: processes through the keeper here, container engines and the
 * simulator elsewhere. A driver is told what to do and reports what happened through driver_news;
 * it decides nothing.
 *
 * All operations return at once. start is answered by news `started` or `failed`; an end by
 * `exited`, and by `empty` when nothing of the replica's tree is left. A replica under way is
 * cancelled by `cancel` (its memory goes).
 */
#ifndef RUN_DRIVER_H
#define RUN_DRIVER_H

#include "base/problem.h"
#include "link/keeper_client.h"

struct core;
struct driver;
struct replica;
struct run;
struct service_spec;

/* Requests of one replica that are under way (of the process driver). */
struct driver_order {
    struct keeper_request spawn, signal, kill, forget;
    int64_t asked_wall_ns;    /* when the last start was ordered; 0: it was refused before that */
    struct loop_task refused; /* says later what start found at once */
    int error;
    char text[160];
    int signum;       /* the last one sent */
    bool signal_lost; /* the keeper died over it: sent again to the next one (adopt.c) */
};

struct driver_stats {
    bool known;
    uint64_t memory_bytes, cpu_ns, pids;
};

struct driver_ops {
    const char *name; /* "process" */
    /* Can this service run here at all? 0, or DRIVER_E_REFUSED with the problem filled. */
    int (*plan)(struct driver *driver, const struct service_spec *spec, struct problem *problem);
    void (*start)(struct driver *driver, struct replica *replica);
    void (*stop)(struct driver *driver, struct replica *replica,
                 int signum);                                       /* asks its tree to end */
    void (*kill)(struct driver *driver, struct replica *replica);   /* the whole tree */
    void (*forget)(struct driver *driver, struct replica *replica); /* it ended, and is empty */
    void (*adopt)(struct driver *driver, struct replica *replica); /* it runs since a former core */
    void (*cancel)(struct driver *driver,
                   struct replica *replica); /* its memory goes; answers are dropped */
    /* What the last bytes of its output are: fills at most `size`, returns how many. For reasons.
     */
    size_t (*tail)(struct driver *driver, struct replica *replica, char *tail, size_t size);
    void (*free)(struct driver *driver);
};

enum { DRIVER_E_REFUSED = 1 };

struct driver {
    const struct driver_ops *ops;
    struct run *run;
};

must_check int driver_process_new(struct run *run, struct driver **ret_driver);
/* Refuses everything with the reason: for services that need an engine. */
must_check int driver_none_new(struct run *run, struct driver **ret_driver);

/* News from a driver (life.c). `started_wall_ns`: when the start was ordered, so that nothing the
 * process did is older. `text`: what failed, in words. */
void driver_started(struct run *run, struct replica *replica, int pid, int64_t started_wall_ns);
void driver_failed(struct run *run, struct replica *replica, int error, struct str text);
void driver_exited(struct run *run, struct replica *replica, const struct proc_exit *exit,
                   bool oom);
void driver_empty(struct run *run, struct replica *replica);

#endif
