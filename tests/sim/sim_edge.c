/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge as the core sees it: it reads snapshots and deltas with link/'s own readers, probes the
 * endpoints that have a probe, and writes results into its ring and its table of probes. What the
 * log says is kept up to date even while the edge is dead, so that the oracles can ask it at any
 * time; only the probing dies.
 */
#include "sim/sim.h"

#include "link/counters_probe.h"
#include "link/delta.h"
#include "link/ring.h"
#include "link/snapshot.h"
#include "os/file.h"
#include "os/shm.h"

#include <stdlib.h>

enum { ENDPOINTS_MAX = 256, SERVICES_MAX = 64, ROUTES_MAX = 256, RETRIES = 3, INTERVAL_MS = 1000 };

struct endpoint {
    bool used;
    uint64_t id, service;
    uint16_t port;
    int state;
    /* probing */
    uint32_t generation; /* of the edge that probes it */
    uint32_t life;       /* changes when the endpoint is set anew */
    int64_t delay;
    unsigned failures;
    uint32_t status; /* enum counters_probe_status */
};

static struct {
    bool up;
    uint64_t cursor;
    uint64_t snapshot_at; /* delta that announced the last snapshot */
    struct endpoint endpoints[ENDPOINTS_MAX];
    struct {
        uint64_t id;
        bool probed;
    } services[SERVICES_MAX];
    unsigned service_count;
    struct route {
        uint64_t id, service;
    } routes[ROUTES_MAX];
    unsigned route_count;
} edge;

static struct endpoint *endpoint_find(uint64_t id)
{
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        if (edge.endpoints[i].used && edge.endpoints[i].id == id) {
            return &edge.endpoints[i];
        }
    }
    return NULL;
}

static struct endpoint *endpoint_get(uint64_t id)
{
    struct endpoint *endpoint = endpoint_find(id);
    for (size_t i = 0; !endpoint && i < ENDPOINTS_MAX; i++) {
        if (!edge.endpoints[i].used) {
            uint32_t life = edge.endpoints[i].life + 1;
            edge.endpoints[i] =
                (struct endpoint){.used = true, .id = id, .life = life, .generation = UINT32_MAX};
            endpoint = &edge.endpoints[i];
        }
    }
    ensure(endpoint);
    return endpoint;
}

static bool is_probed(uint64_t service)
{
    for (unsigned i = 0; i < edge.service_count; i++) {
        if (edge.services[i].id == service) {
            return edge.services[i].probed;
        }
    }
    return false;
}

int sim_edge_state(uint16_t port)
{
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        if (edge.endpoints[i].used && edge.endpoints[i].port == port) {
            return edge.endpoints[i].state;
        }
    }
    return SIM_ENDPOINT_UNKNOWN;
}

bool sim_edge_ready_at(unsigned i, uint16_t *ret_port)
{
    unsigned n = 0;
    for (size_t k = 0; k < ENDPOINTS_MAX; k++) {
        const struct endpoint *endpoint = &edge.endpoints[k];
        if (endpoint->used && endpoint->port && endpoint->state == SNAPSHOT_ENDPOINT_READY &&
            n++ == i) {
            *ret_port = endpoint->port;
            return true;
        }
    }
    return false;
}

static struct route *route_find(uint64_t id)
{
    for (unsigned i = 0; i < edge.route_count; i++) {
        if (edge.routes[i].id == id) {
            return &edge.routes[i];
        }
    }
    return NULL;
}

uint64_t sim_edge_route(uint64_t id)
{
    const struct route *route = route_find(id);
    return route ? route->service : 0;
}

unsigned sim_edge_routes(void)
{
    return edge.route_count;
}

/* --- probing --- */

static void report(const struct endpoint *endpoint, int64_t time)
{
    struct shm shm = {0};
    struct ring ring;
    struct counters counters;
    int fd = sim_kept_fd("ring:0"), table = sim_kept_fd("counters"),
        bell = sim_kept_fd("bell:core");
    if (table >= 0 && shm_map(&shm, table, true) == 0) {
        if (counters_open(shm.p, shm.size, &counters) == 0) {
            struct counters_probe *probe = counters_probe_get(&counters, endpoint->id);
            if (probe) {
                counters_probe_begin(probe);
                probe->status = endpoint->status;
                probe->at_wall_ns = SIM_WALL + time;
                counters_probe_end(probe);
            }
        }
        shm_unmap(&shm);
    }
    if (fd < 0 || bell < 0 || shm_map(&shm, fd, true) < 0) {
        return;
    }
    struct ring_record *record;
    if (ring_open(shm.p, shm.size, &ring) == 0 && (record = ring_next(&ring))) {
        *record = (struct ring_record){
            .kind = RING_PROBE,
            .probe = {.at_wall_ns = SIM_WALL + time,
                      .endpoint = endpoint->id,
                      .service = endpoint->service,
                      .failures_in_row = endpoint->failures,
                      .status = (uint8_t)endpoint->status},
        };
        ring_publish(&ring);
        if (ring_should_wake(&ring)) {
            shm_bell_ring(bell);
        }
    }
    shm_unmap(&shm);
}

