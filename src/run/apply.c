/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to a running project, in steps that each end in the loop; one apply at a time, the
 * others wait.
 *
 *   queued → loading (worker) → checked, planned → listening (keeper) → committing (store) → taken
 *
 * Until the commit nothing has changed but sockets that were opened, and those are closed again.
 * The commit holds the project, its generation, the overrides that the file takes back, and the
 * event. What comes after cannot fail.
 */
#include "run/apply.h"
#include "core/edge.h"
#include "core/event_txn.h"
#include "core/mutate.h"
#include "link/counters.h"
#include "os/clock.h"
#include "os/worker.h"
#include "run/act.h"
#include "run/follow.h"
#include "run/graph.h"
#include "run/listen.h"
#include "run/model.h"
#include "run/project.h"
#include "run/publish.h"
#include "run/reconcile.h"
#include "run/renewal.h"
#include "run/rivals.h"
#include "run/shortage.h"
#include "run/taken.h"
#include "schema/load.h"
#include "store/store.h"
#include "store/tables.h"

#include <stdlib.h>

enum { APPLIES_MAX = 32, PLAN_BYTES_MAX = 4 << 20 };

struct apply {
    struct list node;
    struct run *run;
    struct context ctx;
    struct source *source;
    bool begun; /* it is at work: what is said next must not begin it again */
    bool dry_run;
    bool reload;
    struct work work;
    struct loop_task begin;
    struct project_spec *spec;
    struct buf text; /* the source as it is stored; made by the worker */
    int error;
    int64_t commit_ns; /* when it was handed to the store */
    struct run_applied result;
    struct arena arena; /* of the plan */
    struct str *only;   /* names of services: the other new ones stay stopped */
    size_t only_count;
    bool *idle;  /* by service of the spec: new and not to be started; NULL = none is */
    bool opened; /* counted in run->opening */
    struct follow follow;
    struct event event;
    unsigned statement;
    struct taken taken;
    void (*done)(void *arg, const struct run_applied *applied);
    void *arg;
};

static void begin_next(struct run *run);

/* What it opened is its project's from here on, or nobody's. */
static void opened_all(struct apply *apply)
{
    apply->run->opening -= apply->opened;
    apply->opened = false;
}

static void apply_free(struct apply *apply)
{
    opened_all(apply);
    list_del(&apply->node);
    taken_cancel(&apply->taken);
    loop_task_cancel(&apply->begin);
    project_spec_unref(apply->spec);
    source_unref(apply->source);
    buf_fini(&apply->text);
    follow_fini(&apply->follow);
    arena_fini(&apply->arena);
    free(apply);
}

/* Answers and lets the next one in. */
static void finish(struct apply *apply)
{
    struct run *run = apply->run;
    if (apply->result.problems.count > 0) {
        apply->result.plan = NULL;
    }
    apply->done(apply->arg, &apply->result);
    bool sweep = apply->opened && apply->result.problems.count > 0;
    apply_free(apply);
    if (sweep) {
        listen_sweep(run);
    }
    begin_next(run);
}

static void served(struct taken *taken)
{
    finish(container_of(taken, struct apply, taken));
}

static void refuse(struct apply *apply, const struct problem *problem)
{
    *problem_list_add(&apply->result.problems) = *problem;
    finish(apply);
}

static void refuse_error(struct apply *apply, int error)
{
    struct problem problem;
    problem_set(&problem, error == -ENOSPC ? "state.full" : "apply.failed",
                "the configuration was not applied: %s",
                error == TXN_E_GUARD ? "somebody else changed the project in the same moment"
                                     : strerror(abs(error)));
    problem.status = error == -ENOSPC ? 507 : error == TXN_E_GUARD ? 409 : 503;
    refuse(apply, &problem);
}

static struct project *target(const struct apply *apply)
{
    return project_find(apply->run, str_from(apply->ctx.tenant), apply->spec->name);
}

/* What the project runs; NULL: it does not, or goes. */
static const struct project_spec *current(const struct apply *apply)
{
    const struct project *project = target(apply);
    return project && !project->removing ? project->spec : NULL;
}

