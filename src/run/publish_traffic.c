/* SPDX-License-Identifier: Apache-2.0
 *
 * From a spec's durations and percents to the numbers of the snapshot. What a file leaves out stays
 * 0 there and is the reader's usual value, so that a default is written once.
 */
#include "run/publish_traffic.h"

#include "base/num.h"
#include "run/model.h"

static uint32_t ms(int64_t ns)
{
    return ns <= 0 ? 0 : (uint32_t)MIN((ns + NS_PER_MS - 1) / NS_PER_MS, (int64_t)86400000);
}

static uint32_t count(int64_t n)
{
    return (uint32_t)MIN(MAX(n, (int64_t)0), (int64_t)1000000);
}

static uint32_t permille(int64_t percent)
{
    return count(percent) * 10;
}

static bool named_by(const struct traffic_spec *traffic, struct str name)
{
    return (traffic->fallback.on && str_eq(traffic->fallback.service, name)) ||
           (traffic->mirror.on && str_eq(traffic->mirror.service, name));
}

bool publish_stands_in(const struct service_spec *spec, const struct project_spec *project)
{
    for (size_t i = 0; i < project->services_count; i++) {
        if (named_by(&project->services[i].traffic, spec->name)) {
            return true;
        }
    }
    return false;
}

static uint64_t id_of(const struct service *service, struct str name)
{
    return name.len ? link_id(str_from(service->project->tenant), str_from(service->project->name),
                              name, STR_NONE)
                    : 0;
}

static void set_bounds(const struct traffic_spec *traffic, struct snapshot_service *item,
                       struct snapshot_policy *policy)
{
    const struct timeouts_spec *times = &traffic->timeouts;
    item->connect_ms = ms(times->connect_ns);
    item->first_byte_ms = ms(times->first_byte_ns);
    item->idle_ms = ms(times->idle_ns);
    item->tunnel_idle_ms = ms(times->tunnel_idle_ns);
    item->stream_ms = ms(times->stream_ns);
    policy->total_ms = ms(times->total_ns);
    policy->queue_ms = ms(times->queue_ns);
    if (traffic->hold_ns >= 0) {
        item->hold_ms = traffic->hold_ns == 0 ? UINT32_MAX : ms(traffic->hold_ns);
    }
    if (traffic->body_size >= 0) {
        item->body_size = traffic->body_size == 0 ? UINT64_MAX : (uint64_t)traffic->body_size;
    }
}

_Static_assert((int)RETRY_UNAVAILABLE == (int)SNAPSHOT_RETRY_UNAVAILABLE &&
                   (int)RETRY_PATCH == (int)SNAPSHOT_METHOD_PATCH,
               "the same bits");

static void set_tries(const struct traffic_spec *traffic, struct snapshot_service *item,
                      struct snapshot_policy *policy)
{
    const struct retries_spec *retries = &traffic->retries;
    const struct hedge_conf *hedge = &traffic->hedge;
    policy->retry_buffer = retries->buffer > 0 ? (uint32_t)retries->buffer : UINT32_MAX;
    if (retries->on) {
        policy->parts |= SNAPSHOT_POLICY_RETRIES;
        item->retries = retries->attempts > 0 ? count(retries->attempts) : UINT32_MAX;
        policy->retry_header = retries->header;
        policy->retry_when = retries->when;
        policy->retry_methods = retries->methods;
        policy->retry_backoff_ms = ms(retries->backoff_ns);
        policy->retry_share_permille = permille(retries->budget);
        policy->retry_minimum = count(retries->minimum);
        policy->retry_window_ms = ms(retries->window_ns);
    }
    if (hedge->on) {
        bool neither = hedge->after_ns == 0 && hedge->percentile == 0;
        policy->parts |= SNAPSHOT_POLICY_HEDGE;
        policy->hedge_after_ms = ms(hedge->after_ns);
        policy->hedge_percentile = neither ? 95 : count(hedge->percentile);
        policy->hedge_share_permille = permille(hedge->budget);
    }
}

