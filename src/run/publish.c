/* SPDX-License-Identifier: Apache-2.0
 *
 * Projects and replicas as the edge sees them. What a single replica does (comes, gets ready,
 * drains, goes) is a delta, and so are a few routes more or less (publish_routes.c); any other
 * change of the configuration is a whole snapshot. Both are derived from the same functions
 * (endpoint_delta, edge_state, service_state), so they cannot disagree.
 *
 * A replica has one endpoint. When its HTTP probe goes to another port than its requests, a second,
 * unrouted service "NAME?probe" carries the probe, since a snapshot's probe goes to the endpoint's
 * own address.
 *
 * Invariants: replica->edge_state and edge_said are what the delta log (or the last snapshot) has
 * said about it; run->told is the digest of what the last snapshot said besides (0 = there is none
 * that deltas may stand on).
 */
#include "run/publish.h"
#include "core/core.h"
#include "core/mutate.h"
#include "core/sockmap.h"
#include "link/counters.h"
#include "link/delta.h"
#include "link/snapshot.h"
#include "os/rolelog.h"
#include "os/thread.h"
#include "run/certificates.h"
#include "run/endings.h"
#include "run/listen.h"
#include "run/loads.h"
#include "run/model.h"
#include "run/project.h"
#include "run/publish_gateway.h"
#include "run/publish_routes.h"
#include "run/publish_spread.h"
#include "run/publish_traffic.h"
#include "run/shortage.h"
#include "run/socket.h"
#include "run/tickets.h"
#include "run/verdicts.h"

#include <stdio.h>

enum { EDGE_NONE = 0, THREADS_MAX = 8, HOLD_MAX_MS = 10000 };

/* --- what a spec means for the edge --- */

static bool uses_port_variable(const struct service_spec *spec)
{
    for (size_t i = 0; i < spec->argv_count; i++) {
        if (str_find(spec->argv[i], STR("$PORT")) >= 0 ||
            str_find(spec->argv[i], STR("${PORT}")) >= 0) {
            return true;
        }
    }
    for (size_t i = 0; i < spec->environment_count; i++) {
        struct str value = spec->environment[i].value;
        if (str_find(value, STR("$PORT")) >= 0 || str_find(value, STR("${PORT}")) >= 0) {
            return true;
        }
    }
    return false;
}

/* The first tcp listener that leads to the service. */
static const struct listen_spec *tcp_listen(const struct service_spec *spec,
                                            const struct project_spec *project)
{
    for (size_t i = 0; i < project->gateway.listens_count; i++) {
        const struct listen_spec *listen = &project->gateway.listens[i];
        if (listen->service.len > 0 && str_eq(listen->service, spec->name)) {
            return listen;
        }
    }
    return NULL;
}

uint16_t publish_fixed_port(const struct service_spec *spec, const struct project_spec *project)
{
    if (spec->port > 0) {
        return (uint16_t)spec->port;
    }
    const struct listen_spec *listen = tcp_listen(spec, project);
    if (!listen || spec->replicas > 1 || uses_port_variable(spec)) {
        return 0;
    }
    /* "6379:6379" (target 0): a program that is not told of PORT binds it by itself. */
    int64_t own = listen->from_ports ? listen->port : 0;
    return (uint16_t)(listen->target > 0 ? listen->target : own);
}

bool publish_has_endpoint(const struct service_spec *spec, const struct project_spec *project)
{
    return spec->routes_count > 0 || tcp_listen(spec, project) != NULL ||
           publish_stands_in(spec, project);
}

bool publish_probed(const struct service_spec *spec, const struct project_spec *project)
{
    if (spec->health.kind >= HEALTH_HTTP) {
        return true;
    }
    return spec->health.kind == HEALTH_NONE && spec->kind == SERVICE_PROCESS &&
           publish_has_endpoint(spec, project);
}

static uint32_t ms(int64_t ns)
{
    return ns <= 0 ? 0 : (uint32_t)MIN((ns + NS_PER_MS - 1) / NS_PER_MS, 86400000);
}

