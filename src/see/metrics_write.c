/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /metrics. One function per group of families; names and labels follow the OpenMetrics and
 * Prometheus naming rules (base units, _total for counters).
 *
 * All samples of a family stand together, so the loops go family by family over the same things.
 * Labels are names of the configuration, never parts of requests (a path of a client would be a
 * series of its own): their number is bounded by what is configured. What is not known yet has no
 * sample; a sample of 0 would be drawn as a fall.
 */
#include "link/counters_policy.h"
#include "link/snapshot_types.h"
#include "proto/openmetrics.h"
#include "schema/status_tls.h"
#include "see/metrics_private.h"

#include <stdio.h>

/* Upper bounds of the duration histogram: powers of two of 256 µs … 67 s, which are borders of the
 * edge's own buckets, so that nothing is estimated. */
enum { BOUND_FIRST = 8, BOUND_LAST = 26, BOUNDS = BOUND_LAST - BOUND_FIRST + 1 };

struct labels {
    struct openmetrics_label list[8];
    size_t count;
    char replica[NAME_MAX_SIZE + 16];
};

static void add_label(struct labels *labels, const char *name, struct str value)
{
    labels->list[labels->count++] = (struct openmetrics_label){name, value};
}

static struct labels *thing_labels(struct labels *labels, const struct metrics_thing *thing)
{
    labels->count = 0;
    add_label(labels, "tenant", str_from(thing->id.tenant));
    add_label(labels, "project", str_from(thing->id.project));
    add_label(labels, "service", str_from(thing->id.service));
    if (thing->service) {
        (void)snprintf(labels->replica, sizeof(labels->replica), "%s-%u", thing->id.service,
                       thing->id.replica);
        add_label(labels, "replica", str_from(labels->replica));
    }
    return labels;
}

/* False: it is not known (yet) what the ids stand for; an exposition with ids for labels would
 * start series that end at the next scrape. */
static bool route_labels(struct labels *labels, const struct names *names,
                         const struct metrics_route *route)
{
    const struct name *service = names_get(names, route->key.service);
    const struct name *endpoint = names_get(names, route->endpoint);
    const struct name *path = names_get(names, route->key.route);
    labels->count = 0;
    if (!service) {
        return false;
    }
    bool is_route = path && path->kind == NAME_ROUTE;
    add_label(labels, "tenant", service->tenant);
    add_label(labels, "project", service->project);
    add_label(labels, "service", service->service);
    add_label(labels, "replica", endpoint ? endpoint->replica : STR(""));
    add_label(labels, "host", is_route ? path->host : STR(""));
    add_label(labels, "path", is_route ? path->path : STR(""));
    return true;
}

/* --- requests, per route and replica --- */

static void write_requests(struct openmetrics *om, const struct metrics *metrics)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx", "tunnel"};
    struct labels labels;
    openmetrics_family(om, OPENMETRICS_COUNTER, "muelle_requests", NULL,
                       "Requests by class of status; none: the client got no answer; tunnel: a "
                       "connection of a tcp or tls listener that reached its replica.");
    for (size_t i = 0; i < metrics->routes.len; i++) {
        const struct metrics_route *route = metrics_route_at(metrics, i);
        for (size_t n = 0; n < ARRAY_LEN(classes); n++) {
            uint64_t value = n + 1 < ARRAY_LEN(classes) ? route->red.status[n] : route->red.tunnels;
            if (value && route_labels(&labels, &metrics->see->naming.names, route)) {
                add_label(&labels, "status", str_from(classes[n]));
                openmetrics_u64(om, labels.list, labels.count, value);
            }
        }
    }
}

struct route_family {
    enum openmetrics_type type;
    const char *name, *unit, *help;
    size_t offset; /* of a uint64_t in struct red */
};

