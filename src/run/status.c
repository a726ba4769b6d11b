/* SPDX-License-Identifier: Apache-2.0
 *
 * What run/ shows: status structs filled from memory. Every text is copied into the caller's arena,
 * so that nothing in an answer depends on what happens next.
 *
 * A service's state is that of the replica that matters most to whoever looks: trouble before work
 * before rest
 * (`rank`). Figures (CPU, memory) are see's: they stay unknown here.
 */
#include "link/counters.h"
#include "link/counters_policy.h"
#include "link/snapshot_types.h"
#include "os/sock.h"
#include "run/act.h"
#include "run/expiry.h"
#include "run/figures.h"
#include "run/health.h"
#include "run/listen.h"
#include "run/model.h"
#include "run/project.h"
#include "run/publish.h"
#include "run/publish_spread.h"
#include "run/reach.h"
#include "run/socket.h"
#include "run/verdicts.h"
#include "schema/load.h"
#include "schema/status_more.h"
#include "schema/status_tls.h"

#include <math.h>
#include <stdio.h>

static const uint8_t rank[REPLICA_STATE_COUNT] = {
    [REPLICA_CRASHED] = 7,  [REPLICA_UNHEALTHY] = 6, [REPLICA_STARTING] = 5,  [REPLICA_PENDING] = 4,
    [REPLICA_STOPPING] = 3, [REPLICA_RUNNING] = 2,   [REPLICA_COMPLETED] = 1, [REPLICA_STOPPED] = 0,
};

static struct str text(struct arena *arena, const char *s)
{
    return arena_str(arena, str_from(s));
}

/* Does this tenant's filter let the project in? */
static bool matches(const struct project *project, const struct context *ctx, const char *name)
{
    return strcmp(project->tenant, ctx->tenant) == 0 &&
           (name[0] == '\0' || strcmp(project->name, name) == 0);
}

static bool may_read(struct run *run, const struct context *ctx, struct str project)
{
    struct problem problem;
    return run_allowed(run, ctx, ACTION_READ, project, STR_NONE, &problem);
}

/* --- replicas --- */

static int32_t replica_health(const struct replica *replica)
{
    if (!replica->policy.probed || !replica->sm.alive) {
        return HEALTH_UNKNOWN;
    }
    switch (replica->sm.state) {
    case REPLICA_STARTING:
        return HEALTH_STARTING;
    case REPLICA_RUNNING:
        return HEALTH_HEALTHY;
    case REPLICA_UNHEALTHY:
        return HEALTH_UNHEALTHY;
    default:
        return HEALTH_UNKNOWN;
    }
}

static struct str replica_reason(struct arena *arena, const struct replica *replica)
{
    bool waits = replica->sm.state == REPLICA_PENDING && replica->service->reason[0];
    const struct seat *seat = seats_find(&replica->service->seats, replica->number);
    if (seat && seat->drained.set && replica->sm.state == REPLICA_RUNNING) {
        return arena_printf(arena, "drained by %s", seat->drained.actor);
    }
    if (replica->sm.state == REPLICA_STARTING && !replica->reason[0]) {
        cleanup(buf_fini) struct buf said = BUF_INIT(REASON_MAX);
        health_say_starting(replica, core_wall(replica->service->driver->run->core), &said);
        return arena_str(arena, buf_str(&said));
    }
    if (replica->sm.state == REPLICA_RUNNING && !replica->reason[0]) {
        cleanup(buf_fini) struct buf said = BUF_INIT(REASON_MAX);
        verdicts_say_ejected(replica, &said);
        return arena_str(arena, buf_str(&said));
    }
    return text(arena, waits ? replica->service->reason : replica->reason);
}

/* When a crashed one is started again, on the wall clock; 0 = only by an operator. */
static int64_t retry_at(const struct replica *replica)
{
    const struct replica_sm *sm = &replica->sm;
    const struct core *core = replica->service->driver->run->core;
    bool waits = sm->state == REPLICA_CRASHED && sm->retry_ns != INT64_MAX;
    return waits ? core_wall(core) + sm->retry_ns - core_now(core) : 0;
}