/* --- new services that are not to be started yet --- */

static bool is_new(struct project *project, struct str name)
{
    return !project || project->removing || !service_find(project, name);
}

static bool mark_only(struct apply *apply, bool *wanted)
{
    for (size_t i = 0; i < apply->only_count; i++) {
        const struct service_spec *service = project_spec_service(apply->spec, apply->only[i]);
        if (!service) {
            struct problem *problem = problem_list_add(&apply->result.problems);
            problem_set(problem, "service.unknown", "there is no service '" STR_FMT "'",
                        STR_ARG(str_slice(apply->only[i], 0, 80)));
            problem->status = 422;
            return false;
        }
        wanted[service - apply->spec->services] = true;
    }
    return true;
}

static void mark_needed(const struct project_spec *spec, bool *wanted,
                        const struct service_spec *service)
{
    for (size_t i = 0; i < service->depends_on_count; i++) {
        const struct service_spec *other =
            project_spec_service(spec, service->depends_on[i].service);
        if (other) {
            wanted[other - spec->services] = true;
        }
    }
}

/* Which of the new services stay stopped: all but the named ones and what those need, however far
 * behind. 0, or -ENOMEM. */
static int find_idle(struct apply *apply)
{
    const struct project_spec *spec = apply->spec;
    size_t count = MAX(spec->services_count, 1);
    if (apply->only_count == 0) {
        return 0;
    }
    bool *idle = arena_array(&apply->arena, count, sizeof(*idle));
    bool *wanted = arena_array(&apply->arena, count, sizeof(*wanted));
    uint32_t *order = arena_array(&apply->arena, count, sizeof(*order));
    if (!idle || !wanted || !order) {
        return -ENOMEM;
    }
    memset(wanted, 0, count * sizeof(*wanted));
    if (!mark_only(apply, wanted)) {
        return 0;
    }
    int r = graph_order(spec, order);
    for (size_t i = spec->services_count; r == 0 && i > 0; i--) { /* who needs comes before */
        if (wanted[order[i - 1]]) {
            mark_needed(spec, wanted, &spec->services[order[i - 1]]);
        }
    }
    for (size_t i = 0; r == 0 && i < spec->services_count; i++) {
        idle[i] = !wanted[i] && is_new(target(apply), spec->services[i].name);
    }
    apply->idle = idle;
    return r;
}

static void put_idle(const struct apply *apply, struct txn *txn)
{
    for (size_t i = 0; apply->idle && i < apply->spec->services_count; i++) {
        if (apply->idle[i]) {
            override_put(txn, &(struct override_row){
                                  .tenant = str_from(apply->ctx.tenant),
                                  .project = apply->spec->name,
                                  .service = apply->spec->services[i].name,
                                  .field = STR("stopped"),
                                  .value = STR("1"),
                                  .origin = STR("api"),
                                  .actor = str_from(apply->ctx.principal.name),
                                  .generation = 1,
                                  .time = core_wall(apply->run->core),
                              });
        }
    }
}

static void take_idle(const struct apply *apply, struct project *project)
{
    for (size_t i = 0; apply->idle && i < apply->spec->services_count; i++) {
        struct service *service = service_find(project, apply->spec->services[i].name);
        if (apply->idle[i] && service) {
            service->stopped =
                (struct override){.set = true, .value = 1, .wall_ns = core_wall(apply->run->core)};
            str_copy(service->stopped.actor, sizeof(service->stopped.actor),
                     str_from(apply->ctx.principal.name));
        }
    }
}

/* --- after the commit --- */

/* What the file takes back: the scale of a service whose number it changed; everything of one that
 * it no longer has, or of a project that was being removed: coming back, it starts afresh. */
static bool drops_all(const struct project *project, const struct service_spec *next)
{
    return !next || project->removing;
}

static bool drops_scale(const struct service *service, const struct service_spec *next)
{
    return next && service->spec && service->spec->replicas != next->replicas;
}

