/* SPDX-License-Identifier: Apache-2.0
 *
 * A core that starts finds three things: what was applied (the store), what is alive (the keeper's
 * children), and what the edge knows (shared memory). Here they become one picture, before anything
 * is decided:
 *
 *   store → projects, overrides, replicas as rows        children of the keeper → strays
 *                    └───────────── joined by id ───────────────┘
 *   row and living child   goes on with the same pid, restarts and state kept
 *   row and ended child    the exit is handled as if it had just happened
 *   row without a child    completed and stopped stay so, anything else is started again
 *   child without a row    its row was not committed any more: in the other slot of a known replica
 *                          one of the two is being replaced; stopped if nobody wants it
 *
 * The same join runs again whenever a new keeper took over, so exits that nobody heard of are
 * noticed.
 */
#include "run/adopt.h"
#include "base/encode.h"
#include "base/json.h"
#include "core/mutate.h"
#include "link/snapshot.h"
#include "os/proc.h"
#include "os/rolelog.h"
#include "run/act.h"
#include "run/apply.h"
#include "run/certificates_former.h"
#include "run/exec.h"
#include "run/follow.h"
#include "run/graph.h"
#include "run/health.h"
#include "run/life.h"
#include "run/listen.h"
#include "run/model.h"
#include "run/port.h"
#include "run/project.h"
#include "run/reconcile.h"
#include "run/shortage.h"
#include "run/socket.h"
#include "schema/load.h"
#include "store/store.h"
#include "store/tables.h"

#include <stdio.h>
#include <stdlib.h>

enum { STRAYS_MAX = KEEPER_CHILDREN_MAX, FAILURES_MAX = 1000000 };
#define TICK_NS (10 * NS_PER_MS) /* USER_HZ is 100 on every architecture that Debian has */

/* A child as the keeper told it. */
struct stray {
    struct list node;
    struct run *run;
    char id[KEEPER_NAME_MAX];
    int pid;
    bool running, empty, oom;
    struct proc_exit exit;
    uint64_t spec_hash, start_time;
    uint16_t port;
    bool told;   /* the keeper knows it */
    bool killed; /* a stale one that was told to go */
    struct keeper_request request;
};

/* --- strays --- */

static void stray_free(struct stray *stray)
{
    map_take(&stray->run->children, str_from(stray->id));
    if (stray->request.serial != 0) {
        keeper_client_cancel(stray->run->core->keeper, &stray->request);
    }
    list_del(&stray->node);
    free(stray);
}

static void stray_update(struct stray *stray, const struct keeper_child *child)
{
    stray->pid = child->proc.pid;
    stray->start_time = child->proc.start_time;
    stray->running = child->running;
    stray->empty = child->empty;
    stray->oom = child->oom;
    stray->exit = child->exit;
    stray->spec_hash = child->spec_hash;
    stray->port = child->ports[0];
}

static void on_child(void *arg, const struct keeper_child *child)
{
    struct run *run = arg;
    struct stray *stray = map_get(&run->children, child->id);
    if (!stray) {
        stray = calloc(1, sizeof(*stray));
        if (!stray || !str_copy(stray->id, sizeof(stray->id), child->id) ||
            map_put(&run->children, str_from(stray->id), stray) < 0) {
            free(stray);
            shortage_give_up(run, "what runs cannot be taken in", -ENOMEM);
            return;
        }
        stray->run = run;
        list_push_back(&run->strays, &stray->node);
    }
    stray->told = true;
    stray_update(stray, child);
}

static void forget_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                            int *fd)
{
    struct stray *stray = container_of(request, struct stray, request);
    struct run *run = stray->run;
    stray_free(stray);
    list_for_each (it, &run->projects) {
        reconcile_soon(run, list_entry(it, struct project, node)); /* its name is free again */
    }
}

static void kill_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                          int *fd)
{
}

/* Nobody wants it: out with its whole tree, then with its record. */
static void stray_end(struct stray *stray)
{
    struct keeper_client *keeper = stray->run->core->keeper;
    if (stray->empty && !stray->running) {
        if (stray->request.serial != 0) {
            keeper_client_cancel(keeper, &stray->request);
        }
        stray->request.answered = forget_answered;
        keeper_client_forget(keeper, &stray->request, str_from(stray->id));
    } else if (!stray->killed) {
        stray->killed = true;
        stray->request.answered = kill_answered;
        keeper_client_kill_tree(keeper, &stray->request, str_from(stray->id));
    }
}

