/* SPDX-License-Identifier: Apache-2.0
 *
 * struct histogram: durations of something, summed up from the cells of the edge's counters in
 * their own buckets (link/counters_histogram.h), so that a percentile is within 0.8 % of the
 * duration that a sorted list of all would show. Pure; memory by octave, as the edge has it.
 */
#ifndef SEE_HISTOGRAM_H
#define SEE_HISTOGRAM_H

#include "link/counters.h"

struct histogram {
    uint64_t *octaves[COUNTERS_OCTAVES]; /* COUNTERS_OCTAVE counts each; NULL = nothing there */
};

void histogram_fini(struct histogram *histogram);
/* Zero, but its memory stays for the next reading. */
void histogram_clear(struct histogram *histogram);
/* Counts n at a bucket; memory that cannot be had leaves it out. */
void histogram_add(struct histogram *histogram, unsigned bucket, uint64_t n);
/* Adds what the cell there, read before, has of one kind of duration. */
void histogram_add_cell(struct histogram *histogram, const struct counters_place *place,
                        const struct counters_histogram *from);
void histogram_copy(struct histogram *to, const struct histogram *from);
uint64_t histogram_at(const struct histogram *histogram, unsigned bucket);
/* How many there are; with `before`, since then. */
uint64_t histogram_count(const struct histogram *now, const struct histogram *before);
/* The `quantile` (0 … 1) in ms by nearest rank; NaN of nothing. With `before`, of what came since;
 * a bucket that fell there belongs to another owner and counts whole. */
double histogram_quantile_ms(const struct histogram *now, const struct histogram *before,
                             double quantile);

#endif
