/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the core put together, and nothing else: each step of the start is a function, in
 * the order that core.h gives. What the keeper says is passed on: children to run/, kept
 * descriptors to the edge link, roles to the bus.
 *
 * Failure: whatever fails before the rooms are started ends the role with one line that says what;
 * the keeper starts it again with a back-off, and services do not notice.
 */
#include "core/core.h"

#include "core/edge.h"
#include "core/edge_again.h"
#include "core/event_txn.h"
#include "core/reserve.h"
#include "core/sockmap.h"
#include "link/counters.h"
#include "link/keeper_client.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/proc.h"
#include "os/rolelog.h"
#include "os/worker.h"
#include "store/store.h"
#include "store/tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 2, WORKS_MAX = 64 };

/* What lives exactly once per core besides the public struct. */
struct core_parts {
    struct core *core;
    struct keeper_client keeper;
    struct worker_pool workers;
    struct keeper_request shutdown;
    struct edge_again edge_again;
    bool workers_up;
    bool keeper_up;
};

static struct core_parts *parts_of(struct keeper_client *client)
{
    return container_of(client, struct core_parts, keeper);
}

int64_t core_now(const struct core *core)
{
    return core->loop->now_ns;
}

int64_t core_wall(const struct core *core)
{
    return core->loop->wall_ns;
}

void core_log(const struct core *core, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    rolelog_list(ROLELOG_WARNING, "core", fmt, args);
    va_end(args);
}

void *core_room(const struct core *core, const char *name)
{
    for (size_t i = 0; core->ops && core->ops[i]; i++) {
        if (strcmp(core->ops[i]->name, name) == 0) {
            return core->rooms[i];
        }
    }
    return NULL;
}

void core_roles(const struct core *core, struct role_info *ret)
{
    *ret = core->roles;
    const struct counters *counters = core->edge ? edge_link_counters(core->edge) : NULL;
    uint32_t first = 0;
    unsigned serving = counters ? counters_serving(counters, &first) : 0;
    for (uint32_t i = 0; counters && i < counters->threads; i++) {
        struct counters_thread table = counters_thread_read(counters, i);
        ret->edge_moved += table.moved;
        ret->edge_leaving += i < first || i >= first + serving ? table.connections : 0;
    }
    if (serving > 0) { /* it keeps what it began with; else what the next one is told */
        ret->edge_threads = serving;
    }
}

static void publish_role(struct core *core, const char *name, int pid)
{
    struct bus_message message = {.topic = BUS_ROLE_CHANGED};
    str_copy(message.role.name, sizeof(message.role.name), str_from(name));
    message.role.pid = pid;
    bus_publish(core->bus, &message);
}

static int start_rooms(struct core *core)
{
    for (size_t i = 0; core->ops[i]; i++) {
        int r = core->ops[i]->start ? core->ops[i]->start(core->rooms[i]) : 0;
        if (r < 0) {
            rolelog(ROLELOG_ERROR, "core", "room %s does not start: %s", core->ops[i]->name,
                    strerror(-r));
            return r;
        }
    }
    return 0;
}

/* After a killed or replaced core, or 'up' where all roles were dead. */
static void tell_adopted(struct core *core)
{
    unsigned count = (unsigned)core->roles.adopted;
    struct context ctx = context_system("core started");
    struct event event;
    event_draft(&event, &ctx, "role.adopted", EVENT_INFO);
    if (count == 0) {
        event_message(&event, "A new core (pid %d) took over; nothing was running.",
                      core->roles.core_pid);
    } else if (count == 1) {
        event_message(&event, "A new core (pid %d) took over 1 running process.",
                      core->roles.core_pid);
    } else {
        event_message(&event, "A new core (pid %d) took over %u running processes.",
                      core->roles.core_pid, count);
    }
    event_emit(core, &event);
}

static void keeper_ready(struct keeper_client *client)
{
    struct core *core = parts_of(client)->core;
    core->roles.keeper_pid = client->keeper_pid;
    publish_role(core, "keeper", client->keeper_pid);
    edge_link_keeper_ready(core->edge);
    core_sockmap_ready(core);
    if (!core->ready) {
        /* The keeper has no snapshot before the first core of an instance is at work. */
        bool former = core->roles.adopted > 0 || keeper_client_fd(client, STR("snapshot")) >= 0;
        if (start_rooms(core) < 0) {
            core_stop(core, 1);
            return;
        }
        core->ready = true;
        if (former) {
            tell_adopted(core);
        }
    }
    if (core->children.ready) {
        core->children.ready(core->children.arg);
    }
}

