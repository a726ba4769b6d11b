/* SPDX-License-Identifier: Apache-2.0
 *
 * Services and endpoints from snapshot to pick.
 *
 * 1. `ready` holds exactly the endpoints that are READY, have an address and do not fail; it is
 *    made anew when a state, a probe or the set changes, so that a pick is a step in an array.
 * 2. service_pick counts what it gives, service_done takes it back in the same way (`shared`):
 *    loads are level whatever changed between.
 * 3. An endpoint that is removed gives nothing new and lives until its last request ended.
 * 4. An id that is unknown is passed over: the snapshot that knows it is on its way.
 *
 * As it fails: a refused connect keeps the endpoint out for 10, 20, 40 … ms (this thread's memory);
 * all out: requests wait (service_wait) and are woken by what may help. Out of memory leaves the
 * routes as they are and what could be made; worker.c tries again.
 */
#include "edge/service.h"

#include "base/num.h"
#include "edge/edge_private.h"
#include "edge/stream_private.h"
#include "edge/upstream.h"
#include "edge/worker.h"

#include <stdlib.h>

enum { DOWN_FIRST_MS = 10, DOWN_MOST_MS = 1000 };

/* --- eligibility --- */

static bool eligible(const struct endpoint *endpoint)
{
    return endpoint->state == SNAPSHOT_ENDPOINT_READY && endpoint->reachable &&
           !endpoint->removed && !endpoint->failing;
}

/* Rebuilds the list of those that get requests. Its room was made when the endpoint was added. */
static void refresh(struct service *service)
{
    service->ready_count = 0;
    service->weighted = false;
    list_for_each (node, &service->endpoints) {
        struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        if (eligible(endpoint) && service->ready_count < service->ready_cap) {
            service->ready[service->ready_count++] = endpoint;
            service->weighted |= endpoint->weight != service->ready[0]->weight;
        }
    }
    if (service->ready_count > 0) {
        service_wake(service);
    }
}

static bool usable(const struct endpoint *endpoint, int64_t now_ns)
{
    return endpoint->down_until_ns <= now_ns &&
           endpoint->in_flight < endpoint->service->spec.connections_max;
}

static struct endpoint *pick_round_robin(struct service *service, const struct endpoint *avoid,
                                         int64_t now_ns)
{
    struct endpoint *second = NULL;
    for (size_t i = 0; i < service->ready_count; i++) {
        service->turn = service->turn + 1 < service->ready_count ? service->turn + 1 : 0;
        struct endpoint *endpoint = service->ready[service->turn];
        if (usable(endpoint, now_ns)) {
            if (likely(endpoint != avoid)) {
                return endpoint;
            }
            second = endpoint;
        }
    }
    return second;
}

/* Smooth weighted round robin: each turn all gain their weight, the richest pays for all. */
static struct endpoint *pick_weighted(struct service *service, const struct endpoint *avoid,
                                      int64_t now_ns)
{
    struct endpoint *best = NULL;
    struct endpoint *second = NULL;
    int64_t total = 0;
    for (size_t i = 0; i < service->ready_count; i++) {
        struct endpoint *endpoint = service->ready[i];
        if (!usable(endpoint, now_ns)) {
            continue;
        }
        endpoint->smooth += endpoint->weight;
        total += endpoint->weight;
        if (endpoint == avoid) {
            second = endpoint;
        } else if (!best || endpoint->smooth > best->smooth) {
            best = endpoint;
        }
    }
    best = best ? best : second;
    if (best) {
        best->smooth -= total;
    }
    return best;
}

/* Requests in flight to it, from all threads. */
static uint64_t load_of(const struct endpoint *endpoint)
{
    return endpoint->load ? atomic_load_explicit(endpoint->load, memory_order_relaxed)
                          : endpoint->in_flight;
}

