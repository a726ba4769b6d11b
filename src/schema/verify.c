/* SPDX-License-Identifier: Apache-2.0
 *
 * What only the whole project can tell: references, circles, routes and ports that collide; and
 * what follows from the whole: default listeners, listeners for `ports:`.
 *
 * Runs on a project whose parts are fine by themselves (decode.c said nothing), so it may rely on
 * kinds and bounds. Looks up by maps: thousands of services must not cost the square of it.
 *
 *   1. Collisions are said at the later of the two, naming the earlier: the file is read from
 *      above.
 *   2. A circle of depends_on is searched without recursion, since its length is that of the file;
 *      each service is visited once, each circle that a search closes is said once.
 *   3. Only what a file alone decides is an error here. Whether a port is free on this machine, or
 *      a program installed, run/ finds out (origin.c tells it the place).
 */
#include "base/utf8.h"
#include "base/vec.h"
#include "schema/decode.h"
#include "schema/resource.h"
#include "schema/stages.h"

struct verifier {
    struct schema_pass *pass;
    const struct value *root;
    struct project_spec *spec;
    struct map services; /* name → member of the document's services */
};

static const struct value *service_value(const struct verifier *v, struct str name)
{
    const struct value_member *m = map_get(&v->services, name);
    return m ? m->value : NULL;
}

static struct value_at service_at(const struct verifier *v, struct str name)
{
    const struct value_member *m = map_get(&v->services, name);
    return m ? m->at : (struct value_at){0};
}

/* ------------------------------------------------------------------ references */

/* Only the first 64 names are compared: a hint is not worth the time of a long list. */
static void say_undefined(struct verifier *v, struct value_at at, const char *what, struct str name,
                          const struct value *section)
{
    struct str names[64];
    size_t count = 0;
    for (size_t i = 0; section && section->kind == VALUE_MAP && i < section->count && i < 64; i++) {
        names[count++] = section->members[i].key;
    }
    struct problem *problem =
        pass_problem(v->pass, at, "config.undefined", "there is no %s '" STR_FMT "'", what,
                     STR_ARG(utf8_cut(name, 80)));
    struct str nearest = problem_nearest(name, names, count);
    if (nearest.len) {
        problem_hint(problem, "did you mean '" STR_FMT "'?", STR_ARG(nearest));
    }
}

/* One that is there, but only with a profile that is not chosen. */
static void say_disabled(struct verifier *v, struct value_at at, const struct service_spec *service,
                         const struct value_member *disabled)
{
    const struct value *profiles = value_get(disabled->value, "profiles");
    struct str profile = profiles->members[0].value->text;
    struct problem *problem =
        pass_problem(v->pass, at, "config.disabled",
                     "'" STR_FMT "' depends on '" STR_FMT "', whose profile is not chosen",
                     STR_ARG(service->name), STR_ARG(disabled->key));
    problem_hint(problem,
                 "choose it with --profile " STR_FMT ", or write 'required: false' with the "
                 "dependency",
                 STR_ARG(utf8_cut(profile, 80)));
}

/* What has no health check is healthy once it runs; better to know than to find out. */
static void check_healthy(struct verifier *v, struct value_at at,
                          const struct service_spec *service, const struct depends_spec *depends)
{
    const struct service_spec *target = project_spec_service(v->spec, depends->service);
    if (depends->condition == DEPENDS_HEALTHY && target && target->kind == SERVICE_PROCESS &&
        target->health.kind == HEALTH_NONE) {
        pass_notice(v->pass, at, false, "config.no-healthcheck",
                    "'" STR_FMT "' waits for '" STR_FMT "' to be healthy, which has no "
                    "healthcheck: running is enough",
                    STR_ARG(service->name), STR_ARG(depends->service));
    }
}

static void check_depends(struct verifier *v, const struct service_spec *service)
{
    const struct value *map = value_get(service_value(v, service->name), "depends_on");
    for (size_t i = 0; i < service->depends_on_count; i++) {
        const struct depends_spec *depends = &service->depends_on[i];
        const struct value_member *m = value_member(map, depends->service);
        if (!m) {
            continue;
        }
        check_healthy(v, m->at, service, depends);
        if (!depends->required || service_value(v, depends->service)) {
            continue;
        }
        const struct value_member *disabled =
            v->pass->disabled ? value_member(v->pass->disabled, depends->service) : NULL;
        if (disabled) {
            say_disabled(v, m->at, service, disabled);
        } else {
            say_undefined(v, m->at, "service", depends->service, value_get(v->root, "services"));
        }
    }
}

