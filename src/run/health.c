/* SPDX-License-Identifier: Apache-2.0
 *
 * Health. HTTP and TCP probes are named in the snapshot and run by the edge, so they work without
 * the core; their results come over the rings. Commands (healthcheck.test) are run by the keeper on
 * our order, each as a child "ID/probe" with its output in a file of the run folder.
 *
 * A command is tried at 50, 100, 200 … ms up to its interval until it first succeeds, then at its
 * interval: a service is ready when it is, not an interval later. Failures inside the start period
 * do not count.
 *
 * Invariant: a record older than the process it is about says nothing about it.
 */
#include "run/health.h"
#include "core/core.h"
#include "core/mutate.h"
#include "link/counters_probe.h"
#include "link/keeper_start.h"
#include "link/ring.h"
#include "os/file.h"
#include "run/env.h"
#include "run/life.h"
#include "run/model.h"
#include "run/project.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_MS = 50, PATH_SIZE = 200 };
#define SUFFIX       "/probe"
#define SAY_AFTER_NS (3 * NS_PER_S) /* most are well by then */

struct health_command {
    struct run *run;
    struct replica *replica;
    struct timer timer; /* the next try, or the time-out of the one that runs */
    struct keeper_request spawn, kill, forget;
    char id[RUN_ID_MAX + sizeof(SUFFIX)];
    bool running; /* ordered and not empty yet */
    bool timed_out;
    bool ended;
    bool ok_once;
    uint32_t failures;
    int64_t next_ns; /* between tries, while it has never succeeded */
    int64_t began_ns;
};

/* --- results --- */

static void keep_result(struct replica *replica, int64_t status, int64_t wall_ns, struct str body)
{
    replica->probe.status = status;
    replica->probe.wall_ns = wall_ns;
    str_copy(replica->probe.body, sizeof(replica->probe.body), str_trim_ws(body));
}

static void say_unhealthy(struct replica *replica, const char *how)
{
    const struct health_spec *health = &replica->spec->health;
    const char *body = replica->probe.body;
    if (health->kind == HEALTH_HTTP) {
        snprintf(replica->reason, sizeof(replica->reason), "probe GET " STR_FMT " %s%s%s",
                 STR_ARG(health->http_path), how, body[0] ? ": " : "", body);
    } else if (health->kind == HEALTH_GRPC && body[0]) {
        snprintf(replica->reason, sizeof(replica->reason), "gRPC health check said %s", body);
    } else if (health->kind == HEALTH_COMMAND) {
        snprintf(replica->reason, sizeof(replica->reason), "health command %s%s%s", how,
                 body[0] ? ": " : "", body);
    } else {
        snprintf(replica->reason, sizeof(replica->reason), "nothing answers on port %u: %s",
                 replica->port, how);
    }
}

static void passed(struct run *run, struct replica *replica)
{
    if (replica->sm.state == REPLICA_STARTING || replica->sm.state == REPLICA_UNHEALTHY) {
        replica->reason[0] = '\0';
    }
    replica_feed(run, replica, REPLICA_IN_HEALTHY);
}

static void failed(struct run *run, struct replica *replica, const char *how)
{
    if (replica->sm.state == REPLICA_RUNNING || replica->sm.state == REPLICA_STARTING) {
        say_unhealthy(replica, how);
        replica_feed(run, replica, REPLICA_IN_UNHEALTHY);
    }
}

static struct replica *by_endpoint(struct run *run, uint64_t endpoint)
{
    uint64_t key = endpoint;
    struct replica *replica = map_get(&run->endpoints, str_make((const char *)&key, sizeof(key)));
    if (!replica) {
        key ^= UINT64_C(1) << 63; /* a probe on another port: see publish.c */
        replica = map_get(&run->endpoints, str_make((const char *)&key, sizeof(key)));
    }
    return replica;
}

/* A failed probe that leaves the status at passing says nothing yet: perhaps the status is that of
 * the process before this one. */
