/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/cells.h"
#include "edge/service_set.h"
#include "edge/worker.h"
#include "harness/test.h"
#include "link/snapshot.h"

#include <stdlib.h>

/* A worker as far as services need one. */
static struct worker *new_worker(void)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    size_t size = counters_size(1, 64);
    void *memory = aligned_alloc(4096, ALIGN_UP(size, 4096));
    check(worker && memory);
    memset(memory, 0, size);
    counters_format(memory, 1, 64);
    check_int(counters_open(memory, size, &worker->counters), 0);
    worker->stats = counters_thread_of(&worker->counters, 0);
    check_int(loop_init(&worker->loop, 1), 0);
    service_set_init(&worker->set);
    return worker;
}

static void free_worker(struct worker *worker)
{
    service_set_fini(&worker->set);
    loop_fini(&worker->loop);
    free(worker->counters.header);
    free(worker);
}

struct plan {
    size_t services;
    size_t endpoints;
    enum snapshot_balance balance;
    uint32_t weights[8];
    uint64_t first_route; /* ids follow it */
    uint32_t groups[8];
    struct snapshot_spread spread;
};

static struct config *new_config(const struct plan *plan, uint64_t sequence)
{
    struct snapshot_builder builder;
    struct buf blob = BUF_INIT(MIB);
    struct shm shm;
    struct config *config;
    int fd = -1;
    snapshot_builder_init(&builder);
    for (uint64_t s = 1; s <= plan->services; s++) {
        struct snapshot_service service = {
            .id = s, .name = STR("s"), .balance = plan->balance, .spread = plan->spread};
        snapshot_builder_service(&builder, &service);
        struct snapshot_route route = {.id = (plan->first_route ? plan->first_route : 1000) + s,
                                       .service = s,
                                       .path = STR("/")};
        snapshot_builder_route(&builder, &route);
        for (uint64_t e = 0; e < plan->endpoints; e++) {
            struct snapshot_endpoint endpoint = {.id = s * 100 + e,
                                                 .service = s,
                                                 .address = STR("127.0.0.1:1"),
                                                 .replica = STR("r"),
                                                 .state = SNAPSHOT_ENDPOINT_READY,
                                                 .weight = plan->weights[e],
                                                 .seat = {.group = plan->groups[e]}};
            snapshot_builder_endpoint(&builder, &endpoint);
        }
    }
    check_int(snapshot_builder_finish(&builder, sequence, 0, &blob), 0);
    check_int(shm_create_sealed("t", buf_str(&blob), &fd), 0);
    check_int(shm_map(&shm, fd, false), 0);
    check_int(config_new(&shm, &config), 0);
    sock_close(&fd);
    snapshot_builder_fini(&builder);
    buf_fini(&blob);
    return config;
}

static void apply(struct worker *worker, const struct plan *plan)
{
    struct config *config = new_config(plan, 1);
    check_int(service_set_apply(worker, config), 0);
    config_unref(config);
}

static struct service *service_of(struct worker *worker, uint64_t id)
{
    return map_get(&worker->set.services, str_make((const char *)&id, 8));
}

static struct endpoint *endpoint_of(struct worker *worker, uint64_t id)
{
    return map_get(&worker->set.endpoints, str_make((const char *)&id, 8));
}

static struct endpoint *pick(struct service *service, const struct endpoint *avoid)
{
    bool shared;
    return service_pick(service, avoid, &shared);
}

static void set_state(struct worker *worker, uint64_t id, enum snapshot_endpoint_state state)
{
    struct delta delta = {.kind = DELTA_ENDPOINT_STATE, .endpoint = id, .endpoint_state = state};
    service_set_delta(worker, &delta);
}

TEST(round_robin_is_even)
{
    struct worker *worker = new_worker();
    size_t counts[4] = {0};
    apply(worker, &(struct plan){.services = 1, .endpoints = 4});
    for (size_t i = 0; i < 400; i++) {
        struct endpoint *endpoint = pick(service_of(worker, 1), NULL);
        counts[endpoint->id - 100]++;
        endpoint->member.in_flight--;
    }
    for (size_t i = 0; i < 4; i++) {
        check_int(counts[i], 100);
    }
    free_worker(worker);
}