static void fill_replica(struct arena *arena, const struct replica *replica,
                         struct replica_status *ret)
{
    const struct service *service = replica->service;
    *ret = (struct replica_status){
        .tenant = text(arena, service->project->tenant),
        .project = text(arena, service->project->name),
        .service = text(arena, service->name),
        .replica = replica->number,
        .state = replica->sm.state,
        .health = replica_health(replica),
        .pid = replica->pid,
        .port = replica->sm.alive ? replica->port : 0,
        .restarts = replica->sm.restarts,
        .started_at_ns = replica->started_wall_ns,
        .exited = replica->exited,
        .exit_code = replica->exit_code,
        .retry_at_ns = retry_at(replica),
        .reason = replica_reason(arena, replica),
        .cpu_percent = NAN,
        .probe = {.status = replica->probe.status,
                  .body = text(arena, replica->probe.body),
                  .time_ns = replica->probe.wall_ns},
    };
}

static bool replica_matches(const struct replica *replica, const struct bus_id *filter)
{
    return (filter->service[0] == '\0' || strcmp(filter->service, replica->service->name) == 0) &&
           (filter->replica == 0 || filter->replica == replica->number);
}

/* Of a replica and the one that replaces it one is shown: the one that serves. */
static bool is_hidden(const struct replica *replica)
{
    list_for_each (it, &replica->service->members) {
        const struct replica *other = list_entry(it, struct replica, node);
        if (other == replica || other->number != replica->number) {
            continue;
        }
        if (replica->retiring ? other->sm.state == REPLICA_RUNNING
                              : replica->sm.state != REPLICA_RUNNING) {
            return true;
        }
    }
    return false;
}

/* Both passes of a list: `ret` NULL only counts. */
static size_t each_replica(struct run *run, const struct context *ctx, const struct bus_id *filter,
                           struct arena *arena, struct replica_status *ret)
{
    size_t count = 0;
    list_for_each (p, &run->projects) {
        struct project *project = list_entry(p, struct project, node);
        list_for_each (s, &project->services) {
            struct service *service = list_entry(s, struct service, node);
            list_for_each (r, &service->members) {
                struct replica *replica = list_entry(r, struct replica, node);
                if (!matches(project, ctx, filter->project) || !replica_matches(replica, filter)) {
                    continue;
                }
                if (is_hidden(replica)) {
                    continue;
                }
                if (ret) {
                    fill_replica(arena, replica, &ret[count]);
                }
                count++;
            }
        }
    }
    return count;
}

int run_replicas(struct run *run, const struct context *ctx, struct bus_id filter,
                 struct arena *arena, struct replica_status **ret, size_t *ret_count)
{
    if (!may_read(run, ctx, str_from(filter.project))) {
        return RUN_E_DENIED;
    }
    health_refresh(run);
    size_t count = each_replica(run, ctx, &filter, arena, NULL);
    struct replica_status *items = arena_array(arena, MAX(count, 1), sizeof(*items));
    if (!items) {
        return -ENOMEM;
    }
    *ret_count = each_replica(run, ctx, &filter, arena, items);
    *ret = items;
    return count == 0 && filter.replica > 0 ? RUN_E_NONE : 0;
}

/* --- services --- */

static void sum_members(struct service *service, struct service_status *ret)
{
    int state = -1;
    const struct replica *shown = NULL;
    list_for_each (it, &service->members) {
        const struct replica *replica = list_entry(it, struct replica, node);
        uint8_t at = replica->sm.state;
        ret->restarts += replica->sm.restarts;
        ret->pids += replica->sm.alive;
        ret->replicas.ready += at == REPLICA_RUNNING;
        ret->replicas.running += replica->sm.alive;
        if (replica->sm.alive &&
            (ret->started_at_ns == 0 || replica->started_wall_ns < ret->started_at_ns)) {
            ret->started_at_ns = replica->started_wall_ns;
        }
        if (!replica->retiring && (state < 0 || rank[at] > rank[state])) {
            state = at;
            shown = replica;
        }
    }
    ret->state = state >= 0                                  ? state
                 : service->stopped.set || service->removing ? REPLICA_STOPPED
                                                             : REPLICA_PENDING;
    ret->health = shown ? replica_health(shown) : HEALTH_UNKNOWN;
    if (state < 0 && service_wanted(service) == 0) {
        ret->state = REPLICA_STOPPED; /* scaled to none */
    }
}

