/* SPDX-License-Identifier: Apache-2.0
 *
 * Random bytes: see entropy.h. getrandom may give fewer bytes than asked for above 256, and be
 * interrupted while the pool is not seeded yet: so it is asked in a loop. No generator of our own
 * on top: the kernel's is reseeded, survives fork, and costs a microsecond for what a request
 * needs.
 */
#include "os/entropy.h"
#include "os/clock.h"
#include <sys/random.h>

int entropy_fill(void *bytes, size_t len)
{
    uint8_t *at = bytes;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

uint64_t entropy_seed(void)
{
    uint64_t seed;
    if (entropy_fill(&seed, sizeof(seed)) < 0) {
        seed = (uint64_t)clock_mono_ns() ^ (uint64_t)clock_wall_ns() << 20;
    }
    return seed;
}

/* 74 random bits beside the time (RFC 9562 §5.7): no two of an instance's life are alike. */
int entropy_uuid(char ret[UUID_TEXT_LEN + 1])
{
    uint8_t random[10];
    int result = entropy_fill(random, sizeof(random));
    if (result < 0) {
        return result;
    }
    uuid_v7(clock_wall_ns() / NS_PER_MS, random, ret);
    return 0;
}