static void edge_result(struct run *run, const struct ring_probe *probe)
{
    char how[64];
    struct replica *replica = by_endpoint(run, probe->endpoint);
    if (!replica || !replica->sm.alive ||
        (probe->at_wall_ns < replica->started_wall_ns && !MUTATE(stale_probe))) {
        return;
    }
    keep_result(replica, probe->http_status, probe->at_wall_ns,
                str_make(probe->body, MIN(probe->body_len, sizeof(probe->body))));
    replica->probe.error = probe->error;
    if (probe->status == COUNTERS_PROBE_PASSING && probe->failures_in_row == 0) {
        passed(run, replica);
    } else if (probe->status == COUNTERS_PROBE_FAILING) {
        if (probe->http_status) {
            snprintf(how, sizeof(how), "answered %u", probe->http_status);
        } else {
            snprintf(how, sizeof(how), "%s",
                     probe->error ? strerror(abs(probe->error)) : "no answer");
        }
        failed(run, replica, how);
    }
    replica_announce(run, replica);
}

static void on_records(struct edge_reader *reader, const struct edge_record *records, size_t count)
{
    struct run *run = container_of(reader, struct run, probes);
    for (size_t i = 0; i < count; i++) {
        if (records[i].record->kind == RING_PROBE) {
            edge_result(run, &records[i].record->probe);
        }
    }
}

void health_adopt(struct run *run, struct replica *replica)
{
    const struct counters *counters = edge_link_counters(run->core->edge);
    for (uint32_t i = 0; counters && i < COUNTERS_PROBES_MAX; i++) {
        struct counters_probe probe;
        if (!counters_probe_read(counters, i, &probe) ||
            by_endpoint(run, probe.endpoint) != replica) {
            continue;
        }
        struct ring_probe record = {
            .at_wall_ns = probe.at_wall_ns,
            .endpoint = probe.endpoint,
            .http_status = (uint16_t)probe.http_status,
            .status = (uint8_t)probe.status,
            .error = (int32_t)probe.error,
            .body_len = (uint8_t)MIN(probe.body_len, RING_BODY_MAX),
        };
        memcpy(record.body, probe.body, record.body_len);
        edge_result(run, &record);
    }
}

void health_refresh(struct run *run)
{
    const struct counters *counters = edge_link_counters(run->core->edge);
    for (uint32_t i = 0; counters && i < COUNTERS_PROBES_MAX; i++) {
        struct counters_probe probe;
        struct replica *replica =
            counters_probe_read(counters, i, &probe) ? by_endpoint(run, probe.endpoint) : NULL;
        if (replica && replica->sm.alive && probe.at_wall_ns > replica->probe.wall_ns &&
            probe.at_wall_ns >= replica->started_wall_ns) {
            keep_result(replica, probe.http_status, probe.at_wall_ns,
                        str_make(probe.body, probe.body_len));
            replica->probe.error = probe.error;
        }
    }
}

static bool still_starts(const struct replica *replica, int64_t wall_ns)
{
    const struct probe_result *probe = &replica->probe;
    bool command = replica->spec->health.kind == HEALTH_COMMAND;
    return replica->sm.state == REPLICA_STARTING && replica->sm.alive && replica->policy.probed &&
           wall_ns - replica->started_wall_ns >= SAY_AFTER_NS &&
           probe->wall_ns >= replica->started_wall_ns &&
           (command ? probe->status != 0 : probe->error != 0);
}

void health_say_starting(const struct replica *replica, int64_t wall_ns, struct buf *out)
{
    const struct health_spec *health = &replica->spec->health;
    const struct probe_result *probe = &replica->probe;
    const char *between = probe->body[0] ? ": " : "";
    if (!still_starts(replica, wall_ns)) {
        return;
    }
    if (health->kind == HEALTH_COMMAND && probe->status > 0) {
        buf_printf(out, "health command exited %lld%s%s", (long long)probe->status, between,
                   probe->body);
    } else if (health->kind == HEALTH_COMMAND) {
        buf_add_cstr(out, "health command does not start");
    } else if (health->kind == HEALTH_HTTP && probe->status > 0) {
        buf_printf(out, "GET " STR_FMT ": %lld%s%s", STR_ARG(health->http_path),
                   (long long)probe->status, between, probe->body);
    } else if (health->kind == HEALTH_GRPC && probe->body[0]) {
        buf_printf(out, "gRPC health check said %s", probe->body);
    } else if (replica->spec->traffic.socket != SOCKET_TCP && health->http_port <= 0) {
        bool path = replica->spec->traffic.socket == SOCKET_PATH;
        buf_printf(out, "nothing answers on its socket (%s)",
                   path ? "MUELLE_SOCKET" : "LISTEN_FDS");
    } else {
        buf_printf(out, "nothing answers on port %lld",
                   (long long)(health->http_port > 0 ? health->http_port : replica->port));
    }
}

