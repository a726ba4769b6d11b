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

/* `route` = NULL: of those that need none of their own. */
static int add_filters(const struct config *config, struct filter_chain *chain,
                       const struct route *route)
{
    int r = 0;
    if (config_test_filter) {
        r = filter_chain_add(chain, config_test_filter, NULL);
    }
    if (r == 0 && route && route->strip_prefix && route->path.len > 0) {
        r = filter_chain_add(chain, &filter_strip_prefix, &route->path);
    }
    if (r == 0 && route && config->services[route->service].spread.sticky.len) {
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

static void set_chain(struct route *route, const struct filter_chain *chain)
{
    route->filters = chain->filter_count ? chain : &filter_chain_empty;
}

static int make_chains(struct config *config)
{
    size_t count = 1; /* the shared one */
    for (size_t i = 0; i < config->snapshot.routes; i++) {
        count += needs_own_chain(config, &config->routes[i]);
    }
    config->chains = calloc(count, sizeof(*config->chains));
    struct filter_chain *next = config->chains;
    int r = next ? add_filters(config, next++, NULL) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < config->snapshot.routes; i++) {
        struct route *route = &config->routes[i];
        bool own = needs_own_chain(config, route);
        r = own ? add_filters(config, next, route) : 0;
        set_chain(route, own ? next++ : config->chains);
    }
    return r;
}

static bool says_tunnel(const struct snapshot_tunnel *tunnel)
{
    return tunnel->message_max || tunnel->ping_ms || tunnel->idle_ms || tunnel->connections_max;
}

/* What a route says of its tunnels; most say nothing. */
static int compile_tunnel(struct config *config, size_t i, const struct snapshot_tunnel *tunnel)
{
    if (!says_tunnel(tunnel)) {
        return 0;
    }
    if (!config->tunnels) {
        config->tunnels = calloc(config->snapshot.routes, sizeof(*config->tunnels));
    }
    if (!config->tunnels) {
        return -ENOMEM;
    }
    config->tunnels[i] = *tunnel;
    config->routes[i].tunnel = &config->tunnels[i];
    return 0;
}

/* All but its chain and its tunnels. False: its service is not known. */
static bool read_route(const struct config *config, const struct snapshot_route *source,
                       struct route *ret)
{
    struct str id = str_make((const char *)&source->service, 8);
    uintptr_t service = (uintptr_t)map_get(&config->service_index, id);
    *ret = (struct route){
        .id = source->id,
        .service = (uint32_t)(service - 1),
        .host = str_is(source->host, "*") ? STR_NONE : source->host,
        .path = trim_slash(source->path),
        .strip_prefix = source->flags & SNAPSHOT_ROUTE_STRIP_PREFIX,
        .passthrough = source->flags & SNAPSHOT_ROUTE_PASSTHROUGH,
        .shows_client = source->flags & SNAPSHOT_ROUTE_CLIENT_CERTIFICATE,
        .needs_client = source->flags & SNAPSHOT_ROUTE_CLIENT_REQUIRED,
        .connect = source->flags & SNAPSHOT_ROUTE_CONNECT,
        .frames = source->flags & SNAPSHOT_ROUTE_CHECK_FRAMES,
    };
    return service != 0;
}

static int index_services(struct config *config)
{
    int r = 0;
    config->service_index = MAP_INIT(SNAPSHOT_SERVICES_MAX);
    for (size_t i = 0; r == 0 && i < config->service_count; i++) {
        r = map_put(&config->service_index, str_make((const char *)&config->services[i].id, 8),
                    (void *)(uintptr_t)(i + 1));
    }
    return r;
}

static int compile_routes(struct config *config)
{
    const struct snapshot *snapshot = &config->snapshot;
    size_t count = snapshot->routes;
    int r = index_services(config);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct snapshot_route source = snapshot_route_at(snapshot, (uint32_t)i);
        struct route *route = &config->routes[i];
        if (!read_route(config, &source, route)) {
            return -EINVAL;
        }
        route->service_slot = config->route_counts[route->service]++;
        config->connects |= route->connect;
        r = compile_tunnel(config, i, &source.tunnel);
    }
    r = r < 0 ? r : make_chains(config);
    r = r < 0 ? r : route_table_init(&config->table, config->routes, count, false);
    return r < 0 ? r : route_table_init(&config->names, config->routes, count, true);
}

/* --- routes by deltas --- */

/* A route in one piece with all that it names. */
struct piece {
    atomic_uint refs; /* of tables; ours while it is made */
    struct route route;
    struct snapshot_tunnel tunnel;
    struct filter_chain chain;
    char text[];
};

static struct str keep_text(char **at, struct str text)
{
    memcpy(*at, text.p, text.len);
    *at += text.len;
    return str_make(*at - text.len, text.len);
}

static int make_route(const struct config *config, const struct snapshot_route *source,
                      struct piece *piece)
{
    struct route *route = &piece->route;
    char *text = piece->text;
    (void)read_route(config, source, route);
    route->refs = &piece->refs;
    route->host = keep_text(&text, route->host);
    route->path = keep_text(&text, route->path);
    /* Behind those of the snapshot's routes; two may meet: then the id decides. */
    route->service_slot =
        config->route_counts[route->service] + 1 + (uint32_t)(route->id % CONFIG_ROUTES_SPARE);
    if (says_tunnel(&source->tunnel)) {
        piece->tunnel = source->tunnel;
        route->tunnel = &piece->tunnel;
    }
    bool own = needs_own_chain(config, route);
    int r = own ? add_filters(config, &piece->chain, route) : 0;
    set_chain(route, own ? &piece->chain : config->chains);
    return r;
}

static int put_route(struct config *config, const struct snapshot_route *source)
{
    struct route seen;
    if (!read_route(config, source, &seen)) {
        return 0; /* the snapshot that knows the service is on its way */
    }
    struct piece *piece = calloc(1, sizeof(*piece) + seen.host.len + seen.path.len);
    if (!piece) {
        return -ENOMEM;
    }
    atomic_init(&piece->refs, 1);
    int r = make_route(config, source, piece);
    r = r < 0 ? r
              : route_table_put(seen.passthrough ? &config->names : &config->table, &piece->route);
    config->connects |= seen.connect;
    if (atomic_fetch_sub(&piece->refs, 1) == 1) {
        free(piece);
    }
    return r;
}

int config_change(struct config *config, const struct delta *delta)
{
    struct snapshot_route source = delta_route(delta);
    if (delta->kind == DELTA_ROUTE_SET) {
        return put_route(config, &source);
    }
    struct str host = str_is(source.host, "*") ? STR_NONE : source.host;
    struct str path = trim_slash(source.path);
    bool name = source.flags & SNAPSHOT_ROUTE_PASSTHROUGH;
    return route_table_drop(name ? &config->names : &config->table, host, path, source.id);
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
