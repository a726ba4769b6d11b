/* SPDX-License-Identifier: Apache-2.0
 *
 * A service's policy from the snapshot, and its endpoints' ejections. What streams ask of it is in
 * policy_steps.c.
 */
#include "edge/policy_private.h"

#include "base/num.h"
#include "edge/cells.h"
#include "edge/mirror.h"
#include "edge/worker.h"
#include "edge/worker_life.h"

#include <stdlib.h>

_Static_assert(sizeof(struct breaker) <= sizeof(((struct counters_policy *)NULL)->words) &&
                   sizeof(struct outlier) <= sizeof(((struct counters_policy *)NULL)->words),
               "they live in the shared words");

/* --- from the snapshot --- */

static unsigned threads_of(const struct policy *policy)
{
    uint32_t threads = counters_serving(&policy->service->worker->counters, NULL);
    return MAX(threads, 1U);
}

static void set_specs(struct policy *policy)
{
    const struct snapshot_policy *spec = &policy->spec;
    policy->breaker_spec = (struct breaker_spec){
        .consecutive = spec->breaker_consecutive,
        .failures_permille = spec->breaker_failures_permille,
        .minimum = spec->breaker_minimum,
        .window_ms = spec->breaker_window_ms,
        .open_ms = spec->breaker_open_ms,
        .probes = spec->breaker_probes,
    };
    policy->outlier_spec = (struct outlier_spec){
        .consecutive = spec->outlier_consecutive,
        .success_permille = spec->outlier_success_permille,
        .latency_permille = spec->outlier_latency_permille,
        .minimum = spec->outlier_minimum,
        .interval_ms = spec->outlier_interval_ms,
        .ejection_ms = spec->outlier_ejection_ms,
        .ejection_max_ms = spec->outlier_ejection_max_ms,
        .share_permille = spec->outlier_share_permille,
    };
    /* The minimum of a second is for all threads, and a window is many seconds. */
    uint64_t minimum = (uint64_t)spec->retry_minimum * spec->retry_window_ms / threads_of(policy);
    policy->budget_spec = (struct retry_budget_spec){
        .share_permille = spec->retry_share_permille,
        .window_ms = spec->retry_window_ms,
        .minimum_permille = (uint32_t)MIN(minimum, (uint64_t)UINT32_MAX),
    };
    policy->hedges_spec = (struct retry_budget_spec){spec->hedge_share_permille, 10000, 1000};
    policy->hedge_spec = (struct hedge_spec){spec->hedge_after_ms, spec->hedge_percentile};
}

/* Without `queue` nobody waits but for a connection: another thread may have an idle one. */
static uint32_t queue_length(const struct policy *policy)
{
    const struct snapshot_policy *spec = &policy->spec;
    if (policy_has(policy, SNAPSHOT_POLICY_QUEUE)) {
        return spec->queue_length;
    }
    bool bound = policy_has(policy, SNAPSHOT_POLICY_BREAKER) && spec->breaker_connections > 0;
    uint32_t pending = spec->breaker_pending ? spec->breaker_pending : SERVICE_WAITERS_MAX;
    return bound ? pending : 0;
}

static void set_limits(struct policy *policy)
{
    const struct snapshot_policy *spec = &policy->spec;
    const struct limiter_spec limiter = {
        .kind = spec->concurrency_kind == LIMITER_AIMD ? LIMITER_AIMD : LIMITER_GRADIENT,
        .initial = spec->concurrency_initial,
        .least = spec->concurrency_least,
        .most = spec->concurrency_most,
        .window_ms = 100,
        .tolerance_permille = spec->concurrency_tolerance_permille,
        .late_ms = spec->concurrency_late_ms,
    };
    if (memcmp(&limiter, &policy->limiter_spec, sizeof(limiter)) != 0) {
        policy->limiter_spec = limiter;
        limiter_init(&policy->limiter, &limiter);
    }
    policy_show_limit(policy);
    policy->queue.count_max = queue_length(policy);
    policy->queue.codel_spec = (struct codel_spec){
        .target_ns = spec->queue_target_ms * NS_PER_MS,
        .interval_ns = spec->queue_interval_ms * NS_PER_MS,
    };
}

static int copy_texts(struct policy *policy, const struct snapshot_policy *spec)
{
    struct str *const targets[] = {&policy->spec.fallback_body, &policy->spec.fallback_type,
                                   &policy->spec.retry_header, &policy->spec.queue_header};
    const struct str sources[] = {spec->fallback_body, spec->fallback_type, spec->retry_header,
                                  spec->queue_header};
    size_t total = 1;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        total += sources[i].len;
    }
    char *texts = malloc(total);
    if (!texts) {
        return -ENOMEM;
    }
    free(policy->texts);
    policy->texts = texts;
    policy->spec = *spec;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (sources[i].len) {
            memcpy(texts, sources[i].p, sources[i].len);
        }
        *targets[i] = str_make(texts, sources[i].len);
        texts += sources[i].len;
    }
    return 0;
}

