/* SPDX-License-Identifier: Apache-2.0
 *
 * One replica's machine connected to the world: news of the driver, of probes and of timers become
 * inputs; actions become orders to the driver, words to the edge, rows and events in the store.
 *
 * Invariants
 *  1. The edge is told before the driver: UNPUBLISH precedes every signal (the machine sees to it;
 * the order of replica_perform carries it out).
 *  2. Every change of state is one transaction: the replica's row and the event that tells of it.
 *  3. A replica is freed only by reconcile.c, never from inside here.
 */
#include "run/life.h"
#include "base/json.h"
#include "base/num.h"
#include "core/event_txn.h"
#include "core/mutate.h"
#include "os/rolelog.h"
#include "run/feeds.h"
#include "run/follow.h"
#include "run/health.h"
#include "run/model.h"
#include "run/project.h"
#include "run/publish.h"
#include "run/reconcile.h"
#include "run/shortage.h"
#include "store/store.h"
#include "store/tables.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAIL_SIZE = 4096, DRAIN_LOOK_MS = 20, DRAIN_LOOKS = 2 };

static struct run *run_of(const struct replica *replica)
{
    return replica->service->driver->run;
}

/* --- output --- */

static void output_message(struct run *run, struct replica *replica, enum bus_topic topic,
                           bool error_stream)
{
    struct bus_message message = {.topic = topic, .id = replica_bus_id(replica)};
    const struct project *project = replica->service->project;
    message.output.stream = error_stream ? OUTPUT_STDERR : OUTPUT_STDOUT;
    snprintf(message.output.path, sizeof(message.output.path), "output/%s/%s-%u.%s", project->name,
             replica->service->name, replica->number, error_stream ? "err" : "out");
    if (replica->spec) {
        const struct logging_spec *logging = &replica->spec->logging;
        message.output.burst_bytes = feeds_burst(replica->spec);
        message.output.max_bytes = (uint64_t)MAX(logging->max_bytes, 0);
        message.output.max_age_ns = logging->max_age_ns;
    }
    bus_publish(run->core->bus, &message);
}

/* A replacement writes to the same files as the one it replaces. */
static bool output_shared(const struct replica *replica)
{
    list_for_each (it, &replica->service->members) {
        const struct replica *other = list_entry(it, struct replica, node);
        if (other != replica && other->number == replica->number && other->output_open) {
            return true;
        }
    }
    return false;
}

static void output(struct run *run, struct replica *replica, bool open)
{
    if (replica->output_open == open) {
        return;
    }
    replica->output_open = open;
    if (output_shared(replica)) {
        return;
    }
    enum bus_topic topic = open ? BUS_OUTPUT_OPENED : BUS_OUTPUT_CLOSED;
    output_message(run, replica, topic, false);
    output_message(run, replica, topic, true);
}

/* --- store and events --- */

struct saving {
    struct list node; /* in the replica */
    struct core *core;
    struct replica *replica; /* NULL: it is gone, and another one may have its name */
    bool with_event;
    unsigned statement;
    struct event event;
};

/* The keeper may forget how the process ended once the store knows it: a core that died in between
 * would find neither, and run a task again that was done. */
void replica_forget_ended(struct run *run, struct replica *replica)
{
    if (replica->forget_due) {
        replica->forget_due = false;
        replica->service->driver->ops->forget(replica->service->driver, replica);
        output(run, replica, false); /* it is complete only now: the driver ended its last line */
    }
}

/* The store takes nothing (a full disk, no memory): what it holds of the replica is old. */
static void save_later(struct run *run, struct replica *replica)
{
    replica->unsaved = true;
    shortage_again(run);
}

static bool is_stored(const struct replica *replica)
{
    return list_empty(&replica->saves) && !replica->unsaved;
}

static void saving_ended(struct saving *saving, bool stored)
{
    struct replica *replica = saving->replica;
    list_del(&saving->node);
    if (replica && !stored) {
        save_later(run_of(replica), replica);
    } else if (replica && is_stored(replica)) {
        replica_forget_ended(run_of(replica), replica);
    }
    free(saving);
}

