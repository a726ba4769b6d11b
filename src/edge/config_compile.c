/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling a snapshot: everything that can be known before a request comes is found out here,
 * once, on thread 0: which service a route leads to, which filters it has, where its counts lie.
 *
 * 1. What does not compile leaves what is served as it is; the snapshot stays the caller's then.
 * 2. Nothing is written after config_new but `refs` and, before others see it, the listeners' fds.
 */
#include "edge/config.h"

#include "os/sock.h"

#include <stdlib.h>

const struct filter_ops *config_test_filter;

static struct str trim_slash(struct str path)
{
    while (path.len > 0 && path.p[path.len - 1] == '/') {
        path.len--;
    }
    return path;
}

static int add_filters(const struct config *config, struct filter_chain *chain,
                       const struct route *route)
{
    int r = 0;
    if (config_test_filter) {
        r = filter_chain_add(chain, config_test_filter, NULL);
    }
    if (r == 0 && route->strip_prefix && route->path.len > 0) {
        r = filter_chain_add(chain, &filter_strip_prefix, &route->path);
    }
    if (r == 0 && config->services[route->service].spread.sticky.len) {
        r = filter_chain_add(chain, &filter_sticky, NULL);
    }
    if (r == 0 && config->gateway.expose_replica) {
        r = filter_chain_add(chain, &filter_expose_replica, NULL);
    }
    return r;
}

/* Does the route need a chain that no other route has? A chain is large: the others share one. */
static bool needs_own_chain(const struct config *config, const struct route *route)
{
    return (route->strip_prefix && route->path.len > 0) ||
           config->services[route->service].spread.sticky.len > 0;
}

static int make_chains(struct config *config)
{
    size_t count = 1; /* the shared one */
    for (size_t i = 0; i < config->snapshot.routes; i++) {
        count += needs_own_chain(config, &config->routes[i]);
    }
    config->chains = calloc(count, sizeof(*config->chains));
    struct filter_chain *next = config->chains;
    const struct filter_chain *shared = NULL;
    int r = next ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < config->snapshot.routes; i++) {
        struct route *route = &config->routes[i];
        bool own = needs_own_chain(config, route);
        if (!own && shared) {
            route->filters = shared;
            continue;
        }
        struct filter_chain *chain = next++;
        r = add_filters(config, chain, route);
        route->filters = chain->filter_count ? chain : &filter_chain_empty;
        shared = own ? shared : route->filters;
    }
    return r;
}

/* What a route says of its tunnels; most say nothing. */
static int compile_tunnel(struct config *config, size_t i, const struct snapshot_route *source)
{
    const struct snapshot_tunnel *tunnel = &source->tunnel;
    struct route *route = &config->routes[i];
    route->connect = source->flags & SNAPSHOT_ROUTE_CONNECT;
    route->frames = source->flags & SNAPSHOT_ROUTE_CHECK_FRAMES;
    config->connects |= route->connect;
    if (!tunnel->message_max && !tunnel->ping_ms && !tunnel->idle_ms && !tunnel->connections_max) {
        return 0;
    }
    if (!config->tunnels) {
        config->tunnels = calloc(config->snapshot.routes, sizeof(*config->tunnels));
    }
    if (!config->tunnels) {
        return -ENOMEM;
    }
    config->tunnels[i] = *tunnel;
    route->tunnel = &config->tunnels[i];
    return 0;
}

