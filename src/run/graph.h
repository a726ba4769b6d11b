/* SPDX-License-Identifier: Apache-2.0
 *
 * Dependencies between services: order, cycles, and when a condition is met. Pure.
 *
 * Start: a service may start when each of its dependencies meets its condition; everything that may
 * start does so at once. Stop: a service is stopped when nothing that depends on it is left. So
 * both orders are local rules, and a slow service delays only what needs it.
 */
#ifndef RUN_GRAPH_H
#define RUN_GRAPH_H

#include "base/problem.h"
#include "schema/spec.h"

/* What the rules need to know of a service. */
struct graph_facts {
    bool started;   /* every wanted replica has a process, or had one */
    bool healthy;   /* every wanted replica is ready */
    bool completed; /* every wanted replica ended with success */
    bool failed;    /* it can not become what is waited for without an operator */
    bool ailing;    /* a replica crashed or is unhealthy: nothing to wait for if it is optional */
};

/* Finds a cycle. 0, or GRAPH_E_CYCLE with the problem filled (it names the whole cycle); -ENOMEM.
 */
enum { GRAPH_E_CYCLE = 1 };
must_check int graph_check(const struct project_spec *spec, struct problem *problem);
/* Indexes of the services, each behind those it depends on; the order of the file otherwise. `ret`
 * has room for services_count. The spec has no cycle. -ENOMEM. */
must_check int graph_order(const struct project_spec *spec, uint32_t *ret);
/* Who goes along when the marked ones are restarted (depends_on.restart), and with those again. By
 * the index of the service; `restarted` and `ret_follows` have room for services_count. -ENOMEM. */
must_check int graph_followers(const struct project_spec *spec, const bool *restarted,
                               bool *ret_follows);
bool graph_satisfied(int32_t condition, const struct graph_facts *facts);
/* "started", "healthy", "completed": for "waits for db to be healthy". */
const char *graph_condition_name(int32_t condition);

#endif