/* --- joining --- */

/* From the kernel's ticks since boot, for one whose row was never committed. */
static int64_t started_wall(const struct run *run, const struct stray *stray)
{
    int64_t since_boot = (int64_t)MIN(stray->start_time, (uint64_t)INT64_MAX / TICK_NS) * TICK_NS;
    int64_t age = core_now(run->core) - since_boot;
    return core_wall(run->core) - (stray->start_time && age > 0 ? age : 0);
}

/* Its process was started before that of the stray; not if it was still to come, or never came. */
static bool is_older(struct run *run, const struct replica *replica, const struct stray *stray)
{
    const struct stray *own = map_get(&run->children, str_from(replica->id));
    uint64_t start_time = own ? own->start_time : replica->start_time;
    bool came = replica->stored != REPLICA_PENDING && replica->stored != REPLICA_STARTING;
    int64_t wall = replica->started_wall_ns; /* of its last process, if the keeper has none of it */
    bool before = came && wall > 0 && wall < started_wall(run, stray);
    return (start_time > 0 ? start_time < stray->start_time : before) && !MUTATE(restart_twice);
}

/* Ended before its first row was committed: it has had its life, and a task is not done twice. One
 * that was killed may be a stale one that a former core ended. */
static bool has_ended(const struct service *service, uint32_t number, const struct stray *stray)
{
    return !stray->running && stray->exit.known && !stray->exit.signaled &&
           stray->spec_hash == service->spec->spec_hash && number <= service_wanted(service);
}

/* Serves until its replacement is ready. What it was started with nobody knows any more: when it
 * ends by itself, it is not started again. */
static void retire(struct replica *replica)
{
    replica->retiring = true;
    replica->policy.restart = REPLICA_RESTART_NO;
}

/* Of two the one without a row. One that is to stay was started for what was asked last; but one
 * that had been retired and came back from a crash, in front of that, has still to obey. */
static void obey_unknown(struct run *run, struct replica *replica, const struct replica *other,
                         const struct stray *stray)
{
    struct service *service = replica->service;
    if (other && started_wall(run, stray) + TICK_NS < service->restarted_wall_ns) {
        replica->act_seen = other->act_seen;
        service_obey(service, replica, REPLICA_STARTING);
    } else {
        service_obeyed(service, replica); /* the other one sees to what is left to do */
    }
}

/* A child that no row tells of: in the other slot of a replica that is there one of the two is
 * being replaced. NULL: nobody wants it. */
static struct replica *make_unknown(struct run *run, const struct stray *stray)
{
    struct str parts[4], rest = str_from(stray->id);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        str_split(rest, '/', &parts[i], &rest);
    }
    uint64_t number = 0;
    bool second = str_ends(parts[3], STR(".b"));
    struct str digits = second ? str_slice(parts[3], 0, parts[3].len - 2) : parts[3];
    struct project *project = project_find(run, parts[0], parts[1]);
    struct service *service = project ? service_find(project, parts[2]) : NULL;
    if (!service || rest.len > 0 || num_parse_u64(digits, &number) < 0 || number == 0 ||
        number > RUN_REPLICAS_MAX) {
        return NULL;
    }
    struct replica *other = replica_current(service, (uint32_t)number);
    if (!stray->running && (other || !has_ended(service, (uint32_t)number, stray))) {
        return NULL;
    }
    struct replica *replica = replica_new(run, service, (uint32_t)number, second ? 1 : 0);
    if (!replica) {
        shortage_give_up(run, "what runs cannot be taken in", -ENOMEM);
    } else {
        /* Of the two the one with today's spec stays; if both have it, the one that the kernel
         * started later: a replacement whose row was not committed any more. */
        bool newer = other && stray->spec_hash == service->spec->spec_hash &&
                     (replica_outdated(other) || is_older(run, other, stray));
        if (newer) {
            retire(other);
            replica->sm.restarts = other->sm.restarts; /* to people it is the same replica */
        } else if (other) {
            retire(replica);
        }
        obey_unknown(run, replica, newer ? other : NULL, stray);
        follow_look(replica, REPLICA_STARTING);
        replica->later = !replica->retiring;
        replica->stored = REPLICA_STARTING; /* its probe says at once if it is more */
    }
    return replica;
}

