/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "link/counters_older.h"
#include "link/counters_policy.h"
#include "link/counters_probe.h"

#include <stdlib.h>

static struct counters new_counters(uint32_t threads, uint32_t cells)
{
    struct counters counters;
    size_t size = counters_size(threads, cells);
    void *memory = aligned_alloc(64, size);
    check(memory != NULL);
    memset(memory, 0, size);
    counters_format(memory, threads, cells);
    check_int(counters_open(memory, size, &counters), 0);
    return counters;
}

TEST(a_cell_is_found_again_by_its_ids)
{
    struct counters counters = new_counters(2, 8);
    struct counters_cell *cell = counters_cell_get(&counters, 1, 5, 6, 7);
    counters_add(&cell->requests, 3);
    check(counters_cell_get(&counters, 1, 5, 6, 7) == cell);
    check(counters_cell_get(&counters, 1, 5, 6, 8) != cell);
    check(counters_cell_get(&counters, 0, 5, 6, 7) != cell);
    struct counters_cell copy;
    check(counters_cell_read(&counters, 1, 0, &copy));
    check_int(copy.requests, 3);
    check_int(copy.endpoint, 7);
    check_int(counters_cells_used(&counters, 1), 2);
    check(!counters_cell_read(&counters, 1, 2, &copy));
    free(counters.header);
}

TEST(a_full_table_shares_its_last_cell)
{
    struct counters counters = new_counters(1, 4);
    for (uint64_t i = 1; i <= 3; i++) {
        check_int(counters_cell_get(&counters, 0, i, i, i)->route, i);
    }
    struct counters_cell *shared = counters_cell_get(&counters, 0, 4, 4, 4);
    check_int(shared->route, 0);
    check(counters_cell_get(&counters, 0, 5, 5, 5) == shared);
    check_int(counters_cell_get(&counters, 0, 2, 2, 2)->route, 2);
    check_int(counters_thread_of(&counters, 0)->cells_overflow, 2);
    free(counters.header);
}

/* Ids below `below` are gone. */
static bool is_not_old(void *context, uint64_t id)
{
    return id >= *(const uint64_t *)context;
}

static bool always(void *context, uint64_t id)
{
    return true;
}

static uint64_t sum_requests(const struct counters *counters, uint64_t service)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < counters_cells_used(counters, 0); i++) {
        struct counters_cell cell;
        if (counters_cell_read(counters, 0, i, &cell) && (!service || cell.service == service)) {
            sum += cell.requests;
        }
    }
    return sum;
}

static uint64_t durations(const struct counters *counters, uint32_t thread, uint32_t i,
                          unsigned bucket)
{
    struct counters_cell cell;
    uint64_t read[COUNTERS_OCTAVE];
    return counters_cell_read(counters, thread, i, &cell) &&
                   counters_octave_read(&(struct counters_place){counters, thread, i},
                                        &cell.durations[COUNTERS_TOTAL], bucket / COUNTERS_OCTAVE,
                                        read)
               ? read[bucket % COUNTERS_OCTAVE]
               : 0;
}

/* 10,000 replicas of a service come and go, in a table of 4,096 cells. */
TEST(cells_of_endpoints_that_are_gone_are_used_again_and_no_sum_falls)
{
    enum { CELLS = 4096 };
    struct counters counters = new_counters(1, CELLS);
    const struct counters_pool pool = counters_pool_of(&counters, 0);
    uint64_t first = 1000, count, reclaims = 0;
    const struct counters_living living = {always, always, is_not_old, &first};
    for (uint64_t id = 1000; id < 11000; id++) {
        first = id - 2;
        if (counters_full(&counters, 0)) {
            check_int(counters_reclaim(&counters, 0, &living), CELLS - 1 - 3);
            reclaims++;
        }
        struct counters_cell *cell = counters_cell_get(&counters, 0, 5, 6, id);
        check_int(cell->endpoint, id);
        check_int(cell->requests, 0);
        counters_add(&cell->requests, 1);
        counters_observe(&pool, &cell->durations[COUNTERS_TOTAL], 3);
        check(counters_cell_get(&counters, 0, 5, 6, id) == cell);
    }
    check_int(reclaims, 2);
    check(counters_settled(&counters, &count) && count == reclaims);
    check_int(sum_requests(&counters, 6), 10000);
    check_int(counters_thread_of(&counters, 0)->cells_overflow, 0);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < counters_cells_used(&counters, 0); i++) {
        sum += durations(&counters, 0, i, 3);
    }
    check_int(sum, 10000);
    check_int(counters_cell_get(&counters, 0, 5, 6, 0)->durations[COUNTERS_TOTAL].sum_us % 3, 0);
    check_int(counters_thread_of(&counters, 0)->octaves_overflow, 0);
    free(counters.header);
}

