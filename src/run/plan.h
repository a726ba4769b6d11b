/* SPDX-License-Identifier: Apache-2.0
 *
 * struct plan: the difference between what runs and what is wanted, as items with reasons. Pure:
 * the same two lists give the same plan. `muelle plan` prints it, `apply` answers it, reconcile.c
 * carries it out.
 */
#ifndef RUN_PLAN_H
#define RUN_PLAN_H

#include "base/arena.h"

enum plan_action {
    PLAN_UNCHANGED,
    PLAN_CREATE,
    PLAN_REMOVE,
    PLAN_RESTART, /* the spec changed in a way that a running process cannot take over */
    PLAN_SCALE,   /* only the number of replicas changed */
    PLAN_UPDATE,  /* only what muelle does around the process changed: probes, routes, limits of
                     restarts */
    PLAN_ACTION_COUNT,
};

struct plan_item {
    struct str service;
    enum plan_action action;
    bool start_first;  /* PLAN_RESTART: the new one is started before the old one is stopped */
    uint32_t from, to; /* replicas */
    struct str reason; /* "command changed", "new service" */
    const struct str
        *changes; /* keys whose values changed: "command", "environment"; never values */
    size_t change_count;
};

/* Items in the order of the wanted file, then the removed ones. Memory: the arena given to
 * plan_make. */
struct plan {
    const struct plan_item *items;
    size_t item_count;
    size_t counts[PLAN_ACTION_COUNT];
};

const char *plan_action_name(enum plan_action action);

#endif