static struct snapshot_probe probe_of(const struct service_spec *spec,
                                      const struct project_spec *project)
{
    const struct health_spec *health = &spec->health;
    if (!publish_probed(spec, project)) {
        return (struct snapshot_probe){.kind = SNAPSHOT_PROBE_NONE};
    }
    if (health->kind == HEALTH_NONE) {
        return (struct snapshot_probe){.kind = SNAPSHOT_PROBE_TCP};
    }
    return (struct snapshot_probe){
        .kind = health->kind == HEALTH_HTTP   ? SNAPSHOT_PROBE_HTTP
                : health->kind == HEALTH_GRPC ? SNAPSHOT_PROBE_GRPC
                                              : SNAPSHOT_PROBE_TCP,
        .path = health->http_path,
        .host = health->http_host,
        .interval_ms = ms(health->interval_ns),
        .timeout_ms = ms(health->timeout_ns),
        .retries = (uint32_t)MAX(health->retries, 0),
        .start_period_ms = ms(health->start_period_ns),
        .start_interval_ms = ms(health->start_interval_ns),
    };
}

/* Is the probe's port another one than that of requests? */
static bool probes_elsewhere(const struct service_spec *spec, const struct project_spec *project)
{
    return publish_probed(spec, project) && spec->health.kind != HEALTH_NONE &&
           spec->health.http_port > 0 &&
           spec->health.http_port != publish_fixed_port(spec, project);
}

static uint64_t probe_service_id(const struct service *service)
{
    return link_id(str_from(service->project->tenant), str_from(service->project->name),
                   str_from(service->name), STR("?probe"));
}

/* Known from the endpoint's id alone, so that nothing more needs to be kept. */
static uint64_t probe_endpoint_id(const struct replica *replica)
{
    return replica->endpoint ^ UINT64_C(1) << 63;
}

/* --- states --- */

/* An operator may have it drained. */
static uint8_t ready_state(const struct replica *replica)
{
    return publish_drained(replica) ? SNAPSHOT_ENDPOINT_DRAINING : SNAPSHOT_ENDPOINT_READY;
}

static uint8_t unwell_state(const struct replica *replica)
{
    return publish_drained(replica) ? SNAPSHOT_ENDPOINT_DRAINING : SNAPSHOT_ENDPOINT_UNWELL;
}

static uint8_t edge_state(const struct replica *replica)
{
    if (!replica->sm.alive || replica->port == 0) {
        return EDGE_NONE;
    }
    if (replica->sm.state == REPLICA_UNHEALTHY && MUTATE(publish_unhealthy)) {
        return 1 + SNAPSHOT_ENDPOINT_READY;
    }
    switch (replica->sm.state) {
    case REPLICA_UNHEALTHY:
        return 1 + unwell_state(replica);
    case REPLICA_STARTING:
        return 1 + SNAPSHOT_ENDPOINT_STARTING;
    case REPLICA_RUNNING:
        return 1 + ready_state(replica);
    case REPLICA_STOPPING:
        return 1 + (replica->sm.published ? ready_state(replica) : SNAPSHOT_ENDPOINT_DRAINING);
    default:
        return EDGE_NONE;
    }
}

static enum snapshot_service_state service_state(const struct run *run,
                                                 const struct service *service)
{
    unsigned starting = 0, waiting = 0, drained = 0, members = 0;
    if (service_wanted(service) == 0) {
        return service_scaled_to_0(service) ? SNAPSHOT_SERVICE_SCALED_TO_0
                                            : SNAPSHOT_SERVICE_STOPPED;
    }
    list_for_each (it, &service->members) {
        const struct replica *replica = list_entry(it, struct replica, node);
        uint8_t state = replica->sm.state;
        int64_t retry = replica->sm.retry_ns;
        members++;
        drained += publish_drained(replica);
        starting += state == REPLICA_STARTING || state == REPLICA_PENDING;
        waiting += state == REPLICA_COMPLETED ||
                   (state == REPLICA_CRASHED &&
                    (retry == INT64_MAX || retry - core_now(run->core) > HOLD_MAX_MS * NS_PER_MS));
    }
    if (drained == members && members >= service_wanted(service)) {
        return SNAPSHOT_SERVICE_DRAINED; /* those that follow one of them are, too */
    }
    if (members > 0 && waiting == members) {
        return SNAPSHOT_SERVICE_CRASHED; /* nobody will come within the time a request is held */
    }
    return starting == members ? SNAPSHOT_SERVICE_STARTING : SNAPSHOT_SERVICE_RUNNING;
}