static void saved(void *arg, int status, const struct txn *txn)
{
    struct saving *saving = arg;
    if (status == 0 && saving->with_event) {
        event_committed(saving->core, &saving->event, txn_rowid(txn, saving->statement));
    } else if (status != 0) {
        rolelog(ROLELOG_ERROR, "core", "state of %s/%s-%u not stored: %s %s",
                saving->event.id.project, saving->event.id.service, saving->event.id.replica,
                strerror(status < 0 ? -status : EAGAIN), txn ? txn_message(txn) : "");
    }
    saving_ended(saving, status == 0);
}

/* When a crashed one starts again, on the wall clock; 0 = never. */
static int64_t retry_wall(const struct run *run, const struct replica_sm *sm)
{
    return sm->retry_ns == INT64_MAX ? 0
                                     : core_wall(run->core) + sm->retry_ns - core_now(run->core);
}

/* {"code":1,"failures":3,"retry_at":NS}: how it ended, how often in a row, and when it is tried
 * again. "" when there is nothing to say. */
static void write_exit(char *out, size_t size, const struct run *run, const struct replica *replica)
{
    const struct replica_sm *sm = &replica->sm;
    char code[32] = "", failures[32] = "", retry[40] = "";
    if (replica->exited) {
        snprintf(code, sizeof(code), ",\"code\":%d", replica->exit_code);
    }
    if (sm->failures > 0) {
        snprintf(failures, sizeof(failures), ",\"failures\":%u", sm->failures);
    }
    if (sm->state == REPLICA_CRASHED) {
        snprintf(retry, sizeof(retry), ",\"retry_at\":%lld", (long long)retry_wall(run, sm));
    }
    snprintf(out, size, "%s%s%s%s", code, failures, retry, "}");
    out[0] = out[0] == ',' ? '{' : '\0';
}

/* ports: {"port":20001,"slot":0,"pid":4711,"act":7,"follow":6}. With `exit`: what adoption needs to
 * know again. */
static void put_row(struct txn *txn, const struct run *run, const struct replica *replica)
{
    const struct service *service = replica->service;
    char ports[128], hash[24], exit[128];
    snprintf(ports, sizeof(ports),
             "{\"port\":%u,\"slot\":%u,\"pid\":%d,\"act\":%lld,\"follow\":%lld}", replica->port,
             replica->slot, replica->pid, (long long)replica->act_seen,
             (long long)replica->follow_seen);
    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)replica->spec_hash);
    write_exit(exit, sizeof(exit), run, replica);
    replica_put(txn, &(struct replica_row){
                         .tenant = str_from(service->project->tenant),
                         .project = str_from(service->project->name),
                         .service = str_from(service->name),
                         .origin = STR("muelle"),
                         .state = str_from(sm_name(&replica_machine, replica->sm.state)),
                         .reason = str_from(replica->reason),
                         .exit = str_from(exit),
                         .ports = str_from(ports),
                         .spec_hash = str_from(hash),
                         .replica = replica->number,
                         .generation = (int64_t)service->project->generation,
                         .restarts = replica->sm.restarts,
                         .started_at = replica->started_wall_ns,
                         .updated_at = core_wall(run->core),
                     });
}

/* Of two with one number the row tells of the one that is to stay, once that has been started, by
 * this core or by a former one (`stored`). */
static bool owns_row(const struct replica *replica)
{
    const struct replica *current = replica_current(replica->service, replica->number);
    return !current || current == replica ||
           (current->sm.state == REPLICA_PENDING && current->stored == REPLICA_PENDING);
}