TEST(what_a_gone_route_counted_stays_with_its_service)
{
    struct counters counters = new_counters(1, 8);
    uint64_t first = 100;
    const struct counters_living living = {is_not_old, always, always, &first};
    counters_add(&counters_cell_get(&counters, 0, 50, 6, 7)->requests, 1);
    counters_add(&counters_cell_get(&counters, 0, 51, 6, 8)->requests, 2);
    counters_add(&counters_cell_get(&counters, 0, 51, 9, 8)->requests, 4);
    counters_add(&counters_cell_get(&counters, 0, 100, 6, 7)->requests, 8);
    check_int(counters_reclaim(&counters, 0, &living), 1);
    check_int(counters_cell_get(&counters, 0, 0, 6, 0)->requests, 3);
    check_int(counters_cell_get(&counters, 0, 0, 9, 0)->requests, 4);
    check_int(counters_cell_get(&counters, 0, 100, 6, 7)->requests, 8);
    check_int(counters_cell_get(&counters, 0, 50, 6, 7)->requests, 0);
    free(counters.header);
}

TEST(what_a_gone_service_counted_stays_in_the_sum_of_all)
{
    struct counters counters = new_counters(1, 8);
    uint64_t first = 100;
    const struct counters_living living = {always, is_not_old, always, &first};
    for (uint64_t service = 94; service < 101; service++) {
        counters_add(&counters_cell_get(&counters, 0, 1, service, 1)->requests, service);
    }
    check(counters_full(&counters, 0));
    check_int(counters_reclaim(&counters, 0, &living), 6);
    check(!counters_full(&counters, 0));
    check_int(sum_requests(&counters, 0), 94 + 95 + 96 + 97 + 98 + 99 + 100);
    check_int(sum_requests(&counters, 94), 0);
    check_int(sum_requests(&counters, 100), 100);
    free(counters.header);
}

TEST(a_cell_with_a_request_in_flight_is_not_given_back)
{
    struct counters counters = new_counters(1, 8);
    uint64_t first = 100;
    const struct counters_living living = {always, always, is_not_old, &first};
    struct counters_cell *cell = counters_cell_get(&counters, 0, 1, 2, 3);
    cell->in_flight = 1;
    check_int(counters_reclaim(&counters, 0, &living), 0);
    check_int(cell->endpoint, 3);
    cell->in_flight = 0;
    check_int(counters_reclaim(&counters, 0, &living), 0); /* it becomes the service's own */
    check_int(cell->endpoint, 0);
    check(counters_cell_get(&counters, 0, 1, 2, 0) == cell);
    free(counters.header);
}

/* Killed while it gave cells back: a key half changed, an index of nonsense, a reclaim begun. */
TEST(a_new_edge_makes_index_and_free_cells_anew)
{
    struct counters counters = new_counters(1, 8);
    uint64_t count;
    for (uint64_t id = 1; id < 8; id++) {
        counters_add(&counters_cell_get(&counters, 0, 1, 2, id)->requests, id);
    }
    struct counters_cell *torn = counters_cell_get(&counters, 0, 1, 2, 4);
    torn->epoch |= 1;
    uint64_t *begun = (uint64_t *)(void *)(counters_thread_of(&counters, 0) + 1);
    *begun += 1;
    memset((char *)(begun + 8) + 8 * sizeof(*torn), 0, 2 * 8 * sizeof(uint32_t));
    check(!counters_settled(&counters, &count));
    counters_clear(&counters, 0, COUNTERS_THREADS_MAX);
    counters_serve(&counters, 0, 2);
    check(counters_settled(&counters, &count));
    check(!counters_full(&counters, 0));
    for (uint64_t id = 1; id < 8; id++) {
        check_int(counters_cell_get(&counters, 0, 1, 2, id)->requests, id == 4 ? 0 : id);
    }
    check(counters_full(&counters, 0));
    free(counters.header);
}

