/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and differences of the edge's cells. A cell that another owner took begins again at 0: its
 * counter went back, and then all that it shows is new. Quantiles lie straight between the borders
 * of their bucket, so they are at most one bucket wrong.
 */
#include "see/red.h"

#include <math.h>

void red_add(struct red *red, const struct counters_cell *cell)
{
    red->requests += cell->requests;
    for (size_t i = 0; i < ARRAY_LEN(red->status); i++) {
        red->status[i] += cell->status[i];
    }
    red->errors += cell->status[5] + cell->status[0];
    red->gateway_errors += cell->errors;
    red->bytes_in += cell->bytes_in;
    red->bytes_out += cell->bytes_out;
    red->connects += cell->connects;
    red->connect_errors += cell->connect_errors;
    red->retries += cell->retries;
    red->latency_sum_us += cell->latency_sum_us;
    for (size_t i = 0; i < COUNTERS_BUCKETS; i++) {
        red->latency[i] += cell->latency[i];
    }
    red->in_flight += cell->in_flight;
}

/* Never a negative rate: what fell is another's counter, or the edge's memory was made anew. */
static uint64_t grown(uint64_t now, uint64_t before)
{
    return now >= before ? now - before : now;
}

void red_difference(const struct red *now, const struct red *before, struct red *ret)
{
    *ret = *now;
    ret->requests = grown(now->requests, before->requests);
    for (size_t i = 0; i < ARRAY_LEN(now->status); i++) {
        ret->status[i] = grown(now->status[i], before->status[i]);
    }
    ret->errors = grown(now->errors, before->errors);
    ret->gateway_errors = grown(now->gateway_errors, before->gateway_errors);
    ret->bytes_in = grown(now->bytes_in, before->bytes_in);
    ret->bytes_out = grown(now->bytes_out, before->bytes_out);
    ret->connects = grown(now->connects, before->connects);
    ret->connect_errors = grown(now->connect_errors, before->connect_errors);
    ret->retries = grown(now->retries, before->retries);
    ret->latency_sum_us = grown(now->latency_sum_us, before->latency_sum_us);
    for (size_t i = 0; i < COUNTERS_BUCKETS; i++) {
        ret->latency[i] = grown(now->latency[i], before->latency[i]);
    }
}

double red_quantile_ms(const struct red *red, double quantile)
{
    uint64_t total = 0, below = 0;
    for (size_t i = 0; i < COUNTERS_BUCKETS; i++) {
        total += red->latency[i];
    }
    if (total == 0) {
        return NAN;
    }
    double rank = quantile * (double)total;
    for (unsigned i = 0; i < COUNTERS_BUCKETS; i++) {
        uint64_t here = red->latency[i];
        if (here && (double)(below + here) >= rank) {
            double low = (double)counters_bucket_low(i);
            double high = i + 1 < COUNTERS_BUCKETS ? (double)counters_bucket_low(i + 1) : low;
            double part = MAX(rank - (double)below, 0.0) / (double)here;
            return (low + (high - low) * part) / 1000.0;
        }
        below += here;
    }
    return NAN;
}