/* It runs, and yet gets no request: by an operator, or the file's weights. */
static const char *idle_by_hand(const struct service *service)
{
    size_t ready = 0, drained = 0, weightless = 0;
    list_for_each (it, &service->members) {
        const struct replica *replica = list_entry(it, struct replica, node);
        bool out = publish_drained(replica);
        if (replica->sm.state == REPLICA_RUNNING) {
            ready++;
            drained += out;
            weightless += !out && publish_weight(replica) == 0;
        }
    }
    if (ready == 0 || drained + weightless < ready ||
        !publish_has_endpoint(service->spec, service->project_spec)) {
        return "";
    }
    return weightless == 0 ? "gets no requests: all its replicas are drained"
           : drained == 0  ? "gets no requests: all its replicas have weight 0"
                           : "gets no requests: its replicas are drained or have weight 0";
}

/* The same, also by what the gateway decided. */
static struct str idle_reason(struct arena *arena, const struct service *service)
{
    cleanup(buf_fini) struct buf said = BUF_INIT(REASON_MAX);
    buf_add_cstr(&said, idle_by_hand(service));
    if (said.len == 0) {
        verdicts_say_open(service, &said);
    }
    return arena_str(arena, buf_str(&said));
}

/* `start` is no help to one of whom none is wanted. */
static struct str stopped_reason(struct arena *arena, const struct service *service)
{
    return service_scaled_to_0(service)
               ? arena_printf(arena, "scaled to 0; 'muelle scale %s=1' starts it", service->name)
               : STR_NONE;
}

static struct str service_reason(struct arena *arena, struct service *service, int32_t state)
{
    if (state == REPLICA_PENDING) {
        return text(arena, service->reason);
    }
    if (state == REPLICA_RUNNING) {
        return idle_reason(arena, service);
    }
    if (state == REPLICA_STOPPED && service_wanted(service) == 0) {
        return stopped_reason(arena, service);
    }
    list_for_each (it, &service->members) {
        const struct replica *replica = list_entry(it, struct replica, node);
        struct str why = replica->sm.state == state ? replica_reason(arena, replica) : STR_NONE;
        if (why.len > 0) {
            return why;
        }
    }
    return STR_NONE;
}

static int fill_ports(struct arena *arena, const struct service *service,
                      struct service_status *ret)
{
    const struct gateway_spec *gateway = &service->project_spec->gateway;
    struct port_status *ports = arena_array(arena, MAX(gateway->listens_count, 1), sizeof(*ports));
    if (!ports) {
        return -ENOMEM;
    }
    ret->ports = ports;
    for (size_t i = 0; i < gateway->listens_count; i++) {
        const struct listen_spec *listen = &gateway->listens[i];
        if (!str_is(listen->service, service->name)) {
            continue;
        }
        char address[SOCK_ADDR_TEXT_MAX] = "";
        (void)!listen_address(listen, address, sizeof(address));
        ports[ret->ports_count++] =
            (struct port_status){.address = text(arena, address),
                                 .published = listen->port,
                                 .target = listen->target,
                                 .protocol = listen->kind == LISTEN_TLS ? STR("tls") : STR("tcp")};
    }
    return 0;
}

/* Listeners of the instance. */
struct listens {
    const struct listen_spec **all, **serving; /* the second: those of one route */
    size_t count;
};

static void add_listens(struct listens *listens, const struct project *project)
{
    bool there = project->spec && !project->removing;
    for (size_t i = 0; there && i < project->spec->gateway.listens_count; i++) {
        listens->all[listens->count++] = &project->spec->gateway.listens[i];
    }
}

