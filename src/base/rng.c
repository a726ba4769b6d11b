/* SPDX-License-Identifier: Apache-2.0
 *
 * xoshiro256** with its state filled by splitmix64, as its authors advise (Blackman and Vigna,
 * "Scrambled Linear Pseudorandom Number Generators", 2018). The same seed gives the same numbers on
 * every machine, which the simulator and failing property tests rely on.
 */
#include "base/rng.h"

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* splitmix64 spreads a small seed over the whole state. */
void rng_init(struct rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LEN(rng->s); i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        rng->s[i] = z ^ (z >> 31);
    }
}

uint64_t rng_u64(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t n)
{
    ensure(n > 0);
    /* Lemire's multiply-shift; the bias is below 2^-64 × n, which no jitter can tell. */
    return (uint64_t)(((__uint128_t)rng_u64(rng) * n) >> 64);
}

uint64_t rng_jitter(struct rng *rng, uint64_t value, unsigned percent)
{
    uint64_t span = value / 100 * percent;
    return span ? value - span + rng_below(rng, 2 * span + 1) : value;
}
