/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tail_source: lines that do not come from output files (the access log) and share the order
 * of times. A source takes part in the tail's passes, so that its lines get their times where all
 * others get theirs (tail.h, law 3).
 *
 * Happy path: tail_kick → take (loop) → run (worker) → done (loop). What `take` has set aside is
 * the worker's until `done`; whatever comes meanwhile waits for the next pass.
 */
#ifndef SEE_TAIL_SOURCE_H
#define SEE_TAIL_SOURCE_H

#include "base/list.h"
#include "base/vec.h"

struct tail_clock;

/* The caller's memory; all but `trim` must be set. */
struct tail_source {
    struct list node; /* private */
    /* Loop, before a pass: sets aside what is there. True: there is something to store. */
    bool (*take)(struct tail_source *self);
    /* Worker: stores it, each line with a time of `clock`. */
    void (*run)(struct tail_source *self, struct tail_clock *clock);
    /* Loop, behind the pass: lines got times in (from_ns, to_ns]. To go on with what is left, it
     * kicks the tail again. */
    void (*done)(struct tail_source *self, int64_t from_ns, int64_t to_ns);
    /* Worker, in a pass that trims: seals heads that began before `min_time` and adds the streams
     * that it writes to `open` (struct stream_id). 0 or -errno. NULL: it has no streams. */
    int (*trim)(struct tail_source *self, int64_t min_time, struct vec *open);
    int error; /* set by run: why not all was stored (the next pass comes after a rest); 0 */
};

#endif
