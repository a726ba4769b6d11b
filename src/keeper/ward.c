/* SPDX-License-Identifier: Apache-2.0
 *
 * Children: starting them, learning how they ended, killing their trees.
 *
 *   spawn → running ──pidfd──▶ ended ──group empty──▶ empty → forgotten by the core
 *
 * Invariants:
 * 1. A ward is in the journal before the core hears of its start: whoever comes next can adopt it.
 *    That it is about
 * to be started is there before its process is: a keeper killed in between leaves a tree that the
 * next one ends.
 * 2. EXITED is said once per start, EMPTY once after it. Both are also in CHILD for a core that was
 *    away.
 * 3. `killing` lasts until the tree is empty: a fork bomb is killed again and again, not once.
 * Without control groups (rung NONE) trees are found by their mark in /proc, at every sweep.
 */
#include "base/map.h"
#include "base/num.h"
#include "keeper/private.h"
#include "os/file.h"
#include <signal.h>

#define WARD_SWEEP_NS      (5 * NS_PER_MS)
#define WARD_SWEEP_IDLE_NS (1000 * NS_PER_MS)

enum { WARD_MARKED_MAX = 1024, WARD_OUTPUT_MAX_DEFAULT = 64 * 1024 * 1024, WARD_ENV_EXTRA = 8 };

static struct keeper *ward_keeper; /* watches carry no pointer to it */

struct ward *ward_find(struct keeper *keeper, struct str id)
{
    uint64_t hash = map_hash(0, id);
    for (size_t i = 0; i < keeper->ward_top; i++) {
        struct ward *ward = &keeper->wards[i];
        if (ward->used && ward->hash == hash && str_is(id, ward->id)) {
            return ward;
        }
    }
    return NULL;
}

struct ward *ward_by_pid(struct keeper *keeper, int pid)
{
    for (size_t i = 0; i < keeper->ward_top; i++) {
        struct ward *ward = &keeper->wards[i];
        if (ward->used && ward->running && ward->proc.pid == pid) {
            return ward;
        }
    }
    return NULL;
}

static void ward_exit_ready(struct loop_fd *watch, uint32_t events);
static void ward_empty_ready(struct loop_fd *watch, uint32_t events);

struct ward *ward_new(struct keeper *keeper, struct str id)
{
    ward_keeper = keeper;
    for (size_t i = 0; i < KEEPER_CHILDREN_MAX; i++) {
        struct ward *ward = &keeper->wards[i];
        if (ward->used) {
            continue;
        }
        memset(ward, 0, sizeof(*ward));
        ward->used = true;
        ward->hash = map_hash(0, id);
        str_copy(ward->id, sizeof(ward->id), id);
        loop_fd_init(&ward->exit_watch, ward_exit_ready);
        loop_fd_init(&ward->empty_watch, ward_empty_ready);
        keeper->ward_top = MAX(keeper->ward_top, i + 1);
        return ward;
    }
    return NULL;
}

static void ward_unwatch(struct keeper *keeper, struct loop_fd *watch)
{
    int fd = watch->fd;
    loop_fd_remove(&keeper->loop, watch);
    file_close(&fd);
}

/* The entry that marks the tree: "MUELLE_ID=INSTANCE/id". */
static struct str ward_mark(const struct keeper *keeper, const struct ward *ward, char *space,
                            size_t size)
{
    int len = snprintf(space, size, "MUELLE_ID=%s/%s", keeper->id, ward->id);
    return str_make(space, len > 0 ? MIN((size_t)len, size - 1) : 0);
}

struct ward_start {
    struct keeper *keeper;
    struct ward *ward;
    const struct order *order;
    struct proc_spawn spawn;
    struct proc_fd fds[ORDER_LISTEN_MAX + 3];
    struct proc_rlimit rlimits[ORDER_RLIMITS_MAX];
    int opened[3]; /* stdin, stdout, stderr */
    int joins[CGROUP_V1_COUNT];
    char mark[KEEPER_NAME_MAX + 96];
    char listen_fds[32];
    char listen_pid[32];
    char listen_names[1024];
    const char *envp[ORDER_ARGS_MAX + WARD_ENV_EXTRA];
};

