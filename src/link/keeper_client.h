/* SPDX-License-Identifier: Apache-2.0
 *
 * struct keeper_client: a role's end of the channel to the keeper: requests, news, copies of
 * everything that is kept, and bringing the keeper back when it died. Used by the core and the edge
 * alike.
 *
 * Laws:
 * 1. All calls return at once; answers come by the request's callback, on the loop. A request that
 * was under way when the keeper died is answered with -ECONNRESET, except those marked "repeated"
 * below, which are sent again to the next keeper (they are idempotent by name).
 * 2. The client holds a copy of every kept descriptor and of every child's pidfd, so that a new
 * keeper can be given all of them. keeper_client_fd looks up without asking.
 * 3. When the channel breaks: take RUN/keeper.lock; got it = the keeper is dead: start a new one
 * (--adopt, lock and channel passed on) and hand over; not got = another role is doing that,
 * connect to RUN/keeper.sock.
 * 4. Request structs are the caller's memory and must live until they are answered or cancelled.
 */
#ifndef LINK_KEEPER_CLIENT_H
#define LINK_KEEPER_CLIENT_H

#include "link/keeper_news.h"
#include "link/order.h"
#include "os/cgroup.h"
#include "os/chan.h"
#include "os/proc.h"

struct keeper_client;

struct keeper_request {
    struct list node;
    uint32_t serial; /* 0 = not under way */
    bool repeat;
    bool sent;
    int error; /* known before it could be sent */
    int fd;    /* sent with it; owned until answered */
    struct keeper_msg msg;
    /* error: 0 or -errno; msg: the answer; *fd (or -1) is the callback's when it sets it to -1. */
    void (*answered)(struct keeper_request *request, int error, const struct keeper_msg *msg,
                     int *fd);
};

struct keeper_client_opts {
    enum keeper_role role;
    const char *run_dir;
    const char *state_dir; /* for a new keeper's arguments */
    const char *id;        /* instance */
    int channel_fd; /* given at spawn (MUELLE_KEEPER_FD), or -1: connect to run_dir/keeper.sock */
    bool revive;    /* start a new keeper when it died */
    const struct keeper_client_ops *ops;
};

enum { KEEPER_CLIENT_QUEUE = 64 * 1024 };

struct keeper_client_copy; /* a held descriptor */

struct keeper_client {
    struct loop *loop;
    struct keeper_client_opts opts;
    char run_dir[SOCK_PATH_MAX];
    struct chan chan;
    struct chan guard;        /* to the guard of a role that gave up its rights */
    struct list requests;     /* under way or waiting, oldest first */
    struct timer retry;       /* connects again, or sends what the channel did not take */
    struct loop_task failing; /* answers what could not be sent */
    struct keeper_client_copy *copies;
    size_t copy_count;
    size_t copy_cap;
    size_t handed_over; /* copies given to a new keeper so far; = copy_count when done */
    uint32_t next_serial;
    uint32_t attempts;
    bool ready;
    bool greeted;
    bool listing; /* CHILDREN is under way */
    uint64_t list_at;
    int keeper_pid;
    int keeper_pidfd; /* of one that we started: it is our child */
    uint8_t rung;     /* enum cgroup_rung */
    uint8_t *queue;
};

/* Starts connecting; `ready` says when. 0 or -errno. Strings in opts are copied or must live (ops).
 */
must_check int keeper_client_init(struct keeper_client *client, struct loop *loop,
                                  const struct keeper_client_opts *opts);
void keeper_client_fini(struct keeper_client *client);
/* The channel given at spawn: reads MUELLE_KEEPER_FD once and removes it from the environment; -1
 * if none. */
int keeper_client_channel_from_env(void);

/* A listening socket for that address (sock_addr_parse's spelling): answered with fd. Repeated. On
 * -EADDRINUSE msg->text says who has it. */
void keeper_client_listen(struct keeper_client *client, struct keeper_request *request,
                          struct str address);
/* Has the keeper hold `fd` under a name (it is duplicated). Repeated. */
void keeper_client_keep(struct keeper_client *client, struct keeper_request *request,
                        struct str name, int fd);
/* Asks for a kept descriptor: -ENOENT when there is none. Repeated. */
void keeper_client_get(struct keeper_client *client, struct keeper_request *request,
                       struct str name);
void keeper_client_drop(struct keeper_client *client, struct keeper_request *request,
                        struct str name);
/* Our own copy of a kept descriptor (stays the client's), -1 when there is none. */
int keeper_client_fd(const struct keeper_client *client, struct str name);

/* Starts a process. Answered with msg a: pid, b: start time, or an error with msg->text naming the
 * step. -EEXIST: that id runs already. */
void keeper_client_spawn(struct keeper_client *client, struct keeper_request *request,
                         const struct order *order);
void keeper_client_signal(struct keeper_client *client, struct keeper_request *request,
                          struct str id, int signum, bool whole_tree);
/* SIGKILL to the whole tree, now and until it is empty: then `empty` comes. Repeated. */
void keeper_client_kill_tree(struct keeper_client *client, struct keeper_request *request,
                             struct str id);
/* Removes the record of a child that ended and is empty. Repeated. */
void keeper_client_forget(struct keeper_client *client, struct keeper_request *request,
                          struct str id);
/* Stops a role for good, or all (the keeper too). */
void keeper_client_role_stop(struct keeper_client *client, struct keeper_request *request,
                             enum keeper_role role);
/* Ends a role so that it starts again from the binary that the keeper runs now. */
void keeper_client_role_restart(struct keeper_client *client, struct keeper_request *request,
                                enum keeper_role role);
/* Upgrade: the keeper tries the binary (absolute path, at most KEEPER_NAME_MAX bytes) and becomes
 * it; children, channels, descriptors stay. -ENOEXEC, -ETIMEDOUT, -ENOENT …: nothing changed. */
void keeper_client_reexec(struct keeper_client *client, struct keeper_request *request,
                          struct str binary);
void keeper_client_shutdown(struct keeper_client *client, struct keeper_request *request,
                            bool kill_services);
/* The control groups that the keeper uses, for reading figures. 0, -ENOENT before `ready`. */
must_check int keeper_client_cgroups(const struct keeper_client *client, struct cgroup_root *ret);
/* The callback will not come. */
void keeper_client_cancel(struct keeper_client *client, struct keeper_request *request);

#endif