static void save(struct run *run, struct replica *replica, const struct event *event)
{
    struct saving *saving = calloc(1, sizeof(*saving));
    if (!saving) {
        save_later(run, replica);
        return;
    }
    struct txn *txn = txn_new();
    list_init(&saving->node);
    saving->core = run->core;
    saving->with_event = event != NULL;
    saving->event.id = replica_bus_id(replica);
    if (owns_row(replica) && !MUTATE(skipped_save)) {
        put_row(txn, run, replica);
    }
    if (event) {
        saving->event = *event;
        saving->statement = event_append(run->core, txn, &saving->event);
        if (MUTATE(event_before_commit)) {
            event_committed(run->core, &saving->event, (int64_t)event_seq_last(run->core) + 1);
        }
    }
    if (txn_error(txn) == 0 && txn_count(txn) == 0) {
        txn_free(txn);
        free(saving);
        return;
    }
    saving->replica = replica;
    list_push_back(&replica->saves, &saving->node);
    replica->unsaved = false;
    int r = store_commit(run->core->store, txn, saved, saving);
    if (r < 0) {
        rolelog(ROLELOG_ERROR, "core", "state of %s not stored: %s", replica->id, strerror(-r));
        saving_ended(saving, false);
    }
}

void replica_again(struct run *run, struct replica *replica)
{
    if (replica->unsaved) {
        save(run, replica, NULL);
    }
    health_started(run, replica);
}

/* What a change of state means to people; false = nothing worth an event. */
static bool tell(const struct replica *replica, uint8_t before, struct event *event)
{
    struct context ctx = context_system("supervision");
    const struct replica_sm *sm = &replica->sm;
    const char *name = replica->service->name;
    unsigned n = replica->number;
    if (sm->state == before) {
        return false;
    }
    switch (sm->state) {
    case REPLICA_STARTING:
        event_draft(event, &ctx, "replica.starting", EVENT_INFO);
        event_message(
            event, before == REPLICA_CRASHED ? "%s-%u starts again (restart %u)" : "%s-%u starts",
            name, n, sm->restarts);
        if (before == REPLICA_STOPPING && sm->failures > 0) { /* it was ill: no crash told of it */
            event_message(event, "%s-%u starts again (restart %u): %s", name, n, sm->restarts,
                          replica->reason);
        }
        break;
    case REPLICA_RUNNING:
        event_draft(event, &ctx, "replica.ready", EVENT_INFO);
        event_message(event, "%s-%u is ready", name, n);
        break;
    case REPLICA_UNHEALTHY:
        event_draft(event, &ctx, "replica.unhealthy", EVENT_WARNING);
        event_message(event, "%s-%u is unhealthy: %s", name, n, replica->reason);
        break;
    case REPLICA_CRASHED:
        event_draft(event, &ctx, "replica.crashed", EVENT_ERROR);
        event_message(event, "%s-%u %s", name, n, replica->reason);
        break;
    case REPLICA_COMPLETED:
        event_draft(event, &ctx, "replica.completed", EVENT_INFO);
        event_message(event, "%s-%u completed", name, n);
        break;
    case REPLICA_STOPPED:
        event_draft(event, &ctx, "replica.stopped", EVENT_INFO);
        event_message(event, "%s-%u stopped", name, n);
        break;
    default:
        return false;
    }
    event->id = replica_bus_id(replica);
    return true;
}

/* --- actions --- */

static void start(struct run *run, struct replica *replica)
{
    if (!replica->retiring && !replica->service->removing) {
        replica_use_spec(replica);
    }
    replica->spec_hash = replica->spec->spec_hash;
    service_obeyed(replica->service, replica);
    follow_started(replica);
    replica->stop_asked = false;
    replica->overdue = false;
    replica->drained = 0;
    replica->probe = (struct probe_result){0};
    replica_forget_ended(run, replica); /* the name is wanted again */
    output(run, replica, true);
    replica->service->driver->ops->start(replica->service->driver, replica);
}

/* The names that the schema lets pass for a process (schema/finish.c), as it writes them. */
static int signal_number(struct str name)
{
    static const struct {
        const char *name;
        int signum;
    } table[] = {
        {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT}, {"SIGHUP", SIGHUP},     {"SIGKILL", SIGKILL},
        {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2}, {"SIGWINCH", SIGWINCH}, {"SIGABRT", SIGABRT},
        {"SIGCONT", SIGCONT}, {"SIGALRM", SIGALRM}, {"SIGPIPE", SIGPIPE},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (str_is(name, table[i].name)) {
            return table[i].signum;
        }
    }
    return SIGTERM;
}