static bool same_members(const struct spread_spec *a, const struct spread_spec *b)
{
    bool same = a->members_count == b->members_count;
    for (size_t i = 0; same && i < a->members_count; i++) {
        const struct member_spec *x = &a->members[i], *y = &b->members[i];
        same = str_eq(x->replicas, y->replicas) && x->weight == y->weight;
    }
    return same;
}

static bool drops_weights(const struct service *service, const struct service_spec *next)
{
    return next && service->spec &&
           !same_members(&service->spec->traffic.spread, &next->traffic.spread);
}

static void drop_weights(struct service *service)
{
    for (size_t i = 0; i < service->seats.count; i++) {
        service->seats.items[i].weight.set = false;
    }
}

static void drop_overrides(struct project *project, const struct project_spec *next)
{
    list_for_each (it, &project->services) {
        struct service *service = list_entry(it, struct service, node);
        const struct service_spec *spec = project_spec_service(next, str_from(service->name));
        if (drops_all(project, spec)) {
            service->replicas.set = false;
            service->stopped.set = false;
            seats_fini(&service->seats);
            continue;
        }
        if (drops_scale(service, spec)) {
            service->replicas.set = false;
        }
        if (drops_weights(service, spec)) {
            drop_weights(service);
        }
    }
}

static void committed(void *arg, int status, const struct txn *txn)
{
    struct apply *apply = arg;
    struct run *run = apply->run;
    struct project *project = target(apply);
    apply->result.commit_ns = clock_mono_ns() - apply->commit_ns;
    if (project) {
        project->applying = false;
    }
    if (status != 0) {
        if (project) {
            reconcile_soon(run, project);
        }
        refuse_error(apply, status);
        return;
    }
    if (!project) {
        project = project_new(run, str_from(apply->ctx.tenant), apply->spec->name);
    }
    if (!project) {
        shortage_give_up(run, "what was applied cannot be taken up", -ENOMEM);
        return;
    }
    if (project->spec) {
        drop_overrides(project, apply->spec);
    }
    opened_all(apply);
    project->generation = apply->result.generation;
    project->applied_wall_ns = core_wall(run->core);
    project->removing = false;
    int r = project_take(run, project, apply->source, apply->spec);
    if (r < 0) {
        shortage_give_up(run, "what was applied cannot be taken up", r); /* it is committed */
        return;
    }
    take_idle(apply, project);
    follow_begin(&apply->follow, project);
    event_committed(run->core, &apply->event, txn_rowid(txn, apply->statement));
    bus_publish(run->core->bus,
                &(struct bus_message){.topic = BUS_PROJECT_CHANGED, .id = apply->event.id});
    run->snapshot_dirty = true;
    reconcile_soon(run, project);
    taken_wait(&apply->taken, run, served);
}

/* --- the commit --- */

static void delete_overrides(struct apply *apply, struct txn *txn, struct project *project)
{
    struct str tenant = str_from(apply->ctx.tenant), name = apply->spec->name;
    for (size_t i = 0; i < apply->spec->services_count; i++) {
        const struct service_spec *spec = &apply->spec->services[i];
        struct service *service = project ? service_find(project, spec->name) : NULL;
        if (!service || project->removing) {
            /* New, or back: whatever an earlier one of that name had is not its own. */
            override_delete(txn, tenant, name, spec->name, STR_NONE);
            continue;
        }
        if (drops_scale(service, spec)) {
            override_delete(txn, tenant, name, spec->name, STR("replicas"));
        }
        for (size_t n = 0; drops_weights(service, spec) && n < service->seats.count; n++) {
            char field[SEATS_FIELD_MAX];
            seats_field(false, service->seats.items[n].number, field);
            override_delete(txn, tenant, name, spec->name, str_from(field));
        }
    }
}

