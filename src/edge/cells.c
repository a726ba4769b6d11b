/* SPDX-License-Identifier: Apache-2.0
 *
 * Where requests are counted. An endpoint remembers the cell of each route, so that counting is no
 * search; the memory goes with the endpoint.
 *
 * Cells of ids that are gone stay while there is room: a replica that ended is still seen by the
 * next scrape. When the table is full, they are given back in one go (counters_reclaim), at most
 * once for each change of services, endpoints or routes.
 */
#include "edge/cells.h"

#include "edge/worker.h"

/* What is counted still, for counters_reclaim. */
struct living {
    struct worker *worker;
    struct map routes; /* ids, of the config that is served */
};

static bool route_lives(void *context, uint64_t id)
{
    const struct living *living = context;
    return map_get(&living->routes, str_make((const char *)&id, 8)) != NULL;
}

static bool service_lives(void *context, uint64_t id)
{
    const struct living *living = context;
    return map_get(&living->worker->set.services, str_make((const char *)&id, 8)) != NULL;
}

static bool endpoint_lives(void *context, uint64_t id)
{
    const struct living *living = context;
    return map_get(&living->worker->set.endpoints, str_make((const char *)&id, 8)) != NULL;
}

static int note_route(void *context, const struct route *route)
{
    struct living *living = context;
    return map_put(&living->routes, str_make((const char *)&route->id, 8), living);
}

static int note_routes(struct living *living)
{
    const struct config *config = worker_config(living->worker);
    int r = route_table_walk(&config->table, note_route, living);
    return r < 0 ? r : route_table_walk(&config->names, note_route, living);
}

/* The endpoints' notes of where their cells are go with the cells. */
static void reclaim(struct worker *worker)
{
    struct living living = {.worker = worker, .routes = MAP_INIT(SNAPSHOT_ROUTES_MAX)};
    struct map *endpoints = &worker->set.endpoints;
    worker->set.cells_gone = false;
    if (note_routes(&living) == 0) {
        for (size_t i = 0; i < endpoints->len; i++) {
            struct endpoint *endpoint = endpoints->entries[i].value;
            size_t count = endpoint->cells ? endpoint->cell_count : 0;
            for (size_t slot = 0; slot < count; slot++) {
                endpoint->cells[slot] = NULL;
            }
        }
        const struct counters_living questions = {route_lives, service_lives, endpoint_lives,
                                                  &living};
        (void)counters_reclaim(&worker->counters, worker->table, &questions);
    }
    map_fini(&living.routes);
}

struct counters_cell *cells_get(struct worker *worker, uint64_t route, uint64_t service,
                                uint64_t endpoint)
{
    if (unlikely(worker->set.cells_gone && worker->generation &&
                 counters_full(&worker->counters, worker->table))) {
        reclaim(worker);
    }
    return counters_cell_get(&worker->counters, worker->table, route, service, endpoint);
}

struct counters_cell *cells_of(struct endpoint *endpoint, const struct route *route)
{
    struct service *service = endpoint->service;
    uint32_t slot = route ? route->service_slot : service->route_count;
    uint64_t route_id = route ? route->id : 0;
    bool room = endpoint->cells && slot < endpoint->cell_count;
    /* A request that began before a change numbers the routes in the old way: the id decides. */
    if (likely(room && endpoint->cells[slot] && endpoint->cells[slot]->route == route_id)) {
        return endpoint->cells[slot];
    }
    struct counters_cell *cell =
        cells_get(service->worker, route_id, service->spec.id, endpoint->id);
    if (room) {
        endpoint->cells[slot] = cell;
    }
    return cell;
}