/* Else it would never be settled again, and nobody would read it. */
TEST(a_new_edge_ends_a_reclaim_that_was_cut_in_a_table_without_cells)
{
    struct counters counters = new_counters(2, 8);
    uint64_t count;
    uint64_t *begun = (uint64_t *)(void *)(counters_thread_of(&counters, 1) + 1);
    *begun += 1;
    check(!counters_settled(&counters, &count));
    counters_clear(&counters, 0, COUNTERS_THREADS_MAX);
    counters_serve(&counters, 0, 1);
    check(counters_settled(&counters, &count));
    free(counters.header);
}

TEST(a_new_edge_starts_with_nothing_in_flight)
{
    struct counters counters = new_counters(2, 8);
    struct counters_cell *cell = counters_cell_get(&counters, 1, 5, 6, 7);
    cell->in_flight = 9;
    cell->requests = 9;
    counters_thread_of(&counters, 1)->connections = 4;
    counters_thread_of(&counters, 0)->taken = 3;
    counters_clear(&counters, 0, COUNTERS_THREADS_MAX);
    counters_serve(&counters, 0, 2);
    check_int(cell->in_flight, 0);
    check_int(cell->requests, 9);
    check_int(counters_thread_of(&counters, 1)->connections, 0);
    check_int(counters_thread_of(&counters, 0)->taken, 0);
    free(counters.header);
}

static void check_carried(struct counters_carried found, uint32_t requests, uint32_t tunnels)
{
    check_int(found.requests, requests);
    check_int(found.tunnels, tunnels);
}

TEST(what_a_killed_edge_carried_is_lost_once)
{
    struct counters counters = new_counters(COUNTERS_THREADS_MAX, 8);
    struct counters_carried *first = counters_carried_of(&counters, 0);
    struct counters_carried *second = counters_carried_of(&counters, 1), found;
    counters_carry(&first->requests, 2);
    counters_carry(&first->requests, (uint32_t)-1);
    counters_carry(&second->requests, 2);
    counters_carry(&second->tunnels, 4);
    check(!counters_found(&counters, 71, &found));
    counters_begun(&counters, 71, counters_clear(&counters, 0, COUNTERS_THREADS_MAX));
    check(counters_found(&counters, 71, &found));
    check_carried(found, 3, 4);
    check_carried(*first, 0, 0);
    check_carried(*second, 0, 0);
    counters_begun(&counters, 72, counters_clear(&counters, 0, COUNTERS_THREADS_MAX));
    check(!counters_found(&counters, 71, &found) && counters_found(&counters, 72, &found));
    check_carried(found, 0, 0);
    check_carried(counters_lost(&counters), 3, 4);
    free(counters.header);
}

TEST(what_drains_beside_the_next_edge_is_not_lost)
{
    struct counters counters = new_counters(COUNTERS_THREADS_MAX, 8);
    struct counters_carried *former = counters_carried_of(&counters, 0);
    counters_carry(&former->requests, 5);
    counters_carry(&counters_carried_of(&counters, COUNTERS_HALF)->tunnels, 1);
    check_carried(counters_clear(&counters, COUNTERS_HALF, COUNTERS_HALF), 0, 1);
    check_carried(*former, 5, 0);
    counters_carry(&former->requests, (uint32_t)-4);
    check_carried(counters_clear(&counters, 0, COUNTERS_HALF), 1, 0); /* it was killed, too */
    check_carried(counters_lost(&counters), 1, 1);
    free(counters.header);
}

TEST(a_bucket_stands_for_what_is_within_one_percent)
{
    for (unsigned b = 1; b < COUNTERS_BUCKETS; b++) {
        uint64_t low = counters_bucket_low(b), high = counters_bucket_low(b + 1) - 1;
        check_int(counters_bucket((uint32_t)low), b);
        check_int(counters_bucket((uint32_t)low - 1), b - 1);
        check_int(counters_bucket((uint32_t)high), b);
        uint64_t mid = counters_bucket_mid(b);
        check((mid - low) * 100 <= low && (high - mid) * 100 <= high);
    }
    check_int(counters_bucket(UINT32_MAX), COUNTERS_BUCKETS - 1);
    check(counters_bucket_low(COUNTERS_BUCKETS - 1) > UINT64_C(600) * 1000 * 1000);
}

