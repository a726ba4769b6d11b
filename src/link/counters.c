/* SPDX-License-Identifier: Apache-2.0
 *
 * The counters' memory:
 *
 *   0    header (64 bytes): magic u64, threads u32, cells u32, probes_used u32,
 *        serving u32, octaves u32
 *   64   COUNTERS_PROBES_MAX probes (used from the front)
 *   …    per thread, from a page's begin: struct counters_thread, struct counters_upkeep, `cells`
 *        cells (used from the front; free ones have an odd epoch), the writer's index: 2·cells u32,
 *        cell number + 1 by the hash of its key, open addressing; then the histograms' pool:
 *        `octaves` arrays of 64 u32, `octaves` u16 (carry)
 *   …    COUNTERS_POLICIES_MAX policies (used from the front)
 *
 * The writer keeps the addresses of cells, so the index is asked once per route and endpoint after
 * a change; the cells are a plain list that a reader can copy. An edge that was killed may have
 * left index and free cells half written: the next one makes them anew (counters_clear).
 */
#include "link/counters.h"

#include "base/map.h"
#include "link/counters_policy.h"
#include "link/counters_private.h"
#include "link/counters_probe.h"
#include "link/words.h"

#define COUNTERS_MAGIC UINT64_C(0x35544e434d) /* "MCNT5": another layout, another number */
enum { CELLS_MAX = 1 << 20 };

_Static_assert(sizeof(struct counters_cell) % 8 == 0 && sizeof(struct counters_probe) % 8 == 0 &&
                   sizeof(struct counters_thread) % 64 == 0,
               "they are copied by words");
_Static_assert(sizeof(struct counters_histogram) == 64 && sizeof(struct counters_cell) == 512,
               "a histogram is one cache line");

static size_t threads_offset(void)
{
    return ALIGN_UP(COUNTERS_PROBES_OFFSET + COUNTERS_PROBES_MAX * sizeof(struct counters_probe),
                    4096);
}

static size_t index_offset(uint32_t cells)
{
    return sizeof(struct counters_thread) + sizeof(struct counters_upkeep) +
           (size_t)cells * sizeof(struct counters_cell);
}

static size_t pool_offset(uint32_t cells)
{
    return ALIGN_UP(index_offset(cells) + (size_t)cells * 2 * sizeof(uint32_t), 4096);
}

static size_t table_size(uint32_t cells, uint32_t octaves)
{
    size_t octave = COUNTERS_OCTAVE * sizeof(uint32_t) + sizeof(uint16_t);
    return ALIGN_UP(pool_offset(cells) + octaves * octave, 4096);
}

/* A few cells need no large pool: tests have tables of eight. */
static uint32_t octaves_for(uint32_t cells)
{
    uint32_t octaves = 64;
    while (octaves < cells * 64 && octaves < COUNTERS_POOL_DEFAULT) {
        octaves *= 2;
    }
    return octaves;
}

static char *table_of(const struct counters *counters, uint32_t thread)
{
    ensure(thread < counters->threads);
    return (char *)counters->header + threads_offset() +
           thread * table_size(counters->cells, counters->octaves);
}

static struct counters_upkeep *upkeep_of(const struct counters *counters, uint32_t thread)
{
    return (void *)(table_of(counters, thread) + sizeof(struct counters_thread));
}

static struct counters_cell *cell_of(const struct counters *counters, uint32_t thread, uint32_t i)
{
    char *at = table_of(counters, thread) + sizeof(struct counters_thread) +
               sizeof(struct counters_upkeep) + i * sizeof(struct counters_cell);
    return (struct counters_cell *)(void *)at;
}

size_t counters_size(uint32_t threads, uint32_t cells)
{
    return threads_offset() + threads * table_size(cells, octaves_for(cells)) +
           COUNTERS_POLICIES_MAX * sizeof(struct counters_policy);
}

struct counters_policy *counters_policies_of(const struct counters *counters)
{
    char *at = (char *)counters->header + threads_offset() +
               counters->threads * table_size(counters->cells, counters->octaves);
    return (struct counters_policy *)(void *)at;
}

void counters_format(void *memory, uint32_t threads, uint32_t cells)
{
    ensure(threads > 0 && threads <= COUNTERS_THREADS_MAX && cells > 1 && cells <= CELLS_MAX);
    struct counters_header *header = memory;
    header->threads = threads;
    header->cells = cells;
    header->octaves = octaves_for(cells);
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
    uint32_t octaves = header->octaves;
    if (threads == 0 || threads > COUNTERS_THREADS_MAX || cells < 2 || cells > CELLS_MAX ||
        octaves < 2 || octaves > COUNTERS_POOL_DEFAULT || (octaves & (octaves - 1)) ||
        threads_offset() + threads * table_size(cells, octaves) +
                COUNTERS_POLICIES_MAX * sizeof(struct counters_policy) >
            size) {
        return -EINVAL;
    }
    *ret =
        (struct counters){.header = header, .threads = threads, .cells = cells, .octaves = octaves};
    return 0;
}

