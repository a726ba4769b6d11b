/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of one replica: the control group's own counters if it has them; what it does not count
 * (no memory controller, no group at all) is summed up over the tree of the main process.
 *
 *   1. A group that holds nothing is not believed: its process would use no memory.
 *   2. /proc is walked at most once a scan; figures are read per process then, so one that ended in
 *      between counts as none.
 *
 * Without a group the tree is found by parents alone: a process that left its parent (a daemon) is
 * not counted, while a stop still finds it by its mark (os/cgroup.h). CPU of ended children is
 * missed there, which the caller evens out by letting sums only grow.
 */
#include "see/usage.h"

#include "os/proc.h"

#include <stdlib.h>

struct usage_process {
    int pid;
    int parent;
    uint64_t cpu_ns;
    uint64_t rss_bytes;
};

void usage_scan_init(struct usage_scan *scan, const struct cgroup_root *root)
{
    *scan = (struct usage_scan){
        .root = root,
        .processes = VEC_INIT(struct usage_process, USAGE_PROCESSES_MAX),
    };
}

void usage_scan_fini(struct usage_scan *scan)
{
    vec_fini(&scan->processes);
}

static bool add_process(int pid, void *arg)
{
    struct usage_scan *scan = arg;
    struct proc_stat stat;
    if (proc_stat(pid, &stat) < 0) {
        return true; /* it ended in between */
    }
    const struct usage_process process = {pid, stat.parent, stat.cpu_ns, stat.rss_bytes};
    return vec_push(&scan->processes, &process) == 0;
}

static int by_pid(const void *a, const void *b)
{
    const struct usage_process *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

static void read_processes(struct usage_scan *scan)
{
    if (scan->scanned) {
        return;
    }
    scan->scanned = true;
    int r = proc_each(add_process, scan);
    if (r == 0 && scan->processes.len > 1) {
        qsort(scan->processes.items, scan->processes.len, sizeof(struct usage_process), by_pid);
    }
}

static const struct usage_process *find_process(const struct usage_scan *scan, int pid)
{
    const struct usage_process key = {.pid = pid};
    return scan->processes.len ? bsearch(&key, scan->processes.items, scan->processes.len,
                                         sizeof(struct usage_process), by_pid)
                               : NULL;
}

/* Against circles: between two readings of /proc a number may be its own ancestor. */
static bool contains(const int *pids, size_t count, int pid)
{
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid) {
            return true;
        }
    }
    return false;
}

/* The main process and its descendants, breadth first: `pids` is the queue and the answer. */
static size_t tree_of(struct usage_scan *scan, int pid, int *pids, size_t max)
{
    size_t count = 0;
    read_processes(scan);
    if (max == 0 || !find_process(scan, pid)) {
        return 0;
    }
    pids[count++] = pid;
    for (size_t done = 0; done < count; done++) {
        for (size_t i = 0; i < scan->processes.len && count < max; i++) {
            const struct usage_process *process = vec_at(&scan->processes, struct usage_process, i);
            if (process->parent == pids[done] && !contains(pids, count, process->pid)) {
                pids[count++] = process->pid;
            }
        }
    }
    return count;
}

size_t usage_pids(struct usage_scan *scan, struct str group, int pid, int *pids, size_t max)
{
    if (scan->root && scan->root->rung != CGROUP_NONE) {
        int n = cgroup_pids(scan->root, group, pids, max);
        if (n > 0) {
            return MIN((size_t)n, max);
        }
    }
    return pid > 0 ? tree_of(scan, pid, pids, max) : 0;
}

/* Sums up what the group does not count, over at most 256 processes: beyond that the figure is a
 * lower bound, which is better than a tick that takes seconds. */
static bool read_tree(struct usage_scan *scan, struct str group, int pid, struct usage *ret)
{
    int pids[256];
    size_t count = usage_pids(scan, group, pid, pids, ARRAY_LEN(pids));
    *ret = (struct usage){.pids = (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        struct proc_stat stat;
        if (proc_stat(pids[i], &stat) == 0) {
            ret->cpu_ns += stat.cpu_ns;
            ret->memory_bytes += stat.rss_bytes;
        }
    }
    return count > 0;
}

bool usage_read(struct usage_scan *scan, struct str group, int pid, struct usage *ret)
{
    struct cgroup_stats stats = {0};
    bool group_known = scan->root && scan->root->rung != CGROUP_NONE &&
                       cgroup_stats(scan->root, group, &stats) == 0;
    /* A group that holds nothing is not (yet) the one of a process that lives. */
    bool memory_known = group_known && stats.memory_known && stats.memory_bytes > 0;
    if (group_known && stats.cpu_known && memory_known) {
        *ret = (struct usage){stats.cpu_ns, stats.memory_bytes, (uint32_t)stats.pids};
        if (!stats.pids_known) {
            int pids[256];
            ret->pids = (uint32_t)usage_pids(scan, group, pid, pids, ARRAY_LEN(pids));
        }
        return true;
    }
    if (!read_tree(scan, group, pid, ret)) {
        return false;
    }
    ret->cpu_ns = group_known && stats.cpu_known ? stats.cpu_ns : ret->cpu_ns;
    ret->memory_bytes = memory_known ? stats.memory_bytes : ret->memory_bytes;
    return true;
}
