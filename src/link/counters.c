/* SPDX-License-Identifier: Apache-2.0
 *
 * The counters' memory:
 *
 *   0    header (64 bytes): magic u64, threads u32, cells u32, probes_used u32
 *   64   COUNTERS_PROBES_MAX probes (used from the front)
 *   …    per thread: struct counters_thread, then `cells` cells (used from the front), 64-aligned
 *
 * Cells are found by a linear look at the cells in use: that happens once per route and endpoint
 * after a change (the edge keeps the address), never per request, and keeps the memory a plain list
 * that a reader can copy. A cell index (hash to cell number, heap) of the writer's would be the
 * next step beyond some thousand cells.
 */
#include "link/counters.h"

#include "base/map.h"
#include "link/words.h"

#define COUNTERS_MAGIC UINT64_C(0x31544e434d) /* "MCNT1" */
enum { CELLS_MAX = 1 << 20 };

struct counters_header {
    uint64_t magic;
    uint32_t threads, cells, probes_used, reserved;
    uint64_t unused[5];
};

_Static_assert(sizeof(struct counters_header) == 64, "the header's layout is fixed");
_Static_assert(sizeof(struct counters_cell) % 8 == 0 && sizeof(struct counters_probe) % 8 == 0 &&
                   sizeof(struct counters_thread) % 8 == 0,
               "they are copied by words");

static size_t probes_offset(void)
{
    return sizeof(struct counters_header);
}

static size_t threads_offset(void)
{
    return ALIGN_UP(probes_offset() + COUNTERS_PROBES_MAX * sizeof(struct counters_probe), 4096);
}

static size_t index_offset(uint32_t cells)
{
    return sizeof(struct counters_thread) + (size_t)cells * sizeof(struct counters_cell);
}

static size_t table_size(uint32_t cells)
{
    return ALIGN_UP(index_offset(cells) + (size_t)cells * 2 * sizeof(uint32_t), 4096);
}

static char *table_of(const struct counters *counters, uint32_t thread)
{
    ensure(thread < counters->threads);
    return (char *)counters->header + threads_offset() + thread * table_size(counters->cells);
}

static struct counters_cell *cell_of(const struct counters *counters, uint32_t thread, uint32_t i)
{
    char *at = table_of(counters, thread) + sizeof(struct counters_thread) +
               i * sizeof(struct counters_cell);
    return (struct counters_cell *)(void *)at;
}

static struct counters_probe *probe_of(const struct counters *counters, uint32_t i)
{
    char *at = (char *)counters->header + probes_offset() + i * sizeof(struct counters_probe);
    return (struct counters_probe *)(void *)at;
}

size_t counters_size(uint32_t threads, uint32_t cells)
{
    return threads_offset() + threads * table_size(cells);
}

void counters_format(void *memory, uint32_t threads, uint32_t cells)
{
    ensure(threads > 0 && threads <= COUNTERS_THREADS_MAX && cells > 1 && cells <= CELLS_MAX);
    struct counters_header *header = memory;
    header->threads = threads;
    header->cells = cells;
    header->magic = COUNTERS_MAGIC;
}

int counters_open(void *memory, size_t size, struct counters *ret)
{
    struct counters_header *header = memory;
    if (size < sizeof(*header) || header->magic != COUNTERS_MAGIC) {
        return -EINVAL;
    }
    uint32_t threads = header->threads;
    uint32_t cells = header->cells;
    if (threads == 0 || threads > COUNTERS_THREADS_MAX || cells < 2 || cells > CELLS_MAX ||
        counters_size(threads, cells) > size) {
        return -EINVAL;
    }
    *ret = (struct counters){.header = header, .threads = threads, .cells = cells};
    return 0;
}

struct counters_thread *counters_thread_of(const struct counters *counters, uint32_t thread)
{
    return (struct counters_thread *)(void *)table_of(counters, thread);
}

uint32_t counters_cells_used(const struct counters *counters, uint32_t thread)
{
    uint64_t used =
        __atomic_load_n(&counters_thread_of(counters, thread)->cells_used, __ATOMIC_ACQUIRE);
    return (uint32_t)MIN(used, (uint64_t)counters->cells);
}