static void look_for_requests(struct timer *timer, int64_t now_ns)
{
    struct replica *replica = container_of(timer, struct replica, drain);
    struct run *run = run_of(replica);
    if (replica->sm.state != REPLICA_STOPPING) {
        return;
    }
    /* The first look may come before the edge has read the delta: two in a row must agree. */
    replica->drained = publish_in_flight(run, replica) == 0 ? (uint8_t)(replica->drained + 1) : 0;
    if (replica->drained >= DRAIN_LOOKS) {
        replica_feed(run, replica, REPLICA_IN_DRAINED);
        return;
    }
    loop_timer_after(run->core->loop, timer, DRAIN_LOOK_MS * NS_PER_MS);
}

static void deadline(struct timer *timer, int64_t now_ns)
{
    struct replica *replica = container_of(timer, struct replica, timer);
    replica_feed(run_of(replica), replica, REPLICA_IN_TIME);
}

void replica_life_init(struct replica *replica)
{
    timer_init(&replica->timer, deadline);
    timer_init(&replica->drain, look_for_requests);
    list_init(&replica->saves);
}

void replica_life_fini(struct run *run, struct replica *replica)
{
    struct list *node;
    loop_timer_cancel(run->core->loop, &replica->timer);
    loop_timer_cancel(run->core->loop, &replica->drain);
    while ((node = list_pop_front(&replica->saves))) {
        list_entry(node, struct saving, node)->replica = NULL;
    }
}

static void set_timers(struct run *run, struct replica *replica, uint8_t before)
{
    struct loop *loop = run->core->loop;
    if (replica->sm.deadline_ns == INT64_MAX) {
        loop_timer_cancel(loop, &replica->timer);
    } else {
        loop_timer_set(loop, &replica->timer, replica->sm.deadline_ns);
    }
    if (replica->sm.state == REPLICA_STOPPING && before != REPLICA_STOPPING &&
        replica->policy.drain_ns > 0) {
        loop_timer_after(loop, &replica->drain, DRAIN_LOOK_MS * NS_PER_MS);
    }
}

/* Of two with one number the message names the process that is to stay, once it runs: the end of
 * the one before would take its figures away. */
void replica_announce(struct run *run, const struct replica *replica)
{
    const struct replica *current = replica_current(replica->service, replica->number);
    const struct replica *told = current && current->pid > 0 ? current : replica;
    bus_publish(run->core->bus,
                &(struct bus_message){.topic = BUS_REPLICA_CHANGED,
                                      .id = replica_bus_id(replica),
                                      .replica = {.pid = told->pid, .slot = told->slot}});
}

void replica_perform(struct run *run, struct replica *replica, uint8_t before, uint32_t actions)
{
    struct driver *driver = replica->service->driver;
    struct event event;
    bool told = tell(replica, before, &event);
    publish_endpoint(run, replica);
    if (actions & REPLICA_DO_SIGNAL) {
        replica->stop_asked = true;
        driver->ops->stop(driver, replica, signal_number(replica->spec->stop_signal));
    }
    if (actions & REPLICA_DO_KILL) {
        replica->stop_asked = replica->stop_asked || replica->sm.state == REPLICA_STOPPING;
        replica->overdue = replica->sm.state == REPLICA_STOPPING && replica->sm.alive;
        driver->ops->kill(driver, replica);
    }
    if (actions & REPLICA_DO_SPAWN) {
        start(run, replica);
    }
    set_timers(run, replica, before);
    if (told || (actions & REPLICA_DO_SAVE)) {
        save(run, replica, told ? &event : NULL);
        replica_announce(run, replica);
        service_changed(run, replica->service);
        publish_service(run, replica->service);
        reconcile_soon(run, replica->service->project);
    }
}