static void ward_start_fd(struct ward_start *start, int from, int to)
{
    start->fds[start->spawn.fd_count++] = (struct proc_fd){from, to};
}

/* A stream that is a kept descriptor: its own copy, to be closed like an opened file. 1 = it is
 * none. */
static int ward_start_kept(struct ward_start *start, const char *path, int *ret_fd)
{
    struct str name = str_from(path);
    if (!str_starts(name, STR(ORDER_KEPT))) {
        return 1;
    }
    const struct kept *kept = kept_find(start->keeper, str_skip(name, sizeof(ORDER_KEPT) - 1));
    return kept ? file_dup(kept->fd, ret_fd) : -ENOENT;
}

static int ward_start_output(struct ward_start *start, const char **ret_step)
{
    const struct order *order = start->order;
    if (order->stdin_path) {
        *ret_step = "open standard input";
        int result = ward_start_kept(start, order->stdin_path, &start->opened[0]);
        if (result > 0) {
            result = file_open(order->stdin_path, FILE_READ, 0, &start->opened[0]);
        }
        if (result < 0) {
            return result;
        }
        ward_start_fd(start, start->opened[0], 0);
    }
    bool same = order->output[0] && order->output[1] &&
                str_is(str_from(order->output[0]), order->output[1]);
    for (unsigned stream = 0; stream < 2; stream++) {
        int *fd = &start->opened[1 + stream];
        if (!order->output[stream]) {
            continue;
        }
        *ret_step = "open output";
        int result = stream == 1 && same ? 0 : ward_start_kept(start, order->output[stream], fd);
        bool is_file = result > 0;
        if (is_file) {
            result = output_open(order, stream, fd);
        }
        if (result < 0) {
            return result;
        }
        ward_start_fd(start, stream == 1 && same ? start->opened[1] : *fd, 1 + (int)stream);
        if (is_file || same) {
            str_copy(start->ward->output[stream], ORDER_PATH_MAX, str_from(order->output[stream]));
        }
    }
    return 0;
}

/* Kept sockets from descriptor 3 on, as sd_listen_fds(3) wants them. */
static int ward_start_listen(struct ward_start *start, const char **ret_step)
{
    const struct order *order = start->order;
    size_t at =
        (size_t)snprintf(start->listen_names, sizeof(start->listen_names), "LISTEN_FDNAMES=");
    *ret_step = "pass listening sockets";
    for (unsigned i = 0; i < order->listen_count; i++) {
        struct kept *kept = kept_find(start->keeper, str_from(order->listen[i]));
        if (!kept) {
            return -ENOENT;
        }
        ward_start_fd(start, kept->fd, 3 + (int)i);
        for (const char *c = order->listen[i]; *c && at + 2 < sizeof(start->listen_names); c++) {
            start->listen_names[at++] = *c == ':' ? '_' : *c; /* the colon separates */
        }
        start->listen_names[at++] = i + 1 < order->listen_count ? ':' : '\0';
    }
    return 0;
}

static void ward_start_env(struct ward_start *start)
{
    const struct order *order = start->order;
    size_t count = 0;
    for (; count < ORDER_ARGS_MAX && order->envp[count]; count++) {
        start->envp[count] = order->envp[count];
    }
    (void)ward_mark(start->keeper, start->ward, start->mark, sizeof(start->mark));
    start->envp[count++] = start->mark;
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
    start->spawn.envp = start->envp;
}

static void ward_start_user(struct ward_start *start)
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

static int ward_start_group(struct ward_start *start, const char **ret_step)
{
    const struct order *order = start->order;
    struct keeper *keeper = start->keeper;
    struct cgroup_limits limits = {order->limits.memory_bytes, order->limits.memory_low_bytes,
                                   order->limits.cpu_micros_per_s, order->limits.cpu_weight,
                                   order->limits.pids};
    *ret_step = "make its control group";
    struct str name = str_from(start->ward->cgroup);
    int result = cgroup_create(&keeper->cgroups, name, &limits);
    if (result == -EOPNOTSUPP) {
        /* Limits cannot be kept here: `doctor` says so; the service runs without. */
        keeper_log(keeper, "%s: limits do not work on this machine", start->ward->id);
        result = cgroup_create(&keeper->cgroups, name, NULL);
    }
    if (result == 0) {
        result = cgroup_open(&keeper->cgroups, name, &start->spawn.cgroup_fd);
    }
    if (result < 0) {
        return result;
    }
    start->spawn.join_count = cgroup_open_v1(&keeper->cgroups, name, start->joins);
    memcpy(start->spawn.join_fds, start->joins, start->spawn.join_count * sizeof(int));
    return 0;
}

