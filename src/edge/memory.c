/* SPDX-License-Identifier: Apache-2.0
 *
 * Mapping what the keeper holds. Each part that is missing or damaged is replaced by private memory
 * of the same form: the edge serves without anybody who reads. Only memory that cannot be had at
 * all is an error. What a dead edge left in the counters is put right before the first request
 * (counters_clear).
 */
#include "edge/memory.h"

#include "os/entropy.h"
#include "os/proc.h"

static int map_or_make(struct shm *shm, int fd, size_t size)
{
    int own = -1;
    if (fd >= 0 && shm_map(shm, fd, true) == 0) {
        return 0;
    }
    int r = shm_create("muelle-edge-private", size, &own);
    if (r < 0) {
        return r;
    }
    r = shm_map(shm, own, true);
    sock_close(&own);
    return r;
}

static int open_counters(struct edge_shared *shared, int fd)
{
    size_t size = counters_size(COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT);
    int r = map_or_make(&shared->counters_shm, fd, size);
    if (r == 0) {
        r = counters_open(shared->counters_shm.p, shared->counters_shm.size, &shared->counters);
    }
    if (r == -EINVAL) {
        shm_unmap(&shared->counters_shm);
        r = map_or_make(&shared->counters_shm, -1, size);
        if (r == 0) {
            counters_format(shared->counters_shm.p, COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT);
            r = counters_open(shared->counters_shm.p, size, &shared->counters);
        }
    }
    return r;
}

static int open_ring(struct edge_shared *shared, unsigned i, int fd)
{
    struct shm *shm = &shared->ring_shm[i];
    size_t size = ring_size(RING_CAPACITY_DEFAULT);
    int r = map_or_make(shm, fd, size);
    if (r == 0) {
        r = ring_open(shm->p, shm->size, &shared->rings[i]);
    }
    if (r == -EINVAL) {
        shm_unmap(shm);
        r = map_or_make(shm, -1, size);
        if (r == 0) {
            ring_format(shm->p, RING_CAPACITY_DEFAULT, entropy_seed());
            r = ring_open(shm->p, shm->size, &shared->rings[i]);
        }
    }
    return r;
}

int memory_open(struct edge_shared *shared, const struct edge_memory *memory, unsigned threads)
{
    int r = open_counters(shared, memory->counters);
    for (unsigned i = memory->first; r == 0 && i < memory->first + threads; i++) {
        r = open_ring(shared, i, memory->rings[i]);
    }
    if (r < 0) {
        return r;
    }
    if (memory->deltas >= 0 && shm_map(&shared->deltas_shm, memory->deltas, false) == 0) {
        shared->has_deltas =
            delta_log_open(shared->deltas_shm.p, shared->deltas_shm.size, &shared->deltas) == 0;
    }
    struct counters_carried lost =
        counters_clear(&shared->counters, memory->beside ? memory->first : 0,
                       memory->beside ? COUNTERS_HALF : COUNTERS_THREADS_MAX);
    counters_serve(&shared->counters, memory->first, threads);
    counters_begun(&shared->counters, proc_own_pid(), lost);
    return 0;
}

void memory_close(struct edge_shared *shared)
{
    shm_unmap(&shared->deltas_shm);
    shm_unmap(&shared->counters_shm);
    for (unsigned i = 0; i < COUNTERS_THREADS_MAX; i++) {
        shm_unmap(&shared->ring_shm[i]);
    }
}
