/* SPDX-License-Identifier: Apache-2.0
 *
 * What should be, compared with what is, one small step at a time. reconcile_run is called after
 * anything changed and may be called at any time: it is idempotent, and whatever it cannot do now
 * (a dependency that is not ready, a dependent that still runs) it does when the thing it waits for
 * changes, because that calls it again.
 *
 * Rules per replica, in this order
 *  1. more than wanted, or the service goes → stop it, when nothing that depends on it is being
 * stopped first
 *  2. replaced by a newer one → stop it when the newer one is ready
 *  3. started with an older spec, or an operator asked → beside (start first) or in place
 *  4. wanted and not running → start it when the dependencies meet their conditions
 *  5. stopped and not wanted any more → forget it
 */
#include "run/reconcile.h"
#include "core/edge.h"
#include "core/event_txn.h"
#include "core/mutate.h"
#include "run/feeds.h"
#include "run/follow.h"
#include "run/graph.h"
#include "run/life.h"
#include "run/model.h"
#include "run/project.h"
#include "run/publish.h"
#include "run/shortage.h"
#include "store/store.h"
#include "store/tables.h"

#include <stdio.h>
#include <stdlib.h>

void reconcile_soon(struct run *run, struct project *project)
{
    project->dirty = true;
    loop_defer(run->core->loop, &run->reconcile);
}

/* For want of memory or disk. */
static void later(struct run *run, struct project *project)
{
    project->dirty = true;
    shortage_again(run);
}

/* --- dependencies --- */

/* A restart alone does not say so: the process may never have come to be. */
static bool has_lived(const struct replica *replica)
{
    return replica->sm.alive || replica->exited || replica->sm.state == REPLICA_COMPLETED;
}

static struct graph_facts facts_of(struct service *service)
{
    uint32_t wanted = service_wanted(service);
    struct graph_facts facts = {wanted > 0, wanted > 0, wanted > 0, false, false};
    for (uint32_t n = 1; n <= wanted; n++) {
        const struct replica *replica = replica_current(service, n);
        if (!replica) {
            return (struct graph_facts){0};
        }
        facts.started = facts.started && has_lived(replica);
        facts.healthy = facts.healthy && replica->sm.state == REPLICA_RUNNING;
        facts.completed = facts.completed && replica->sm.state == REPLICA_COMPLETED;
        facts.failed = facts.failed ||
                       (replica->sm.state == REPLICA_CRASHED && replica->sm.retry_ns == INT64_MAX);
        facts.ailing = facts.ailing || replica->sm.state == REPLICA_CRASHED ||
                       replica->sm.state == REPLICA_UNHEALTHY;
    }
    return facts;
}

static void say_waiting(struct service *service, const struct depends_spec *depends,
                        const struct graph_facts *facts)
{
    snprintf(service->reason, sizeof(service->reason), "waits for " STR_FMT " to be %s%s",
             STR_ARG(depends->service), graph_condition_name(depends->condition),
             facts->failed ? ", which has failed" : "");
}

/* May the service start? Fills its reason when not. */
static bool may_start(struct service *service)
{
    struct problem problem;
    const struct service_spec *spec = service->spec;
    if (service->driver->ops->plan(service->driver, spec, &problem) != 0) {
        str_copy(service->reason, sizeof(service->reason), str_from(problem.what));
        return false;
    }
    for (size_t i = 0; i < spec->depends_on_count; i++) {
        const struct depends_spec *depends = &spec->depends_on[i];
        struct service *other = service_find(service->project, depends->service);
        if (!other) {
            continue; /* disabled, or not required: the schema has checked the others */
        }
        struct graph_facts facts = facts_of(other);
        bool given_up = !depends->required && (facts.ailing || service_wanted(other) == 0);
        if (!given_up && !graph_satisfied(depends->condition, &facts)) {
            say_waiting(service, depends, &facts);
            return false;
        }
    }
    service->reason[0] = '\0';
    return true;
}