static void write_routes(struct openmetrics *om, const struct metrics *metrics)
{
    static const struct route_family families[] = {
        {OPENMETRICS_COUNTER, "muelle_request_errors", NULL,
         "Requests answered with 5xx or not at all, connections that reached no replica.",
         offsetof(struct red, errors)},
        {OPENMETRICS_COUNTER, "muelle_gateway_errors", NULL,
         "Answers 502 and 504 that the gateway made itself, and answers that broke off.",
         offsetof(struct red, gateway_errors)},
        {OPENMETRICS_COUNTER, "muelle_request_bytes", "bytes", "Bytes of request bodies.",
         offsetof(struct red, bytes_in)},
        {OPENMETRICS_COUNTER, "muelle_response_bytes", "bytes", "Bytes of response bodies.",
         offsetof(struct red, bytes_out)},
        {OPENMETRICS_COUNTER, "muelle_upstream_connects", NULL, "Connections made to replicas.",
         offsetof(struct red, connects)},
        {OPENMETRICS_COUNTER, "muelle_upstream_connect_errors", NULL,
         "Connections to replicas that failed.", offsetof(struct red, connect_errors)},
        {OPENMETRICS_COUNTER, "muelle_request_retries", NULL,
         "Further tries of requests with another connection or replica.",
         offsetof(struct red, retries)},
        {OPENMETRICS_COUNTER, "muelle_request_hedges", NULL,
         "Second tries that were begun beside the first.", offsetof(struct red, hedges)},
        {OPENMETRICS_COUNTER, "muelle_requests_mirrored", NULL,
         "Requests whose copy was sent to another service.", offsetof(struct red, mirrored)},
        {OPENMETRICS_COUNTER, "muelle_requests_rejected", NULL,
         "Requests turned away by a breaker, a full queue or a limit.",
         offsetof(struct red, rejected)},
        {OPENMETRICS_COUNTER, "muelle_upstream_ejections", NULL,
         "Times that a replica was taken out for its failures.", offsetof(struct red, ejections)},
    };
    struct labels labels;
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        const struct route_family *family = &families[f];
        openmetrics_family(om, family->type, family->name, family->unit, family->help);
        for (size_t i = 0; i < metrics->routes.len; i++) {
            const struct metrics_route *route = metrics_route_at(metrics, i);
            uint64_t value;
            memcpy(&value, (const char *)&route->red + family->offset, sizeof(value));
            if (route_labels(&labels, &metrics->see->naming.names, route)) {
                openmetrics_u64(om, labels.list, labels.count, value);
            }
        }
    }
    openmetrics_family(om, OPENMETRICS_GAUGE, "muelle_requests_in_flight", NULL,
                       "Requests that are under way.");
    for (size_t i = 0; i < metrics->routes.len; i++) {
        const struct metrics_route *route = metrics_route_at(metrics, i);
        if (route_labels(&labels, &metrics->see->naming.names, route)) {
            openmetrics_u64(om, labels.list, labels.count, route->red.in_flight);
        }
    }
}

/* Bucket by bucket of the exposition; the edge's own lie whole inside of one. */
static void fill_buckets(const struct histogram *histogram, uint64_t buckets[BOUNDS + 1])
{
    size_t at = 0;
    for (unsigned b = 0; b < COUNTERS_BUCKETS; b++) {
        while (at < BOUNDS && counters_bucket_low(b) >= UINT64_C(1) << (BOUND_FIRST + at)) {
            at++;
        }
        buckets[at] += histogram_at(histogram, b);
    }
}

static void write_duration(struct openmetrics *om, const struct metrics *metrics, size_t duration,
                           const double bounds[BOUNDS])
{
    struct labels labels;
    for (size_t i = 0; i < metrics->things.len; i++) {
        const struct metrics_thing *thing = metrics_thing_at(metrics, i);
        uint64_t buckets[BOUNDS + 1] = {0};
        if (thing->service || !thing->red.requests || !thing->spread) {
            continue;
        }
        fill_buckets(&thing->spread->now[duration], buckets);
        thing_labels(&labels, thing);
        openmetrics_histogram(
            om, labels.list, labels.count,
            &(struct openmetrics_histogram){bounds, buckets, BOUNDS,
                                            (double)thing->red.sum_us[duration] / 1e6});
    }
}

/* By service: a histogram is twenty series, so not by route and replica. */
static void write_durations(struct openmetrics *om, const struct metrics *metrics)
{
    static const struct {
        const char *name, *help;
    } families[COUNTERS_DURATIONS] = {
        [COUNTERS_TOTAL] = {"muelle_request_duration_seconds",
                            "From the first byte of a request to the last one of its answer."},
        [COUNTERS_UPSTREAM] = {"muelle_upstream_duration_seconds",
                               "From a request handed to a replica to its answer's last byte."},
        [COUNTERS_FIRST_BYTE] = {"muelle_upstream_first_byte_seconds",
                                 "From a request handed to a replica to its answer's head."},
        [COUNTERS_CONNECT] = {"muelle_upstream_connect_seconds",
                              "Time to connect to replicas; pooled connections need none."},
        [COUNTERS_WAIT] = {"muelle_request_wait_seconds",
                           "Time that requests waited for a replica."},
    };
    double bounds[BOUNDS];
    for (size_t i = 0; i < BOUNDS; i++) {
        bounds[i] = (double)(UINT64_C(1) << (BOUND_FIRST + i)) / 1e6;
    }
    for (size_t d = 0; d < COUNTERS_DURATIONS; d++) {
        openmetrics_family(om, OPENMETRICS_HISTOGRAM, families[d].name, "seconds",
                           families[d].help);
        write_duration(om, metrics, d, bounds);
    }
}