/* Fewest requests in flight for its weight; among equals the next in turn. */
static struct endpoint *pick_least(struct service *service, const struct endpoint *avoid,
                                   int64_t now_ns)
{
    struct endpoint *best = NULL;
    struct endpoint *second = NULL;
    for (size_t i = 0; i < service->ready_count; i++) {
        service->turn = service->turn + 1 < service->ready_count ? service->turn + 1 : 0;
        struct endpoint *endpoint = service->ready[service->turn];
        if (!usable(endpoint, now_ns)) {
            continue;
        }
        if (endpoint == avoid) {
            second = endpoint;
        } else if (!best || load_of(endpoint) * best->weight < load_of(best) * endpoint->weight) {
            best = endpoint;
        }
    }
    if (best) {
        /* The next look starts behind the one that was chosen. */
        for (size_t i = 0; i < service->ready_count; i++) {
            service->turn = service->ready[i] == best ? i : service->turn;
        }
    }
    return best ? best : second;
}

struct endpoint *service_pick(struct service *service, const struct endpoint *avoid,
                              bool *ret_shared)
{
    int64_t now_ns = service->worker->loop.now_ns;
    struct endpoint *endpoint;
    *ret_shared = false;
    if (service->spec.balance == SNAPSHOT_LEAST_CONN) {
        endpoint = pick_least(service, avoid, now_ns);
        if (endpoint && endpoint->load) {
            *ret_shared = true;
            atomic_fetch_add_explicit(endpoint->load, 1, memory_order_relaxed);
        }
    } else if (service->weighted) {
        endpoint = pick_weighted(service, avoid, now_ns);
    } else {
        endpoint = pick_round_robin(service, avoid, now_ns);
    }
    if (endpoint) {
        endpoint->in_flight++;
    }
    return endpoint;
}

void service_done(struct endpoint *endpoint, bool shared)
{
    endpoint->in_flight--;
    if (shared) {
        atomic_fetch_sub_explicit(endpoint->load, 1, memory_order_relaxed);
    }
}

bool service_may_hold(const struct service *service)
{
    return !service->removed && (service->spec.state == SNAPSHOT_SERVICE_RUNNING ||
                                 service->spec.state == SNAPSHOT_SERVICE_STARTING);
}

/* --- waiting --- */

static void retry(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    service_wake(container_of(timer, struct service, retry));
}

void service_wait(struct service *service, struct stream *stream)
{
    int64_t next = INT64_MAX;
    list_push_back(&service->waiters, &stream->waiting);
    service->waiter_count++;
    for (size_t i = 0; i < service->ready_count; i++) {
        next = MIN(next, service->ready[i]->down_until_ns);
    }
    if (service->ready_count > 0) {
        /* Not down but full: somebody's end wakes nobody, so look again soon. */
        next = MAX(next, service->worker->loop.now_ns + DOWN_FIRST_MS * NS_PER_MS);
        loop_timer_set(&service->worker->loop, &service->retry, next);
    }
}

void service_wake(struct service *service)
{
    list_for_each (node, &service->waiters) {
        struct stream *stream = list_entry(node, struct stream, waiting);
        stream->woken = true;
        loop_defer(&service->worker->loop, &stream->resume);
    }
}

/* --- endpoints --- */

void endpoint_ref(struct endpoint *endpoint)
{
    endpoint->refs++;
}

void endpoint_unref(struct endpoint *endpoint)
{
    ensure(endpoint->refs > 0);
    if (--endpoint->refs == 0) {
        service_unref(endpoint->service);
        free(endpoint->cells);
        free(endpoint);
    }
}

void endpoint_failed(struct endpoint *endpoint)
{
    struct worker *worker = endpoint->service->worker;
    int64_t ms = MIN((int64_t)DOWN_FIRST_MS << MIN(endpoint->failures, 10U), (int64_t)DOWN_MOST_MS);
    endpoint->failures++;
    endpoint->down_until_ns = worker->loop.now_ns + ms * NS_PER_MS;
    upstream_close_idle(endpoint);
}

void endpoint_worked(struct endpoint *endpoint)
{
    endpoint->failures = 0;
    endpoint->down_until_ns = 0;
}

/* Room for the cells of the service's routes; without it they are looked up each time. */
static void make_cells(struct endpoint *endpoint)
{
    free(endpoint->cells);
    endpoint->cell_count = endpoint->service->route_count + 1;
    endpoint->cells = calloc(endpoint->cell_count, sizeof(struct counters_cell *));
}

