/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
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

/* 10,000 replicas of a service come and go, in a table of 4,096 cells. */
TEST(cells_of_endpoints_that_are_gone_are_used_again_and_no_sum_falls)
{
    struct counters counters = new_counters(1, COUNTERS_CELLS_DEFAULT);
    uint64_t first = 1000, count, reclaims = 0;
    const struct counters_living living = {always, always, is_not_old, &first};
    for (uint64_t id = 1000; id < 11000; id++) {
        first = id - 2;
        if (counters_full(&counters, 0)) {
            check_int(counters_reclaim(&counters, 0, &living), COUNTERS_CELLS_DEFAULT - 1 - 3);
            reclaims++;
        }
        struct counters_cell *cell = counters_cell_get(&counters, 0, 5, 6, id);
        check_int(cell->endpoint, id);
        check_int(cell->requests, 0);
        counters_add(&cell->requests, 1);
        counters_add(&cell->latency[3], 1);
        check(counters_cell_get(&counters, 0, 5, 6, id) == cell);
    }
    check_int(reclaims, 2);
    check(counters_settled(&counters, &count) && count == reclaims);
    check_int(sum_requests(&counters, 6), 10000);
    check_int(counters_thread_of(&counters, 0)->cells_overflow, 0);
    check(counters_cell_get(&counters, 0, 5, 6, 0)->latency[3] >= 2 * 4091);
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
    counters_take_over(&counters, 2);
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
    counters_take_over(&counters, 1);
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
    counters_take_over(&counters, 2);
    check_int(cell->in_flight, 0);
    check_int(cell->requests, 9);
    check_int(counters_thread_of(&counters, 1)->connections, 0);
    free(counters.header);
}

TEST(buckets_grow_by_a_quarter_and_hold_what_they_say)
{
    for (unsigned b = 1; b < COUNTERS_BUCKETS; b++) {
        uint64_t low = counters_bucket_low(b);
        check_int(counters_bucket(low), b);
        check_int(counters_bucket(low - 1), b - 1);
    }
    check_int(counters_bucket(UINT64_MAX), COUNTERS_BUCKETS - 1);
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

TEST(memory_that_holds_no_counters_is_refused)
{
    struct counters counters = new_counters(2, 8);
    struct counters again;
    check_int(counters_open(counters.header, counters_size(2, 8) - 1, &again), -EINVAL);
    memset(counters.header, 0, 8);
    check_int(counters_open(counters.header, counters_size(2, 8), &again), -EINVAL);
    free(counters.header);
}
