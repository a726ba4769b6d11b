/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run found out: to the probe's cell, to the ring when a person would want it, to those who
 * ask whom to send to; and when the next run is.
 *
 * 1. A failure counts only when the fast phase and the start period are over: before that it means
 *    "not yet". `retries` of them in a row make it fail, one success makes it pass.
 * 2. A record is written when the status changes and for each failure that counts; that all is well
 *    is no news.
 */
#include "base/num.h"
#include "edge/probe_call.h"
#include "edge/probe_private.h"

#include <stdlib.h>

enum { FAST_SHARE = 8, JITTER_PERCENT = 10 };

void probe_hang_up(struct probe *probe)
{
    if (probe->secure) {
        conn_close(&probe->conn);
        probe->secure = false;
        probe->fd = -1;
    } else if (probe->fd >= 0) {
        loop_fd_remove(&probe->owner->worker->loop, &probe->watch);
        sock_close(&probe->fd);
    }
    free(probe->answer);
    probe->answer = NULL;
    probe_call_free(probe->call);
    probe->call = NULL;
}

static void write_record(struct probe *probe, const struct endpoint *endpoint,
                         const struct probe_result *result, uint32_t latency_us)
{
    struct worker *worker = probe->owner->worker;
    struct ring_record *record = ring_next(&worker->ring);
    if (!record) {
        counters_add(&worker->stats->ring_dropped, 1);
        return;
    }
    record->kind = RING_PROBE;
    record->probe = (struct ring_probe){
        .at_wall_ns = worker->loop.wall_ns,
        .service = endpoint->service->spec.id,
        .endpoint = endpoint->id,
        .latency_us = latency_us,
        .failures_in_row = probe->failures_in_row,
        .http_status = (uint16_t)MIN(result->http_status, 999U),
        .status = probe->cell ? (uint8_t)probe->cell->status : 0,
        .error = result->error,
        .body_len = (uint8_t)MIN(result->body.len, (size_t)RING_BODY_MAX),
    };
    if (record->probe.body_len) {
        memcpy(record->probe.body, result->body.p, record->probe.body_len);
    }
    ring_publish(&worker->ring);
    worker_ring_written(worker);
}

void probe_write_cell(struct probe *probe, const struct probe_result *result, uint32_t latency_us,
                      uint32_t status)
{
    struct counters_probe *cell = probe->cell;
    bool well = result->error == 0;
    counters_probe_begin(cell);
    cell->at_wall_ns = probe->owner->worker->loop.wall_ns;
    cell->runs++;
    cell->failures += !well;
    cell->failures_in_row = probe->failures_in_row;
    cell->http_status = result->http_status;
    cell->latency_us = latency_us;
    cell->error = (uint32_t)result->error;
    cell->body_len = (uint32_t)MIN(result->body.len, (size_t)COUNTERS_PROBE_BODY_MAX);
    if (cell->body_len) {
        memcpy(cell->body, result->body.p, cell->body_len);
    }
    __atomic_store_n(&cell->status, status, __ATOMIC_RELAXED);
    counters_probe_end(cell);
}

/* While it has never been well since it started, failures only mean "not yet". */
static bool failures_count(const struct probe *probe, const struct snapshot_probe *spec)
{
    int64_t age_ns = probe->owner->worker->loop.now_ns - probe->begun_ns;
    return probe->delay_ms == 0 && age_ns >= spec->start_period_ms * NS_PER_MS;
}

static void schedule(struct probe *probe, const struct snapshot_probe *spec)
{
    struct worker *worker = probe->owner->worker;
    uint64_t delay_ms = probe->delay_ms;
    if (delay_ms == 0) {
        delay_ms = rng_jitter(&worker->loop.rng, spec->interval_ms, JITTER_PERCENT);
    }
    loop_timer_after(&worker->loop, &probe->timer, (int64_t)delay_ms * NS_PER_MS);
}

/* The fast phase ends with success, or after two intervals and the start period. Its steps grow
 * with the age, so that whatever the time an application needs, it serves an eighth of it later at
 * most. */
static void next_step(struct probe *probe, const struct snapshot_probe *spec, bool well)
{
    int64_t now_ns = probe->owner->worker->loop.now_ns;
    uint64_t age_ms = (uint64_t)MAX(now_ns - probe->begun_ns, INT64_C(0)) / NS_PER_MS;
    bool over = age_ms >= 2 * (uint64_t)spec->interval_ms && age_ms >= spec->start_period_ms;
    if (well || over || probe->delay_ms == 0) {
        probe->delay_ms = 0;
    } else if (spec->start_interval_ms) {
        probe->delay_ms = spec->start_interval_ms;
    } else {
        uint64_t step_ms = MAX(age_ms / FAST_SHARE, (uint64_t)PROBE_FAST_FIRST_MS);
        probe->delay_ms = (uint32_t)MIN(step_ms, (uint64_t)spec->interval_ms);
    }
}

void probe_finish(struct probe *probe, const struct probe_result *result)
{
    struct worker *worker = probe->owner->worker;
    struct endpoint *endpoint = probe_endpoint(probe);
    if (!endpoint) {
        probe_hang_up(probe);
        return;
    }
    const struct snapshot_probe *spec = probe_spec(endpoint);
    uint32_t latency_us = (uint32_t)((worker->loop.now_ns - probe->run_ns) / NS_PER_US);
    bool well = result->error == 0;
    uint32_t before = probe->cell ? probe->cell->status : COUNTERS_PROBE_UNKNOWN;
    uint32_t status = before;
    if (well) {
        probe->failures_in_row = 0;
        status = COUNTERS_PROBE_PASSING;
    } else if (failures_count(probe, spec)) {
        probe->failures_in_row++;
        status = probe->failures_in_row >= spec->retries ? COUNTERS_PROBE_FAILING : before;
    }
    if (probe->cell) {
        probe_write_cell(probe, result, latency_us, status);
    }
    if (status != before || (!well && probe->failures_in_row > 0)) {
        write_record(probe, endpoint, result, latency_us);
    }
    if (status != before) {
        probe->owner->changed(probe->owner->worker);
    }
    next_step(probe, spec, well);
    probe_hang_up(probe);
    schedule(probe, spec);
}

void probe_fail(struct probe *probe, int error)
{
    probe_finish(probe, &(struct probe_result){.error = error < 0 ? -error : error});
}
