/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processes of a replica use: from its control group where there is one that counts, else
 * from
 * /proc. One scan serves all replicas of a tick: the table of processes is read at most once, and
 * only if some replica needs it.
 */
#ifndef SEE_USAGE_H
#define SEE_USAGE_H

#include "base/vec.h"
#include "os/cgroup.h"

struct usage {
    uint64_t cpu_ns; /* of the processes that live (a group also counts the dead) */
    uint64_t memory_bytes;
    uint32_t pids;
};

/* One tick's scan, used by one thread and thrown away: nothing in it is true for longer. */
struct usage_scan {
    const struct cgroup_root *root; /* NULL = none */
    struct vec processes;           /* struct usage_process, by pid */
    bool scanned;
};

enum { USAGE_PROCESSES_MAX = 65536, USAGE_TREE_MAX = 4096 };

void usage_scan_init(struct usage_scan *scan, const struct cgroup_root *root);
void usage_scan_fini(struct usage_scan *scan);
/* `group` is the replica's name below the root, `pid` its main process (0 = not known). False:
 * nothing is known of it. */
bool usage_read(struct usage_scan *scan, struct str group, int pid, struct usage *ret);
/* All its processes, at most `max`; returns how many. They may have ended by the time they are
 * looked at, so a figure that cannot be read counts as none. */
size_t usage_pids(struct usage_scan *scan, struct str group, int pid, int *pids, size_t max);

#endif