static int ward_start_run(struct ward_start *start, struct proc *ret, const char **ret_step)
{
    int result = ward_start_output(start, ret_step);
    if (result == 0) {
        result = ward_start_listen(start, ret_step);
    }
    if (result == 0) {
        result = ward_start_group(start, ret_step);
    }
    if (result == 0) {
        ward_start_user(start);
        ward_start_env(start);
        start->spawn.argv = start->order->argv;
        start->spawn.cwd = start->order->cwd;
        start->spawn.fds = start->fds;
        start->spawn.new_session = true;
        result = proc_spawn(&start->spawn, ret, ret_step);
    }
    for (size_t i = 0; i < start->spawn.join_count; i++) {
        file_close(&start->joins[i]);
    }
    file_close(&start->spawn.cgroup_fd);
    for (size_t i = 0; i < ARRAY_LEN(start->opened); i++) {
        file_close(&start->opened[i]);
    }
    return result;
}

int ward_spawn(struct keeper *keeper, struct str id, const struct order *order, struct ward **ret,
               const char **ret_step)
{
    static struct ward_start start; /* large; one thread */
    struct ward *ward = ward_find(keeper, id);
    *ret_step = "start";
    if (ward && !(ward->empty && !ward->running)) {
        return -EEXIST;
    }
    if (ward) {
        ward_forget(keeper, ward); /* started anew under its name */
    }
    ward = ward_new(keeper, id);
    if (!ward) {
        *ret_step = "start one more child";
        return -ENOSPC;
    }
    str_copy(ward->cgroup, sizeof(ward->cgroup),
             str_from(order->cgroup ? order->cgroup : order->id));
    ward->spec_hash = order->spec_hash;
    ward->output_max = order->output_max ? order->output_max : WARD_OUTPUT_MAX_DEFAULT;
    memcpy(ward->ports, order->ports, sizeof(ward->ports));
    memset(&start, 0, sizeof(start));
    start.keeper = keeper;
    start.ward = ward;
    start.order = order;
    start.spawn.cgroup_fd = -1;
    memset(start.opened, -1, sizeof(start.opened));
    ward->killing = true; /* what the next keeper does with it if we do not come further */
    journal_ward(keeper, ward);
    ward->killing = false;
    struct proc proc;
    int result = ward_start_run(&start, &proc, ret_step);
    if (result < 0) {
        (void)!cgroup_remove(&keeper->cgroups, str_from(ward->cgroup));
        ward_forget(keeper, ward);
        return result;
    }
    ward->proc = proc.id;
    ward->running = true;
    journal_ward(keeper, ward);
    if (loop_fd_add(&keeper->loop, &ward->exit_watch, proc.pidfd, LOOP_READ) < 0) {
        file_close(&proc.pidfd); /* no memory in the kernel: SIGCHLD will still tell */
    }
    *ret = ward;
    return 0;
}

void ward_message(const struct ward *ward, enum keeper_type type, struct keeper_msg *msg)
{
    keeper_msg_init(msg, type, str_from(ward->id));
    msg->a = (uint64_t)ward->proc.pid;
    msg->b = ward->proc.start_time;
    msg->c = (uint64_t)(uint32_t)ward->exit.code;
    msg->d = (ward->exit.known ? KEEPER_EXIT_KNOWN : 0u) |
             (ward->exit.signaled ? KEEPER_EXIT_SIGNALED : 0u) |
             (ward->exit.core_dumped ? KEEPER_EXIT_CORE : 0u) |
             (ward->running ? KEEPER_CHILD_RUNNING : 0u) | (ward->empty ? KEEPER_CHILD_EMPTY : 0u) |
             (ward->oom ? KEEPER_CHILD_OOM : 0u);
    msg->spec_hash = ward->spec_hash;
    memcpy(msg->ports, ward->ports, sizeof(msg->ports));
    memcpy(msg->trimmed, ward->trimmed, sizeof(msg->trimmed));
}