/* Names of the keys of a map, or of `source` in a list of maps. */
static void check_section(struct verifier *v, const struct value *used, const char *section,
                          const char *what)
{
    const struct value *defined = value_get(v->root, section);
    for (size_t i = 0; used && used->kind >= VALUE_LIST && i < used->count; i++) {
        const struct value_member *m = &used->members[i];
        const struct value *source = value_get(m->value, "source");
        struct str name = used->kind == VALUE_MAP ? m->key : source ? source->text : STR_NONE;
        bool implied = str_is(name, "default") && str_is(str_from(section), "networks");
        if (name.len && !implied && !value_member(defined, name)) {
            say_undefined(v, used->kind == VALUE_MAP ? m->at : m->value->at, what, name, defined);
        }
    }
}

/* "name:/target:rw" whose source is a name, not a path. */
static void check_volumes(struct verifier *v, const struct value *volumes)
{
    const struct value *defined = value_get(v->root, "volumes");
    for (size_t i = 0; volumes && volumes->kind == VALUE_LIST && i < volumes->count; i++) {
        const struct value *item = volumes->members[i].value;
        const struct value *source = value_get(item, "source"), *type = value_get(item, "type");
        struct str name = STR_NONE, rest;
        if (item->kind == VALUE_SCALAR) {
            name = str_split(item->text, ':', &name, &rest) ? name : STR_NONE;
        } else if (source && type && str_is(type->text, "volume")) {
            name = source->text;
        }
        bool is_path = !name.len || str_find_char(STR("/.~"), name.p[0]) >= 0;
        if (!is_path && !value_member(defined, name)) {
            say_undefined(v, item->at, "volume", name, defined);
        }
    }
}

/* `traffic: { fallback: { service } }` and the like: it must be there, and another one. */
static void check_traffic(struct verifier *v, const struct service_spec *service,
                          const struct value *traffic)
{
    if (service->traffic.announce != 0 && service->traffic.protocol == TRAFFIC_HTTP2) {
        const struct value_member *m = value_member(traffic, STR("proxy_protocol"));
        struct problem *problem =
            pass_problem(v->pass, m ? m->at : service_at(v, service->name), "config.proxy-protocol",
                         "proxy_protocol names the client of a connection, and connections of "
                         "`protocol: http2` carry the requests of many");
        problem_hint(problem, "leave one of them out; clients are named in Forwarded, too");
    }
    static const char *const parts[] = {"fallback", "mirror"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct value *name = value_get(value_get(traffic, parts[i]), "service");
        if (!value_is_set(name)) {
            continue;
        }
        if (str_eq(name->text, service->name)) {
            struct problem *problem = pass_problem(v->pass, name->at, "config.bad-value",
                                                   "the %s of '" STR_FMT "' is the service itself",
                                                   parts[i], STR_ARG(utf8_cut(name->text, 80)));
            problem_expected(problem, "another service of this project");
        } else if (!service_value(v, name->text)) {
            say_undefined(v, name->at, "service", name->text, value_get(v->root, "services"));
        }
    }
}

/* The keys that Compose resolves by name; rows have `reference` for tools, but the ways to write a
 * reference differ too much for one loop. */
static void check_references(struct verifier *v)
{
    for (size_t i = 0; i < v->spec->services_count; i++) {
        const struct service_spec *service = &v->spec->services[i];
        const struct value *value = service_value(v, service->name);
        check_depends(v, service);
        check_traffic(v, service, value_get(value, "traffic"));
        check_section(v, value_get(value, "networks"), "networks", "network");
        check_section(v, value_get(value, "secrets"), "secrets", "secret");
        check_section(v, value_get(value, "configs"), "configs", "config");
        check_volumes(v, value_get(value, "volumes"));
    }
    const struct value *listens = value_get(value_get(v->root, "gateway"), "listen");
    for (size_t i = 0; listens && listens->kind == VALUE_LIST && i < listens->count; i++) {
        const struct value *name = value_get(listens->members[i].value, "service");
        if (value_is_set(name) && !service_value(v, name->text)) {
            say_undefined(v, name->at, "service", name->text, value_get(v->root, "services"));
        }
    }
}

/* ------------------------------------------------------------------ circles */

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE };

