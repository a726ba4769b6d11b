/* SPDX-License-Identifier: Apache-2.0
 *
 * struct access_log: the edge's ring records become lines of the access log, one stream per project
 * (service "edge"); each message is a JSON object.
 *
 *   1. A ring record is committed (its place may be used again) after its line is stored.
 *   2. A line carries its ring's epoch and the record's sequence (as source and offset), so a
 *      record that is met again after a crash is recognised and not stored twice.
 *
 * A full disk makes records wait, in the rings and then in `pending`; what does not fit there is
 * dropped and counted. So is at once what cannot be stored for a reason that waiting does not mend.
 */
#ifndef SEE_ACCESS_H
#define SEE_ACCESS_H

#include "core/edge.h"
#include "link/ring.h"
#include "see/access_format.h"
#include "see/names.h"
#include "see/tail.h"

enum {
    ACCESS_PENDING_MAX = 16384,
    ACCESS_PROJECTS_MAX = 1024, /* whose streams are open at once */
    ACCESS_RINGS_MAX = 32,
    ACCESS_EPOCHS_MAX = 64,
};

/* A record, copied out of its ring, whose place stays taken until the line is stored. */
struct access_item {
    uint32_t ring;
    uint64_t epoch;
    uint64_t sequence;
    struct access_entry entry;
};

/* Since the start of this core. `dropped` is what the promise "loss only by counted overflow" is
 * about: what the edge itself could not put into a full ring is counted there
 * (counters_thread.ring_dropped). */
struct access_stats {
    uint64_t records; /* stored */
    uint64_t admin;   /* requests to muelle itself: not stored */
    uint64_t dropped; /* the disk was full too long, or their stream cannot be written */
    uint64_t doubled; /* recognised after a crash */
    uint64_t
        unwritten; /* lines that are stored, but not in the file that the configuration names */
};

struct access_stream;

struct access_log {
    struct core *core;
    struct tail *tail;
    const struct names *names; /* changed by the loop while no pass runs */
    struct vec *catalog;
    const char *logs;
    struct edge_reader reader;
    struct tail_source source;
    struct vec pending; /* struct access_item: the loop's */
    struct vec taken;   /* the worker's during a pass */
    size_t stored;      /* of taken */
    int error;          /* of the pass: why records wait */
    int refused;        /* of the pass: why records were dropped; 0 = none was */
    int refused_said;
    uint64_t batches;   /* ever */
    struct map streams; /* tenant/project -> struct access_stream; the worker's */
    struct ring_more more[ACCESS_RINGS_MAX];  /* that the next record of the ring belongs to */
    uint64_t more_sequence[ACCESS_RINGS_MAX]; /* of that record; 0 = none */
    int unwritten, unwritten_said;            /* of the pass: why the copy in a file is not whole */
    struct access_stats work;                 /* the worker's count */
    struct access_stats stats;
};

/* Zeroed but for `names`, `catalog` and `logs` before; registers with the tail. 0 or -errno. */
must_check int access_init(struct access_log *log, struct core *core, struct tail *tail);
/* From now on the rings are read. */
void access_start(struct access_log *log);
/* When the pool has ended: what is not stored stays in the rings for the next core. */
void access_fini(struct access_log *log);

#endif
