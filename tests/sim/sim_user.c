/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator. Writes a configuration, applies it, changes it, scales, stops, starts, restarts,
 * takes down; one operation at a time. For each value of each service it knows the set of
 * acceptable ones: exactly what was acknowledged, and also what was asked for when the core died
 * before it answered.
 */
#include "sim/sim.h"

#include "core/event.h"
#include "run/reads.h"
#include "run/run.h"

#include <stdio.h>

enum op_kind { OP_NONE, OP_APPLY, OP_SCALE, OP_STOP, OP_START, OP_RESTART, OP_RELOAD, OP_DOWN };

static struct sim_service services[SIM_SERVICES];

static struct {
    enum op_kind pending;
    unsigned service;
    int value;
    bool reset_scale[SIM_SERVICES]; /* this apply changes the file's number */
    bool edited[SIM_SERVICES];      /* this apply changes something of it */
    bool renewed[SIM_SERVICES];     /* and that is its command */
    uint32_t core_generation;
    bool project_maybe; /* there may be a project */
    int64_t asked;      /* the operation that is pending, or was the last */
    int64_t down_asked;
    struct {
        int version, replicas;
        bool present;
    } before[SIM_SERVICES]; /* the file as it was before this apply */
    unsigned writes;        /* of the file */
} user;

struct sim_service *sim_service(unsigned i)
{
    return &services[i];
}

struct sim_service *sim_service_named(const char *name)
{
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        if (strcmp(services[i].name, name) == 0) {
            return &services[i];
        }
    }
    return NULL;
}

bool sim_user_down(void)
{
    return user.down_asked > 0 && sim.now - user.down_asked < 60 * SIM_S;
}

bool sim_user_waits(const struct sim_service *service)
{
    return user.pending != OP_NONE && service->touched >= user.asked;
}

bool sim_set_has(const struct sim_set *set, int value)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (set->values[i] == value) {
            return true;
        }
    }
    return false;
}

static void set_to(struct sim_set *set, int value)
{
    set->count = 1;
    set->values[0] = value;
}

static void set_add(struct sim_set *set, int value)
{
    if (!sim_set_has(set, value) && set->count < SIM_VALUES) {
        set->values[set->count++] = value;
    }
}

/* `sure`: it happened; else it may have. */
static void change(struct sim_set *set, int value, bool sure)
{
    if (sure) {
        set_to(set, value);
    } else {
        set_add(set, value);
    }
}

/* --- the file --- */

static const char *const kinds[] = {
    [CHILD_GOOD] = "good",         [CHILD_CRASHER] = "crasher", [CHILD_ONESHOT] = "oneshot",
    [CHILD_STUBBORN] = "stubborn", [CHILD_FORKER] = "forker",   [CHILD_SICK] = "sick",
    [CHILD_SLOW] = "slow",
};
static const char *const restarts[] = {"\"no\"", "on-failure", "always"};

static void write_service(struct buf *out, const struct sim_service *s)
{
    buf_printf(out, "  %s:\n    command: %s v%d\n    working_dir: /cfg\n    restart: %s\n", s->name,
               kinds[s->kind], s->file_version, restarts[s->restart]);
    buf_printf(out, "    stop_grace_period: %llds\n    deploy: { replicas: %d }\n",
               (long long)(s->grace / SIM_S), s->file_replicas);
    if (s->probed) {
        buf_printf(out, "    healthcheck: { http: /h, interval: 1s, retries: 3 }\n");
    }
    if (s->routed) {
        buf_printf(out, "    routes: [ { host: %s.localhost }", s->name);
        for (unsigned i = user.writes % 3; i > 0; i--) { /* they come and go with each file */
            buf_printf(out, ", { host: %s.localhost, path: /%u }", s->name, user.writes + i);
        }
        buf_printf(out, " ]\n");
    }
    if (s->depends >= 0 && services[s->depends].present) {
        static const char *const conditions[] = {"service_started", "service_healthy",
                                                 "service_completed_successfully"};
        buf_printf(out, "    depends_on: { %s: { condition: %s, restart: %s } }\n",
                   services[s->depends].name, conditions[s->condition],
                   s->follows ? "true" : "false");
    }
}

static void write_file(void)
{
    struct buf out = BUF_INIT(64 * KIB);
    sim.plenty++;
    user.writes++;
    buf_printf(&out, "name: sim\ngateway: { listen: [ \"http://127.0.0.1:8080\" ] }\nservices:\n");
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        if (services[i].present) {
            write_service(&out, &services[i]);
        }
    }
    sim_file_put("/cfg/p.yaml", buf_str(&out));
    buf_fini(&out);
    sim.plenty--;
}

