/* SPDX-License-Identifier: Apache-2.0
 *
 * Histograms of durations in the counters' memory: log-linear, 64 buckets to a power of two, so
 * that the middle of a bucket is within 0.8 % of everything in it; 0…127 us are exact.
 *
 * A cell holds for each kind of duration the sum and the numbers of its *octaves*: arrays of 64
 * counts that the thread's table has a pool of, taken when the first duration falls into them. A
 * service whose requests take 1…8 ms pays for four (1 KiB), not for the 27 that a request of an
 * hour needs. docs/decisions/0010-histograms.md says what this costs and why.
 *
 * Counts have 32 bits; what does not fit is carried into a further octave (`carry`), so nothing is
 * lost. An empty pool costs the place in the histogram, not the count or the sum, and is counted
 * (octaves_overflow).
 */
#ifndef LINK_COUNTERS_HISTOGRAM_H
#define LINK_COUNTERS_HISTOGRAM_H

#include "base/str.h"

struct counters;
struct counters_cell;
struct counters_upkeep;

/* What is measured of a request. */
enum counters_duration {
    COUNTERS_TOTAL,      /* first byte of the request to last byte of the answer */
    COUNTERS_UPSTREAM,   /* request handed to the replica to last byte of its answer */
    COUNTERS_FIRST_BYTE, /* request handed to the replica to the head of its answer */
    COUNTERS_CONNECT,    /* of connections that were made: pooled ones have none */
    COUNTERS_WAIT,       /* of requests that waited for a replica */
    COUNTERS_DURATIONS
};

enum {
    COUNTERS_OCTAVE = 64,
    COUNTERS_OCTAVES = 27, /* up to 2^32 us, more than an hour */
    COUNTERS_BUCKETS = COUNTERS_OCTAVES * COUNTERS_OCTAVE,
    COUNTERS_POOL_DEFAULT = 65536, /* octaves per thread; untouched ones cost nothing */
};

struct counters_histogram {
    uint64_t sum_us;
    uint16_t octaves[COUNTERS_OCTAVES + 1]; /* places in the pool; 0 = none yet; the last: unused */
};

/* The pool of one thread's table, for its writer. */
struct counters_pool {
    uint32_t (*counts)[COUNTERS_OCTAVE]; /* [0] is never used */
    uint16_t *carry;                     /* the octave of the high halves; 0 = none */
    struct counters_upkeep *upkeep;
    uint64_t *overflow;
    uint32_t mask; /* its size is a power of two: what stands in the memory never leads out of it */
};

/* 64·s + (us >> s), where s is chosen so that the second part is below 128. */
static inline unsigned counters_bucket(uint32_t us)
{
    unsigned shift = 25 - (unsigned)__builtin_clz(us | 64);
    return shift * COUNTERS_OCTAVE + (us >> shift);
}
uint64_t counters_bucket_low(unsigned bucket); /* smallest value in it */
uint64_t counters_bucket_mid(unsigned bucket); /* what stands for all in it */

/* Counts n in a bucket that has no octave yet, or overflows. */
void counters_observe_slow(const struct counters_pool *pool, struct counters_histogram *histogram,
                           unsigned bucket, uint64_t n);

/* --- writer: one more duration, whose bucket is known --- */
static inline void counters_observe_at(const struct counters_pool *pool,
                                       struct counters_histogram *histogram, uint32_t us,
                                       unsigned bucket)
{
    unsigned octave = histogram->octaves[bucket / COUNTERS_OCTAVE] & pool->mask;
    uint32_t *count = &pool->counts[octave][bucket % COUNTERS_OCTAVE];
    uint32_t sum = *count + 1;
    __atomic_store_n(&histogram->sum_us, histogram->sum_us + us, __ATOMIC_RELAXED);
    if (unlikely(octave == 0 || sum == 0)) {
        counters_observe_slow(pool, histogram, bucket, 1);
        return;
    }
    __atomic_store_n(count, sum, __ATOMIC_RELAXED);
}

static inline void counters_observe(const struct counters_pool *pool,
                                    struct counters_histogram *histogram, uint32_t us)
{
    counters_observe_at(pool, histogram, us, counters_bucket(us));
}

/* --- reader --- */
struct counters_place {
    const struct counters *counters;
    uint32_t thread, cell;
};
/* One octave of a histogram of the cell there, as that was read. False: nothing is in it. */
must_check bool counters_octave_read(const struct counters_place *place,
                                     const struct counters_histogram *histogram, unsigned octave,
                                     uint64_t ret[COUNTERS_OCTAVE]);

#endif