/* --- deltas --- */

static bool is_told(const struct service *service)
{
    return publish_has_endpoint(service->spec, service->project_spec) ||
           publish_probed(service->spec, service->project_spec);
}

static bool is_published(const struct replica *replica)
{
    return is_told(replica->service);
}

static void replica_label(const struct replica *replica, char *ret, size_t size)
{
    char label[NAME_MAX_SIZE + 16];
    snprintf(label, sizeof(label), "%s-%u", replica->service->name, replica->number);
    str_copy(ret, size, str_from(label));
}

void publish_delta(struct run *run, struct delta *delta)
{
    int r = edge_link_delta(run->core->edge, delta);
    if (r != 0) {
        run->told = 0;
        run->snapshot_dirty = true; /* the log is full, or not there yet: the whole picture then */
        loop_defer(run->core->loop, &run->reconcile);
    }
}

static struct delta endpoint_delta(struct run *run, const struct replica *replica, uint8_t state)
{
    char address[SOCKET_ADDRESS_SIZE];
    struct delta delta = {
        .service = replica->service->id,
        .endpoint = replica->endpoint,
        .weight = publish_weight_wire(replica),
        .seat = publish_seat(run, replica),
    };
    if (state == EDGE_NONE) {
        delta.kind = DELTA_ENDPOINT_REMOVE;
        return delta;
    }
    delta.kind = replica->edge_state == EDGE_NONE ? DELTA_ENDPOINT_SET : DELTA_ENDPOINT_STATE;
    delta.endpoint_state = (enum snapshot_endpoint_state)(state - 1);
    socket_address(run, replica, address);
    str_copy(delta.address, sizeof(delta.address), str_from(address));
    replica_label(replica, delta.replica, sizeof(delta.replica));
    return delta;
}

/* All that a SET says of it but its state. */
static uint64_t said_of(const struct replica *replica, const struct delta *delta)
{
    uint64_t said = map_hash(delta->weight, str_from(delta->address));
    said = map_hash(said, str_from(delta->replica));
    said = map_hash(said, str_make((const char *)&delta->seat, sizeof(delta->seat)));
    return said + (uint64_t)replica->spec->health.http_port;
}

static void routes_changed(struct run *run, const struct replica *replica)
{
    bus_publish(run->core->bus, &(struct bus_message){.topic = BUS_ROUTES_CHANGED,
                                                      .id = service_bus_id(replica->service)});
}

void publish_endpoint(struct run *run, struct replica *replica)
{
    uint8_t state = is_published(replica) ? edge_state(replica) : EDGE_NONE;
    if (state == replica->edge_state || MUTATE(skipped_delta)) {
        return;
    }
    struct delta delta = endpoint_delta(run, replica, state);
    replica->edge_said = said_of(replica, &delta);
    publish_delta(run, &delta);
    if (probes_elsewhere(replica->spec, replica->project_spec)) {
        delta.service = probe_service_id(replica->service);
        delta.endpoint = probe_endpoint_id(replica);
        snprintf(delta.address, sizeof(delta.address), "127.0.0.1:%u",
                 (unsigned)replica->spec->health.http_port);
        publish_delta(run, &delta);
    }
    replica->edge_state = state;
    routes_changed(run, replica);
}

/* Everything about it is said again. */
static void publish_again(struct run *run, struct replica *replica)
{
    uint8_t state = is_published(replica) ? edge_state(replica) : EDGE_NONE;
    if (state != EDGE_NONE) {
        replica->edge_state = EDGE_NONE; /* so that it is a SET */
    }
    publish_endpoint(run, replica);
}

/* Its weight or its being drained. */
void publish_seats(struct run *run, struct service *service)
{
    list_for_each (it, &service->members) {
        publish_again(run, list_entry(it, struct replica, node));
    }
}