/* "1 restarted, 6 unchanged": only what there is. */
static void count_changes(const struct plan *plan, struct buf *out)
{
    static const struct {
        int action; /* enum plan_action */
        const char *word;
    } words[] = {{PLAN_CREATE, "new"},
                 {PLAN_RESTART, "restarted"},
                 {PLAN_FOLLOW, "restarted with them"},
                 {PLAN_SCALE, "scaled"},
                 {PLAN_UPDATE, "updated"},
                 {PLAN_REMOVE, "removed"},
                 {PLAN_UNCHANGED, "unchanged"}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t count = plan->counts[words[i].action];
        if (count > 0) {
            buf_printf(out, "%s%zu %s", out->len > 0 ? ", " : "", count, words[i].word);
        }
    }
}

static void draft_event(struct apply *apply, const struct project *project)
{
    cleanup(buf_fini) struct buf changes = BUF_INIT(EVENT_MESSAGE_MAX);

    count_changes(apply->result.plan, &changes);
    event_draft(&apply->event, &apply->ctx, "project.applied", EVENT_INFO);
    apply->event.id = bus_id_make(str_from(apply->ctx.tenant), apply->spec->name, STR_NONE, 0);
    event_message(&apply->event, "Project " STR_FMT " %s: " STR_FMT, STR_ARG(apply->spec->name),
                  project ? "changed" : "applied", STR_ARG(buf_str(&changes)));
}

static void commit(struct apply *apply)
{
    struct run *run = apply->run;
    struct project *project = target(apply);
    struct txn *txn = txn_new();
    apply->result.generation = project ? project->generation + 1 : 1;
    project_put(txn, &(struct project_row){
                         .tenant = str_from(apply->ctx.tenant),
                         .project = apply->spec->name,
                         .origin = STR("file"),
                         .state = STR("active"),
                         .spec = buf_str(&apply->text),
                         .actor = str_from(apply->ctx.principal.name),
                         .generation = (int64_t)apply->result.generation,
                         .applied_at = core_wall(run->core),
                     });
    delete_overrides(apply, txn, project);
    put_idle(apply, txn);
    draft_event(apply, project);
    apply->follow.act = project ? ++project->act_last : 0; /* numbers are in the order of commits */
    follow_put(&apply->follow, txn, &apply->event.id, str_from(apply->ctx.principal.name),
               core_wall(run->core));
    apply->statement = event_append(run->core, txn, &apply->event);
    apply->commit_ns = clock_mono_ns();
    int r = store_commit(run->core->store, txn, committed, apply);
    if (r < 0) {
        refuse_error(apply, r);
    } else if (project) {
        project->applying = true;
    }
}

static void listening(void *arg, const struct problem *problem)
{
    struct apply *apply = arg;
    if (problem) {
        refuse(apply, problem);
    } else if (MUTATE(skipped_commit)) {
        struct txn *txn = txn_new();
        apply->result.generation = 1;
        apply->statement = event_append(apply->run->core, txn, &apply->event);
        (void)!store_commit(apply->run->core->store, txn, committed, apply);
    } else {
        commit(apply);
    }
}

/* --- checks that need the other projects --- */

/* For the walk through the routes of another project. */
struct comparison {
    struct apply *apply;
    const struct project *other;
};

static void say_rival(void *arg, const struct service_spec *own, size_t index,
                      const struct service_spec *other)
{
    const struct comparison *with = arg;
    const struct route_spec *route = &own->routes[index];
    struct problem *problem = problem_list_add(&with->apply->result.problems);
    problem_set(problem, "config.duplicate-route",
                "route '" STR_FMT STR_FMT "' is already that of %s/" STR_FMT, STR_ARG(route->host),
                STR_ARG(route->path), with->other->name, STR_ARG(other->name));
    problem->status = 409;
    (void)schema_where(with->apply->spec, problem, "/services/" STR_FMT "/routes/%zu",
                       STR_ARG(own->name), index);
    problem_expected(problem, "a host and path that no other project of this instance has");
}

/* The name in a file was changed while it runs under the old one: both would run. Who wants that
 * says so with a name of their own (--project). */
