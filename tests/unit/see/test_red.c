/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "see/red.h"

static struct counters_cell cell_of(uint64_t us, uint64_t count, unsigned status)
{
    struct counters_cell cell = {.requests = count, .in_flight = 1};
    cell.durations[COUNTERS_TOTAL].sum_us = us * count;
    cell.status[status] = count;
    return cell;
}

TEST(cells_add_up)
{
    struct red red = {0};
    struct counters_cell fast = cell_of(1000, 90, 2), slow = cell_of(50000, 10, 5);
    red_add(&red, &fast);
    red_add(&red, &slow);
    check_int(red.requests, 100);
    check_int(red.errors, 10);
    check_int(red.status[2], 90);
    check_int(red.in_flight, 2);
    check_int(red.sum_us[COUNTERS_TOTAL], 90 * 1000 + 10 * 50000);
}

TEST(a_connection_that_was_carried_is_no_error)
{
    struct red red = {0};
    struct counters_cell cell = {.requests = 5, .tunnels = 4, .status = {1}};
    red_add(&red, &cell);
    check_int(red.requests, 5);
    check_int(red.tunnels, 4);
    check_int(red.errors, 1);
}

TEST(a_difference_counts_what_happened_in_between)
{
    struct red now = {0}, before = {0}, change;
    struct counters_cell first = cell_of(1000, 5, 2), second = cell_of(9000, 7, 2);
    red_add(&before, &first);
    now = before;
    red_add(&now, &second);
    red_difference(&now, &before, &change);
    check_int(change.requests, 7);
    check_int(change.sum_us[COUNTERS_TOTAL], 7 * 9000);
    check_int(change.status[2], 7);
    check_int(change.in_flight, now.in_flight);
    red_difference(&before, &now, &change); /* the cell was given to another one */
    check_int(change.requests, 5);
}
