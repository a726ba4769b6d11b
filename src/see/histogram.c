/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of the edge's histograms. An octave is there when something was ever counted in it: of 27 a
 * service has three to six.
 */
#include "see/histogram.h"

#include <math.h>
#include <stdlib.h>

void histogram_fini(struct histogram *histogram)
{
    for (size_t o = 0; o < COUNTERS_OCTAVES; o++) {
        free(histogram->octaves[o]);
        histogram->octaves[o] = NULL;
    }
}

void histogram_clear(struct histogram *histogram)
{
    for (size_t o = 0; o < COUNTERS_OCTAVES; o++) {
        if (histogram->octaves[o]) {
            memset(histogram->octaves[o], 0, COUNTERS_OCTAVE * sizeof(uint64_t));
        }
    }
}

static uint64_t *octave_of(struct histogram *histogram, unsigned octave)
{
    if (!histogram->octaves[octave]) {
        histogram->octaves[octave] = calloc(COUNTERS_OCTAVE, sizeof(uint64_t));
    }
    return histogram->octaves[octave];
}

void histogram_add(struct histogram *histogram, unsigned bucket, uint64_t n)
{
    uint64_t *counts = octave_of(histogram, bucket / COUNTERS_OCTAVE);
    if (counts) {
        counts[bucket % COUNTERS_OCTAVE] += n;
    }
}

void histogram_add_cell(struct histogram *histogram, const struct counters_place *place,
                        const struct counters_histogram *from)
{
    for (unsigned o = 0; o < COUNTERS_OCTAVES; o++) {
        uint64_t read[COUNTERS_OCTAVE];
        if (!counters_octave_read(place, from, o, read)) {
            continue;
        }
        uint64_t *counts = octave_of(histogram, o);
        for (size_t at = 0; counts && at < COUNTERS_OCTAVE; at++) {
            counts[at] += read[at];
        }
    }
}

void histogram_copy(struct histogram *to, const struct histogram *from)
{
    histogram_clear(to);
    for (unsigned o = 0; o < COUNTERS_OCTAVES; o++) {
        uint64_t *counts = from->octaves[o] ? octave_of(to, o) : NULL;
        if (counts) {
            memcpy(counts, from->octaves[o], COUNTERS_OCTAVE * sizeof(uint64_t));
        }
    }
}

uint64_t histogram_at(const struct histogram *histogram, unsigned bucket)
{
    const uint64_t *counts = histogram->octaves[bucket / COUNTERS_OCTAVE];
    return counts ? counts[bucket % COUNTERS_OCTAVE] : 0;
}

/* What one octave counted since `before`. */
static void read_octave(const struct histogram *now, const struct histogram *before, unsigned o,
                        uint64_t ret[COUNTERS_OCTAVE])
{
    const uint64_t *is = now->octaves[o], *was = before ? before->octaves[o] : NULL;
    for (size_t at = 0; at < COUNTERS_OCTAVE; at++) {
        ret[at] = was && is[at] >= was[at] ? is[at] - was[at] : is[at];
    }
}

uint64_t histogram_count(const struct histogram *now, const struct histogram *before)
{
    uint64_t total = 0;
    for (unsigned o = 0; o < COUNTERS_OCTAVES; o++) {
        uint64_t counts[COUNTERS_OCTAVE];
        if (now->octaves[o]) {
            read_octave(now, before, o, counts);
            for (size_t at = 0; at < COUNTERS_OCTAVE; at++) {
                total += counts[at];
            }
        }
    }
    return total;
}

double histogram_quantile_ms(const struct histogram *now, const struct histogram *before,
                             double quantile)
{
    /* A hair less: 0.14 times 100 is 14, whatever the processor says. */
    double rank = ceil(quantile * (double)histogram_count(now, before) * (1 - 1e-12));
    uint64_t below = 0;
    for (unsigned o = 0; o < COUNTERS_OCTAVES; o++) {
        uint64_t counts[COUNTERS_OCTAVE];
        if (!now->octaves[o]) {
            continue;
        }
        read_octave(now, before, o, counts);
        for (unsigned at = 0; at < COUNTERS_OCTAVE; at++) {
            below += counts[at];
            if (counts[at] && (double)below >= rank) {
                return (double)counters_bucket_mid(o * COUNTERS_OCTAVE + at) / 1000.0;
            }
        }
    }
    return NAN;
}