static bool is_live(struct service *service)
{
    list_for_each (it, &service->members) {
        if (!replica_gone(&list_entry(it, struct replica, node)->sm)) {
            return true;
        }
    }
    return false;
}

static bool depends_on(const struct service *service, const char *name)
{
    for (size_t i = 0; i < service->spec->depends_on_count; i++) {
        if (str_is(service->spec->depends_on[i].service, name)) {
            return true;
        }
    }
    return false;
}

/* Those that need it and are being stopped too go first. */
static bool may_stop(struct service *service)
{
    if (MUTATE(stop_order)) {
        return true;
    }
    list_for_each (it, &service->project->services) {
        struct service *other = list_entry(it, struct service, node);
        if (other != service && depends_on(other, service->name) && service_wanted(other) == 0 &&
            is_live(other)) {
            return false;
        }
    }
    return true;
}

/* --- members --- */

/* A slot of that number that nobody uses; -1 if both are taken. A stale child that is being ended
 * (adopt.c) still has its name. */
static int free_slot(struct run *run, struct service *service, uint32_t number)
{
    char id[RUN_ID_MAX];
    for (uint8_t slot = 0; slot < 2; slot++) {
        bool used = false;
        list_for_each (it, &service->members) {
            const struct replica *replica = list_entry(it, struct replica, node);
            used = used || (replica->number == number && replica->slot == slot);
        }
        replica_id(service, number, slot, id);
        if (!used && !map_get(&run->children, str_from(id))) {
            return slot;
        }
    }
    return -1;
}

static void add_missing(struct run *run, struct service *service)
{
    uint32_t scale = service->removing ? 0 : service_scale(service, service->spec);
    for (uint32_t n = 1; n <= scale; n++) {
        if (replica_current(service, n)) {
            continue;
        }
        int slot = free_slot(run, service, n);
        if (slot < 0) {
            return; /* both are still going */
        }
        if (!replica_new(run, service, n, (uint8_t)slot)) {
            later(run, service->project);
            return;
        }
        reconcile_soon(run, service->project); /* to start it */
    }
}

static bool in_transition(const struct replica *replica)
{
    uint8_t state = replica->sm.state;
    return state == REPLICA_STARTING || state == REPLICA_STOPPING;
}

/* In place means a gap: one at a time, the others serve. */
static bool others_settled(struct service *service, const struct replica *except)
{
    list_for_each (it, &service->members) {
        const struct replica *replica = list_entry(it, struct replica, node);
        if (replica != except && in_transition(replica)) {
            return false;
        }
    }
    return true;
}

static bool has_ended(const struct replica *replica)
{
    return replica->sm.state == REPLICA_COMPLETED || replica->sm.state == REPLICA_CRASHED;
}

/* What has given up or completed and is only started again: no gap to mind. */
static bool is_woken(const struct replica *replica)
{
    return has_ended(replica) && replica->act_seen >= replica->service->restarted_act &&
           !replica_outdated(replica);
}