static void make_service(unsigned i)
{
    struct sim_service *s = &services[i];
    *s = (struct sim_service){.present = true, .depends = -1, .file_version = 1};
    snprintf(s->name, sizeof(s->name), "s%u", i);
    s->kind = (enum child_kind)rng_below(&sim.rng, CHILD_SLOW + 1);
    s->oneshot = s->kind == CHILD_ONESHOT;
    bool serves = !s->oneshot && s->kind != CHILD_CRASHER;
    s->routed = serves && sim_chance(700);
    s->probed = s->routed && sim_chance(600);
    s->routed = s->routed || (s->kind == CHILD_SICK);
    s->probed = s->probed || (s->kind == CHILD_SICK);
    s->restart = s->oneshot ? (int)rng_below(&sim.rng, 2) : sim_chance(250) ? 1 : 2;
    s->grace = SIM_S * sim_between(1, 3);
    s->file_replicas = s->oneshot ? 1 : (int)sim_between(1, 3);
    if (i > 0 && sim_chance(600)) {
        s->depends = (int)rng_below(&sim.rng, i);
        enum child_kind on = services[s->depends].kind;
        s->follows = sim_chance(500);
        s->condition = on == CHILD_ONESHOT                       ? 2
                       : on == CHILD_CRASHER || on == CHILD_SICK ? 0
                                                                 : (int)rng_below(&sim.rng, 2);
    }
    set_to(&s->here, 0);
    set_to(&s->version, 1);
    set_to(&s->scale, s->file_replicas);
    set_to(&s->stopped, 0);
}

/* --- effects --- */

static bool is_sure(const struct sim_set *set, int value)
{
    return set->count == 1 && set->values[0] == value;
}

/* Those that go along with service `i`, which is restarted or replaced: indexes are in the order of
 * dependencies. Who has a life may be asked to end it; if it is sure, nobody may forget to. */
static void touch_followers(unsigned i, bool sure)
{
    bool along[SIM_SERVICES] = {false};
    along[i] = true;
    for (unsigned k = i + 1; k < SIM_SERVICES; k++) {
        struct sim_service *s = &services[k];
        along[k] = s->follows && along[s->depends];
        if (!along[k]) {
            continue;
        }
        s->touched = sim.now;
        sure = sure && is_sure(&s->here, 1) && is_sure(&services[s->depends].here, 1) &&
               s->present && services[s->depends].present;
        s->restarted = sure ? user.asked : s->restarted;
    }
}

/* A new version of a service that was surely there: those that go along are restarted too. */
static void followed_effect(void)
{
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        const struct sim_service *s = &services[i];
        bool replaced = user.renewed[i] && s->version.count == 1 && is_sure(&s->here, 1);
        if (replaced && s->present && s->version.values[0] != s->file_version) {
            touch_followers(i, true);
        }
    }
}

static void applied_effect(bool sure)
{
    if (sure) {
        followed_effect();
    }
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        struct sim_service *s = &services[i];
        bool was_absent = s->here.count == 1 && s->here.values[0] == 0;
        bool maybe_absent = sim_set_has(&s->here, 0);
        bool on_edited = s->depends >= 0 && user.edited[s->depends];
        bool doubtful = maybe_absent || s->doubtful;
        s->doubtful = !sure && (s->doubtful || user.edited[i]);
        s->touched = user.edited[i] || on_edited || maybe_absent ? sim.now : s->touched;
        if (user.edited[i] || maybe_absent) {
            touch_followers(i, false);
        }
        if (!s->present) {
            change(&s->here, 0, sure);
            continue;
        }
        change(&s->version, s->file_version, sure);
        if (was_absent) {
            change(&s->scale, s->file_replicas, sure);
            change(&s->stopped, 0, sure);
        } else if (doubtful || user.reset_scale[i]) {
            change(&s->scale, s->file_replicas, sure && !doubtful);
            set_add(&s->stopped, maybe_absent ? 0 : s->stopped.values[0]);
        }
        change(&s->here, 1, sure);
    }
}

static void die_now(void *arg)
{
    if (sim_chance(300)) {
        sim_power_cut();
    } else {
        sim_core_kill(false);
    }
}