static void set_health(const struct traffic_spec *traffic, struct snapshot_policy *policy)
{
    const struct breaker_conf *breaker = &traffic->breaker;
    const struct outlier_conf *outlier = &traffic->outlier;
    if (breaker->on) {
        policy->parts |= SNAPSHOT_POLICY_BREAKER;
        policy->breaker_requests = count(breaker->requests);
        policy->breaker_connections = count(breaker->connections);
        policy->breaker_pending = count(breaker->pending);
        policy->breaker_consecutive = count(breaker->consecutive);
        policy->breaker_failures_permille = permille(breaker->failures);
        policy->breaker_minimum = count(breaker->minimum);
        policy->breaker_window_ms = ms(breaker->window_ns);
        policy->breaker_open_ms = ms(breaker->open_ns);
        policy->breaker_probes = count(breaker->probes);
    }
    if (outlier->on) {
        policy->parts |= SNAPSHOT_POLICY_OUTLIER;
        policy->outlier_consecutive = count(outlier->consecutive);
        policy->outlier_success_permille = permille(outlier->success);
        policy->outlier_latency_permille = (uint32_t)(outlier->latency * 1000);
        policy->outlier_minimum = count(outlier->minimum);
        policy->outlier_interval_ms = ms(outlier->interval_ns);
        policy->outlier_ejection_ms = ms(outlier->ejection_ns);
        policy->outlier_ejection_max_ms = ms(outlier->ejection_max_ns);
        policy->outlier_share_permille = permille(outlier->share);
    }
    if (traffic->slow_start_ns > 0) {
        policy->parts |= SNAPSHOT_POLICY_SLOW_START;
        policy->slow_start_ms = ms(traffic->slow_start_ns);
    }
}

static void set_load(const struct traffic_spec *traffic, struct snapshot_policy *policy)
{
    const struct queue_spec *queue = &traffic->queue;
    const struct concurrency_spec *concurrency = &traffic->concurrency;
    if (queue->on) {
        policy->parts |= SNAPSHOT_POLICY_QUEUE;
        policy->queue_length = count(queue->length);
        policy->queue_target_ms = ms(queue->target_ns);
        policy->queue_interval_ms = ms(queue->interval_ns);
        policy->queue_header = queue->priority_header;
    }
    if (concurrency->on) {
        policy->parts |= SNAPSHOT_POLICY_CONCURRENCY;
        policy->concurrency_kind = (uint32_t)concurrency->kind;
        policy->concurrency_initial = count(concurrency->initial);
        policy->concurrency_least = count(concurrency->least);
        policy->concurrency_most = count(concurrency->most);
        policy->concurrency_tolerance_permille = (uint32_t)(concurrency->tolerance * 1000);
        policy->concurrency_late_ms = ms(concurrency->late_ns);
    }
}

void publish_traffic(const struct service *service, struct snapshot_service *item,
                     struct snapshot_policy *policy)
{
    const struct traffic_spec *traffic = &service->spec->traffic;
    *policy = (struct snapshot_policy){0};
    set_bounds(traffic, item, policy);
    set_tries(traffic, item, policy);
    set_health(traffic, policy);
    set_load(traffic, policy);
    if (traffic->fallback.on) {
        policy->parts |= SNAPSHOT_POLICY_FALLBACK;
        policy->fallback_status = count(traffic->fallback.status);
        policy->fallback_service = id_of(service, traffic->fallback.service);
        policy->fallback_body = traffic->fallback.body;
        policy->fallback_type = traffic->fallback.content_type;
    }
    if (traffic->mirror.on) {
        policy->parts |= SNAPSHOT_POLICY_MIRROR;
        policy->mirror_permille = permille(traffic->mirror.share);
        policy->mirror_service = id_of(service, traffic->mirror.service);
    }
    item->policy = policy->parts || policy->total_ms ? policy : NULL;
}