/* --- commands --- */

static void output_path(const struct health_command *command, char *path, size_t size)
{
    uint64_t name = map_hash(0, str_from(command->id));
    snprintf(path, size, "%s/" KEEPER_START_PROBE "%016llx", command->run->core->instance.run_dir,
             (unsigned long long)name);
}

static void ignored(struct keeper_request *request, int error, const struct keeper_msg *msg,
                    int *fd)
{
}

static void again(struct health_command *command)
{
    const struct health_spec *health = &command->replica->spec->health;
    int64_t interval = health->interval_ns > 0 ? health->interval_ns : 30 * NS_PER_S;
    int64_t wait = interval;
    if (!command->ok_once) {
        wait = MIN(command->next_ns, interval);
        command->next_ns = MIN(command->next_ns * 2, interval);
    }
    loop_timer_after(command->run->core->loop, &command->timer, wait);
}

static void command_result(struct health_command *command, bool ok, int64_t code, const char *how)
{
    struct replica *replica = command->replica;
    struct run *run = command->run;
    const struct health_spec *health = &replica->spec->health;
    char path[PATH_SIZE];
    struct buf body = BUF_INIT(4096);
    output_path(command, path, sizeof(path));
    if (file_read_all(path, 4000, &body) < 0) {
        buf_reset(&body);
    }
    (void)!file_unlink(path);
    keep_result(replica, code, core_wall(run->core), str_slice(buf_str(&body), 0, 120));
    buf_fini(&body);
    bool counts =
        command->ok_once || core_now(run->core) - command->began_ns >= health->start_period_ns;
    if (ok) {
        command->ok_once = true;
        command->failures = 0;
        passed(run, replica);
    } else if (counts && ++command->failures >= (uint32_t)MAX(health->retries, 1)) {
        failed(run, replica, how);
    }
    again(command);
}

static void spawn_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                           int *fd)
{
    struct health_command *command = container_of(request, struct health_command, spawn);
    char how[128];
    if (error < 0) {
        command->running = false;
        loop_timer_cancel(command->run->core->loop, &command->timer);
        snprintf(how, sizeof(how), "could not start: %.80s %s", msg ? msg->text : "",
                 strerror(-error));
        command_result(command, false, -1, how);
    }
}

static int order_command(struct health_command *command)
{
    struct replica *replica = command->replica;
    const struct health_spec *health = &replica->spec->health;
    struct arena arena = ARENA_INIT(ENV_BYTES_MAX * 2);
    struct env env;
    char path[PATH_SIZE];
    output_path(command, path, sizeof(path));
    (void)!file_unlink(path); /* of a former core that did not come to read it */
    int r = env_make(command->run, replica, health->argv, health->argv_count, &arena, &env);
    if (r == 0) {
        struct order order = ORDER_INIT;
        order.id = command->id;
        order.argv = env.argv;
        order.envp = env.envp;
        order.cwd = arena_cstr(&arena, replica->spec->working_dir);
        order.output[0] = path;
        order.output[1] = path;
        order.output_max = 64 * KIB;
        env_user(replica, &order);
        command->spawn.answered = spawn_answered;
        keeper_client_spawn(command->run->core->keeper, &command->spawn, &order);
    }
    arena_fini(&arena);
    return r;
}