/* --- what the edge does about requests to a service --- */

enum policy_family { STATE, OPENED, UNDER_WAY, LIMIT, CONNECTIONS, NOT_MIRRORED };

static uint64_t policy_value(const struct metrics *metrics, const struct counters_policy *policy,
                             enum policy_family family)
{
    const struct core *core = metrics->see->core;
    switch (family) {
    case STATE: {
        enum counters_policy_state state = counters_policy_state(policy, core_wall(core));
        return state == COUNTERS_POLICY_OPEN ? 2 : state == COUNTERS_POLICY_HALF_OPEN ? 1 : 0;
    }
    case LIMIT:
        return counters_policy_limit(edge_link_counters(core->edge), policy);
    case OPENED:
        return policy->times;
    case UNDER_WAY:
        return counters_policy_in_flight(policy);
    case CONNECTIONS:
        return counters_policy_connections(policy);
    default:
        return policy->not_mirrored;
    }
}

/* Of services that have one: the edge keeps no place for the others. */
static void write_policies(struct openmetrics *om, const struct metrics *metrics)
{
    static const struct {
        enum openmetrics_type type;
        const char *name, *help;
    } families[] = {
        {OPENMETRICS_GAUGE, "muelle_service_breaker_state", "0 closed, 1 half open, 2 open."},
        {OPENMETRICS_COUNTER, "muelle_service_breaker_opened", "Times that a breaker opened."},
        {OPENMETRICS_GAUGE, "muelle_service_places", "Requests that have a place with a replica."},
        {OPENMETRICS_GAUGE, "muelle_service_concurrency_limit",
         "How many places `concurrency` gives at this moment."},
        {OPENMETRICS_GAUGE, "muelle_service_connections", "Connections to its replicas."},
        {OPENMETRICS_COUNTER, "muelle_requests_not_mirrored", "Requests without their copy."},
    };
    const struct counters *counters = edge_link_counters(metrics->see->core->edge);
    for (size_t f = 0; counters && f < ARRAY_LEN(families); f++) {
        openmetrics_family(om, families[f].type, families[f].name, NULL, families[f].help);
        for (size_t i = 0; i < metrics->things.len; i++) {
            const struct metrics_thing *thing = metrics_thing_at(metrics, i);
            struct counters_policy policy;
            struct labels labels;
            uint64_t id = link_id(str_from(thing->id.tenant), str_from(thing->id.project),
                                  str_from(thing->id.service), STR_NONE);
            if (thing->service || !counters_policy_read(counters, id, &policy)) {
                continue;
            }
            uint64_t value = policy_value(metrics, &policy, (enum policy_family)f);
            if (f != LIMIT || value > 0) { /* 0: there is none */
                thing_labels(&labels, thing);
                openmetrics_u64(om, labels.list, labels.count, value);
            }
        }
    }
}

/* --- resources of replicas --- */

static void write_replicas(struct openmetrics *om, const struct metrics *metrics)
{
    enum { UP, CPU, MEMORY, PROCESSES, FAMILIES };
    static const struct {
        enum openmetrics_type type;
        const char *name, *unit, *help;
    } families[FAMILIES] = {
        {OPENMETRICS_GAUGE, "muelle_replica_up", NULL, "1 while the replica has a process."},
        {OPENMETRICS_COUNTER, "muelle_replica_cpu_seconds", "seconds",
         "CPU time of all processes of the replica."},
        {OPENMETRICS_GAUGE, "muelle_replica_memory_bytes", "bytes",
         "Memory of the replica's control group, or the resident memory of its processes."},
        {OPENMETRICS_GAUGE, "muelle_replica_processes", NULL, "Processes of the replica."},
    };
    struct labels labels;
    for (size_t f = 0; f < FAMILIES; f++) {
        openmetrics_family(om, families[f].type, families[f].name, families[f].unit,
                           families[f].help);
        for (size_t i = 0; i < metrics->things.len; i++) {
            const struct metrics_thing *thing = metrics_thing_at(metrics, i);
            bool known = f == UP || (f == CPU && thing->cpu_total_ns > 0) ||
                         (f == MEMORY && thing->usage.memory_bytes > 0) ||
                         (f == PROCESSES && thing->usage.pids > 0);
            if (!thing->service || !known) {
                continue;
            }
            thing_labels(&labels, thing);
            if (f == CPU) {
                openmetrics_double(om, labels.list, labels.count,
                                   (double)thing->cpu_total_ns / 1e9);
            } else {
                uint64_t value = f == UP       ? (uint64_t)(thing->pid > 0)
                                 : f == MEMORY ? thing->usage.memory_bytes
                                               : thing->usage.pids;
                openmetrics_u64(om, labels.list, labels.count, value);
            }
        }
    }
}