static void ward_tell(struct keeper *keeper, const struct ward *ward, enum keeper_type type)
{
    struct keeper_msg msg;
    ward_message(ward, type, &msg);
    peer_tell(keeper, KEEPER_ROLE_CORE, &msg, -1);
}

static void ward_emptied(struct keeper *keeper, struct ward *ward)
{
    ward_unwatch(keeper, &ward->empty_watch);
    ward->empty = true;
    ward->killing = false;
    (void)!cgroup_remove(&keeper->cgroups, str_from(ward->cgroup));
    journal_ward(keeper, ward);
    ward_tell(keeper, ward, KEEPER_EMPTY);
    keeper_stop_step(keeper);
}

/* Rung NONE: kills (if wanted) and counts what is left of the tree. */
static int ward_marked(struct keeper *keeper, struct ward *ward, int signum)
{
    static int pids[WARD_MARKED_MAX];
    char space[KEEPER_NAME_MAX + 96];
    struct str mark = ward_mark(keeper, ward, space, sizeof(space));
    /* The number of an ended process may be a stranger's by now; then nobody is left in its session
     * either. */
    uint64_t start_time = 0;
    bool reused = !ward->running && proc_start_time(ward->proc.pid, &start_time) == 0 &&
                  start_time != ward->proc.start_time;
    int count = cgroup_find_marked(mark, reused ? 0 : ward->proc.pid, pids, WARD_MARKED_MAX);
    for (int i = 0; i < count && signum; i++) {
        kill(pids[i], signum);
    }
    return count;
}

/* Looks whether anything of the tree is left; if so, sees to it that it is asked again. */
static void ward_check_empty(struct keeper *keeper, struct ward *ward)
{
    if (ward->running || ward->empty) {
        return;
    }
    if (keeper->cgroups.rung == CGROUP_NONE) {
        if (ward_marked(keeper, ward, ward->killing ? SIGKILL : 0) == 0) {
            ward_emptied(keeper, ward);
        } else if (!timer_armed(&keeper->sweep_timer)) {
            loop_timer_after(&keeper->loop, &keeper->sweep_timer,
                             ward->killing ? WARD_SWEEP_NS : WARD_SWEEP_IDLE_NS);
        }
        return;
    }
    struct str name = str_from(ward->cgroup);
    int empty = cgroup_is_empty(&keeper->cgroups, name);
    if (empty > 0) {
        ward_emptied(keeper, ward);
        return;
    }
    if (empty < 0 && !timer_armed(&keeper->sweep_timer)) {
        /* Not known (no descriptor left, no memory) is not empty: it is asked again. */
        loop_timer_after(&keeper->loop, &keeper->sweep_timer, WARD_SWEEP_IDLE_NS);
    }
    if (ward->empty_watch.fd < 0) {
        int fd = -1;
        if (cgroup_open_events(&keeper->cgroups, name, &fd) == 0 &&
            loop_fd_add(&keeper->loop, &ward->empty_watch, fd, LOOP_PRI) < 0) {
            file_close(&fd);
        }
    }
    /* The notice compares with the last read: read once, and once more in case it came in
     * between. */
    char text[128];
    if (ward->empty_watch.fd >= 0) {
        (void)!file_pread(ward->empty_watch.fd, text, sizeof(text), 0);
    }
    if (cgroup_is_empty(&keeper->cgroups, name) > 0) {
        ward_emptied(keeper, ward);
    } else if (ward->killing && !timer_armed(&keeper->sweep_timer)) {
        loop_timer_after(&keeper->loop, &keeper->sweep_timer, WARD_SWEEP_NS);
    }
}

static void ward_empty_ready(struct loop_fd *watch, uint32_t events)
{
    ward_check_empty(ward_keeper, container_of(watch, struct ward, empty_watch));
}

