/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper knows: one static struct keeper of fixed tables, no allocation after the start.
 * What its parts do with it: private.h.
 */
#ifndef KEEPER_STATE_H
#define KEEPER_STATE_H

#include "link/keeper.h"
#include "link/order.h"
#include "os/cgroup.h"
#include "os/chan.h"
#include "os/lock.h"
#include "os/proc.h"

enum {
    KEEPER_RUN_MAX = 128,
    /* A peer that stands still may miss the exit and the end of every child there can be; each is a
     * message with its head and alignment. Memory that is not used is not touched. */
    KEEPER_QUEUE_SIZE = 2 * KEEPER_CHILDREN_MAX * (KEEPER_MSG_SIZE + 16),
    KEEPER_PATH_MAX = 256,
    KEEPER_PAGE = 32
};

/* A child in the keeper's care: a replica's main process and its tree. */
struct ward {
    bool used;
    bool running; /* the main process lives */
    bool empty;   /* nothing of its tree is left */
    bool oom;
    bool killing; /* until it is empty */
    bool
        awaiting; /* its process is gone: a reviver may still bring the pidfd that knows how it ended */
    uint64_t hash; /* of the id: looked at before the id is compared */
    char id[KEEPER_NAME_MAX + 1];
    char cgroup[CGROUP_NAME_MAX + 1];
    struct proc_id proc;
    struct proc_exit exit;
    struct loop_fd exit_watch; /* on its pidfd; fd -1 when it ended */
    struct loop_fd
        empty_watch; /* on cgroup.events, while the main process is gone and others are not */
    uint64_t spec_hash;
    uint64_t output_max;
    uint64_t trimmed[2];
    uint16_t ports[KEEPER_PORTS_MAX];
    char output[2][ORDER_PATH_MAX];
};

/* A descriptor held under a name. */
struct kept {
    int fd; /* -1 = free place */
    char name[KEEPER_NAME_MAX + 1];
};

struct peer {
    bool used;
    bool greeted; /* HELLO came */
    bool copies;  /* wants a copy of what is kept */
    uint8_t role; /* enum keeper_role; of a socketpair known from the start */
    struct sock_cred cred;
    struct chan chan;
    uint8_t queue[KEEPER_QUEUE_SIZE];
};

/* The core or the edge as a process. */
struct role_slot {
    uint8_t role;
    bool up;
    bool wanted;
    struct proc_id proc;
    struct loop_fd watch; /* on its pidfd */
    struct timer timer;   /* start again, or kill when it does not end */
    uint64_t restarts;
    unsigned quick; /* deaths in a row within ROLE_QUICK_NS of the start */
    int64_t started_ns;
};

struct keeper {
    struct loop loop;
    char run_dir[KEEPER_RUN_MAX];
    char state_dir[KEEPER_PATH_MAX];
    char id[64];
    char boot_id[PROC_BOOT_ID_LEN + 1];
    struct lock lock;
    struct cgroup_root cgroups;
    int ready_fd;
    struct loop_fd listen_watch;
    struct loop_signal child_signal;
    struct loop_signal term_signal;
    struct timer trim_timer;  /* runs while no core is there */
    struct timer sweep_timer; /* trees without a group, and those being killed */
    struct timer await_timer; /* then what nobody brought is said to be unknown */
    struct timer stop_timer;
    uint8_t stopping; /* enum keeper_stopping */
    int journal_fd;
    uint64_t journal_size;
    bool journal_behind;        /* the file lacks something: a fresh one is due */
    struct timer journal_timer; /* until then */
    size_t ward_top;            /* places used so far: loops end there */
    struct role_slot roles[KEEPER_ROLE_COUNT];
    struct kept kept[KEEPER_KEPT_MAX];
    struct peer peers[KEEPER_CLIENTS_MAX];
    struct ward wards[KEEPER_CHILDREN_MAX];
};

enum keeper_stopping { KEEPER_RUNNING, KEEPER_STOP_SERVICES, KEEPER_STOP_ROLES, KEEPER_STOPPED };

#endif