struct visit {
    size_t service;
    size_t next; /* of its dependencies */
};

static void say_cycle(struct verifier *v, const struct visit *stack, size_t depth, size_t again)
{
    struct buf text = BUF_INIT(PROBLEM_TEXT_MAX - 1);
    size_t from = depth - 1;
    while (stack[from].service != again) {
        from--;
    }
    for (size_t i = from; i < depth; i++) {
        buf_add(&text, v->spec->services[stack[i].service].name);
        buf_add(&text, STR(" → "));
    }
    buf_add(&text, v->spec->services[again].name);
    const struct service_spec *last = &v->spec->services[stack[depth - 1].service];
    const struct value_member *m = value_member(
        value_get(service_value(v, last->name), "depends_on"), v->spec->services[again].name);
    struct problem *problem =
        pass_problem(v->pass, m ? m->at : (struct value_at){0}, "config.dependency-cycle",
                     "services wait for each other in a circle: %s", buf_cstr(&text));
    problem_hint(problem, "remove one of these dependencies");
    buf_fini(&text);
}

/* Depth first with a stack of its own; an edge to an open service closes a circle. */
static void visit_from(struct verifier *v, const struct map *index, size_t start, uint8_t *marks,
                       struct visit *stack)
{
    size_t depth = 1;
    stack[0] = (struct visit){start, 0};
    marks[start] = MARK_OPEN;
    while (depth) {
        struct visit *top = &stack[depth - 1];
        const struct service_spec *service = &v->spec->services[top->service];
        if (top->next == service->depends_on_count) {
            marks[top->service] = MARK_DONE;
            depth--;
            continue;
        }
        const struct depends_spec *depends = &service->depends_on[top->next++];
        size_t target = (size_t)(uintptr_t)map_get(index, depends->service);
        if (target == 0 || marks[target - 1] == MARK_DONE) {
            continue;
        }
        if (marks[target - 1] == MARK_OPEN) {
            say_cycle(v, stack, depth, target - 1);
            continue;
        }
        marks[target - 1] = MARK_OPEN;
        stack[depth++] = (struct visit){target - 1, 0};
    }
}

static void check_cycles(struct verifier *v)
{
    size_t count = v->spec->services_count;
    struct map index = MAP_INIT(VALUE_NODES_MAX);
    uint8_t *marks = count ? pass_alloc(v->pass, count, 1) : NULL;
    struct visit *stack = count ? pass_alloc(v->pass, count, sizeof(*stack)) : NULL;
    for (size_t i = 0; i < count; i++) {
        if (map_put(&index, v->spec->services[i].name, (void *)(uintptr_t)(i + 1))) {
            v->pass->error = -ENOMEM;
        }
    }
    for (size_t i = 0; marks && stack && !v->pass->error && i < count; i++) {
        if (marks[i] == MARK_NEW) {
            visit_from(v, &index, i, marks, stack);
        }
    }
    map_fini(&index);
}

/* ------------------------------------------------------------------ routes and ports */

/* The place of route i of a service in the document. */
static struct value_at route_at(struct verifier *v, const struct service_spec *service, size_t i)
{
    const struct value *routes = value_get(service_value(v, service->name), "routes");
    bool there = routes && routes->kind == VALUE_LIST && i < routes->count;
    return there ? routes->members[i].value->at : service_at(v, service->name);
}

static void check_routes(struct verifier *v)
{
    struct map seen = MAP_INIT(VALUE_NODES_MAX);
    for (size_t i = 0; i < v->spec->services_count; i++) {
        const struct service_spec *service = &v->spec->services[i];
        for (size_t k = 0; k < service->routes_count; k++) {
            const struct route_spec *route = &service->routes[k];
            struct str key =
                pass_printf(v->pass, "%s" STR_FMT STR_FMT, route->passthrough ? "tls " : "",
                            STR_ARG(route->host), STR_ARG(route->path));
            const struct route_spec *other = map_get(&seen, key);
            if (other) {
                struct problem *problem = pass_problem(
                    v->pass, route_at(v, service, k), "config.duplicate-route",
                    "two routes for host '" STR_FMT "' and path '" STR_FMT "'",
                    STR_ARG(route->host.len ? route->host : STR("*")), STR_ARG(route->path));
                problem_hint(problem, "the other one belongs to service '" STR_FMT "'",
                             STR_ARG(other->service));
            } else if (map_put(&seen, key, (void *)(uintptr_t)route)) {
                v->pass->error = -ENOMEM;
            }
        }
    }
    map_fini(&seen);
}

