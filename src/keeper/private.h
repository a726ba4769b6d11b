/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's inside. One static struct keeper, fixed tables, no allocation after the start.
 */
#ifndef KEEPER_PRIVATE_H
#define KEEPER_PRIVATE_H

#include "link/keeper.h"
#include "link/order.h"
#include "os/cgroup.h"
#include "os/chan.h"
#include "os/lock.h"
#include "os/proc.h"

enum {
    KEEPER_RUN_MAX = 128,
    KEEPER_QUEUE_SIZE = 128 * 1024,
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
    size_t ward_top; /* places used so far: loops end there */
    struct role_slot roles[KEEPER_ROLE_COUNT];
    struct kept kept[KEEPER_KEPT_MAX];
    struct peer peers[KEEPER_CLIENTS_MAX];
    struct ward wards[KEEPER_CHILDREN_MAX];
};

enum keeper_stopping { KEEPER_RUNNING, KEEPER_STOP_SERVICES, KEEPER_STOP_ROLES, KEEPER_STOPPED };

/* keeper.c */
void keeper_log(const struct keeper *keeper, const char *fmt, ...) printf_like(2, 3);
/* "RUN/NAME". */
void keeper_run_path(const struct keeper *keeper, const char *name, char ret[KEEPER_PATH_MAX]);
void keeper_stop(struct keeper *keeper, bool kill_services);
/* Goes on with stopping when something ended. */
void keeper_stop_step(struct keeper *keeper);

/* ward.c */
struct ward *ward_find(struct keeper *keeper, struct str id);
/* A free place with that id, or NULL. */
struct ward *ward_new(struct keeper *keeper, struct str id);
/* Starts what the order says. 0, or -errno with *ret_step. */
must_check int ward_spawn(struct keeper *keeper, struct str id, const struct order *order,
                          struct ward **ret, const char **ret_step);
must_check int ward_signal(struct keeper *keeper, struct ward *ward, int signum, bool tree);
void ward_kill(struct keeper *keeper, struct ward *ward);
/* Watches again what the journal told of; a process that is gone is ended or awaited. */
void ward_adopt(struct keeper *keeper, struct ward *ward, bool await);
/* The pidfd of an awaited one arrived (taken over). */
void ward_adopt_fd(struct keeper *keeper, struct ward *ward, int pidfd);
void ward_ended(struct keeper *keeper, struct ward *ward, const struct proc_exit *how);
void ward_forget(struct keeper *keeper, struct ward *ward);
struct ward *ward_by_pid(struct keeper *keeper, int pid);
void ward_message(const struct ward *ward, enum keeper_type type, struct keeper_msg *msg);
void ward_sweep(struct timer *timer, int64_t now_ns);
void ward_await_over(struct timer *timer, int64_t now_ns);

/* output.c */
/* Opens an output file for appending, made if needed and owned by the order's user. */
must_check int output_open(const struct order *order, unsigned stream, int *ret_fd);
/* Cuts the oldest bytes of outputs that nobody reads, while no core is there. */
void output_trim(struct timer *timer, int64_t now_ns);

/* kept.c */
struct kept *kept_find(struct keeper *keeper, struct str name);
/* Takes fd over; tells all peers but `from`. 0 or -ENOSPC. */
must_check int kept_put(struct keeper *keeper, struct str name, int fd, const struct peer *from);
void kept_drop(struct keeper *keeper, struct kept *kept, const struct peer *from);
void kept_send_all(struct keeper *keeper, struct peer *peer);
must_check int kept_listen(struct keeper *keeper, struct keeper_msg *msg, int *ret_fd);
/* Removes the files of unix listeners. */
void kept_unlink(struct keeper *keeper);

/* peer.c */
must_check int peer_listen(struct keeper *keeper);
must_check int peer_listen_on(struct keeper *keeper, int fd);
/* A peer on that channel; NULL (fd closed) when all places are taken. */
struct peer *peer_new(struct keeper *keeper, int fd, enum keeper_role role);
/* Sends; a peer that does not read is dropped. */
void peer_send(struct peer *peer, const struct keeper_msg *msg, int fd);
/* To every greeted peer with that role (NONE: all), except one. */
void peer_tell(struct keeper *keeper, enum keeper_role role, const struct keeper_msg *msg, int fd);
bool peer_has_core(const struct keeper *keeper);
/* dispatch.c */
void dispatch(struct keeper *keeper, struct peer *peer, struct keeper_msg *msg, int *fd);

/* reexec.c */
enum { KEEPER_SELF_TEST_CODE = 42 };
/* Tries the binary. 0 or -errno. */
must_check int reexec_prepare(struct keeper *keeper, const char *binary);
/* Executes it; returns when that failed, and all goes on. */
void reexec_run(struct keeper *keeper, const char *binary);
/* Takes over what the last image left in `fd`. */
must_check int reexec_load(struct keeper *keeper, int fd);

/* role.c */
void role_init(struct keeper *keeper, enum keeper_role role);
void role_start(struct keeper *keeper, enum keeper_role role);
/* Takes on a living process from the journal; false when it is gone. */
bool role_adopt(struct keeper *keeper, enum keeper_role role, const struct proc_id *proc);
void role_stop(struct keeper *keeper, enum keeper_role role);
/* Ends it so that it starts again, from the binary that the keeper runs. */
void role_restart(struct keeper *keeper, enum keeper_role role);
/* Is that process the role, or its guard (link/keeper_guard.c), which connects for it? */
bool role_is(const struct role_slot *slot, int pid);
void role_message(const struct role_slot *slot, struct keeper_msg *msg);
const char *role_name(enum keeper_role role);

/* journal.c */
/* Reads what the last keeper wrote; fills wards, role identities and cgroups. Nothing of another boot. */
void journal_load(struct keeper *keeper);
/* Writes everything anew. */
void journal_rewrite(struct keeper *keeper);
void journal_ward(struct keeper *keeper, const struct ward *ward);
void journal_forget(struct keeper *keeper, const struct ward *ward);
void journal_role(struct keeper *keeper, const struct role_slot *slot);

#endif