/* Those of the project first. */
static int listens_find(struct run *run, struct arena *arena, const struct project *own,
                        struct listens *ret)
{
    size_t max = 1;
    list_for_each (it, &run->projects) {
        const struct project *project = list_entry(it, struct project, node);
        max += project->spec ? project->spec->gateway.listens_count : 0;
    }
    *ret = (struct listens){arena_array(arena, max, sizeof(*ret->all)),
                            arena_array(arena, max, sizeof(*ret->serving)), 0};
    if (!ret->all || !ret->serving) {
        return -ENOMEM;
    }
    add_listens(ret, own);
    list_for_each (it, &run->projects) {
        const struct project *project = list_entry(it, struct project, node);
        if (project != own) {
            add_listens(ret, project);
        }
    }
    return 0;
}

static void add_seat(struct arena *arena, const struct seat *seat,
                     struct override_status *overrides, size_t *count)
{
    const struct override *const parts[] = {&seat->weight, &seat->drained};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char field[SEATS_FIELD_MAX];
        seats_field(i == 1, seat->number, field);
        if (parts[i]->set) {
            overrides[(*count)++] = (struct override_status){
                text(arena, field), i ? STR("true") : arena_printf(arena, "%u", parts[i]->value),
                text(arena, parts[i]->actor), parts[i]->wall_ns};
        }
    }
}

static int fill_lists(struct arena *arena, const struct service *service,
                      struct service_status *ret)
{
    const struct service_spec *spec = service->spec;
    struct listens listens;
    struct str *urls = arena_array(arena, MAX(spec->routes_count, 1), sizeof(*urls));
    struct str *depends = arena_array(arena, MAX(spec->depends_on_count, 1), sizeof(*depends));
    struct override_status *overrides =
        arena_array(arena, 2 + 2 * service->seats.count, sizeof(*overrides));
    if (!urls || !depends || !overrides ||
        listens_find(service->driver->run, arena, service->project, &listens) < 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < spec->routes_count; i++) {
        const struct route_spec *route = &spec->routes[i];
        size_t count = reach_listens(listens.all, listens.count, route, listens.serving);
        struct str url = reach_url(arena, listens.serving, count, route);
        if (url.len) {
            urls[ret->urls_count++] = url;
        }
    }
    for (size_t i = 0; i < spec->depends_on_count; i++) {
        depends[ret->depends_on_count++] = arena_str(arena, spec->depends_on[i].service);
    }
    if (service->replicas.set) {
        overrides[ret->overrides_count++] = (struct override_status){
            STR("replicas"), arena_printf(arena, "%u", service->replicas.value),
            text(arena, service->replicas.actor), service->replicas.wall_ns};
    }
    if (service->stopped.set) {
        overrides[ret->overrides_count++] =
            (struct override_status){STR("stopped"), STR("true"),
                                     text(arena, service->stopped.actor), service->stopped.wall_ns};
    }
    for (size_t i = 0; i < service->seats.count; i++) {
        add_seat(arena, &service->seats.items[i], overrides, &ret->overrides_count);
    }
    ret->urls = urls;
    ret->depends_on = depends;
    ret->overrides = overrides;
    return fill_ports(arena, service, ret);
}

static int fill_service(struct arena *arena, struct service *service, struct service_status *ret)
{
    *ret = (struct service_status){
        .tenant = text(arena, service->project->tenant),
        .project = text(arena, service->project->name),
        .name = text(arena, service->name),
        .replicas = {.desired = service_wanted(service),
                     .configured = service->removing ? 0 : service_scale(service, service->spec)},
        .cpu_percent = NAN,
        .generation = (int64_t)service->generation,
        .origin = ORIGIN_FILE,
    };
    sum_members(service, ret);
    ret->reason = service_reason(arena, service, ret->state);
    return fill_lists(arena, service, ret);
}

