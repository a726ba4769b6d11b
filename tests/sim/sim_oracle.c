/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold. Some things at every moment (never two processes of one replica, never a signal
 * to one that gets requests, back-off kept …), the rest when faults have stopped and time has
 * passed: what runs is what was last acknowledged, no more and no less.
 */
#include "sim/sim.h"

#include "link/snapshot_types.h"
#include "run/graph.h"
#include "run/model.h"
#include "run/project.h"
#include "run/publish.h"

#include <stdio.h>

enum { IDS_MAX = 256 };

/* What is remembered of an id over its lives. */
struct memory {
    char id[220];
    int64_t started, ended;
    bool ended_by_itself;
    bool crashed; /* the same, whether the core knows it or not */
    bool success;
    bool listened;
    unsigned failures;
    uint32_t core_generation;
    uint32_t restarts, restarts_before; /* as the core said; the second: a while ago */
    int64_t restarts_at;
    char version[16];
    int64_t retry; /* as a core that died had decided; 0 = nothing */
};

static struct memory memories[IDS_MAX];
static uint64_t event_seen;

static struct memory *remember(const char *id)
{
    for (size_t i = 0; i < IDS_MAX; i++) {
        if (memories[i].id[0] == '\0') {
            str_copy(memories[i].id, sizeof(memories[i].id), str_from(id));
        }
        if (strcmp(memories[i].id, id) == 0) {
            return &memories[i];
        }
    }
    ensure(!"too many ids");
    return NULL;
}

void oracle_reset(void)
{
    memset(memories, 0, sizeof(memories));
    event_seen = 0;
}

static bool core_was_down_since(int64_t time)
{
    return sim.core_down_ns >= time;
}

static bool touched_since(const struct child *child, int64_t time)
{
    const struct sim_service *service = sim_service_named(child->service);
    return !service || service->touched >= time;
}

/* --- starts --- */

static void check_ports(const struct child *child)
{
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        const struct child *other = sim_child_at(i);
        if (other != child && other->used && other->alive && other->port == child->port) {
            sim_fail("%s and %s are given the same port %u", child->id, other->id, child->port);
        }
    }
}

/* What it goes along with began or ended a process since: it may be restarted after that. */
static bool may_follow_since(const struct child *child, int64_t time)
{
    const struct sim_service *service = sim_service_named(child->service);
    char on[64] = "-";
    if (service && service->follows) {
        snprintf(on, sizeof(on), "default/sim/%s/", sim_service((unsigned)service->depends)->name);
    }
    for (size_t i = 0; i < IDS_MAX; i++) {
        const struct memory *memory = &memories[i];
        bool other = str_starts(str_from(memory->id), str_from(on));
        if (other && MAX(memory->started, memory->ended) > time) {
            return true;
        }
    }
    return false;
}

static void check_backoff(const struct child *child, struct memory *memory)
{
    bool same = memory->core_generation == child->core_generation &&
                !touched_since(child, memory->started - SIM_S) &&
                !may_follow_since(child, memory->started) && memory->ended_by_itself;
    if (!same || memory->ended == 0) {
        memory->failures = 0;
        return;
    }
    bool long_life = memory->ended - memory->started >= 60 * SIM_S;
    memory->failures = long_life ? 0 : memory->failures + 1;
    if (memory->failures < 2) {
        return;
    }
    int64_t least = 100 * SIM_MS;
    for (unsigned i = 2; i < memory->failures && least < 30 * SIM_S; i++) {
        least *= 2;
    }
    least = MIN(least, 30 * SIM_S) * 75 / 100;
    if (sim.now - memory->ended < least - 25 * SIM_MS) {
        sim_fail("%s is started again after %lld ms; at least %lld ms were due", child->id,
                 (long long)((sim.now - memory->ended) / SIM_MS), (long long)(least / SIM_MS));
    }
}

/* A core's death is no reason to try again sooner. */
static void check_kept_backoff(const struct child *child, struct memory *memory)
{
    bool same = strcmp(memory->version, child->version) == 0; /* a new one need not wait */
    if (same && memory->retry > sim.now + 25 * SIM_MS && !touched_since(child, memory->started) &&
        !may_follow_since(child, memory->started)) {
        sim_fail(
            "%s is started again %lld ms before the end of the back-off that a former core decided",
            child->id, (long long)((memory->retry - sim.now) / SIM_MS));
    }
    memory->retry = 0;
}