struct probe_event {
    size_t index;
    uint32_t life;
};

/* A result on its way: written a little after it was found, sometimes much. */
struct result {
    struct endpoint endpoint;
    int64_t time;
};

static void arrive(void *arg)
{
    struct result *result = arg;
    report(&result->endpoint, result->time);
    free(result);
    sim_core_turn();
}

static void send_result(const struct endpoint *endpoint)
{
    struct result *result = malloc(sizeof(*result));
    ensure(result);
    *result = (struct result){*endpoint, sim.now};
    int64_t last = sim_chance(50) ? 60 * SIM_MS : 3 * SIM_MS;
    sim_after(SIM_EDGE, sim_between(5 * SIM_US, last), arrive, result);
}

static void probe_soon(size_t index);

static void probe(void *arg)
{
    struct probe_event event = *(struct probe_event *)arg;
    struct endpoint *endpoint = &edge.endpoints[event.index];
    free(arg);
    if (!endpoint->used || endpoint->life != event.life ||
        endpoint->generation != sim.generation[SIM_EDGE]) {
        return;
    }
    const struct child *child = sim_child_by_port(endpoint->port);
    bool ok = child && child->listening && !child->sick;
    endpoint->failures = ok ? 0 : endpoint->failures + 1;
    if (ok) {
        endpoint->status = COUNTERS_PROBE_PASSING;
        endpoint->delay = INTERVAL_MS * SIM_MS;
    } else if (endpoint->failures >= RETRIES &&
               (endpoint->status == COUNTERS_PROBE_PASSING || endpoint->failures > 20)) {
        endpoint->status = COUNTERS_PROBE_FAILING;
    }
    endpoint->delay = MIN(endpoint->delay * 2, INTERVAL_MS * SIM_MS);
    send_result(endpoint);
    probe_soon(event.index);
    if (ok && !sim.healing && sim_chance(4)) {
        sim_child_crash(child->pid); /* while its good news is on its way */
    }
}

static void probe_soon(size_t index)
{
    struct probe_event *event = malloc(sizeof(*event));
    ensure(event);
    *event = (struct probe_event){index, edge.endpoints[index].life};
    sim_after(SIM_EDGE, edge.endpoints[index].delay, probe, event);
}

static void begin_probing(struct endpoint *endpoint)
{
    if (!edge.up || !is_probed(endpoint->service) ||
        endpoint->generation == sim.generation[SIM_EDGE]) {
        return;
    }
    endpoint->generation = sim.generation[SIM_EDGE];
    endpoint->delay = 5 * SIM_MS;
    endpoint->failures = 0;
    /* One that is ready has been seen to answer: failures count at once. */
    endpoint->status = endpoint->state == SNAPSHOT_ENDPOINT_READY ? COUNTERS_PROBE_PASSING
                                                                  : COUNTERS_PROBE_UNKNOWN;
    probe_soon((size_t)(endpoint - edge.endpoints));
}

/* --- what the core says --- */

static uint16_t port_of(struct str address)
{
    uint64_t port = 0;
    ptrdiff_t colon = str_rfind_char(address, ':');
    return colon >= 0 && num_parse_u64(str_skip(address, (size_t)colon + 1), &port) == 0
               ? (uint16_t)port
               : 0;
}

static void set_state(struct endpoint *endpoint, int state)
{
    bool fresh = state == SNAPSHOT_ENDPOINT_READY && endpoint->state != state;
    endpoint->state = state;
    if (fresh && endpoint->port) {
        oracle_ready(endpoint->port);
    }
}

static void set_route(const struct snapshot_route *from)
{
    struct route *route = route_find(from->id);
    ensure(route || edge.route_count < ROUTES_MAX);
    route = route ? route : &edge.routes[edge.route_count++];
    *route = (struct route){from->id, from->service};
}

