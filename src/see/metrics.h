/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures: requests, errors and durations per route, service and replica (from the edge's
 * counters), CPU and memory per replica and service (cgroup files, else /proc), and muelle's own
 * insides.
 *
 * One tick reads everything: once a second while somebody watches, every METRICS_IDLE_S seconds
 * otherwise. All answers come from memory; all functions on the core's loop.
 */
#ifndef SEE_METRICS_H
#define SEE_METRICS_H

#include "base/json.h"
#include "base/list.h"

struct see;

enum { METRICS_HISTORY = 300, METRICS_IDLE_S = 10 };

/* One service, or one replica, at one tick. Rates are over the time between its last two ticks. */
struct metrics_sample {
    int64_t wall_ns;   /* 0 = nothing known yet */
    float cpu_percent; /* 100 = one CPU; NaN = unknown: no process, or read only once so far */
    float requests_per_s;
    float errors_per_s; /* 5xx and requests that got no answer */
    float p50_ms;       /* NaN without requests */
    float p99_ms;
    uint32_t pids; /* 0 = unknown */
    uint32_t in_flight;
    uint64_t memory_bytes; /* cgroup memory.current, else the sum of RSS; 0 = unknown */
    uint64_t requests;     /* since ever */
    uint64_t errors;
};

/* The newest sample; false when the thing is not known. replica 0 = the whole service: its CPU,
 * memory and pids are the sums over its replicas, its requests are counted for it as a whole. */
bool metrics_latest(struct see *see, struct str project, struct str service, uint32_t replica,
                    struct metrics_sample *ret);
/* The last `count` (at most METRICS_HISTORY) samples of a service, oldest first; returns how
 * many. Histories are in memory: they begin with the core, and only the first METRICS_HISTORIES_MAX
 * services have one. */
size_t metrics_history(struct see *see, struct str project, struct str service,
                       struct metrics_sample *ret, size_t count);
/* Visits all services and replicas (replica 0 = the service), in the order they were met. */
typedef void metrics_visit_fn(void *arg, struct str project, struct str service, uint32_t replica,
                              const struct metrics_sample *sample);
void metrics_visit(struct see *see, metrics_visit_fn *visit, void *arg);

/* While at least one watches, the tick is 1 Hz; `tick` comes after each. The caller's memory.
 * Inside `tick` a watcher may take itself out, but no other one. */
struct metrics_watcher {
    struct list node; /* private */
    void (*tick)(struct metrics_watcher *self, int64_t wall_ns);
};
void metrics_watch(struct see *see, struct metrics_watcher *watcher);
void metrics_unwatch(struct metrics_watcher *watcher);

/* The exposition for GET /metrics: OpenMetrics 1.0, or the older Prometheus text for those who ask
 * for it (proto/openmetrics.h names the content types and decides by Accept). What is older than
 * half a second is read again. 0 or the buffer's error. */
must_check int metrics_write(struct see *see, bool prometheus, struct buf *out);
/* The same as one JSON object: GET /api/metrics. */
void metrics_write_json(struct see *see, struct json_writer *json);
/* One sample's members, without braces, as the SSE stream sends them. */
void metrics_sample_json(struct json_writer *json, const struct metrics_sample *sample);
/* Samples of metrics_history as columns: "time" (Unix seconds) and one array a figure, without
 * braces. */
void metrics_history_json(struct json_writer *json, const struct metrics_sample *samples,
                          size_t count);

#endif