/* Right after the first apply nothing else has happened: the strictest look at the order. */
static void check_first_order(const struct child *child, const struct memory *memory)
{
    const struct sim_service *service = sim_service_named(child->service);
    if (!service || service->depends < 0 || memory->started > 0 || sim.now > 5 * SIM_S) {
        return;
    }
    const struct sim_service *on = sim_service((unsigned)service->depends);
    bool found = false;
    for (size_t i = 0; i < IDS_MAX && memories[i].id[0]; i++) {
        const struct memory *other = &memories[i];
        struct str rest = str_skip(str_from(other->id), strlen("default/sim/"));
        bool of = other->started > 0 && str_starts(rest, str_from(on->name));
        bool met = service->condition == 2                 ? other->ended > 0 && other->success
                   : service->condition == 1 && on->routed ? other->listened
                                                           : true;
        found = found || (of && met);
    }
    if (!found && on->present) {
        sim_fail("%s is started before %s is %s", child->id, on->name,
                 graph_condition_name(service->condition));
    }
}

/* A task that is done is not done again, whatever died meanwhile: the store knows of its end, or
 * else the keeper still does. */
static void check_done(const struct child *child, const struct memory *memory)
{
    const struct sim_service *service = sim_service_named(child->service);
    bool certain = sim.keeper_down_ns < memory->started && !touched_since(child, memory->started);
    if (service && service->oneshot && certain && memory->ended > 0 && memory->crashed &&
        memory->success) {
        sim_fail("%s is started again although it completed", child->id);
    }
}

void oracle_spawn(struct child *child, struct child *before)
{
    struct memory *memory = remember(child->id);
    if (before->used && (before->alive || !before->empty)) {
        sim_fail("%s is started while its %s still runs", child->id,
                 before->alive ? "process" : "tree");
        return;
    }
    check_ports(child);
    check_backoff(child, memory);
    check_kept_backoff(child, memory);
    check_first_order(child, memory);
    check_done(child, memory);
    child->again = memory->crashed;
    str_copy(memory->version, sizeof(memory->version), str_from(child->version));
    memory->started = sim.now;
    memory->ended = 0;
    memory->core_generation = child->core_generation;
}

void oracle_listens(const struct child *child)
{
    remember(child->id)->listened = true;
}

void oracle_exit(struct child *child)
{
    struct memory *memory = remember(child->id);
    memory->ended = sim.now;
    memory->ended_by_itself = !child->signalled;
    memory->crashed = !child->signalled;
    memory->success = child->exit.known && !child->exit.signaled && child->exit.code == 0;
    if (core_was_down_since(memory->started) || sim.keeper_down_ns >= memory->started) {
        memory->ended_by_itself = false; /* what the core learned of it, and when, is not certain */
    }
}

/* --- stops --- */

struct deadline {
    int pid;
    int64_t from;
    char id[220];
};

static struct deadline deadlines[IDS_MAX];
static unsigned deadline_next;

static void stop_due(void *arg)
{
    struct deadline *d = arg;
    /* A core that died with the signal under way did not see it through. */
    if (core_was_down_since(d->from - 100 * SIM_MS) || sim.keeper_down_ns >= d->from) {
        return;
    }
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        const struct child *child = sim_child_at(i);
        if (child->used && child->pid == d->pid && (child->alive || child->orphans)) {
            sim_fail("%s (pid %d) still lives %lld ms after its stop signal", d->id, d->pid,
                     (long long)((sim.now - d->from) / SIM_MS));
        }
    }
}

static struct child *sibling(const struct child *child)
{
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        struct child *other = sim_child_at(i);
        if (other->used && other->alive && other != child && other->number == child->number &&
            other->slot != child->slot && strcmp(other->service, child->service) == 0) {
            return other;
        }
    }
    return NULL;
}

static void check_sibling(const struct child *child)
{
    const struct child *other = sibling(child);
    const struct sim_service *service = sim_service_named(child->service);
    bool replaced = other && service && service->present && !service->oneshot &&
                    other->started > child->started;
    if (replaced && !remember(other->id)->listened && service->stopped.count == 1 &&
        service->stopped.values[0] == 0 && service->scale.count == 1 &&
        (int)child->number <= service->scale.values[0] && !core_was_down_since(child->started) &&
        !sim_user_down()) {
        sim_fail("%s is stopped before its replacement %s is ready", child->id, other->id);
    }
}