static int64_t mono_of(const struct run *run, int64_t wall_ns)
{
    int64_t now = core_now(run->core);
    int64_t age = core_wall(run->core) - wall_ns;
    return wall_ns > 0 && age > 0 ? MAX(now - age, 1) : now;
}

static bool is_wanted(const struct replica *replica)
{
    return !replica->retiring && !replica->doomed &&
           replica->number <= service_wanted(replica->service);
}

/* The socket that it was handed is to be kept for it. */
static void adopt_socket(struct run *run, struct replica *replica)
{
    const struct service_spec *spec = replica->spec;
    char address[SOCKET_ADDRESS_SIZE];
    socket_address(run, replica, address);
    if (spec->traffic.socket == SOCKET_LISTEN_FDS) {
        (void)!listen_reserve(run, address, replica->service->id);
    } else if (spec->listen_fds && listen_reserve(run, address, replica->service->id) == 0) {
        replica->service->listen_port = replica->port;
    }
}

static void take_up(struct run *run, struct replica *replica, const struct stray *stray)
{
    if (replica->pid != stray->pid) {
        /* Not the process that the row tells of: a later one, whose row was not committed any more.
         * Commits keep their order, so it is also later than every act that was committed. */
        if (replica->stored != REPLICA_STARTING) {
            replica->later = true;
            service_obeyed(replica->service, replica);
        }
        replica->stored = REPLICA_STARTING;
        replica->started_wall_ns = 0;
    }
    if (!stray->running && !is_wanted(replica)) {
        replica->stored = REPLICA_STOPPING; /* it was asked to, or would have been: no new life */
    }
    replica->pid = stray->running ? stray->pid : 0;
    replica->port = stray->port;
    replica->spec_hash = stray->spec_hash;
    replica->start_time = stray->start_time;
    replica->output_open = true;
    if (replica->started_wall_ns == 0) {
        /* The end of its tick: no probe of the process before may count as its own. */
        int64_t end = started_wall(run, stray) + TICK_NS, now = core_wall(run->core);
        replica->started_wall_ns = MIN(end, now);
    }
    port_mark(run, replica->port);
    adopt_socket(run, replica);
    uint32_t actions = replica_adopt(&replica->sm, &replica->policy, replica->stored,
                                     mono_of(run, replica->started_wall_ns), core_now(run->core));
    replica->service->driver->ops->adopt(replica->service->driver, replica);
    if (stray->running) {
        /* Nothing has happened to it: no event, no row. */
        replica_perform(run, replica, replica->sm.state, actions & ~(uint32_t)REPLICA_DO_SAVE);
        replica_announce(run, replica);
        health_started(run, replica);
        health_adopt(run, replica);
    }
}

/* Its spawn was under way when the keeper died: nobody will answer it any more. */
static bool answer_is_lost(const struct replica *replica)
{
    return replica->sm.spawning && replica->order.spawn.serial == 0 &&
           replica->order.asked_wall_ns > 0;
}

/* A child and the replica it belongs to are brought together. */
static void join(struct run *run, struct replica *replica, const struct stray *stray)
{
    if (replica->sm.state == REPLICA_PENDING && !replica->sm.alive && !replica->sm.spawning) {
        take_up(run, replica, stray);
    }
    if (answer_is_lost(replica)) {
        driver_started(run, replica, stray->pid, replica->order.asked_wall_ns);
    }
    if (!stray->running && replica->sm.alive && !MUTATE(forget_adopted_exit)) {
        driver_exited(run, replica, &stray->exit, stray->oom);
    }
    if (stray->empty && !stray->running) {
        driver_empty(run, replica);
    }
}

static void settle_service(struct run *run, struct service *service)
{
    list_for_each (it, &service->members) {
        struct replica *replica = list_entry(it, struct replica, node);
        if (replica->later) {
            replica->later = false;
            follow_started(replica);
            replica_perform(run, replica, replica->sm.state, REPLICA_DO_SAVE);
        }
    }
}