static void on_timer(struct timer *timer, int64_t now_ns)
{
    struct health_command *command = container_of(timer, struct health_command, timer);
    struct run *run = command->run;
    if (command->running) {
        command->timed_out = true;
        command->kill.answered = ignored;
        if (command->kill.serial == 0) {
            keeper_client_kill_tree(run->core->keeper, &command->kill, str_from(command->id));
        }
        return;
    }
    const struct health_spec *health = &command->replica->spec->health;
    command->running = true;
    command->ended = false;
    command->timed_out = false;
    if (order_command(command) < 0) {
        command->running = false;
        again(command);
        return;
    }
    loop_timer_after(run->core->loop, timer,
                     health->timeout_ns > 0 ? health->timeout_ns : 30 * NS_PER_S);
}

static void command_free(struct health_command *command)
{
    struct keeper_request *requests[] = {&command->spawn, &command->kill, &command->forget};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (requests[i]->serial != 0) {
            keeper_client_cancel(command->run->core->keeper, requests[i]);
        }
    }
    loop_timer_cancel(command->run->core->loop, &command->timer);
    free(command);
}

static void command_ended(struct health_command *command, const struct proc_exit *exit)
{
    char how[64];
    command->ended = true;
    loop_timer_cancel(command->run->core->loop, &command->timer);
    bool ok = exit->known && !exit->signaled && exit->code == 0 && !command->timed_out;
    if (command->timed_out) {
        snprintf(how, sizeof(how), "timed out");
    } else if (exit->signaled) {
        snprintf(how, sizeof(how), "was killed by signal %d", exit->code);
    } else {
        snprintf(how, sizeof(how), "exited %d", exit->code);
    }
    command_result(command, ok, exit->signaled ? 128 + exit->code : exit->code, how);
}

static void command_empty(struct health_command *command)
{
    command->running = false;
    command->forget.answered = ignored;
    if (command->forget.serial == 0) {
        keeper_client_forget(command->run->core->keeper, &command->forget, str_from(command->id));
    }
}

bool health_child(struct run *run, const struct keeper_child *child)
{
    if (!str_ends(child->id, STR(SUFFIX))) {
        return false;
    }
    struct replica *replica =
        replica_by_id(run, str_slice(child->id, 0, child->id.len - strlen(SUFFIX)));
    struct health_command *command = replica ? replica->health : NULL;
    if (!command) {
        return false; /* of a former life: adoption ends it */
    }
    if (!child->running && !command->ended) {
        command_ended(command, &child->exit);
        /* Children of the command that it left behind do not matter, and must not pile up. */
        command->kill.answered = ignored;
        if (!child->empty && command->kill.serial == 0) {
            keeper_client_kill_tree(run->core->keeper, &command->kill, str_from(command->id));
        }
    }
    if (child->empty && command->running) {
        command_empty(command);
    }
    return true;
}

void health_started(struct run *run, struct replica *replica)
{
    if (replica->spec->health.kind != HEALTH_COMMAND || replica->health || !replica->sm.alive) {
        return;
    }
    struct health_command *command = calloc(1, sizeof(*command));
    if (!command) {
        return;
    }
    command->run = run;
    command->replica = replica;
    command->began_ns = core_now(run->core);
    command->next_ns = FIRST_MS * NS_PER_MS;
    timer_init(&command->timer, on_timer);
    snprintf(command->id, sizeof(command->id), "%s" SUFFIX, replica->id);
    replica->health = command;
    again(command);
}

void health_stopped(struct run *run, struct replica *replica)
{
    struct health_command *command = replica->health;
    if (!command) {
        return;
    }
    replica->health = NULL;
    if (command->running) {
        char path[PATH_SIZE];
        output_path(command, path, sizeof(path));
        (void)!file_unlink(path);
        /* The kill is repeated by the keeper's client if need be; adopt.c forgets the child when it
         * is empty. */
        command->kill.answered = ignored;
        keeper_client_kill_tree(run->core->keeper, &command->kill, str_from(command->id));
    }
    command_free(command);
}

void health_init(struct run *run)
{
    run->probes.records = on_records;
    edge_link_subscribe(run->core->edge, &run->probes);
}

void health_fini(struct run *run)
{
    edge_link_unsubscribe(&run->probes);
}