static void set_endpoint(struct endpoint *endpoint, const struct snapshot_endpoint *spec)
{
    (void)str_copy(endpoint->replica, sizeof(endpoint->replica), spec->replica);
    endpoint->state = (uint8_t)spec->state;
    endpoint->weight = MAX(spec->weight, 1U);
    if (str_eq(str_from(endpoint->address_text), spec->address)) {
        return;
    }
    upstream_close_idle(endpoint);
    endpoint_worked(endpoint);
    (void)str_copy(endpoint->address_text, sizeof(endpoint->address_text), spec->address);
    endpoint->reachable = sock_addr_parse(spec->address, &endpoint->address) == 0;
}

static struct endpoint *add_endpoint(struct worker *worker, struct service *service,
                                     const struct snapshot_endpoint *spec)
{
    if (service->endpoint_count >= service->ready_cap) {
        size_t cap = MAX(service->ready_cap * 2, (size_t)4);
        struct endpoint **ready = reallocarray(service->ready, cap, sizeof(struct endpoint *));
        if (!ready) {
            return NULL;
        }
        service->ready = ready;
        service->ready_cap = cap;
    }
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    if (!endpoint) {
        return NULL;
    }
    endpoint->id = spec->id;
    endpoint->service = service;
    endpoint->refs = 1;
    endpoint->load = edge_load_of(worker->edge, spec->id);
    list_init(&endpoint->idle);
    if (map_put(&worker->set.endpoints, str_make((const char *)&endpoint->id, 8), endpoint) < 0) {
        free(endpoint);
        return NULL;
    }
    service_ref(service);
    list_push_back(&service->endpoints, &endpoint->node);
    service->endpoint_count++;
    make_cells(endpoint);
    endpoint->probe = counters_probe_find(&worker->counters, endpoint->id);
    return endpoint;
}

/* Requests in flight finish; the memory goes with the last of them. */
static void remove_endpoint(struct worker *worker, struct endpoint *endpoint)
{
    struct service *service = endpoint->service;
    (void)map_take(&worker->set.endpoints, str_make((const char *)&endpoint->id, 8));
    worker->set.cells_gone = true;
    list_del(&endpoint->node);
    service->endpoint_count--;
    endpoint->removed = true;
    upstream_close_idle(endpoint);
    refresh(service);
    endpoint_unref(endpoint);
}

static void update_health(struct endpoint *endpoint)
{
    bool probed = endpoint->service->spec.probe.kind != SNAPSHOT_PROBE_NONE;
    struct worker *worker = endpoint->service->worker;
    if (probed && !endpoint->probe) {
        endpoint->probe = counters_probe_find(&worker->counters, endpoint->id);
    }
    endpoint->failing =
        probed && endpoint->probe &&
        __atomic_load_n(&endpoint->probe->endpoint, __ATOMIC_RELAXED) == endpoint->id &&
        __atomic_load_n(&endpoint->probe->status, __ATOMIC_RELAXED) == COUNTERS_PROBE_FAILING;
    if (endpoint->failing) {
        upstream_close_idle(endpoint);
    }
}

static struct endpoint *apply_endpoint(struct worker *worker, struct service *service,
                                       const struct snapshot_endpoint *spec)
{
    struct endpoint *endpoint =
        map_get(&worker->set.endpoints, str_make((const char *)&spec->id, 8));
    if (endpoint && endpoint->service != service) {
        remove_endpoint(worker, endpoint); /* an id that moved to another service */
        endpoint = NULL;
    }
    if (!endpoint) {
        endpoint = add_endpoint(worker, service, spec);
    }
    if (endpoint) {
        set_endpoint(endpoint, spec);
        update_health(endpoint);
        if (!endpoint_pools(endpoint)) {
            upstream_close_idle(endpoint);
        }
    }
    return endpoint;
}

/* --- services --- */

void service_ref(struct service *service)
{
    service->refs++;
}

void service_unref(struct service *service)
{
    ensure(service->refs > 0);
    if (--service->refs == 0) {
        loop_timer_cancel(&service->worker->loop, &service->retry);
        free(service->ready);
        free(service->names);
        free(service);
    }
}

