/* SPDX-License-Identifier: Apache-2.0
 *
 * Each service remembers the file whose routes the edge was told (`told`). A change is looked for
 * between the routes that both files have in common at the beginning and at the end of the list, so
 * it costs one comparison per route, of services that have changed only.
 *
 *  1. Routes that are new or changed are told before those that are gone: one that moves to another
 *     service leads to one of both at every moment.
 *  2. More than CHANGES_MAX of them, or one that no delta holds, make a snapshot.
 */
#include "run/publish_routes.h"

#include "core/mutate.h"
#include "link/delta.h"
#include "link/snapshot.h"
#include "run/project.h"
#include "run/publish.h"

enum { CHANGES_MAX = 200 };

static uint32_t route_flags(const struct route_spec *route)
{
    uint32_t flags =
        (route->strip_prefix ? SNAPSHOT_ROUTE_STRIP_PREFIX : 0U) |
        (route->passthrough ? SNAPSHOT_ROUTE_PASSTHROUGH : 0U) |
        (route->connect ? SNAPSHOT_ROUTE_CONNECT : 0U) |
        (route->websocket.check == WEBSOCKET_CHECK_FRAMES ? SNAPSHOT_ROUTE_CHECK_FRAMES : 0U);
    switch (route->client_certificate) {
    case CLIENT_CERTIFICATE_REQUIRED:
        return flags | SNAPSHOT_ROUTE_CLIENT_CERTIFICATE | SNAPSHOT_ROUTE_CLIENT_REQUIRED;
    case CLIENT_CERTIFICATE_OPTIONAL:
        return flags | SNAPSHOT_ROUTE_CLIENT_CERTIFICATE;
    default:
        return flags;
    }
}

static uint32_t ms(int64_t ns)
{
    return ns <= 0 ? 0 : (uint32_t)MIN((ns + NS_PER_MS - 1) / NS_PER_MS, 86400000);
}

static struct snapshot_tunnel tunnel_of(const struct websocket_spec *websocket)
{
    return (struct snapshot_tunnel){
        .message_max = (uint64_t)MAX(websocket->message_max, 0),
        .ping_ms = ms(websocket->ping_ns),
        .idle_ms = ms(websocket->idle_ns),
        .connections_max = (uint32_t)MAX(websocket->connections_max, 0),
    };
}

uint64_t publish_route_id(const struct service *service, const struct route_spec *route)
{
    char memory[512]; /* that much is told apart: the same id in each version */
    struct buf rest = BUF_ON(memory);
    buf_add(&rest, route->passthrough ? STR("tls ") : STR("route "));
    buf_add(&rest, route->host);
    buf_add(&rest, str_slice(route->path, 0, rest.max - rest.len));
    return link_id(str_from(service->project->tenant), str_from(service->project->name),
                   str_from(service->name), buf_str(&rest));
}

static struct snapshot_route item_of(const struct service *service, const struct route_spec *route)
{
    return (struct snapshot_route){
        .id = publish_route_id(service, route),
        .service = service->id,
        .host = route->host,
        .path = route->path,
        .flags = route_flags(route),
        .tunnel = tunnel_of(&route->websocket),
    };
}

static size_t route_count(const struct service *service)
{
    return service->removing ? 0 : service->spec->routes_count;
}

void publish_routes_told(struct service *service)
{
    struct project_spec *old = service->told_spec;
    service->told_spec = project_spec_ref(service->project_spec);
    service->told = service->removing ? NULL : service->spec;
    project_spec_unref(old);
}

void publish_routes_add(struct snapshot_builder *builder, struct service *service)
{
    for (size_t i = 0; i < route_count(service); i++) {
        struct snapshot_route item = item_of(service, &service->spec->routes[i]);
        snapshot_builder_route(builder, &item);
    }
    publish_routes_told(service);
}

/* --- what has changed --- */

/* The part of a service's routes, before and now, in which they differ. */
struct difference {
    const struct route_spec *old, *now;
    size_t old_count, now_count;
};

static bool same_tunnel(const struct route_spec *a, const struct route_spec *b)
{
    struct snapshot_tunnel x = tunnel_of(&a->websocket), y = tunnel_of(&b->websocket);
    return x.message_max == y.message_max && x.ping_ms == y.ping_ms && x.idle_ms == y.idle_ms &&
           x.connections_max == y.connections_max;
}