static bool check_renamed(struct apply *apply, const struct project *other)
{
    const struct source *mine = apply->source, *its = other->source;
    if (mine->name.len || !its || its->name.len || !its->file_count ||
        !str_eq(mine->files[0], its->files[0])) {
        return false;
    }
    struct problem *problem = problem_list_add(&apply->result.problems);
    problem_set(problem, "config.renamed",
                "this file runs as project '%s' already, and names itself '" STR_FMT "' now",
                other->name, STR_ARG(apply->spec->name));
    problem->status = 409;
    (void)schema_where(apply->spec, problem, "/name");
    problem_expected(problem, "the name that it runs under");
    problem_hint(problem,
                 "'muelle down --project %s' ends that one; --project " STR_FMT " runs both",
                 other->name, STR_ARG(apply->spec->name));
    return true;
}

static int check_others(struct apply *apply)
{
    struct rivals rivals;
    int r = rivals_init(&rivals, apply->spec, current(apply));
    list_for_each (it, &apply->run->projects) {
        const struct project *other = list_entry(it, struct project, node);
        if (r == 0 && !str_is(apply->spec->name, other->name) && !other->removing &&
            !check_renamed(apply, other)) {
            rivals_find(&rivals, other->spec, say_rival, &(struct comparison){apply, other});
        }
    }
    rivals_fini(&rivals);
    return r;
}

/* --- planning --- */

struct scale_view {
    const struct project *project;
    const struct project_spec *next; /* NULL: what is wanted now */
};

static uint32_t scale_of(void *arg, const struct service_spec *spec)
{
    const struct scale_view *view = arg;
    struct service *service =
        view->project ? service_find((struct project *)view->project, spec->name) : NULL;
    if (service && view->next && service->spec && service->spec->replicas != spec->replicas) {
        service = NULL; /* the file takes the field back */
    }
    return service_scale(service, spec);
}

static bool is_stopped(void *arg, const struct service_spec *spec)
{
    const struct scale_view *view = arg;
    const struct service *service =
        view->project ? service_find((struct project *)view->project, spec->name) : NULL;
    return service && service->stopped.set;
}

static void plan(struct apply *apply)
{
    struct project *project = target(apply);
    struct scale_view now = {project, NULL}, then = {project, apply->spec};
    apply->result.generation = project ? project->generation : 0;
    apply->result.plan = plan_make(&apply->arena, current(apply), apply->spec,
                                   (struct plan_scale){scale_of, &now, is_stopped},
                                   (struct plan_scale){scale_of, &then, NULL});
}

/* Nothing at all is different: no new generation, no event. */
static bool is_same(const struct apply *apply)
{
    const struct project_spec *spec = current(apply);
    return spec && spec->content_hash == apply->spec->content_hash;
}

/* The edge that runs keeps its threads: another number is for the next one. */
static void say_threads(struct apply *apply)
{
    const struct counters *counters = edge_link_counters(apply->run->core->edge);
    unsigned now = counters ? counters_serving(counters, NULL) : 0;
    unsigned wanted = publish_threads(apply->run, apply->spec);
    if (now == 0 || now == wanted) {
        return;
    }
    struct problem *problem = problem_list_add(&apply->result.warnings);
    problem_set(problem, "gateway.threads",
                "the edge serves with %u thread%s until its next start, then with %u", now,
                now == 1 ? "" : "s", wanted);
    (void)schema_where(apply->spec, problem, "/gateway/threads");
    problem->status = 200;
    problem_hint(
        problem,
        "to have it now: muelle upgrade, which replaces the edge without losing a request");
}

static void loaded(struct apply *apply)
{
    struct run *run = apply->run;
    str_copy(apply->result.project, sizeof(apply->result.project), apply->spec->name);
    int r = check_others(apply);
    if (apply->result.problems.count > 0) {
        finish(apply);
        return;
    }
    if (!apply->dry_run && is_same(apply)) { /* files that it names may have changed */
        renewal_take(run, target(apply), &apply->source->certificates);
        run->snapshot_dirty = true;
        reconcile_soon(run, target(apply));
    }
    plan(apply);
    say_threads(apply);
    r = r < 0 ? r : find_idle(apply);
    if (!apply->result.plan || r < 0) {
        refuse_error(apply, -ENOMEM);
    } else if (apply->result.problems.count > 0 || apply->dry_run) {
        finish(apply);
    } else if (is_same(apply)) {
        taken_wait(&apply->taken, run, served);
    } else if (follow_plan(&apply->follow, apply->result.plan) < 0) {
        refuse_error(apply, -ENOMEM);
    } else {
        apply->opened = true;
        run->opening++;
        if (listen_open(run, apply->spec, listening, apply) < 0) {
            refuse_error(apply, -ENOMEM);
        }
    }
}

