/* SPDX-License-Identifier: Apache-2.0
 *
 * Carrying a spawn order out: see order_run.h. Step by step (streams, passed sockets, group, user,
 * environment) a struct proc_spawn is filled; each step names itself, so that a failure says where.
 *
 * 1. What was opened here is closed again, however it ends: the child has its own.
 * 2. A group that was made for nothing is removed.
 * 3. The environment is the order's alone, with the mark and, if asked, LISTEN_FDS.
 */
#include "link/order_run.h"
#include "os/file.h"
#include "os/outfile.h"
#include "os/sock.h"

enum { RUN_ENV_EXTRA = 8, RUN_NAMES_MAX = 1024 };

struct order_start {
    const struct order *order;
    const struct order_host *host;
    const char *step;
    bool no_limits;
    struct proc_spawn spawn;
    struct proc_fd fds[ORDER_LISTEN_MAX + 3];
    struct proc_rlimit rlimits[ORDER_RLIMITS_MAX];
    int opened[3]; /* stdin, stdout, stderr */
    int joins[CGROUP_V1_COUNT];
    char listen_fds[32];
    char listen_pid[32];
    char listen_names[RUN_NAMES_MAX];
    const char *envp[ORDER_ARGS_MAX + RUN_ENV_EXTRA];
};

static void start_fd(struct order_start *start, int from, int to)
{
    start->fds[start->spawn.fd_count++] = (struct proc_fd){from, to};
}

/* Opens stream 0, 1 or 2 into its place: a kept descriptor's own copy, or a file. */
static int start_open(struct order_start *start, int stream, const char *path)
{
    const struct order *order = start->order;
    int *fd = &start->opened[stream];
    struct str name = order_kept_name(path);
    if (name.len > 0) {
        int kept = start->host->kept(start->host->arg, name);
        return kept < 0 ? -ENOENT : file_dup(kept, fd);
    }
    struct outfile_owner owner = {order->uid, order->gid};
    return stream == 0 ? file_open(path, FILE_READ, 0, fd)
                       : outfile_open(path, order->set_user ? &owner : NULL, fd);
}

static int start_streams(struct order_start *start)
{
    const struct order *order = start->order;
    const char *paths[] = {order->stdin_path, order->output[0], order->output[1]};
    for (int i = 0; i < 3; i++) {
        if (!paths[i]) {
            continue;
        }
        start->step = i == 0 ? "open standard input" : "open output";
        bool same = i == 2 && paths[1] && strcmp(paths[1], paths[2]) == 0;
        int result = same ? 0 : start_open(start, i, paths[i]);
        if (result < 0) {
            return result;
        }
        start_fd(start, start->opened[same ? 1 : i], i);
    }
    return 0;
}

/* Kept sockets from descriptor 3 on, as sd_listen_fds(3) wants them. */
static int start_listen(struct order_start *start)
{
    const struct order *order = start->order;
    size_t at = (size_t)snprintf(start->listen_names, RUN_NAMES_MAX, "LISTEN_FDNAMES=");
    start->step = "pass listening sockets";
    for (unsigned i = 0; i < order->listen_count; i++) {
        int kept = start->host->kept(start->host->arg, str_from(order->listen[i]));
        if (kept < 0) {
            return -ENOENT;
        }
        if (order->listen_blocking) {
            sock_set_blocking(kept);
        }
        start_fd(start, kept, 3 + (int)i);
        for (const char *c = order->listen[i]; *c && at + 2 < RUN_NAMES_MAX; c++) {
            start->listen_names[at++] = *c == ':' ? '_' : *c; /* the colon separates */
        }
        start->listen_names[at++] = i + 1 < order->listen_count ? ':' : '\0';
    }
    return 0;
}

