/* SPDX-License-Identifier: Apache-2.0
 *
 * The core and the edge as processes: started with a channel, started again at once when they die,
 * with a growing delay only when they keep dying young.
 *
 * 1. A role has one process: whoever holds its lock is taken on before another is started.
 * 2. Nothing is started once the end is ordered (`wanted`).
 * 3. Its place in the journal is written after its start: a keeper killed in between leaves a role
 *    that the next one learns of by its lock, or when it greets (role_claim).
 *
 * Happy path: start → up → (it dies) → the others are told → start. It fails (no memory, no
 * process) with a line in the log and another try after five seconds; one that does not end by
 * SIGTERM is killed after three.
 */
#include "base/num.h"
#include "keeper/private.h"
#include "link/role_spawn.h"
#include "os/file.h"
#include <signal.h>

#define ROLE_QUICK_NS     (1000 * NS_PER_MS)
#define ROLE_DELAY_NS     (100 * NS_PER_MS)
#define ROLE_DELAY_MAX_NS (5000 * NS_PER_MS)
#define ROLE_GRACE_NS     (3000 * NS_PER_MS)

enum { ROLE_QUICK_FREE = 3 };

static void role_tell(struct keeper *keeper, const struct role_slot *slot)
{
    struct keeper_msg msg;
    journal_role_message(&slot->rec, slot->up, &msg);
    peer_tell(keeper, KEEPER_ROLE_NONE, &msg);
}

static void role_unwatch(struct keeper *keeper, struct role_slot *slot)
{
    loop_fd_close(&keeper->loop, &slot->watch);
    loop_timer_cancel(&keeper->loop, &slot->timer);
    slot->up = false;
}

static void role_died(struct loop_fd *watch, uint32_t events)
{
    struct role_slot *slot = container_of(watch, struct role_slot, watch);
    struct keeper *keeper = slot->keeper;
    struct proc_exit how = {0};
    if (proc_reap(watch->fd, &how) == -EAGAIN) {
        return;
    }
    role_unwatch(keeper, slot);
    slot->retiring = false;
    bool orderly = how.known && !how.signaled && how.code == 0;
    rolelog(orderly ? ROLELOG_INFO : ROLELOG_WARNING, "keeper", "%s (pid %d) ended: %s %d",
            role_spawn_name(slot->rec.role), slot->rec.proc.pid,
            !how.known     ? "status unknown"
            : how.signaled ? "signal"
                           : "exit code",
            how.code);
    role_tell(keeper, slot);
    if (slot->rec.role == KEEPER_ROLE_CORE) {
        kept_drop_stdio(keeper);
        loop_timer_after(&keeper->loop, &keeper->trim_timer, NS_PER_S);
    }
    if (!slot->wanted) {
        keeper_ended(keeper);
        return;
    }
    bool quick = keeper->loop.now_ns - slot->started_ns < ROLE_QUICK_NS;
    slot->quick = quick ? slot->quick + 1 : 0;
    slot->rec.restarts++;
    if (slot->quick <= ROLE_QUICK_FREE) {
        role_start(keeper, slot->rec.role);
        return;
    }
    unsigned shift = MIN(slot->quick - ROLE_QUICK_FREE - 1, 6u);
    int64_t delay_ns = MIN(ROLE_DELAY_NS << shift, ROLE_DELAY_MAX_NS);
    loop_timer_after(&keeper->loop, &slot->timer, delay_ns);
}

/* Either the delay before a new start is over, or the time to end by itself. */
static void role_timer(struct timer *timer, int64_t now_ns)
{
    struct role_slot *slot = container_of(timer, struct role_slot, timer);
    if (slot->up) {
        (void)!proc_signal(slot->watch.fd, SIGKILL);
    } else if (slot->wanted) {
        role_start(slot->keeper, slot->rec.role);
    }
}

/* --- an edge that ends beside the next one --- */

/* It serves on, and its place is the next one's: it ends when its connections do. */
static void role_left(struct loop_task *task)
{
    struct role_slot *slot = container_of(task, struct role_slot, left);
    if (!slot->retiring || !slot->up) {
        return;
    }
    rolelog(ROLELOG_INFO, "keeper", "the edge (pid %d) leaves its place", slot->rec.proc.pid);
    slot->retiring = false;
    role_unwatch(slot->keeper, slot); /* it is reaped by SIGCHLD */
    if (slot->wanted) {
        role_start(slot->keeper, slot->rec.role);
    }
}

void role_init(struct keeper *keeper, enum keeper_role role)
{
    struct role_slot *slot = &keeper->roles[role];
    slot->keeper = keeper;
    slot->rec.role = role;
    loop_fd_init(&slot->watch, role_died);
    timer_init(&slot->timer, role_timer);
    loop_task_init(&slot->left, role_left);
}