TEST(more_than_32_bits_in_a_bucket_are_carried)
{
    struct counters counters = new_counters(1, 8);
    const struct counters_pool pool = counters_pool_of(&counters, 0);
    struct counters_histogram *histogram =
        &counters_cell_get(&counters, 0, 1, 2, 3)->durations[COUNTERS_TOTAL];
    uint64_t begun, ended;
    counters_observe_slow(&pool, histogram, 200, UINT32_MAX);
    check(counters_settled(&counters, &begun));
    for (int i = 0; i < 3; i++) {
        counters_observe(&pool, histogram, (uint32_t)counters_bucket_low(200));
    }
    check(counters_settled(&counters, &ended) && ended == begun + 1);
    check_int(durations(&counters, 0, 0, 200), UINT64_C(0x100000002));
    counters_observe_slow(&pool, histogram, 200, UINT64_C(0x200000000));
    check_int(durations(&counters, 0, 0, 200), UINT64_C(0x300000002));
    free(counters.header);
}

TEST(a_pool_without_octaves_left_costs_the_place_and_not_the_sum)
{
    struct counters counters = new_counters(1, 2);
    const struct counters_pool pool = counters_pool_of(&counters, 0);
    struct counters_cell *cell = counters_cell_get(&counters, 0, 1, 2, 3);
    unsigned counted = 0, observed = 0;
    for (unsigned d = 0; d < COUNTERS_DURATIONS; d++) {
        for (unsigned o = 0; o < COUNTERS_OCTAVES; o++, observed++) {
            counters_observe(&pool, &cell->durations[d],
                             (uint32_t)counters_bucket_low(o * COUNTERS_OCTAVE));
            counted += cell->durations[d].octaves[o] != 0;
        }
    }
    check_int(counted, pool.mask);
    check_int(counters_thread_of(&counters, 0)->octaves_overflow, observed - counted);
    check(cell->durations[COUNTERS_WAIT].sum_us > INT32_MAX);
    free(counters.header);
}

/* Killed between two writes: octaves that no cell names are free again, and what two name is
 * one's. */
TEST(a_new_edge_finds_the_octaves_that_nobody_names)
{
    struct counters counters = new_counters(1, 8);
    const struct counters_pool pool = counters_pool_of(&counters, 0);
    struct counters_cell *cell = counters_cell_get(&counters, 0, 1, 2, 3);
    struct counters_histogram *total = &cell->durations[COUNTERS_TOTAL];
    counters_observe(&pool, total, 5);
    counters_observe(&pool, total, 5000);
    counters_observe(&pool, &cell->durations[COUNTERS_WAIT], 9);
    cell->durations[COUNTERS_UPSTREAM].octaves[0] = total->octaves[0];
    cell->durations[COUNTERS_FIRST_BYTE].octaves[3] = 60000;
    cell->durations[COUNTERS_WAIT].octaves[0] = 0;
    counters_clear(&counters, 0, COUNTERS_THREADS_MAX);
    counters_serve(&counters, 0, 1);
    check_int(cell->durations[COUNTERS_UPSTREAM].octaves[0], 0);
    check_int(cell->durations[COUNTERS_FIRST_BYTE].octaves[3], 0);
    check_int(durations(&counters, 0, 0, 5), 1);
    check_int(durations(&counters, 0, 0, counters_bucket(5000)), 1);
    counters_observe(&pool, &cell->durations[COUNTERS_WAIT], 70);
    check_int(cell->durations[COUNTERS_WAIT].octaves[1], 3); /* the third one, lost before */
    check_int(pool.counts[3][counters_bucket(70) % COUNTERS_OCTAVE], 1);
    check_int(pool.counts[3][9], 0);
    free(counters.header);
}

/* As the version before this one left them: 16 words of the thread, 8 of upkeep, cells of 1,008
 * bytes with four buckets to a power of two. */
static void *older_memory(size_t *ret_size)
{
    const size_t probes = 4096 * sizeof(struct counters_probe), cell_size = 1008;
    size_t at = ALIGN_UP(64 + probes, 4096);
    *ret_size = at + 2 * ALIGN_UP(24 * 8 + 4 * cell_size + 2 * 4 * 4, 4096);
    char *memory = aligned_alloc(64, ALIGN_UP(*ret_size, 64));
    check(memory != NULL);
    memset(memory, 0, *ret_size);
    const uint32_t head[] = {0x434e4d, 0, 2, 4, 1, 2};
    memcpy(memory, head, sizeof(head));
    ((uint64_t *)(void *)memory)[0] = UINT64_C(0x32544e434d);
    ((struct counters_probe *)(void *)(memory + 64))->endpoint = 77;
    uint64_t *thread = (void *)(memory + at);
    thread[2] = 4;  /* connections of an edge that is gone */
    thread[3] = 12; /* requests */
    thread[11] = 1; /* cells used */
    uint64_t *cell = thread + 24;
    const uint64_t values[] = {2, 5, 6, 7, 12, 0, 0, 12, 0, 0, 0, 100, 200, 1, 0, 2, 3, 12 * 5000};
    memcpy(cell, values, sizeof(values));
    cell[18 + 44] = 12; /* 4,096 … 5,119 us */
    return memory;
}