static void effect(bool sure)
{
    struct sim_service *s = &services[user.service];
    switch (user.pending) {
    case OP_APPLY:
    case OP_RELOAD:
        applied_effect(sure);
        break;
    case OP_SCALE:
        change(&s->scale, user.value, sure);
        break;
    case OP_STOP:
        change(&s->stopped, 1, sure);
        break;
    case OP_RESTART:
        s->restarted = sure ? user.asked : s->restarted;
        change(&s->stopped, 0, sure);
        touch_followers(user.service, sure && is_sure(&s->here, 1));
        break;
    case OP_START:
        change(&s->stopped, 0, sure);
        break;
    case OP_DOWN:
        for (unsigned i = 0; i < SIM_SERVICES; i++) {
            change(&services[i].here, 0, sure);
            services[i].touched = sim.now;
        }
        user.project_maybe = !sure;
        break;
    default:
        break;
    }
    if (user.pending != OP_APPLY && user.pending != OP_RELOAD) {
        s->touched = sim.now;
    }
    /* A restart takes a while: that is when the core is to die. */
    unsigned per_mille = user.pending == OP_RESTART ? 250 : 60;
    user.pending = OP_NONE;
    if (sure && !sim.healing && sim_chance(per_mille)) {
        sim_after(SIM_WORLD, sim_between(0, 5 * SIM_MS), die_now,
                  NULL); /* what was answered must survive */
    }
}

/* Only for want of memory, and then nothing has changed: the operator takes the edit back. */
static void refused(const char *what, const struct problem *problem)
{
    if (!sim_memory_was_short() || !strstr(problem->what, "memory")) {
        sim_fail("%s is refused: %s (%s)", what, problem->what, problem->where);
    }
    sim_trace("%s is refused: %s", what, problem->what);
    if (user.pending == OP_APPLY) {
        for (unsigned i = 0; i < SIM_SERVICES; i++) {
            services[i].file_version = user.before[i].version;
            services[i].file_replicas = user.before[i].replicas;
            services[i].present = user.before[i].present;
        }
        write_file();
    }
    user.pending = OP_NONE;
}

static void applied(void *arg, const struct run_applied *result)
{
    if (result->problems.count > 0) {
        const struct problem *problem = &result->problems.items[0];
        if (user.pending == OP_RELOAD && strcmp(problem->code, "project.unknown") == 0) {
            user.pending = OP_NONE;
            return;
        }
        refused("apply", problem);
        return;
    }
    sim_trace("apply acknowledged: generation %llu", (unsigned long long)result->generation);
    effect(true);
}

static void done(void *arg, const struct problem *problem)
{
    if (problem && problem->status != 404) {
        refused("operation", problem);
    } else if (problem) {
        user.pending = OP_NONE; /* no such service now: nothing was changed */
    } else {
        sim_trace("operation acknowledged");
        effect(true);
    }
}

/* --- operations --- */

static void edit_file(void)
{
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        struct sim_service *s = &services[i];
        unsigned dice = (unsigned)rng_below(&sim.rng, 100);
        user.before[i].version = s->file_version;
        user.before[i].replicas = s->file_replicas;
        user.before[i].present = s->present;
        user.reset_scale[i] = false;
        user.edited[i] = dice < 26;
        user.renewed[i] = dice < 15;
        if (dice < 15) {
            s->file_version++;
        } else if (dice < 22 && !s->oneshot) {
            int replicas = (int)sim_between(1, 3);
            user.reset_scale[i] = replicas != s->file_replicas;
            s->file_replicas = replicas;
        } else if (dice < 26 && i > 0) {
            s->present = !s->present;
        }
    }
    write_file();
}

static void ask_apply(struct run *run, const struct context *ctx)
{
    struct str files[] = {STR("/cfg/p.yaml")};
    run_apply(run, ctx,
              &(struct run_apply){.files = files, .file_count = 1, .working_dir = STR("/cfg")},
              applied, NULL);
}

/* What this apply may change: what was edited, now or in an apply that was never answered. */
static bool is_edited(unsigned i)
{
    const struct sim_service *s = &services[i];
    return user.edited[i] || s->doubtful || !is_sure(&s->version, s->file_version) ||
           !is_sure(&s->here, s->present);
}

static void touch_edited(void)
{
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        struct sim_service *s = &services[i];
        if (is_edited(i) || (s->depends >= 0 && is_edited((unsigned)s->depends))) {
            s->touched = sim.now;
        }
        if (is_edited(i)) {
            touch_followers(i, false);
        }
    }
}