void publish_remove(struct run *run, struct replica *replica)
{
    if (replica->edge_state != EDGE_NONE) {
        struct delta delta = endpoint_delta(run, replica, EDGE_NONE);
        publish_delta(run, &delta);
        replica->edge_state = EDGE_NONE;
        routes_changed(run, replica);
    }
}

void publish_service(struct run *run, struct service *service)
{
    uint8_t state = (uint8_t)service_state(run, service);
    if (state == service->edge_state ||
        !publish_has_endpoint(service->spec, service->project_spec)) {
        return;
    }
    service->edge_state = state;
    publish_delta(run, &(struct delta){.kind = DELTA_SERVICE_STATE,
                                       .service = service->id,
                                       .service_state = (enum snapshot_service_state)state});
}

unsigned publish_in_flight(struct run *run, const struct replica *replica)
{
    const struct counters *counters = edge_link_counters(run->core->edge);
    unsigned sum = 0;
    for (uint32_t thread = 0; counters && thread < counters_tables(counters); thread++) {
        uint32_t used = counters_cells_used(counters, thread);
        for (uint32_t i = 0; i < used; i++) {
            struct counters_cell cell;
            if (counters_cell_read(counters, thread, i, &cell) &&
                cell.endpoint == replica->endpoint) {
                sum += cell.in_flight;
            }
        }
    }
    return sum;
}

/* --- snapshots --- */

static void add_endpoint(struct run *run, struct snapshot_builder *builder, struct replica *replica)
{
    uint8_t state = edge_state(replica);
    replica->edge_state = state;
    if (state == EDGE_NONE) {
        return;
    }
    struct delta delta = endpoint_delta(run, replica, state);
    replica->edge_said = said_of(replica, &delta);
    struct snapshot_endpoint endpoint = {
        .id = delta.endpoint,
        .service = delta.service,
        .address = str_from(delta.address),
        .replica = str_from(delta.replica),
        .state = delta.endpoint_state,
        .weight = delta.weight,
        .seat = delta.seat,
    };
    snapshot_builder_endpoint(builder, &endpoint);
    if (probes_elsewhere(replica->spec, replica->project_spec)) {
        char address[32];
        endpoint.id = probe_endpoint_id(replica);
        endpoint.service = probe_service_id(replica->service);
        snprintf(address, sizeof(address), "127.0.0.1:%u",
                 (unsigned)replica->spec->health.http_port);
        endpoint.address = str_from(address);
        snapshot_builder_endpoint(builder, &endpoint);
    }
}

/* How requests to this service are recorded, for edge and core: see/access_format.h reads the
 * text. */
static void set_access(struct snapshot_access *ret, const struct access_log_spec *spec,
                       struct buf *text)
{
    enum { ALL = 65536 };
    bool off = spec->format == ACCESS_OFF;
    double kept = spec->sample * ALL + 0.5;
    ret->skip = off ? UINT32_MAX : ALL - (uint32_t)kept;
    ret->more = !off && access_log_wants_more(spec);
    bool usual = spec->format == ACCESS_JSON && !spec->file.len && !spec->fields_count;
    if (usual || off) {
        return;
    }
    buf_printf(text, "%s\n" STR_FMT "\n", names_access_format[spec->format], STR_ARG(spec->file));
    for (size_t i = 0; i < spec->fields_count; i++) {
        buf_printf(text, "%s" STR_FMT, i ? "," : "", STR_ARG(spec->fields[i]));
    }
    ret->format = buf_str(text);
}