/* A process that is later than its row has gone along with what it depends on, unless that is still
 * the former one. Those come first here, because that is the question. Its row is written now: the
 * next core shall not ask again, when what it followed can no longer be told from the new. */
static void settle_acts(struct run *run, struct project *project)
{
    size_t count = project->spec ? project->spec->services_count : 0;
    uint32_t *order = calloc(MAX(count, 1), sizeof(*order));
    int r = order ? 0 : -ENOMEM;
    if (r == 0 && count > 0) {
        r = graph_order(project->spec, order);
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct service *service = service_find(project, project->spec->services[order[i]].name);
        if (service) { /* a project that is being removed has lost some */
            settle_service(run, service);
        }
    }
    if (r < 0) {
        shortage_give_up(run, "what runs cannot be taken in", r);
    }
    free(order);
}

static void join_stray(struct run *run, struct stray *stray)
{
    if (exec_owns(run, str_from(stray->id))) {
        stray_free(stray);
        return;
    }
    struct replica *replica = replica_by_id(run, str_from(stray->id));
    if (!replica) {
        replica = make_unknown(run, stray);
    }
    if (run->gave_up) {
        return;
    }
    if (replica && !MUTATE(no_adoption)) {
        join(run, replica, stray);
        stray_free(stray);
    } else {
        stray_end(stray);
    }
}

/* Those that live come first: of a replica that was being replaced they tell that the ended one
 * needs no new life. */
static void join_all(struct run *run)
{
    for (int pass = 0; pass < 2; pass++) {
        list_for_each_safe (it, &run->strays) {
            struct stray *stray = list_entry(it, struct stray, node);
            bool due = !stray->killed && stray->request.serial == 0 && !run->gave_up;
            if (due && stray->running == (pass == 0)) {
                join_stray(run, stray);
            }
        }
    }
    list_for_each (it, &run->projects) {
        settle_acts(run, list_entry(it, struct project, node));
    }
}

/* After a new keeper took over: whom it does not know is gone. */
static void note_missing(struct run *run, struct replica *replica)
{
    bool lost = answer_is_lost(replica);
    if (!lost && !replica->sm.alive && !replica->sm.populated) {
        return;
    }
    if (lost && !map_get(&run->children, str_from(replica->id))) {
        driver_failed(run, replica, -ECONNRESET, STR("the keeper was lost"));
    } else if (!map_get(&run->children, str_from(replica->id))) {
        driver_exited(run, replica, &(struct proc_exit){.known = false}, false);
        driver_empty(run, replica);
    }
}

/* A stop signal that was on its way when the keeper died: without it the replica would only be
 * killed. */
static void signal_again(struct run *run, struct replica *replica)
{
    struct driver *driver = replica->service->driver;
    if (replica->order.signal_lost && replica->sm.alive && replica->sm.state == REPLICA_STOPPING) {
        driver->ops->stop(driver, replica, replica->order.signum);
    }
}

static void each_replica(struct run *run, void (*fn)(struct run *run, struct replica *replica))
{
    list_for_each (p, &run->projects) {
        struct project *project = list_entry(p, struct project, node);
        list_for_each (s, &project->services) {
            struct service *service = list_entry(s, struct service, node);
            list_for_each_safe (r, &service->members) {
                fn(run, list_entry(r, struct replica, node));
            }
        }
    }
}

/* Rows whose child is gone. */
static void restore_ended(struct run *run, struct replica *replica)
{
    if (replica->sm.state == REPLICA_PENDING) {
        replica->pid = 0;
        replica_restore(&replica->sm, &replica->policy, replica->stored, replica->stored_retry_ns,
                        core_now(run->core));
    }
}

static void listens_open(void *arg, const struct problem *problem)
{
    struct run *run = arg;
    run->opening--;
    if (--run->resuming > 0) {
        return;
    }
    run->listens_known = true;
    run->snapshot_dirty = true;
    loop_defer(run->core->loop, &run->reconcile);
}

