/* SPDX-License-Identifier: Apache-2.0
 *
 * The rest of the API's resources (see status.h, whose rules for strings, times and unknown figures
 * hold here): instance, project, route, event, log line, mapping, plan.
 */
#ifndef SCHEMA_STATUS_MORE_H
#define SCHEMA_STATUS_MORE_H

#include "schema/status.h"

struct role_status {
    int64_t pid;
    int64_t threads; /* edge only, like what follows */
    int64_t moved, leaving;
};

struct instance_status {
    struct str id, version, state_dir, run_dir;
    int64_t started_at_ns;
    struct role_status keeper, core, edge;
    struct str sockmap;
    const struct str *projects;
    size_t projects_count;
};

struct service_counts {
    int64_t total, running, ready;
};

struct project_status {
    struct str tenant, name;
    int64_t generation;
    int32_t origin; /* enum origin_kind */
    struct str file;
    struct str state; /* "running", "degraded", "stopped" … */
    struct service_counts services;
    int64_t applied_at_ns;
};

/* A replica as the gateway sees it; the counts are those of the edge since the endpoint exists. */
struct endpoint_status {
    int64_t replica;
    struct str address; /* "127.0.0.1:20001" */
    bool ready, drained;
    int64_t weight, priority, requests, errors, in_flight;
    int64_t ejected_until_ns, ejections; /* by the service's policy; wall clock, 0: it is in */
    int64_t unbalanced; /* requests picked in turn: what the balancing goes by was not known */
};

struct route_status {
    struct str project, host, path, service;
    int32_t balance;    /* enum balance_kind, as the file says */
    int32_t effective;  /* what is done at this moment */
    struct str reason;  /* why that is something else; empty: it is not */
    struct str breaker; /* closed, open or half_open; empty: there is none */
    int64_t breaker_until_ns, opened, refused, under_way, connections, not_mirrored;
    int64_t limit; /* that `concurrency` has found, all threads together; 0: there is none */
    bool strip_prefix, passthrough;
    int64_t requests;            /* since the instance was started, of all replicas ever */
    const struct str *listeners; /* that serve it: "http://127.0.0.1:8080" */
    size_t listeners_count;
    const struct endpoint_status *endpoints;
    size_t endpoints_count;
};

/* Something that happened, as it lies in work.db. `seq` grows by one for each event of the instance
 * and never comes again: readers go on behind it. */
struct event_row {
    int64_t seq;
    int64_t time_ns;
    struct str kind;  /* "replica.started" */
    int32_t severity; /* enum event_severity */
    struct str tenant, project, service;
    int64_t replica;  /* 0 = none */
    struct str actor; /* "uid:1000", "token:…", "muelle" */
    struct str cause; /* request id or event that led to it */
    struct str message;
    struct str data; /* JSON; empty = null */
};

/* A line of a service's output. `offset`: bytes that its replica's stream had written when the line
 * ended, counted from the first byte ever written. */
struct log_line {
    int64_t time_ns;
    struct str project, service;
    int64_t replica; /* 0 = the access log */
    int32_t stream;  /* enum log_stream */
    struct str message;
    int64_t offset;
};

/* One row of GET /api/mappings: host port → service → replica. */
struct mapping_row {
    struct str listen; /* "http://127.0.0.1:8080" */
    struct str host, path;
    struct str project, service;
    int64_t replica;
    struct str address;
    int64_t pid;
    bool ready;
};

struct plan_step {
    struct str service, reason; /* "command changed" */
    struct str action; /* "create", "remove", "restart", "scale", "update", "follow", "unchanged" */
    struct str restart;        /* "none", "rolling", "stop_first"; empty: it is new, or goes */
    const struct str *changes; /* keys that differ; never their values */
    size_t changes_count;
};

/* One `metrics` item of the live stream. */
struct metrics_row {
    struct str project, service;
    int64_t replica; /* 0 = the whole service */
    double cpu_percent;
    int64_t memory_bytes;
    double requests_per_s, errors_per_s, p50_ms, p99_ms;
};

#endif
