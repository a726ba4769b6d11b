/* SPDX-License-Identifier: Apache-2.0
 *
 * struct proc_tree: a started process with all that it started, to be signalled and ended as one.
 *
 * With a control group the tree is who is in it. Without one (rung NONE of cgroup.h) it is found in
 * /proc by its mark, by session and by parent: what leaves its session, outlives its parent and has
 * cleared its environment escapes.
 */
#ifndef OS_PROC_TREE_H
#define OS_PROC_TREE_H

#include "os/cgroup.h"
#include "os/proc.h"

enum { PROC_TREE_MARK_MAX = 384 };

/* All is borrowed. `main` is the keeper's child or one that it adopted; with `running` false its
 * number may be a stranger's, which its start time tells. */
struct proc_tree {
    const struct cgroup_root *root;
    struct str group;    /* its name below root */
    struct str mark;     /* "MUELLE_ID=…", as it stands in the environment */
    struct proc_id main; /* its first process */
    bool running;        /* that one has not ended: its number is nobody else's */
};

/* A signal to all of it, as far as it is found just now. How many got it (0: nothing is left), or
 * -errno. */
must_check int proc_tree_signal(const struct proc_tree *tree, int signum);
/* Is something of it left? 1, 0, or -errno: not known, which is not "nothing". With `kill` all that
 * is there gets SIGKILL before it is looked: what was forked meanwhile is left, so ask again. */
must_check int proc_tree_left(const struct proc_tree *tree, bool kill);

#endif
