/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and differences of the edge's cells. A cell that another owner took begins again at 0: its
 * counter went back, and then all that it shows is new.
 */
#include "see/red.h"

/* in_flight is a gauge; all else only grows, and is 64 bits wide. */
enum { COUNTS = offsetof(struct red, in_flight) / sizeof(uint64_t) };

void red_add(struct red *red, const struct counters_cell *cell)
{
    red->requests += cell->requests;
    for (size_t i = 0; i < ARRAY_LEN(red->status); i++) {
        red->status[i] += cell->status[i];
    }
    red->tunnels += cell->tunnels;
    red->errors += cell->status[5] + cell->status[0];
    red->gateway_errors += cell->errors;
    red->bytes_in += cell->bytes_in;
    red->bytes_out += cell->bytes_out;
    red->connects += cell->connects;
    red->connect_errors += cell->connect_errors;
    red->retries += cell->retries;
    red->ejections += cell->ejections;
    red->hedges += cell->hedges;
    red->mirrored += cell->mirrored;
    red->rejected += cell->rejected;
    for (size_t i = 0; i < COUNTERS_DURATIONS; i++) {
        red->sum_us[i] += cell->durations[i].sum_us;
    }
    red->in_flight += cell->in_flight;
}

/* Never a negative rate: what fell is another's counter, or the edge's memory was made anew. */
void red_difference(const struct red *now, const struct red *before, struct red *ret)
{
    const uint64_t *is = (const uint64_t *)now, *was = (const uint64_t *)before;
    uint64_t *change = (uint64_t *)ret;
    for (size_t i = 0; i < COUNTS; i++) {
        change[i] = is[i] >= was[i] ? is[i] - was[i] : is[i];
    }
    ret->in_flight = now->in_flight;
}
