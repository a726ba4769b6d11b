/* SPDX-License-Identifier: Apache-2.0
 *
 * The room: made, started and ended by the core. All the work is elsewhere; README.md says where.
 */
#include "run/run.h"

#include "core/mutate.h"
#include "run/act.h"
#include "run/adopt.h"
#include "run/apply.h"
#include "run/endings.h"
#include "run/exec.h"
#include "run/health.h"
#include "run/life.h"
#include "run/listen.h"
#include "run/loads.h"
#include "run/model.h"
#include "run/ocsp.h"
#include "run/project.h"
#include "run/reconcile.h"
#include "run/renewal.h"
#include "run/tickets.h"
#include "run/verdicts.h"

#include <stdlib.h>

struct run *run_get(const struct core *core)
{
    return core_room(core, "run");
}

bool run_ready(const struct run *run)
{
    return run && run->started;
}

static void reloaded(void *arg, const struct run_applied *applied)
{
    struct run *run = arg;
    for (size_t i = 0; i < MIN(applied->problems.count, PROBLEM_LIST_MAX); i++) {
        const struct problem *problem = &applied->problems.items[i];
        core_log(run->core, "reload: %s: %s", problem->where, problem->what);
    }
    if (applied->problems.count > 0) {
        struct context ctx = context_system("SIGHUP");
        struct event event;
        event_draft(&event, &ctx, "project.reload-failed", EVENT_ERROR);
        event_message(&event, "Reload changed nothing: %s (%s)", applied->problems.items[0].what,
                      applied->problems.items[0].where);
        event_emit(run->core, &event);
    }
}

/* SIGHUP */
static void reload_all(void *arg)
{
    struct run *run = arg;
    struct context ctx = context_system("SIGHUP");
    if (!list_empty(&run->projects)) {
        run_reload(run, &ctx, STR_NONE, reloaded, run);
    }
}

static void run_free(struct run *run)
{
    list_for_each_safe (it, &run->projects) {
        project_free(run, list_entry(it, struct project, node));
    }
    if (run->process) {
        run->process->ops->free(run->process);
    }
    if (run->none) {
        run->none->ops->free(run->none);
    }
    map_fini(&run->endpoints);
    free(run);
}

/* See shortage.h. */
static void again(struct timer *timer, int64_t now_ns)
{
    struct run *run = container_of(timer, struct run, again);
    list_for_each (p, &run->projects) {
        struct project *project = list_entry(p, struct project, node);
        list_for_each (s, &project->services) {
            struct service *service = list_entry(s, struct service, node);
            list_for_each (r, &service->members) {
                replica_again(run, list_entry(r, struct replica, node));
            }
        }
    }
    loop_defer(run->core->loop, &run->reconcile);
}

static int run_init(struct core *core, void **ret_room)
{
    struct run *run = calloc(1, sizeof(*run));
    if (!run) {
        return -ENOMEM;
    }
    run->core = core;
    run->endpoints = MAP_INIT(100000);
    list_init(&run->projects);
    list_init(&run->applies);
    list_init(&run->acts);
    list_init(&run->answering);
    list_init(&run->listens);
    list_init(&run->execs);
    loop_task_init(&run->reconcile, reconcile_run);
    timer_init(&run->again, again);
    rounds_init(&run->loads, run, &loads_rounds);
    rounds_init(&run->verdicts, run, &verdicts_rounds);
    health_init(run);
    *ret_room = run;
    int r = driver_process_new(run, &run->process);
    if (r == 0) {
        r = driver_none_new(run, &run->none);
    }
    adopt_init(run);
    core->reload = reload_all;
    core->reload_arg = run;
    return r;
}

static int run_start(void *room)
{
    return adopt_start(room);
}

static void run_stop(void *room)
{
    struct run *run = room;
    run->started = false; /* services stay; nothing is decided any more */
    loop_timer_cancel(run->core->loop, &run->again);
    rounds_fini(&run->loads);
    rounds_fini(&run->verdicts);
    loop_task_cancel(&run->reconcile);
}

static void run_fini(void *room)
{
    struct run *run = room;
    if (!run) {
        return;
    }
    run->core->reload = NULL;
    rounds_fini(&run->loads);
    rounds_fini(&run->verdicts);
    loop_task_cancel(&run->reconcile);
    loop_timer_cancel(run->core->loop, &run->again);
    act_fini(run);
    apply_fini(run);
    exec_fini(run);
    adopt_fini(run);
    health_fini(run);
    listen_fini(run);
    tickets_fini(run);
    renewal_fini(run);
    endings_fini(run);
    ocsp_fini(run);
    spent_fini(&run->spent);
    run_free(run);
}

const struct room_ops run_room = {
    .name = "run",
    .init = run_init,
    .start = run_start,
    .stop = run_stop,
    .fini = run_fini,
};
