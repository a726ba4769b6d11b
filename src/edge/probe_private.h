/* SPDX-License-Identifier: Apache-2.0
 *
 * struct probe: the probe of one endpoint, found by its id; between probe.c (which endpoints),
 * probe_run.c (one run) and probe_result.c (what it found out).
 */
#ifndef EDGE_PROBE_PRIVATE_H
#define EDGE_PROBE_PRIVATE_H

#include "edge/conn.h"
#include "edge/probe.h"

struct edge_probes {
    struct worker *worker; /* thread 0 */
    void (*changed)(struct worker *worker);
    struct map probes; /* endpoint id → struct probe */
};

struct probe {
    struct edge_probes *owner;
    uint64_t endpoint;
    struct timer timer; /* the next run, or the end of this one's patience */
    struct loop_fd watch;
    int fd; /* -1 = not running */
    bool sent;
    bool secure; /* by TLS, over `conn`, whose socket `fd` is */
    struct conn conn;
    char address[DELTA_ADDRESS_MAX]; /* as it was when the fast phase began */
    int64_t begun_ns;                /* of the fast phase */
    uint32_t delay_ms;               /* of the next fast run; 0 = the fast phase is over */
    uint32_t failures_in_row;
    int64_t run_ns;
    size_t answer_len;
    char *answer;            /* while running */
    struct probe_call *call; /* gRPC: while running */
    struct counters_probe *cell;
};

struct probe_result {
    int error; /* 0 or errno */
    unsigned http_status;
    struct str body;
};

enum { PROBE_FAST_FIRST_MS = 5 };

static inline struct endpoint *probe_endpoint(const struct probe *probe)
{
    return map_get(&probe->owner->worker->set.endpoints,
                   str_make((const char *)&probe->endpoint, 8));
}

static inline const struct snapshot_probe *probe_spec(const struct endpoint *endpoint)
{
    return &endpoint->service->spec.probe;
}

/* Connects and asks; the answer, or its time-out (probe->timer), ends in probe_finish. */
void probe_run(struct probe *probe, const struct endpoint *endpoint);
/* The result of a run; the next one is scheduled. */
void probe_finish(struct probe *probe, const struct probe_result *result);
void probe_fail(struct probe *probe, int error);
void probe_write_cell(struct probe *probe, const struct probe_result *result, uint32_t latency_us,
                      uint32_t status);
/* Ends a run without a result. */
void probe_hang_up(struct probe *probe);

#endif