static void keeper_lost(struct keeper_client *client)
{
    struct core *core = parts_of(client)->core;
    core->roles.keeper_pid = 0;
    publish_role(core, "keeper", 0);
    if (core->stopping) {
        loop_stop(core->loop); /* it was told to end, and so were we */
        return;
    }
    struct context ctx = context_system("keeper lost");
    struct event event;
    event_draft(&event, &ctx, "role.lost", EVENT_WARNING);
    event_message(&event, "The keeper is gone; it is started again. Services run on.");
    event_emit(core, &event);
}

static void keeper_listing(struct keeper_client *client)
{
    struct core *core = parts_of(client)->core;
    core->roles.adopted = core->ready ? core->roles.adopted : 0;
    if (core->children.listing) {
        core->children.listing(core->children.arg);
    }
}

/* TENANT/PROJECT/SERVICE/REPLICA: no command that checks its health (one part more) or that a
 * person has it execute (exec/PID/NUMBER). */
static bool is_replica(struct str id)
{
    unsigned slashes = 0;
    for (size_t i = 0; i < id.len; i++) {
        slashes += id.p[i] == '/';
    }
    return slashes == 3;
}

static void keeper_child(struct keeper_client *client, const struct keeper_child *child)
{
    struct core *core = parts_of(client)->core;
    core->roles.adopted += !core->ready && child->running && is_replica(child->id);
    if (core->children.child) {
        core->children.child(core->children.arg, child);
    }
}

static void keeper_exited(struct keeper_client *client, const struct keeper_child *child)
{
    struct core *core = parts_of(client)->core;
    if (core->children.exited) {
        core->children.exited(core->children.arg, child);
    }
}

static void keeper_empty(struct keeper_client *client, const struct keeper_child *child)
{
    struct core *core = parts_of(client)->core;
    if (core->children.empty) {
        core->children.empty(core->children.arg, child);
    }
}

static void keeper_kept(struct keeper_client *client, struct str name, int fd)
{
    edge_link_kept(parts_of(client)->core->edge, name, fd);
}

static void keeper_role(struct keeper_client *client, const struct keeper_role_status *status)
{
    struct core *core = parts_of(client)->core;
    if (status->role != KEEPER_ROLE_EDGE) {
        return;
    }
    bool again = status->up && core->roles.edge_restarts < status->restarts && core->ready;
    bool next = status->up && core->roles.edge_pid > 0 && core->roles.edge_pid != status->pid &&
                !again && core->ready;
    core->roles.edge_pid = status->up ? status->pid : 0;
    core->roles.edge_restarts = status->restarts;
    publish_role(core, "edge", core->roles.edge_pid);
    if (again) {
        edge_again_tell(&parts_of(client)->edge_again, status->pid);
    } else if (next) {
        struct context ctx = context_system("edge replaced");
        struct event event;
        event_draft(&event, &ctx, "role.replaced", EVENT_INFO);
        event_message(&event, "Another edge took the place of the one before (pid %d).",
                      status->pid);
        event_emit(core, &event);
    }
}

static const struct keeper_client_ops keeper_ops = {
    .ready = keeper_ready,
    .lost = keeper_lost,
    .listing = keeper_listing,
    .child = keeper_child,
    .exited = keeper_exited,
    .empty = keeper_empty,
    .kept = keeper_kept,
    .role = keeper_role,
};

static int open_store(struct core *core, const struct core_options *options,
                      struct problem *problem)
{
    char path[sizeof(core->instance.state_dir) + 16];
    snprintf(path, sizeof(path), "%s/work.db", core->instance.state_dir);
    struct store_options store = {
        .path = path,
        .wall_ns = core->loop->wall_ns,
        .loop = core->loop,
        .executor = options->executor,
        .vfs = options->vfs,
    };
    struct problem refused; /* filled also when all is well: not to stay for what fails later */
    int r = store_open(&store, &core->store, &refused);
    if (r < 0) {
        *problem = refused;
        return r;
    }
    struct txn *txn = txn_new();
    instance_put(txn, &(struct instance_row){.id = str_from(core->instance.uuid),
                                             .version = str_from(core->instance.version),
                                             .created_at = core->loop->wall_ns});
    tenant_put(txn, STR("default"), core->loop->wall_ns);
    r = store_commit(core->store, txn, NULL, NULL);
    if (!options->vfs) { /* a simulator's disk has no files */
        reserve_take(core->instance.state_dir);
    }
    return r < 0 ? r : event_log_start(core);
}

static int init_rooms(struct core *core)
{
    for (size_t i = 0; core->ops[i]; i++) {
        ensure(i < ROOM_MAX);
        int r = core->ops[i]->init ? core->ops[i]->init(core, &core->rooms[i]) : 0;
        if (r < 0) {
            core_log(core, "room %s: %s", core->ops[i]->name, strerror(-r));
            return r;
        }
    }
    return 0;
}

