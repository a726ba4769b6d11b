/* SPDX-License-Identifier: Apache-2.0
 *
 * Octaves of histograms: taken from a thread's pool, never given back but when their cell is; a
 * killed writer's are counted anew. Octave 0 is nobody's, so 0 says "none" everywhere.
 */
#include "link/counters_histogram.h"

#include "link/counters_private.h"

uint64_t counters_bucket_low(unsigned bucket)
{
    unsigned shift = bucket < 2 * COUNTERS_OCTAVE ? 0 : bucket / COUNTERS_OCTAVE - 1;
    return (uint64_t)(bucket - shift * COUNTERS_OCTAVE) << shift;
}

uint64_t counters_bucket_mid(unsigned bucket)
{
    uint64_t low = counters_bucket_low(bucket);
    return low + (counters_bucket_low(bucket + 1) - low) / 2;
}

/* --- the pool --- */

/* 0: there is none left. */
static uint32_t take_octave(const struct counters_pool *pool)
{
    struct counters_upkeep *upkeep = pool->upkeep;
    uint64_t i = upkeep->octaves_free;
    if (i > 0 && i <= pool->mask) {
        upkeep->octaves_free = pool->counts[i][0];
        pool->counts[i][0] = 0;
        return (uint32_t)i;
    }
    if (upkeep->octaves_used >= pool->mask) {
        __atomic_store_n(pool->overflow, *pool->overflow + 1, __ATOMIC_RELAXED);
        return 0;
    }
    return (uint32_t)++upkeep->octaves_used;
}

/* The octave of the high halves; 0 = there is none. */
static uint32_t carry_of(const struct counters_pool *pool, uint32_t i)
{
    return __atomic_load_n(&pool->carry[i], __ATOMIC_RELAXED) & pool->mask;
}

static void free_octave(const struct counters_pool *pool, uint32_t i)
{
    memset(pool->counts[i], 0, sizeof(pool->counts[i]));
    pool->carry[i] = 0;
    pool->counts[i][0] = (uint32_t)pool->upkeep->octaves_free;
    pool->upkeep->octaves_free = i;
}

/* Both halves of a sum change: readers wait for the end (counters_settled). Without an octave for
 * the high halves the low one stays at its largest value. */
static void carry_over(const struct counters_pool *pool, uint32_t i, unsigned at, uint64_t sum)
{
    bool alone = pool->upkeep->begun == pool->upkeep->ended; /* else inside of a reclaim */
    uint32_t high = carry_of(pool, i);
    high = high ? high : take_octave(pool);
    if (alone) {
        counters_begin(pool->upkeep);
    }
    pool->carry[i] = (uint16_t)high;
    if (high) {
        pool->counts[high][at] += (uint32_t)(sum >> 32);
    }
    __atomic_store_n(&pool->counts[i][at], high ? (uint32_t)sum : UINT32_MAX, __ATOMIC_RELAXED);
    if (alone) {
        counters_end(pool->upkeep);
    }
}

void counters_observe_slow(const struct counters_pool *pool, struct counters_histogram *histogram,
                           unsigned bucket, uint64_t n)
{
    unsigned octave = bucket / COUNTERS_OCTAVE, at = bucket % COUNTERS_OCTAVE;
    uint32_t i = histogram->octaves[octave] & pool->mask;
    if (i == 0) {
        i = take_octave(pool);
        __atomic_store_n(&histogram->octaves[octave], (uint16_t)i, __ATOMIC_RELEASE);
    }
    if (i == 0) {
        return;
    }
    uint64_t sum = pool->counts[i][at] + n;
    if (sum > UINT32_MAX) {
        carry_over(pool, i, at, sum);
    } else {
        __atomic_store_n(&pool->counts[i][at], (uint32_t)sum, __ATOMIC_RELAXED);
    }
}

static uint64_t count_at(const struct counters_pool *pool, uint32_t i, unsigned at)
{
    uint32_t high = carry_of(pool, i);
    uint64_t count = __atomic_load_n(&pool->counts[i][at], __ATOMIC_RELAXED);
    if (unlikely(high)) {
        count += (uint64_t)__atomic_load_n(&pool->counts[high][at], __ATOMIC_RELAXED) << 32;
    }
    return count;
}

void counters_histogram_move(const struct counters_pool *pool, struct counters_histogram *to,
                             struct counters_histogram *from)
{
    __atomic_store_n(&to->sum_us, to->sum_us + from->sum_us, __ATOMIC_RELAXED);
    from->sum_us = 0;
    for (unsigned o = 0; o < COUNTERS_OCTAVES; o++) {
        uint32_t i = from->octaves[o] & pool->mask;
        from->octaves[o] = 0;
        if (i == 0 || to->octaves[o] == 0) {
            to->octaves[o] = i ? (uint16_t)i : to->octaves[o];
            continue;
        }
        for (unsigned at = 0; at < COUNTERS_OCTAVE; at++) {
            uint64_t n = count_at(pool, i, at);
            if (n) {
                counters_observe_slow(pool, to, o * COUNTERS_OCTAVE + at, n);
            }
        }
        if (carry_of(pool, i)) {
            free_octave(pool, carry_of(pool, i));
        }
        free_octave(pool, i);
    }
}

/* --- after a writer was killed --- */

/* False: it is not in use, or is another's. */
static bool see(const struct counters_pool *pool, uint32_t i, uint8_t *seen)
{
    bool mine =
        i > 0 && i <= pool->mask && i <= pool->upkeep->octaves_used && !(seen[i / 8] & 1u << i % 8);
    if (mine) {
        seen[i / 8] |= (uint8_t)(1u << i % 8);
    }
    return mine;
}

void counters_histogram_check(const struct counters_pool *pool,
                              struct counters_histogram *histogram,
                              uint8_t seen[COUNTERS_SEEN_SIZE])
{
    for (unsigned o = 0; o < COUNTERS_OCTAVES; o++) {
        uint32_t i = histogram->octaves[o];
        if (i && !see(pool, i, seen)) {
            histogram->octaves[o] = 0;
        } else if (i && pool->carry[i] && !see(pool, pool->carry[i], seen)) {
            pool->carry[i] = 0;
        }
    }
}

void counters_pool_make(const struct counters_pool *pool, const uint8_t seen[COUNTERS_SEEN_SIZE])
{
    pool->upkeep->octaves_free = 0;
    for (uint32_t i = (uint32_t)pool->upkeep->octaves_used; i > 0; i--) {
        if (!(seen[i / 8] & 1u << i % 8)) {
            free_octave(pool, i);
        }
    }
}

/* --- readers --- */

bool counters_octave_read(const struct counters_place *place,
                          const struct counters_histogram *histogram, unsigned octave,
                          uint64_t ret[COUNTERS_OCTAVE])
{
    const struct counters *counters = place->counters;
    ensure(octave < COUNTERS_OCTAVES);
    if (histogram->octaves[octave] == 0) {
        return false;
    }
    if (place->thread >= counters->threads) {
        struct counters_place older = {counters->older, place->thread - counters->threads,
                                       place->cell};
        return counters_older_octave(&older, octave, ret);
    }
    const struct counters_pool pool = counters_pool_of(counters, place->thread);
    for (unsigned at = 0; at < COUNTERS_OCTAVE; at++) {
        ret[at] = count_at(&pool, histogram->octaves[octave] & pool.mask, at);
    }
    return true;
}
