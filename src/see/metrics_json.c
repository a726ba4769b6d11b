/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures as JSON: GET /api/metrics and the members of a live sample. Unknown is null, so that a
 * chart has a gap there. A history goes out in columns: names once instead of three hundred times,
 * a tenth of the bytes.
 */
#include "base/timefmt.h"
#include "see/metrics_private.h"

#include <math.h>

/* Three digits behind the point: the rest is noise of the float. NaN stays NaN (null in JSON). */
static void write_number(struct json_writer *json, float value)
{
    double scaled = (double)value * 1000.0;
    json_double(json, scaled < 1e15 ? (double)(int64_t)(scaled + 0.5) / 1000.0 : (double)value);
}

/* 0 = unknown: null. */
static void write_known(struct json_writer *json, uint64_t value)
{
    if (value) {
        json_u64(json, value);
    } else {
        json_null(json);
    }
}

static void known(struct json_writer *json, const char *name, uint64_t value)
{
    json_key(json, str_from(name));
    write_known(json, value);
}

static void number(struct json_writer *json, const char *name, float value)
{
    json_key(json, str_from(name));
    write_number(json, value);
}

void metrics_sample_json(struct json_writer *json, const struct metrics_sample *sample)
{
    number(json, "cpu_percent", sample->cpu_percent);
    known(json, "memory_bytes", sample->memory_bytes);
    known(json, "pids", sample->pids);
    number(json, "requests_per_s", sample->requests_per_s);
    number(json, "errors_per_s", sample->errors_per_s);
    number(json, "p50_ms", sample->p50_ms);
    number(json, "p99_ms", sample->p99_ms);
    json_field(json, "in_flight", u64, sample->in_flight);
    json_field(json, "requests", u64, sample->requests);
    json_field(json, "errors", u64, sample->errors);
}

void metrics_history_json(struct json_writer *json, const struct metrics_sample *samples,
                          size_t count)
{
    static const struct {
        const char *name;
        size_t offset;
    } columns[] = {
        {"cpu_percent", offsetof(struct metrics_sample, cpu_percent)},
        {"requests_per_s", offsetof(struct metrics_sample, requests_per_s)},
        {"errors_per_s", offsetof(struct metrics_sample, errors_per_s)},
        {"p50_ms", offsetof(struct metrics_sample, p50_ms)},
        {"p99_ms", offsetof(struct metrics_sample, p99_ms)},
    };
    json_key(json, STR("time"));
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_i64(json, samples[i].wall_ns / NS_PER_S);
    }
    json_end_array(json);
    json_key(json, STR("memory_bytes"));
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        write_known(json, samples[i].memory_bytes);
    }
    json_end_array(json);
    for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
        json_key(json, str_from(columns[c].name));
        json_begin_array(json);
        for (size_t i = 0; i < count; i++) {
            float value;
            memcpy(&value, (const char *)&samples[i] + columns[c].offset, sizeof(value));
            write_number(json, value);
        }
        json_end_array(json);
    }
}

/* Percentiles of all requests since the counters were made; of the last seconds, see the sample.
 * What never happened is null. */
static void write_spread(struct json_writer *json, const struct metrics_thing *thing)
{
    static const char *const names[COUNTERS_DURATIONS] = {"total", "upstream", "first_byte",
                                                          "connect", "wait"};
    static const struct {
        const char *name;
        double quantile;
    } columns[] = {
        {"p50_ms", 0.5}, {"p90_ms", 0.9}, {"p95_ms", 0.95}, {"p99_ms", 0.99}, {"p999_ms", 0.999}};
    json_key(json, STR("durations"));
    json_begin_object(json);
    for (size_t d = 0; d < COUNTERS_DURATIONS; d++) {
        const struct histogram *now = thing->spread ? &thing->spread->now[d] : NULL;
        uint64_t count = now ? histogram_count(now, NULL) : 0;
        json_key(json, str_from(names[d]));
        if (!count) {
            json_null(json);
            continue;
        }
        json_begin_object(json);
        json_field(json, "count", u64, count);
        number(json, "mean_ms", (float)((double)thing->red.sum_us[d] / 1000.0 / (double)count));
        for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
            number(json, columns[c].name,
                   (float)histogram_quantile_ms(now, NULL, columns[c].quantile));
        }
        json_end_object(json);
    }
    json_end_object(json);
}

/* A service has "replica": null and no pid; so one kind of object serves both lists. */
static void write_thing(struct json_writer *json, const struct metrics_thing *thing)
{
    json_begin_object(json);
    json_field(json, "project", cstr, thing->id.project);
    json_field(json, "service", cstr, thing->id.service);
    json_key(json, STR("replica"));
    if (!thing->service) {
        json_null(json); /* the whole service */
    } else {
        json_u64(json, thing->id.replica);
        known(json, "pid", (uint64_t)MAX(thing->pid, 0));
    }
    metrics_sample_json(json, &thing->sample);
    json_field(json, "retries", u64, thing->red.retries);
    json_field(json, "ejections", u64, thing->red.ejections);
    json_field(json, "hedges", u64, thing->red.hedges);
    json_field(json, "mirrored", u64, thing->red.mirrored);
    json_field(json, "rejected", u64, thing->red.rejected);
    json_field(json, "bytes_in", u64, thing->red.bytes_in);
    json_field(json, "bytes_out", u64, thing->red.bytes_out);
    write_spread(json, thing);
    json_end_object(json);
}