static bool same(const struct route_spec *a, const struct route_spec *b)
{
    return route_spec_same_place(a, b) && route_flags(a) == route_flags(b) && same_tunnel(a, b);
}

/* Nothing to look for: the same file, or the same words in the next one. */
static bool is_told(const struct service *service)
{
    const struct service_spec *old = service->told, *now = service->spec;
    return !service->removing && old &&
           (old == now || (old->routes_hash != 0 && old->routes_hash == now->routes_hash));
}

static struct difference differ(const struct service *service)
{
    struct difference d = {
        .old = service->told ? service->told->routes : NULL,
        .now = service->spec->routes,
        .old_count = service->told ? service->told->routes_count : 0,
        .now_count = route_count(service),
    };
    if (is_told(service)) {
        return (struct difference){0};
    }
    while (d.old_count > 0 && d.now_count > 0 && same(d.old, d.now)) {
        d.old++;
        d.now++;
        d.old_count--;
        d.now_count--;
    }
    while (d.old_count > 0 && d.now_count > 0 &&
           same(&d.old[d.old_count - 1], &d.now[d.now_count - 1])) {
        d.old_count--;
        d.now_count--;
    }
    return d;
}

/* One with the same host and path; NULL: there is none. */
static const struct route_spec *find(const struct route_spec *routes, size_t count,
                                     const struct route_spec *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (route_spec_same_place(&routes[i], wanted)) {
            return &routes[i];
        }
    }
    return NULL;
}

/* With `run` = NULL they are only tried. */
static bool tell(struct run *run, const struct service *service, const struct route_spec *route,
                 enum delta_kind kind)
{
    struct snapshot_route item = item_of(service, route);
    struct delta delta;
    bool ok = delta_of_route(&item, &delta);
    delta.kind = kind;
    if (ok && run) {
        publish_delta(run, &delta);
    }
    return ok;
}

static bool tell_new(struct run *run, const struct service *service, const struct difference *d)
{
    bool ok = true;
    for (size_t i = 0; ok && i < d->now_count; i++) {
        const struct route_spec *old = find(d->old, d->old_count, &d->now[i]);
        if (!old || !same(old, &d->now[i])) {
            ok = tell(run, service, &d->now[i], DELTA_ROUTE_SET);
        }
    }
    return ok;
}

static bool tell_gone(struct run *run, const struct service *service, const struct difference *d)
{
    bool ok = true;
    for (size_t i = 0; ok && i < d->old_count; i++) {
        if (!find(d->now, d->now_count, &d->old[i]) && !MUTATE(stale_route)) {
            ok = tell(run, service, &d->old[i], DELTA_ROUTE_REMOVE);
        }
    }
    return ok;
}

struct change {
    struct service *service;
    struct difference d;
};
struct changes {
    struct change items[CHANGES_MAX];
    size_t count, routes;
};

/* False: too many, or one that does not fit. */
static bool add_change(struct changes *changes, struct service *service)
{
    struct difference d = differ(service);
    if (d.old_count + d.now_count == 0) {
        publish_routes_told(service);
        return true;
    }
    changes->routes += d.old_count + d.now_count;
    if (changes->routes > CHANGES_MAX || !tell_new(NULL, service, &d) ||
        !tell_gone(NULL, service, &d)) {
        return false;
    }
    changes->items[changes->count++] = (struct change){service, d};
    return true;
}

static bool find_changes(struct run *run, struct changes *changes)
{
    bool ok = true;
    list_for_each (it, &run->projects) {
        list_for_each (at, &list_entry(it, struct project, node)->services) {
            ok = ok && add_change(changes, list_entry(at, struct service, node));
        }
    }
    return ok;
}

bool publish_routes_changes(struct run *run)
{
    struct changes changes;
    changes.count = changes.routes = 0;
    if (!find_changes(run, &changes)) {
        return false;
    }
    for (size_t i = 0; i < changes.count; i++) {
        (void)tell_new(run, changes.items[i].service, &changes.items[i].d);
    }
    for (size_t i = 0; i < changes.count; i++) {
        (void)tell_gone(run, changes.items[i].service, &changes.items[i].d);
        publish_routes_told(changes.items[i].service);
    }
    return true;
}
