/* SPDX-License-Identifier: Apache-2.0
 *
 * Places of probes are used from the front and found by a linear look: once per endpoint after a
 * change. The epoch of a place is odd while it is written.
 */
#include "link/counters_probe.h"

#include "link/counters_private.h"
#include "link/words.h"

static struct counters_probe *probe_of(const struct counters *counters, uint32_t i)
{
    char *at =
        (char *)counters->header + COUNTERS_PROBES_OFFSET + i * sizeof(struct counters_probe);
    return (struct counters_probe *)(void *)at;
}

struct counters_probe *counters_probe_find(const struct counters *counters, uint64_t endpoint)
{
    uint32_t used = __atomic_load_n(&counters->header->probes_used, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < MIN(used, (uint32_t)COUNTERS_PROBES_MAX); i++) {
        if (probe_of(counters, i)->endpoint == endpoint) {
            return probe_of(counters, i);
        }
    }
    return NULL;
}

struct counters_probe *counters_probe_get(const struct counters *counters, uint64_t endpoint)
{
    uint32_t used = MIN(counters->header->probes_used, (uint32_t)COUNTERS_PROBES_MAX);
    struct counters_probe *found = counters_probe_find(counters, endpoint);
    if (found) {
        return found;
    }
    uint32_t place = 0; /* one that was given back, else a new one at the end */
    while (place < used && probe_of(counters, place)->endpoint != 0) {
        place++;
    }
    if (place == COUNTERS_PROBES_MAX) {
        return NULL;
    }
    struct counters_probe *probe = probe_of(counters, place);
    counters_probe_begin(probe);
    uint32_t epoch = probe->epoch;
    *probe = (struct counters_probe){.epoch = epoch, .endpoint = endpoint};
    counters_probe_end(probe);
    __atomic_store_n(&counters->header->probes_used, MAX(used, place + 1), __ATOMIC_RELEASE);
    return probe;
}

void counters_probe_sweep(const struct counters *counters,
                          bool (*wanted)(void *context, uint64_t endpoint), void *context)
{
    uint32_t used = MIN(counters->header->probes_used, (uint32_t)COUNTERS_PROBES_MAX);
    for (uint32_t i = 0; i < used; i++) {
        struct counters_probe *probe = probe_of(counters, i);
        if (probe->endpoint != 0 && !wanted(context, probe->endpoint)) {
            counters_probe_begin(probe);
            probe->endpoint = 0;
            probe->status = COUNTERS_PROBE_UNKNOWN;
            counters_probe_end(probe);
        }
    }
}

void counters_probe_begin(struct counters_probe *probe)
{
    __atomic_store_n(&probe->epoch, probe->epoch | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

void counters_probe_end(struct counters_probe *probe)
{
    __atomic_store_n(&probe->epoch, (probe->epoch | 1) + 1, __ATOMIC_RELEASE);
}

bool counters_probe_read(const struct counters *counters, uint32_t i, struct counters_probe *ret)
{
    uint32_t used = __atomic_load_n(&counters->header->probes_used, __ATOMIC_ACQUIRE);
    if (i >= MIN(used, (uint32_t)COUNTERS_PROBES_MAX)) {
        return false;
    }
    const struct counters_probe *probe = probe_of(counters, i);
    uint32_t before = __atomic_load_n(&probe->epoch, __ATOMIC_ACQUIRE);
    words_load(ret, probe, sizeof(*ret));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint32_t after = __atomic_load_n(&probe->epoch, __ATOMIC_RELAXED);
    return before == after && (before & 1) == 0 && ret->endpoint != 0 &&
           ret->status <= COUNTERS_PROBE_FAILING && ret->body_len <= COUNTERS_PROBE_BODY_MAX;
}
