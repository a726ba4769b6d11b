/* SPDX-License-Identifier: Apache-2.0 */
#include "run/rivals.h"

#include "harness/test.h"

enum { SERVICES = 4, ROUTES = 12 };

struct made {
    struct route_spec routes[SERVICES][ROUTES];
    struct service_spec services[SERVICES];
    struct project_spec spec;
};

static const struct str hosts[] = {STR_INIT(""), STR_INIT("a"), STR_INIT("ab"), STR_INIT("*.a")};
static const struct str paths[] = {STR_INIT("/"), STR_INIT("b/"), STR_INIT("/b"), STR_INIT("/ab")};
static const struct str names[SERVICES] = {STR_INIT("k"), STR_INIT("l"), STR_INIT("m"),
                                           STR_INIT("n")};

static void make(struct made *made, struct rng *rng)
{
    for (size_t s = 0; s < SERVICES; s++) {
        size_t count = rng_below(rng, ROUTES + 1);
        for (size_t i = 0; i < count; i++) {
            made->routes[s][i] = (struct route_spec){.host = hosts[rng_below(rng, 4)],
                                                     .path = paths[rng_below(rng, 4)],
                                                     .passthrough = rng_below(rng, 2) == 0};
        }
        made->services[s] = (struct service_spec){.name = names[s],
                                                  .routes = made->routes[s],
                                                  .routes_count = count,
                                                  .routes_hash = rng_below(rng, 3)};
    }
    made->spec = (struct project_spec){.services = made->services,
                                       .services_count = 1 + rng_below(rng, SERVICES)};
}

/* How often each route met one of each service. */
struct meetings {
    const struct made *own, *other;
    int count[SERVICES][ROUTES][SERVICES];
};

static void meet(void *arg, const struct service_spec *own, size_t index,
                 const struct service_spec *other)
{
    struct meetings *meetings = arg;
    meetings->count[own - meetings->own->services][index][other - meetings->other->services]++;
}

static bool is_old(const struct service_spec *service, const struct project_spec *before)
{
    const struct service_spec *old = before ? project_spec_service(before, service->name) : NULL;
    return old && service->routes_hash && service->routes_hash == old->routes_hash;
}

static void expect(struct meetings *meetings, const struct project_spec *before)
{
    for (size_t s = 0; s < meetings->own->spec.services_count; s++) {
        const struct service_spec *own = &meetings->own->services[s];
        for (size_t i = 0; i < own->routes_count && !is_old(own, before); i++) {
            for (size_t o = 0; o < meetings->other->spec.services_count; o++) {
                const struct service_spec *other = &meetings->other->services[o];
                for (size_t k = 0; k < other->routes_count; k++) {
                    meetings->count[s][i][o] -=
                        route_spec_same_place(&own->routes[i], &other->routes[k]);
                }
            }
        }
    }
}

TEST(rivals_are_those_that_each_with_each_would_find)
{
    static struct made own, before, other;
    static struct meetings meetings;
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(2000); round++) {
        make(&own, rng);
        make(&before, rng);
        make(&other, rng);
        const struct project_spec *had = rng_below(rng, 3) ? &before.spec : NULL;
        struct rivals rivals;
        meetings = (struct meetings){.own = &own, .other = &other};
        check_int(rivals_init(&rivals, &own.spec, had), 0);
        rivals_find(&rivals, &other.spec, meet, &meetings);
        rivals_fini(&rivals);
        expect(&meetings, had);
        static const struct meetings none;
        check(memcmp(meetings.count, none.count, sizeof(none.count)) == 0);
    }
}

TEST(routes_that_are_written_as_before_are_not_looked_at)
{
    struct route_spec route = {.host = STR("a"), .path = STR("/")};
    struct service_spec service = {
        .name = STR("k"), .routes = &route, .routes_count = 1, .routes_hash = 5};
    struct project_spec spec = {.services = &service, .services_count = 1};
    struct rivals rivals;
    check_int(rivals_init(&rivals, &spec, &spec), 0);
    check_int(rivals.count, 0);
    rivals_fini(&rivals);
}
