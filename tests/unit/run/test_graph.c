/* SPDX-License-Identifier: Apache-2.0 */
#include "run/graph.h"

#include "harness/test.h"

#include <stdio.h>

static struct service_spec services[64];
static struct depends_spec depends[64][8];
static char names[64][8];

/* Services s0 … s(n-1) without dependencies. */
static struct project_spec project(size_t count)
{
    memset(services, 0, sizeof(services));
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "s%zu", i);
        services[i].name = str_from(names[i]);
        services[i].depends_on = depends[i];
    }
    return (struct project_spec){.name = STR("p"), .services = services, .services_count = count};
}

static void depend(size_t from, size_t to)
{
    depends[from][services[from].depends_on_count++] =
        (struct depends_spec){.service = services[to].name, .required = true};
}

TEST(dependencies_come_first)
{
    struct project_spec p = project(4);
    uint32_t order[4];
    depend(0, 2);
    depend(2, 3);
    depend(1, 3);
    check_int(graph_check(&p, NULL), 0);
    check_int(graph_order(&p, order), 0);
    check_int(order[0], 3);
    check_int(order[1], 2);
    check_int(order[2], 0);
    check_int(order[3], 1);
}

TEST(a_cycle_is_refused_and_named)
{
    struct project_spec p = project(4);
    struct problem problem;
    depend(0, 1);
    depend(1, 2);
    depend(2, 1);
    check_int(graph_check(&p, &problem), GRAPH_E_CYCLE);
    check_cstr(problem.code, "config.cycle");
    check_cstr(problem.expected, "s1 → s2 → s1");
}

TEST(a_service_that_needs_itself_is_a_cycle)
{
    struct project_spec p = project(1);
    struct problem problem;
    depend(0, 0);
    check_int(graph_check(&p, &problem), GRAPH_E_CYCLE);
    check_cstr(problem.expected, "s0 → s0");
}

TEST(a_dependency_outside_the_project_is_ignored)
{
    struct project_spec p = project(1);
    depends[0][0] = (struct depends_spec){.service = STR("disabled")};
    services[0].depends_on_count = 1;
    check_int(graph_check(&p, NULL), 0);
}

TEST(those_that_asked_for_it_go_along_with_a_restart)
{
    struct project_spec p = project(5);
    bool restarted[5] = {[3] = true}, follows[5];
    depend(0, 2);
    depend(2, 3);
    depend(1, 3);
    depend(4, 1);
    depends[0][0].restart = depends[2][0].restart = depends[4][0].restart = true;
    check_int(graph_followers(&p, restarted, follows), 0);
    check(follows[2] && follows[0]); /* and whoever follows those */
    check(!follows[1] && !follows[3]);
    check(!follows[4]); /* what it follows stays */
    memset(depends, 0, sizeof(depends));
}

TEST(random_graphs_without_cycles_are_ordered)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(300); round++) {
        size_t count = 1 + rng_below(rng, 64);
        struct project_spec p = project(count);
        uint32_t order[64], place[64];
        for (size_t i = 1; i < count; i++) {
            for (size_t k = rng_below(rng, 8); k-- > 0;) {
                depend(i, rng_below(rng, i)); /* only backwards: no cycle */
            }
        }
        check_int(graph_check(&p, NULL), 0);
        check_int(graph_order(&p, order), 0);
        for (uint32_t i = 0; i < count; i++) {
            place[order[i]] = i;
        }
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 0; k < services[i].depends_on_count; k++) {
                const struct service_spec *on = project_spec_service(&p, depends[i][k].service);
                check(place[on - services] < place[i]);
            }
        }
    }
}

TEST(conditions)
{
    struct graph_facts facts = {.started = true};
    check(graph_satisfied(DEPENDS_STARTED, &facts));
    check(!graph_satisfied(DEPENDS_HEALTHY, &facts));
    check(!graph_satisfied(DEPENDS_COMPLETED, &facts));
    facts.healthy = true;
    check(graph_satisfied(DEPENDS_HEALTHY, &facts));
    facts.completed = true;
    check(graph_satisfied(DEPENDS_COMPLETED, &facts));
}