static void add_service(struct run *run, struct snapshot_builder *builder, struct service *service)
{
    const struct service_spec *spec = service->spec;
    const struct project_spec *project = service->project_spec;
    if (!is_told(service)) {
        return;
    }
    bool elsewhere = probes_elsewhere(spec, project);
    struct snapshot_policy policy;
    struct snapshot_service item = {
        .id = service->id,
        .tenant = str_from(service->project->tenant),
        .project = str_from(service->project->name),
        .name = str_from(service->name),
        .state = service_state(run, service),
    };
    char cookie[PUBLISH_COOKIE_MAX];
    publish_spread(service, &item, cookie);
    item.protocol =
        spec->traffic.protocol == TRAFFIC_HTTP2 ? SNAPSHOT_PROTOCOL_HTTP2 : SNAPSHOT_PROTOCOL_HTTP1;
    item.announce = (uint32_t)spec->traffic.announce;
    publish_traffic(service, &item, &policy);
    if (project == service->project->spec) { /* else it goes: its replicas are not asked anew */
        item.tls = certificates_upstream(service->project, (size_t)(spec - project->services));
    }
    if (!elsewhere) {
        item.probe = probe_of(spec, project);
    }
    cleanup(buf_fini) struct buf access = BUF_INIT(8 * KIB);
    set_access(&item.access, &project->gateway.access_log, &access);
    snapshot_builder_service(builder, &item);
    if (elsewhere) {
        item.id = probe_service_id(service);
        item.policy = NULL;
        item.probe = probe_of(spec, project);
        snapshot_builder_service(builder, &item);
    }
}

static void add_members(struct run *run, struct snapshot_builder *builder, struct service *service)
{
    service->edge_state = (uint8_t)service_state(run, service);
    if (!is_told(service)) {
        publish_routes_told(service);
        return;
    }
    list_for_each (it, &service->members) {
        add_endpoint(run, builder, list_entry(it, struct replica, node));
    }
    publish_routes_add(builder, service);
}

/* The API of the core is one more upstream of the edge. */
static uint64_t add_admin(struct run *run, struct snapshot_builder *builder)
{
    char address[160];
    uint64_t id = link_id(STR("muelle"), STR("muelle"), STR("admin"), STR_NONE);
    snprintf(address, sizeof(address), "unix:%s/admin.sock", run->core->instance.run_dir);
    snapshot_builder_service(builder, &(struct snapshot_service){
                                          .id = id,
                                          .tenant = STR("muelle"),
                                          .project = STR("muelle"),
                                          .name = STR("admin"),
                                          .state = SNAPSHOT_SERVICE_RUNNING,
                                      });
    snapshot_builder_endpoint(
        builder, &(struct snapshot_endpoint){
                     .id = link_id(STR("muelle"), STR("muelle"), STR("admin"), STR("1")),
                     .service = id,
                     .address = str_from(address),
                     .replica = STR("core"),
                     .state = SNAPSHOT_ENDPOINT_READY,
                 });
    return id;
}

unsigned publish_threads(const struct run *run, const struct project_spec *next)
{
    int64_t threads = next ? next->gateway.threads : 0;
    list_for_each (it, &run->projects) {
        const struct project *project = list_entry(it, struct project, node);
        if (project->spec && !(next && str_is(next->name, project->name))) {
            threads = MAX(threads, project->spec->gateway.threads);
        }
    }
    _Static_assert((int)GATEWAY_THREADS_MAX == (int)COUNTERS_HALF, "all are counted");
    unsigned cpus = thread_cpus();
    return threads > 0 ? (unsigned)threads : MIN(cpus, THREADS_MAX);
}

static bool needs_tickets(const struct run *run)
{
    list_for_each (it, &run->projects) {
        const struct project *project = list_entry(it, struct project, node);
        const struct gateway_spec *gateway = project->spec ? &project->spec->gateway : NULL;
        if (gateway && gateway->tls.tickets > 0 && certificates_needed(gateway)) {
            return true;
        }
    }
    return false;
}

static void add_gateway(struct run *run, struct snapshot_builder *builder)
{
    struct snapshot_gateway gateway = {.threads = publish_threads(run, NULL),
                                       .instance = str_from(run->core->instance.id)};
    int64_t drain_ns = 0; /* the longest that a project asks for */
    struct buf networks = BUF_INIT(SNAPSHOT_TEXT_MAX);
    list_for_each (it, &run->projects) {
        const struct project *project = list_entry(it, struct project, node);
        if (project->spec) {
            gateway.expose_replica |= project->spec->gateway.expose_replica;
            gateway.sockmap |= project->spec->gateway.sockmap;
            if (gateway.geo.len == 0) {
                gateway.geo = project->spec->gateway.geo_database;
            }
            drain_ns = MAX(drain_ns, project->spec->gateway.upgrade_drain_ns);
            publish_gateway(&gateway, &networks, &project->spec->gateway);
        }
    }
    if (edge_link_set_threads(run->core->edge, gateway.threads) < 0) {
        core_log(run->core, "no memory for the rings of %u edge threads", gateway.threads);
    }
    core_sockmap_want(run->core, gateway.sockmap);
    gateway.upgrade_drain_ms = ms(drain_ns);
    gateway.ticket_keys = needs_tickets(run) ? tickets_keys(run) : STR_NONE;
    gateway.trusted_proxies = buf_error(&networks) ? STR_NONE : buf_str(&networks);
    snapshot_builder_gateway(builder, &gateway);
    buf_fini(&networks);
}

