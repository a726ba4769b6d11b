/* SPDX-License-Identifier: Apache-2.0
 *
 * struct rng: seeded pseudo-random numbers (xoshiro256**, Blackman and Vigna 2018) for jitter,
 * sampling and tests. Never for keys, tokens or ids: those come from os/entropy.h, since a few
 * outputs tell the whole state. A generator belongs to one loop or one test; it needs no lock.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/def.h"

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_u64(struct rng *rng);
/* Uniform in [0, n); n > 0. */
uint64_t rng_below(struct rng *rng, uint64_t n);
/* `value` changed by at most ±percent % (0 to 100): a thousand clients that failed together come
 * back one by one. Values below 100 stay as they are. */
uint64_t rng_jitter(struct rng *rng, uint64_t value, unsigned percent);
static inline bool rng_chance(struct rng *rng, unsigned per_mille)
{
    return rng_below(rng, 1000) < per_mille;
}

#endif