bool role_adopt(struct keeper *keeper, enum keeper_role role, const struct proc_id *proc)
{
    struct role_slot *slot = &keeper->roles[role];
    int pidfd = -1;
    if (proc_open(proc, &pidfd) < 0 ||
        loop_fd_take(&keeper->loop, &slot->watch, pidfd, LOOP_READ) < 0) {
        return false;
    }
    slot->up = true;
    slot->wanted = true;
    slot->rec.proc = *proc;
    slot->started_ns = keeper->loop.now_ns;
    return true;
}

/* Takes on the living process that holds the role's lock though we do not know it: the keeper that
 * started it died before it wrote that down. False when none holds it. */
static bool role_adopt_holder(struct keeper *keeper, enum keeper_role role)
{
    struct proc_id proc = {.pid = role_spawn_holder(keeper->run_dir, role)};
    if (proc.pid <= 0 || proc_start_time(proc.pid, &proc.start_time) < 0 ||
        !role_adopt(keeper, role, &proc)) {
        return false;
    }
    rolelog(ROLELOG_INFO, "keeper", "the %s (pid %d) was not known and is taken on",
            role_spawn_name(role), proc.pid);
    memory_role(keeper, &keeper->roles[role]);
    role_tell(keeper, &keeper->roles[role]);
    return true;
}

void role_start(struct keeper *keeper, enum keeper_role role)
{
    struct role_slot *slot = &keeper->roles[role];
    if (role_adopt_holder(keeper, role)) {
        return; /* another one would only find the lock taken, and end, again and again */
    }
    slot->wanted = true;
    slot->started_ns = keeper->loop.now_ns;
    int ends[2] = {-1, -1};
    struct proc proc;
    const char *step = "make its channel";
    int result = chan_pair(ends);
    if (result == 0) {
        struct role_spawn dirs = {
            .run_dir = keeper->run_dir, .state_dir = keeper->state_dir, .id = keeper->id};
        result = role_spawn_child(&dirs, role, ends[1], &proc, &step);
    }
    if (result == 0) {
        step = "watch it";
        result = loop_fd_take(&keeper->loop, &slot->watch, proc.pidfd, LOOP_READ);
    }
    file_close(&ends[1]);
    if (result < 0) {
        rolelog(ROLELOG_ERROR, "keeper", "cannot start the %s: %s: %s", role_spawn_name(role), step,
                strerror(-result));
        file_close(&ends[0]);
        loop_timer_after(&keeper->loop, &slot->timer, ROLE_DELAY_MAX_NS);
        return;
    }
    slot->up = true;
    slot->rec.proc = proc.id;
    (void)peer_new(keeper, ends[0], role);
    memory_role(keeper, slot);
    role_tell(keeper, slot);
}

bool role_claim(struct keeper *keeper, enum keeper_role role, int pid)
{
    struct role_slot *slot = &keeper->roles[role];
    if (slot->up && role_spawn_speaks_for(pid, slot->rec.proc.pid)) {
        return true;
    }
    int holder = role_spawn_holder(keeper->run_dir, role);
    if (keeper->stopping || holder <= 0 || !role_spawn_speaks_for(pid, holder)) {
        return false;
    }
    role_unwatch(keeper, slot); /* our own attempt ends by itself: it is reaped by SIGCHLD */
    role_start(keeper, role);
    return slot->up && slot->rec.proc.pid == holder;
}

void role_restart(struct keeper *keeper, enum keeper_role role)
{
    struct role_slot *slot = &keeper->roles[role];
    ensure(!keeper->stopping); /* or it would come back after the end was ordered */
    if (role == KEEPER_ROLE_EDGE && slot->up) {
        slot->retiring = slot->wanted = true;
        (void)!proc_signal(slot->watch.fd, SIGUSR2);
        loop_timer_after(&keeper->loop, &slot->timer, ROLE_GRACE_NS);
        return;
    }
    role_stop(keeper, role);
    slot->wanted = true;
    if (!slot->up) {
        role_start(keeper, role);
    }
}

void role_stop(struct keeper *keeper, enum keeper_role role)
{
    struct role_slot *slot = &keeper->roles[role];
    slot->wanted = false;
    slot->retiring = false;
    loop_timer_cancel(&keeper->loop, &slot->timer);
    if (slot->up) {
        (void)!proc_signal(slot->watch.fd, SIGTERM);
        loop_timer_after(&keeper->loop, &slot->timer, ROLE_GRACE_NS);
    }
}
