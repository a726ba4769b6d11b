/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tail: when the services' output is read. It learns of output files from the bus and by
 * looking into STATE/output, is woken by inotify, and runs passes on a worker: each pass reads what
 * is new in the files that changed, stores it, and gives all its lines times in one order.
 *
 *   1. One pass at a time; while it runs, the files are the worker's (struct tail_file), all else
 *      the loop's.
 *   2. The first write after quiet is read at once; under load there is a pass every TAIL_PAUSE_NS,
 *      and inotify is not even looked at in between.
 *   3. `committed_ns` moves when a pass is over: readers see lines up to it, so that none ever
 *      appears in front of a cursor.
 *
 *   4. Losses are said as events, one a minute and stream, as sums: none stays unsaid.
 *   5. Nothing stored is removed before the budget is known (core->logging).
 *
 * A full disk: the lines stay where they are, in the output files; it is said once and tried again
 * each second. Idle: no timer is armed, nothing wakes up.
 */
#ifndef SEE_TAIL_H
#define SEE_TAIL_H

#include "base/map.h"
#include "core/core.h"
#include "os/notify.h"
#include "os/worker.h"
#include "see/tail_file.h"
#include "see/tail_source.h"

#define TAIL_PAUSE_NS  (20 * NS_PER_MS)
#define TAIL_SYNC_NS   (1 * NS_PER_S)
#define TAIL_RETRY_NS  (1 * NS_PER_S)
#define TAIL_REMOVE_NS (2 * NS_PER_S)
#define TAIL_SAY_NS    (60 * NS_PER_S) /* between two events of a stream about losses */
/* A file that nobody opened for so long after the start belongs to a replica that is no more. */
#define TAIL_ORPHAN_NS (60 * NS_PER_S)
/* Old logs are looked for after so much was stored, and each hour. */
#define TAIL_TRIM_BYTES ((uint64_t)64 * 1024 * 1024)
#define TAIL_TRIM_NS    (3600 * NS_PER_S)

enum { TAIL_FILES_MAX = 16384, TAIL_PASS_BYTES = 8 * 1024 * 1024 };

struct tail_stats {
    uint64_t lines, bytes;  /* stored, since the start */
    uint64_t dropped_bytes; /* lost to a limit */
    uint64_t truncations;   /* by services */
    uint64_t passes;
    uint64_t stored_bytes; /* all segments on disk, as last counted */
    bool full;             /* the disk */
    uint64_t full_dropped; /* dropped_bytes when it became so */
};

struct tail_entry;

struct tail_ops {
    /* Streams got lines; called once per pass, after committed_ns moved. `ids` are the streams. */
    void (*committed)(void *arg, const struct stream_id *ids, size_t count);
    /* Before a pass begins, on the loop: the last moment to change what sources read. May be
     * NULL. */
    void (*before)(void *arg);
    void *arg;
};

struct tail {
    struct core *core;
    struct worker_pool *pool;
    struct tail_ops ops;
    struct vec *catalog; /* of streams, see.c's */
    const char *logs;    /* folders */
    const char *output;
    struct notify notify;
    struct map entries; /* "shop/web-1.out" -> struct tail_entry */
    struct list sources;
    int64_t committed_ns;
    struct tail_stats stats;
    /* private */
    struct work work;
    struct tail_clock clock; /* the worker's during a pass */
    struct vec pass;         /* the entries of the running pass */
    struct vec changed;      /* their ids, afterwards */
    bool running;
    bool stopped;
    bool kicked; /* a source has work */
    bool failed; /* the last pass: the next one waits longer */
    bool missed; /* memory was out for something that was told of */
    bool want_sync, pass_syncs;
    bool want_trim, pass_trims;
    struct core_logging pass_keeps; /* the instance's budget */
    uint64_t untrimmed_bytes;       /* stored since the last trim */
    uint64_t stored_bytes;          /* the worker's count */
    struct vec gone;                /* struct stream_id: what the pass's trim removed as a whole */
    int trim_error, trim_error_said;
    int64_t last_pass_ns;
    struct loop_task start_task;
    struct timer pause;
    struct timer sync;
    struct timer remove;
    struct timer say;
    struct timer trim;
};

must_check int tail_init(struct tail *tail, struct core *core, struct worker_pool *pool);
/* Looks at what lies in the output folder and begins. 0 or -errno. */
must_check int tail_start(struct tail *tail);
/* Begins no pass any more; one that runs goes on, and its results are not taken in: nothing is lost
 * by that, since places are found in the segments. The pool is to be ended before tail_fini. */
void tail_stop(struct tail *tail);
void tail_fini(struct tail *tail);
/* News of the bus: outputs opened and closed, replicas and projects removed. */
void tail_message(struct tail *tail, const struct bus_message *message);
void tail_add_source(struct tail *tail, struct tail_source *source);
/* A source has something to store. From the loop, also inside its `done`. */
void tail_kick(struct tail *tail);

#endif