int run_services(struct run *run, const struct context *ctx, struct bus_id filter,
                 struct arena *arena, struct service_status **ret, size_t *ret_count)
{
    size_t max = 0, count = 0;
    if (!may_read(run, ctx, str_from(filter.project))) {
        return RUN_E_DENIED;
    }
    health_refresh(run);
    list_for_each (p, &run->projects) {
        list_for_each (s, &list_entry(p, struct project, node)->services) {
            max++;
        }
    }
    struct service_status *items = arena_array(arena, MAX(max, 1), sizeof(*items));
    if (!items) {
        return -ENOMEM;
    }
    list_for_each (p, &run->projects) {
        struct project *project = list_entry(p, struct project, node);
        list_for_each (s, &project->services) {
            struct service *service = list_entry(s, struct service, node);
            bool wanted = matches(project, ctx, filter.project) &&
                          (filter.service[0] == '\0' || strcmp(filter.service, service->name) == 0);
            if (wanted && fill_service(arena, service, &items[count++]) < 0) {
                return -ENOMEM;
            }
        }
    }
    *ret = items;
    *ret_count = count;
    return count == 0 && filter.service[0] ? RUN_E_NONE : 0;
}

/* --- projects --- */

static void fill_project(struct arena *arena, struct project *project, struct project_status *ret)
{
    struct service_counts counts = {0};
    int64_t settled = 0;
    list_for_each (it, &project->services) {
        struct service *service = list_entry(it, struct service, node);
        struct service_status status = {0};
        sum_members(service, &status);
        counts.total++;
        counts.running += status.replicas.running > 0;
        bool ready = status.state == REPLICA_RUNNING || status.state == REPLICA_COMPLETED;
        counts.ready += ready;
        bool idle = status.state == REPLICA_RUNNING && idle_reason(arena, service).len > 0;
        settled += (ready && !idle) || status.state == REPLICA_STOPPED;
    }
    const char *state = project->removing        ? "removing"
                        : settled < counts.total ? "degraded"
                        : counts.running > 0     ? "running"
                        : counts.ready > 0       ? "completed"
                                                 : "stopped";
    bool has_file = project->source && project->source->file_count > 0;
    *ret = (struct project_status){
        .tenant = text(arena, project->tenant),
        .name = text(arena, project->name),
        .generation = (int64_t)project->generation,
        .origin = ORIGIN_FILE,
        .file = has_file ? arena_str(arena, project->source->files[0]) : STR_NONE,
        .state = text(arena, state),
        .services = counts,
        .applied_at_ns = project->applied_wall_ns,
    };
}

int run_projects(struct run *run, const struct context *ctx, struct arena *arena,
                 struct project_status **ret, size_t *ret_count)
{
    size_t count = 0;
    struct project_status *items = arena_array(arena, RUN_PROJECTS_MAX, sizeof(*items));
    if (!may_read(run, ctx, STR_NONE)) {
        return RUN_E_DENIED;
    }
    if (!items) {
        return -ENOMEM;
    }
    list_for_each (it, &run->projects) {
        struct project *project = list_entry(it, struct project, node);
        if (matches(project, ctx, "") && project->spec) {
            fill_project(arena, project, &items[count++]);
        }
    }
    *ret = items;
    *ret_count = count;
    return 0;
}

bool run_is_admin_name(const struct run *run, struct str host)
{
    bool found = false;
    for (const struct list *it = run ? run->projects.next : NULL; it && it != &run->projects;
         it = it->next) {
        const struct project *project = list_entry(it, struct project, node);
        for (size_t i = 0; project->spec && i < project->spec->gateway.admin_names_count; i++) {
            found |= str_eq_nocase(project->spec->gateway.admin_names[i], host);
        }
    }
    return found;
}

/* --- routes --- */

/* What the edge remembers for the service's policy. */
static void add_ejection(struct run *run, uint64_t id, struct endpoint_status *ret)
{
    const struct counters *counters = edge_link_counters(run->core->edge);
    struct counters_policy policy;
    if (counters && counters_policy_read(counters, id, &policy)) {
        ret->ejections = (int64_t)policy.times;
        if (policy.until_wall_ns > run->core->loop->wall_ns) {
            ret->ejected_until_ns = policy.until_wall_ns;
        }
    }
}

