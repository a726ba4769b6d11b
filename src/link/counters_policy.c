/* SPDX-License-Identifier: Apache-2.0
 *
 * Places are used from the front and found by a linear look, once per service and endpoint after a
 * change. The lock is held for such a look only; one whose holder died is taken over, after longer
 * than any look takes.
 */
#include "link/counters_policy.h"

#include "link/counters_private.h"
#include "link/words.h"

enum { SPINS_MAX = 100 * 1000 * 1000 };

_Static_assert(sizeof(struct counters_policy) == 320, "use has lines of its own");

static struct counters_policy *policy_at(const struct counters *counters, uint32_t i)
{
    return counters_policies_of(counters) + i;
}

static uint32_t used(const struct counters *counters)
{
    uint32_t n = __atomic_load_n(&counters->header->policies_used, __ATOMIC_ACQUIRE);
    return MIN(n, (uint32_t)COUNTERS_POLICIES_MAX);
}

static void lock(const struct counters *counters)
{
    uint32_t *word = &counters->header->policies_lock;
    for (unsigned spins = 0; __atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) != 0; spins++) {
        if (spins == SPINS_MAX) {
            return;
        }
    }
}

static void unlock(const struct counters *counters)
{
    __atomic_store_n(&counters->header->policies_lock, 0, __ATOMIC_RELEASE);
}

static struct counters_policy *find(const struct counters *counters, uint64_t id)
{
    uint32_t count = used(counters);
    for (uint32_t i = 0; i < count; i++) {
        struct counters_policy *policy = policy_at(counters, i);
        if (__atomic_load_n(&policy->id, __ATOMIC_ACQUIRE) == id) {
            return policy;
        }
    }
    return NULL;
}

static struct counters_policy *make(const struct counters *counters, uint64_t id)
{
    uint32_t count = used(counters);
    uint32_t place = 0; /* one that was given back, else a new one at the end */
    while (place < count && policy_at(counters, place)->id != 0) {
        place++;
    }
    if (place == COUNTERS_POLICIES_MAX) {
        return NULL;
    }
    struct counters_policy *policy = policy_at(counters, place);
    *policy = (struct counters_policy){0};
    __atomic_store_n(&policy->id, id, __ATOMIC_RELEASE);
    __atomic_store_n(&counters->header->policies_used, MAX(count, place + 1), __ATOMIC_RELEASE);
    return policy;
}

struct counters_policy *counters_policy_get(const struct counters *counters, uint64_t id)
{
    struct counters_policy *policy = find(counters, id);
    if (!policy) {
        lock(counters);
        policy = find(counters, id);
        policy = policy ? policy : make(counters, id);
        unlock(counters);
    }
    return policy;
}

void counters_policy_sweep(const struct counters *counters,
                           bool (*wanted)(void *context, uint64_t id), void *context)
{
    uint32_t count = used(counters);
    lock(counters);
    for (uint32_t i = 0; i < count; i++) {
        struct counters_policy *policy = policy_at(counters, i);
        if (policy->id != 0 && !wanted(context, policy->id)) {
            __atomic_store_n(&policy->id, 0, __ATOMIC_RELEASE);
        }
    }
    unlock(counters);
}

void counters_policy_clear(const struct counters *counters, uint32_t first, uint32_t tables)
{
    uint32_t count = used(counters);
    if (tables >= COUNTERS_THREADS_MAX) {
        unlock(counters);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct counters_policy *policy = policy_at(counters, i);
        for (uint32_t t = first; t < first + tables && t < COUNTERS_THREADS_MAX; t++) {
            policy->use[t] = 0;
            policy->limits[t] = 0;
        }
    }
}

/* Whoever writes, then adds up, and finds no more than a bound, has kept to it: these are in one
 * order for all threads. */
void counters_policy_show(struct counters_policy *policy, uint32_t thread, uint32_t in_flight,
                          uint32_t connections)
{
    ensure(thread < COUNTERS_THREADS_MAX);
    uint32_t use = MIN(in_flight, (uint32_t)UINT16_MAX) | MIN(connections, (uint32_t)UINT16_MAX)
                                                              << 16;
    __atomic_store_n(&policy->use[thread], use, __ATOMIC_SEQ_CST);
}

void counters_policy_show_limit(struct counters_policy *policy, uint32_t thread, uint32_t limit)
{
    ensure(thread < COUNTERS_THREADS_MAX);
    uint16_t shown = (uint16_t)MIN(limit, (uint32_t)UINT16_MAX);
    if (policy->limits[thread] != shown) { /* seldom: the line stays with its readers */
        __atomic_store_n(&policy->limits[thread], shown, __ATOMIC_RELAXED);
    }
}

uint32_t counters_policy_limit(const struct counters *counters,
                               const struct counters_policy *policy)
{
    uint32_t sum = 0, first;
    uint32_t threads = counters_serving(counters, &first);
    for (uint32_t i = first; i < MIN(first + threads, (uint32_t)COUNTERS_THREADS_MAX); i++) {
        sum += policy->limits[i];
    }
    return sum;
}

enum counters_policy_state counters_policy_state(const struct counters_policy *policy,
                                                 int64_t wall_ns)
{
    bool over = policy->state == COUNTERS_POLICY_OPEN && policy->until_wall_ns <= wall_ns;
    return over ? COUNTERS_POLICY_HALF_OPEN : (enum counters_policy_state)policy->state;
}

uint32_t counters_policy_in_flight(const struct counters_policy *policy)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < COUNTERS_THREADS_MAX; i++) {
        sum += __atomic_load_n(&policy->use[i], __ATOMIC_RELAXED) & UINT16_MAX;
    }
    return sum;
}

uint32_t counters_policy_connections(const struct counters_policy *policy)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < COUNTERS_THREADS_MAX; i++) {
        sum += __atomic_load_n(&policy->use[i], __ATOMIC_SEQ_CST) >> 16;
    }
    return sum;
}

bool counters_policy_read(const struct counters *counters, uint64_t id, struct counters_policy *ret)
{
    const struct counters_policy *policy = find(counters, id);
    if (!policy || id == 0) {
        return false;
    }
    words_load(ret, policy, sizeof(*ret));
    return ret->id == id && ret->state < COUNTERS_POLICY_STATES;
}
