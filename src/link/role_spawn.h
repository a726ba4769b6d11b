/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting one role of an instance as a process of this same binary: what a keeper does for core
 * and edge, and what brings a keeper up or back.
 */
#ifndef LINK_ROLE_SPAWN_H
#define LINK_ROLE_SPAWN_H

#include "link/keeper.h"
#include "os/proc.h"

enum { ROLE_SPAWN_MORE_MAX = 6, ROLE_CHANNEL_FD = 3 };
#define ROLE_HALF_LOCK   "edge.half%u.lock"  /* in RUN */
#define ROLE_CHANNEL_ENV "MUELLE_KEEPER_FD=" /* tells a role where its channel is */

/* All is borrowed during the call. */
struct role_spawn {
    const char *role; /* "keeper", "core", "edge" */
    const char *run_dir, *state_dir, *id;
    const char *more[ROLE_SPAWN_MORE_MAX + 1]; /* further arguments, up to the first NULL */
    const struct proc_fd *fds;
    size_t fd_count;
    bool channel; /* its channel is among the fds, at ROLE_CHANNEL_FD: it is told so */
    bool fresh;   /* nothing of who starts it: cwd "/", umask 022 */
};

/* Starts it in a session of its own, with this process's environment. 0, or -errno and
 * *ret_step. */
must_check int role_spawn(const struct role_spawn *role, struct proc *ret, const char **ret_step);

/* The same command line in place of this process, by another binary; what else the role says is not
 * looked at. Returns only when that failed: -errno. */
int role_spawn_exec(const struct role_spawn *role, const char *binary);

/* "core", "edge". */
const char *role_spawn_name(enum keeper_role role);
/* Starts core or edge with that channel: `role` needs its folders and id only. Root's edge is told
 * to give its rights up (MUELLE_EDGE_USER, else nobody) where one without rights can reach what
 * lies in RUN. */
must_check int role_spawn_child(const struct role_spawn *role, enum keeper_role which,
                                int channel_fd, struct proc *ret, const char **ret_step);
/* The process that holds the role's lock in RUN, which is ours alone; 0 = none. */
int role_spawn_holder(const char *run_dir, enum keeper_role role);
/* Is `pid` the process `role_pid`, or its guard (link/keeper_guard.c), which connects for it? */
bool role_spawn_speaks_for(int pid, int role_pid);

#endif
