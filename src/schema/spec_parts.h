/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a service's and a gateway's spec (see spec.h). Everything lies in the arena of the
 * project_spec it belongs to and is constant once loaded. Durations are nanoseconds.
 */
#ifndef SCHEMA_SPEC_PARTS_H
#define SCHEMA_SPEC_PARTS_H

#include "schema/spec_listen.h"
#include "schema/spec_route.h"
#include "schema/spec_spread.h"

/* A name and its text. Values of environment variables are secrets. */
struct spec_pair {
    struct str name;
    struct str value;
};

enum depends_condition { DEPENDS_STARTED, DEPENDS_HEALTHY, DEPENDS_COMPLETED };

struct depends_spec {
    struct str service;
    int32_t condition; /* enum depends_condition */
    bool restart;      /* restart with it, when muelle restarts it */
    bool required;     /* false: a missing or disabled service is no error */
};

enum restart_mode { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_UNLESS_STOPPED, RESTART_NO };

struct restart_spec {
    int32_t mode; /* enum restart_mode; a process without `restart:` is restarted on failure */
    int64_t max_attempts; /* 0 = no limit (on-failure:n) */
    int64_t initial_ns;   /* the first restart is at once; then this, times factor, up to max */
    int64_t max_ns;
    double factor;
    int64_t reset_ns; /* up for so long: the count starts again */
};

enum health_kind { HEALTH_NONE, HEALTH_COMMAND, HEALTH_HTTP, HEALTH_TCP, HEALTH_GRPC };

struct health_spec {
    int32_t kind;           /* enum health_kind; NONE also when disabled */
    const struct str *argv; /* COMMAND; CMD-SHELL has become /bin/sh -c */
    size_t argv_count;
    struct str http_path; /* HTTP: request target, "/healthz"; GRPC: service, empty = the server */
    int64_t http_port;    /* HTTP, TCP: 0 = the replica's PORT */
    struct str http_host; /* HTTP: Host header; empty = localhost */
    int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
    int64_t retries;
};

enum port_protocol { PORT_TCP, PORT_UDP };

struct port_spec {
    struct str host_ip;    /* empty = all addresses */
    int64_t published;     /* first published port; 0 = chosen by muelle */
    int64_t published_end; /* last one; == published when it is no range */
    int64_t target;        /* first target port; the range runs along */
    int32_t protocol;      /* enum port_protocol */
};

struct ulimit_spec {
    struct str name;    /* nofile, nproc, core … as in setrlimit, lower case */
    int64_t soft, hard; /* -1 = unlimited */
};

enum logging_mode { LOGGING_FILE, LOGGING_PIPE };

struct logging_spec {
    int32_t mode;        /* enum logging_mode */
    int64_t burst_bytes; /* unread output kept at most */
    int64_t max_bytes;   /* stored log of this service at most; 0 = the instance's budget */
    int64_t max_age_ns;  /* 0 = no limit */
};

struct limits_spec {
    double cpus;          /* 0 = no limit */
    int64_t memory_bytes; /* 0 = no limit */
    int64_t pids;         /* 0 = no limit */
};

enum watch_action {
    WATCH_RESTART,
    WATCH_REBUILD,
    WATCH_SYNC,
    WATCH_SYNC_RESTART,
    WATCH_SYNC_EXEC,
};

struct watch_spec {
    struct str path; /* absolute */
    struct str target;
    int32_t action; /* enum watch_action */
    const struct str *ignore;
    size_t ignore_count;
};

#endif
