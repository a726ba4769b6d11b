/* SPDX-License-Identifier: Apache-2.0
 *
 * struct plan: the difference between what runs and what is wanted, as items with reasons. Pure:
 * the same two projects give the same plan. `muelle plan` prints it, `apply` answers it,
 * reconcile.c carries it out.
 */
#ifndef RUN_PLAN_H
#define RUN_PLAN_H

#include "base/arena.h"
#include "schema/spec.h"

enum plan_action {
    PLAN_UNCHANGED,
    PLAN_CREATE,
    PLAN_REMOVE,
    PLAN_RESTART, /* the spec changed in a way that a running process cannot take over */
    PLAN_SCALE,   /* only the number of replicas changed */
    PLAN_UPDATE, /* only what muelle does around the process changed: probes, routes, restart policy
                  */
    PLAN_FOLLOW, /* what runs of it is restarted after what it depends on (depends_on.restart) */
    PLAN_ACTION_COUNT,
};

struct plan_item {
    struct str service; /* empty: the project itself, its `gateway` or `logging` */
    enum plan_action action;
    bool
        start_first; /* PLAN_RESTART, PLAN_FOLLOW: the new one is ready before the old one is stopped */
    bool idle;       /* nothing of it is wanted now (stopped, scaled to 0): nothing is replaced */
    bool follows;      /* PLAN_FOLLOW, or PLAN_RESTART that waits for what it depends on too */
    uint32_t from, to; /* replicas */
    struct str reason; /* "command changed", "new service": all that is different */
    const struct str
        *changes; /* keys whose values changed: "command", "environment"; never values */
    size_t change_count;
};

/* Items in the order of the wanted file, then the removed ones, then the project itself. Memory:
 * the arena given to plan_make. */
struct plan {
    const struct plan_item *items;
    size_t item_count;
    size_t counts[PLAN_ACTION_COUNT];
};

/* How many replicas of a service are wanted now: the file's number, or that of an override. */
struct plan_scale {
    uint32_t (*replicas)(void *arg, const struct service_spec *spec);
    void *arg;
    bool (*idle)(void *arg, const struct service_spec *spec); /* NULL: none is */
};

/* `current` NULL: nothing runs. `wanted` NULL: everything goes. NULL when memory is out. */
struct plan *plan_make(struct arena *arena, const struct project_spec *current,
                       const struct project_spec *wanted, struct plan_scale now,
                       struct plan_scale then);
/* May a new replica run beside the one it replaces? Not when the program insists on its port, and
 * not when nothing but itself finds it (no route): two databases on one folder are worse than a
 * gap. And not when one writes to its output file itself and the other is fed to it by the core,
 * which writes where the file ends just then: a line of the first might be overwritten. */
bool plan_start_first(const struct service_spec *old, const struct service_spec *fresh);
/* Its output comes through a pipe or a terminal (feeds.h). */
bool plan_is_fed(const struct service_spec *spec);
const char *plan_action_name(enum plan_action action);
/* What becomes of the processes that run: "none" go, "rolling": each when the next one is ready,
 * "stop_first": each is stopped before the next one starts. Empty: a new service, or one that goes.
 */
struct str plan_restart_name(const struct plan_item *item);

#endif
