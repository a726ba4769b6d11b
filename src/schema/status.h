/* SPDX-License-Identifier: Apache-2.0
 *
 * The resources of the API as C structs: what run/ and see/ fill in and face/ sends out (by the
 * tables of resource.h).
 *
 * Strings are borrowed: valid as long as whoever fills the struct says, which for run_services and
 * its kind is the life of the arena they were given. Arrays likewise. Copying a struct copies no
 * text.
 *
 * Unknown figures: NaN for doubles, 0 for pids, ports and times: encoded as null. Times are wall
 * clock nanoseconds since 1970. Numbers are int64_t throughout, as JSON and the tables have one
 * integer.
 *
 * Names of the enums stand in their tables (names_…) in the same order; the words are a contract,
 * the numbers are not.
 */
#ifndef SCHEMA_STATUS_H
#define SCHEMA_STATUS_H

#include "base/str.h"

/* Its drawing, with who may follow whom, is run/replica.c's. CRASHED waits for its next start; a
 * COMPLETED one ended with success and is not started again. */
enum replica_state {
    REPLICA_PENDING,
    REPLICA_STARTING,
    REPLICA_RUNNING,
    REPLICA_UNHEALTHY,
    REPLICA_STOPPING,
    REPLICA_STOPPED,
    REPLICA_CRASHED,
    REPLICA_COMPLETED,
};
enum health_state { HEALTH_UNKNOWN, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };
enum log_stream { LOG_STDOUT, LOG_STDERR, LOG_SYSTEM, LOG_ACCESS };
enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_ERROR };
enum origin_kind { ORIGIN_FILE, ORIGIN_API };

/* The last probe, successful or not. `body` is the beginning of an answer or of a command's
 * output. */
struct probe_status {
    int64_t status; /* HTTP status, exit code, or 0 = no answer */
    struct str body;
    int64_t time_ns;
};

struct replica_status {
    struct str tenant, project, service;
    int64_t replica; /* from 1 */
    int32_t state;   /* enum replica_state */
    int32_t health;  /* enum health_state; UNKNOWN = no health check */
    int64_t pid, port;
    int64_t restarts;
    int64_t started_at_ns;
    bool exited;         /* `exit` holds; else null */
    int64_t exit_code;   /* 128 + signal when killed, as shells say it */
    int64_t retry_at_ns; /* of a crashed one: when it is started again; 0 = it is not */
    struct str reason;   /* for people: "exited 1 after 3 s, last line: …" */
    double cpu_percent;
    int64_t memory_bytes;
    struct probe_status probe;
};

/* running: a process is there. ready: it gets requests (healthy, or no health check). */
struct replica_counts {
    int64_t desired;    /* 0 while it is stopped */
    int64_t configured; /* the file's number or an override's, also while it is stopped */
    int64_t running, ready;
};

struct port_status {
    struct str address; /* of the listener: "127.0.0.1:5432" */
    int64_t published, target;
    struct str protocol;
};

/* What was changed at run time and wins over the file until `reset`, or until the file changes
 * it. */
struct override_status {
    struct str field;
    struct str value; /* JSON */
    struct str actor;
    int64_t time_ns;
};

struct service_status {
    struct str tenant, project, name;
    int32_t state;  /* enum replica_state: the worst of its replicas that matters */
    int32_t health; /* enum health_state */
    struct str reason;
    struct replica_counts replicas;
    int64_t restarts;
    double cpu_percent;
    int64_t memory_bytes, pids;
    const struct port_status *ports;
    size_t ports_count;
    const struct str *urls;
    size_t urls_count;
    const struct str *depends_on;
    size_t depends_on_count;
    int64_t generation;
    int32_t origin; /* enum origin_kind */
    const struct override_status *overrides;
    size_t overrides_count;
    int64_t started_at_ns;
    struct str spec; /* JSON (schema_render_service_json); empty in lists */
};

#endif
