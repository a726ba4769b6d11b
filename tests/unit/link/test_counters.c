/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "link/counters.h"

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

TEST(a_new_edge_starts_with_nothing_in_flight)
{
    struct counters counters = new_counters(2, 8);
    struct counters_cell *cell = counters_cell_get(&counters, 1, 5, 6, 7);
    cell->in_flight = 9;
    cell->requests = 9;
    counters_thread_of(&counters, 1)->connections = 4;
    counters_take_over(&counters);
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
