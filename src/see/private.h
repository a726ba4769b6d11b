/* SPDX-License-Identifier: Apache-2.0
 *
 * struct see: the state of the room. Private to see/.
 *
 * Who touches what: `tail`, `logs`, `metrics`, `pss` are the loop's. During a pass of the tail the
 * worker reads `catalog` and `naming.names` and owns the tail's files and the access log's streams;
 * so the loop changes those between passes only (tail.running).
 */
#ifndef SEE_PRIVATE_H
#define SEE_PRIVATE_H

#include "see/access.h"
#include "see/naming.h"
#include "see/see.h"
#include "see/tail.h"

/* Of the pool: the tail's pass, one query and one reading of PSS, each a thread of its own, so that
 * none of them waits for another; threads start when they are needed. None has a second work in
 * flight, so no submit is refused for want of room. */
enum { SEE_WORKS = 3 };

struct logs_request;

struct logs_stats {
    uint64_t queries;
    uint64_t scanned_bytes;
};

struct logs {
    struct list queue; /* struct logs_request that wait */
    unsigned queued;
    struct logs_request *running;
    struct list followers;
    unsigned follower_count;
    bool stopped;
    struct loop_task start;
    struct logs_stats stats;
};

struct metrics;

struct see {
    struct core *core;
    struct worker_pool pool;
    bool pool_up;
    char logs_folder[STREAM_PATH_MAX];
    char output_folder[STREAM_PATH_MAX];
    struct vec catalog; /* struct stream_id; changed only while no pass runs */
    struct tail tail;
    struct logs logs;
    struct access_log access;
    struct naming naming;
    struct metrics *metrics;
    struct list pss; /* requests of pss.c */
    struct bus_subscriber subscriber;
};

must_check int metrics_new(struct see *see, struct metrics **ret);
void metrics_start(struct metrics *metrics);
void metrics_free(struct metrics *metrics);
void metrics_message(struct metrics *metrics, const struct bus_message *message);

void pss_fini(struct see *see);

void logs_init(struct logs *logs);
void logs_stop(struct logs *logs);
void logs_fini(struct logs *logs);
/* From the tail: these streams have new lines. */
void logs_committed(struct logs *logs, const struct stream_id *ids, size_t count);

#endif