static struct policy *new_policy(struct service *service)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    if (!policy) {
        return NULL;
    }
    policy->service = service;
    request_queue_init(&policy->queue, 0, &(struct codel_spec){0});
    list_init(&policy->mirrors);
    policy_timers_init(policy);
    return policy;
}

/* Its place among the threads, if there is one for it. */
static void find_shared(struct policy *policy)
{
    struct worker *worker = policy->service->worker;
    if (!policy->shared || policy->shared->id != policy->service->spec.id) {
        policy->shared = counters_policy_get(&worker->counters, policy->service->spec.id);
    }
    policy->breaker =
        policy->shared ? (struct breaker *)(void *)policy->shared->words : &policy->own;
}

int policy_apply(struct service *service, const struct snapshot_policy *spec)
{
    static const struct snapshot_policy none = {0};
    if (!spec && !service->policy) {
        return 0;
    }
    struct policy *policy = service->policy ? service->policy : new_policy(service);
    if (!policy || copy_texts(policy, spec ? spec : &none) < 0) {
        if (policy != service->policy) {
            policy_free(policy);
        }
        return -ENOMEM;
    }
    service->policy = policy;
    find_shared(policy);
    policy_show(policy);
    set_specs(policy);
    set_limits(policy);
    bool pending = policy_has(policy, SNAPSHOT_POLICY_BREAKER) && policy->spec.breaker_pending > 0;
    service->waiters_max = pending ? policy->spec.breaker_pending : SERVICE_WAITERS_MAX;
    policy_timers_set(policy);
    return 0;
}

void policy_free(struct policy *policy)
{
    if (!policy) {
        return;
    }
    mirror_end_all(policy);
    policy_timers_cancel(policy);
    free(policy->texts);
    free(policy);
}

/* --- ejections --- */

static bool watches(const struct service *service)
{
    return policy_has(service->policy, SNAPSHOT_POLICY_OUTLIER);
}

static void find_outlier(struct endpoint *endpoint)
{
    struct worker *worker = endpoint->service->worker;
    if (!endpoint->policy || endpoint->policy->id != endpoint->id) {
        endpoint->policy = counters_policy_get(&worker->counters, endpoint->id);
    }
}

static struct outlier *outlier_of(const struct endpoint *endpoint)
{
    return endpoint->policy ? (struct outlier *)(void *)endpoint->policy->words : NULL;
}

bool policy_changed(const struct endpoint *endpoint)
{
    const struct outlier *outlier = outlier_of(endpoint);
    int64_t now_ns = endpoint->service->worker->loop.now_ns;
    return outlier && watches(endpoint->service) &&
           endpoint->ejected_until_ns != (outlier_out(outlier, now_ns) ? outlier->until_ns : 0);
}

/* Rather one that did badly than none at all. */
static bool nobody_left(const struct service *service)
{
    bool ejected = false;
    list_for_each (node, &service->endpoints) {
        const struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        if (endpoint_eligible(endpoint)) {
            return false;
        }
        ejected |= endpoint->ejected;
    }
    return ejected;
}

static void say_until(const struct endpoint *endpoint, int64_t until_ns)
{
    const struct loop *loop = &endpoint->service->worker->loop;
    __atomic_store_n(&endpoint->policy->until_wall_ns, loop->wall_ns + until_ns - loop->now_ns,
                     __ATOMIC_RELAXED);
}

static void look_at_ejections(struct service *service)
{
    struct policy *policy = service->policy;
    int64_t now_ns = service->worker->loop.now_ns;
    int64_t next_ns = INT64_MAX;
    list_for_each (node, &service->endpoints) {
        struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        endpoint->ejected = false;
        endpoint->ejected_until_ns = 0;
        if (watches(service)) {
            find_outlier(endpoint);
        }
        struct outlier *outlier = watches(service) ? outlier_of(endpoint) : NULL;
        if (outlier && outlier_shorten(outlier, &policy->outlier_spec, now_ns)) {
            say_until(endpoint, outlier->until_ns);
        }
        if (outlier && outlier_out(outlier, now_ns)) {
            endpoint->ejected = true;
            endpoint->ejected_until_ns = outlier->until_ns;
            next_ns = MIN(next_ns, outlier->until_ns);
        }
    }
    if (next_ns != INT64_MAX) {
        loop_timer_set(&service->worker->loop, &policy->back, next_ns);
    }
}

/* Thread 0 for all: they look again when they are told. Its level stays: who crashes each time is
 * out for longer each time. */
void policy_forget_ejection(struct endpoint *endpoint)
{
    struct worker *worker = endpoint->service->worker;
    struct outlier *outlier = outlier_of(endpoint);
    if (worker->index != 0 || !outlier || endpoint->policy->id != endpoint->id) {
        return;
    }
    bool was_out = outlier_out(outlier, worker->loop.now_ns);
    outlier_forget(outlier);
    __atomic_store_n(&endpoint->policy->until_wall_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&endpoint->policy->state, (uint32_t)COUNTERS_POLICY_WELL, __ATOMIC_RELAXED);
    if (was_out && worker->news && worker->news->health_changed) {
        worker->news->health_changed(worker);
    }
}