/* The wildcard of one family takes the other along: Linux binds "::" for both, and 0.0.0.0 beside
 * it fails. */
static bool is_any(struct str host)
{
    return host.len == 0 || str_is(host, "0.0.0.0") || str_is(host, "::");
}

static bool hosts_meet(struct str a, struct str b)
{
    return is_any(a) || is_any(b) || str_eq(a, b);
}

/* A published port as something that may collide. */
struct claim {
    struct str host;
    int64_t first, last;
    int32_t protocol;
    struct str owner; /* service, or "gateway" */
    struct value_at at;
};

/* " (muelle.yaml:4)", or nothing for what no file says. */
static const char *place_text(const struct schema_pass *pass, struct value_at at, char *ret,
                              size_t size)
{
    ret[0] = '\0';
    if (at.line && at.file < pass->files_count) {
        (void)snprintf(ret, size, " (" STR_FMT ":%u)", STR_ARG(pass->files[at.file].shown),
                       at.line);
    }
    return ret;
}

/* 0 is chosen when the service starts, so it cannot collide. */
static void add_claim(struct verifier *v, struct vec *claims, const struct claim *claim)
{
    if (claim->first == 0) {
        return; /* chosen when it starts */
    }
    for (size_t i = 0; i < claims->len; i++) {
        const struct claim *other = vec_at(claims, struct claim, i);
        /* A range is a choice (containers): it collides only if it is the same one. */
        bool meet = claim->first == claim->last && other->first == other->last &&
                    claim->first == other->first;
        if (meet && claim->protocol == other->protocol && hosts_meet(claim->host, other->host)) {
            char place[PROBLEM_TEXT_MAX];
            struct problem *problem = pass_problem(
                v->pass, claim->at, "config.port-conflict",
                "port %lld is used twice: by '" STR_FMT "'%s and by '" STR_FMT "'",
                (long long)claim->first, STR_ARG(other->owner),
                place_text(v->pass, other->at, place, sizeof(place)), STR_ARG(claim->owner));
            problem_hint(problem, "publish one of them on another port");
            return;
        }
    }
    if (vec_push(claims, claim)) {
        v->pass->error = -ENOMEM;
    }
}

static struct value_at port_at(struct verifier *v, const struct service_spec *service, size_t i)
{
    const struct value *ports = value_get(service_value(v, service->name), "ports");
    bool there = ports && ports->kind == VALUE_LIST && i < ports->count;
    return there ? ports->members[i].value->at : service_at(v, service->name);
}

static void check_ports(struct verifier *v)
{
    struct vec claims = VEC_INIT(struct claim, VALUE_NODES_MAX);
    const struct gateway_spec *gateway = &v->spec->gateway;
    const struct value *listens = value_get(value_get(v->root, "gateway"), "listen");
    for (size_t i = 0; i < gateway->listens_count; i++) {
        const struct listen_spec *l = &gateway->listens[i];
        struct claim claim = {l->host, l->port, l->port, PORT_TCP, STR("gateway.listen"), {0}};
        claim.at = listens && i < listens->count ? listens->members[i].value->at : claim.at;
        add_claim(v, &claims, &claim);
    }
    if (gateway->admin.port) {
        const struct value *admin = value_get(value_get(v->root, "gateway"), "admin");
        struct claim claim = {gateway->admin.host,  gateway->admin.port,
                              gateway->admin.port,  PORT_TCP,
                              STR("gateway.admin"), {0}};
        claim.at = admin ? admin->at : claim.at;
        add_claim(v, &claims, &claim);
    }
    for (size_t i = 0; i < v->spec->services_count; i++) {
        const struct service_spec *service = &v->spec->services[i];
        for (size_t k = 0; k < service->ports_count; k++) {
            const struct port_spec *port = &service->ports[k];
            struct claim claim = {port->host_ip,  port->published, port->published_end,
                                  port->protocol, service->name,   port_at(v, service, k)};
            add_claim(v, &claims, &claim);
        }
    }
    vec_fini(&claims);
}

/* ------------------------------------------------------------------ listeners that follow */

