/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta log: small changes since the last snapshot, in keeper-held shared memory. The core
 * appends a delta *before* it rings the edge's bell, so a restarted edge (snapshot, then all deltas
 * behind its delta_base) stands where the dead one stood.
 *
 * One writer (core), any number of readers (edge threads, each with a cursor). Slots are a ring of
 * DELTA_SLOT bytes; a slot says its own sequence, written last. Invariants:
 *   1. slot (s - 1) mod capacity holds sequence s for base < s <= head: nothing a reader may need
 * is overwritten.
 *   2. head moves only after the slot is complete.
 * When the log is full the core publishes a new snapshot (delta_base = head) and moves the base.
 *
 * Routes come one by one, too: those that are new or have changed first, those that are gone behind
 * them, so that a route which moves to another service leads somewhere at every moment.
 */
#ifndef LINK_DELTA_H
#define LINK_DELTA_H

#include "link/snapshot_types.h"

enum {
    DELTA_SLOT = 320,
    DELTA_CAPACITY_DEFAULT = 1024,
    DELTA_ADDRESS_MAX = 120,
    DELTA_REPLICA_MAX = 64,
    DELTA_ROUTE_MAX = DELTA_ADDRESS_MAX + DELTA_REPLICA_MAX
};

enum delta_kind {
    DELTA_NONE,
    DELTA_ENDPOINT_SET,    /* new, or changed: everything about it */
    DELTA_ENDPOINT_STATE,  /* endpoint, endpoint_state */
    DELTA_ENDPOINT_REMOVE, /* requests in flight finish */
    DELTA_SERVICE_STATE,   /* service, service_state */
    DELTA_PROBE_NOW = 6,   /* endpoint: probe at once and from the fast end; 5 is free */
    DELTA_SNAPSHOT,        /* a new snapshot lies with the keeper: load it */
    DELTA_ROUTE_SET,       /* service, route: new, or in place of the one with its host and path */
    DELTA_ROUTE_REMOVE,    /* route.id, its host and path: unless they lead elsewhere by now */
    DELTA_KINDS
};

struct delta {
    uint64_t sequence; /* set by delta_log_append */
    enum delta_kind kind;
    uint64_t service, endpoint; /* stable ids; of a route: its own */
    union {
        struct {
            char address[DELTA_ADDRESS_MAX];
            char replica[DELTA_REPLICA_MAX];
        };
        char route[DELTA_ROUTE_MAX]; /* host, NUL, path, NUL */
    };
    enum snapshot_endpoint_state endpoint_state;
    union {
        uint32_t weight;
        uint32_t state_rest; /* DELTA_SERVICE_STATE: in the log (wire_state.h) */
    };
    enum snapshot_service_state service_state;
    uint32_t unused;
    uint32_t route_flags;
    struct snapshot_tunnel tunnel; /* of a route */
    uint64_t unused_too;
    struct snapshot_seat seat; /* DELTA_ENDPOINT_SET */
};

struct delta_log {
    struct delta_log_header *header; /* private layout */
    uint8_t *slots;
    uint32_t capacity;
    uint64_t *loads; /* LOADS words (link/loads.h); NULL: made by an older core, without them */
};

/* The delta that sets or removes this route (kind is the caller's). False: its texts are too long
 * for a delta. */
must_check bool delta_of_route(const struct snapshot_route *route, struct delta *ret);
/* The route of a delta that was read; its texts lie in the delta. */
struct snapshot_route delta_route(const struct delta *delta);

/* Bytes of shared memory for a log, and the loads behind it. */
size_t delta_log_size(uint32_t capacity);
/* Formats zeroed memory (core, once). The memory must be 64-aligned. */
void delta_log_format(void *memory, uint32_t capacity);
/* Opens formatted memory. 0 or -EINVAL. */
must_check int delta_log_open(void *memory, size_t size, struct delta_log *ret);

/* Core. Sequences start at 1. 0; DELTA_E_FULL: publish a snapshot first. */
enum { DELTA_E_FULL = 1 };
must_check int delta_log_append(struct delta_log *log, struct delta *delta);
/* After a snapshot with this delta_base lies with the keeper. */
void delta_log_set_base(struct delta_log *log, uint64_t base);
/* How far an edge is: the low halves of both sequences. */
static inline uint64_t delta_mark(uint64_t snapshot, uint64_t delta)
{
    return snapshot << 32 | (uint32_t)delta;
}
uint64_t delta_log_head(const struct delta_log *log);

/* Edge: the delta after *cursor, copied and then checked; moves the cursor. 0; DELTA_E_NONE:
 * nothing new; DELTA_E_LOST: overwritten or not understood: take the newest snapshot from the
 * keeper. */
enum { DELTA_E_NONE = 1, DELTA_E_LOST = 2 };
must_check int delta_log_read(const struct delta_log *log, uint64_t *cursor, struct delta *ret);

#endif