/* The spec with its texts copied, so that it outlives the snapshot. */
static int set_spec(struct service *service, const struct snapshot_service *spec)
{
    struct str *const targets[] = {&service->spec.tenant, &service->spec.project,
                                   &service->spec.name, &service->spec.probe.path,
                                   &service->spec.probe.host};
    const struct str sources[] = {spec->tenant, spec->project, spec->name, spec->probe.path,
                                  spec->probe.host};
    size_t total = 1;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        total += sources[i].len;
    }
    char *names = malloc(total);
    if (!names) {
        return -ENOMEM;
    }
    free(service->names);
    service->names = names;
    service->spec = *spec;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        memcpy(names, sources[i].p, sources[i].len);
        *targets[i] = str_make(names, sources[i].len);
        names += sources[i].len;
    }
    return 0;
}

static struct service *new_service(struct worker *worker, uint64_t id)
{
    struct service *service = calloc(1, sizeof(*service));
    if (!service) {
        return NULL;
    }
    service->worker = worker;
    service->spec.id = id;
    service->refs = 1;
    service->turn = worker->index; /* threads do not all start with the first replica */
    list_init(&service->endpoints);
    list_init(&service->waiters);
    timer_init(&service->retry, retry);
    if (map_put(&worker->set.services, str_make((const char *)&service->spec.id, 8), service) < 0) {
        free(service);
        return NULL;
    }
    return service;
}

static void remove_service(struct worker *worker, struct service *service)
{
    (void)map_take(&worker->set.services, str_make((const char *)&service->spec.id, 8));
    service->removed = true;
    list_for_each_safe (node, &service->endpoints) {
        remove_endpoint(worker, list_entry(node, struct endpoint, node));
    }
    service_wake(service);
    service_unref(service);
}

void service_set_init(struct service_set *set)
{
    *set = (struct service_set){
        .services = MAP_INIT(SNAPSHOT_SERVICES_MAX),
        .endpoints = MAP_INIT(SNAPSHOT_ENDPOINTS_MAX),
    };
}

void service_set_fini(struct service_set *set)
{
    while (set->services.len > 0) {
        struct service *service = set->services.entries[set->services.len - 1].value;
        remove_service(service->worker, service);
    }
    map_fini(&set->services);
    map_fini(&set->endpoints);
    free(set->by_index);
    set->by_index = NULL;
}

static int apply_services(struct worker *worker, const struct config *config,
                          struct service **by_index)
{
    struct service_set *set = &worker->set;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct snapshot_service *spec = &config->services[i];
        struct service *service = map_get(&set->services, str_make((const char *)&spec->id, 8));
        if (!service) {
            service = new_service(worker, spec->id);
        }
        if (!service || set_spec(service, spec) < 0) {
            return -ENOMEM;
        }
        service->route_count = config->route_counts[i];
        service->seen = true;
        by_index[i] = service;
    }
    return 0;
}

static int apply_endpoints(struct worker *worker, const struct config *config)
{
    for (uint32_t i = 0; i < config->snapshot.endpoints; i++) {
        struct snapshot_endpoint spec = snapshot_endpoint_at(&config->snapshot, i);
        struct service *service =
            map_get(&worker->set.services, str_make((const char *)&spec.service, 8));
        struct endpoint *endpoint = service ? apply_endpoint(worker, service, &spec) : NULL;
        if (!endpoint) {
            return -ENOMEM;
        }
        endpoint->seen = true;
        make_cells(endpoint);
    }
    return 0;
}

/* Memory was out half-way: those that are known go on by what is known of them. */
static void leave_half_way(struct worker *worker)
{
    struct service_set *set = &worker->set;
    for (size_t i = 0; i < set->endpoints.len; i++) {
        ((struct endpoint *)set->endpoints.entries[i].value)->seen = false;
    }
    for (size_t i = 0; i < set->services.len; i++) {
        struct service *service = set->services.entries[i].value;
        service->seen = false;
        refresh(service);
    }
}

/* What the new snapshot does not name any more goes. */
static void sweep(struct worker *worker)
{
    struct service_set *set = &worker->set;
    for (size_t i = set->endpoints.len; i > 0; i--) {
        struct endpoint *endpoint = set->endpoints.entries[i - 1].value;
        if (!endpoint->seen) {
            remove_endpoint(worker, endpoint);
        } else {
            endpoint->seen = false;
        }
    }
    for (size_t i = set->services.len; i > 0; i--) {
        struct service *service = set->services.entries[i - 1].value;
        if (!service->seen) {
            remove_service(worker, service);
        } else {
            service->seen = false;
            refresh(service);
        }
    }
}