/* --- muelle itself --- */

static void write_one(struct openmetrics *om, enum openmetrics_type type, const char *name,
                      const char *help, uint64_t value)
{
    openmetrics_family(om, type, name, NULL, help);
    openmetrics_u64(om, NULL, 0, value);
}

/* What `gateway.limits` turned away. */
static void write_limits(struct openmetrics *om, const struct counters_thread *edge)
{
    const enum openmetrics_type counter = OPENMETRICS_COUNTER;
    write_one(om, counter, "muelle_edge_limit_connections",
              "Connections ended to make room for others.", edge->limit_connections);
    write_one(om, counter, "muelle_edge_limit_address_connections",
              "Connections refused because their address had as many as it may.",
              edge->limit_address_connections);
    write_one(om, counter, "muelle_edge_limit_address_rate",
              "Connections refused because their address opened too many a second.",
              edge->limit_address_rate);
    write_one(om, counter, "muelle_edge_limit_body_rate",
              "Requests ended because their body came too slowly.", edge->limit_body_rate);
    write_one(om, counter, "muelle_edge_limit_read_rate",
              "Answers cut because the client read too slowly.", edge->limit_read_rate);
    write_one(om, counter, "muelle_edge_limit_glitches",
              "Connections ended because of too many oddities.", edge->limit_glitches);
    write_one(om, counter, "muelle_edge_glitches", "Oddities of connections.", edge->glitches);
    write_one(om, counter, "muelle_edge_bad_announcements",
              "Connections closed without a good header of the PROXY protocol, or not of a trusted "
              "proxy.",
              edge->bad_announcements);
}

static void write_edge(struct openmetrics *om, const struct metrics *metrics)
{
    const struct counters_thread *edge = &metrics->edge;
    const enum openmetrics_type counter = OPENMETRICS_COUNTER, gauge = OPENMETRICS_GAUGE;
    write_one(om, counter, "muelle_edge_accepted", "Client connections accepted.", edge->accepted);
    write_one(om, counter, "muelle_edge_refused", "Client connections refused by a limit.",
              edge->refused);
    write_one(om, gauge, "muelle_edge_connections", "Client connections open.", edge->connections);
    write_one(om, gauge, "muelle_edge_upstream_connections", "Connections to replicas open.",
              edge->upstream_connections);
    write_one(om, counter, "muelle_edge_requests", "Requests read, of all kinds.", edge->requests);
    write_one(om, counter, "muelle_edge_bad_requests", "Requests refused as malformed.",
              edge->bad_requests);
    write_limits(om, edge);
    write_one(om, counter, "muelle_edge_tls_handshakes",
              "TLS handshakes of clients that succeeded.", edge->tls_handshakes);
    write_one(om, counter, "muelle_edge_tls_resumed", "Those of them that resumed a session.",
              edge->tls_resumed);
    write_one(om, counter, "muelle_edge_tls_failed",
              "TLS handshakes of clients that failed: refused by either side, or no TLS at all.",
              edge->tls_failed);
    write_one(om, counter, "muelle_edge_no_route", "Requests that no route took.", edge->no_route);
    write_one(om, counter, "muelle_edge_no_endpoint", "Requests that found no replica in time.",
              edge->no_endpoint);
    write_one(om, counter, "muelle_edge_held", "Requests that waited for a replica.", edge->held);
    write_one(om, counter, "muelle_edge_timeouts", "Time-outs of any kind.", edge->timeouts);
    write_one(om, counter, "muelle_edge_tunnels", "WebSocket and TCP tunnels opened.",
              edge->tunnels);
    write_one(om, counter, "muelle_edge_requests_lost",
              "Requests that were under way in an edge that was killed.", metrics->lost.requests);
    write_one(om, counter, "muelle_edge_tunnels_lost",
              "Tunnels that were open in an edge that was killed.", metrics->lost.tunnels);
    write_one(om, counter, "muelle_edge_moved", "Connections taken from the edge before.",
              edge->moved);
    write_one(om, counter, "muelle_edge_snapshots", "Whole configurations, by thread.",
              edge->snapshots);
    write_one(om, counter, "muelle_edge_deltas", "Changes of replicas and routes, by thread.",
              edge->deltas);
    write_one(om, counter, "muelle_edge_records_dropped",
              "Access records lost because a ring was full.", edge->ring_dropped);
    write_one(om, counter, "muelle_edge_cells_overflow",
              "Counts that share a cell because the table is full.", edge->cells_overflow);
    write_one(om, counter, "muelle_edge_durations_overflow",
              "Durations that found no place in a histogram.", edge->octaves_overflow);
    write_one(om, counter, "muelle_edge_records_unsampled",
              "Requests without an access record, as configured.", edge->unsampled);
    write_one(om, gauge, "muelle_metrics_routes_together",
              "Pairs of route and replica that are counted by replica only: there are too many.",
              metrics->routes_together);
}

