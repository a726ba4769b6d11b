/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot says of how requests to a service are cared for (part of link/snapshot_types.h).
 */
#ifndef LINK_SNAPSHOT_POLICY_H
#define LINK_SNAPSHOT_POLICY_H

#include "base/str.h"

/* When a request is sent once more (retry_when). */
enum snapshot_retry {
    SNAPSHOT_RETRY_CONNECT = 1,
    SNAPSHOT_RETRY_RESET = 2,
    SNAPSHOT_RETRY_TIMEOUT = 4,
    SNAPSHOT_RETRY_429 = 8,
    SNAPSHOT_RETRY_500 = 16,
    SNAPSHOT_RETRY_502 = 32,
    SNAPSHOT_RETRY_503 = 64,
    SNAPSHOT_RETRY_504 = 128,
    /* Of gRPC: */
    SNAPSHOT_RETRY_CANCELLED = 256,
    SNAPSHOT_RETRY_DEADLINE_EXCEEDED = 512,
    SNAPSHOT_RETRY_INTERNAL = 1024,
    SNAPSHOT_RETRY_RESOURCE_EXHAUSTED = 2048,
    SNAPSHOT_RETRY_UNAVAILABLE = 4096,
};
/* Which methods may arrive twice (retry_methods). */
enum snapshot_method {
    SNAPSHOT_METHOD_GET = 1,
    SNAPSHOT_METHOD_HEAD = 2,
    SNAPSHOT_METHOD_OPTIONS = 4,
    SNAPSHOT_METHOD_PUT = 8,
    SNAPSHOT_METHOD_DELETE = 16,
    SNAPSHOT_METHOD_POST = 32,
    SNAPSHOT_METHOD_PATCH = 64,
};
enum snapshot_policy_part { /* bits of policy.parts */
                            SNAPSHOT_POLICY_RETRIES = 1,
                            SNAPSHOT_POLICY_HEDGE = 2,
                            SNAPSHOT_POLICY_BREAKER = 4,
                            SNAPSHOT_POLICY_OUTLIER = 8,
                            SNAPSHOT_POLICY_SLOW_START = 16,
                            SNAPSHOT_POLICY_QUEUE = 32,
                            SNAPSHOT_POLICY_CONCURRENCY = 64,
                            SNAPSHOT_POLICY_FALLBACK = 128,
                            SNAPSHOT_POLICY_MIRROR = 256,
};
/* How requests to a service are cared for: numbers, which the wire has as they are and the reader
 * bounds, then references. A part whose bit is not set is off and its numbers mean nothing. */
enum { SNAPSHOT_POLICY_NUMBERS = 50 };
struct snapshot_policy {
    uint32_t parts;
    uint32_t total_ms; /* the whole request; 0 = no limit. No part: alone it is no part */
    uint32_t queue_ms;
    uint32_t retry_when, retry_methods, retry_backoff_ms;
    uint32_t retry_share_permille, retry_minimum /* a second */, retry_window_ms;
    uint32_t hedge_after_ms, hedge_percentile, hedge_share_permille;
    uint32_t breaker_requests, breaker_pending, breaker_consecutive, breaker_failures_permille,
        breaker_minimum, breaker_window_ms, breaker_open_ms, breaker_probes;
    uint32_t outlier_consecutive, outlier_success_permille, outlier_latency_permille,
        outlier_minimum, outlier_interval_ms, outlier_ejection_ms, outlier_ejection_max_ms,
        outlier_share_permille;
    uint32_t slow_start_ms;
    uint32_t queue_length, queue_target_ms, queue_interval_ms;
    uint32_t concurrency_kind, concurrency_initial, concurrency_least, concurrency_most,
        concurrency_tolerance_permille, concurrency_late_ms;
    uint32_t fallback_status;
    uint32_t mirror_permille;
    uint32_t retry_buffer;        /* bytes of a body that are kept; UINT32_MAX = none */
    uint32_t breaker_connections; /* to all endpoints together; 0 = no limit */
    uint32_t reserved[8];
    uint64_t fallback_service, mirror_service; /* ids; 0 or unknown = none */
    struct str fallback_body, fallback_type;   /* the page, and its Content-Type */
    struct str retry_header, queue_header;     /* names of fields */
};

#endif