TEST(what_was_counted_before_an_upgrade_is_read_on)
{
    size_t size;
    void *memory = older_memory(&size);
    struct counters counters = new_counters(1, 8), older;
    check_int(counters_open(memory, size, &older), -EINVAL);
    check_int(counters_open_older(memory, size - 1, &older), -EINVAL);
    check_int(counters_open_older(memory, size, &older), 0);
    counters_take_probes(&counters, &older);
    check(counters_probe_find(&counters, 77) != NULL);
    counters.older = &older;
    check_int(counters_tables(&counters), 3);
    counters_add(&counters_cell_get(&counters, 0, 5, 6, 7)->requests, 1);
    uint64_t requests = 0, count, spread[COUNTERS_OCTAVE];
    for (uint32_t t = 0; t < 3; t++) {
        for (uint32_t i = 0; i < counters_cells_used(&counters, t); i++) {
            struct counters_cell cell;
            check(counters_cell_read(&counters, t, i, &cell));
            check_int(cell.endpoint, 7);
            requests += cell.requests;
        }
    }
    check_int(requests, 13);
    struct counters_cell cell;
    check(counters_cell_read(&counters, 1, 0, &cell));
    check_int(cell.status[2], 12);
    check_int(cell.errors, 3);
    check_int(cell.in_flight, 0);
    check_int(cell.durations[COUNTERS_TOTAL].sum_us, 60000);
    unsigned middle = counters_bucket(4096 + 512);
    check(counters_octave_read(&(struct counters_place){&counters, 1, 0},
                               &cell.durations[COUNTERS_TOTAL], middle / COUNTERS_OCTAVE, spread));
    check_int(spread[middle % COUNTERS_OCTAVE], 12);
    check_int(counters_thread_read(&counters, 1).requests, 12);
    check_int(counters_thread_read(&counters, 1).connections, 0);
    check(counters_settled(&counters, &count));
    free(counters.header);
    free(memory);
}

TEST(a_probe_is_not_read_while_it_is_written)
{
    struct counters counters = new_counters(1, 4);
    struct counters_probe *probe = counters_probe_get(&counters, 77);
    check(probe != NULL);
    check(counters_probe_get(&counters, 77) == probe);
    check(counters_probe_get(&counters, 78) == probe + 1);
    struct counters_probe copy;
    counters_probe_begin(probe);
    probe->status = COUNTERS_PROBE_PASSING;
    check(!counters_probe_read(&counters, 0, &copy));
    counters_probe_end(probe);
    check(counters_probe_read(&counters, 0, &copy));
    check_int(copy.status, COUNTERS_PROBE_PASSING);
    check(!counters_probe_read(&counters, 2, &copy));
    free(counters.header);
}

static bool even(void *context, uint64_t endpoint)
{
    return endpoint % 2 == 0;
}

TEST(places_of_unwanted_probes_are_used_again)
{
    struct counters counters = new_counters(1, 4);
    for (uint64_t i = 1; i <= 4; i++) {
        check(counters_probe_get(&counters, i) != NULL);
    }
    counters_probe_sweep(&counters, even, NULL);
    check(counters_probe_find(&counters, 1) == NULL);
    check(counters_probe_find(&counters, 2) != NULL);
    struct counters_probe *probe = counters_probe_get(&counters, 9);
    check(probe + 1 == counters_probe_find(&counters, 2));
    free(counters.header);
}

TEST(probes_have_a_maximum)
{
    struct counters counters = new_counters(1, 4);
    for (uint64_t i = 1; i <= COUNTERS_PROBES_MAX; i++) {
        check(counters_probe_get(&counters, i) != NULL);
    }
    check(counters_probe_get(&counters, COUNTERS_PROBES_MAX + 1) == NULL);
    free(counters.header);
}

