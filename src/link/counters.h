/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of the edge in keeper-held shared memory: they survive reloads and crashes of edge and
 * core.
 *
 * One table per edge thread, so every cell has one writer and counting is a plain load and store;
 * the core adds the tables up. A cell is named by (route, endpoint) stable ids: route × service ×
 * replica. When a table is full, further keys share its last cell (both ids 0) and `cells_overflow`
 * counts them. Invariants: 1. a cell's counters only grow while its `epoch` stays; 2. epoch is odd
 * while the key changes (the reader skips the cell); 3. an edge that starts sets in_flight to 0 in
 * the tables it takes over.
 *
 * Histograms are log-linear (4 buckets per power of two) in microseconds: 0…3 exact, then 2^k·(1 +
 * j/4).
 */
#ifndef LINK_COUNTERS_H
#define LINK_COUNTERS_H

#include "base/str.h"

enum {
    COUNTERS_THREADS_MAX = 16,
    COUNTERS_CELLS_DEFAULT = 4096, /* per thread; untouched pages cost nothing */
    COUNTERS_BUCKETS = 108,        /* up to 2^27 us, about 134 s; the last takes the rest */
    COUNTERS_PROBES_MAX = 4096,
    COUNTERS_PROBE_BODY_MAX = 96,
};

struct counters_cell {
    uint32_t epoch; /* even = valid; changes when the cell gets another key */
    uint32_t in_flight;
    uint64_t route, service, endpoint; /* stable ids */
    uint64_t requests;
    uint64_t status[6];           /* [0] no answer sent (client gone), [1]…[5] = 1xx…5xx */
    uint64_t bytes_in, bytes_out; /* bodies, as the client sent and got them */
    uint64_t connects, connect_errors, retries,
        errors; /* errors: 502, 504 made by the edge, broken bodies */
    uint64_t latency_sum_us;
    uint64_t latency[COUNTERS_BUCKETS]; /* first byte of the request to last byte of the answer */
};

/* What one thread counts besides its cells. */
struct counters_thread {
    uint64_t accepted, refused, connections /* open now */, requests, bad_requests, no_route,
        no_endpoint, held;
    uint64_t timeouts, tunnels, ring_dropped, cells_used, cells_overflow, upstream_connections,
        snapshots, deltas;
};

enum counters_probe_status {
    COUNTERS_PROBE_UNKNOWN,
    COUNTERS_PROBE_PASSING,
    COUNTERS_PROBE_FAILING
};
struct counters_probe {
    uint32_t epoch;  /* as in a cell; odd while it is written */
    uint32_t status; /* enum counters_probe_status */
    uint64_t endpoint;
    int64_t at_wall_ns;
    uint64_t runs, failures;
    uint32_t failures_in_row, http_status, latency_us, error; /* errno of the last run, 0 = none */
    uint32_t body_len;
    char body[COUNTERS_PROBE_BODY_MAX];
};

struct counters {
    struct counters_header *header; /* private layout */
    uint32_t threads, cells;
};

size_t counters_size(uint32_t threads, uint32_t cells);
/* Formats zeroed memory (64-aligned). */
void counters_format(void *memory, uint32_t threads, uint32_t cells);
/* 0 or -EINVAL. */
must_check int counters_open(void *memory, size_t size, struct counters *ret);

/* --- writers: one edge thread per table --- */
struct counters_thread *counters_thread_of(const struct counters *counters, uint32_t thread);
/* The cell of this key, made when there is none; never NULL. Its address is stable; keep it in the
 * route. */
struct counters_cell *counters_cell_get(const struct counters *counters, uint32_t thread,
                                        uint64_t route, uint64_t service, uint64_t endpoint);
/* An edge that starts: no request is in flight, no connection open. */
void counters_take_over(const struct counters *counters);
/* Thread 0 only: the place of this endpoint's probe, made when there is none; NULL when full. Write
 * between counters_probe_begin and _end. */
struct counters_probe *counters_probe_get(const struct counters *counters, uint64_t endpoint);
struct counters_probe *counters_probe_find(const struct counters *counters, uint64_t endpoint);
/* Frees the places of endpoints that are not `wanted` any more (those an edge before us had). */
void counters_probe_sweep(const struct counters *counters,
                          bool (*wanted)(void *context, uint64_t endpoint), void *context);
void counters_probe_begin(struct counters_probe *probe);
void counters_probe_end(struct counters_probe *probe);

static inline void counters_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}
unsigned counters_bucket(uint64_t us);
uint64_t counters_bucket_low(unsigned bucket); /* smallest value in it */

/* --- reader: the core --- */
/* Copies cell i of a table; false: unused, or being re-keyed. */
bool counters_cell_read(const struct counters *counters, uint32_t thread, uint32_t i,
                        struct counters_cell *ret);
/* How many cells of a table may be in use: read [0, n). */
uint32_t counters_cells_used(const struct counters *counters, uint32_t thread);
struct counters_thread counters_thread_read(const struct counters *counters, uint32_t thread);
/* The i-th probe, i < COUNTERS_PROBES_MAX; false: unused, or being written (try again later). */
bool counters_probe_read(const struct counters *counters, uint32_t i, struct counters_probe *ret);

#endif