static void check_stop_order(const struct child *child)
{
    const struct sim_service *service = sim_service_named(child->service);
    if (!service || child->was_sick || !sim_user_down() ||
        core_was_down_since(sim.now - 60 * SIM_S) || service->here.count != 1 ||
        service->here.values[0] != 0) {
        return;
    }
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        const struct child *other = sim_child_at(i);
        const struct sim_service *needs =
            other->used && other->alive ? sim_service_named(other->service) : NULL;
        if (needs && needs->depends >= 0 && sim_service((unsigned)needs->depends) == service &&
            needs->present && needs->here.count == 1 && needs->here.values[0] == 0) {
            sim_fail("%s is stopped while %s, which needs it, still runs", child->id, other->id);
        }
    }
}

/* A stopped service goes on, and is started again when it ends, until those that need it have
 * gone. */
static bool may_be_ended(const struct sim_service *service)
{
    return sim_set_has(&service->stopped, 1) || sim_set_has(&service->scale, 0) ||
           sim_set_has(&service->here, 0);
}

/* What was started after the last operation is what that asked for: to stop it again is to do the
 * operation twice, whoever died in between. */
static void check_twice(const struct child *child)
{
    const struct sim_service *service = sim_service_named(child->service);
    bool calm = service && service->present && !service->probed && !child->was_sick &&
                child->kind != CHILD_SLOW && !sim_user_down() && !sim_user_waits(service) &&
                !may_be_ended(service);
    if (calm && service->touched <= child->asked && !child->again &&
        !may_follow_since(child, child->started)) {
        sim_fail("%s (pid %d) is stopped although the last operation had asked for it", child->id,
                 child->pid);
    }
}

void oracle_signal(struct child *child)
{
    const struct sim_service *service = sim_service_named(child->service);
    if (sim_edge_state(child->port) == SNAPSHOT_ENDPOINT_READY) {
        sim_fail("%s is signalled while the edge still sends it requests", child->id);
    }
    check_sibling(child);
    check_stop_order(child);
    check_twice(child);
    /* A replacement may have waited long for a dependency: it excuses itself. */
    if (service && !sibling(child) && !child->was_sick && child->kind != CHILD_SLOW &&
        !may_follow_since(child, child->started) &&
        service->touched < child->started - 10 * SIM_S &&
        !core_was_down_since(child->started - 10 * SIM_S) && !service->probed && service->present) {
        sim_fail("%s is stopped although nothing about it was changed", child->id);
    }
    struct deadline *d = &deadlines[deadline_next++ % IDS_MAX];
    *d = (struct deadline){child->pid, sim.now, {0}};
    str_copy(d->id, sizeof(d->id), str_from(child->id));
    sim_after(SIM_WORLD, (service ? service->grace : 10 * SIM_S) + 2500 * SIM_MS, stop_due, d);
}

void oracle_kill(struct child *child)
{
    if (child->alive && !child->signalled && !sim_user_down()) {
        const struct sim_service *service = sim_service_named(child->service);
        bool gone = !service || sim_set_has(&service->here, 0);
        if (!gone) {
            sim_fail("%s (pid %d) is killed without having been asked to stop", child->id,
                     child->pid);
        }
    }
}

/* --- readiness --- */

void oracle_ready(uint16_t port)
{
    const struct child *child = sim_child_by_port(port);
    const struct sim_service *service = child ? sim_service_named(child->service) : NULL;
    if (service && service->routed && !child->has_listened &&
        !core_was_down_since(child->started)) {
        sim_fail("%s gets requests before it listens", child->id);
    }
}

static void sick_due(void *arg)
{
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        const struct child *child = sim_child_at(i);
        if (child->used && child->alive && child->pid == (int)(intptr_t)arg && child->sick &&
            sim_edge_state(child->port) == SNAPSHOT_ENDPOINT_READY && sim.core &&
            sim.now - sim.core_down_ns > 15 * SIM_S && sim.now - sim.keeper_down_ns > 5 * SIM_S) {
            sim_fail("%s gets requests although its probe has failed for long", child->id);
        }
    }
}

void oracle_sick(struct child *child)
{
    sim_after(SIM_WORLD, 8 * SIM_S, sick_due, (void *)(intptr_t)child->pid);
}