static void write_logs(struct openmetrics *om, const struct metrics *metrics)
{
    const struct see *see = metrics->see;
    const struct tail_stats *tail = &see->tail.stats;
    const enum openmetrics_type counter = OPENMETRICS_COUNTER, gauge = OPENMETRICS_GAUGE;
    write_one(om, counter, "muelle_log_lines", "Lines of output stored.", tail->lines);
    openmetrics_family(om, counter, "muelle_log_bytes", "bytes", "Bytes of output stored.");
    openmetrics_u64(om, NULL, 0, tail->bytes);
    openmetrics_family(om, counter, "muelle_log_dropped_bytes", "bytes",
                       "Bytes of output lost to the burst limit.");
    openmetrics_u64(om, NULL, 0, tail->dropped_bytes);
    write_one(om, counter, "muelle_log_truncations", "Output files truncated by their services.",
              tail->truncations);
    openmetrics_family(om, gauge, "muelle_log_stored_bytes", "bytes",
                       "Sealed log segments on disk, as last counted.");
    openmetrics_u64(om, NULL, 0, tail->stored_bytes);
    write_one(om, gauge, "muelle_log_disk_full", "1 while logs cannot be stored.", tail->full);
    write_one(om, gauge, "muelle_log_streams", "Streams with stored lines.", see->catalog.len);
    write_one(om, counter, "muelle_log_queries", "Queries of logs.", see->logs.stats.queries);
    openmetrics_family(om, counter, "muelle_log_scanned_bytes", "bytes",
                       "Bytes of lines read by queries.");
    openmetrics_u64(om, NULL, 0, see->logs.stats.scanned_bytes);
    write_one(om, counter, "muelle_access_records", "Access records stored.",
              see->access.stats.records);
    write_one(om, counter, "muelle_access_records_dropped",
              "Access records lost because the disk was full.", see->access.stats.dropped);
    write_one(om, counter, "muelle_access_records_unwritten",
              "Lines that are stored, but not in the file that the configuration names.",
              see->access.stats.unwritten);
}

static void write_core(struct openmetrics *om, const struct metrics *metrics)
{
    const struct loop_stats *loop = &metrics->see->core->loop->stats;
    const struct store_stats *store = &metrics->store;
    const enum openmetrics_type counter = OPENMETRICS_COUNTER, gauge = OPENMETRICS_GAUGE;
    write_one(om, counter, "muelle_core_loop_turns", "Turns of the core's loop.", loop->turns);
    write_one(om, counter, "muelle_core_loop_stalls", "Turns longer than 50 ms.", loop->stalls);
    openmetrics_family(om, gauge, "muelle_core_loop_longest_turn_seconds", "seconds",
                       "The longest turn since the core started.");
    openmetrics_double(om, NULL, 0, (double)loop->stall_max_ns / 1e9);
    write_one(om, counter, "muelle_store_commits", "Group commits (each one fdatasync).",
              store->commits);
    write_one(om, counter, "muelle_store_transactions", "Transactions answered.",
              store->transactions);
    write_one(om, counter, "muelle_store_failures", "Transactions answered with an error.",
              store->failed);
    openmetrics_family(om, counter, "muelle_store_busy_seconds", "seconds",
                       "Time that the writer spent in group commits.");
    openmetrics_double(om, NULL, 0, (double)store->busy_ns / 1e9);
    openmetrics_family(om, gauge, "muelle_store_slowest_commit_seconds", "seconds",
                       "The slowest group commit since the last reading.");
    openmetrics_double(om, NULL, 0, (double)store->slowest_ns / 1e9);
    write_one(om, gauge, "muelle_store_queued", "Transactions that wait.", store->queued);
}