TEST(weights_are_kept_and_spread)
{
    struct worker *worker = new_worker();
    size_t counts[3] = {0};
    size_t in_a_row = 0;
    uint64_t last = 0;
    apply(worker, &(struct plan){.services = 1, .endpoints = 3, .weights = {5, 1, 1}});
    for (size_t i = 0; i < 700; i++) {
        struct endpoint *endpoint = pick(service_of(worker, 1), NULL);
        counts[endpoint->id - 100]++;
        in_a_row = endpoint->id == last ? in_a_row + 1 : 1;
        check(in_a_row <= 4); /* smooth: never all five at once */
        last = endpoint->id;
        endpoint->member.in_flight--;
    }
    check_int(counts[0], 500);
    check_int(counts[1], 100);
    check_int(counts[2], 100);
    free_worker(worker);
}

TEST(least_connections_keeps_the_load_level)
{
    struct rng *rng = test_rng();
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 1, .endpoints = 5, .balance = SNAPSHOT_LEAST_CONN});
    for (size_t i = 0; i < test_rounds(3000); i++) {
        if (rng_chance(rng, 600)) {
            uint32_t least = UINT32_MAX;
            for (uint64_t e = 100; e < 105; e++) {
                least = MIN(least, endpoint_of(worker, e)->member.in_flight);
            }
            struct endpoint *endpoint = pick(service_of(worker, 1), NULL);
            check(!endpoint || endpoint->member.in_flight == least + 1);
        } else {
            struct endpoint *endpoint = endpoint_of(worker, 100 + rng_below(rng, 5));
            endpoint->member.in_flight -= endpoint->member.in_flight > 0;
        }
    }
    for (uint64_t e = 100; e < 105; e++) {
        endpoint_of(worker, e)->member.in_flight = 0;
    }
    free_worker(worker);
}

TEST(only_eligible_endpoints_are_picked_in_any_walk_of_states)
{
    struct rng *rng = test_rng();
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 1, .endpoints = 4});
    for (size_t i = 0; i < test_rounds(3000); i++) {
        uint64_t id = 100 + rng_below(rng, 4);
        set_state(worker, id,
                  (enum snapshot_endpoint_state)rng_below(rng, SNAPSHOT_ENDPOINT_STATES));
        size_t ready = 0;
        for (uint64_t e = 100; e < 104; e++) {
            ready += endpoint_of(worker, e)->state == SNAPSHOT_ENDPOINT_READY;
        }
        struct endpoint *endpoint = pick(service_of(worker, 1), NULL);
        check((endpoint != NULL) == (ready > 0));
        if (endpoint) {
            check_int(endpoint->state, SNAPSHOT_ENDPOINT_READY);
            endpoint->member.in_flight--;
        }
    }
    free_worker(worker);
}

TEST(the_one_to_avoid_is_taken_only_when_it_is_alone)
{
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 1, .endpoints = 2});
    const struct endpoint *bad = endpoint_of(worker, 100);
    for (size_t i = 0; i < 10; i++) {
        check(pick(service_of(worker, 1), bad) == endpoint_of(worker, 101));
    }
    set_state(worker, 101, SNAPSHOT_ENDPOINT_DRAINING);
    check(pick(service_of(worker, 1), bad) == bad);
    endpoint_of(worker, 100)->member.in_flight = 0;
    endpoint_of(worker, 101)->member.in_flight = 0;
    free_worker(worker);
}

TEST(a_failed_endpoint_rests_longer_each_time)
{
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 1, .endpoints = 1});
    struct endpoint *endpoint = endpoint_of(worker, 100);
    int64_t last = 0;
    for (size_t i = 0; i < 5; i++) {
        endpoint_failed(endpoint);
        check(endpoint->member.down_until_ns - worker->loop.now_ns > last);
        last = endpoint->member.down_until_ns - worker->loop.now_ns;
        check(pick(service_of(worker, 1), NULL) == NULL);
    }
    endpoint_worked(endpoint);
    check(pick(service_of(worker, 1), NULL) == endpoint);
    endpoint->member.in_flight = 0;
    free_worker(worker);
}