static void begin(struct run *run)
{
    if (!run->loaded || !run->children_known || run->started || run->gave_up) {
        return;
    }
    run->started = true;
    join_all(run);
    if (run->gave_up) {
        return;
    }
    each_replica(run, restore_ended);
    run->opening = run->resuming = 1;
    list_for_each (it, &run->projects) {
        struct project *project = list_entry(it, struct project, node);
        if (listen_open(run, project->spec, listens_open, run) == 0) {
            run->opening++;
            run->resuming++;
        }
        reconcile_soon(run, project);
    }
    listens_open(run, NULL);
    act_begin(run);
    apply_begin(run);
}

/* What a former keeper told is no picture of what this one has: until `ready` nothing is decided. A
 * tree that the former one was still killing is to be killed by this one. */
static void on_listing(void *arg)
{
    struct run *run = arg;
    run->children_known = false;
    list_for_each (it, &run->strays) {
        struct stray *stray = list_entry(it, struct stray, node);
        stray->told = false;
        stray->killed = stray->killed && stray->request.serial != 0;
    }
}

static void drop_untold(struct run *run)
{
    list_for_each_safe (it, &run->strays) {
        struct stray *stray = list_entry(it, struct stray, node);
        if (!stray->told) {
            stray_free(stray);
        }
    }
}

static void on_ready(void *arg)
{
    struct run *run = arg;
    drop_untold(run);
    run->children_known = true;
    if (!run->started) {
        begin(run);
        return;
    }
    if (run->gave_up) {
        return;
    }
    each_replica(run, note_missing);
    join_all(run);
    each_replica(run, signal_again);
}

/* --- news while it runs --- */

static void on_news(struct run *run, const struct keeper_child *child)
{
    struct stray *stray = map_get(&run->children, child->id);
    if (!run->started) {
        on_child(run, child); /* the join will see its latest state */
    } else if (stray) {
        stray_update(stray, child);
        stray_end(stray);
    } else if (!health_child(run, child) && !exec_child(run, child)) {
        on_child(run, child); /* nobody's: a probe of a former life, an exec whose client is gone */
        stray = map_get(&run->children, child->id);
        if (stray) {
            stray_end(stray);
        }
    }
}

static void on_exited(void *arg, const struct keeper_child *child)
{
    struct run *run = arg;
    struct replica *replica = run->started ? replica_by_id(run, child->id) : NULL;
    if (!replica) {
        on_news(run, child);
        return;
    }
    driver_exited(run, replica, &child->exit, child->oom);
    if (child->empty) {
        driver_empty(run, replica);
    }
}

static void on_empty(void *arg, const struct keeper_child *child)
{
    struct run *run = arg;
    struct replica *replica = run->started ? replica_by_id(run, child->id) : NULL;
    if (!replica) {
        on_news(run, child);
        return;
    }
    if (!child->running) {
        driver_exited(run, replica, &child->exit, child->oom);
        driver_empty(run, replica);
    }
}

/* --- the store --- */

/* A start or restart that was acknowledged; true if the row tells of one. */
static bool load_act(struct service *service, const struct override_row *row)
{
    int64_t act = 0;
    int64_t *acts = str_is(row->field, "restart")  ? &service->restarted_act
                    : str_is(row->field, "start")  ? &service->started_act
                    : str_is(row->field, "follow") ? &service->followed_act
                                                   : NULL;
    if (acts && num_parse_i64(row->value, &act) == 0 && !MUTATE(lost_restart)) {
        *acts = act;
        service->project->act_last = MAX(service->project->act_last, act);
        service->restarted_wall_ns =
            acts == &service->restarted_act ? row->time : service->restarted_wall_ns;
    }
    return acts != NULL;
}

static void load_overrides(struct project *project, struct txn_rows rows)
{
    for (uint32_t i = 0; i < rows.count; i++) {
        struct override_row row;
        uint64_t value = 0;
        override_read(rows, i, &row);
        struct service *service = service_find(project, row.service);
        bool scale = str_is(row.field, "replicas");
        if (!service || load_act(service, &row) || seats_load(&service->seats, &row) ||
            (!scale && !str_is(row.field, "stopped"))) {
            continue;
        }
        struct override *override = scale ? &service->replicas : &service->stopped;
        if (scale && num_parse_u64(row.value, &value) < 0) {
            continue;
        }
        override->set = true;
        override->value = (uint32_t)MIN(value, RUN_REPLICAS_MAX);
        override->wall_ns = row.time;
        str_copy(override->actor, sizeof(override->actor), row.actor);
    }
}

