/* SPDX-License-Identifier: Apache-2.0
 *
 * Services and endpoints as snapshots and deltas say.
 *
 * 1. An endpoint that is removed gives nothing new and lives until its last request ended.
 * 2. An id that is unknown is passed over: the snapshot that knows it is on its way.
 * 3. Out of memory takes nothing away: routes lead where they led, what could be made is there, and
 *    the same snapshot may be applied again.
 */
#include "edge/service_set.h"

#include "edge/connect.h"

#include "base/num.h"
#include "edge/affinity.h"
#include "edge/policy.h"
#include "edge/policy_room.h"
#include "edge/upstream.h"
#include "edge/worker.h"
#include "link/loads.h"

#include <stdlib.h>

/* --- endpoints --- */

/* Room for the cells of the service's routes; without it they are looked up each time. */
static void make_cells(struct endpoint *endpoint)
{
    free(endpoint->cells);
    endpoint->cell_count = endpoint->service->route_count + 1 + CONFIG_ROUTES_SPARE;
    endpoint->cells = calloc(endpoint->cell_count, sizeof(struct counters_cell *));
}

static struct pick_place place_of(const struct snapshot_seat *seat)
{
    if (!seat->located) {
        return (struct pick_place){0};
    }
    return pick_place_of((double)seat->latitude / SNAPSHOT_MICRO,
                         (double)seat->longitude / SNAPSHOT_MICRO);
}

static void set_endpoint(struct endpoint *endpoint, const struct snapshot_endpoint *spec)
{
    (void)str_copy(endpoint->replica, sizeof(endpoint->replica), spec->replica);
    endpoint->state = (uint8_t)spec->state;
    endpoint->member.weight = snapshot_weight(spec->weight);
    endpoint->member.group = spec->seat.group;
    endpoint->member.place = place_of(&spec->seat);
    memcpy(endpoint->sticky, spec->seat.sticky, sizeof(endpoint->sticky));
    affinity_set_cookie(endpoint);
    if (str_eq(str_from(endpoint->address_text), spec->address)) {
        return;
    }
    upstream_close_idle(endpoint);
    endpoint_worked(endpoint);
    (void)str_copy(endpoint->address_text, sizeof(endpoint->address_text), spec->address);
    endpoint->reachable = sock_addr_parse(spec->address, &endpoint->address) == 0;
    endpoint->short_way = false;
}

static struct endpoint *add_endpoint(struct worker *worker, struct service *service,
                                     const struct snapshot_endpoint *spec)
{
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    if (!endpoint || service_reserve(service, service->endpoint_count + 1) < 0) {
        free(endpoint);
        return NULL;
    }
    endpoint->id = spec->id;
    endpoint->service = service;
    endpoint->refs = 1;
    endpoint->member.id = spec->id;
    endpoint->member.load = worker->deltas && worker->deltas->loads
                                ? loads_word(worker->deltas->loads, spec->id)
                                : NULL;
    list_init(&endpoint->idle);
    list_init(&endpoint->links);
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
    service_refresh(service);
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

/* The spec with its texts copied, so that it outlives the snapshot. */
static int set_spec(struct service *service, const struct snapshot_service *spec)
{
    struct str *const targets[] = {&service->spec.tenant,       &service->spec.project,
                                   &service->spec.name,         &service->spec.probe.path,
                                   &service->spec.probe.host,   &service->spec.spread.hash_name,
                                   &service->spec.spread.sticky};
    const struct str sources[] = {spec->tenant,       spec->project,    spec->name,
                                  spec->probe.path,   spec->probe.host, spec->spread.hash_name,
                                  spec->spread.sticky};
    size_t total = 1;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        total += sources[i].len;
    }
    char *names = malloc(total);
    if (!names || connect_learn(service, spec) < 0) {
        free(names);
        return -ENOMEM;
    }
    free(service->names);
    service->names = names;
    service->spec = *spec;
    service->spec.access.format = STR_NONE; /* the core's */
    service->spec.tls =
        (struct snapshot_upstream_tls){.on = spec->tls.on}; /* the connector has it */
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        memcpy(names, sources[i].p, sources[i].len);
        *targets[i] = str_make(names, sources[i].len);
        names += sources[i].len;
    }
    return 0;
}

static struct service *new_service(struct worker *worker, uint64_t id)
{
    struct service *service = malloc(sizeof(*service));
    if (!service) {
        return NULL;
    }
    service_init(service, worker, id);
    if (map_put(&worker->set.services, str_make((const char *)&service->spec.id, 8), service) < 0) {
        service_unref(service);
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

static int set_policy(struct service *service, const struct config *config,
                      const struct snapshot_service *spec)
{
    if (likely(spec->policy_index == 0)) {
        return policy_apply(service, NULL);
    }
    struct snapshot_policy policy = snapshot_policy_at(&config->snapshot, spec->policy_index);
    return policy_apply(service, &policy);
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
        if (!service || set_spec(service, spec) < 0 || set_policy(service, config, spec) < 0) {
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
        service_refresh(service);
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
            service_refresh(service);
        }
    }
}

/* Is the place of this service or endpoint still in use? */
static bool has_policy(void *context, uint64_t id)
{
    const struct worker *worker = context;
    struct str key = str_make((const char *)&id, 8);
    return map_get(&worker->set.services, key) || map_get(&worker->set.endpoints, key);
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
    if (worker->index == 0) {
        counters_policy_sweep(&worker->counters, has_policy, worker);
    }
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
        .weight = delta->weight,
        .seat = delta->seat,
    };
    (void)apply_endpoint(worker, service, &spec);
    service_refresh(service);
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
    service_refresh(endpoint->service);
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
            policy_forget_ejection(endpoint);
            remove_endpoint(worker, endpoint);
        }
        break;
    case DELTA_SERVICE_STATE:
        if (service) {
            service->spec.state = delta->service_state;
            service_wake(service); /* some may be refused now */
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
        if (before != endpoint->failing || policy_changed(endpoint)) {
            service_refresh(endpoint->service);
        }
        policy_give_room(endpoint);
    }
}
