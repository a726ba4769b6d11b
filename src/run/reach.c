/* SPDX-License-Identifier: Apache-2.0
 *
 * Every listener of its kind serves a route, whichever project has it. Which of them a browser on
 * this machine comes to is seen by the name: `localhost` and what ends with it are 127.0.0.1 and
 * ::1; any other name is hardly this machine's loopback.
 */
#include "run/reach.h"

static bool serves(const struct listen_spec *listen, const struct route_spec *route)
{
    switch (listen->kind) {
    case LISTEN_HTTP:
        return !route->passthrough && listen->redirect_port == 0 &&
               route->client_certificate != CLIENT_CERTIFICATE_REQUIRED;
    case LISTEN_HTTPS:
        return !route->passthrough;
    default:
        return route->passthrough && listen->kind == LISTEN_TLS;
    }
}

size_t reach_listens(const struct listen_spec *const *listens, size_t count,
                     const struct route_spec *route, const struct listen_spec **ret)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        bool fresh = serves(listens[i], route);
        for (size_t k = 0; fresh && k < found; k++) {
            fresh = !str_eq(ret[k]->address, listens[i]->address);
        }
        if (fresh) {
            ret[found++] = listens[i];
        }
    }
    return found;
}

static bool is_everywhere(const struct listen_spec *listen)
{
    return listen->host.len == 0 || str_is(listen->host, "::") || str_is(listen->host, "0.0.0.0");
}

/* Where `localhost` leads to. */
static bool is_localhost(const struct listen_spec *listen)
{
    return str_is(listen->host, "127.0.0.1") || str_is(listen->host, "::1");
}

static bool fits(const struct listen_spec *listen, struct str host)
{
    bool local = str_is(host, "localhost") || str_ends(host, STR(".localhost"));
    return host.len == 0 || is_everywhere(listen) || is_localhost(listen) == local;
}

/* One that the route's host or pattern takes. */
static struct str a_host(struct arena *arena, struct str host, const struct listen_spec *listen)
{
    bool pattern = host.len > 0 && host.p[0] == '*';
    bool six = str_find_char(listen->host, ':') >= 0;
    if (pattern) {
        return arena_printf(arena, "www" STR_FMT, STR_ARG(str_skip(host, 1)));
    }
    if (host.len > 0) {
        return host;
    }
    if (is_everywhere(listen) || is_localhost(listen)) {
        return STR("localhost");
    }
    return six ? arena_printf(arena, "[" STR_FMT "]", STR_ARG(listen->host)) : listen->host;
}

struct str reach_url(struct arena *arena, const struct listen_spec *const *listens, size_t count,
                     const struct route_spec *route)
{
    const struct listen_spec *listen = NULL;
    for (size_t i = count; i-- > 0;) {
        bool direct = !listens[i]->proxy_protocol;
        if (direct && (!listen || fits(listens[i], route->host) || !fits(listen, route->host))) {
            listen = listens[i];
        }
    }
    if (!listen || route->passthrough) {
        return STR_NONE;
    }
    bool plain = listen->kind == LISTEN_HTTP;
    struct str host = a_host(arena, route->host, listen);
    struct str port = listen->port == (plain ? 80 : 443)
                          ? STR("")
                          : arena_printf(arena, ":%u", (unsigned)listen->port);
    return arena_printf(arena, "%s://" STR_FMT STR_FMT STR_FMT, plain ? "http" : "https",
                        STR_ARG(host), STR_ARG(port),
                        STR_ARG(route->path.len ? route->path : STR("/")));
}
