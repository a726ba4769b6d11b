/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person is told about keys that are understood but do nothing here, and about ports that
 * will surprise. Notices, and errors when the caller is strict; each key is said once a load.
 *
 * Why at all: a Compose file is read whole, so that it can be shared with Compose, and half of its
 * keys mean nothing to a process. To drop them in silence would be to promise what does not happen
 * (read_only, cap_drop, networks are about safety).
 *
 * A notice names the first service that has the key: a file of a hundred services with `networks`
 * has one mistake, not a hundred. What would make the project work differently than written (a
 * range of ports for one process) is an error, not advice.
 */
#include "schema/decode.h"
#include "schema/resource.h"
#include "schema/table.h"

static bool is_new(struct schema_pass *pass, const struct schema_field *row)
{
    /* By the row itself: `mode` of a port and `mode` of deploy are two. */
    struct str key = str_make((const char *)row, sizeof(*row));
    return !map_get(&pass->noticed, key) && map_put(&pass->noticed, key, pass) == 0;
}

static void say_key(struct schema_pass *pass, const struct schema_field *row,
                    const struct value_member *m, const struct service_spec *service)
{
    bool is_kept = row->support == SCHEMA_KEPT;
    if (is_new(pass, row)) {
        struct problem *notice =
            pass_notice(pass, m->at, true, "config.not-applicable",
                        "'%s' has no effect %s (service '" STR_FMT "')", row->name,
                        is_kept ? "in this version" : "on a process", STR_ARG(service->name));
        problem_hint(notice, is_kept ? "remove it, or leave it for tools that know it"
                                     : "it is meant for containers: a service with image or build");
    }
}

static void say_unused(struct schema_pass *pass, const struct schema_table *table,
                       const struct value *v, const struct service_spec *service)
{
    for (size_t i = 0; v && v->kind == VALUE_MAP && i < v->count; i++) {
        const struct value_member *m = &v->members[i];
        const struct schema_field *row = schema_field_find(table, m->key);
        if (!row || m->value->kind == VALUE_NULL) {
            continue;
        }
        if (row->support == SCHEMA_CONTAINER || row->support == SCHEMA_KEPT) {
            say_key(pass, row, m, service);
        } else if (row->of && row->type == SCHEMA_OBJECT) {
            say_unused(pass, row->of, m->value, service);
        } else if (row->of) {
            value_each(item, m->value)
            {
                say_unused(pass, row->of, item->value, service);
            }
        }
    }
}

/* What the gateway cannot do for a process, and what to do instead. */
static void say_port(struct schema_pass *pass, const struct service_spec *service,
                     const struct port_spec *port, struct value_at at)
{
    if (port->protocol == PORT_UDP) {
        struct problem *notice =
            pass_notice(pass, at, true, "config.not-applicable",
                        "UDP port %lld of process '" STR_FMT "' is not forwarded",
                        (long long)port->target, STR_ARG(service->name));
        problem_hint(notice, "the gateway forwards TCP; the process may open a UDP port itself");
    } else if (port->published == 0) {
        struct problem *notice = pass_notice(pass, at, true, "config.not-applicable",
                                             "port %lld of process '" STR_FMT "' is not published",
                                             (long long)port->target, STR_ARG(service->name));
        problem_hint(notice, "write \"PUBLISHED:%lld\", or give it a route",
                     (long long)port->target);
    } else if (port->published_end > port->published) {
        struct problem *problem = pass_problem(
            pass, at, "config.bad-port", "a process is published on one port, not on a range");
        problem_expected(problem, "one port, as \"%lld:%lld\"", (long long)port->published,
                         (long long)port->target);
    }
}

/* A port of its own by `port`, by PORT in `environment`, or by a target that is not the published
 * one.
 */
static bool has_fixed_port(const struct service_spec *service)
{
    bool fixed = service->port != 0;
    for (size_t i = 0; i < service->ports_count; i++) {
        const struct port_spec *port = &service->ports[i];
        fixed |= port->protocol == PORT_TCP && port->published && port->target != port->published;
    }
    return fixed;
}

/* The gateway balances a service, not a route. */
static void say_balance(struct schema_pass *pass, const struct value *routes,
                        const struct service_spec *service)
{
    for (size_t i = 1; routes && i < service->routes_count && i < routes->count; i++) {
        const struct value *balance = value_get(routes->members[i].value, "balance");
        if (value_is_set(balance) && service->routes[i].balance != service->routes[0].balance) {
            struct problem *notice =
                pass_notice(pass, balance->at, true, "config.not-applicable",
                            "'balance' of a further route has no effect (service '" STR_FMT "')",
                            STR_ARG(service->name));
            problem_hint(notice, "that of the first route counts for the whole service");
        }
    }
}

/* What belongs to another kind of health check than the one that was chosen. */
static void say_health(struct schema_pass *pass, const struct value *v,
                       const struct service_spec *service)
{
    static const struct {
        const char *key, *wants;
        unsigned kinds;
    } keys[] = {
        {"host", "http", 1U << HEALTH_HTTP},
        {"port", "http, tcp or grpc", 1U << HEALTH_HTTP | 1U << HEALTH_TCP | 1U << HEALTH_GRPC}};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct value *value = value_get(v, keys[i].key);
        if (value_is_set(value) && !(keys[i].kinds >> service->health.kind & 1)) {
            struct problem *notice =
                pass_notice(pass, value->at, true, "config.not-applicable",
                            "'%s' has no effect on this health check (service '" STR_FMT "')",
                            keys[i].key, STR_ARG(service->name));
            problem_expected(notice, "it beside '%s'", keys[i].wants);
        }
    }
}

void advise_process(struct schema_pass *pass, const struct value *v,
                    const struct service_spec *service)
{
    const struct value *ports = value_get(v, "ports");
    say_unused(pass, &table_service, v, service);
    say_balance(pass, value_get(v, "routes"), service);
    say_health(pass, value_get(v, "healthcheck"), service);
    advise_traffic(pass, v, service);
    for (size_t i = 0; ports && i < service->ports_count && i < ports->count; i++) {
        say_port(pass, service, &service->ports[i], ports->members[i].value->at);
    }
    if (service->replicas > 1 && has_fixed_port(service) && !service->listen_fds) {
        struct problem *notice =
            pass_notice(pass, pass->owner_at, false, "config.fixed-port",
                        "the %lld replicas of '" STR_FMT "' share one port of their own",
                        (long long)service->replicas, STR_ARG(service->name));
        problem_hint(notice, "let the program listen on $PORT, which differs for each replica");
    }
}

void advise_project(struct schema_pass *pass, const struct value *root,
                    const struct project_spec *spec)
{
    bool has_container = false;
    advise_gateway(pass, root, spec);
    for (size_t i = 0; i < spec->services_count; i++) {
        has_container |= spec->services[i].kind == SERVICE_CONTAINER;
    }
    for (size_t i = 0; !has_container && i < root->count; i++) {
        const struct value_member *m = &root->members[i];
        const struct schema_field *row = schema_field_find(&schema_config, m->key);
        if (row && row->support == SCHEMA_KEPT && value_is_set(m->value)) {
            struct problem *notice =
                pass_notice(pass, m->at, true, "config.not-applicable",
                            "'%s' has no effect: all services are processes", row->name);
            problem_hint(notice, "containers use it: services with image or build");
        }
    }
}