TEST(endpoints_and_their_numbers_live_on_over_snapshots)
{
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 2, .endpoints = 2});
    struct endpoint *endpoint = endpoint_of(worker, 200);
    struct service *service = service_of(worker, 2);
    endpoint->member.in_flight = 3;
    apply(worker, &(struct plan){.services = 3, .endpoints = 1});
    check(endpoint_of(worker, 200) == endpoint);
    check(service_of(worker, 2) == service);
    check_int(endpoint->member.in_flight, 3);
    check(endpoint_of(worker, 201) == NULL);
    check_int(service->pick.count, 1);
    endpoint->member.in_flight = 0;
    apply(worker, &(struct plan){.services = 1, .endpoints = 1});
    check(service_of(worker, 2) == NULL);
    check_int(worker->set.endpoints.len, 1);
    free_worker(worker);
}

TEST(an_endpoint_in_use_outlives_its_removal)
{
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 1, .endpoints = 1});
    struct endpoint *endpoint = pick(service_of(worker, 1), NULL);
    endpoint_ref(endpoint);
    struct delta delta = {.kind = DELTA_ENDPOINT_REMOVE, .endpoint = endpoint->id};
    service_set_delta(worker, &delta);
    check(endpoint->removed);
    check(pick(service_of(worker, 1), NULL) == NULL);
    check(service_may_hold(service_of(worker, 1)));
    endpoint->member.in_flight--;
    endpoint_unref(endpoint);
    free_worker(worker);
}

TEST(deltas_for_unknown_ids_change_nothing)
{
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 1, .endpoints = 1});
    for (enum delta_kind kind = DELTA_NONE; kind < DELTA_KINDS; kind++) {
        struct delta delta = {.kind = kind, .service = 77, .endpoint = 78};
        service_set_delta(worker, &delta);
    }
    check_int(worker->set.services.len, 1);
    check_int(worker->set.endpoints.len, 1);
    free_worker(worker);
}

TEST(cells_follow_the_route_over_a_renumbering)
{
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 1, .endpoints = 1});
    struct endpoint *endpoint = endpoint_of(worker, 100);
    struct route old = {.id = 7, .service_slot = 0};
    struct route fresh = {.id = 8, .service_slot = 0};
    struct counters_cell *cell = cells_of(endpoint, &old);
    check_int(cell->route, 7);
    check_int(cells_of(endpoint, &fresh)->route, 8);
    check(cells_of(endpoint, &old) == cell);
    check_int(cells_of(endpoint, NULL)->route, 0);
    free_worker(worker);
}

/* Every change gives the service another route; the table has 64 cells. */
TEST(cells_of_routes_that_are_gone_are_used_again)
{
    enum { CHANGES = 10000 };
    struct worker *worker = new_worker();
    struct generation generation = {.refs = 1};
    struct counters_cell *held = NULL;
    worker->generation = &generation;
    for (uint64_t i = 0; i < CHANGES; i++) {
        struct config *config =
            new_config(&(struct plan){.services = 1, .endpoints = 2, .first_route = 5000 + i}, i);
        check_int(service_set_apply(worker, config), 0);
        if (generation.config) {
            config_unref(generation.config);
        }
        generation.config = config;
        for (uint64_t id = 100; id < 102; id++) {
            struct counters_cell *cell = cells_of(endpoint_of(worker, id), &config->routes[0]);
            check_int(cell->route, 5001 + i);
            check_int(cell->endpoint, id);
            check(cells_of(endpoint_of(worker, id), &config->routes[0]) == cell);
            counters_add(&cell->requests, 1);
            if (i == 5) { /* a long request: its cell is its own until it ends */
                held = cell;
                held->in_flight = 1;
            }
        }
    }
    check_int(held->route, 5006);
    check_int(held->requests, 1);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < counters_cells_used(&worker->counters, 0); i++) {
        struct counters_cell cell;
        sum += counters_cell_read(&worker->counters, 0, i, &cell) ? cell.requests : 0;
    }
    check_int(sum, 2 * CHANGES);
    check_int(worker->stats->cells_overflow, 0);
    worker->generation = NULL;
    config_unref(generation.config);
    free_worker(worker);
}

