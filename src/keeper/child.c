/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of children: starting them, learning how they ended, killing their trees.
 *
 *   spawn → running ──pidfd──▶ ended ──tree empty──▶ empty → forgotten by the core
 *
 * Invariants:
 * 1. A child is in the journal before the core hears of its start: whoever comes next can adopt it.
 *    That it is about to be started is there before its process is: a keeper killed in between
 *    leaves a tree that the next one ends.
 * 2. EXITED is said once per start, EMPTY once after it. Both are also in CHILD for a core that was
 *    away.
 * 3. `killing` lasts until the tree is empty: a fork bomb is killed again and again, not once.
 * 4. Not known whether a tree is empty is not empty: it is asked again.
 *
 * How it fails: a start names its step and leaves nothing (group, place, record). An end that
 * nobody can tell (the keeper was away, an old kernel) is EXITED with an unknown status. A tree
 * that does not die is killed every five milliseconds until it does.
 */
#include "base/num.h"
#include "keeper/private.h"
#include "link/order_run.h"
#include "os/file.h"
#include "os/proc_tree.h"
#include <signal.h>

#define CHILD_SWEEP_NS      (5 * NS_PER_MS)
#define CHILD_SWEEP_IDLE_NS NS_PER_S
#define CHILD_TRIM_NS       NS_PER_S

static const struct proc_exit child_exit_unknown = {.known = false};

static void child_tell(struct keeper *keeper, const struct ward *ward, enum keeper_type type)
{
    struct keeper_msg msg;
    journal_child_message(&ward->rec, type, &msg);
    peer_tell(keeper, KEEPER_ROLE_CORE, &msg);
}

static void child_emptied(struct keeper *keeper, struct ward *ward)
{
    loop_fd_close(&keeper->loop, &ward->empty_watch);
    ward->rec.empty = true;
    ward->rec.killing = false;
    (void)!cgroup_remove(&keeper->cgroups, str_from(ward->rec.cgroup));
    memory_ward(keeper, ward);
    child_tell(keeper, ward, KEEPER_EMPTY);
    keeper_ended(keeper);
}

static void child_check(struct keeper *keeper, struct ward *ward);

static void child_empty_ready(struct loop_fd *watch, uint32_t events)
{
    struct ward *ward = container_of(watch, struct ward, empty_watch);
    child_check(ward->keeper, ward);
}

/* Looks whether anything of the tree is left; if so, sees to it that it is asked again. */
static void child_check(struct keeper *keeper, struct ward *ward)
{
    if (ward->rec.empty || (ward->rec.running && !ward->rec.killing)) {
        return;
    }
    char space[PROC_TREE_MARK_MAX];
    struct proc_tree tree = journal_child_tree(&ward->rec, &keeper->cgroups, keeper->id, space);
    int fd = -1;
    int left = proc_tree_left(&tree, ward->rec.killing);
    if (left > 0 && !ward->rec.running && ward->empty_watch.fd < 0 &&
        cgroup_open_events(&keeper->cgroups, tree.group, &fd) == 0) {
        ward->empty_watch.ready = child_empty_ready;
        (void)!loop_fd_take(&keeper->loop, &ward->empty_watch, fd, LOOP_PRI);
    }
    if (left > 0 && ward->empty_watch.fd >= 0) {
        /* The notice compares with the last read: read once, then look again, for it may have come
         * in between. */
        char text[128];
        (void)!file_pread(ward->empty_watch.fd, text, sizeof(text), 0);
        left = proc_tree_left(&tree, false);
    }
    if (left == 0 && !ward->rec.running) {
        child_emptied(keeper, ward);
    } else if (ward->rec.killing) {
        loop_timer_after(&keeper->loop, &keeper->sweep_timer, CHILD_SWEEP_NS);
    } else if ((left < 0 || ward->empty_watch.fd < 0) && !timer_armed(&keeper->sweep_timer)) {
        loop_timer_after(&keeper->loop, &keeper->sweep_timer, CHILD_SWEEP_IDLE_NS);
    }
}

void child_sweep(struct timer *timer, int64_t now_ns)
{
    struct keeper *keeper = container_of(timer, struct keeper, sweep_timer);
    WARD_EACH (keeper, ward) {
        child_check(keeper, ward);
    }
}

void child_ended(struct keeper *keeper, struct ward *ward, const struct proc_exit *how)
{
    struct journal_child *rec = &ward->rec;
    struct cgroup_stats stats;
    loop_fd_close(&keeper->loop, &ward->exit_watch);
    ward->awaiting = false;
    rec->running = false;
    rec->exit = *how;
    if (how->signaled && how->code == SIGKILL && !rec->killing &&
        cgroup_stats(&keeper->cgroups, str_from(rec->cgroup), &stats) == 0) {
        rec->oom = stats.oom_kills > 0;
    }
    memory_ward(keeper, ward);
    child_tell(keeper, ward, KEEPER_EXITED);
    child_check(keeper, ward);
}

