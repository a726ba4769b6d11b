/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of a keeper (`muelle keeper --run-dir RUN --state-dir STATE --id ID …`) and its
 * first word, to who started it: what link/keeper_start.c and link/keeper_revive.c write and read.
 */
#ifndef LINK_KEEPER_ARGS_H
#define LINK_KEEPER_ARGS_H

#include "link/keeper.h"
#include "os/lock.h"

/* Descriptors that were handed down are -1 where there is none. */
struct keeper_args {
    const char *run_dir, *state_dir, *id;
    const char *rung;            /* the best control group rung to try, for tests; or NULL */
    int lock_fd;                 /* the keeper's lock, held */
    int ready_fd;                /* the channel of who waits for the first word */
    int adopt_fd;                /* the channel of the role that brings a keeper back … */
    enum keeper_role adopt_role; /* … and which that is */
    bool reexec;                 /* we are the same process, executed anew */
};

/* False: the folders or the id are missing. */
must_check bool keeper_args_parse(int argc, char **argv, struct keeper_args *ret);
/* Is that binary a muelle that this machine can run? `muelle keeper --self-test` answers with an
 * exit code of its own, once the loader found all that it needs. Waits, two seconds at most. 0;
 * -ENOEXEC;
 * -errno. */
enum { KEEPER_SELF_TEST_CODE = 42 };
must_check int keeper_args_try(const char *binary);
/* Takes the keeper's lock, or over the one that was handed down. 0; -EALREADY: a keeper runs;
 * -errno; with a sentence. */
must_check int keeper_args_lock(const struct keeper_args *args, struct lock *ret,
                                char text[KEEPER_TEXT_MAX]);
/* HELLO with the own pid, or an error with its text; closes *fd. Nothing when that is -1. */
void keeper_args_ready(int *fd, const char *id, int error, const char *text);

#endif