TEST(requests_and_connections_of_a_service_are_added_up_over_threads)
{
    struct counters counters = new_counters(4, 4);
    struct counters_policy *policy = counters_policy_get(&counters, 7), copy;
    uint32_t in_flight[COUNTERS_THREADS_MAX] = {0}, connections[COUNTERS_THREADS_MAX] = {0};
    for (int step = 0; step < 1000; step++) {
        uint32_t thread = (uint32_t)rng_below(test_rng(), COUNTERS_THREADS_MAX);
        in_flight[thread] = (uint32_t)rng_below(test_rng(), 100000);
        connections[thread] = (uint32_t)rng_below(test_rng(), 100000);
        counters_policy_show(policy, thread, in_flight[thread], connections[thread]);
        if (rng_chance(test_rng(), 100)) { /* another edge begins in these tables */
            counters_policy_clear(&counters, thread, 1);
            in_flight[thread] = connections[thread] = 0;
        }
        uint32_t requests = 0, made = 0;
        for (unsigned i = 0; i < COUNTERS_THREADS_MAX; i++) {
            requests += MIN(in_flight[i], 65535U);
            made += MIN(connections[i], 65535U);
        }
        check(counters_policy_read(&counters, 7, &copy));
        check_int(counters_policy_in_flight(&copy), requests);
        check_int(counters_policy_connections(&copy), made);
    }
    free(counters.header);
}

TEST(what_concurrency_found_is_added_up_over_the_threads_that_serve)
{
    struct counters counters = new_counters(COUNTERS_THREADS_MAX, 8);
    struct counters_policy *policy = counters_policy_get(&counters, 7), copy;
    check_int(counters_policy_limit(&counters, policy), 0); /* no edge was there yet */
    counters_policy_show_limit(policy, 0, 20);
    counters_policy_show_limit(policy, 1, 100000);
    counters_policy_show_limit(policy, 2, 7); /* a thread that is gone */
    counters_serve(&counters, 0, 2);
    check(counters_policy_read(&counters, 7, &copy));
    check_int(counters_policy_limit(&counters, &copy), 20 + UINT16_MAX);
    counters_policy_show_limit(policy, COUNTERS_HALF, 5); /* the edge that takes its place */
    counters_serve(&counters, COUNTERS_HALF, 1);
    check(counters_policy_read(&counters, 7, &copy));
    check_int(counters_policy_limit(&counters, &copy), 5);
    counters_serve(&counters, COUNTERS_HALF, UINT16_MAX); /* by an edge gone bad */
    check_int(counters_policy_limit(&counters, &copy), 5);
    free(counters.header);
}

TEST(what_concurrency_found_is_forgotten_by_the_edge_that_begins)
{
    struct counters counters = new_counters(COUNTERS_THREADS_MAX, 8);
    struct counters_policy *policy = counters_policy_get(&counters, 7);
    memset(policy->words, 0x55, sizeof(policy->words)); /* an ejection is not */
    struct counters_policy before = *policy;
    for (uint32_t thread = 0; thread < COUNTERS_THREADS_MAX; thread++) {
        counters_policy_show_limit(policy, thread, 20);
    }
    counters_serve(&counters, 0, 4);
    counters_policy_clear(&counters, COUNTERS_HALF, COUNTERS_HALF); /* beside this one */
    check_int(counters_policy_limit(&counters, policy), 80);
    counters_policy_clear(&counters, 0, COUNTERS_THREADS_MAX);
    check(memcmp(&before, policy, sizeof(before)) == 0);
    free(counters.header);
}

TEST(a_breaker_whose_time_is_over_is_half_open)
{
    struct counters_policy policy = {.state = COUNTERS_POLICY_OPEN, .until_wall_ns = 9};
    check_int(counters_policy_state(&policy, 8), COUNTERS_POLICY_OPEN);
    check_int(counters_policy_state(&policy, 9), COUNTERS_POLICY_HALF_OPEN);
    policy.state = COUNTERS_POLICY_WELL;
    check_int(counters_policy_state(&policy, 9), COUNTERS_POLICY_WELL);
}

TEST(memory_that_holds_no_counters_is_refused)
{
    struct counters counters = new_counters(2, 8);
    struct counters again;
    check_int(counters_open(counters.header, counters_size(2, 8) - 1, &again), -EINVAL);
    memset(counters.header, 0, 8);
    check_int(counters_open(counters.header, counters_size(2, 8), &again), -EINVAL);
    free(counters.header);
}