/* A role that is not there just now has no figures. */
/* --- certificates --- */

/* One file may be named twice; a series may not. */
static bool is_repeated(const struct core_certificates *all, size_t i)
{
    const struct certificate_status *item = &all->items[i];
    for (size_t k = 0; k < i; k++) {
        const struct certificate_status *other = &all->items[k];
        if (str_eq(other->project, item->project) && str_eq(other->file, item->file) &&
            str_eq(other->listen, item->listen) && str_eq(other->names, item->names)) {
            return true;
        }
    }
    return false;
}

/* Certificates of a project, by file; those of the development authority have none. */
static void write_certificates(struct openmetrics *om, const struct metrics *metrics)
{
    const struct core *core = metrics->see->core;
    const struct core_certificates *all = &core->certificates;
    if (all->count == 0) {
        return;
    }
    openmetrics_family(om, OPENMETRICS_GAUGE, "muelle_certificate_expiry_seconds", "seconds",
                       "Time until a certificate of the gateway ends; negative: it has ended.");
    for (size_t i = 0; i < MIN(all->count, (size_t)METRICS_CERTIFICATES_MAX); i++) {
        const struct certificate_status *item = &all->items[i];
        struct labels labels = {.count = 0};
        struct str first = item->names, rest;
        (void)str_split(item->names, ' ', &first, &rest);
        if (is_repeated(all, i)) {
            continue;
        }
        add_label(&labels, "tenant", item->tenant);
        add_label(&labels, "project", item->project);
        add_label(&labels, "file", item->file);
        add_label(&labels, "listen", item->listen);
        add_label(&labels, "name", first);
        openmetrics_double(om, labels.list, labels.count,
                           (double)(item->until_ns - core_wall(core)) / NS_PER_S);
    }
}

static void write_roles(struct openmetrics *om, const struct metrics *metrics)
{
    openmetrics_family(om, OPENMETRICS_GAUGE, "muelle_role_memory_bytes", "bytes",
                       "Resident memory of muelle's own processes.");
    for (size_t i = 0; i < ARRAY_LEN(metrics->roles); i++) {
        const struct openmetrics_label label = {"role", str_from(metrics_role_names[i])};
        if (metrics->roles[i].pid) {
            openmetrics_u64(om, &label, 1, metrics->roles[i].memory_bytes);
        }
    }
    openmetrics_family(om, OPENMETRICS_COUNTER, "muelle_role_cpu_seconds", "seconds",
                       "CPU time of muelle's own processes.");
    for (size_t i = 0; i < ARRAY_LEN(metrics->roles); i++) {
        const struct openmetrics_label label = {"role", str_from(metrics_role_names[i])};
        if (metrics->roles[i].pid) {
            openmetrics_double(om, &label, 1, (double)metrics->roles[i].cpu_ns / 1e9);
        }
    }
}

int metrics_write(struct see *see, bool prometheus, struct buf *out)
{
    struct metrics *metrics = see->metrics;
    struct openmetrics om = OPENMETRICS(out, prometheus);
    metrics_refresh(metrics);
    const struct openmetrics_label info[] = {
        {"version", str_from(see->core->instance.version)},
        {"instance_id", str_from(see->core->instance.id)},
    };
    openmetrics_family(&om, OPENMETRICS_INFO, "muelle_instance", NULL, "This instance of muelle.");
    openmetrics_u64(&om, info, ARRAY_LEN(info), 1);
    write_requests(&om, metrics);
    write_routes(&om, metrics);
    write_durations(&om, metrics);
    write_policies(&om, metrics);
    write_replicas(&om, metrics);
    write_edge(&om, metrics);
    write_logs(&om, metrics);
    write_core(&om, metrics);
    write_roles(&om, metrics);
    write_certificates(&om, metrics);
    openmetrics_end(&om);
    return buf_error(out);
}