static int open_keeper(struct core *core, struct core_parts *parts,
                       const struct core_options *options)
{
    int r = keeper_client_init(&parts->keeper, core->loop,
                               &(struct keeper_client_opts){
                                   .role = KEEPER_ROLE_CORE,
                                   .run_dir = core->instance.run_dir,
                                   .state_dir = core->instance.state_dir,
                                   .id = core->instance.id,
                                   .channel_fd = options->keeper_fd,
                                   .revive = true,
                                   .ops = &keeper_ops,
                               });
    parts->keeper_up = r == 0;
    return r;
}

static int open_parts(struct core *core, const struct core_options *options,
                      struct problem *problem)
{
    struct core_parts *parts = calloc(1, sizeof(*parts));
    if (!parts) {
        return -ENOMEM;
    }
    parts->core = core;
    edge_again_init(&parts->edge_again, core);
    core->keeper = &parts->keeper;
    int r = worker_pool_init(&parts->workers, core->loop, WORKERS, WORKS_MAX);
    if (r < 0) {
        return r;
    }
    parts->workers_up = true;
    core->workers = &parts->workers;
    if ((r = bus_new(core->loop, &core->bus)) < 0 || (r = event_log_new(core)) < 0 ||
        (r = open_store(core, options, problem)) < 0 ||
        (r = edge_link_new(core, &core->edge)) < 0 ||
        (r = core_sockmap_new(core, &core->sockmap)) < 0 || (r = init_rooms(core)) < 0) {
        return r;
    }
    return open_keeper(core, parts, options);
}

/* A new folder in the place of one that was removed would know none of what runs, and stop it. */
static int check_state(const struct core_options *options, const struct instance *instance,
                       struct problem *problem)
{
    char path[sizeof(instance->state_dir) + 16];
    bool opened = instance->id[0] != '\0';
    snprintf(path, sizeof(path), "%s/instance.json", options->state_dir);
    if (!options->id || (opened ? strcmp(instance->id, options->id) == 0 : file_exists(path))) {
        return 0;
    }
    problem_set(problem, "state.removed",
                "the state folder of the running instance was removed, so its core cannot start");
    problem_where(problem, "%s", options->state_dir);
    problem_hint(problem, "services and traffic go on; 'muelle down --kill' ends all of it");
    return -ESTALE;
}

int core_open(struct core *core, struct loop *loop, const struct core_options *options,
              const struct room_ops *const *rooms, struct problem *problem)
{
    problem_set(problem, "core.start", "the core cannot start");
    core->loop = loop;
    core->ops = rooms;
    core->roles.core_pid = proc_own_pid();
    core->instance.started_wall_ns = loop->wall_ns;
    str_copy(core->instance.run_dir, sizeof(core->instance.run_dir), str_from(options->run_dir));
    int r = check_state(options, &core->instance, problem);
    r = r < 0 ? r : instance_open(&core->instance, options->state_dir, problem);
    r = r < 0 ? r : check_state(options, &core->instance, problem);
    return r < 0 ? r : open_parts(core, options, problem);
}

static void stop_rooms(struct core *core)
{
    size_t count = 0;
    while (core->ops[count]) {
        count++;
    }
    for (size_t i = count; core->ready && i-- > 0;) {
        if (core->ops[i]->stop) {
            core->ops[i]->stop(core->rooms[i]);
        }
    }
    /* What the rooms submitted last is committed, and its callbacks dropped, before their memory
     * goes. */
    store_close(core->store);
    core->store = NULL;
    for (size_t i = count; i-- > 0;) {
        if (core->ops[i]->fini) {
            core->ops[i]->fini(core->rooms[i]);
        }
        core->rooms[i] = NULL;
    }
}

void core_close(struct core *core)
{
    struct core_parts *parts =
        core->keeper ? container_of(core->keeper, struct core_parts, keeper) : NULL;
    if (parts && parts->workers_up) {
        worker_pool_fini(&parts->workers);
    }
    if (parts) {
        edge_again_fini(&parts->edge_again);
    }
    stop_rooms(core);
    edge_link_free(core->edge);
    core_sockmap_free(core->sockmap);
    core->sockmap = NULL;
    if (parts && parts->keeper_up) {
        keeper_client_fini(&parts->keeper);
    }
    event_log_free(core);
    bus_free(core->bus);
    free(parts);
    core->keeper = NULL;
}

void core_stop(struct core *core, int exit_code)
{
    core->stopping = true;
    core->exit_code = exit_code;
    loop_stop(core->loop);
}

static void shutdown_answered(struct keeper_request *request, int error,
                              const struct keeper_msg *msg, int *fd)
{
}

void core_end_instance(struct core *core)
{
    struct core_parts *parts = container_of(core->keeper, struct core_parts, keeper);
    if (core->stopping) {
        return;
    }
    core->stopping = true;
    parts->shutdown.answered = shutdown_answered;
    keeper_client_shutdown(core->keeper, &parts->shutdown, true);
}
