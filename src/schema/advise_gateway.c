/* SPDX-License-Identifier: Apache-2.0
 *
 * What routes, listeners and services of a project ask of each other and do not get: a route that
 * no listener leads to, a redirect to nowhere, fallbacks that go round. Notices, as in advise.c.
 *
 * What a listener of another project of the instance, or a balancer in front, may give is no error
 * even when the caller is strict: a file alone cannot tell.
 */
#include "schema/decode.h"
#include "schema/resource.h"

struct advice {
    struct schema_pass *pass;
    const struct value *root;
    const struct project_spec *spec;
};

/* The i-th service in the document. */
static const struct value *service_value(const struct advice *a, size_t i)
{
    const struct value_member *m =
        value_member(value_get(a->root, "services"), a->spec->services[i].name);
    return m ? m->value : NULL;
}

static const struct value *route_value(const struct value *service, size_t k)
{
    const struct value *routes = value_get(service, "routes");
    bool there = routes && routes->kind == VALUE_LIST && k < routes->count;
    return there ? routes->members[k].value : NULL;
}

static struct value_at place_of(const struct value *v, const char *key)
{
    const struct value *value = value_get(v, key);
    return value ? value->at : v ? v->at : (struct value_at){0};
}

/* ------------------------------------------------------------------ listeners and routes */

static bool listens(const struct advice *a, enum listen_kind kind)
{
    bool found = false;
    for (size_t i = 0; i < a->spec->gateway.listens_count; i++) {
        found |= a->spec->gateway.listens[i].kind == (int32_t)kind;
    }
    return found;
}

static void say_passthrough(const struct advice *a, const struct route_spec *route,
                            struct value_at at)
{
    struct problem *notice =
        pass_notice(a->pass, at, false, "config.unreached",
                    "nothing reaches a route with 'passthrough': there is no tls listener "
                    "(service '" STR_FMT "')",
                    STR_ARG(route->service));
    problem_hint(notice, "add \"tls://:8443\" or the like to gateway.listen");
}

static void say_client(const struct advice *a, const struct route_spec *route, struct value_at at,
                       bool has_https)
{
    bool refuses = route->client_certificate == CLIENT_CERTIFICATE_REQUIRED;
    struct problem *notice = pass_notice(
        a->pass, at, false, "config.no-client-certificate", "%s: %s (service '" STR_FMT "')",
        refuses ? "every request of this route is refused (403)"
                : "'client_certificate' has no effect",
        has_https ? "no client is asked for a certificate"
                  : "no https listener could ask for a certificate",
        STR_ARG(route->service));
    problem_hint(notice, has_https ? "name who issues them: gateway.tls.client_ca: FILE"
                                   : "add \"https://:8443\" or the like to gateway.listen, and "
                                     "gateway.tls.client_ca: FILE");
}

/* As in other gateways; here a path is no pattern. */
static void say_pattern(const struct advice *a, const struct route_spec *route, struct value_at at)
{
    ptrdiff_t star = str_find_char(route->path, '*'), brace = str_find_char(route->path, '{');
    if (star < 0 && brace < 0) {
        return;
    }
    struct problem *notice = pass_notice(a->pass, at, false, "config.no-pattern",
                                         "'%c' in a path stands for itself (service '" STR_FMT "')",
                                         star < 0 ? '{' : '*', STR_ARG(route->service));
    problem_hint(notice, "a path takes all that is below it: write '/api' for /api, /api/x, …");
}

static void advise_routes(const struct advice *a)
{
    bool has_tls = listens(a, LISTEN_TLS), has_https = listens(a, LISTEN_HTTPS);
    bool asks = has_https && a->spec->gateway.tls.client_ca.len > 0;
    for (size_t i = 0; i < a->spec->services_count; i++) {
        const struct service_spec *service = &a->spec->services[i];
        for (size_t k = 0; k < service->routes_count; k++) {
            const struct route_spec *route = &service->routes[k];
            const struct value *v = route_value(service_value(a, i), k);
            say_pattern(a, route, place_of(v, "path"));
            if (route->passthrough && !has_tls) {
                say_passthrough(a, route, place_of(v, "passthrough"));
            }
            if (route->client_certificate != CLIENT_CERTIFICATE_NONE && !asks) {
                say_client(a, route, place_of(v, "client_certificate"), has_https);
            }
        }
    }
}

static void advise_redirects(const struct advice *a)
{
    const struct value *list = value_get(value_get(a->root, "gateway"), "listen");
    bool has_https = listens(a, LISTEN_HTTPS);
    for (size_t i = 0; list && list->kind == VALUE_LIST && !has_https && i < list->count; i++) {
        const struct value *redirect = value_get(list->members[i].value, "redirect");
        if (value_is_set(redirect)) {
            struct problem *notice =
                pass_notice(a->pass, redirect->at, false, "config.no-https",
                            "requests are sent to https, and there is no https listener");
            problem_hint(notice, "add \"https://:443\" to gateway.listen, unless another program "
                                 "takes them there");
        }
    }
}

/* ------------------------------------------------------------------ services */

/* Is `name` asked for requests? Not by routes: by other services, when those cannot answer or have
 * a copy made. */
