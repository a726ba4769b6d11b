/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper knows: one static struct keeper of fixed tables, no allocation after the start.
 * What its parts do with it: private.h.
 */
#ifndef KEEPER_STATE_H
#define KEEPER_STATE_H

#include "link/journal.h"
#include "os/chan.h"
#include "os/lock.h"

enum {
    KEEPER_RUN_MAX = 128,
    /* A peer that stands still may miss the exit and the end of every child there can be; each is a
     * message with its head and alignment. Memory that is not used is not touched. */
    KEEPER_QUEUE_SIZE = 2 * KEEPER_CHILDREN_MAX * (KEEPER_MSG_SIZE + 16),
    KEEPER_PATH_MAX = 256,
    KEEPER_HANDED_MAX = KEEPER_KEPT_MAX + KEEPER_CLIENTS_MAX + 2
};

/* A child in the keeper's care: a replica's main process and its tree. */
struct ward {
    bool used;
    bool awaiting;         /* gone; a reviver may still bring the pidfd that knows how it ended */
    uint64_t hash;         /* of the id: looked at before the id is compared */
    struct keeper *keeper; /* watches carry no pointer to it */
    struct loop_fd exit_watch;  /* on its pidfd; fd -1 when it ended */
    struct loop_fd empty_watch; /* on cgroup.events, once only others of its tree are left */
    struct journal_child rec;   /* what the journal says of it */
};

/* A descriptor held under a name. */
struct kept {
    int fd; /* -1 = free place */
    char name[KEEPER_NAME_MAX + 1];
};

struct peer {
    struct keeper *keeper;
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
    struct keeper *keeper;
    struct journal_role rec;
    bool up, wanted;
    struct loop_fd watch; /* on its pidfd */
    struct timer timer;   /* start again, or kill when it does not end */
    unsigned quick;       /* deaths in a row within ROLE_QUICK_NS of the start */
    int64_t started_ns;
    bool retiring;         /* told to leave its place to the next one */
    struct loop_task left; /* its channel has ended */
};

enum keeper_stopping { KEEPER_RUNNING, KEEPER_STOP_SERVICES, KEEPER_STOP_ROLES, KEEPER_STOPPED };

struct keeper {
    struct loop loop;
    char run_dir[KEEPER_RUN_MAX];
    char state_dir[KEEPER_PATH_MAX];
    char id[64];
    struct lock lock;
    struct cgroup_root cgroups;
    int ready_fd;
    struct loop_fd listen_watch;
    struct loop_signal child_signal, term_signal;
    struct timer trim_timer;    /* runs while no core is there */
    struct timer sweep_timer;   /* trees without a group, and those being killed */
    struct timer await_timer;   /* then what nobody brought is said to be unknown */
    struct timer stop_timer;    /* the end comes, whatever does not end */
    struct loop_task stop_task; /* something ended while stopping */
    uint8_t stopping;           /* enum keeper_stopping */
    struct journal journal;
    /* What a peer says goes there (dispatch.c). */
    void (*message)(struct keeper *keeper, struct peer *peer, struct keeper_msg *msg, int *fd);
    size_t ward_top;     /* places used so far: loops end there */
    size_t handed_count; /* on their way to the next image of this process (reexec.c) */
    struct journal_handed handed[KEEPER_HANDED_MAX];
    struct role_slot roles[KEEPER_ROLE_COUNT];
    struct kept kept[KEEPER_KEPT_MAX];
    struct peer peers[KEEPER_CLIENTS_MAX];
    struct ward wards[KEEPER_CHILDREN_MAX];
};

#endif