struct counters_pool counters_pool_of(const struct counters *counters, uint32_t thread)
{
    char *at = table_of(counters, thread) + pool_offset(counters->cells);
    char *carry = at + (size_t)counters->octaves * COUNTERS_OCTAVE * sizeof(uint32_t);
    return (struct counters_pool){
        .counts = (void *)at,
        .carry = (void *)carry,
        .upkeep = upkeep_of(counters, thread),
        .overflow = &counters_thread_of(counters, thread)->octaves_overflow,
        .mask = counters->octaves - 1,
    };
}

struct counters_thread *counters_thread_of(const struct counters *counters, uint32_t thread)
{
    return (struct counters_thread *)(void *)table_of(counters, thread);
}

uint32_t counters_cells_used(const struct counters *counters, uint32_t thread)
{
    if (unlikely(thread >= counters->threads)) {
        return counters_older_used(counters->older, thread - counters->threads);
    }
    uint64_t used =
        __atomic_load_n(&counters_thread_of(counters, thread)->cells_used, __ATOMIC_ACQUIRE);
    return (uint32_t)MIN(used, (uint64_t)counters->cells);
}

static uint32_t *index_of(const struct counters *counters, uint32_t thread)
{
    return (void *)(table_of(counters, thread) + index_offset(counters->cells));
}

