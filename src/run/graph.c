/* SPDX-License-Identifier: Apache-2.0
 *
 * A depth-first walk with its own stack (a project may have thousands of services, and the stack of
 * a loop is not for them). Colours as usual: white not seen, grey on the stack, black done.
 */
#include "run/graph.h"

#include "core/mutate.h"
#include "schema/load.h"

#include <stdlib.h>

enum colour { WHITE, GREY, BLACK };

struct frame {
    uint32_t service;
    uint32_t next; /* dependency to look at */
};

struct walk {
    const struct project_spec *spec;
    uint8_t *colours;
    struct frame *stack;
    size_t depth;
    uint32_t *order; /* finished services, in order */
    size_t finished;
};

static int index_of(const struct project_spec *spec, struct str name)
{
    const struct service_spec *found = project_spec_service(spec, name);
    return found ? (int)(found - spec->services) : -1;
}

/* The next dependency of the top frame that is part of the project, or -1. */
static int next_dependency(struct walk *w)
{
    struct frame *top = &w->stack[w->depth - 1];
    const struct service_spec *service = &w->spec->services[top->service];
    while (top->next < service->depends_on_count) {
        int i = index_of(w->spec, service->depends_on[top->next++].service);
        if (i >= 0) {
            return i;
        }
    }
    return -1;
}

/* 0, or GRAPH_E_CYCLE: the cycle is the stack from the frame of *ret_again on. */
static int walk_from(struct walk *w, uint32_t root, uint32_t *ret_again)
{
    w->stack[w->depth++] = (struct frame){root, 0};
    w->colours[root] = GREY;
    while (w->depth > 0) {
        int dependency = next_dependency(w);
        if (dependency < 0) {
            uint32_t done = w->stack[--w->depth].service;
            w->colours[done] = BLACK;
            w->order[w->finished++] = done;
        } else if (w->colours[dependency] == GREY) {
            *ret_again = (uint32_t)dependency;
            return GRAPH_E_CYCLE;
        } else if (w->colours[dependency] == WHITE) {
            w->colours[dependency] = GREY;
            w->stack[w->depth++] = (struct frame){(uint32_t)dependency, 0};
        }
    }
    return 0;
}

static void say_cycle(const struct walk *w, uint32_t again, struct problem *problem)
{
    struct buf path = BUF_INIT(PROBLEM_TEXT_MAX);
    bool inside = false;
    for (size_t i = 0; i < w->depth; i++) {
        inside = inside || w->stack[i].service == again;
        if (inside) {
            buf_add(&path, w->spec->services[w->stack[i].service].name);
            buf_add_cstr(&path, " → ");
        }
    }
    buf_add(&path, w->spec->services[again].name);
    problem_set(problem, "config.cycle", "services depend on each other in a circle");
    problem->status = 422;
    (void)schema_where(w->spec, problem, "/services/" STR_FMT "/depends_on",
                       STR_ARG(w->spec->services[again].name));
    problem_expected(problem, "%s", buf_cstr(&path));
    problem_hint(problem, "remove one of these dependencies");
    buf_fini(&path);
}

static int walk_all(const struct project_spec *spec, uint32_t *order, struct problem *problem)
{
    size_t count = MAX(spec->services_count, 1);
    struct walk w = {.spec = spec, .order = order};
    uint32_t again = 0;
    int r = -ENOMEM;
    w.colours = calloc(count, sizeof(*w.colours));
    w.stack = calloc(count, sizeof(*w.stack));
    if (w.colours && w.stack) {
        r = 0;
        for (uint32_t i = 0; r == 0 && i < spec->services_count; i++) {
            r = w.colours[i] == WHITE ? walk_from(&w, i, &again) : 0;
        }
        if (r == GRAPH_E_CYCLE && problem) {
            say_cycle(&w, again, problem);
        }
    }
    free(w.colours);
    free(w.stack);
    return r;
}

int graph_check(const struct project_spec *spec, struct problem *problem)
{
    uint32_t *order = calloc(MAX(spec->services_count, 1), sizeof(*order));
    int r = order ? walk_all(spec, order, problem) : -ENOMEM;
    free(order);
    return r;
}

int graph_order(const struct project_spec *spec, uint32_t *ret)
{
    int r = walk_all(spec, ret, NULL);
    ensure(r != GRAPH_E_CYCLE);
    return r;
}

int graph_followers(const struct project_spec *spec, const bool *restarted, bool *ret_follows)
{
    uint32_t *order = calloc(MAX(spec->services_count, 1), sizeof(*order));
    int r = order ? graph_order(spec, order) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < spec->services_count; i++) {
        const struct service_spec *service = &spec->services[order[i]];
        ret_follows[order[i]] = false;
        for (size_t k = 0; k < service->depends_on_count; k++) {
            int on = index_of(spec, service->depends_on[k].service);
            bool goes = on >= 0 && (restarted[on] || ret_follows[on]);
            ret_follows[order[i]] |= goes && service->depends_on[k].restart;
        }
    }
    free(order);
    return r;
}

bool graph_satisfied(int32_t condition, const struct graph_facts *facts)
{
    if (MUTATE(wrong_order)) {
        return true;
    }
    switch (condition) {
    case DEPENDS_HEALTHY:
        return facts->healthy;
    case DEPENDS_COMPLETED:
        return facts->completed;
    default:
        return facts->started;
    }
}

const char *graph_condition_name(int32_t condition)
{
    switch (condition) {
    case DEPENDS_HEALTHY:
        return "healthy";
    case DEPENDS_COMPLETED:
        return "completed";
    default:
        return "started";
    }
}
