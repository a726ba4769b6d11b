/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints about the instance itself: what it is, whether it works, its figures, sessions.
 *
 * healthz says that the loop turns; readyz that the core knows what runs. Supervisors of muelle ask
 * the former, clients that want answers the latter. Both need no principal and tell nothing else.
 *
 * Sessions: the cookie holds the token itself. There is one principal per instance, so a session
 * has nothing of its own to remember, and a new token ends all of them. HttpOnly and
 * SameSite=Strict keep pages and other sites from using it, Secure is set when the edge spoke TLS.
 *
 *   /healthz        200 while the loop turns
 *   /readyz         200, or 503 while the core starts or stops
 *   /metrics        OpenMetrics 1.0, or the older text format for who asks for it by Accept
 *   /api/metrics    the same figures as JSON
 *   /login?token=   303 to / with the cookie: a link is a GET
 *   /session        POST {token} 204 with the cookie, DELETE 204 without it
 */
#include "base/num.h"
#include "core/sockmap.h"
#include "face/api_handlers.h"
#include "face/api_openapi.h"
#include "face/api_server.h"
#include "face/api_util.h"
#include "proto/cookie.h"
#include "proto/openmetrics.h"
#include "run/run.h"
#include "schema/resource.h"
#include "schema/status_more.h"
#include "see/see.h"

/* ---- instance ---- */

/* Names of all projects, in the exchange's arena; fewer when memory is out. */
static size_t project_names(struct exchange *x, const struct str **ret)
{
    struct project_status *projects = NULL;
    size_t count = 0;
    struct str *names;

    *ret = NULL;
    if (run_projects(api_run(x), &x->ctx, &x->arena, &projects, &count) != 0) {
        return 0;
    }
    names = arena_array(&x->arena, count, sizeof(*names));
    for (size_t i = 0; names && i < count; i++) {
        names[i] = projects[i].name;
    }
    *ret = names;
    return names ? count : 0;
}

void api_instance_json(struct exchange *x, struct json_writer *w)
{
    const struct instance *instance = &x->core->instance;
    struct role_info roles;
    struct instance_status status = {
        .id = str_from(instance->id),
        .version = str_from(instance->version),
        .state_dir = str_from(instance->state_dir),
        .run_dir = str_from(instance->run_dir),
        .started_at_ns = instance->started_wall_ns,
    };

    core_roles(x->core, &roles);
    status.keeper.pid = roles.keeper_pid;
    status.core.pid = roles.core_pid;
    status.edge.pid = roles.edge_pid;
    status.edge.threads = roles.edge_threads;
    status.edge.moved = (int64_t)roles.edge_moved;
    status.edge.leaving = (int64_t)roles.edge_leaving;
    status.sockmap = str_from(core_sockmap_state(x->core));
    status.projects_count = project_names(x, &status.projects);
    schema_encode_json(&schema_instance, &status, SCHEMA_ENCODE_DETAIL, w);
}

void handle_instance(struct exchange *x)
{
    struct json_writer w = JSON_WRITER(&x->out);

    api_instance_json(x, &w);
    exchange_answer_json(x, -1);
}

/* ---- health ---- */

void handle_healthz(struct exchange *x)
{
    buf_add_cstr(&x->out, "{\"status\":\"ok\"}\n");
    exchange_answer(x, 200, "application/json");
}

void handle_readyz(struct exchange *x)
{
    if (!api_ready(x)) {
        exchange_refuse(x, 503, "core.starting",
                        x->core->stopping ? "the core is stopping" : "the core is starting");
        return;
    }
    buf_add_cstr(&x->out, "{\"status\":\"ok\"}\n");
    exchange_answer(x, 200, "application/json");
}

/* Kept: it is made of constants, and some hundred kilobytes of JSON are work. */
void handle_openapi(struct exchange *x)
{
    struct buf *kept = &x->api->openapi;

    if (kept->len == 0) {
        api_openapi_write(kept);
    }
    if (buf_error(kept)) {
        exchange_answer_error(x, buf_error(kept));
        return;
    }
    buf_add(&x->out, buf_str(kept));
    exchange_answer(x, 200, "application/json");
}

/* ---- metrics ---- */

void handle_metrics(struct exchange *x)
{
    bool prometheus = openmetrics_wants_prometheus(http1_get(&x->head, HTTP_H_ACCEPT));
    int r = metrics_write(api_see(x), prometheus, &x->out);

    if (r < 0) {
        exchange_answer_error(x, r);
        return;
    }
    exchange_answer(x, 200, openmetrics_content_type(prometheus).p);
}

void handle_metrics_json(struct exchange *x)
{
    struct json_writer w = JSON_WRITER(&x->out);

    metrics_write_json(api_see(x), &w);
    exchange_answer_json(x, -1);
}

/* ---- sessions ---- */

/* A session cookie, gone with the browser. Not Secure over plain http: it would not be stored, and
 * on loopback there is nothing between. */
static bool set_cookie(struct exchange *x, struct str value, int64_t max_age_s)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(512);
    struct str proto = http1_get(&x->head, HTTP_H_X_FORWARDED_PROTO);
    int r = cookie_write(&text, &(struct cookie){.name = STR(ACCESS_COOKIE),
                                                 .value = value,
                                                 .path = STR("/"),
                                                 .max_age_s = max_age_s,
                                                 .http_only = true,
                                                 .secure = str_is(proto, "https"),
                                                 .same_site = COOKIE_STRICT});

    if (r < 0) {
        exchange_answer_error(x, r);
        return false;
    }
    exchange_header(x, STR("Set-Cookie"), buf_str(&text));
    return true;
}

/* 401 and no hint at what is wrong: a token is right or not. */
void handle_session(struct exchange *x)
{
    struct str token = jdoc_str(x->json, "token");

    if (!access_token_equal(token, str_from(x->api->token))) {
        exchange_refuse(x, 401, "access.unknown", "this is not the instance's token");
        return;
    }
    if (set_cookie(x, token, COOKIE_SESSION)) {
        exchange_answer_empty(x, 204);
    }
}

void handle_session_end(struct exchange *x)
{
    if (set_cookie(x, STR(""), 0)) {
        exchange_answer_empty(x, 204);
    }
}

/* The link of `up`. The token leaves the address bar at once: the answer is a redirect. */
void handle_login(struct exchange *x)
{
    struct str token = exchange_option(x, "token");

    if (!access_token_equal(token, str_from(x->api->token))) {
        exchange_refuse(x, 401, "access.unknown",
                        "this link is not valid any more; 'muelle up' or 'muelle status' prints "
                        "the present one");
        return;
    }
    if (set_cookie(x, token, COOKIE_SESSION)) {
        exchange_header(x, STR("Location"), STR("/"));
        exchange_header(x, STR("Referrer-Policy"), STR("no-referrer"));
        exchange_answer_empty(x, 303);
    }
}