TEST(an_endpoint_may_move_to_another_service_and_to_no_address)
{
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 2, .endpoints = 1});
    struct delta delta = {.kind = DELTA_ENDPOINT_SET,
                          .service = 2,
                          .endpoint = 100,
                          .address = "127.0.0.1:2",
                          .replica = "r",
                          .endpoint_state = SNAPSHOT_ENDPOINT_READY,
                          .weight = 1};
    service_set_delta(worker, &delta);
    check(endpoint_of(worker, 100)->service == service_of(worker, 2));
    check(pick(service_of(worker, 1), NULL) == NULL);
    (void)str_copy(delta.address, sizeof(delta.address), STR("nowhere"));
    service_set_delta(worker, &delta);
    const struct endpoint *other = endpoint_of(worker, 200);
    check(pick(service_of(worker, 2), NULL) == other);
    check(pick(service_of(worker, 2), NULL) == other);
    service_set_delta(worker, &delta); /* said twice it is no better, and the old one is not used */
    set_state(worker, 100, SNAPSHOT_ENDPOINT_READY);
    check(pick(service_of(worker, 2), NULL) == other);
    check(pick(service_of(worker, 2), NULL) == other);
    endpoint_of(worker, 200)->member.in_flight = 0;
    free_worker(worker);
}

/* The pick that falls on it is the retry that finds it well again. */
TEST(a_refused_connect_keeps_an_endpoint_out_for_a_while)
{
    struct worker *worker = new_worker();
    apply(worker, &(struct plan){.services = 1, .endpoints = 2});
    struct endpoint *down = endpoint_of(worker, 100), *up = endpoint_of(worker, 101);
    endpoint_failed(down);
    for (size_t i = 0; i < 6; i++) {
        check(pick(service_of(worker, 1), NULL) == up);
        check(pick(service_of(worker, 1), down) == up);
    }
    endpoint_worked(down);
    check(pick(service_of(worker, 1), up) == down);
    up->member.in_flight = down->member.in_flight = 0;
    free_worker(worker);
}

static size_t count_of(struct worker *worker, uint64_t id, size_t picks)
{
    size_t count = 0;
    for (size_t i = 0; i < picks; i++) {
        struct endpoint *endpoint = pick(service_of(worker, 1), NULL);
        count += endpoint->id == id;
        endpoint->member.in_flight--;
    }
    return count;
}

/* Two of four crashed: they are no endpoints any more, and yet the group is half as strong. */
TEST(backups_help_a_group_whose_replicas_crashed)
{
    struct worker *worker = new_worker();
    struct plan plan = {.services = 1, .endpoints = 3, .groups = {0, 0, 1}};
    apply(worker, &plan);
    check_int(count_of(worker, 102, 1000), 0);
    plan.spread.totals[0] = 4;
    plan.spread.totals[1] = 1;
    apply(worker, &plan);
    size_t helped = count_of(worker, 102, 10000); /* 30 %, and five deviations of 46 */
    check(helped > 2770 && helped < 3230);
    free_worker(worker);
}

TEST(panic_counts_those_that_are_meant_to_run)
{
    struct worker *worker = new_worker();
    struct plan plan = {.services = 1, .endpoints = 2, .spread = {.panic = 60}};
    apply(worker, &plan);
    check(!service_of(worker, 1)->panic);
    plan.spread.totals[0] = 4; /* two of four are well: 50 % */
    apply(worker, &plan);
    check(service_of(worker, 1)->panic);
    check_int(service_of(worker, 1)->pick.count, 2);
    free_worker(worker);
}