static int compile_routes(struct config *config)
{
    const struct snapshot *snapshot = &config->snapshot;
    size_t count = snapshot->routes;
    struct map index = MAP_INIT(SNAPSHOT_SERVICES_MAX);
    int r = 0;
    for (size_t i = 0; r == 0 && i < config->service_count; i++) {
        r = map_put(&index, str_make((const char *)&config->services[i].id, 8),
                    (void *)(uintptr_t)(i + 1));
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct snapshot_route source = snapshot_route_at(snapshot, (uint32_t)i);
        uintptr_t service = (uintptr_t)map_get(&index, str_make((const char *)&source.service, 8));
        if (!service) {
            r = -EINVAL;
            break;
        }
        config->routes[i] = (struct route){
            .id = source.id,
            .service = (uint32_t)(service - 1),
            .service_slot = config->route_counts[service - 1]++,
            .host = str_is(source.host, "*") ? STR_NONE : source.host,
            .path = trim_slash(source.path),
            .strip_prefix = source.flags & SNAPSHOT_ROUTE_STRIP_PREFIX,
            .passthrough = source.flags & SNAPSHOT_ROUTE_PASSTHROUGH,
            .shows_client = source.flags & SNAPSHOT_ROUTE_CLIENT_CERTIFICATE,
            .needs_client = source.flags & SNAPSHOT_ROUTE_CLIENT_REQUIRED,
        };
        r = compile_tunnel(config, i, &source);
    }
    map_fini(&index);
    r = r < 0 ? r : make_chains(config);
    r = r < 0 ? r : route_table_init(&config->table, config->routes, count, false);
    return r < 0 ? r : route_table_init(&config->names, config->routes, count, true);
}

/* The networks of trusted proxies, of which what is none is refused with the whole snapshot. */
static int compile_trusted(struct config *config)
{
    struct str rest = config->gateway.trusted_proxies;
    struct str net;
    config->trusted = calloc(rest.len / 2 + 1, sizeof(*config->trusted)); /* "::", and a space */
    if (!config->trusted) {
        return -ENOMEM;
    }
    while (rest.len > 0) {
        str_split(rest, ' ', &net, &rest);
        if (ip_net_parse(net, &config->trusted[config->trusted_count]) < 0) {
            return -EINVAL;
        }
        config->trusted_count++;
    }
    return 0;
}

static int compile(struct config *config)
{
    int r =
        snapshot_open(str_make((const char *)config->shm.p, config->shm.size), &config->snapshot);
    if (r < 0) {
        return r;
    }
    config->gateway = snapshot_gateway_get(&config->snapshot);
    config->service_count = config->snapshot.services;
    config->services = calloc(config->service_count + 1, sizeof(*config->services));
    config->route_counts = calloc(config->service_count + 1, sizeof(*config->route_counts));
    config->routes = calloc(config->snapshot.routes + 1U, sizeof(*config->routes));
    config->listeners = calloc(config->snapshot.listeners + 1U, sizeof(*config->listeners));
    config->listener_count = config->listeners ? config->snapshot.listeners : 0;
    if (!config->listeners || !config->services || !config->route_counts || !config->routes) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < config->service_count; i++) {
        config->services[i] = snapshot_service_at(&config->snapshot, (uint32_t)i);
        config->connects_tls |= config->services[i].tls.on;
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        config->listeners[i] =
            (struct config_listener){snapshot_listener_at(&config->snapshot, (uint32_t)i), -1};
    }
    r = compile_trusted(config);
    if (r < 0) {
        return r;
    }
    if (config->gateway.geo.len) {
        r = geo_open(config->gateway.geo, &config->geo, &config->geo_problem);
        if (r == -ENOMEM) {
            return r;
        }
        r = 0; /* without places the next in turn gets the request */
    }
    config->global.slot_base = FILTERS_MAX;
    if (config_test_filter) {
        r = filter_chain_add(&config->global, config_test_filter, NULL);
    }
    return r < 0 ? r : compile_routes(config);
}

int config_new(struct shm *shm, struct config **ret)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config) {
        return -ENOMEM;
    }
    atomic_init(&config->refs, 1);
    config->shm = *shm;
    int r = compile(config);
    if (r < 0) {
        config->shm = (struct shm){0}; /* stays the caller's */
        config_unref(config);
        return r;
    }
    *shm = (struct shm){0};
    *ret = config;
    return 0;
}
