/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /api/mappings: host port → service → replica, over all projects: what is reached through
 * routes (http) and through listeners of their own (tcp). Derived from services, routes and
 * replicas at the moment of asking, so it cannot be out of date.
 *
 * Searches are linear: replicas × endpoints stays in the thousands. ROWS_MAX bounds the answer, not
 * the instance: beyond it the request fails with 503, and the routes of each project can be asked
 * for.
 *
 *   row          through a route                       through a listener of its own
 *   listen       the first of its listeners            tcp://ADDRESS
 *   host, path   the route's                           null
 *   address      the endpoint's                        127.0.0.1:TARGET, or the replica's PORT
 *   ready        the gateway's word                    the replica is running
 */
#include "base/vec.h"
#include "face/api_handlers.h"
#include "face/api_util.h"
#include "run/run.h"
#include "schema/resource.h"
#include "schema/status_more.h"

enum { ROWS_MAX = 100000 };

/* All that one answer is made of, in the exchange's arena but the rows. */
struct mapping {
    struct exchange *x;
    struct service_status *services;
    size_t service_count;
    struct replica_status *replicas;
    size_t replica_count;
    struct vec rows; /* struct mapping_row */
};

static int64_t find_pid(const struct mapping *m, struct str project, struct str service,
                        int64_t replica)
{
    for (size_t i = 0; i < m->replica_count; i++) {
        const struct replica_status *r = &m->replicas[i];
        if (r->replica == replica && str_eq(r->service, service) && str_eq(r->project, project)) {
            return r->pid;
        }
    }
    return 0;
}

static int add_route(struct mapping *m, const struct route_status *route)
{
    for (size_t i = 0; i < route->endpoints_count; i++) {
        const struct endpoint_status *endpoint = &route->endpoints[i];
        struct mapping_row row = {
            .listen = route->listeners_count ? route->listeners[0] : STR_NONE,
            .host = route->host,
            .path = route->path,
            .project = route->project,
            .service = route->service,
            .replica = endpoint->replica,
            .address = endpoint->address,
            .pid = find_pid(m, route->project, route->service, endpoint->replica),
            .ready = endpoint->ready,
        };
        int r = vec_push(&m->rows, &row);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* A tcp listener leads to every replica of its service. */
static int add_port(struct mapping *m, const struct service_status *service,
                    const struct port_status *port)
{
    for (size_t i = 0; i < m->replica_count; i++) {
        const struct replica_status *replica = &m->replicas[i];
        if (!str_eq(replica->service, service->name) ||
            !str_eq(replica->project, service->project)) {
            continue;
        }
        int64_t target = port->target ? port->target : replica->port;
        struct mapping_row row = {
            .listen = arena_printf(&m->x->arena, STR_FMT "://" STR_FMT, STR_ARG(port->protocol),
                                   STR_ARG(port->address)),
            .project = service->project,
            .service = service->name,
            .replica = replica->replica,
            .address =
                target ? arena_printf(&m->x->arena, "127.0.0.1:%lld", (long long)target) : STR_NONE,
            .pid = replica->pid,
            .ready = replica->state == REPLICA_RUNNING,
        };
        int r = vec_push(&m->rows, &row);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Services, replicas and routes of one moment: nothing runs between these calls. */
static int collect(struct mapping *m)
{
    struct exchange *x = m->x;
    struct bus_id all = bus_id_make(str_from(x->ctx.tenant), STR_NONE, STR_NONE, 0);
    struct route_status *routes = NULL;
    size_t route_count = 0;
    int r = api_load_services(x, all, &m->services, &m->service_count);

    r = r ? r : run_replicas(api_run(x), &x->ctx, all, &x->arena, &m->replicas, &m->replica_count);
    r = r ? r : run_routes(api_run(x), &x->ctx, STR_NONE, &x->arena, &routes, &route_count);
    for (size_t i = 0; r == 0 && i < route_count; i++) {
        r = add_route(m, &routes[i]);
    }
    for (size_t i = 0; r == 0 && i < m->service_count; i++) {
        for (size_t k = 0; r == 0 && k < m->services[i].ports_count; k++) {
            r = add_port(m, &m->services[i], &m->services[i].ports[k]);
        }
    }
    return r;
}

void handle_mappings(struct exchange *x)
{
    struct mapping m = {.x = x, .rows = VEC_INIT(struct mapping_row, ROWS_MAX)};
    int r = collect(&m);

    if (r) {
        vec_fini(&m.rows);
        api_answer_run(x, r, "mapping");
        return;
    }
    struct page page = api_page(x, m.rows.len);
    struct json_writer w = exchange_list_begin(x);
    for (size_t i = page.from; i < page.to; i++) {
        schema_encode_json(&schema_mapping, vec_at(&m.rows, struct mapping_row, i), 0, &w);
    }
    vec_fini(&m.rows);
    exchange_list_end(x, &w, api_page_cursor(x, page));
}