void ward_sweep(struct timer *timer, int64_t now_ns)
{
    struct keeper *keeper = container_of(timer, struct keeper, sweep_timer);
    for (size_t i = 0; i < keeper->ward_top; i++) {
        struct ward *ward = &keeper->wards[i];
        if (!ward->used || ward->empty) {
            continue;
        }
        if (ward->killing && keeper->cgroups.rung != CGROUP_NONE) {
            (void)!cgroup_kill(&keeper->cgroups, str_from(ward->cgroup));
        }
        ward_check_empty(keeper, ward);
    }
}

void ward_ended(struct keeper *keeper, struct ward *ward, const struct proc_exit *how)
{
    ward_unwatch(keeper, &ward->exit_watch);
    ward->running = false;
    ward->awaiting = false;
    ward->exit = *how;
    struct cgroup_stats stats;
    if (how->signaled && how->code == SIGKILL && !ward->killing &&
        cgroup_stats(&keeper->cgroups, str_from(ward->cgroup), &stats) == 0) {
        ward->oom = stats.oom_kills > 0;
    }
    journal_ward(keeper, ward);
    ward_tell(keeper, ward, KEEPER_EXITED);
    ward_check_empty(keeper, ward);
}

static void ward_exit_ready(struct loop_fd *watch, uint32_t events)
{
    struct ward *ward = container_of(watch, struct ward, exit_watch);
    struct proc_exit how;
    int result = proc_reap(watch->fd, &how);
    if (result == -EAGAIN) {
        return;
    }
    if (result < 0) {
        how = (struct proc_exit){.known = false};
    }
    ward_ended(ward_keeper, ward, &how);
}

int ward_signal(struct keeper *keeper, struct ward *ward, int signum, bool tree)
{
    if (!tree) {
        return ward->running ? proc_signal(ward->exit_watch.fd, signum) : -ESRCH;
    }
    if (keeper->cgroups.rung == CGROUP_NONE) {
        int count = ward_marked(keeper, ward, signum);
        return count > 0 ? 0 : -ESRCH;
    }
    int count = cgroup_signal(&keeper->cgroups, str_from(ward->cgroup), signum);
    return count < 0 ? count : count == 0 ? -ESRCH : 0;
}

void ward_kill(struct keeper *keeper, struct ward *ward)
{
    ward->killing = true;
    if (keeper->cgroups.rung != CGROUP_NONE) {
        (void)!cgroup_kill(&keeper->cgroups, str_from(ward->cgroup));
    } else {
        (void)!ward_marked(keeper, ward, SIGKILL);
    }
    ward_check_empty(keeper, ward); /* a running one is asked when its end is known */
}

void ward_adopt(struct keeper *keeper, struct ward *ward, bool await)
{
    if (!ward->running) {
        ward_check_empty(keeper, ward);
        return;
    }
    int pidfd = -1;
    if (proc_open(&ward->proc, &pidfd) == 0 &&
        loop_fd_add(&keeper->loop, &ward->exit_watch, pidfd, LOOP_READ) == 0) {
        return;
    }
    file_close(&pidfd);
    if (await) {
        ward->awaiting = true;
        return;
    }
    ward_ended(keeper, ward, &(struct proc_exit){.known = false});
}

void ward_adopt_fd(struct keeper *keeper, struct ward *ward, int pidfd)
{
    if (!ward->awaiting) {
        file_close(&pidfd);
        return;
    }
    struct proc_exit how;
    if (proc_reap(pidfd, &how) < 0) {
        how = (struct proc_exit){.known = false};
    }
    file_close(&pidfd);
    ward_ended(keeper, ward, &how);
}

void ward_await_over(struct timer *timer, int64_t now_ns)
{
    struct keeper *keeper = container_of(timer, struct keeper, await_timer);
    for (size_t i = 0; i < keeper->ward_top; i++) {
        struct ward *ward = &keeper->wards[i];
        if (ward->used && ward->awaiting) {
            ward_ended(keeper, ward, &(struct proc_exit){.known = false});
        }
    }
}

void ward_forget(struct keeper *keeper, struct ward *ward)
{
    ensure(!ward->running);
    ward_unwatch(keeper, &ward->empty_watch);
    ward->used = false;
    journal_forget(keeper, ward);
    while (keeper->ward_top > 0 && !keeper->wards[keeper->ward_top - 1].used) {
        keeper->ward_top--;
    }
}
