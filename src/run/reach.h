/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a route is reached: the listeners that serve it, and the link that a person is given.
 * Pure.
 */
#ifndef RUN_REACH_H
#define RUN_REACH_H

#include "base/arena.h"
#include "schema/spec.h"

/* Those of the listeners that serve the route, each address once, in their order; `ret` has room
 * for all. Not among them: one that only leads elsewhere (`redirect`), and http:// for a route that
 * insists on a client certificate. */
size_t reach_listens(const struct listen_spec *const *listens, size_t count,
                     const struct route_spec *route, const struct listen_spec **ret);
/* A link through one of them: the first that the route's name leads to, else the first. Empty: of
 * what is passed on unread, and where all expect a balancer in front (`proxy_protocol`). */
struct str reach_url(struct arena *arena, const struct listen_spec *const *listens, size_t count,
                     const struct route_spec *route);

#endif
