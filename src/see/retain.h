/* SPDX-License-Identifier: Apache-2.0
 *
 * How much log is kept: a budget of bytes and an age for the whole instance (`logging` of its
 * projects). The oldest sealed
 * files go first, whatever stream they belong to, so that a quiet service keeps its history beside
 * a chatty one. Blocks; on the tail's worker.
 */
#ifndef SEE_RETAIN_H
#define SEE_RETAIN_H

#include "base/num.h"
#include "see/stream.h"

struct retain {
    const char *logs;
    const struct vec *catalog; /* struct stream_id: all streams */
    const struct vec *open;    /* struct stream_id: those that are being written */
    uint64_t max_bytes;        /* of all sealed files */
    int64_t min_time;
    struct vec *gone; /* gets each struct stream_id that was removed as a whole; NULL: not asked */
};

/* What a round did, and what is left; the budget counts sealed files alone, as heads are
 * bounded. */
struct retain_result {
    uint64_t stored_bytes; /* sealed files that are left */
    uint64_t freed_bytes;
    uint64_t files;   /* removed */
    uint64_t streams; /* removed as a whole: nobody writes them any more and all was too old */
};

/* Removes sealed files until at most `max_bytes` are left and none ended before `min_time`, and
 * streams that ended before it. 0, or -errno of the first thing that could not be listed or
 * removed: that one is passed over, all others are trimmed, and what could be counted is in
 * *ret. */
must_check int retain_trim(const struct retain *retain, struct retain_result *ret);

#endif