int service_set_apply(struct worker *worker, const struct config *config)
{
    struct service **by_index = calloc(config->service_count + 1, sizeof(struct service *));
    if (!by_index) {
        return -ENOMEM;
    }
    int r = apply_services(worker, config, by_index);
    if (r == 0) {
        r = apply_endpoints(worker, config);
    }
    if (r < 0) {
        free(by_index); /* the one there is belongs to the config that is served on */
        leave_half_way(worker);
        return r;
    }
    free(worker->set.by_index);
    worker->set.by_index = by_index;
    worker->set.cells_gone = true; /* perhaps: routes are not compared */
    sweep(worker);
    return 0;
}

/* --- deltas --- */

static void delta_endpoint(struct worker *worker, const struct delta *delta)
{
    struct service *service =
        map_get(&worker->set.services, str_make((const char *)&delta->service, 8));
    if (!service || delta->endpoint == 0) {
        return;
    }
    struct snapshot_endpoint spec = {
        .id = delta->endpoint,
        .service = delta->service,
        .address = str_from(delta->address),
        .replica = str_from(delta->replica),
        .state = delta->endpoint_state,
        .weight = MIN(delta->weight, 256U),
    };
    (void)apply_endpoint(worker, service, &spec);
    refresh(service);
}

static void delta_endpoint_state(struct endpoint *endpoint, const struct delta *delta)
{
    if (!endpoint) {
        return;
    }
    endpoint->state = (uint8_t)delta->endpoint_state;
    if (endpoint->state == SNAPSHOT_ENDPOINT_READY) {
        endpoint_worked(endpoint);
    } else {
        upstream_close_idle(endpoint);
    }
    update_health(endpoint);
    refresh(endpoint->service);
}

static void set_u32(uint32_t *target, uint32_t value)
{
    *target = value ? value : *target;
}

static void delta_options(struct service *service, const struct delta *delta)
{
    struct snapshot_service *spec = &service->spec;
    spec->balance = delta->balance;
    set_u32(&spec->connect_ms, delta->connect_ms);
    set_u32(&spec->first_byte_ms, delta->first_byte_ms);
    set_u32(&spec->idle_ms, delta->idle_ms);
    set_u32(&spec->tunnel_idle_ms, delta->tunnel_idle_ms);
    set_u32(&spec->hold_ms, delta->hold_ms);
    set_u32(&spec->connections_max, delta->connections_max);
    if (delta->retries) {
        spec->retries = delta->retries == UINT32_MAX ? 0 : delta->retries;
    }
    spec->body_max = delta->body_max ? delta->body_max : spec->body_max;
}

void service_set_delta(struct worker *worker, const struct delta *delta)
{
    struct service_set *set = &worker->set;
    struct service *service = map_get(&set->services, str_make((const char *)&delta->service, 8));
    struct endpoint *endpoint =
        map_get(&set->endpoints, str_make((const char *)&delta->endpoint, 8));
    switch (delta->kind) {
    case DELTA_ENDPOINT_SET:
        delta_endpoint(worker, delta);
        break;
    case DELTA_ENDPOINT_STATE:
        delta_endpoint_state(endpoint, delta);
        break;
    case DELTA_ENDPOINT_REMOVE:
        if (endpoint) {
            remove_endpoint(worker, endpoint);
        }
        break;
    case DELTA_SERVICE_STATE:
        if (service) {
            service->spec.state = delta->service_state;
            service_wake(service); /* some may be refused now */
        }
        break;
    case DELTA_SERVICE_OPTIONS:
        if (service) {
            delta_options(service, delta);
        }
        break;
    default:
        break; /* probes and snapshots are thread 0's business */
    }
}

void service_set_health(struct worker *worker)
{
    for (size_t i = 0; i < worker->set.endpoints.len; i++) {
        struct endpoint *endpoint = worker->set.endpoints.entries[i].value;
        bool before = endpoint->failing;
        update_health(endpoint);
        if (before != endpoint->failing) {
            refresh(endpoint->service);
        }
    }
}