/* A number member of a small flat JSON object; `fallback` if there is none. */
static int64_t json_number(struct str text, const char *name, int64_t fallback)
{
    struct json_reader r = JSON_READER(text);
    int64_t value = fallback;
    enum json_type type = json_next(&r);
    while (type == JSON_OBJECT && json_next(&r) == JSON_KEY) {
        bool wanted = str_is(r.token, name);
        enum json_type first = json_next(&r);
        if (wanted && first == JSON_NUMBER && num_parse_i64(r.token, &value) == 0) {
            return value;
        }
        if (json_skip(&r, first) < 0) {
            break;
        }
    }
    return fallback;
}

static bool parse_hash(struct str text, uint64_t *ret)
{
    struct buf bytes = BUF_INIT(16);
    bool ok = text.len == 16 && decode_hex(&bytes, text) == 0 && bytes.len == 8;
    *ret = 0;
    for (size_t i = 0; ok && i < 8; i++) {
        *ret = *ret << 8 | (unsigned char)bytes.p[i];
    }
    buf_fini(&bytes);
    return ok;
}

/* When a crashed one was to start again, on our clock; 0 = now: an older row does not say. */
static int64_t load_retry(const struct run *run, struct str exit)
{
    int64_t wall = json_number(exit, "retry_at", -1);
    int64_t wait = wall - core_wall(run->core);
    return wall == 0 ? INT64_MAX : wall > 0 && wait > 0 ? core_now(run->core) + wait : 0;
}

static int load_replica(struct run *run, struct project *project, const struct replica_row *row)
{
    struct service *service = service_find(project, row->service);
    if (!service || row->replica < 1 || row->replica > RUN_REPLICAS_MAX) {
        return 0;
    }
    uint8_t slot = json_number(row->ports, "slot", 0) == 1 ? 1 : 0;
    struct replica *replica = replica_new(run, service, (uint32_t)row->replica, slot);
    if (!replica) {
        return -ENOMEM;
    }
    int state = sm_find(&replica_machine, row->state);
    int64_t code = json_number(row->exit, "code", INT64_MIN);
    uint64_t hash = 0;
    replica->stored = state >= 0 ? (uint8_t)state : REPLICA_PENDING;
    replica->sm.restarts = (uint32_t)MIN(MAX(row->restarts, 0), UINT32_MAX);
    int64_t failures = json_number(row->exit, "failures", 0);
    replica->sm.failures = (uint32_t)MIN(MAX(failures, 0), FAILURES_MAX);
    replica->stored_retry_ns = load_retry(run, row->exit);
    replica->act_seen = json_number(row->ports, "act", 0);
    replica->follow_seen = json_number(row->ports, "follow", 0);
    project->act_last = MAX(project->act_last, MAX(replica->act_seen, replica->follow_seen));
    service_obey(service, replica, replica->stored);
    follow_look(replica, replica->stored);
    replica->started_wall_ns = row->started_at;
    replica->exited = code != INT64_MIN;
    replica->exit_code = replica->exited ? (int)code : 0;
    str_copy(replica->reason, sizeof(replica->reason), row->reason);
    if (parse_hash(row->spec_hash, &hash)) {
        replica->spec_hash = hash;
    }
    replica->pid = (int)json_number(row->ports, "pid", 0);
    int64_t port = json_number(row->ports, "port", 0);
    if (port >= RUN_PORT_FIRST && port <= RUN_PORT_LAST) {
        replica->port = (uint16_t)port;
        port_mark(run, replica->port);
    }
    return 0;
}

static int load_replicas(struct run *run, struct project *project, struct txn_rows rows)
{
    int r = 0;
    for (uint32_t i = 0; i < rows.count && r == 0; i++) {
        struct replica_row row;
        replica_read(rows, i, &row);
        r = load_replica(run, project, &row);
    }
    return r;
}

/* Users, certificates. What is missing of programs shows when they are started; a certificate whose
 * file is of no use is the one that the edge has. */
