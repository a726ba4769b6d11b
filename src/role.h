/* SPDX-License-Identifier: Apache-2.0
 *
 * Instances as seen from outside: what the command line needs to find, start, ask and end one
 * without its core. Beside main.c, because it joins core/instance.h (who it is), keeper/ (what is
 * started) and link/ (how it is spoken to). All functions block for a short time; none needs a
 * loop.
 */
#ifndef ROLE_H
#define ROLE_H

#include "base/problem.h"

enum { ROLE_PATH_MAX = 96 };

/* The keeper's word about an instance; 0 = that role is not there. */
struct role_report {
    char instance[16]; /* the id */
    int keeper_pid, core_pid, edge_pid;
    unsigned edge_threads;
    unsigned children; /* services' processes it watches */
};

/* The RUN folder of the instance whose state lies in `state_dir` (absolute), by the link STATE/run;
 * when that is gone, the living one whose RUN/state names this folder. 0; -ENOENT: none was
 * started, it ended in order, or the folder is a copy of another instance's; -ENAMETOOLONG;
 * -errno. */
must_check int role_find_run_dir(const char *state_dir, char *ret, size_t size);

/* Whether an instance is up there: one of its roles holds its lock. Never trusts a file that merely
 * exists. */
bool role_instance_exists(const char *state_dir);

/* Whether the state folder was removed under an instance that exists: it is found by RUN/state
 * then, and what it writes is lost with it. */
bool role_state_is_lost(const char *state_dir);

/* Makes the state folder and the instance's identity where they are missing, and starts a keeper,
 * detached from this terminal, which starts core and edge. 0: started, and its socket is there;
 * 1: somebody else was faster (it is up as well). -errno with the problem filled: a network
 * folder, a newer version's folder, no rights, no place for sockets. Standard error of the roles
 * goes to STATE/muelle.log. */
must_check int role_start_keeper(const char *state_dir, struct problem *problem);

/* Asks the keeper over RUN/keeper.sock. 0 or -errno (no keeper answers within a second). */
must_check int role_ask_keeper(const char *state_dir, struct role_report *ret);

/* Why the core of a running instance does not start (it says so in RUN/core.problem). False: it
 * does not say. */
bool role_core_problem(const char *state_dir, struct problem *ret);

/* Ends the instance with everything in it, at once (SIGKILL to the services' trees). Returns when
 * it has been told; role_instance_exists says when it is done. */
void role_kill_instance(const char *state_dir);

/* Upgrade, role by role. The keeper becomes the program at `binary` (absolute) in place: its
 * process, children and channels stay. -ENOEXEC: that is no muelle; then nothing has changed. */
must_check int role_become(const char *state_dir, const char *binary, struct problem *problem);
enum role_kind { ROLE_CORE, ROLE_EDGE };
/* Ends the role in order (an edge finishes its requests) and waits until the keeper has started
 * another one. */
must_check int role_replace(const char *state_dir, enum role_kind kind, int *ret_pid,
                            struct problem *problem);

/* Removes what only a running instance needs: the link to its run folder, its lock, and the folders
 * of run folders when they are empty. Does nothing while one runs or is being started, or when
 * services were left behind. */
void role_tidy(const char *state_dir);

/* The roles of an instance as they are now, to see each of them end: their locks and sockets go a
 * little earlier than the processes. */
enum { ROLE_COUNT = 3 };
struct role_watch {
    int pidfds[ROLE_COUNT]; /* -1 = was not there */
};
void role_watch_open(const char *state_dir, struct role_watch *ret);
void role_watch_close(struct role_watch *watch);
/* Whether all of them have ended. */
bool role_watch_over(const struct role_watch *watch);

#endif
