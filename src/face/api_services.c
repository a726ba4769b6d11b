/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints of services: lists and one of services, replicas, routes; and what can be done to a
 * service. run/ knows states, see/ knows figures: here they meet, since rooms never include each
 * other.
 *
 * An action answers when the order is on disk, with the service as it is then: "starting", not yet
 * "running". Waiting is the client's business (settle.c), which may go away meanwhile.
 *
 * PSS (memory) is read on request only: it costs a walk over all mappings of all processes of the
 * service, where the usual figure is one line of its cgroup.
 *
 *   action    what it writes, and what is kept over restarts
 *   start     drops the override `stopped`
 *   stop      the override `stopped`: no replica until start, restart or reset
 *   restart   drops `stopped`; new replicas one after another
 *   scale     the override `replicas`, also of a service that is stopped
 *   weight    the override `weight.N` of replica N, also of one that does not run
 *   drain     the override `drained.N`: no new requests; `end` drops it
 *   reset     drops both: what the file says
 */
#include "base/num.h"
#include "face/api_handlers.h"
#include "face/api_util.h"
#include "run/run.h"
#include "schema/resource.h"
#include "schema/spec.h"
#include "schema/status_more.h"
#include "schema/status_tls.h"
#include "see/see.h"
#include <math.h>

/* ---- figures ---- */

/* NaN until a first sample: two readings make a percentage. */
void api_add_service_figures(struct see *see, struct service_status *service)
{
    struct metrics_sample sample;

    service->cpu_percent = NAN;
    if (metrics_latest(see, service->project, service->name, 0, &sample)) {
        service->cpu_percent = (double)sample.cpu_percent;
        service->memory_bytes = (int64_t)sample.memory_bytes;
        service->pids = sample.pids;
    }
}

/* By the number of the replica: 0 would be the whole service. */
void api_add_replica_figures(struct see *see, struct replica_status *replica)
{
    struct metrics_sample sample;

    replica->cpu_percent = NAN;
    if (metrics_latest(see, replica->project, replica->service, (uint32_t)replica->replica,
                       &sample)) {
        replica->cpu_percent = (double)sample.cpu_percent;
        replica->memory_bytes = (int64_t)sample.memory_bytes;
    }
}

/* ---- services ---- */

/* An empty name is a wildcard for run_…: without a service in the path it means all of the project.
 */
static struct bus_id path_id(const struct exchange *x)
{
    return bus_id_make(str_from(x->ctx.tenant), x->params[0], x->params[1], 0);
}

/* Figures are added to all, also beyond the page: cheaper than knowing which ones are shown. */
int api_load_services(struct exchange *x, struct bus_id filter, struct service_status **ret,
                      size_t *ret_count)
{
    int r = run_services(api_run(x), &x->ctx, filter, &x->arena, ret, ret_count);

    for (size_t i = 0; r == 0 && i < *ret_count; i++) {
        api_add_service_figures(api_see(x), &(*ret)[i]);
    }
    return r;
}

/* The project is asked for first: no services is a list, no project is 404. */
void handle_services(struct exchange *x)
{
    const struct project_status *project;
    struct service_status *services = NULL;
    size_t count = 0;

    if (!api_need_project(x, &project)) {
        return;
    }
    int r = api_load_services(x, path_id(x), &services, &count);
    if (r) {
        api_answer_run(x, r, "project");
        return;
    }
    struct page page = api_page(x, count);
    struct json_writer w = exchange_list_begin(x);
    for (size_t i = page.from; i < page.to; i++) {
        schema_encode_json(&schema_service, &services[i], 0, &w);
    }
    exchange_list_end(x, &w, api_page_cursor(x, page));
}

/* With its figures, since its caller mostly answers it. */
bool api_need_service(struct exchange *x, struct service_status *ret)
{
    struct service_status *services = NULL;
    size_t count = 0;
    int r = api_load_services(x, path_id(x), &services, &count);

    if (r || count == 0) {
        api_answer_run(x, r ? r : RUN_E_NONE, "service");
        return false;
    }
    *ret = services[0];
    return true;
}

/* One service with its spec; its generation is the project's that last changed it. A spec that
 * cannot be had (it left the file in this moment) is null, and the service is told all the same. */
static void answer_service(struct exchange *x)
{
    struct service_status service;
    cleanup(buf_fini) struct buf spec = BUF_INIT(4 * MIB);

    if (!api_need_service(x, &service)) {
        return;
    }
    if (run_service_spec(api_run(x), &x->ctx, path_id(x), &spec) == 0) {
        service.spec = buf_str(&spec);
    }
    struct json_writer w = JSON_WRITER(&x->out);
    schema_encode_json(&schema_service, &service, SCHEMA_ENCODE_DETAIL, &w);
    exchange_answer_json(x, service.generation);
}

void handle_service(struct exchange *x)
{
    answer_service(x);
}