static void load_snapshot(void)
{
    struct shm shm = {0};
    struct snapshot snapshot;
    int fd = sim_kept_fd("snapshot");
    bool seen[ENDPOINTS_MAX] = {false};
    if (fd < 0 || shm_map(&shm, fd, false) < 0) {
        return;
    }
    if (snapshot_open(str_make((const char *)shm.p, shm.size), &snapshot) < 0) {
        sim_fail("the snapshot is damaged");
        shm_unmap(&shm);
        return;
    }
    edge.service_count = 0;
    for (uint32_t i = 0; i < snapshot.services && i < SERVICES_MAX; i++) {
        struct snapshot_service service = snapshot_service_at(&snapshot, i);
        edge.services[edge.service_count].id = service.id;
        edge.services[edge.service_count++].probed = service.probe.kind != SNAPSHOT_PROBE_NONE;
    }
    edge.route_count = 0;
    for (uint32_t i = 0; i < snapshot.routes; i++) {
        struct snapshot_route route = snapshot_route_at(&snapshot, i);
        set_route(&route);
    }
    for (uint32_t i = 0; i < snapshot.endpoints; i++) {
        struct snapshot_endpoint item = snapshot_endpoint_at(&snapshot, i);
        struct endpoint *endpoint = endpoint_get(item.id);
        endpoint->service = item.service;
        endpoint->port = port_of(item.address);
        endpoint->state = (int)item.state;
        seen[endpoint - edge.endpoints] = true;
        begin_probing(endpoint);
    }
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        edge.endpoints[i].used = edge.endpoints[i].used && seen[i];
    }
    edge.cursor = snapshot.delta_base;
    shm_unmap(&shm);
}

static void apply(const struct delta *delta)
{
    struct snapshot_route route;
    struct route *gone;
    struct endpoint *endpoint = endpoint_find(delta->endpoint);
    switch (delta->kind) {
    case DELTA_ENDPOINT_SET:
        endpoint = endpoint_get(delta->endpoint);
        endpoint->life++;
        endpoint->generation = UINT32_MAX;
        endpoint->service = delta->service;
        endpoint->port = port_of(str_from(delta->address));
        set_state(endpoint, (int)delta->endpoint_state);
        begin_probing(endpoint);
        break;
    case DELTA_ENDPOINT_STATE:
        if (endpoint) {
            set_state(endpoint, (int)delta->endpoint_state);
        }
        break;
    case DELTA_ENDPOINT_REMOVE:
        if (endpoint) {
            endpoint->used = false;
        }
        break;
    case DELTA_ROUTE_SET:
        route = delta_route(delta);
        set_route(&route);
        break;
    case DELTA_ROUTE_REMOVE:
        gone = route_find(delta_route(delta).id);
        if (gone) {
            *gone = edge.routes[--edge.route_count];
        }
        break;
    case DELTA_SNAPSHOT:
        if (delta->sequence > edge.snapshot_at) {
            edge.snapshot_at = delta->sequence;
            load_snapshot();
        }
        break;
    default:
        break;
    }
}

void sim_edge_bell(void)
{
    struct shm shm = {0};
    struct delta_log log;
    struct delta delta;
    int fd = sim_kept_fd("deltas");
    if (fd < 0 || shm_map(&shm, fd, true) < 0) {
        return;
    }
    if (delta_log_open(shm.p, shm.size, &log) == 0) {
        int r;
        while ((r = delta_log_read(&log, &edge.cursor, &delta)) == 0) {
            apply(&delta);
        }
        if (r == DELTA_E_LOST) {
            load_snapshot();
        }
    }
    shm_unmap(&shm);
}

/* --- life --- */

static void start(void *arg)
{
    sim_trace("edge starts");
    edge.up = true;
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        if (edge.endpoints[i].used) {
            edge.endpoints[i].generation = UINT32_MAX;
            begin_probing(&edge.endpoints[i]);
        }
    }
}

void sim_edge_start(void)
{
    memset(&edge, 0, sizeof(edge));
    start(NULL);
}

void sim_edge_kill(void)
{
    sim_trace("edge killed");
    sim.generation[SIM_EDGE]++;
    edge.up = false;
    if (sim_kept_fd("deltas") < 0) {
        memset(&edge, 0, sizeof(edge));
    }
    sim_after(SIM_WORLD, sim_between(SIM_MS, 100 * SIM_MS), start, NULL);
}
