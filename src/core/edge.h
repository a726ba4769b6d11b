/* SPDX-License-Identifier: Apache-2.0
 *
 * struct edge_link: the core's side of the shared memory between core and edge. It creates what is
 * missing (snapshot, delta log, counters, rings, bells) and gives it to the keeper to hold;
 * publishes snapshots and deltas; reads the rings, copying each record before it is looked at,
 * since edge bytes are hostile.
 *
 * Laws: 1. a delta is in the log before the edge is told; 2. the delta log moves its base only when
 * the snapshot that covers it lies with the keeper; 3. sequences of snapshots grow over restarts of
 * the core.
 */
#ifndef CORE_EDGE_H
#define CORE_EDGE_H

#include "base/list.h"
#include "base/str.h"

struct core;
struct counters;
struct delta;
struct delta_log;
struct edge_link;
struct ring_record;
struct snapshot_builder;

/* A record and where it lies: epoch and sequence name it for ever, so a reader that stores records
 * can recognise one that it got before a crash. */
struct edge_record {
    uint32_t ring;
    uint64_t epoch;
    uint64_t sequence;
    const struct ring_record *record;
};

/* A reader of ring records (access records, probe results). Memory of the caller. */
struct edge_reader {
    struct list node; /* private */
    /* Validated copies of one ring, oldest first; valid during the call. */
    void (*records)(struct edge_reader *self, const struct edge_record *records, size_t count);
    /* A reader that stores records says here behind which one it stands (0 = from the oldest); NULL
     * otherwise. */
    uint64_t (*position)(struct edge_reader *self, uint32_t ring, uint64_t epoch);
};

must_check int edge_link_new(struct core *core, struct edge_link **ret_link);
void edge_link_free(struct edge_link *link);
void edge_link_subscribe(struct edge_link *link, struct edge_reader *reader);
void edge_link_unsubscribe(struct edge_reader *reader);
/* One ring per edge thread; more are made when the number grows. */
must_check int edge_link_set_threads(struct edge_link *link, unsigned threads);

/* A whole new snapshot: finishes the builder and hands it to the keeper, then to the edge. The
 * newest one wins when several come fast. 0 or -errno; what was published before stays on failure.
 */
must_check int edge_link_publish(struct edge_link *link, struct snapshot_builder *builder);
/* The snapshot that the keeper holds, as the last core published it; for a core that starts. The
 * texts lie in `*ret_memory`, which the caller unmaps. 0 or -errno (there is none). */
struct shm;
struct snapshot;
must_check int edge_link_former(const struct edge_link *link, struct shm *ret_memory,
                                struct snapshot *ret);
/* The sequence of the last snapshot that the keeper took from this core; 0 = none yet (or no
 * link). */
uint64_t edge_link_published(const struct edge_link *link);
/* Is that the truth, but for the deltas behind it, or about to be? False: the keeper has not taken
 * the last one. */
bool edge_link_is_current(const struct edge_link *link);
/* Does the edge serve all that was published, by snapshot and deltas? Also true when no edge
 * runs. */
bool edge_link_is_taken(const struct edge_link *link);
/* Can the edge use the file of gateway.geo_database? What the core may read it may not: it has
 * given its rights up. Also true when no edge runs. */
bool edge_link_has_places(const struct edge_link *link);
/* The log of deltas, for reading; NULL until it exists. */
const struct delta_log *edge_link_deltas(const struct edge_link *link);
/* One small change, logged before the edge is told. 0; EDGE_E_FULL: publish a snapshot instead;
 * -errno. */
enum { EDGE_E_FULL = 1 };
must_check int edge_link_delta(struct edge_link *link, struct delta *delta);

/* How busy an endpoint is, in per mille (link/loads.h). Nobody is told: the edge looks. */
void edge_link_load(struct edge_link *link, uint64_t endpoint, unsigned per_mille);

/* The counters in shared memory, for reading; NULL until they exist. */
const struct counters *edge_link_counters(const struct edge_link *link);
/* Everything in front of `sequence` is stored by its reader: its places may be used again. */
void edge_link_commit(struct edge_link *link, uint32_t ring, uint64_t sequence);

/* Nothing was ever published: the edge still waits for what it is to be. */
bool edge_link_is_fresh(const struct edge_link *link);
/* From core.c: the keeper is there (again); it has a copy of something. Memory that cannot be had
 * is asked for again every second. */
void edge_link_keeper_ready(struct edge_link *link);
void edge_link_kept(struct edge_link *link, struct str name, int fd);

#endif