/* The budget of the instance's logs: all projects are loaded when a snapshot is published. */
static void set_logging(struct run *run)
{
    struct core_logging *now = &run->core->logging, fresh = {0};
    list_for_each (it, &run->projects) {
        const struct project *project = list_entry(it, struct project, node);
        if (project->spec) {
            const struct retention_spec *spec = &project->spec->logging;
            fresh.max_bytes = MAX(fresh.max_bytes, (uint64_t)MAX(spec->max_bytes, 0));
            fresh.max_age_ns = MAX(fresh.max_age_ns, spec->max_age_ns);
        }
    }
    bool changed = fresh.max_bytes != now->max_bytes || fresh.max_age_ns != now->max_age_ns;
    if (changed && fresh.max_bytes > 0) {
        *now = fresh;
        bus_publish(run->core->bus, &(struct bus_message){.topic = BUS_LOGGING_CHANGED});
    }
}

static void each_service(struct run *run, struct snapshot_builder *builder,
                         void (*each)(struct run *run, struct snapshot_builder *builder,
                                      struct service *service))
{
    list_for_each (it, &run->projects) {
        struct project *project = list_entry(it, struct project, node);
        list_for_each (at, &project->services) {
            each(run, builder, list_entry(at, struct service, node));
        }
    }
}

/* What has changed of members: their states, and what a file says of weights and places. */
static void publish_members(struct run *run, struct snapshot_builder *builder,
                            struct service *service)
{
    publish_service(run, service);
    list_for_each (it, &service->members) {
        struct replica *replica = list_entry(it, struct replica, node);
        struct delta delta = endpoint_delta(run, replica, edge_state(replica));
        if (replica->edge_state != EDGE_NONE && said_of(replica, &delta) != replica->edge_said) {
            publish_again(run, replica);
        } else {
            publish_endpoint(run, replica);
        }
    }
}

/* Is what has changed since the last snapshot told by deltas alone? */
static bool publish_deltas(struct run *run, uint64_t digest)
{
    if (digest != run->told || !edge_link_is_current(run->core->edge) ||
        !publish_routes_changes(run)) {
        return false;
    }
    each_service(run, NULL, publish_members);
    return run->told == digest; /* else there was no room for all */
}

static int publish_whole(struct run *run, struct snapshot_builder *builder, uint64_t digest)
{
    each_service(run, builder, add_members);
    int r = edge_link_publish(run->core->edge, builder);
    run->told = r == 0 ? digest : 0;
    return r;
}

void publish_snapshot(struct run *run)
{
    struct snapshot_builder builder;
    set_logging(run);
    rounds_begin(&run->loads);
    rounds_begin(&run->verdicts);
    snapshot_builder_init(&builder);
    add_gateway(run, &builder);
    uint64_t admin = add_admin(run, &builder);
    each_service(run, &builder, add_service);
    listen_publish(run, &builder, admin);
    uint64_t digest = snapshot_builder_digest(&builder) ^ publish_places_digest(run);
    int r = publish_deltas(run, digest) ? 0 : publish_whole(run, &builder, digest);
    snapshot_builder_fini(&builder);
    if (r < 0) {
        rolelog(ROLELOG_ERROR, "core", "snapshot not published: %s", strerror(-r));
        run->snapshot_dirty = true;
        shortage_again(run);
        return;
    }
    listen_sweep(run);
    endings_look(run);
    spent_free(&run->spent, run);
}
