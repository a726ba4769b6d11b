/* SPDX-License-Identifier: Apache-2.0
 *
 * A replica is as busy as the scarcer of its processor and its memory: what it used since the last
 * look of what it may use (`limits`; without them all processors, and memory does not count). From
 * its control group, else from its main process.
 */
#include "run/loads.h"

#include "base/num.h"
#include "core/core.h"
#include "link/snapshot_types.h"
#include "os/cgroup.h"
#include "os/proc.h"
#include "os/thread.h"
#include "run/publish_spread.h"

struct reading {
    uint64_t cpu_ns, memory_bytes;
};

static bool read_replica(const struct cgroup_root *root, const struct replica *replica,
                         struct reading *ret)
{
    struct cgroup_stats stats = {0};
    struct proc_stat stat;
    bool group = root && cgroup_stats(root, str_from(replica->id), &stats) == 0 &&
                 stats.cpu_known && stats.memory_known && stats.memory_bytes > 0;
    if (group) {
        *ret = (struct reading){stats.cpu_ns, stats.memory_bytes};
        return true;
    }
    if (replica->pid <= 0 || proc_stat(replica->pid, &stat) < 0) {
        return false;
    }
    *ret = (struct reading){stat.cpu_ns, stat.rss_bytes};
    return true;
}

static unsigned per_mille(double used, double most)
{
    double share = most > 0 ? used * 1000 / most : 0;
    return share >= 1000 ? 1000 : (unsigned)share;
}

static void look_at(struct run *run, const struct cgroup_root *root, struct replica *replica)
{
    struct reading now;
    int64_t now_ns = core_now(run->core), span_ns = now_ns - replica->load_ns;
    const struct limits_spec *limits = &replica->service->spec->limits;
    if (!read_replica(root, replica, &now)) {
        replica->load_known = false;
        replica->load_ns = 0;
        return;
    }
    bool counted = replica->load_ns > 0 && span_ns > 0 && now.cpu_ns >= replica->load_cpu_ns;
    if (counted) {
        double cpus = limits->cpus > 0 ? limits->cpus : thread_cpus();
        unsigned cpu =
            per_mille((double)(now.cpu_ns - replica->load_cpu_ns), cpus * (double)span_ns);
        unsigned held = per_mille((double)now.memory_bytes, (double)limits->memory_bytes);
        edge_link_load(run->core->edge, replica->endpoint, MAX(cpu, held));
    }
    replica->load_known = counted || replica->load_known;
    replica->load_cpu_ns = now.cpu_ns;
    replica->load_ns = now_ns;
}

static bool wanted(const struct service *service)
{
    return service->spec && publish_balance(service->spec) == SNAPSHOT_LEAST_LOAD;
}

static void look(struct run *run, struct service *service)
{
    struct cgroup_root root;
    bool groups = keeper_client_cgroups(run->core->keeper, &root) == 0 && root.rung != CGROUP_NONE;
    list_for_each (it, &service->members) {
        look_at(run, groups ? &root : NULL, list_entry(it, struct replica, node));
    }
}

const struct rounds_kind loads_rounds = {.wants = wanted, .look = look};
