/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of an instance: SHUTDOWN, or SIGTERM.
 *
 *   running → (a = 1: services, until every tree is empty) → roles, until both are gone → stopped
 *
 * 1. Services end only by SHUTDOWN with a = 1; else they run on, and the journal stays.
 * 2. No role is started once the end has begun.
 * 3. What does not die (in the kernel, on a dead disk) is named after ten seconds, and the end
 *    comes all the same.
 */
#include "base/num.h"
#include "keeper/private.h"

#define STOP_NS (10 * NS_PER_S)

static void stop_roles(struct keeper *keeper)
{
    keeper->stopping = KEEPER_STOP_ROLES;
    role_stop(keeper, KEEPER_ROLE_CORE);
    role_stop(keeper, KEEPER_ROLE_EDGE);
}

static void stop_step(struct loop_task *task)
{
    struct keeper *keeper = container_of(task, struct keeper, stop_task);
    if (keeper->stopping == KEEPER_STOP_SERVICES && ward_all_empty(keeper)) {
        stop_roles(keeper);
    }
    if (keeper->stopping == KEEPER_STOP_ROLES && !keeper->roles[KEEPER_ROLE_CORE].up &&
        !keeper->roles[KEEPER_ROLE_EDGE].up) {
        keeper->stopping = KEEPER_STOPPED;
        loop_stop(&keeper->loop);
    }
}

static void stop_late(struct timer *timer, int64_t now_ns)
{
    struct keeper *keeper = container_of(timer, struct keeper, stop_timer);
    if (keeper->stopping != KEEPER_STOP_SERVICES) {
        loop_stop(&keeper->loop);
        return;
    }
    WARD_EACH (keeper, ward) {
        if (!ward->rec.empty) {
            rolelog(ROLELOG_WARNING, "keeper", "%s (pid %d) does not end", ward->rec.id,
                    ward->rec.proc.pid);
        }
    }
    stop_roles(keeper);
    loop_timer_set(&keeper->loop, timer, now_ns + STOP_NS);
    keeper_ended(keeper);
}

void stop_begin(struct keeper *keeper, bool kill_services)
{
    if (keeper->stopping) {
        return;
    }
    if (kill_services) {
        keeper->stopping = KEEPER_STOP_SERVICES;
        /* The roles must not take our end for a crash and bring us back. */
        keeper->roles[KEEPER_ROLE_CORE].wanted = false;
        keeper->roles[KEEPER_ROLE_EDGE].wanted = false;
        WARD_EACH (keeper, ward) {
            child_kill(keeper, ward);
        }
    } else {
        stop_roles(keeper);
    }
    loop_timer_after(&keeper->loop, &keeper->stop_timer, STOP_NS);
    keeper_ended(keeper);
}

void stop_init(struct keeper *keeper)
{
    timer_init(&keeper->stop_timer, stop_late);
    loop_task_init(&keeper->stop_task, stop_step);
}
