/* SPDX-License-Identifier: Apache-2.0
 *
 * One walk over the cells; pairs are found by hash.
 */
#include "run/figures.h"

#include "core/core.h"
#include "core/edge.h"
#include "link/counters.h"

enum { PAIRS_MAX = 1 << 21 };

struct pair {
    uint64_t route, endpoint;
};

struct figure {
    struct pair pair; /* the key in the map */
    uint64_t requests, errors, in_flight, unbalanced;
};

static struct str key_of(const struct pair *pair)
{
    return str_make((const char *)pair, sizeof(*pair));
}

/* The key of a route as a whole; no endpoint has it, and 0 is what no endpoint answered. */
#define ALL_ENDPOINTS UINT64_MAX

static int add_cell(struct figures *figures, struct arena *arena, const struct counters_cell *cell,
                    uint64_t endpoint)
{
    struct pair pair = {cell->route, endpoint};
    struct figure *figure = map_get(&figures->map, key_of(&pair));
    if (!figure) {
        figure = arena_new(arena, struct figure);
        if (!figure) {
            return -ENOMEM;
        }
        *figure = (struct figure){.pair = pair};
        int r = map_put(&figures->map, key_of(&figure->pair), figure);
        if (r < 0) {
            return r;
        }
    }
    figure->requests += cell->requests;
    figure->errors += cell->status[5] + cell->status[0];
    figure->in_flight += cell->in_flight;
    figure->unbalanced += cell->unbalanced;
    return 0;
}

int figures_read(struct figures *figures, struct run *run, struct arena *arena)
{
    const struct counters *counters = edge_link_counters(run->core->edge);
    *figures = (struct figures){.map = MAP_INIT(PAIRS_MAX)};
    for (uint32_t thread = 0; counters && thread < counters_tables(counters); thread++) {
        uint32_t used = counters_cells_used(counters, thread);
        for (uint32_t i = 0; i < used; i++) {
            struct counters_cell cell;
            if (!counters_cell_read(counters, thread, i, &cell)) {
                continue;
            }
            int r = add_cell(figures, arena, &cell, cell.endpoint);
            r = r < 0 ? r : add_cell(figures, arena, &cell, ALL_ENDPOINTS);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

void figures_fini(struct figures *figures)
{
    map_fini(&figures->map);
}

void figures_add(const struct figures *figures, uint64_t route, uint64_t endpoint,
                 struct endpoint_status *status)
{
    struct pair pair = {route, endpoint};
    const struct figure *figure = map_get(&figures->map, key_of(&pair));
    if (figure) {
        status->requests += (int64_t)figure->requests;
        status->errors += (int64_t)figure->errors;
        status->in_flight += (int64_t)figure->in_flight;
        status->unbalanced += (int64_t)figure->unbalanced;
    }
}

int64_t figures_requests(const struct figures *figures, uint64_t route)
{
    struct pair pair = {route, ALL_ENDPOINTS};
    const struct figure *figure = map_get(&figures->map, key_of(&pair));
    return figure ? (int64_t)figure->requests : 0;
}
