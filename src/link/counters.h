/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of the edge in memory that the keeper holds: they survive reloads and crashes.
 *
 * One table per edge thread, so every cell has one writer and counting is a plain load and store;
 * the core adds the tables up. A cell is named by (route, service, endpoint) stable ids: route ×
 * service × replica. It outlives its key, so that a scrape still sees what a replica did that is
 * gone; only when the table is full the writer gives back the cells of keys that the last snapshot
 * and deltas do not name any more (counters_reclaim): what they counted goes to the cell of their
 * route and service without an endpoint, else of their service, else to the last cell (all ids 0).
 * When every key lives, further ones share that last cell, and `cells_overflow` counts them.
 *
 * 1. A cell's counters only grow while its `epoch` stays.
 * 2. epoch is odd while the key changes and while the cell is free (the reader skips it).
 * 3. The sum over the cells of a service never falls while the service lives; nor does that over
 *    all cells. A reader that must not see a sum in the middle asks counters_settled.
 * 4. A cell with a request in flight is not given back: who holds its address holds in_flight.
 * 5. An edge that starts sets in_flight to 0 and counts what was carried as lost (counters_clear).
 *
 * Memory of an older layout (before an upgrade) is not written to any more, and read on: it is a
 * further table behind the others (`older`), whose cells look like ours (counters_older.c).
 */
#ifndef LINK_COUNTERS_H
#define LINK_COUNTERS_H

#include "link/counters_carried.h"
#include "link/counters_histogram.h"

enum {
    COUNTERS_HALF = 16, /* threads of one edge: two may serve at once, each with its half */
    COUNTERS_THREADS_MAX = 2 * COUNTERS_HALF,
    COUNTERS_CELLS_DEFAULT = 32768, /* per thread; untouched pages cost nothing */
};

struct counters_cell {
    uint32_t epoch; /* even = valid; changes when the cell gets another key */
    uint32_t in_flight;
    uint64_t route, service, endpoint; /* stable ids */
    uint64_t requests;
    uint64_t status[6];           /* [0] no answer sent (client gone), [1]…[5] = 1xx…5xx */
    uint64_t bytes_in, bytes_out; /* bodies, as the client sent and got them */
    uint64_t connects, connect_errors, retries, errors; /* 502, 504 by the edge, broken bodies */
    uint64_t ejections,                                 /* of the endpoint, for its failures */
        hedges,                                         /* second tries beside the first */
        rejected,     /* turned away by a breaker, a full queue or a limit */
        unbalanced;   /* picked in turn: the signal that the balancing goes by was missing */
    uint64_t tunnels; /* connections of tcp and tls listeners that were carried: no status */
    uint64_t mirrored /* copies sent */, unused;
    struct counters_histogram durations[COUNTERS_DURATIONS]; /* enum counters_duration */
};

/* What one thread counts besides its cells. */
struct counters_thread {
    uint64_t accepted, refused, connections /* open now */, requests, bad_requests, no_route,
        no_endpoint, held, timeouts, tunnels, ring_dropped, cells_used, cells_overflow,
        upstream_connections, snapshots, deltas;
    uint64_t octaves_overflow /* durations that found no place in a histogram */,
        unsampled /* requests without a record, as the configuration says */;
    uint64_t limit_address_connections, limit_address_rate, limit_body_rate, limit_read_rate,
        limit_glitches, glitches, bad_announcements /* PROXY headers */;
    uint64_t moved /* connections of the edge before */,
        no_places /* 1: geo_database is of no use */, tls_handshakes, tls_resumed, tls_failed,
        limit_connections, taken /* delta_mark of what who comes meets; 0: nobody comes to it */;
};

struct counters {
    struct counters_header *header; /* private layout */
    uint32_t threads, cells, octaves;
    const struct counters *older; /* memory of an older layout, only read; NULL = none */
};

size_t counters_size(uint32_t threads, uint32_t cells);
/* Formats zeroed memory (64-aligned). */
void counters_format(void *memory, uint32_t threads, uint32_t cells);
/* 0 or -EINVAL: not of this layout. */
must_check int counters_open(void *memory, size_t size, struct counters *ret);

/* --- writers: one edge thread per table --- */
struct counters_thread *counters_thread_of(const struct counters *counters, uint32_t thread);
/* The cell of this key, made when there is none; never NULL. Its address is good until the next
 * counters_reclaim, and longer while its in_flight is not 0. */
struct counters_cell *counters_cell_get(const struct counters *counters, uint32_t thread,
                                        uint64_t route, uint64_t service, uint64_t endpoint);
bool counters_full(const struct counters *counters, uint32_t thread);
/* Which ids are still counted; 0 is not asked for. */
struct counters_living {
    bool (*route)(void *context, uint64_t id);
    bool (*service)(void *context, uint64_t id);
    bool (*endpoint)(void *context, uint64_t id);
    void *context;
};
/* Gives back cells whose ids are gone, and keeps their sums; returns how many. */
uint32_t counters_reclaim(const struct counters *counters, uint32_t thread,
                          const struct counters_living *living);
/* Nothing is open there: an edge starts, or the one before it has ended. Returns what is lost. */
struct counters_carried counters_clear(const struct counters *counters, uint32_t first,
                                       uint32_t count);
void counters_serve(const struct counters *counters, uint32_t first, uint32_t threads);

static inline void counters_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}
/* Where a thread's durations are counted (counters_observe). */
struct counters_pool counters_pool_of(const struct counters *counters, uint32_t thread);
/* --- reader: the core; `thread` < counters_tables --- */
/* Tables to be read: those of an older layout come last. */
uint32_t counters_tables(const struct counters *counters);
/* Copies cell i of a table; false: unused, or being re-keyed. */
bool counters_cell_read(const struct counters *counters, uint32_t thread, uint32_t i,
                        struct counters_cell *ret);
/* Threads of the edge that runs, or ran last; 0: none did. *ret_first: its first table. */
uint32_t counters_serving(const struct counters *counters, uint32_t *ret_first);
/* False: cells are being given back now. What was read between two that are settled, with the same
 * *ret_count, is whole. */
bool counters_settled(const struct counters *counters, uint64_t *ret_count);
uint32_t counters_cells_used(const struct counters *counters, uint32_t thread); /* read [0, n) */
struct counters_thread counters_thread_read(const struct counters *counters, uint32_t thread);

#endif