static void add_policy(struct run *run, const struct service *service, struct route_status *ret)
{
    static const char *const names[] = {"closed", "open", "half_open", "closed"};
    const struct counters *counters = edge_link_counters(run->core->edge);
    struct counters_policy policy;
    if (!counters || !counters_policy_read(counters, service->id, &policy)) {
        return;
    }
    ret->refused = (int64_t)policy.refused;
    ret->under_way = counters_policy_in_flight(&policy);
    ret->connections = counters_policy_connections(&policy);
    ret->not_mirrored = (int64_t)policy.not_mirrored;
    if (service->spec->traffic.concurrency.on) { /* else what is shown is of a former file */
        ret->limit = counters_policy_limit(counters, &policy);
    }
    const struct breaker_conf *breaker = &service->spec->traffic.breaker;
    if (breaker->on && (breaker->consecutive > 0 || breaker->failures > 0)) { /* it may open */
        ret->opened = (int64_t)policy.times;
        enum counters_policy_state state = counters_policy_state(&policy, run->core->loop->wall_ns);
        ret->breaker = str_from(names[state]);
        ret->breaker_until_ns = state == COUNTERS_POLICY_OPEN ? policy.until_wall_ns : 0;
    }
}

/* Nothing is wrong with what the file says, and yet each request so far was given in turn. */
static void say_unbalanced(struct arena *arena, struct route_status *route)
{
    int64_t requests = 0, unbalanced = 0;
    for (size_t i = 0; i < route->endpoints_count; i++) {
        requests += route->endpoints[i].requests;
        unbalanced += route->endpoints[i].unbalanced;
    }
    if (route->reason.len == 0 && unbalanced > 0 && unbalanced >= requests) {
        route->effective = BALANCE_ROUND_ROBIN;
        route->reason = arena_printf(arena, "all %lld requests so far lacked what it goes by",
                                     (long long)unbalanced);
    }
}

struct routes_reader {
    struct run *run;
    struct arena *arena;
    struct figures figures;
    struct listens listens; /* for the routes of one project */
};

static int fill_listeners(struct routes_reader *reader, const struct route_spec *route,
                          struct route_status *ret)
{
    const struct listens *l = &reader->listens;
    size_t count = reach_listens(l->all, l->count, route, l->serving);
    struct str *addresses = arena_array(reader->arena, MAX(count, 1), sizeof(*addresses));
    if (!addresses) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        addresses[i] = arena_str(reader->arena, l->serving[i]->address);
    }
    ret->listeners = addresses;
    ret->listeners_count = count;
    return 0;
}

static int fill_route(struct routes_reader *reader, struct service *service,
                      const struct route_spec *route, struct route_status *ret)
{
    struct run *run = reader->run;
    struct arena *arena = reader->arena;
    uint64_t id = publish_route_id(service, route);
    size_t count = 0;
    list_for_each (it, &service->members) {
        count++;
    }
    struct endpoint_status *endpoints = arena_array(arena, MAX(count, 1), sizeof(*endpoints));
    if (!endpoints) {
        return -ENOMEM;
    }
    const char *fallback = publish_fallback(run, service);
    char address[SOCKET_ADDRESS_SIZE];
    *ret = (struct route_status){
        .project = text(arena, service->project->name),
        .host = arena_str(arena, route->host),
        .path = arena_str(arena, route->path),
        .service = text(arena, service->name),
        .balance = (int32_t)publish_balance(service->spec),
        .effective = fallback ? BALANCE_ROUND_ROBIN : (int32_t)publish_balance(service->spec),
        .reason = fallback ? str_from(fallback) : STR_NONE,
        .strip_prefix = route->strip_prefix,
        .passthrough = route->passthrough,
        .requests = figures_requests(&reader->figures, id),
        .endpoints = endpoints,
    };
    list_for_each (it, &service->members) {
        const struct replica *replica = list_entry(it, struct replica, node);
        if (!replica->sm.alive || replica->port == 0) {
            continue;
        }
        struct endpoint_status *endpoint = &endpoints[ret->endpoints_count++];
        endpoint->replica = replica->number;
        socket_address(run, replica, address);
        endpoint->address = text(arena, address);
        endpoint->drained = publish_drained(replica);
        endpoint->ready = replica->sm.published && !endpoint->drained;
        endpoint->weight = publish_weight(replica);
        endpoint->priority = publish_priority(replica);
        figures_add(&reader->figures, id, replica->endpoint, endpoint);
        if (service->spec->traffic.outlier.on) {
            add_ejection(run, replica->endpoint, endpoint);
        }
    }
    say_unbalanced(arena, ret);
    add_policy(run, service, ret);
    return fill_listeners(reader, route, ret);
}