static void replace(struct run *run, struct replica *replica)
{
    struct service *service = replica->service;
    uint8_t state = replica->sm.state;
    if (state == REPLICA_PENDING || state == REPLICA_STOPPED) {
        replica_use_spec(replica);
        replica->restart_due = replica->follow_due = false;
        return;
    }
    if (!replica->restart_due && follow_waits(replica)) {
        str_copy(service->reason, sizeof(service->reason), STR("waits to follow a restart"));
        return;
    }
    if (!replica->restart_due && !replica_outdated(replica) && has_ended(replica)) {
        follow_done(replica);
        return;
    }
    if (is_woken(replica)) {
        replica_feed(run, replica, REPLICA_IN_RESTART);
        return;
    }
    bool beside = plan_start_first(replica->spec, service->spec) && state == REPLICA_RUNNING &&
                  feeds_open(replica) == plan_is_fed(service->spec) &&
                  service->driver == run->process;
    int slot = beside ? free_slot(run, service, replica->number) : -1;
    if (slot >= 0) {
        replica->retiring = true;
        struct replica *next = replica_new(run, service, replica->number, (uint8_t)slot);
        if (!next) {
            replica->retiring = false;
            later(run, service->project);
            return;
        }
        replica->restart_due = replica->follow_due = false;
        next->sm.restarts = replica->sm.restarts; /* to people it is the same replica */
        reconcile_soon(run, service->project);    /* to start it */
    } else if ((state == REPLICA_STOPPING && replica->sm.want_run) ||
               !others_settled(service, replica)) {
        return; /* under way, or not its turn */
    } else {
        replica->restart_due = replica->follow_due = false;
        replica_feed(run, replica, REPLICA_IN_RESTART);
        /* Until it has stopped it is governed by the spec it was started with; `outdated` holds
         * meanwhile, and `want_run` in stopping keeps it from being asked again. */
    }
}

/* A replaced one goes when its replacement is ready, or will not come. */
static bool retirement_due(struct replica *replica)
{
    struct service *service = replica->service;
    struct replica *next = replica_current(service, replica->number);
    if (service_wanted(service) < replica->number) {
        return may_stop(service);
    }
    return !next || next->sm.state == REPLICA_RUNNING || MUTATE(retire_early);
}

static void reconcile_replica(struct run *run, struct replica *replica, bool startable)
{
    struct service *service = replica->service;
    bool wanted = replica->number <= service_wanted(service) && !replica->doomed;
    if (replica->retiring) {
        if (retirement_due(replica) && replica->sm.state != REPLICA_STOPPED) {
            replica_feed(run, replica, REPLICA_IN_STOP);
        }
    } else if (!wanted) {
        bool idle =
            replica_gone(&replica->sm); /* stopping it hurts nobody, and it must not start again */
        bool waits = replica->sm.state == REPLICA_PENDING || replica->sm.state == REPLICA_CRASHED;
        if ((replica->sm.want_run || waits) && (idle || may_stop(service))) {
            replica_feed(run, replica, REPLICA_IN_STOP);
        }
    } else if (replica_outdated(replica) || replica->restart_due || replica->follow_due) {
        replace(run, replica);
    }
    if (!replica->retiring && wanted && !replica->sm.want_run && startable) {
        replica_feed(run, replica, REPLICA_IN_RUN);
    }
}

static void forget_replica(struct run *run, struct replica *replica)
{
    struct bus_id id = replica_bus_id(replica);
    bool replaced = replica->retiring;
    publish_remove(run, replica);
    replica_forget_ended(run, replica);
    replica_free(run, replica);
    if (!replaced) {
        bus_publish(run->core->bus, &(struct bus_message){.topic = BUS_REPLICA_REMOVED, .id = id});
    }
}

static void delete_rows(struct run *run, const struct replica *replica)
{
    struct service *service = replica->service;
    if (replica_current(service, replica->number)) {
        return; /* the row is that one's */
    }
    struct txn *txn = txn_new();
    replica_delete(txn, str_from(service->project->tenant), str_from(service->project->name),
                   str_from(service->name), replica->number);
    int r = store_commit(run->core->store, txn, NULL, NULL);
    if (r < 0) {
        core_log(run->core, "row of %s not deleted: %s", replica->id, strerror(-r));
    }
}