static void feed(struct run *run, struct replica *replica, struct replica_input input)
{
    uint8_t before = replica->sm.state;
    uint32_t actions = replica_step(&replica->sm, &replica->policy, input, core_now(run->core),
                                    &run->core->loop->rng);
    replica_perform(run, replica, before, actions);
}

void replica_feed(struct run *run, struct replica *replica, uint8_t input)
{
    feed(run, replica, (struct replica_input){.kind = input});
}

/* --- news of the driver --- */

void driver_started(struct run *run, struct replica *replica, int pid, int64_t started_wall_ns)
{
    replica->pid = pid;
    replica->started_wall_ns = started_wall_ns;
    replica->reason[0] = '\0';
    feed(run, replica, (struct replica_input){.kind = REPLICA_IN_STARTED});
    health_started(run, replica);
}

void driver_failed(struct run *run, struct replica *replica, int error, struct str text)
{
    const struct service_spec *spec = replica->spec;
    struct buf reason = BUF_INIT(REASON_MAX - 1);
    struct reason_spawn spawn = {
        .error = error,
        .step = text,
        .program = spec->argv_count ? spec->argv[0] : STR_NONE,
        .path = source_env(replica->source, STR("PATH")),
        .cwd = spec->working_dir,
        .user = spec->user,
    };
    reason_spawn(&reason, &spawn);
    str_copy(replica->reason, sizeof(replica->reason), buf_str(&reason));
    buf_fini(&reason);
    output(run, replica, false);
    feed(run, replica, (struct replica_input){.kind = REPLICA_IN_FAILED});
}

static bool is_success(const struct replica *replica, const struct proc_exit *exit)
{
    if (!exit->known || exit->signaled || exit->code < 0 || exit->code > 255) {
        return false;
    }
    uint64_t mask = (uint64_t)replica->spec->success_exit_codes_mask[exit->code / 64];
    return exit->code == 0 || (mask >> exit->code % 64 & 1);
}

static void explain_exit(struct run *run, struct replica *replica, const struct proc_exit *exit,
                         bool oom)
{
    struct driver *driver = replica->service->driver;
    char tail[TAIL_SIZE];
    size_t len = driver->ops->tail(driver, replica, tail, sizeof(tail));
    struct buf reason = BUF_INIT(REASON_MAX - 1);
    char ailment[REASON_MAX];
    str_copy(ailment, sizeof(ailment), str_from(replica->sm.ailing ? replica->reason : ""));
    struct reason_exit words = {
        .known = exit->known,
        .signaled = exit->signaled,
        .core_dumped = exit->core_dumped,
        .oom = oom,
        .asked = replica->stop_asked,
        .ailment = str_from(ailment),
        .overdue_ns = replica->overdue && replica->sm.state == REPLICA_STOPPING
                          ? replica->policy.grace_ns
                          : 0,
        .code = exit->code,
        .lived_ns = replica->started_wall_ns ? core_wall(run->core) - replica->started_wall_ns : -1,
        .last_line = reason_last_line(tail, len),
    };
    reason_exit(&reason, &words);
    str_copy(replica->reason, sizeof(replica->reason), buf_str(&reason));
    buf_fini(&reason);
}

void driver_exited(struct run *run, struct replica *replica, const struct proc_exit *exit, bool oom)
{
    if (!replica->sm.alive) {
        return;
    }
    explain_exit(run, replica, exit, oom);
    health_stopped(run, replica);
    replica->pid = 0;
    replica->exited = true;
    replica->exit_code = !exit->known ? -1 : exit->signaled ? 128 + exit->code : exit->code;
    feed(run, replica,
         (struct replica_input){.kind = REPLICA_IN_EXITED, .success = is_success(replica, exit)});
}

void driver_empty(struct run *run, struct replica *replica)
{
    if (replica->sm.alive || !replica->sm.populated) {
        return;
    }
    replica->forget_due = true;
    feed(run, replica, (struct replica_input){.kind = REPLICA_IN_EMPTY});
    if (is_stored(replica) || MUTATE(forget_early)) {
        replica_forget_ended(run, replica);
    }
}