/* The index slot of this key: its own, or the free one where it belongs. */
static uint32_t *index_slot(const struct counters *counters, uint32_t thread, const uint64_t key[3])
{
    uint32_t *index = (void *)(table_of(counters, thread) + index_offset(counters->cells));
    uint32_t slots = counters->cells * 2;
    uint32_t i = (uint32_t)(map_hash(0, str_make((const char *)key, 24)) % slots);
    for (uint32_t tries = 0; tries < slots; tries++, i = (i + 1) % slots) {
        uint32_t found = index[i];
        if (found == 0 || found > counters->cells) {
            break;
        }
        const struct counters_cell *cell = cell_of(counters, thread, found - 1);
        if (cell->route == key[0] && cell->service == key[1] && cell->endpoint == key[2]) {
            break;
        }
    }
    return &index[i];
}

struct counters_cell *counters_cell_get(const struct counters *counters, uint32_t thread,
                                        uint64_t route, uint64_t service, uint64_t endpoint)
{
    struct counters_thread *table = counters_thread_of(counters, thread);
    const uint64_t key[3] = {route, service, endpoint};
    uint32_t *slot = index_slot(counters, thread, key);
    if (*slot != 0 && *slot <= counters->cells) {
        return cell_of(counters, thread, *slot - 1);
    }
    uint32_t used = counters_cells_used(counters, thread);
    if (used >= counters->cells - 1) {
        /* The last cell is kept for all that find no place; its key stays 0. */
        counters_add(&table->cells_overflow, 1);
        __atomic_store_n(&table->cells_used, counters->cells, __ATOMIC_RELEASE);
        return cell_of(counters, thread, counters->cells - 1);
    }
    struct counters_cell *cell = cell_of(counters, thread, used);
    cell->route = route;
    cell->service = service;
    cell->endpoint = endpoint;
    *slot = used + 1;
    __atomic_store_n(&table->cells_used, used + 1, __ATOMIC_RELEASE);
    return cell;
}

void counters_take_over(const struct counters *counters)
{
    for (uint32_t t = 0; t < counters->threads; t++) {
        struct counters_thread *table = counters_thread_of(counters, t);
        if (table->cells_used == 0 && table->connections == 0) {
            continue; /* do not touch pages nobody used */
        }
        table->connections = 0;
        table->upstream_connections = 0;
        for (uint32_t i = 0; i < counters_cells_used(counters, t); i++) {
            cell_of(counters, t, i)->in_flight = 0;
        }
    }
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

unsigned counters_bucket(uint64_t us)
{
    if (us < 4) {
        return (unsigned)us;
    }
    unsigned log = 63 - (unsigned)__builtin_clzll(us);
    unsigned bucket = (log - 1) * 4 + (unsigned)((us >> (log - 2)) & 3);
    return MIN(bucket, (unsigned)COUNTERS_BUCKETS - 1);
}

uint64_t counters_bucket_low(unsigned bucket)
{
    if (bucket < 4) {
        return bucket;
    }
    unsigned log = bucket / 4 + 1;
    return (UINT64_C(4) + bucket % 4) << (log - 2);
}

bool counters_cell_read(const struct counters *counters, uint32_t thread, uint32_t i,
                        struct counters_cell *ret)
{
    if (i >= counters_cells_used(counters, thread)) {
        return false;
    }
    const struct counters_cell *cell = cell_of(counters, thread, i);
    uint32_t before = __atomic_load_n(&cell->epoch, __ATOMIC_ACQUIRE);
    words_load(ret, cell, sizeof(*ret));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint32_t after = __atomic_load_n(&cell->epoch, __ATOMIC_RELAXED);
    return before == after && (before & 1) == 0;
}

struct counters_thread counters_thread_read(const struct counters *counters, uint32_t thread)
{
    struct counters_thread copy;
    words_load(&copy, counters_thread_of(counters, thread), sizeof(copy));
    return copy;
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