static size_t count_routes(struct run *run)
{
    size_t count = 0;
    list_for_each (p, &run->projects) {
        list_for_each (s, &list_entry(p, struct project, node)->services) {
            count += list_entry(s, struct service, node)->spec->routes_count;
        }
    }
    return count;
}

static int fill_routes(struct routes_reader *reader, const struct context *ctx,
                       struct bus_id filter, struct route_status *items, size_t *ret_count)
{
    int r = figures_read(&reader->figures, reader->run, reader->arena);
    list_for_each (p, &reader->run->projects) {
        struct project *project = list_entry(p, struct project, node);
        if (r < 0 || !matches(project, ctx, filter.project)) {
            continue;
        }
        r = listens_find(reader->run, reader->arena, project, &reader->listens);
        list_for_each (s, &project->services) {
            struct service *service = list_entry(s, struct service, node);
            for (size_t i = 0; r == 0 && i < service->spec->routes_count; i++) {
                r = fill_route(reader, service, &service->spec->routes[i], &items[(*ret_count)++]);
            }
        }
    }
    return r;
}

int run_routes(struct run *run, const struct context *ctx, struct str project_name,
               struct arena *arena, struct route_status **ret, size_t *ret_count)
{
    struct bus_id filter = bus_id_make(STR_NONE, project_name, STR_NONE, 0);
    struct routes_reader reader = {.run = run, .arena = arena};
    size_t total = count_routes(run);
    struct route_status *items = arena_array(arena, MAX(total, 1), sizeof(*items));
    if (!may_read(run, ctx, project_name)) {
        return RUN_E_DENIED;
    }
    if (!items) {
        return -ENOMEM;
    }
    *ret = items;
    *ret_count = 0;
    int r = fill_routes(&reader, ctx, filter, items, ret_count);
    figures_fini(&reader.figures);
    return r;
}

/* --- certificates --- */

int run_certificates(struct run *run, const struct context *ctx, struct str project,
                     struct arena *arena, struct run_certificates *ret)
{
    const struct core_certificates *all = &run->core->certificates;
    struct certificate_status *items = arena_array(arena, all->count + 1, sizeof(*items));
    size_t count = 0;
    if (!may_read(run, ctx, project)) {
        return RUN_E_DENIED;
    }
    if (!items) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < all->count; i++) {
        if (str_eq(all->items[i].project, project) && str_is(all->items[i].tenant, ctx->tenant)) {
            items[count] = all->items[i];
            items[count].days_left =
                expiry_days(items[count].until_ns / NS_PER_S, core_wall(run->core) / NS_PER_S);
            count++;
        }
    }
    *ret = (struct run_certificates){items, count};
    return 0;
}

/* --- documents --- */

int run_config(struct run *run, const struct context *ctx, struct str name, bool json,
               struct buf *out)
{
    if (!may_read(run, ctx, name)) {
        return RUN_E_DENIED;
    }
    struct project *project = project_find(run, str_from(ctx->tenant), name);
    if (!project) {
        return RUN_E_NONE;
    }
    if (json) {
        schema_render_json(project->spec, 0, out);
    } else {
        schema_render_yaml(project->spec, 0, out);
    }
    return buf_error(out);
}

int run_service_spec(struct run *run, const struct context *ctx, struct bus_id id, struct buf *out)
{
    if (!may_read(run, ctx, str_from(id.project))) {
        return RUN_E_DENIED;
    }
    struct project *project = project_find(run, str_from(ctx->tenant), str_from(id.project));
    struct service *service = project ? service_find(project, str_from(id.service)) : NULL;
    if (!service) {
        return RUN_E_NONE;
    }
    schema_render_service_json(service->project_spec, str_from(service->name), 0, out);
    return buf_error(out);
}