static size_t count_derived(const struct verifier *v, bool *ret_routes)
{
    size_t count = 0;
    *ret_routes = false;
    for (size_t i = 0; i < v->spec->services_count; i++) {
        const struct service_spec *service = &v->spec->services[i];
        for (size_t k = 0; k < service->routes_count; k++) {
            *ret_routes |= !service->routes[k].passthrough;
        }
        count += service->kind == SERVICE_PROCESS ? service->ports_count : 0;
    }
    return count;
}

/* A target equal to the published port stands for the replica's PORT: "5432:5432" of a process
 * means "reach it as 5432", and the program listens where muelle tells it. */
static void derive_listen(struct verifier *v, const struct service_spec *service,
                          const struct port_spec *port, struct listen_spec *l)
{
    struct str host =
        is_any(port->host_ip) && !str_is(port->host_ip, "0.0.0.0") ? STR("::") : port->host_ip;
    bool v6 = str_find_char(host, ':') >= 0;
    *l = (struct listen_spec){.kind = LISTEN_TCP,
                              .host = host,
                              .port = port->published,
                              .service = service->name,
                              .from_ports = true};
    l->target = port->target == port->published ? 0 : port->target;
    l->address = pass_printf(v->pass, "tcp://%s" STR_FMT "%s:%lld", v6 ? "[" : "", STR_ARG(host),
                             v6 ? "]" : "", (long long)port->published);
}

/* The default listener (an empty list means none), and one for each published TCP port of a
 * process. Given ones first: their order is the file's, and the first http listener is the one
 * shown in links. */
static void derive_listens(struct verifier *v)
{
    struct gateway_spec *gateway = &v->spec->gateway;
    bool routes;
    size_t given = gateway->listens_count, derived = count_derived(v, &routes);
    struct listen_spec *all = pass_alloc(v->pass, given + derived + 1, sizeof(*all));
    if (!all) {
        return;
    }
    if (given) {
        memcpy(all, gateway->listens, given * sizeof(*all));
    } else if (routes && !value_is_set(value_get(value_get(v->root, "gateway"), "listen"))) {
        all[given++] = (struct listen_spec){.address = STR("http://127.0.0.1:8080"),
                                            .kind = LISTEN_HTTP,
                                            .host = STR("127.0.0.1"),
                                            .port = 8080};
    }
    for (size_t i = 0; i < v->spec->services_count; i++) {
        const struct service_spec *service = &v->spec->services[i];
        for (size_t k = 0; service->kind == SERVICE_PROCESS && k < service->ports_count; k++) {
            if (service->ports[k].published && service->ports[k].protocol == PORT_TCP) {
                derive_listen(v, service, &service->ports[k], &all[given++]);
            }
        }
    }
    gateway->listens = all;
    gateway->listens_count = given;
}

/* ------------------------------------------------------------------ names, profiles */

/* Names become host names, cgroup paths, file names and labels of figures: the common part of
 * those.
 */
static void check_names(struct verifier *v)
{
    for (size_t i = 0; i < v->spec->services_count; i++) {
        struct str name = v->spec->services[i].name;
        bool fine = name.len > 0 && name.len <= 63;
        for (size_t k = 0; k < name.len; k++) {
            char c = name.p[k];
            bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '_';
            fine &= word || (k > 0 && (c == '-' || c == '.'));
        }
        if (!fine) {
            struct problem *problem = pass_problem(v->pass, service_at(v, name), "config.bad-name",
                                                   "'" STR_FMT "' cannot be the name of a service",
                                                   STR_ARG(utf8_cut(name, 80)));
            problem_expected(
                problem, "1 to 63 letters, digits, '_', '-' or '.', a letter, digit or '_' first");
        }
    }
}

static void index_services(struct verifier *v)
{
    const struct value *services = value_get(v->root, "services");
    for (size_t i = 0; services && services->kind == VALUE_MAP && i < services->count; i++) {
        if (map_put(&v->services, services->members[i].key, &services->members[i])) {
            v->pass->error = -ENOMEM;
        }
    }
}

void verify_project(struct schema_pass *pass, const struct value *root, struct project_spec *spec)
{
    struct verifier v = {pass, root, spec, MAP_INIT(VALUE_NODES_MAX)};
    index_services(&v);
    check_names(&v);
    check_references(&v);
    check_cycles(&v);
    check_routes(&v);
    check_ports(&v);
    derive_listens(&v);
    advise_project(pass, root, spec);
    map_fini(&v.services);
}