static int check_again(struct run *run, const struct project *project, struct source *source,
                       const struct project_spec *spec, struct problem_list *problems)
{
    struct source_check check = {
        .spec = spec, .state = str_from(run->core->instance.state_dir), .problems = problems};
    struct certificates_former former;
    certificates_former_open(&former, run, project, spec);
    check.kept = &former.kept;
    int r = source_check(source, &check);
    certificates_former_close(&former);
    for (size_t i = 0; r == 0 && i < MIN(problems->count, (size_t)PROBLEM_LIST_MAX); i++) {
        if (str_starts(str_from(problems->items[i].code), STR("tls."))) {
            core_log(run->core, "%s (%s)", problems->items[i].what, problems->items[i].where);
        }
    }
    return r;
}

static int load_spec(struct run *run, struct project *project, struct str text)
{
    struct source *source = NULL;
    struct project_spec *spec = NULL;
    struct problem_list *problems = calloc(1, sizeof(*problems));
    int r = problems ? source_decode(text, &source) : -ENOMEM;
    if (r == 0) {
        r = source_load(source, true, problems, NULL, &spec);
    }
    if (r == 0) {
        problems->count = 0;
        r = check_again(run, project, source, spec, problems);
    }
    if (r == 0) {
        r = project_take(run, project, source, spec);
    } else if (r > 0 && problems->count > 0) {
        rolelog(ROLELOG_ERROR, "core", "project %s cannot be taken up: %s", project->name,
                problems->items[0].what);
    }
    project_spec_unref(spec);
    source_unref(source);
    free(problems);
    return r;
}

static int load_project(struct run *run, const struct project_row *row)
{
    struct project *project = project_new(run, row->tenant, row->project);
    if (!project) {
        return -ENOMEM;
    }
    project->generation = (uint64_t)row->generation;
    project->applied_wall_ns = row->applied_at;
    project->removing = str_is(row->state, "removing");
    return load_spec(run, project, row->spec);
}

/* Statements 2i and 2i+1 belong to the i-th project. */
static void members_loaded(void *arg, int status, const struct txn *txn)
{
    struct run *run = arg;
    unsigned i = 0;
    list_for_each (it, &run->projects) {
        struct project *project = list_entry(it, struct project, node);
        if (status != 0 || 2 * i + 1 >= txn_count(txn)) {
            break;
        }
        load_overrides(project, txn_rows(txn, 2 * i));
        status = load_replicas(run, project, txn_rows(txn, 2 * i + 1));
        i++;
    }
    if (status != 0) {
        shortage_give_up(run, "replicas cannot be read", status);
        return;
    }
    run->loaded = true;
    begin(run);
}

static void projects_loaded(void *arg, int status, const struct txn *txn)
{
    struct run *run = arg;
    struct txn_rows rows = status == 0 ? txn_rows(txn, 0) : (struct txn_rows){0};
    struct txn *next = txn_new();
    for (uint32_t i = 0; status == 0 && i < rows.count; i++) {
        struct project_row row;
        project_read(rows, i, &row);
        status = load_project(run, &row);
        override_select(next, row.tenant, row.project);
        replica_select(next, row.tenant, row.project);
    }
    if (status != 0) {
        txn_free(next);
    } else if (rows.count == 0) {
        txn_free(next);
        run->loaded = true;
        begin(run);
    } else {
        status = store_query(run->core->store, next, members_loaded, run);
    }
    if (status != 0) {
        shortage_give_up(run, "what was applied cannot be taken up", status);
    }
}

void adopt_init(struct run *run)
{
    list_init(&run->strays);
    run->children = MAP_INIT(STRAYS_MAX);
    run->core->children = (struct core_children){.arg = run,
                                                 .listing = on_listing,
                                                 .child = on_child,
                                                 .ready = on_ready,
                                                 .exited = on_exited,
                                                 .empty = on_empty};
}

int adopt_start(struct run *run)
{
    struct txn *txn = txn_new();
    project_select(txn, STR_NONE, STR_NONE);
    return store_query(run->core->store, txn, projects_loaded, run);
}

void adopt_fini(struct run *run)
{
    run->core->children = (struct core_children){0};
    list_for_each_safe (it, &run->strays) {
        stray_free(list_entry(it, struct stray, node));
    }
    map_fini(&run->children);
}
