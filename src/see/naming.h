/* SPDX-License-Identifier: Apache-2.0
 *
 * struct naming: keeps struct names up to date: looks into the snapshot that the keeper holds when
 * the bus says that it may have changed, and adds the replicas and routes that came by a delta.
 *
 *   1. The tail's worker reads the names, so they change between its passes only (`*busy`).
 *   2. A message of the bus may be ahead of the snapshot: it is looked at again, a few times, until
 *      its sequence has moved.
 */
#ifndef SEE_NAMING_H
#define SEE_NAMING_H

#include "base/vec.h"
#include "core/core.h"
#include "see/names.h"

struct naming {
    struct names names;
    /* private */
    struct core *core;
    const bool *busy;
    int looks;           /* how often to look at the snapshot; 0 = it is known */
    uint64_t published;  /* the snapshot that the last word was of */
    uint64_t cursor;     /* the last delta that was looked at */
    struct vec replicas; /* struct bus_id: to be added */
};

/* `busy` is true while another thread reads the names. Looks at the snapshot with the first
 * update. */
void naming_init(struct naming *naming, struct core *core, const bool *busy);
void naming_fini(struct naming *naming);
/* News of the bus: only noted. */
void naming_message(struct naming *naming, const struct bus_message *message);
/* An id is not known: look once more. */
void naming_missed(struct naming *naming);
/* Brings the names up to date if nobody reads them. */
void naming_update(struct naming *naming);

#endif