/* --- the core's own view --- */

static struct replica *each_replica(struct run *run, unsigned index)
{
    list_for_each (p, &run->projects) {
        list_for_each (s, &list_entry(p, struct project, node)->services) {
            list_for_each (r, &list_entry(s, struct service, node)->members) {
                if (index-- == 0) {
                    return list_entry(r, struct replica, node);
                }
            }
        }
    }
    return NULL;
}

static struct run *run_now(void)
{
    struct run *run = sim.core && sim.ready_seen ? run_get(sim.core) : NULL;
    return run && run->started ? run : NULL;
}

void oracle_tick(void)
{
    struct run *run = run_now();
    const struct replica *replica;
    for (unsigned i = 0; run && (replica = each_replica(run, i)); i++) {
        struct memory *memory = remember(replica->id);
        if (sim.now - memory->restarts_at > 3 * SIM_S && list_empty(&replica->saves)) {
            memory->restarts_before = memory->restarts;
            memory->restarts = replica->sm.restarts;
            memory->restarts_at = sim.now;
        }
    }
}

static struct child *child_of(const struct replica *replica)
{
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        struct child *child = sim_child_at(i);
        if (child->used && strcmp(child->id, replica->id) == 0) {
            return child;
        }
    }
    return NULL;
}

/* An older process than the restart that was acknowledged goes on, and nobody means to end it. */
static void check_restart_known(const struct replica *replica)
{
    const struct sim_service *service = sim_service_named(replica->service->name);
    const struct child *child = child_of(replica);
    bool calm = replica->sm.state == REPLICA_RUNNING && !replica->retiring && !replica->doomed;
    if (service && calm && child && child->alive && child->started < service->restarted &&
        !replica->restart_due && !replica->follow_due && !replica_outdated(replica)) {
        sim_fail("%s: a restart that was acknowledged is forgotten with the core", replica->id);
    }
}

void oracle_core_ready(void)
{
    struct run *run = run_now();
    const struct replica *replica;
    if (!run) {
        return;
    }
    if (event_seq_last(sim.core) < event_seen) {
        sim_fail("event %llu was shown, but the store ends at %llu", (unsigned long long)event_seen,
                 (unsigned long long)event_seq_last(sim.core));
    }
    for (unsigned i = 0; (replica = each_replica(run, i)); i++) {
        struct memory *memory = remember(replica->id);
        const struct sim_service *service = sim_service_named(replica->service->name);
        check_restart_known(replica);
        bool settled =
            service && service->touched < sim.core_down_ns - 20 * SIM_S && !replica->retiring;
        if (settled && replica->slot == 0 && replica->sm.restarts < memory->restarts_before &&
            replica->sm.alive) {
            sim_fail("%s has forgotten its restarts: %u, before the crash %u", replica->id,
                     replica->sm.restarts, memory->restarts_before);
        }
    }
}

void oracle_event(uint64_t seq)
{
    event_seen = MAX(event_seen, seq);
}

/* What the store has had time to learn. */
void oracle_core_died(void)
{
    struct run *run = run_now();
    const struct replica *replica;
    for (unsigned i = 0; run && (replica = each_replica(run, i)); i++) {
        struct memory *memory = remember(replica->id);
        bool stored = memory->ended > 0 && list_empty(&replica->saves) && !replica->unsaved;
        if (replica->sm.state == REPLICA_CRASHED && replica->sm.retry_ns < INT64_MAX && stored) {
            memory->retry = replica->sm.retry_ns;
        }
    }
}

/* --- the end --- */

static void final_service(struct sim_service *s)
{
    unsigned alive = 0, leftovers = 0;
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        const struct child *child = sim_child_at(i);
        if (!child->used || strcmp(child->service, s->name) != 0) {
            continue;
        }
        alive += child->alive;
        leftovers += !child->alive && child->orphans > 0;
        int version = child->version[1] - '0';
        for (size_t k = 2; child->version[k]; k++) {
            version = version * 10 + child->version[k] - '0';
        }
        if (child->alive && child->started < s->restarted) {
            sim_fail("%s has not been restarted, although that was acknowledged", child->id);
        }
        if (child->alive && !sim_set_has(&s->version, version)) {
            sim_fail("%s runs version %d, which was not the last one applied", child->id, version);
        }
    }
    if (leftovers) {
        sim_fail("%s: processes are left behind", s->name);
    }
    bool may_be_none =
        s->oneshot || sim_set_has(&s->here, 0) || sim_set_has(&s->stopped, 1) || s->restart == 0;
    if (alive == 0 && may_be_none) {
        return;
    }
    bool must_be_none = !sim_set_has(&s->here, 1) || !sim_set_has(&s->stopped, 0);
    if (must_be_none || (s->oneshot && alive > 0) || !sim_set_has(&s->scale, (int)alive)) {
        sim_fail("%s: %u processes run; asked for: %d%s%s", s->name, alive, s->scale.values[0],
                 s->scale.count > 1 ? " (or else)" : "",
                 must_be_none ? ", stopped or removed" : "");
    }
}

