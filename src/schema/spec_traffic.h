/* SPDX-License-Identifier: Apache-2.0
 *
 * What `traffic:` of a service asks of the gateway (docs/gateway.md has each key with an example).
 * Durations are nanoseconds, 0 = the gateway's usual value. `on` is the first member of each part
 * that does something merely by being written: a part of presets that nobody wrote is off.
 */
#ifndef SCHEMA_SPEC_TRAFFIC_H
#define SCHEMA_SPEC_TRAFFIC_H

#include "schema/spec_spread.h"

enum traffic_protocol { TRAFFIC_HTTP1, TRAFFIC_HTTP2 };
enum socket_kind { SOCKET_TCP, SOCKET_LISTEN_FDS, SOCKET_PATH };
struct timeouts_spec {
    int64_t connect_ns, first_byte_ns, idle_ns, total_ns, queue_ns, tunnel_idle_ns, stream_ns;
};

/* Bits of retries_spec.when; names_retry_when in their order. */
enum retry_when {
    RETRY_CONNECT_FAILURE = 1,
    RETRY_RESET = 2,
    RETRY_TIMEOUT = 4,
    RETRY_429 = 8,
    RETRY_500 = 16,
    RETRY_502 = 32,
    RETRY_503 = 64,
    RETRY_504 = 128,
    RETRY_CANCELLED = 256, /* from here on of gRPC */
    RETRY_DEADLINE_EXCEEDED = 512,
    RETRY_INTERNAL = 1024,
    RETRY_RESOURCE_EXHAUSTED = 2048,
    RETRY_UNAVAILABLE = 4096,
};
/* Bits of retries_spec.methods; names_retry_method in their order. */
enum retry_method {
    RETRY_GET = 1,
    RETRY_HEAD = 2,
    RETRY_OPTIONS = 4,
    RETRY_PUT = 8,
    RETRY_DELETE = 16,
    RETRY_POST = 32,
    RETRY_PATCH = 64,
};

struct retries_spec {
    bool on;
    int64_t attempts; /* further ones */
    uint32_t when, methods;
    struct str header; /* of an answer that asks for another try; empty = none does */
    int64_t backoff_ns;
    int64_t budget;  /* percent */
    int64_t minimum; /* per second */
    int64_t window_ns;
    int64_t buffer; /* bytes */
};

struct hedge_conf {
    bool on;
    int64_t after_ns, percentile, budget;
};

struct breaker_conf {
    bool on;
    int64_t requests, connections, pending, consecutive, failures, minimum, window_ns, open_ns,
        probes;
};

struct outlier_conf {
    bool on;
    int64_t consecutive, success, minimum, interval_ns, ejection_ns, ejection_max_ns, share;
    double latency;
};

struct queue_spec {
    bool on;
    int64_t length, target_ns, interval_ns;
    struct str priority_header;
};

enum concurrency_kind { CONCURRENCY_GRADIENT, CONCURRENCY_AIMD };

struct concurrency_spec {
    bool on;
    int32_t kind; /* enum concurrency_kind */
    int64_t initial, least, most, late_ns;
    double tolerance;
};

struct fallback_spec {
    bool on;
    struct str service; /* empty: a page */
    struct str body, content_type;
    int64_t status;
};

struct mirror_spec {
    bool on;
    struct str service;
    int64_t share; /* percent */
};

struct traffic_spec {
    struct upstream_tls_spec tls;
    int32_t protocol, socket; /* enum traffic_protocol, enum socket_kind */
    int32_t announce;         /* proxy_protocol: its version; 0 = none */
    struct spread_spec spread;
    struct timeouts_spec timeouts;
    struct retries_spec retries;
    struct hedge_conf hedge;
    struct breaker_conf breaker;
    struct outlier_conf outlier;
    struct queue_spec queue;
    struct concurrency_spec concurrency;
    struct fallback_spec fallback;
    struct mirror_spec mirror;
    int64_t slow_start_ns;
    int64_t hold_ns, body_size; /* -1 = not said; 0 = not at all, without limit */
};

#endif