static void ask(struct run *run, enum op_kind op)
{
    struct context ctx = context_system("operator");
    static const enum run_verb verbs[] = {[OP_SCALE] = RUN_SCALE,
                                          [OP_STOP] = RUN_STOP,
                                          [OP_START] = RUN_START,
                                          [OP_RESTART] = RUN_RESTART};
    struct run_done when = {done, NULL};
    user.pending = op;
    user.asked = sim.now;
    user.service = (unsigned)rng_below(&sim.rng, SIM_SERVICES);
    user.core_generation = sim.generation[SIM_CORE];
    struct sim_service *s = &services[user.service];
    user.value = s->oneshot ? 1 : (int)sim_between(0, 4);
    s->touched = op == OP_APPLY || op == OP_RELOAD ? s->touched : sim.now;
    sim_trace("operator: %s %s %d",
              (const char *const[]){"-", "apply", "scale", "stop", "start", "restart", "reload",
                                    "down"}[op],
              s->name, user.value);
    for (unsigned i = 0; op == OP_DOWN && i < SIM_SERVICES; i++) {
        services[i].touched = sim.now;
    }
    if (op == OP_RESTART) {
        touch_followers(user.service, false);
    }
    if (op == OP_APPLY) {
        edit_file();
        touch_edited();
        user.project_maybe = true;
        ask_apply(run, &ctx);
    } else if (op == OP_RELOAD) {
        memset(user.reset_scale, 0, sizeof(user.reset_scale));
        memset(user.edited, 0, sizeof(user.edited));
        memset(user.renewed, 0, sizeof(user.renewed));
        touch_edited();
        run_reload(run, &ctx, STR("sim"), applied, NULL);
    } else if (op == OP_DOWN) {
        user.down_asked = sim.now;
        run_down(run, &ctx, STR("sim"), false, when);
    } else {
        run_act(run, &ctx,
                &(struct run_act){.verb = verbs[op],
                                  .project = STR("sim"),
                                  .service = str_from(s->name),
                                  .replicas = (uint32_t)user.value},
                when);
    }
}

/* --- looking --- */

static void check_read(const char *what, int r, bool some)
{
    bool short_of_memory = r == -ENOMEM && sim_memory_was_short();
    if (r < 0 && !short_of_memory) {
        sim_fail("%s cannot be read: %s", what, strerror(-r));
    } else if (r == 0 && !some) {
        sim_fail("%s are read without an error, and are not there", what);
    }
}

static void events_read(void *arg, int error, const struct event *events, size_t count)
{
    check_read("events", error, events || count == 0);
}

/* What people and the dashboard ask for at any time. Nothing may come of it but an answer. */
static void look(struct run *run)
{
    struct context ctx = context_system("operator");
    struct bus_id all = bus_id_make(STR("default"), STR_NONE, STR_NONE, 0);
    struct bus_id one = bus_id_make(STR("default"), STR("sim"), STR("s0"), 0);
    struct arena arena = ARENA_INIT(MIB);
    struct buf text = BUF_INIT(MIB);
    struct project_status *projects = NULL;
    struct service_status *members = NULL;
    struct replica_status *replicas = NULL;
    struct route_status *routes = NULL;
    size_t count = 0;
    int r = run_projects(run, &ctx, &arena, &projects, &count);
    check_read("projects", r, projects || count == 0);
    r = run_services(run, &ctx, all, &arena, &members, &count);
    check_read("services", r, members || count == 0);
    r = run_replicas(run, &ctx, all, &arena, &replicas, &count);
    check_read("replicas", r, replicas || count == 0);
    r = run_routes(run, &ctx, STR_NONE, &arena, &routes, &count);
    check_read("routes", r, routes || count == 0);
    r = run_config(run, &ctx, STR("sim"), sim_chance(500), &text);
    check_read("the configuration", r, text.len > 0 || buf_error(&text));
    buf_reset(&text);
    r = run_service_spec(run, &ctx, one, &text);
    check_read("a specification", r, text.len > 0 || buf_error(&text));
    buf_fini(&text);
    arena_fini(&arena);
    event_list(sim.core, &(struct event_query){.limit = 20}, events_read, NULL);
}

static void operate(void *arg)
{
    if (sim.now > SIM_FAULT_S * SIM_S) {
        return;
    }
    sim_after(SIM_WORLD, sim_between(300 * SIM_MS, 9 * SIM_S), operate, NULL);
    struct run *run = sim.core && sim.ready_seen ? run_get(sim.core) : NULL;
    if (!run || user.pending != OP_NONE) {
        return;
    }
    look(run);
    unsigned dice = (unsigned)rng_below(&sim.rng, 100);
    enum op_kind op = !user.project_maybe || dice < 40 ? OP_APPLY
                      : dice < 58                      ? OP_SCALE
                      : dice < 66                      ? OP_STOP
                      : dice < 76                      ? OP_START
                      : dice < 90                      ? OP_RESTART
                      : dice < 96                      ? OP_RELOAD
                                                       : OP_DOWN;
    ask(run, op);
    sim_core_turn();
}

void sim_user_core_died(void)
{
    if (user.pending != OP_NONE) {
        effect(false);
    }
}

void sim_user_init(void)
{
    memset(&user, 0, sizeof(user));
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        make_service(i);
    }
    write_file();
    sim_after(SIM_WORLD, 500 * SIM_MS, operate, NULL);
}