static bool dependency_blocks(const struct sim_service *s)
{
    if (s->depends < 0) {
        return false;
    }
    const struct sim_service *on = sim_service((unsigned)s->depends);
    /* A task that was hit by a fault has failed, and nobody started it again. */
    bool never = (on->oneshot && s->condition == 2) || sim_set_has(&on->stopped, 1) ||
                 sim_set_has(&on->here, 0) || sim_set_has(&on->scale, 0) || dependency_blocks(on);
    return never;
}

static void final_replica(struct replica *replica)
{
    const struct child *child = child_of(replica);
    uint8_t state = replica->sm.state;
    if (state == REPLICA_STOPPING || state == REPLICA_STARTING || state == REPLICA_UNHEALTHY) {
        sim_fail("%s is still %s (%s; listens %d, sick %d, edge %d)", replica->id,
                 sm_name(&replica_machine, state), replica->reason, child && child->listening,
                 child && child->sick, sim_edge_state(replica->port));
    } else if ((state == REPLICA_RUNNING) != (child && child->alive)) {
        sim_fail("%s is %s, and its process %s", replica->id, sm_name(&replica_machine, state),
                 child && child->alive ? "runs" : "does not run");
    } else if (state == REPLICA_RUNNING && replica->pid != child->pid) {
        sim_fail("%s: pid %d is shown, %d runs", replica->id, replica->pid, child->pid);
    }
    bool ready = sim_edge_state(replica->port) == SNAPSHOT_ENDPOINT_READY;
    if (state == REPLICA_RUNNING && replica->spec->routes_count > 0 && !ready) {
        sim_fail("%s is ready, and the edge does not know", replica->id);
    }
}

/* What the edge was told by snapshots and deltas is what the files say. */
static void final_routes(struct run *run)
{
    unsigned count = 0;
    list_for_each (it, &run->projects) {
        list_for_each (at, &list_entry(it, struct project, node)->services) {
            const struct service *service = list_entry(at, struct service, node);
            for (size_t i = 0; !service->removing && i < service->spec->routes_count; i++) {
                const struct route_spec *route = &service->spec->routes[i];
                count++;
                if (sim_edge_route(publish_route_id(service, route)) != service->id) {
                    sim_fail("the edge does not know the route " STR_FMT STR_FMT " of %s",
                             STR_ARG(route->host), STR_ARG(route->path), service->name);
                }
            }
        }
    }
    if (count != sim_edge_routes()) {
        sim_fail("the edge knows %u routes, the files say %u", sim_edge_routes(), count);
    }
}

void oracle_final(void)
{
    struct run *run = run_now();
    struct replica *replica;
    if (!run) {
        sim_fail("no core is there at the end");
        return;
    }
    for (unsigned i = 0; i < SIM_SERVICES; i++) {
        if (!dependency_blocks(sim_service(i))) {
            final_service(sim_service(i));
        }
    }
    for (unsigned i = 0; (replica = each_replica(run, i)); i++) {
        final_replica(replica);
    }
    final_routes(run);
    for (unsigned i = 0; i < SIM_CHILDREN_MAX; i++) {
        const struct child *child = sim_child_at(i);
        if (child->used && (child->alive || child->orphans) &&
            !replica_by_id(run, str_from(child->id))) {
            sim_fail("%s runs, and nobody knows it", child->id);
        }
    }
    uint16_t port;
    for (unsigned i = 0; sim_edge_ready_at(i, &port); i++) {
        if (!sim_child_by_port(port)) {
            sim_fail("the edge sends requests to port %u, where nothing runs", port);
        }
    }
}