/* 0 processes is "not running", which has no memory; null says so, where 0 would be a wonder. */
static void on_memory(void *arg, int error, const struct pss *pss)
{
    struct exchange *x = arg;
    struct json_writer w = JSON_WRITER(&x->out);

    if (error) {
        exchange_answer_error(x, error);
        return;
    }
    json_begin_object(&w);
    json_field(&w, "project", str, x->params[0]);
    json_field(&w, "service", str, x->params[1]);
    json_key(&w, STR("pss_bytes"));
    if (pss->processes) {
        json_u64(&w, pss->bytes);
    } else {
        json_null(&w);
    }
    json_field(&w, "processes", u64, pss->processes);
    json_field(&w, "unreadable", u64, pss->unreadable);
    json_end_object(&w);
    exchange_answer_json(x, -1);
}

/* Looked up first: a service that is not there is 404, not a memory of nothing. */
void handle_memory(struct exchange *x)
{
    struct service_status service;

    if (!api_need_service(x, &service)) {
        return;
    }
    const struct bus_id id = path_id(x);
    int r = pss_read(api_see(x), &id, on_memory, x);
    if (r < 0) {
        exchange_answer_error(x, r);
    }
}

/* ---- actions ---- */

/* The service is read anew: it is as it is after the order. */
static void on_acted(void *arg, const struct problem *problem)
{
    struct exchange *x = arg;

    if (problem) {
        exchange_answer_problem(x, problem);
    } else {
        answer_service(x);
    }
}

/* Looked up first, so that a wrong name is 404 with the nearest one, and If-Match has a generation.
 */
static void act(struct exchange *x, enum run_verb verb)
{
    struct service_status service;
    struct run_act what = {
        .verb = verb,
        .project = x->params[0],
        .service = x->params[1],
        .replicas = (uint32_t)jdoc_i64(x->json, "replicas", 0),
        .replica = (uint32_t)jdoc_i64(x->json, "replica", 0),
        .weight = (uint32_t)jdoc_i64(x->json, "weight", 0),
        .end = jdoc_bool(x->json, "end", false),
    };

    if (api_need_service(x, &service) && api_if_match(x, service.generation)) {
        run_act(api_run(x), &x->ctx, &what, (struct run_done){.fn = on_acted, .arg = x});
    }
}

void handle_start(struct exchange *x)
{
    act(x, RUN_START);
}

void handle_stop(struct exchange *x)
{
    act(x, RUN_STOP);
}

void handle_restart(struct exchange *x)
{
    act(x, RUN_RESTART);
}

void handle_scale(struct exchange *x)
{
    act(x, RUN_SCALE);
}

void handle_weight(struct exchange *x)
{
    act(x, RUN_WEIGHT);
}

void handle_drain(struct exchange *x)
{
    act(x, RUN_DRAIN);
}

void handle_reset(struct exchange *x)
{
    act(x, RUN_RESET);
}

/* ---- replicas ---- */

/* Figures only for the page: a replica's are looked up one by one. */
void handle_replicas(struct exchange *x)
{
    const struct project_status *project;
    struct replica_status *replicas = NULL;
    size_t count = 0;

    if (!api_need_project(x, &project)) {
        return;
    }
    int r = run_replicas(api_run(x), &x->ctx, path_id(x), &x->arena, &replicas, &count);
    if (r) {
        api_answer_run(x, r, "project");
        return;
    }
    struct page page = api_page(x, count);
    struct json_writer w = exchange_list_begin(x);
    for (size_t i = page.from; i < page.to; i++) {
        api_add_replica_figures(api_see(x), &replicas[i]);
        schema_encode_json(&schema_replica, &replicas[i], SCHEMA_ENCODE_DETAIL, &w);
    }
    exchange_list_end(x, &w, api_page_cursor(x, page));
}

/* ---- routes ---- */

void handle_routes(struct exchange *x)
{
    const struct project_status *project;
    struct route_status *routes = NULL;
    size_t count = 0;

    if (!api_need_project(x, &project)) {
        return;
    }
    int r = run_routes(api_run(x), &x->ctx, x->params[0], &x->arena, &routes, &count);
    if (r) {
        api_answer_run(x, r, "project");
        return;
    }
    struct page page = api_page(x, count);
    struct json_writer w = exchange_list_begin(x);
    for (size_t i = page.from; i < page.to; i++) {
        schema_encode_json(&schema_route, &routes[i], 0, &w);
    }
    exchange_list_end(x, &w, api_page_cursor(x, page));
}

/* ---- certificates ---- */

void handle_certificates(struct exchange *x)
{
    const struct project_status *project;
    struct run_certificates found = {0};

    if (!api_need_project(x, &project)) {
        return;
    }
    int r = run_certificates(api_run(x), &x->ctx, x->params[0], &x->arena, &found);
    if (r) {
        api_answer_run(x, r, "project");
        return;
    }
    struct page page = api_page(x, found.count);
    struct json_writer w = exchange_list_begin(x);
    for (size_t i = page.from; i < page.to; i++) {
        schema_encode_json(&schema_certificate, &found.items[i], 0, &w);
    }
    exchange_list_end(x, &w, api_page_cursor(x, page));
}
