/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of the layout before this one ("MCNT2"), for reading only: a core that was upgraded adds
 * them to what is counted since, for as long as the instance lives. The edge of that version counts
 * there until it is replaced, so nothing is copied: a copy would miss what comes behind it, or
 * count it twice.
 *
 *   0    the same head; 64 the same probes; then per thread, from a page's begin: 16 u64 of the
 *        thread, 64 bytes of upkeep (begun, ended, …), `cells` cells of
 *        struct cell, the index
 *
 * Its histograms have 4 buckets to a power of two: each count goes to the middle of its bucket.
 */
#include "link/counters_older.h"

#include "link/counters_private.h"
#include "link/counters_probe.h"
#include "link/words.h"

#define OLDER_MAGIC UINT64_C(0x32544e434d) /* "MCNT2" */
enum { BUCKETS = 108, CELLS_MAX = 1 << 20, THREAD_WORDS = 16 };

struct cell {
    uint32_t epoch, in_flight;
    uint64_t route, service, endpoint;
    uint64_t requests, status[6], bytes_in, bytes_out;
    uint64_t connects, connect_errors, retries, errors;
    uint64_t latency_sum_us;
    uint64_t latency[BUCKETS];
};

_Static_assert(offsetof(struct counters_cell, ejections) == offsetof(struct cell, latency_sum_us),
               "the front of a cell is still the same");

static size_t threads_offset(void)
{
    return ALIGN_UP(COUNTERS_PROBES_OFFSET + COUNTERS_PROBES_MAX * sizeof(struct counters_probe),
                    4096);
}

static size_t table_size(uint32_t cells)
{
    size_t index = (THREAD_WORDS + 8) * sizeof(uint64_t) + (size_t)cells * sizeof(struct cell);
    return ALIGN_UP(index + (size_t)cells * 2 * sizeof(uint32_t), 4096);
}

static const uint64_t *table_of(const struct counters *counters, uint32_t thread)
{
    ensure(thread < counters->threads);
    return (const void *)((const char *)counters->header + threads_offset() +
                          thread * table_size(counters->cells));
}

static const struct cell *cell_of(const struct counters *counters, uint32_t thread, uint32_t i)
{
    return (const void *)((const char *)(table_of(counters, thread) + THREAD_WORDS + 8) +
                          i * sizeof(struct cell));
}

int counters_open_older(void *memory, size_t size, struct counters *ret)
{
    struct counters_header *header = memory;
    if (size < sizeof(*header) || header->magic != OLDER_MAGIC) {
        return -EINVAL;
    }
    uint32_t threads = header->threads, cells = header->cells;
    if (threads == 0 || threads > COUNTERS_THREADS_MAX || cells < 2 || cells > CELLS_MAX ||
        threads_offset() + threads * table_size(cells) > size) {
        return -EINVAL;
    }
    *ret = (struct counters){.header = header, .threads = threads, .cells = cells};
    return 0;
}

/* What is open there is nobody's when its edge was killed: only what grows is shown. */
struct counters_thread counters_older_thread(const struct counters *counters, uint32_t thread)
{
    struct counters_thread copy = {0};
    words_load(&copy, table_of(counters, thread), THREAD_WORDS * sizeof(uint64_t));
    copy.connections = 0;
    copy.upstream_connections = 0;
    return copy;
}

uint32_t counters_older_used(const struct counters *counters, uint32_t thread)
{
    uint64_t used = counters_older_thread(counters, thread).cells_used;
    return (uint32_t)MIN(used, (uint64_t)counters->cells);
}

bool counters_older_cell(const struct counters *counters, uint32_t thread, uint32_t i,
                         struct counters_cell *ret)
{
    const struct cell *cell = cell_of(counters, thread, i);
    struct cell copy;
    uint32_t before = __atomic_load_n(&cell->epoch, __ATOMIC_ACQUIRE);
    words_load(&copy, cell, sizeof(copy));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint32_t after = __atomic_load_n(&cell->epoch, __ATOMIC_RELAXED);
    *ret = (struct counters_cell){0};
    memcpy(ret, &copy, offsetof(struct cell, latency_sum_us));
    ret->in_flight = 0;
    ret->durations[COUNTERS_TOTAL].sum_us = copy.latency_sum_us;
    for (unsigned o = 0; o < COUNTERS_OCTAVES; o++) {
        ret->durations[COUNTERS_TOTAL].octaves[o] = 1; /* ask */
    }
    return before == after && (before & 1) == 0;
}

static uint64_t bucket_low(unsigned bucket)
{
    unsigned log = bucket / 4 + 1;
    return bucket < 4 ? bucket : (UINT64_C(4) + bucket % 4) << (log - 2);
}

bool counters_older_octave(const struct counters_place *place, unsigned octave,
                           uint64_t ret[COUNTERS_OCTAVE])
{
    const struct cell *cell = cell_of(place->counters, place->thread, place->cell);
    bool any = false;
    memset(ret, 0, COUNTERS_OCTAVE * sizeof(*ret));
    for (unsigned b = 0; b < BUCKETS; b++) {
        uint64_t low = bucket_low(b), n = __atomic_load_n(&cell->latency[b], __ATOMIC_RELAXED);
        unsigned bucket = counters_bucket((uint32_t)(low + (bucket_low(b + 1) - low) / 2));
        if (n && bucket / COUNTERS_OCTAVE == octave) {
            ret[bucket % COUNTERS_OCTAVE] += n;
            any = true;
        }
    }
    return any;
}

bool counters_older_settled(const struct counters *counters, uint32_t thread, uint64_t *count)
{
    const uint64_t *upkeep = table_of(counters, thread) + THREAD_WORDS;
    uint64_t ended = __atomic_load_n(&upkeep[1], __ATOMIC_ACQUIRE);
    *count += ended;
    return __atomic_load_n(&upkeep[0], __ATOMIC_ACQUIRE) == ended;
}

void counters_take_probes(const struct counters *counters, const struct counters *older)
{
    uint32_t used = __atomic_load_n(&older->header->probes_used, __ATOMIC_ACQUIRE);
    used = MIN(used, (uint32_t)COUNTERS_PROBES_MAX);
    words_load((char *)counters->header + COUNTERS_PROBES_OFFSET,
               (const char *)older->header + COUNTERS_PROBES_OFFSET,
               used * sizeof(struct counters_probe));
    counters->header->probes_used = used;
    counters->header->serving = older->header->serving;
}
