/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge's counters say of routes and their endpoints, added up over its threads in one
 * walk: who asks for thousands of routes must not walk once for each. Private to run/.
 */
#ifndef RUN_FIGURES_H
#define RUN_FIGURES_H

#include "base/arena.h"
#include "base/map.h"
#include "run/model.h"
#include "schema/status_more.h"

struct figures {
    struct map
        map; /* (route, endpoint), and (route) of all together → struct figure, in the arena */
};

/* 0 or -ENOMEM. Call figures_fini in any case. */
must_check int figures_read(struct figures *figures, struct run *run, struct arena *arena);
void figures_fini(struct figures *figures);
/* Adds what is known of that pair. */
void figures_add(const struct figures *figures, uint64_t route, uint64_t endpoint,
                 struct endpoint_status *status);

/* All that took the route, also what no replica of today answered: it never falls. */
int64_t figures_requests(const struct figures *figures, uint64_t route);

#endif
