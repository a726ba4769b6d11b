/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of control groups, and the search for a tree where there is no group: see cgroup.h.
 *
 * Without a memory controller the resident memory of the processes is added up: shared pages count
 * twice then. With one, `inactive_file` is taken off: page cache that goes as soon as somebody
 * needs the room is not what a person means by "uses" (memory.stat, cgroup-v2.rst).
 *
 * The search (cgroup_find_marked) is a fixed point: a process is ours by its mark, its session or
 * its parent; parents may stand behind their children in /proc, so it walks until a walk adds
 * nobody. What forks faster than it is walked is met by asking again after a kill (proc_tree.h).
 */
#include "base/num.h"
#include "os/cgroup_private.h"
#include "os/proc.h"

enum { CGROUP_STATS_PIDS = 128, CGROUP_STATS_TEXT = 8192 };

static bool cgroup_number(const char *base, struct str name, const char *file, uint64_t *ret)
{
    char space[64];
    struct str text = str_trim_ws(cgroup_read(base, name, file, space, sizeof(space)));
    return num_parse_u64(text, ret) == 0;
}

static void cgroup_stats_memory_v2(const char *base, struct str name, struct cgroup_stats *ret)
{
    char space[CGROUP_STATS_TEXT];
    if (!cgroup_number(base, name, "memory.current", &ret->memory_bytes)) {
        return;
    }
    ret->memory_known = true;
    struct str text = cgroup_read(base, name, "memory.stat", space, sizeof(space));
    uint64_t cache;
    if (cgroup_line(text, "inactive_file", &cache)) {
        ret->memory_bytes -= MIN(cache, ret->memory_bytes);
    }
    (void)cgroup_number(base, name, "memory.peak", &ret->memory_peak_bytes);
    text = cgroup_read(base, name, "memory.events", space, sizeof(space));
    (void)cgroup_line(text, "oom_kill", &ret->oom_kills);
}

static void cgroup_stats_memory_v1(const char *base, struct str name, struct cgroup_stats *ret)
{
    char space[CGROUP_STATS_TEXT];
    if (!cgroup_has_path(base) ||
        !cgroup_number(base, name, "memory.usage_in_bytes", &ret->memory_bytes)) {
        return;
    }
    ret->memory_known = true;
    struct str text = cgroup_read(base, name, "memory.stat", space, sizeof(space));
    uint64_t cache;
    if (cgroup_line(text, "total_inactive_file", &cache)) {
        ret->memory_bytes -= MIN(cache, ret->memory_bytes);
    }
    (void)cgroup_number(base, name, "memory.max_usage_in_bytes", &ret->memory_peak_bytes);
    text = cgroup_read(base, name, "memory.oom_control", space, sizeof(space));
    (void)cgroup_line(text, "oom_kill", &ret->oom_kills);
}

/* What no controller counts, from at most CGROUP_STATS_PIDS processes: a tree of thousands would
 * make each tick a walk through /proc. */
static void cgroup_stats_from_pids(const struct cgroup_root *root, struct str name,
                                   struct cgroup_stats *ret)
{
    int pids[CGROUP_STATS_PIDS];
    int count = cgroup_pids(root, name, pids, ARRAY_LEN(pids));
    if (count < 0) {
        return;
    }
    if (!ret->pids_known) {
        ret->pids = (uint64_t)count;
        ret->pids_known = true;
    }
    if (ret->memory_known) {
        return;
    }
    for (int i = 0; i < MIN(count, (int)ARRAY_LEN(pids)); i++) {
        struct proc_stat stat;
        if (proc_stat(pids[i], &stat) == 0) {
            ret->memory_bytes += stat.rss_bytes;
        }
    }
    ret->memory_known = true;
}

int cgroup_stats(const struct cgroup_root *root, struct str name, struct cgroup_stats *ret)
{
    char space[CGROUP_STATS_TEXT];
    *ret = (struct cgroup_stats){0};
    if (root->rung == CGROUP_NONE) {
        return -ENOTSUP;
    }
    struct str text = cgroup_read(root->path, name, "cpu.stat", space, sizeof(space));
    uint64_t value;
    if (cgroup_line(text, "usage_usec", &value)) {
        ret->cpu_known = true;
        ret->cpu_ns = value * (uint64_t)NS_PER_US;
    }
    if (cgroup_line(text, "throttled_usec", &value)) {
        ret->throttled_ns = value * (uint64_t)NS_PER_US;
    }
    cgroup_stats_memory_v2(root->path, name, ret);
    if (root->rung == CGROUP_HYBRID) {
        cgroup_stats_memory_v1(root->v1[CGROUP_V1_MEMORY], name, ret);
        text = cgroup_has_path(root->v1[CGROUP_V1_CPU])
                   ? cgroup_read(root->v1[CGROUP_V1_CPU], name, "cpu.stat", space, sizeof(space))
                   : STR_NONE;
        (void)cgroup_line(text, "throttled_time", &ret->throttled_ns);
    }
    ret->pids_known = cgroup_number(root->path, name, "pids.current", &ret->pids);
    if (!ret->pids_known || !ret->memory_known) {
        cgroup_stats_from_pids(root, name, ret);
    }
    return ret->cpu_known || ret->pids_known ? 0 : -ENOENT;
}

struct cgroup_search {
    struct str mark;
    int root_pid;
    int *pids;
    size_t max;
    size_t count;
    bool grew;
};

static bool cgroup_search_has(const struct cgroup_search *search, int pid)
{
    for (size_t i = 0; i < MIN(search->count, search->max); i++) {
        if (search->pids[i] == pid) {
            return true;
        }
    }
    return false;
}

static bool cgroup_search_visit(int pid, void *arg)
{
    struct cgroup_search *search = arg;
    struct proc_stat stat;
    if (pid == proc_own_pid() || cgroup_search_has(search, pid) || proc_stat(pid, &stat) < 0 ||
        stat.state == 'Z') {
        return true;
    }
    int root = search->root_pid;
    bool ours = (root > 0 && (pid == root || stat.session == root)) ||
                cgroup_search_has(search, stat.parent) || proc_has_env(pid, search->mark) == 1;
    if (ours && search->count < search->max) {
        search->pids[search->count++] = pid;
        search->grew = true;
    }
    return search->count < search->max;
}

int cgroup_find_marked(struct str mark, int root_pid, int *pids, size_t max)
{
    struct cgroup_search search = {.mark = mark, .root_pid = root_pid, .pids = pids, .max = max};
    /* A parent may stand behind its child in /proc: again until nothing is added. */
    do {
        search.grew = false;
        int result = proc_each(cgroup_search_visit, &search);
        if (result < 0) {
            return result;
        }
    } while (search.grew && search.count < max);
    return (int)search.count;
}