static void child_exit_ready(struct loop_fd *watch, uint32_t events)
{
    struct ward *ward = container_of(watch, struct ward, exit_watch);
    struct proc_exit how = child_exit_unknown;
    if (proc_reap(watch->fd, &how) != -EAGAIN) {
        child_ended(ward->keeper, ward, &how);
    }
}

void child_forget(struct keeper *keeper, struct ward *ward)
{
    ensure(!ward->rec.running);
    loop_fd_close(&keeper->loop, &ward->empty_watch);
    ward_free(keeper, ward);
    /* After that: a file made anew by it must not have the child. */
    journal_add(&keeper->journal, JOURNAL_FORGET, str_from(ward->rec.id));
}

int child_spawn(struct keeper *keeper, const struct order *order, struct ward **ret,
                const char **ret_step)
{
    char space[PROC_TREE_MARK_MAX];
    struct proc proc;
    struct ward *ward = ward_find(keeper, str_from(order->id));
    *ret_step = "start";
    if (ward && (!ward->rec.empty || ward->rec.running)) {
        return -EEXIST;
    }
    if (ward) {
        child_forget(keeper, ward); /* started anew under its name */
    }
    ward = ward_new(keeper, str_from(order->id));
    if (!ward) {
        *ret_step = "start one more child";
        return -ENOSPC;
    }
    journal_child_from(order, &ward->rec);
    ward->rec.killing = true; /* what the next keeper does with it if we do not come further */
    memory_ward(keeper, ward);
    ward->rec.killing = false;
    struct proc_tree tree = journal_child_tree(&ward->rec, &keeper->cgroups, keeper->id, space);
    struct order_host host = {&keeper->cgroups, tree.mark.p, kept_fd, keeper};
    int result = order_run(order, &host, &proc, ret_step);
    if (result < 0) {
        child_forget(keeper, ward);
        return result;
    }
    if (result == ORDER_RUN_E_NO_LIMITS) {
        /* `doctor` says so; the service runs without. */
        rolelog(ROLELOG_WARNING, "keeper", "%s: limits do not work on this machine", ward->rec.id);
    }
    ward->exit_watch.ready = child_exit_ready;
    ward->rec.proc = proc.id;
    ward->rec.running = true;
    memory_ward(keeper, ward);
    /* Where it cannot be watched (no memory in the kernel) SIGCHLD still tells. */
    (void)!loop_fd_take(&keeper->loop, &ward->exit_watch, proc.pidfd, LOOP_READ);
    *ret = ward;
    return 0;
}

int child_signal(struct keeper *keeper, struct ward *ward, int signum, bool tree)
{
    char space[PROC_TREE_MARK_MAX];
    struct proc_tree whole = journal_child_tree(&ward->rec, &keeper->cgroups, keeper->id, space);
    if (!tree) {
        return ward->rec.running ? proc_signal(ward->exit_watch.fd, signum) : -ESRCH;
    }
    int count = proc_tree_signal(&whole, signum);
    return count < 0 ? count : count == 0 ? -ESRCH : 0;
}

void child_kill(struct keeper *keeper, struct ward *ward)
{
    if (!ward->rec.empty) {
        ward->rec.killing = true;
        child_check(keeper, ward);
    }
}

void child_adopt(struct keeper *keeper, struct ward *ward, bool await)
{
    int pidfd = -1;
    ward->exit_watch.ready = child_exit_ready;
    if (!ward->rec.running) {
        child_check(keeper, ward);
    } else if (proc_open(&ward->rec.proc, &pidfd) == 0 &&
               loop_fd_take(&keeper->loop, &ward->exit_watch, pidfd, LOOP_READ) == 0) {
        child_check(keeper, ward); /* one that was being killed is killed on */
    } else if (await) {
        ward->awaiting = true;
    } else {
        child_ended(keeper, ward, &child_exit_unknown);
    }
}

void child_adopt_fd(struct keeper *keeper, struct ward *ward, int pidfd)
{
    struct proc_exit how;
    if (ward->awaiting) {
        bool known = proc_reap(pidfd, &how) == 0;
        child_ended(keeper, ward, known ? &how : &child_exit_unknown);
    }
    file_close(&pidfd);
}

void child_await_over(struct timer *timer, int64_t now_ns)
{
    struct keeper *keeper = container_of(timer, struct keeper, await_timer);
    WARD_EACH (keeper, ward) {
        if (ward->awaiting) {
            child_ended(keeper, ward, &child_exit_unknown);
        }
    }
}

/* So that a chatty service cannot fill the disk. How far is told to the core (CHILD.trimmed), which
 * counts it as lost. */
void child_trim(struct timer *timer, int64_t now_ns)
{
    struct keeper *keeper = container_of(timer, struct keeper, trim_timer);
    if (keeper->roles[KEEPER_ROLE_CORE].up) {
        return; /* it frees what it has stored; when it ends this begins again (role.c) */
    }
    WARD_EACH (keeper, ward) {
        if (journal_child_trim(&ward->rec)) {
            memory_ward(keeper, ward);
        }
    }
    loop_timer_set(&keeper->loop, timer, now_ns + CHILD_TRIM_NS);
}
