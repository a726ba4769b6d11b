/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of probes, in the counters' memory: written by thread 0 of the edge, read by its other
 * threads and by the core. They survive what the counters survive.
 */
#ifndef LINK_COUNTERS_PROBE_H
#define LINK_COUNTERS_PROBE_H

#include "link/counters.h"

enum { COUNTERS_PROBES_MAX = 4096, COUNTERS_PROBE_BODY_MAX = 96 };

enum counters_probe_status {
    COUNTERS_PROBE_UNKNOWN,
    COUNTERS_PROBE_PASSING,
    COUNTERS_PROBE_FAILING
};
struct counters_probe {
    uint32_t epoch;  /* as in a cell; odd while it is written */
    uint32_t status; /* enum counters_probe_status */
    uint64_t endpoint;
    int64_t at_wall_ns;
    uint64_t runs, failures;
    uint32_t failures_in_row, http_status, latency_us, error; /* errno of the last run, 0 = none */
    uint32_t body_len;
    char body[COUNTERS_PROBE_BODY_MAX];
};

/* Thread 0 only: the place of this endpoint's probe, made when there is none; NULL when full. Write
 * between counters_probe_begin and _end. */
struct counters_probe *counters_probe_get(const struct counters *counters, uint64_t endpoint);
struct counters_probe *counters_probe_find(const struct counters *counters, uint64_t endpoint);
/* Frees the places of endpoints that are not `wanted` any more (those an edge before us had). */
void counters_probe_sweep(const struct counters *counters,
                          bool (*wanted)(void *context, uint64_t endpoint), void *context);
void counters_probe_begin(struct counters_probe *probe);
void counters_probe_end(struct counters_probe *probe);
/* The i-th probe, i < COUNTERS_PROBES_MAX; false: unused, or being written (try again later). */
bool counters_probe_read(const struct counters *counters, uint32_t i, struct counters_probe *ret);

#endif