static bool helps_another(const struct advice *a, struct str name)
{
    bool found = false;
    for (size_t i = 0; i < a->spec->services_count; i++) {
        const struct traffic_spec *traffic = &a->spec->services[i].traffic;
        found |= str_eq(traffic->fallback.service, name) || str_eq(traffic->mirror.service, name);
    }
    return found;
}

/* Do its connections all pass unread? */
static bool is_unread(const struct advice *a, const struct service_spec *service)
{
    bool reached = false;
    for (size_t k = 0; k < service->routes_count; k++) {
        if (!service->routes[k].passthrough) {
            return false;
        }
        reached = true;
    }
    for (size_t i = 0; i < a->spec->gateway.listens_count; i++) {
        reached |= str_eq(a->spec->gateway.listens[i].service, service->name);
    }
    return reached && !helps_another(a, service->name);
}

/* What is about requests, where nothing is known but connections. */
static void advise_unread(const struct advice *a)
{
    static const char *const keys[] = {"sticky", "hedge", "mirror", "fallback", "body_size"};
    for (size_t i = 0; i < a->spec->services_count; i++) {
        const struct service_spec *service = &a->spec->services[i];
        const struct value *traffic = value_get(service_value(a, i), "traffic");
        for (size_t k = 0; traffic && k < ARRAY_LEN(keys) && is_unread(a, service); k++) {
            const struct value *value = value_get(traffic, keys[k]);
            if (value_is_set(value)) {
                struct problem *notice = pass_notice(
                    a->pass, value->at, false, "config.not-applicable",
                    "'%s' has no effect: connections of tcp:// and tls:// listeners pass unread "
                    "(service '" STR_FMT "')",
                    keys[k], STR_ARG(service->name));
                problem_hint(notice, "it is for requests: leave it out, or give the service a "
                                     "route of an http listener");
            }
        }
    }
}

/* Places of clients come from a database alone. */
static void advise_places(const struct advice *a)
{
    const struct project_spec *spec = a->spec;
    for (size_t i = 0; i < spec->services_count && spec->gateway.geo_database.len == 0; i++) {
        const struct service_spec *service = &spec->services[i];
        if (advise_balance(service) != BALANCE_NEAREST) {
            continue;
        }
        const struct value *owner = service->traffic.spread.chosen
                                        ? value_get(service_value(a, i), "traffic")
                                        : route_value(service_value(a, i), 0);
        struct problem *notice =
            pass_notice(a->pass, place_of(owner, "balance"), true, "config.not-applicable",
                        "'balance: nearest' has no effect without a database of places "
                        "(service '" STR_FMT "')",
                        STR_ARG(service->name));
        problem_expected(notice, "its file as 'gateway.geo_database'");
    }
}

static void say_ring(const struct advice *a, const size_t *next, size_t from)
{
    struct buf text = BUF_INIT(PROBLEM_TEXT_MAX / 2);
    size_t i = from;
    do {
        buf_add(&text, a->spec->services[i].name);
        buf_add(&text, STR(" → "));
        i = next[i] - 1;
    } while (i != from);
    buf_add(&text, a->spec->services[from].name);
    const struct value *traffic = value_get(service_value(a, from), "traffic");
    struct problem *notice = pass_notice(
        a->pass, place_of(value_get(traffic, "fallback"), "service"), false, "config.fallback-ring",
        "fallbacks lead back to where they began: %s", buf_error(&text) ? "…" : buf_cstr(&text));
    problem_hint(notice, "a request falls back once; what answers when both are away is a 503, or "
                         "the page of a fallback without service");
    buf_fini(&text);
}

/* Each has one fallback at most, so a walk from each service that was not seen finds all rings. */
static void walk(const struct advice *a, const size_t *next, size_t *seen)
{
    for (size_t start = 0; start < a->spec->services_count; start++) {
        size_t i = start + 1;
        while (i != 0 && seen[i - 1] == 0) {
            seen[i - 1] = start + 1;
            i = next[i - 1];
        }
        if (i != 0 && seen[i - 1] == start + 1) {
            say_ring(a, next, i - 1);
        }
    }
}

static void advise_fallbacks(const struct advice *a)
{
    size_t count = a->spec->services_count;
    struct map index = MAP_INIT(VALUE_NODES_MAX);
    size_t *next = count ? pass_alloc(a->pass, count, 2 * sizeof(*next)) : NULL;
    bool any = false;
    for (size_t i = 0; next && i < count; i++) {
        any |= a->spec->services[i].traffic.fallback.service.len > 0;
        if (map_put(&index, a->spec->services[i].name, (void *)(uintptr_t)(i + 1))) {
            a->pass->error = -ENOMEM;
        }
    }
    for (size_t i = 0; any && i < count; i++) {
        next[i] = (uintptr_t)map_get(&index, a->spec->services[i].traffic.fallback.service);
        next[i] = next[i] == i + 1 ? 0 : next[i]; /* itself: an error, said */
    }
    if (any) {
        walk(a, next, next + count);
    }
    map_fini(&index);
}

void advise_gateway(struct schema_pass *pass, const struct value *root,
                    const struct project_spec *spec)
{
    const struct advice a = {pass, root, spec};
    advise_redirects(&a);
    advise_routes(&a);
    advise_places(&a);
    advise_unread(&a);
    advise_fallbacks(&a);
}
