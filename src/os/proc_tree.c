/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees of processes: see proc_tree.h. One thread at a time asks (the keeper's), so what a walk
 * finds lies in one static place.
 *
 * Without a group a walk of /proc is a picture that is old when it is done: what forks meanwhile is
 * not in it. So a kill never claims to have ended a tree; proc_tree_left is asked until a walk
 * finds nobody, and processes that fork as fast as they die end when their forks meet the kill
 * between two walks.
 */
#include "os/proc_tree.h"
#include <signal.h>

enum { TREE_MARKED_MAX = 1024 };

/* Signals (0: none) and counts what is found without a control group. */
static int tree_marked(const struct proc_tree *tree, int signum)
{
    static int pids[TREE_MARKED_MAX];
    /* The number of an ended process may be a stranger's by now; then nobody is left in its session
     * either. */
    uint64_t start_time = 0;
    bool reused = !tree->running && proc_start_time(tree->main.pid, &start_time) == 0 &&
                  start_time != tree->main.start_time;
    int count = cgroup_find_marked(tree->mark, reused ? 0 : tree->main.pid, pids, TREE_MARKED_MAX);
    for (int i = 0; i < count && signum; i++) {
        kill(pids[i], signum);
    }
    return count;
}

int proc_tree_signal(const struct proc_tree *tree, int signum)
{
    return tree->root->rung == CGROUP_NONE ? tree_marked(tree, signum)
                                           : cgroup_signal(tree->root, tree->group, signum);
}

int proc_tree_left(const struct proc_tree *tree, bool kill)
{
    if (tree->root->rung == CGROUP_NONE) {
        int count = tree_marked(tree, kill ? SIGKILL : 0);
        return count < 0 ? count : count > 0;
    }
    if (kill) {
        (void)!cgroup_kill(tree->root, tree->group);
    }
    int empty = cgroup_is_empty(tree->root, tree->group);
    return empty < 0 ? empty : !empty;
}