static void reconcile_service(struct run *run, struct service *service)
{
    uint32_t scale = service->removing ? 0 : service_scale(service, service->spec);
    add_missing(run, service);
    bool startable = service_wanted(service) > 0 && may_start(service);
    list_for_each_safe (it, &service->members) {
        struct replica *replica = list_entry(it, struct replica, node);
        replica->doomed = replica->doomed || replica->number > scale;
        reconcile_replica(run, replica, startable);
        if ((replica->doomed || replica->retiring) && replica->sm.state == REPLICA_STOPPED) {
            delete_rows(run, replica);
            forget_replica(run, replica);
        }
    }
    /* A number whose both slots were taken has one now. */
    add_missing(run, service);
    if (service->removing && list_empty(&service->members)) {
        struct bus_id id = service_bus_id(service);
        service_free(run, service);
        run->snapshot_dirty = true;
        bus_publish(run->core->bus, &(struct bus_message){.topic = BUS_SERVICE_REMOVED, .id = id});
    }
}

/* --- the end of a project --- */

struct forgetting {
    struct run *run;
    struct bus_id id;
    struct event event;
    unsigned statement;
};

static bool any_project(const struct run *run)
{
    return !list_empty(&run->projects);
}

static void forgotten(void *arg, int status, const struct txn *txn)
{
    struct forgetting *forgetting = arg;
    struct run *run = forgetting->run;
    struct project *project =
        project_find(run, str_from(forgetting->id.tenant), str_from(forgetting->id.project));
    if (project && status != 0) {
        core_log(run->core, "project %s is not forgotten: %s", project->name,
                 strerror(status < 0 ? -status : EAGAIN));
        project->forgetting = false;
        later(run, project);
    } else if (project) {
        project_free(run, project);
        event_committed(run->core, &forgetting->event, txn_rowid(txn, forgetting->statement));
        bus_publish(run->core->bus,
                    &(struct bus_message){.topic = BUS_PROJECT_REMOVED, .id = forgetting->id});
        run->snapshot_dirty = true;
        loop_defer(run->core->loop, &run->reconcile);
    }
    free(forgetting);
    if (run->end_instance && !any_project(run)) {
        core_end_instance(run->core);
    }
}

static void forget_project(struct run *run, struct project *project)
{
    struct forgetting *forgetting = calloc(1, sizeof(*forgetting));
    if (!forgetting) {
        later(run, project);
        return;
    }
    struct txn *txn = txn_new();
    struct context ctx = context_system("down");
    forgetting->run = run;
    forgetting->id = bus_id_make(str_from(project->tenant), str_from(project->name), STR_NONE, 0);
    project_delete(txn, str_from(project->tenant), str_from(project->name));
    event_draft(&forgetting->event, &ctx, "project.removed", EVENT_INFO);
    event_message(&forgetting->event, "Project %s is down: nothing of it is left.", project->name);
    forgetting->event.id = forgetting->id;
    forgetting->statement = event_append(run->core, txn, &forgetting->event);
    project->forgetting = store_commit(run->core->store, txn, forgotten, forgetting) == 0;
    if (!project->forgetting) {
        free(forgetting);
        later(run, project);
    }
}

static void reconcile_project(struct run *run, struct project *project)
{
    project->dirty = false;
    /* All of them first: who may stop depends on who else is to stop. */
    list_for_each (it, &project->services) {
        struct service *service = list_entry(it, struct service, node);
        service->removing = service->removing || project->removing;
    }
    list_for_each_safe (it, &project->services) {
        reconcile_service(run, list_entry(it, struct service, node));
    }
    if (project->removing && list_empty(&project->services) && !project->forgetting &&
        !project->applying) {
        forget_project(run, project);
    }
}

void reconcile_run(struct loop_task *task)
{
    struct run *run = container_of(task, struct run, reconcile);
    if (!run->started) {
        return;
    }
    list_for_each_safe (it, &run->projects) {
        struct project *project = list_entry(it, struct project, node);
        if (project->dirty) {
            reconcile_project(run, project);
        }
    }
    /* The edge opens with the threads that its first snapshot asks for: not before a project
     * does. */
    bool early = list_empty(&run->projects) && edge_link_is_fresh(run->core->edge);
    if (run->snapshot_dirty && run->listens_known && !early) {
        run->snapshot_dirty = false;
        publish_snapshot(run);
    }
}
