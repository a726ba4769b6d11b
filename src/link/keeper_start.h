/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting an instance: what `muelle up` does when no keeper answers. Blocks; for the command line.
 */
#ifndef LINK_KEEPER_START_H
#define LINK_KEEPER_START_H

#include "base/problem.h"

struct keeper_start {
    const char *run_dir;   /* absolute; made with mode 0700 */
    const char *state_dir; /* absolute; must be there; muelle.log is written in it */
    const char *id;        /* of the instance */
    int64_t timeout_ns;    /* 0 = 10 s */
};

enum { KEEPER_START_E_RUNNING = 1 };

/* Starts the keeper (and with it core and edge) as a daemon and waits until it answers. 0 and its
 * pid; KEEPER_START_E_RUNNING when another one runs already; -errno with the problem filled. */
must_check int keeper_start(const struct keeper_start *start, int *ret_pid,
                            struct problem *problem);
/* How the names of files in RUN begin that hold the output of commands that probe. */
#define KEEPER_START_PROBE "probe-"
/* Removes what the roles put into RUN, and RUN when it is empty then. */
void keeper_start_clean(const char *run_dir);
/* Does a keeper answer in that folder? Its pid, 0 when none does, -errno. */
must_check int keeper_probe(const char *run_dir);
/* Tells the keeper of that folder to end (and all services too) and waits until it is gone.
 * 0; -ENOENT when none runs; -ETIMEDOUT; -errno. For when the core does not answer. */
must_check int keeper_shutdown(const char *run_dir, bool kill_services, int64_t timeout_ns);

#endif