static void write_things(struct json_writer *json, const struct metrics *metrics, bool replicas)
{
    json_begin_array(json);
    for (size_t i = 0; i < metrics->things.len; i++) {
        const struct metrics_thing *thing = metrics_thing_at(metrics, i);
        if (!thing->service != replicas) {
            write_thing(json, thing);
        }
    }
    json_end_array(json);
}

static void write_roles(struct json_writer *json, const struct metrics *metrics)
{
    json_begin_array(json);
    for (size_t i = 0; i < ARRAY_LEN(metrics->roles); i++) {
        json_begin_object(json);
        json_field(json, "role", cstr, metrics_role_names[i]);
        known(json, "pid", (uint64_t)metrics->roles[i].pid);
        known(json, "memory_bytes", metrics->roles[i].memory_bytes);
        json_field(json, "cpu_seconds", double, (double)metrics->roles[i].cpu_ns / 1e9);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_edge(struct json_writer *json, const struct metrics *metrics)
{
    const struct counters_thread *edge = &metrics->edge;
    json_begin_object(json);
    json_field(json, "accepted", u64, edge->accepted);
    json_field(json, "refused", u64, edge->refused);
    json_field(json, "connections", u64, edge->connections);
    json_field(json, "requests", u64, edge->requests);
    json_field(json, "bad_requests", u64, edge->bad_requests);
    json_field(json, "limit_connections", u64, edge->limit_connections);
    json_field(json, "limit_address_connections", u64, edge->limit_address_connections);
    json_field(json, "limit_address_rate", u64, edge->limit_address_rate);
    json_field(json, "limit_body_rate", u64, edge->limit_body_rate);
    json_field(json, "limit_read_rate", u64, edge->limit_read_rate);
    json_field(json, "limit_glitches", u64, edge->limit_glitches);
    json_field(json, "glitches", u64, edge->glitches);
    json_field(json, "bad_announcements", u64, edge->bad_announcements);
    json_field(json, "tls_handshakes", u64, edge->tls_handshakes);
    json_field(json, "tls_resumed", u64, edge->tls_resumed);
    json_field(json, "tls_failed", u64, edge->tls_failed);
    json_field(json, "no_route", u64, edge->no_route);
    json_field(json, "no_endpoint", u64, edge->no_endpoint);
    json_field(json, "held", u64, edge->held);
    json_field(json, "timeouts", u64, edge->timeouts);
    json_field(json, "tunnels", u64, edge->tunnels);
    json_field(json, "requests_lost", u64, metrics->lost.requests);
    json_field(json, "tunnels_lost", u64, metrics->lost.tunnels);
    json_field(json, "records_dropped", u64, edge->ring_dropped);
    json_field(json, "records_unsampled", u64, edge->unsampled);
    json_field(json, "durations_overflow", u64, edge->octaves_overflow);
    json_end_object(json);
}

static void write_logs(struct json_writer *json, const struct see *see)
{
    json_begin_object(json);
    json_field(json, "lines", u64, see->tail.stats.lines);
    json_field(json, "bytes", u64, see->tail.stats.bytes);
    json_field(json, "dropped_bytes", u64, see->tail.stats.dropped_bytes);
    json_field(json, "stored_bytes", u64, see->tail.stats.stored_bytes);
    json_field(json, "streams", u64, see->catalog.len);
    json_field(json, "disk_full", bool, see->tail.stats.full);
    json_field(json, "access_records", u64, see->access.stats.records);
    json_field(json, "access_records_dropped", u64, see->access.stats.dropped);
    json_field(json, "access_records_unwritten", u64, see->access.stats.unwritten);
    json_end_object(json);
}

static void write_core(struct json_writer *json, const struct metrics *metrics)
{
    const struct loop_stats *loop = &metrics->see->core->loop->stats;
    json_begin_object(json);
    json_field(json, "loop_turns", u64, loop->turns);
    json_field(json, "loop_stalls", u64, loop->stalls);
    json_field(json, "loop_longest_turn_ms", double, (double)loop->stall_max_ns / 1e6);
    json_field(json, "store_commits", u64, metrics->store.commits);
    json_field(json, "store_transactions", u64, metrics->store.transactions);
    json_field(json, "store_failures", u64, metrics->store.failed);
    json_field(json, "store_slowest_commit_ms", double, (double)metrics->store.slowest_ns / 1e6);
    json_end_object(json);
}

void metrics_write_json(struct see *see, struct json_writer *json)
{
    struct metrics *metrics = see->metrics;
    struct buf time = BUF_INIT(64);
    metrics_refresh(metrics);
    timefmt_rfc3339(&time, core_wall(see->core));
    json_begin_object(json);
    json_field(json, "time", str, buf_str(&time));
    buf_fini(&time);
    json_key(json, STR("services"));
    write_things(json, metrics, false);
    json_key(json, STR("replicas"));
    write_things(json, metrics, true);
    json_key(json, STR("edge"));
    write_edge(json, metrics);
    json_key(json, STR("logs"));
    write_logs(json, see);
    json_key(json, STR("core"));
    write_core(json, metrics);
    json_key(json, STR("roles"));
    write_roles(json, metrics);
    json_end_object(json);
}
