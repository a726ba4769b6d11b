/* SPDX-License-Identifier: Apache-2.0
 *
 * struct edge_link: the core's side of the shared memory between core and edge. It creates what is
 * missing (snapshot, delta log, counters, rings, bells) and gives it to the keeper to hold;
 * publishes snapshots and deltas; reads the rings, copying each record before it is looked at,
 * since edge bytes are hostile.
 */
#ifndef CORE_EDGE_H
#define CORE_EDGE_H

#include "base/list.h"
#include "base/str.h"

struct core;
struct counters;
struct edge_link;
struct ring_record;

/* A reader of ring records (access records, probe results). Memory of the caller. */
struct edge_reader {
    struct list node; /* private */
    /* A batch of validated copies of one ring, oldest first; valid during the call. */
    void (*records)(struct edge_reader *self, const struct ring_record *records, size_t count);
};

must_check int edge_link_new(struct core *core, struct edge_link **ret_link);
void edge_link_free(struct edge_link *link);
void edge_link_subscribe(struct edge_link *link, struct edge_reader *reader);
void edge_link_unsubscribe(struct edge_reader *reader);

/* A whole new snapshot (link/snapshot.h bytes). 0 or -errno; what was published before stays on
 * failure. */
must_check int edge_link_publish(struct edge_link *link, struct str snapshot);
/* One small change (link/delta.h bytes), logged before the edge is told. 1 = log full: publish
 * instead. */
must_check int edge_link_delta(struct edge_link *link, struct str delta);

/* The counters in shared memory, for reading; NULL until they exist. */
const struct counters *edge_link_counters(const struct edge_link *link);
/* Records lost because a ring was full, ever. */
uint64_t edge_link_lost(const struct edge_link *link);

#endif