/* --- loading --- */

static void work_run(struct work *work)
{
    struct apply *apply = container_of(work, struct apply, work);
    int64_t start = clock_mono_ns();
    apply->error = source_load(apply->source, false, &apply->result.problems,
                               &apply->result.warnings, &apply->spec);
    if (apply->error == 0) {
        const struct source_check check = {.spec = apply->spec,
                                           .state = str_from(apply->run->core->instance.state_dir),
                                           .problems = &apply->result.problems,
                                           .notices = &apply->result.warnings};
        apply->error = source_check(apply->source, &check);
    }
    if (apply->error == 0) {
        source_encode(apply->source, &apply->text);
        apply->error = buf_error(&apply->text);
    }
    apply->result.load_ns = clock_mono_ns() - start;
}

static void work_done(struct work *work)
{
    struct apply *apply = container_of(work, struct apply, work);
    if (apply->result.problems.count > 0) {
        finish(apply);
    } else if (apply->error != 0) {
        refuse_error(apply, apply->error);
    } else {
        loaded(apply);
    }
}

static void begin(struct loop_task *task)
{
    struct apply *apply = container_of(task, struct apply, begin);
    int r = apply->error;
    if (apply->result.problems.count > 0) {
        finish(apply); /* refused before it began */
        return;
    }
    apply->work.run = work_run;
    apply->work.done = work_done;
    r = r ? r : worker_submit(apply->run->core->workers, &apply->work);
    if (r < 0) {
        refuse_error(apply, r);
    }
}

/* Applies go one after the other: the first of the list is at work, or is begun now. */
static void begin_next(struct run *run)
{
    if (!run->started || list_empty(&run->applies)) {
        return;
    }
    struct apply *first = list_entry(run->applies.next, struct apply, node);
    if (!first->begun) {
        first->begun = true;
        loop_defer(run->core->loop, &first->begin);
    }
}

void apply_begin(struct run *run)
{
    begin_next(run);
}

static int copy_request(struct source *source, const struct run_apply *request)
{
    struct arena *arena = &source->arena;
    source->files = arena_array(arena, MAX(request->file_count, 1), sizeof(*source->files));
    source->profiles =
        arena_array(arena, MAX(request->profile_count, 1), sizeof(*source->profiles));
    source->env_files =
        arena_array(arena, MAX(request->env_file_count, 1), sizeof(*source->env_files));
    source->environment =
        arena_array(arena, MAX(request->environment_count, 1), sizeof(*source->environment));
    if (!source->files || !source->profiles || !source->env_files || !source->environment) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < request->file_count; i++) {
        source->files[source->file_count++] = arena_str(arena, request->files[i]);
    }
    for (size_t i = 0; i < request->profile_count; i++) {
        source->profiles[source->profile_count++] = arena_str(arena, request->profiles[i]);
    }
    for (size_t i = 0; i < request->env_file_count; i++) {
        source->env_files[source->env_file_count++] = arena_str(arena, request->env_files[i]);
    }
    for (size_t i = 0; i < request->environment_count; i++) {
        source->environment[source->environment_count++] =
            (struct spec_pair){arena_str(arena, request->environment[i].name),
                               arena_str(arena, request->environment[i].value)};
    }
    source->name = arena_str(arena, request->name);
    source->working_dir = arena_str(arena, request->working_dir);
    source->strict = request->strict;
    return arena->used > SOURCE_BYTES_MAX ? -E2BIG : arena->failed ? -ENOMEM : 0;
}

