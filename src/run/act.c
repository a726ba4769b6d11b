/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator asks for: down, start, stop, restart, scale, reset. Each is a transaction first
 * (the override or the project's state, and the event with its actor), a decision of reconcile.c
 * then. So an acknowledged `stop` holds whatever is killed in the same moment. A start or restart
 * has a number in the store, and each replica the number it has obeyed: a new core sees who has
 * not, and carries it out.
 */
#include "run/act.h"
#include "core/event_txn.h"
#include "core/mutate.h"
#include "core/reserve.h"
#include "run/follow.h"
#include "run/life.h"
#include "run/model.h"
#include "run/project.h"
#include "run/publish.h"
#include "run/reconcile.h"
#include "run/taken.h"
#include "store/store.h"
#include "store/tables.h"

#include <stdio.h>
#include <stdlib.h>

enum { WAITING_MAX = 64 }; /* operations that were asked for before the core may act */

struct answer {
    struct loop_task task;
    struct run_done done;
    bool failed;
    struct problem problem;
};

static void answer(struct loop_task *task)
{
    struct answer *a = container_of(task, struct answer, task);
    a->done.fn(a->done.arg, a->failed ? &a->problem : NULL);
    free(a);
}

void run_answer(struct run *run, struct run_done done, const struct problem *problem)
{
    struct answer *a = calloc(1, sizeof(*a));
    if (!a) {
        done.fn(done.arg, problem); /* without memory: at once, rather than never */
        return;
    }
    a->done = done;
    a->failed = problem != NULL;
    if (problem) {
        a->problem = *problem;
    }
    loop_task_init(&a->task, answer);
    loop_defer(run->core->loop, &a->task);
}

bool run_allowed(struct run *run, const struct context *ctx, enum action action, struct str project,
                 struct str service, struct problem *problem)
{
    struct resource resource = {str_from(ctx->tenant), project, service};
    struct decision decision = authorise(ctx, action, resource, run->core->instance.owner);
    if (!decision.allowed) {
        problem_set(problem, decision.status == 401 ? "auth.unknown" : "auth.denied",
                    "%s: not allowed to %s", decision.reason, action_name(action));
        problem->status = decision.status;
    }
    return decision.allowed;
}

static void say_unknown(struct run *run, struct str project, struct str service,
                        struct problem *problem)
{
    struct str names[64];
    size_t count = 0;
    list_for_each (it, &run->projects) {
        struct project *each = list_entry(it, struct project, node);
        if (service.len == 0 && count < ARRAY_LEN(names)) {
            names[count++] = str_from(each->name);
        }
        list_for_each (at, &each->services) {
            if (service.len > 0 && str_is(project, each->name) && count < ARRAY_LEN(names)) {
                names[count++] = str_from(list_entry(at, struct service, node)->name);
            }
        }
    }
    struct str wrong = service.len ? service : project;
    struct str near = problem_nearest(wrong, names, count);
    problem_set(problem, service.len ? "service.unknown" : "project.unknown",
                "there is no %s '" STR_FMT "'", service.len ? "service" : "project",
                STR_ARG(wrong));
    problem->status = 404;
    if (near.len) {
        problem_hint(problem, "did you mean '" STR_FMT "'?", STR_ARG(near));
    }
}

/* --- transactions --- */

struct acting {
    struct list node; /* in run->acts, until the core may act; then in run->answering */
    struct run *run;
    struct context ctx;
    struct bus_id id;
    enum run_verb verb;
    bool down;
    bool end_instance;
    uint32_t replicas;
    uint32_t replica, weight; /* of weight and drain */
    bool end;                 /* of drain */
    int64_t act;              /* number of a start or restart, see service_obey */
    struct follow follow;     /* those that go along with a restart */
    struct event event;
    unsigned statement;
    struct taken taken;
    struct run_done done;
};

static void acting_free(struct acting *acting)
{
    list_del(&acting->node);
    taken_cancel(&acting->taken);
    follow_fini(&acting->follow);
    free(acting);
}

static void say_failed(int status, struct problem *problem)
{
    problem_set(problem, status == -ENOSPC ? "state.full" : "state.failed",
                "nothing was changed: %s",
                status == TXN_E_GUARD ? "somebody else changed it in the same moment"
                                      : strerror(abs(status)));
    problem->status = status == -ENOSPC ? 507 : status == TXN_E_GUARD ? 409 : 503;
    if (status == -ENOSPC) {
        problem_hint(
            problem,
            "make room on the disk of the state folder, then try again; what runs goes on");
    }
}

static void obey_members(struct service *service)
{
    list_for_each (it, &service->members) {
        struct replica *replica = list_entry(it, struct replica, node);
        if (!replica->retiring && !replica->doomed) {
            service_obey(service, replica, replica->sm.state);
        }
    }
}

static void set_override(struct override *override, const struct acting *acting, uint32_t value)
{
    override->set = true;
    override->value = value;
    override->wall_ns = acting->event.wall_ns;
    str_copy(override->actor, sizeof(override->actor), str_from(acting->ctx.principal.name));
}

/* It is on disk. Without memory it counts from the next start of the core on. */
static void take_seat(struct acting *acting, struct service *service)
{
    struct seat *seat = seats_get(&service->seats, acting->replica);
    if (!seat) {
        core_log(acting->run->core, "no memory for a weight: it holds when the core starts again");
        return;
    }
    if (acting->verb == RUN_WEIGHT) {
        set_override(&seat->weight, acting, acting->weight);
    } else {
        set_override(&seat->drained, acting, 1);
        seat->drained.set = !acting->end;
    }
    publish_seats(acting->run, service);
}

/* How many there would be if all were well: only a snapshot tells, and only groups ask. */
static void totals_changed(struct run *run, const struct service *service)
{
    const struct spread_spec *spread = &service->spec->traffic.spread;
    run->snapshot_dirty = run->snapshot_dirty || spread->members_count > 0 || spread->panic > 0;
}

static void carry_out(struct acting *acting, struct service *service)
{
    switch (acting->verb) {
    case RUN_START:
        service->stopped.set = false;
        service->started_act = acting->act;
        obey_members(service);
        break;
    case RUN_STOP:
        set_override(&service->stopped, acting, 1);
        break;
    case RUN_RESTART:
        service->stopped.set = false;
        service->restarted_act = acting->act;
        follow_end(service); /* this one takes its place */
        obey_members(service);
        break;
    case RUN_SCALE:
        set_override(&service->replicas, acting, acting->replicas);
        totals_changed(acting->run, service);
        break;
    case RUN_WEIGHT:
    case RUN_DRAIN:
        take_seat(acting, service);
        break;
    case RUN_RESET:
        service->stopped.set = false;
        service->replicas.set = false;
        totals_changed(acting->run, service);
        seats_fini(&service->seats);
        publish_seats(acting->run, service);
        break;
    }
    service_changed(acting->run, service);
    publish_service(acting->run, service);
}

static int commit(struct acting *acting);

/* On a full disk the room that is kept for this makes a second attempt. */
static bool again(struct acting *acting, int status)
{
    return acting->down && status == -ENOSPC &&
           reserve_release(acting->run->core->instance.state_dir) && commit(acting) == 0;
}

static void served(struct taken *taken)
{
    struct acting *acting = container_of(taken, struct acting, taken);
    acting->done.fn(acting->done.arg, NULL);
    acting_free(acting);
}

static void acted(void *arg, int status, const struct txn *txn)
{
    struct acting *acting = arg;
    struct run *run = acting->run;
    struct problem problem;
    struct project *project =
        project_find(run, str_from(acting->id.tenant), str_from(acting->id.project));
    struct service *service = project ? service_find(project, str_from(acting->id.service)) : NULL;
    if (again(acting, status)) {
        return;
    }
    if (status != 0) {
        say_failed(status, &problem);
        acting->done.fn(acting->done.arg, &problem);
        acting_free(acting);
        return;
    }
    event_committed(run->core, &acting->event, txn_rowid(txn, acting->statement));
    if (project && acting->down) {
        project->removing = true;
        run->end_instance = run->end_instance || acting->end_instance;
        bus_publish(run->core->bus,
                    &(struct bus_message){.topic = BUS_PROJECT_CHANGED, .id = acting->id});
        reconcile_soon(run, project);
    } else if (service) {
        carry_out(acting, service);
        follow_begin(&acting->follow, project);
        reconcile_soon(run, project);
        list_push_back(&run->answering, &acting->node);
        taken_wait(&acting->taken, run, served);
        return;
    }
    acting->done.fn(acting->done.arg, NULL);
    acting_free(acting);
}

static void put_override(struct txn *txn, const struct acting *acting, struct str field,
                         int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    override_put(txn, &(struct override_row){
                          .tenant = str_from(acting->id.tenant),
                          .project = str_from(acting->id.project),
                          .service = str_from(acting->id.service),
                          .field = field,
                          .value = str_from(text),
                          .origin = STR("api"),
                          .actor = str_from(acting->ctx.principal.name),
                          .generation = 1,
                          .time = acting->event.wall_ns,
                      });
}

static void drop_override(struct txn *txn, const struct acting *acting, struct str field)
{
    override_delete(txn, str_from(acting->id.tenant), str_from(acting->id.project),
                    str_from(acting->id.service), field);
}

static void drop_seats(struct txn *txn, const struct acting *acting)
{
    struct project *project =
        project_find(acting->run, str_from(acting->id.tenant), str_from(acting->id.project));
    struct service *service = project ? service_find(project, str_from(acting->id.service)) : NULL;
    for (size_t i = 0; service && i < service->seats.count; i++) {
        for (int drained = 0; drained < 2; drained++) {
            char field[SEATS_FIELD_MAX];
            seats_field(drained, service->seats.items[i].number, field);
            drop_override(txn, acting, str_from(field));
        }
    }
}

static void write_action(struct txn *txn, const struct acting *acting)
{
    char field[SEATS_FIELD_MAX];
    switch (acting->verb) {
    case RUN_START:
        drop_override(txn, acting, STR("stopped"));
        put_override(txn, acting, STR("start"), acting->act);
        break;
    case RUN_RESTART:
        drop_override(txn, acting, STR("stopped"));
        drop_override(txn, acting, STR("follow"));
        put_override(txn, acting, STR("restart"), acting->act);
        follow_put(&acting->follow, txn, &acting->id, str_from(acting->ctx.principal.name),
                   acting->event.wall_ns);
        break;
    case RUN_STOP:
        put_override(txn, acting, STR("stopped"), 1);
        break;
    case RUN_SCALE:
        put_override(txn, acting, STR("replicas"), acting->replicas);
        break;
    case RUN_WEIGHT:
        seats_field(false, acting->replica, field);
        put_override(txn, acting, str_from(field), acting->weight);
        break;
    case RUN_DRAIN:
        seats_field(true, acting->replica, field);
        if (acting->end) {
            drop_override(txn, acting, str_from(field));
        } else {
            put_override(txn, acting, str_from(field), 1);
        }
        break;
    case RUN_RESET: /* a restart that was acknowledged stays */
        drop_override(txn, acting, STR("stopped"));
        drop_override(txn, acting, STR("replicas"));
        drop_seats(txn, acting);
        break;
    }
}

static const struct {
    const char *kind;
    const char *words;
} verbs[] = {
    [RUN_START] = {"service.start", "started"},
    [RUN_STOP] = {"service.stop", "stopped"},
    [RUN_RESTART] = {"service.restart", "restarted"},
    [RUN_SCALE] = {"service.scale", "scaled"},
    [RUN_WEIGHT] = {"service.weight", "weighed"},
    [RUN_DRAIN] = {"service.drain", "drained"},
    [RUN_RESET] = {"service.reset", "reset to its file"},
};

static void draft(struct acting *acting)
{
    const struct run *run = acting->run;
    if (acting->down) {
        event_draft(&acting->event, &acting->ctx, "project.down", EVENT_INFO);
        event_message(&acting->event, "Project %s is taken down by %s", acting->id.project,
                      acting->ctx.principal.name);
    } else {
        event_draft(&acting->event, &acting->ctx, verbs[acting->verb].kind, EVENT_INFO);
        event_message(&acting->event, "Service %s is %s by %s", acting->id.service,
                      verbs[acting->verb].words, acting->ctx.principal.name);
        if (acting->verb == RUN_SCALE) {
            event_message(&acting->event, "Service %s is scaled to %u by %s", acting->id.service,
                          acting->replicas, acting->ctx.principal.name);
        } else if (acting->verb == RUN_WEIGHT) {
            event_message(&acting->event, "Replica %u of service %s weighs %u by %s",
                          acting->replica, acting->id.service, acting->weight,
                          acting->ctx.principal.name);
        } else if (acting->verb == RUN_DRAIN && acting->end) {
            event_message(&acting->event, "Replica %u of service %s gets requests again by %s",
                          acting->replica, acting->id.service, acting->ctx.principal.name);
        } else if (acting->verb == RUN_DRAIN) {
            event_message(&acting->event, "Replica %u of service %s is drained by %s",
                          acting->replica, acting->id.service, acting->ctx.principal.name);
        }
    }
    acting->event.id = acting->id;
    acting->event.wall_ns = core_wall(run->core);
}

static int commit(struct acting *acting)
{
    struct txn *txn = txn_new();
    if (acting->down) {
        project_set_state(txn, str_from(acting->id.tenant), str_from(acting->id.project),
                          STR("removing"));
    } else {
        write_action(txn, acting);
    }
    acting->statement = event_append(acting->run->core, txn, &acting->event);
    return store_commit(acting->run->core->store, txn, acted, acting);
}

static void submit(struct acting *acting)
{
    struct problem problem;
    draft(acting);
    int r = commit(acting);
    if (r < 0) {
        say_failed(r, &problem);
        run_answer(acting->run, acting->done, &problem);
        acting_free(acting);
    }
}

static struct acting *acting_new(struct run *run, const struct context *ctx, struct str project,
                                 struct str service, struct run_done done)
{
    struct acting *acting = calloc(1, sizeof(*acting));
    if (!acting) {
        struct problem problem;
        say_failed(-ENOMEM, &problem);
        run_answer(run, done, &problem);
        return NULL;
    }
    list_init(&acting->node);
    acting->run = run;
    acting->ctx = *ctx;
    acting->id = bus_id_make(str_from(ctx->tenant), project, service, 0);
    acting->done = done;
    return acting;
}

static void refuse(struct acting *acting, const struct problem *problem)
{
    run_answer(acting->run, acting->done, problem);
    acting_free(acting);
}

/* The number of a restart, and who goes along with it. */
static int number(struct acting *acting, struct project *project)
{
    acting->act = acting->follow.act = ++project->act_last;
    return acting->verb == RUN_RESTART
               ? follow_service(&acting->follow, project, str_from(acting->id.service))
               : 0;
}

static void begin(struct acting *acting)
{
    struct problem problem;
    struct str name = str_from(acting->id.project), service = str_from(acting->id.service);
    struct project *project = project_find(acting->run, str_from(acting->id.tenant), name);
    bool known = project && (acting->down || service_find(project, service));
    if (!known) {
        say_unknown(acting->run, name, project ? service : STR_NONE, &problem);
        refuse(acting, &problem);
    } else if (!acting->down && number(acting, project) < 0) {
        say_failed(-ENOMEM, &problem);
        refuse(acting, &problem);
    } else {
        submit(acting);
    }
}

static size_t count_waiting(const struct run *run)
{
    size_t count = 0;
    list_for_each (it, &run->acts) {
        count++;
    }
    return count;
}

/* A core that has just started does not know yet what is there: whoever asks then waits. */
static void begin_when_started(struct acting *acting)
{
    if (acting->run->started) {
        begin(acting);
    } else if (count_waiting(acting->run) < WAITING_MAX) {
        list_push_back(&acting->run->acts, &acting->node);
    } else {
        struct problem problem;
        say_failed(-EBUSY, &problem);
        refuse(acting, &problem);
    }
}

void act_begin(struct run *run)
{
    struct list *node;
    while ((node = list_pop_front(&run->acts))) {
        begin(list_entry(node, struct acting, node));
    }
}

void act_fini(struct run *run)
{
    struct list *node;
    while ((node = list_pop_front(&run->acts)) || (node = list_pop_front(&run->answering))) {
        acting_free(list_entry(node, struct acting, node));
    }
}

void run_down(struct run *run, const struct context *ctx, struct str project, bool end_instance,
              struct run_done done)
{
    struct problem problem;
    if (!run_allowed(run, ctx, ACTION_DELETE, project, STR_NONE, &problem)) {
        run_answer(run, done, &problem);
        return;
    }
    struct acting *acting = acting_new(run, ctx, project, STR_NONE, done);
    if (acting) {
        acting->down = true;
        acting->end_instance = end_instance;
        begin_when_started(acting);
    }
}

static bool seat_fits(const struct run_act *act, struct problem *problem)
{
    bool seat = act->verb == RUN_WEIGHT || act->verb == RUN_DRAIN;
    if (seat && (act->replica < 1 || act->replica > RUN_REPLICAS_MAX)) {
        problem_set(problem, "service.replica", "there is no replica %u", act->replica);
        problem_expected(problem, "1 to %u", (unsigned)RUN_REPLICAS_MAX);
    } else if (seat && act->weight > SPREAD_WEIGHT_MAX) {
        problem_set(problem, "service.weight", "%u is too heavy", act->weight);
        problem_expected(problem, "0 to %u", (unsigned)SPREAD_WEIGHT_MAX);
    } else {
        return true;
    }
    problem->status = 422;
    return false;
}

void run_act(struct run *run, const struct context *ctx, const struct run_act *act,
             struct run_done done)
{
    struct problem problem;
    if (!run_allowed(run, ctx, ACTION_OPERATE, act->project, act->service, &problem)) {
        run_answer(run, done, &problem);
        return;
    }
    if (act->verb == RUN_SCALE && act->replicas > RUN_REPLICAS_MAX) {
        problem_set(&problem, "service.scale", "%u replicas are too many", act->replicas);
        problem.status = 422;
        problem_expected(&problem, "0 to %u", (unsigned)RUN_REPLICAS_MAX);
        run_answer(run, done, &problem);
        return;
    }
    if (!seat_fits(act, &problem)) {
        run_answer(run, done, &problem);
        return;
    }
    struct acting *acting = acting_new(run, ctx, act->project, act->service, done);
    if (acting) {
        acting->verb = act->verb;
        acting->replicas = act->replicas;
        acting->replica = act->replica;
        acting->weight = act->weight;
        acting->end = act->end;
        begin_when_started(acting);
    }
}