void policy_refresh(struct service *service)
{
    int64_t now_ns = service->worker->loop.now_ns;
    look_at_ejections(service);
    if (nobody_left(service)) {
        list_for_each (node, &service->endpoints) {
            list_entry(node, struct endpoint, node)->ejected = false;
        }
    }
    list_for_each (node, &service->endpoints) {
        struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        bool was = endpoint->served;
        endpoint->served = endpoint_eligible(endpoint);
        if (endpoint->served && !was) {
            endpoint->since_ns = now_ns;
        }
    }
}

static void say_ejected(struct endpoint *endpoint, enum outlier_reason reason)
{
    struct counters_policy *shared = endpoint->policy;
    const struct outlier *outlier = (const struct outlier *)(const void *)shared->words;
    __atomic_store_n(&shared->reason, (uint32_t)reason, __ATOMIC_RELAXED);
    say_until(endpoint, outlier->until_ns);
    __atomic_store_n(&shared->state, (uint32_t)COUNTERS_POLICY_EJECTED, __ATOMIC_RELAXED);
    __atomic_fetch_add(&shared->times, 1, __ATOMIC_RELAXED);
    counters_add(&cells_of(endpoint, NULL)->ejections, 1);
}

/* This thread sees it at once, the others with their mail. */
static void ejections_changed(struct service *service)
{
    struct worker *worker = service->worker;
    service_refresh(service);
    if (worker->news && worker->news->health_changed) {
        worker->news->health_changed(worker);
    }
}

void policy_endpoint_reported(struct endpoint *endpoint, bool failed, uint64_t latency_us)
{
    struct service *service = endpoint->service;
    const struct outlier_spec *spec = &service->policy->outlier_spec;
    struct outlier *outlier = outlier_of(endpoint);
    int64_t now_ns = service->worker->loop.now_ns;
    size_t out = 0;
    if (!outlier || !outlier_report(outlier, spec, failed, latency_us)) {
        return;
    }
    list_for_each (node, &service->endpoints) {
        const struct outlier *other = outlier_of(list_entry(node, struct endpoint, node));
        out += other && outlier_out(other, now_ns);
    }
    if (!endpoint->removed && outlier_room(spec, out, service->endpoint_count) &&
        outlier_eject(outlier, spec, now_ns)) {
        say_ejected(endpoint, OUTLIER_IN_A_ROW);
        ejections_changed(service);
    }
}

void policy_endpoint_waited(const struct endpoint *endpoint, uint64_t waited_us)
{
    if (watches(endpoint->service) && outlier_of(endpoint)) {
        outlier_waited(outlier_of(endpoint), waited_us);
    }
}

/* Thread 0, each interval. */
static void judge(struct timer *timer, int64_t now_ns)
{
    struct policy *policy = container_of(timer, struct policy, judge);
    struct service *service = policy->service;
    struct outlier_case cases[OUTLIERS_MAX];
    struct endpoint *endpoints[OUTLIERS_MAX];
    size_t count = 0;
    list_for_each (node, &service->endpoints) {
        struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        if (outlier_of(endpoint) && count < OUTLIERS_MAX) {
            endpoints[count] = endpoint;
            cases[count++] = (struct outlier_case){.outlier = outlier_of(endpoint)};
        }
    }
    if (outlier_judge(&policy->outlier_spec, cases, count, now_ns) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (cases[i].reason != OUTLIER_FINE && outlier_out(cases[i].outlier, now_ns) &&
                !endpoints[i]->ejected) {
                say_ejected(endpoints[i], cases[i].reason);
            }
        }
        ejections_changed(service);
    }
    policy_timers_set(policy);
}

static void back(struct timer *timer, int64_t now_ns)
{
    struct policy *policy = container_of(timer, struct policy, back);
    (void)now_ns;
    service_refresh(policy->service);
}

/* --- timers --- */

void policy_timers_init(struct policy *policy)
{
    timer_init(&policy->again, policy_queue_again);
    timer_init(&policy->judge, judge);
    timer_init(&policy->back, back);
}

void policy_timers_set(struct policy *policy)
{
    struct worker *worker = policy->service->worker;
    if (!watches(policy->service) || worker->index != 0) {
        loop_timer_cancel(&worker->loop, &policy->judge);
    } else if (!timer_armed(&policy->judge)) {
        loop_timer_after(&worker->loop, &policy->judge,
                         policy->outlier_spec.interval_ms * NS_PER_MS);
    }
}

void policy_timers_cancel(struct policy *policy)
{
    struct loop *loop = &policy->service->worker->loop;
    loop_timer_cancel(loop, &policy->again);
    loop_timer_cancel(loop, &policy->judge);
    loop_timer_cancel(loop, &policy->back);
}
