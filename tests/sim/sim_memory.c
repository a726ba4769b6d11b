/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out: while there are faults, one allocation in many fails in the code under
 * test, now alone, now with those that follow. What the simulator itself allocates never fails: it
 * calls the real functions (see meson.build).
 */
#include "sim/sim.h"

#include <stdlib.h>

enum {
    QUIET_MAX = 3000,  /* allocations between two shortages, at most */
    SHORTAGE_MAX = 12, /* allocations that fail in a row, at most */
};

/* How long after a shortage it may be the reason of a refusal. */
static const int64_t AFTERMATH_NS = SIM_S;

static int64_t last;        /* when memory was short */
static unsigned shortages;  /* how often in this run */
static uint64_t left_until; /* allocations until the next shortage */
static uint64_t left_short; /* that fail still */
static struct rng chance;   /* its own: how much is allocated must not change the other faults */

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);

bool sim_memory_was_short(void)
{
    return shortages > 0 && sim.now - last < AFTERMATH_NS;
}

void sim_memory_init(uint64_t seed)
{
    last = -AFTERMATH_NS;
    shortages = 0;
    rng_init(&chance, seed);
    left_until = rng_below(&chance, QUIET_MAX);
    left_short = 0;
}

static bool is_short(void)
{
    if (!sim.shortages || sim.plenty > 0 || sim.healing) {
        return false;
    }
    if (left_short > 0) {
        left_short--;
        last = sim.now;
        return true;
    }
    if (left_until-- > 0) {
        return false;
    }
    left_until = rng_below(&chance, QUIET_MAX);
    left_short = rng_below(&chance, SHORTAGE_MAX);
    last = sim.now;
    shortages++;
    sim_trace("memory is short");
    return true;
}

void *__wrap_malloc(size_t size)
{
    return is_short() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_short() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return is_short() ? NULL : __real_realloc(p, size);
}