/* The index slot of this key: its own, or the free one where it belongs. */
static uint32_t *index_slot(const struct counters *counters, uint32_t thread, const uint64_t key[3])
{
    uint32_t *index = index_of(counters, thread);
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

/* Cells that may have a key of their own and are in use, or were. */
static uint32_t own_cells(const struct counters *counters, uint32_t thread)
{
    uint32_t used = counters_cells_used(counters, thread); /* read once: others write it */
    return MIN(used, counters->cells - 1);
}

static bool is_free(const struct counters_cell *cell)
{
    return cell->epoch & 1;
}

static void cell_begin(struct counters_cell *cell)
{
    __atomic_store_n(&cell->epoch, cell->epoch | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void cell_end(struct counters_cell *cell)
{
    __atomic_store_n(&cell->epoch, (cell->epoch | 1) + 1, __ATOMIC_RELEASE);
}

/* A cell that was given back; its number, or `cells`. */
static uint32_t take_free(const struct counters *counters, uint32_t thread)
{
    struct counters_upkeep *upkeep = upkeep_of(counters, thread);
    uint32_t used = own_cells(counters, thread);
    if (upkeep->free == 0) {
        return counters->cells;
    }
    for (uint64_t i = upkeep->free_from; i < used; i++) {
        if (is_free(cell_of(counters, thread, (uint32_t)i))) {
            upkeep->free--;
            upkeep->free_from = i + 1;
            return (uint32_t)i;
        }
    }
    upkeep->free = 0;
    return counters->cells;
}

/* The last cell is kept for all that find no place; its key stays 0. */
static struct counters_cell *shared_cell(const struct counters *counters, uint32_t thread)
{
    __atomic_store_n(&counters_thread_of(counters, thread)->cells_used, counters->cells,
                     __ATOMIC_RELEASE);
    return cell_of(counters, thread, counters->cells - 1);
}

bool counters_full(const struct counters *counters, uint32_t thread)
{
    return counters_cells_used(counters, thread) >= counters->cells - 1 &&
           upkeep_of(counters, thread)->free == 0;
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
    uint32_t i = take_free(counters, thread);
    uint32_t used = counters_cells_used(counters, thread);
    if (i == counters->cells) {
        i = used;
    }
    if (i >= counters->cells - 1) {
        counters_add(&table->cells_overflow, 1);
        return shared_cell(counters, thread);
    }
    struct counters_cell *cell = cell_of(counters, thread, i);
    cell_begin(cell);
    uint32_t epoch = cell->epoch;
    *cell = (struct counters_cell){
        .epoch = epoch, .route = route, .service = service, .endpoint = endpoint};
    cell_end(cell);
    *slot = i + 1;
    __atomic_store_n(&table->cells_used, MAX(used, i + 1), __ATOMIC_RELEASE);
    return cell;
}

/* --- giving cells back --- */

static void make_index(const struct counters *counters, uint32_t thread)
{
    memset(index_of(counters, thread), 0, (size_t)counters->cells * 2 * sizeof(uint32_t));
    for (uint32_t i = 0; i < own_cells(counters, thread); i++) {
        const struct counters_cell *cell = cell_of(counters, thread, i);
        if (!is_free(cell)) {
            const uint64_t key[3] = {cell->route, cell->service, cell->endpoint};
            *index_slot(counters, thread, key) = i + 1;
        }
    }
}

static void count_free(const struct counters *counters, uint32_t thread)
{
    struct counters_upkeep *upkeep = upkeep_of(counters, thread);
    upkeep->free = 0;
    upkeep->free_from = 0;
    for (uint32_t i = 0; i < own_cells(counters, thread); i++) {
        upkeep->free += is_free(cell_of(counters, thread, i));
    }
}

/* All that was counted there; in_flight is 0. `from` is empty then. */
static void add_up(const struct counters_pool *pool, struct counters_cell *to,
                   struct counters_cell *from)
{
    const size_t first = offsetof(struct counters_cell, requests);
    uint64_t *sum = (void *)((char *)to + first);
    uint64_t *one = (void *)((char *)from + first);
    for (size_t i = 0; i < (offsetof(struct counters_cell, durations) - first) / 8; i++) {
        counters_add(&sum[i], one[i]);
        one[i] = 0;
    }
    for (size_t i = 0; i < COUNTERS_DURATIONS; i++) {
        counters_histogram_move(pool, &to->durations[i], &from->durations[i]);
    }
}

static bool lives(const struct counters_living *living, bool (*question)(void *, uint64_t),
                  uint64_t id)
{
    return id == 0 || question(living->context, id);
}

static void rename_cell(struct counters_cell *cell, const uint64_t key[3])
{
    cell_begin(cell);
    cell->route = key[0];
    cell->service = key[1];
    cell->endpoint = key[2];
}

/* Takes the cell's key away: what it counted goes to the cell that stands for those that are gone;
 * is there none, it becomes that cell. True: it is free. */
static bool retire(const struct counters *counters, uint32_t thread, uint32_t i, uint64_t route,
                   bool service_lives)
{
    struct counters_cell *cell = cell_of(counters, thread, i);
    const struct counters_pool pool = counters_pool_of(counters, thread);
    const uint64_t none[3] = {0}, key[3] = {route, cell->service, 0};
    if (!service_lives) {
        cell_begin(cell);
        add_up(&pool, shared_cell(counters, thread), cell);
        rename_cell(cell, none);
        return true;
    }
    uint32_t *slot = index_slot(counters, thread, key);
    if (*slot != 0 && *slot < counters->cells) {
        cell_begin(cell);
        add_up(&pool, cell_of(counters, thread, *slot - 1), cell);
        rename_cell(cell, none);
        return true;
    }
    *slot = i + 1;
    rename_cell(cell, key);
    cell_end(cell);
    return false;
}

uint32_t counters_reclaim(const struct counters *counters, uint32_t thread,
                          const struct counters_living *living)
{
    struct counters_upkeep *upkeep = upkeep_of(counters, thread);
    uint32_t used = own_cells(counters, thread);
    uint32_t freed = 0;
    counters_begin(upkeep);
    for (uint32_t i = 0; i < used; i++) {
        const struct counters_cell *cell = cell_of(counters, thread, i);
        if (is_free(cell) || cell->in_flight) {
            continue;
        }
        bool service = lives(living, living->service, cell->service);
        bool route = lives(living, living->route, cell->route);
        if (!service || !route || !lives(living, living->endpoint, cell->endpoint)) {
            freed += retire(counters, thread, i, route ? cell->route : 0, service);
        }
    }
    make_index(counters, thread);
    count_free(counters, thread);
    counters_end(upkeep);
    return freed;
}

/* In the header: threads in the lower half, the first table in the upper. */
uint32_t counters_serving(const struct counters *counters, uint32_t *ret_first)
{
    uint32_t serving = __atomic_load_n(&counters->header->serving, __ATOMIC_RELAXED);
    if (ret_first) {
        *ret_first = serving >> 16;
    }
    return serving & UINT16_MAX;
}

void counters_serve(const struct counters *counters, uint32_t first, uint32_t threads)
{
    __atomic_store_n(&counters->header->serving, first << 16 | threads, __ATOMIC_RELAXED);
}

bool counters_settled(const struct counters *counters, uint64_t *ret_count)
{
    bool settled = true;
    *ret_count = 0;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    for (uint32_t t = 0; t < counters->threads; t++) {
        const struct counters_upkeep *upkeep = upkeep_of(counters, t);
        uint64_t ended = __atomic_load_n(&upkeep->ended, __ATOMIC_ACQUIRE);
        settled &= __atomic_load_n(&upkeep->begun, __ATOMIC_ACQUIRE) == ended;
        *ret_count += ended;
    }
    for (uint32_t t = 0; counters->older && t < counters->older->threads; t++) {
        settled &= counters_older_settled(counters->older, t, ret_count);
    }
    return settled;
}

/* What is left of the histograms: octaves that a cell names are its, all others are free. */
static void make_pool(const struct counters *counters, uint32_t thread)
{
    const struct counters_pool pool = counters_pool_of(counters, thread);
    uint8_t seen[COUNTERS_SEEN_SIZE] = {0};
    pool.upkeep->octaves_used = MIN(pool.upkeep->octaves_used, (uint64_t)pool.mask);
    for (uint32_t i = 0; i < counters_cells_used(counters, thread); i++) {
        struct counters_cell *cell = cell_of(counters, thread, i);
        for (size_t d = 0; d < COUNTERS_DURATIONS && !is_free(cell); d++) {
            counters_histogram_check(&pool, &cell->durations[d], seen);
        }
    }
    counters_pool_make(&pool, seen);
}

/* --- what an edge carries --- */

struct counters_carried *counters_carried_of(const struct counters *counters, uint32_t thread)
{
    return &upkeep_of(counters, thread)->carried;
}

/* Taken first: who is killed in between counts too little rather than twice. */
static void lose(struct counters_upkeep *upkeep, struct counters_carried *sum)
{
    struct counters_carried carried = upkeep->carried;
    if (carried.requests == 0 && carried.tunnels == 0) {
        return; /* do not touch pages nobody used */
    }
    upkeep->carried = (struct counters_carried){0};
    counters_carry(&upkeep->lost.requests, carried.requests);
    counters_carry(&upkeep->lost.tunnels, carried.tunnels);
    sum->requests += carried.requests;
    sum->tunnels += carried.tunnels;
}

struct counters_carried counters_lost(const struct counters *counters)
{
    struct counters_carried sum = {0};
    for (uint32_t t = 0; t < counters->threads; t++) {
        const struct counters_carried *lost = &upkeep_of(counters, t)->lost;
        sum.requests += __atomic_load_n(&lost->requests, __ATOMIC_RELAXED);
        sum.tunnels += __atomic_load_n(&lost->tunnels, __ATOMIC_RELAXED);
    }
    return sum;
}

void counters_begun(const struct counters *counters, int pid, struct counters_carried found)
{
    counters->header->found = found;
    __atomic_store_n(&counters->header->edge_pid, (uint32_t)pid, __ATOMIC_RELEASE);
}

bool counters_found(const struct counters *counters, int pid, struct counters_carried *ret)
{
    bool begun = __atomic_load_n(&counters->header->edge_pid, __ATOMIC_ACQUIRE) == (uint32_t)pid;
    *ret = counters->header->found;
    return begun;
}

/* --- an edge starts --- */

struct counters_carried counters_clear(const struct counters *counters, uint32_t first,
                                       uint32_t count)
{
    struct counters_carried lost = {0};
    counters_policy_clear(counters, first, count);
    for (uint32_t t = first; t < first + count && t < counters->threads; t++) {
        struct counters_thread *table = counters_thread_of(counters, t);
        struct counters_upkeep *upkeep = upkeep_of(counters, t);
        lose(upkeep, &lost);
        if (table->cells_used == 0 && table->connections == 0 && table->taken == 0 &&
            upkeep->begun == upkeep->ended) {
            continue; /* do not touch pages nobody used */
        }
        table->connections = 0;
        table->upstream_connections = 0;
        table->taken = 0;
        for (uint32_t i = 0; i < counters_cells_used(counters, t); i++) {
            cell_of(counters, t, i)->in_flight = 0;
        }
        make_index(counters, t);
        count_free(counters, t);
        make_pool(counters, t);
        upkeep->ended = upkeep->begun;
    }
    return lost;
}

/* --- reading --- */

uint32_t counters_tables(const struct counters *counters)
{
    return counters->threads + (counters->older ? counters->older->threads : 0);
}

bool counters_cell_read(const struct counters *counters, uint32_t thread, uint32_t i,
                        struct counters_cell *ret)
{
    if (i >= counters_cells_used(counters, thread)) {
        return false;
    }
    if (thread >= counters->threads) {
        return counters_older_cell(counters->older, thread - counters->threads, i, ret);
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
    if (thread >= counters->threads) {
        return counters_older_thread(counters->older, thread - counters->threads);
    }
    words_load(&copy, counters_thread_of(counters, thread), sizeof(copy));
    return copy;
}