static void start_env(struct order_start *start)
{
    const struct order *order = start->order;
    size_t count = 0;
    for (; count < ORDER_ARGS_MAX && order->envp[count]; count++) {
        start->envp[count] = order->envp[count];
    }
    start->envp[count++] = start->host->mark;
    if (order->listen_env && order->listen_count > 0) {
        snprintf(start->listen_fds, sizeof(start->listen_fds), "LISTEN_FDS=%u",
                 order->listen_count);
        snprintf(start->listen_pid, sizeof(start->listen_pid), "LISTEN_PID=0");
        start->spawn.pid_slot = start->listen_pid + 11;
        start->envp[count++] = start->listen_fds;
        start->envp[count++] = start->listen_pid;
        start->envp[count++] = start->listen_names;
    }
    start->envp[count] = NULL;
}

static void start_user(struct order_start *start)
{
    const struct order *order = start->order;
    struct proc_spawn *spawn = &start->spawn;
    spawn->set_user = order->set_user;
    spawn->uid = order->uid;
    spawn->gid = order->gid;
    spawn->groups = order->groups;
    spawn->group_count = order->group_count;
    /* Root's own services may use set-user-id programs; those of others become somebody else for
     * good. */
    spawn->keep_privileges = !order->set_user;
    spawn->set_umask = true;
    spawn->umask = order->set_umask ? order->umask : 022;
    spawn->set_oom_score = order->set_oom_score;
    spawn->oom_score_adj = order->oom_score_adj;
    spawn->nice = order->nice;
    for (unsigned i = 0; i < order->rlimit_count; i++) {
        start->rlimits[i] = (struct proc_rlimit){order->rlimits[i].resource, order->rlimits[i].soft,
                                                 order->rlimits[i].hard};
    }
    spawn->rlimits = start->rlimits;
    spawn->rlimit_count = order->rlimit_count;
}

static int start_group(struct order_start *start)
{
    const struct order *order = start->order;
    const struct cgroup_root *root = start->host->cgroups;
    struct cgroup_limits limits = {order->limits.memory_bytes, order->limits.memory_low_bytes,
                                   order->limits.cpu_micros_per_s, order->limits.cpu_weight,
                                   order->limits.pids};
    struct str name = order_group(order);
    start->step = "make its control group";
    int result = cgroup_create(root, name, &limits);
    if (result == -EOPNOTSUPP) {
        start->no_limits = true;
        result = cgroup_create(root, name, NULL);
    }
    if (result == 0) {
        result = cgroup_open(root, name, &start->spawn.cgroup_fd);
    }
    if (result == 0) {
        start->spawn.join_count = cgroup_open_v1(root, name, start->joins);
        memcpy(start->spawn.join_fds, start->joins, start->spawn.join_count * sizeof(int));
    }
    return result;
}

static void start_close(struct order_start *start)
{
    for (size_t i = 0; i < start->spawn.join_count; i++) {
        file_close(&start->joins[i]);
    }
    file_close(&start->spawn.cgroup_fd);
    for (size_t i = 0; i < ARRAY_LEN(start->opened); i++) {
        file_close(&start->opened[i]);
    }
}

int order_run(const struct order *order, const struct order_host *host, struct proc *ret,
              const char **ret_step)
{
    static struct order_start start; /* large; one thread */
    start = (struct order_start){.order = order, .host = host, .opened = {-1, -1, -1}};
    start.spawn = (struct proc_spawn){.cgroup_fd = -1,
                                      .argv = order->argv,
                                      .envp = start.envp,
                                      .cwd = order->cwd,
                                      .fds = start.fds,
                                      .new_session = true,
                                      .own_terminal = order->own_terminal};
    int result = start_streams(&start);
    if (result == 0) {
        result = start_listen(&start);
    }
    if (result == 0) {
        result = start_group(&start);
    }
    if (result == 0) {
        start_user(&start);
        start_env(&start);
        result = proc_spawn(&start.spawn, ret, &start.step);
    }
    start_close(&start);
    if (result < 0) {
        (void)!cgroup_remove(host->cgroups, order_group(order));
        *ret_step = start.step;
        return result;
    }
    return start.no_limits ? ORDER_RUN_E_NO_LIMITS : 0;
}