static struct apply *apply_new(struct run *run, const struct context *ctx,
                               void (*done)(void *arg, const struct run_applied *applied),
                               void *arg)
{
    struct apply *apply = calloc(1, sizeof(*apply));
    if (!apply) {
        return NULL;
    }
    apply->run = run;
    apply->ctx = *ctx;
    apply->done = done;
    apply->arg = arg;
    apply->arena = ARENA_INIT(PLAN_BYTES_MAX);
    apply->text = BUF_INIT(SOURCE_BYTES_MAX * 2);
    loop_task_init(&apply->begin, begin);
    size_t waiting = 0;
    list_for_each (it, &run->applies) {
        waiting++;
    }
    if (waiting >= APPLIES_MAX) {
        apply->error = -EBUSY;
    }
    list_push_back(&run->applies, &apply->node);
    return apply;
}

static void out_of_memory(void (*done)(void *arg, const struct run_applied *applied), void *arg)
{
    static struct run_applied none; /* large, and only here */
    none.problems.count = 0;
    problem_set(problem_list_add(&none.problems), "memory.out", "out of memory");
    none.problems.items[0].status = 503;
    done(arg, &none);
}

void run_apply(struct run *run, const struct context *ctx, const struct run_apply *request,
               void (*done)(void *arg, const struct run_applied *applied), void *arg)
{
    struct problem problem;
    struct apply *apply = apply_new(run, ctx, done, arg);
    if (!apply) {
        out_of_memory(done, arg);
        return;
    }
    apply->dry_run = request->dry_run;
    apply->only = arena_array(&apply->arena, MAX(request->service_count, 1), sizeof(*apply->only));
    for (size_t i = 0; apply->only && i < request->service_count; i++) {
        apply->only[apply->only_count++] = arena_str(&apply->arena, request->services[i]);
    }
    apply->error = apply->arena.failed ? -ENOMEM : apply->error;
    /* A dry run reads any file too, so it needs the same right. */
    if (!run_allowed(run, ctx, ACTION_APPLY, request->name, STR_NONE, &problem)) {
        *problem_list_add(&apply->result.problems) = problem;
    } else if (request->file_count == 0 || request->file_count > SOURCE_FILES_MAX) {
        problem_set(&problem, "apply.no-files", "no configuration file is named");
        problem.status = 400;
        *problem_list_add(&apply->result.problems) = problem;
    } else {
        apply->source = source_new();
        int r = apply->source ? copy_request(apply->source, request) : -ENOMEM;
        apply->error = apply->error ? apply->error : r;
    }
    begin_next(run);
}

static void reload_one(struct run *run, const struct context *ctx, struct project *project,
                       void (*done)(void *arg, const struct run_applied *applied), void *arg)
{
    struct apply *apply = apply_new(run, ctx, done, arg);
    if (!apply) {
        out_of_memory(done, arg);
        return;
    }
    apply->reload = true;
    apply->source = source_again(project->source);
    apply->error = apply->error ? apply->error : apply->source ? 0 : -ENOMEM;
    begin_next(run);
}

void run_reload(struct run *run, const struct context *ctx, struct str project,
                void (*done)(void *arg, const struct run_applied *applied), void *arg)
{
    struct problem problem;
    size_t found = 0;
    bool allowed = run_allowed(run, ctx, ACTION_OPERATE, project, STR_NONE, &problem);
    list_for_each (it, &run->projects) {
        struct project *each = list_entry(it, struct project, node);
        if (allowed && (project.len == 0 || str_is(project, each->name)) && !each->removing) {
            reload_one(run, ctx, each, done, arg);
            found++;
        }
    }
    if (found > 0) {
        return;
    }
    struct apply *apply = apply_new(run, ctx, done, arg);
    if (!apply) {
        out_of_memory(done, arg);
        return;
    }
    if (allowed) {
        problem_set(&problem, "project.unknown", "there is no project '" STR_FMT "'",
                    STR_ARG(project));
        problem.status = 404;
    }
    *problem_list_add(&apply->result.problems) = problem;
    begin_next(run);
}

void apply_fini(struct run *run)
{
    list_for_each_safe (it, &run->applies) {
        apply_free(list_entry(it, struct apply, node));
    }
}
