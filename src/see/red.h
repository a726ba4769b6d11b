/* SPDX-License-Identifier: Apache-2.0
 *
 * struct red: requests, errors and durations of something (a service, a replica, a route), summed
 * up from the edge's counters; and what a difference of two of them says. Pure. (RED: rate, errors,
 * duration, the three figures of a service that people are woken for.) Counts are since the edge's
 * memory was made, which the keeper holds: a killed edge loses none. How durations are spread is in
 * struct histogram.
 */
#ifndef SEE_RED_H
#define SEE_RED_H

#include "link/counters.h"

struct red {
    uint64_t requests;
    uint64_t status[6], tunnels; /* as counters_cell has them */
    uint64_t errors;             /* 5xx and requests that got no answer; no tunnel */
    uint64_t gateway_errors;     /* those that the edge made itself */
    uint64_t bytes_in, bytes_out;
    uint64_t connects, connect_errors, retries;
    uint64_t ejections, hedges, mirrored, rejected;
    uint64_t sum_us[COUNTERS_DURATIONS];
    uint32_t in_flight;
};

void red_add(struct red *red, const struct counters_cell *cell);
/* What happened between two readings. A counter that went back (its cell has another owner) counts
 * from zero. in_flight is no counter and comes from `now`. */
void red_difference(const struct red *now, const struct red *before, struct red *ret);

#endif
