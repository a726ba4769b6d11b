/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stream asks of its service's policy: may it go, how did it go, somewhere else? (Once more:
 * policy_retry.c.)
 *
 * Places: a request needs one while it is with a replica. There are as many as `breaker.requests`
 * (all threads together; each may exceed it by one when they look at the same moment) and as the
 * limiter finds (this thread's). Who finds none waits in the queue. A place that is free goes to
 * the first of the queue at once (grant), not to whoever comes by. With `breaker.connections` a
 * place is also a connection (policy_room.c).
 *
 * A request is one success or one failure to a breaker that is closed, however many tries it had:
 * the last one counts of which that is known. Who probes a half-open one has no second try.
 */
#include "base/num.h"
#include "edge/affinity.h"
#include "edge/call.h"
#include "edge/cells.h"
#include "edge/exchange.h"
#include "edge/mirror.h"
#include "edge/policy_private.h"
#include "edge/reply.h"
#include "edge/second.h"
#include "edge/stream_private.h"
#include "edge/worker.h"
#include "traffic/slow_start.h"

enum { QUEUE_LOOK_MS = 2, RETRY_AFTER_S = 1 };

static struct loop *loop_of(const struct policy *policy)
{
    return &policy->service->worker->loop;
}

/* --- places --- */

static bool full(const struct policy *policy)
{
    uint32_t most = policy->spec.breaker_requests;
    if (policy_has(policy, SNAPSHOT_POLICY_BREAKER) && most > 0) {
        uint32_t used =
            policy->shared ? counters_policy_in_flight(policy->shared) : policy->in_flight;
        if (used >= most) {
            return true;
        }
    }
    if (policy_room(policy) <= policy->granted) {
        policy_ask_room(policy);
        return true;
    }
    return policy_has(policy, SNAPSHOT_POLICY_CONCURRENCY) &&
           policy->in_flight >= limiter_limit(&policy->limiter);
}

static void take_place(struct policy *policy)
{
    policy->in_flight++;
    policy_show(policy);
}

static void wake(struct stream *stream, enum policy_place place)
{
    stream->place = (uint8_t)place;
    stream->waiting.woken = true;
    loop_defer(&stream->worker->loop, stream->waiting.task);
}

/* Places that are free go to those who wait longest, in the order of the queue. */
static void grant(struct policy *policy)
{
    int64_t now_ns = loop_of(policy)->now_ns;
    while (policy->queue.count > 0 && !full(policy)) {
        bool refused;
        struct request_queue_item *item = request_queue_take(&policy->queue, now_ns, &refused);
        wake(container_of(item, struct stream, visit.queued),
             refused ? POLICY_REFUSED : POLICY_GRANTED);
        if (!refused) {
            policy->granted++;
            take_place(policy);
        }
    }
    if (policy->queue.count > 0) {
        loop_timer_set(loop_of(policy), &policy->again, now_ns + QUEUE_LOOK_MS * NS_PER_MS);
    }
}

static void give_place(struct policy *policy)
{
    policy->in_flight--;
    policy_show(policy);
    grant(policy);
}

void policy_queue_again(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    grant(container_of(timer, struct policy, again));
}

/* --- the queue --- */

/* The urgency of RFC 9218: "u=1, i". What is not understood is usual. */
static uint8_t class_of(const struct stream *stream, const struct policy *policy)
{
    struct str name = policy->spec.queue_header;
    if (stream->tcp || name.len == 0) {
        return QUEUE_USUAL;
    }
    struct str value = http1_get_name(&stream->req, name);
    for (size_t i = 0; i + 2 < value.len; i++) {
        bool start = i == 0 || value.p[i - 1] == ' ' || value.p[i - 1] == ',';
        char u = value.p[i + 2];
        if (start && value.p[i] == 'u' && value.p[i + 1] == '=' && u >= '0' && u <= '7') {
            return u < '3' ? 0 : u > '4' ? QUEUE_CLASSES - 1 : QUEUE_USUAL;
        }
    }
    return QUEUE_USUAL;
}

static bool enqueue(struct stream *stream, struct policy *policy)
{
    int64_t now_ns = loop_of(policy)->now_ns;
    struct request_queue_item *refused;
    request_queue_item_init(&stream->visit.queued);
    stream->visit.queued.class = class_of(stream, policy);
    if (!request_queue_put(&policy->queue, &stream->visit.queued, now_ns, &refused)) {
        return false;
    }
    if (refused) {
        wake(container_of(refused, struct stream, visit.queued), POLICY_REFUSED);
    }
    stream->place = POLICY_QUEUED;
    stream->waiting.woken = false;
    stream->flags |= RING_FLAG_HELD;
    client_deadline(stream->client, now_ns + policy->spec.queue_ms * NS_PER_MS);
    stream_move(stream, STREAM_HELD);
    if (!timer_armed(&policy->again)) {
        loop_timer_set(loop_of(policy), &policy->again, now_ns + QUEUE_LOOK_MS * NS_PER_MS);
    }
    return true;
}

/* --- the breaker --- */

static void show_breaker(struct policy *policy)
{
    int64_t until_ns, now_ns = loop_of(policy)->now_ns;
    enum breaker_state state = breaker_look(policy->breaker, &until_ns);
    struct counters_policy *shared = policy->shared;
    if (shared) {
        int64_t wall_ns = until_ns ? loop_of(policy)->wall_ns + until_ns - now_ns : 0;
        uint32_t shown = state == BREAKER_OPEN        ? COUNTERS_POLICY_OPEN
                         : state == BREAKER_HALF_OPEN ? COUNTERS_POLICY_HALF_OPEN
                                                      : COUNTERS_POLICY_WELL;
        __atomic_store_n(&shared->until_wall_ns, wall_ns, __ATOMIC_RELAXED);
        __atomic_store_n(&shared->state, shown, __ATOMIC_RELAXED);
        __atomic_store_n(&shared->times, (uint64_t)policy->breaker->opened, __ATOMIC_RELAXED);
    }
}

/* Its rules may be off: then it bounds and never opens, whatever it did before. */
static bool may_open(const struct policy *policy)
{
    return policy_has(policy, SNAPSHOT_POLICY_BREAKER) &&
           (policy->spec.breaker_consecutive > 0 || policy->spec.breaker_failures_permille > 0);
}

static void tell_breaker(struct policy *policy, uint32_t ticket, enum breaker_result result)
{
    if (may_open(policy) && breaker_report(policy->breaker, &policy->breaker_spec, ticket, result,
                                           loop_of(policy)->now_ns)) {
        show_breaker(policy);
    }
}

/* Unless one came behind it that says more. That a replica is away by what the core says is no
 * failure: nobody is asked who could fail. */
void policy_given_up(struct stream *stream)
{
    if (stream->visit.failed && stream->service->pick.count > 0) {
        tell_breaker(stream->service->policy, stream->visit.failed_ticket, BREAKER_FAILED);
    }
    stream->visit.failed = false;
}

/* --- refusing --- */

static enum policy_verdict refuse(struct stream *stream, enum reply_refusal why)
{
    struct policy *policy = stream->service->policy;
    struct worker *worker = stream->worker;
    uint32_t after_s = why == REPLY_BREAKER_OPEN
                           ? breaker_retry_after_s(policy->breaker, worker->loop.now_ns)
                           : RETRY_AFTER_S;
    stream->place = POLICY_NO_PLACE;
    if (policy->shared) {
        __atomic_fetch_add(&policy->shared->refused, 1, __ATOMIC_RELAXED);
    }
    uint64_t id = stream->service->spec.id;
    counters_add(&cells_get(worker, stream->route_id, id, 0)->rejected, 1);
    if (!policy_fallback(stream)) {
        reply_refused(stream, why, after_s);
    }
    return POLICY_MOVED;
}

/* --- admission --- */

/* Once for each request and service: the budget counts it, and its time begins. */
static void begin(struct stream *stream, struct policy *policy)
{
    int64_t now_ns = loop_of(policy)->now_ns;
    stream->visit.begun = true;
    if (policy_has(policy, SNAPSHOT_POLICY_RETRIES)) {
        retry_budget_request(&policy->budget, &policy->budget_spec, now_ns);
    }
    if (policy_has(policy, SNAPSHOT_POLICY_HEDGE)) {
        retry_budget_request(&policy->hedges, &policy->hedges_spec, now_ns);
    }
    if (policy->spec.total_ms > 0 && !stream->tcp) { /* of this and grpc-timeout the sooner */
        int64_t latest_ns = stream->start_ns + policy->spec.total_ms * NS_PER_MS;
        int64_t known_ns = stream->client->latest_ns;
        stream->client->latest_ns = known_ns ? MIN(known_ns, latest_ns) : latest_ns;
    }
}

/* The pause before another try. */
static enum policy_verdict pause(struct stream *stream)
{
    stream->waiting.woken = false;
    client_deadline(stream->client, stream->visit.again_ns);
    stream_move(stream, STREAM_HELD);
    return POLICY_WAIT;
}

static bool breaker_passes(struct stream *stream, struct policy *policy)
{
    if (!may_open(policy)) {
        return true;
    }
    bool passes = breaker_admit(policy->breaker, &policy->breaker_spec, loop_of(policy)->now_ns,
                                &stream->visit.ticket);
    if (passes && policy->shared && policy->shared->state == COUNTERS_POLICY_OPEN) {
        show_breaker(policy);
    }
    return passes;
}

enum policy_verdict policy_admit(struct stream *stream)
{
    struct policy *policy = stream->service->policy;
    int64_t now_ns = loop_of(policy)->now_ns;
    if (!stream->visit.begun) {
        begin(stream, policy);
    }
    if (stream->client->latest_ns != 0 && now_ns >= stream->client->latest_ns) {
        policy_done(stream);
        reply_upstream_error(stream, -ETIMEDOUT);
        return POLICY_MOVED;
    }
    if (stream->visit.again_ns > now_ns) {
        return pause(stream);
    }
    stream->visit.again_ns = 0;
    if (stream->place == POLICY_REFUSED) {
        return refuse(stream, REPLY_OVERLOADED);
    }
    if (stream->place != POLICY_GRANTED) {
        if (policy->queue.count > 0 || full(policy)) {
            return enqueue(stream, policy) ? POLICY_WAIT : refuse(stream, REPLY_OVERLOADED);
        }
        take_place(policy);
    } else {
        policy->granted--;
        stream->visit.queue_ns += now_ns - stream->visit.queued.since_ns;
    }
    stream->place = POLICY_NO_PLACE;
    if (!breaker_passes(stream, policy)) {
        give_place(policy);
        return refuse(stream, REPLY_BREAKER_OPEN);
    }
    stream->place = POLICY_TAKEN;
    stream->visit.trouble = false;
    stream->visit.overtaken = false;
    stream->visit.again = false;
    stream->visit.try_ns = now_ns;
    return POLICY_PASS;
}

enum policy_verdict policy_no_connection(struct stream *stream)
{
    struct policy *policy = stream->service->policy;
    policy_ask_room(policy);
    stream->avoid = stream->endpoint; /* perhaps another one has a connection */
    stream_detach(stream, false);
    stream_move(stream, STREAM_PICK);
    return enqueue(stream, policy) ? POLICY_WAIT : refuse(stream, REPLY_OVERLOADED);
}

bool policy_woken(struct stream *stream)
{
    if (stream->place == POLICY_QUEUED) {
        struct policy *policy = stream->service->policy;
        stream->visit.queue_ns += loop_of(policy)->now_ns - stream->visit.queued.since_ns;
        request_queue_leave(&policy->queue, &stream->visit.queued);
        (void)refuse(stream, REPLY_OVERLOADED);
        return true;
    }
    if (stream->visit.again_ns > 0 || stream->place != POLICY_NO_PLACE) {
        stream->visit.again_ns = 0;
        stream_move(stream, STREAM_PICK);
        return true;
    }
    return false;
}

/* --- how it went --- */

static enum breaker_result result_of(const struct stream *stream)
{
    if (stream->visit.trouble) {
        return BREAKER_FAILED;
    }
    if (stream->flags & RING_FLAG_TUNNEL) {
        return BREAKER_WORKED;
    }
    if (stream->answer_ns < stream->visit.try_ns || stream->answer_ns == 0) {
        return BREAKER_NOTHING;
    }
    return stream->status >= 500 || call_failed(stream) ? BREAKER_FAILED : BREAKER_WORKED;
}

/* How long the replica took for this try: not counted is how long the client sent the request. */
static uint64_t taken_us(const struct stream *stream, int64_t end_ns)
{
    int64_t taken_ns = end_ns - stream->visit.try_ns;
    int64_t upload_ns = stream->sent_ns - stream->connect_ns;
    bool known = stream->connect_ns >= stream->visit.try_ns && stream->sent_ns <= end_ns;
    taken_ns -= known && stream->up_done ? upload_ns : 0;
    return (uint64_t)MAX(taken_ns, 0) / NS_PER_US;
}

/* Of a try that is followed by another one it hears when that is over, unless it probes. */
static void report_to_breaker(struct stream *stream, struct policy *policy,
                              enum breaker_result result)
{
    int64_t until_ns;
    bool later = stream->visit.again && result != BREAKER_NOTHING &&
                 breaker_look(policy->breaker, &until_ns) == BREAKER_CLOSED;
    if (later) {
        stream->visit.failed = result == BREAKER_FAILED;
        stream->visit.failed_ticket = stream->visit.ticket;
    } else if (result != BREAKER_NOTHING) {
        stream->visit.failed = false;
    }
    tell_breaker(policy, stream->visit.ticket, later ? BREAKER_NOTHING : result);
}

static void report(struct stream *stream, struct policy *policy)
{
    int64_t now_ns = loop_of(policy)->now_ns;
    enum breaker_result result = result_of(stream);
    report_to_breaker(stream, policy, result);
    if (result == BREAKER_NOTHING || (stream->flags & RING_FLAG_TUNNEL)) {
        return;
    }
    int64_t end_ns = stream->answer_ns >= stream->visit.try_ns ? stream->answer_ns : now_ns;
    uint64_t latency_us = taken_us(stream, end_ns);
    if (policy_has(policy, SNAPSHOT_POLICY_OUTLIER) && stream->endpoint) {
        policy_endpoint_reported(stream->endpoint, result == BREAKER_FAILED, latency_us);
    }
    if (policy_has(policy, SNAPSHOT_POLICY_CONCURRENCY)) {
        struct limiter_answer answer = {latency_us, policy->in_flight, result == BREAKER_FAILED};
        limiter_sample(&policy->limiter, &policy->limiter_spec, &answer, now_ns);
        policy_show_limit(policy);
    }
    if (policy_has(policy, SNAPSHOT_POLICY_HEDGE) && result == BREAKER_WORKED &&
        !stream->visit.overtaken) {
        hedge_learn(&policy->hedge, &policy->hedge_spec, latency_us);
    }
}

/* How long first tries take is what percentiles are of. */
void policy_overtaken(struct stream *stream, int64_t began_ns)
{
    struct policy *policy = stream->service->policy;
    int64_t waited_ns = loop_of(policy)->now_ns - stream->visit.try_ns;
    uint64_t waited_us = (uint64_t)MAX(waited_ns, 0) / NS_PER_US;
    hedge_learn(&policy->hedge, &policy->hedge_spec, waited_us);
    policy_endpoint_waited(stream->endpoint, waited_us);
    affinity_waited(stream->endpoint, stream->sent_ns);
    stream->visit.overtaken = true;
    stream->visit.try_ns = began_ns;
}

void policy_done(struct stream *stream)
{
    struct policy *policy = stream->service ? stream->service->policy : NULL;
    enum policy_place place = (enum policy_place)stream->place;
    stream->place = POLICY_NO_PLACE;
    switch (place) {
    case POLICY_QUEUED:
        request_queue_leave(&policy->queue, &stream->visit.queued);
        break;
    case POLICY_TAKEN:
        second_cancel(stream);
        report(stream, policy);
        give_place(policy);
        break;
    case POLICY_GRANTED:
        policy->granted--;
        give_place(policy);
        break;
    case POLICY_NO_PLACE:
    case POLICY_REFUSED:
        break;
    }
}

struct endpoint *policy_slow_start(struct stream *stream, struct endpoint *endpoint)
{
    struct policy *policy = stream->service->policy;
    struct loop *loop = loop_of(policy);
    uint8_t method = stream->service->pick.method;
    if (!policy_has(policy, SNAPSHOT_POLICY_SLOW_START) || stream->bound || method == PICK_HASH ||
        method == PICK_NEAREST || /* the request decides */
        slow_start_takes(&loop->rng, policy->spec.slow_start_ms, endpoint->since_ns,
                         loop->now_ns)) {
        return endpoint;
    }
    service_done(endpoint, stream->shared_load);
    return service_pick(stream->service, endpoint, &stream->shared_load);
}

void policy_sent(struct stream *stream)
{
    const struct policy *policy = stream->service->policy;
    if (policy_has(policy, SNAPSHOT_POLICY_MIRROR)) {
        mirror_send(stream);
    }
    if (policy_has(policy, SNAPSHOT_POLICY_HEDGE)) {
        second_arm(stream);
    }
}

/* --- somewhere else --- */

static bool to_service(struct stream *stream, uint64_t id)
{
    struct service *next = map_get(&stream->worker->set.services, str_make((const char *)&id, 8));
    if (!next || next == stream->service) {
        return false;
    }
    stream_rewind(stream);
    stream_detach(stream, false);
    policy_given_up(stream);
    service_wait_no_more(stream->service, &stream->waiting);
    service_ref(next);
    service_unref(stream->service);
    stream->service = next;
    stream->flags |= RING_FLAG_FALLBACK;
    stream->avoid = NULL;
    stream->pick_ns = 0;
    stream->visit.again_ns = 0;
    stream->last_error = 0;
    stream->retries = 0;
    stream->visit.attempts = 0;
    stream->visit.begun = false;
    if (stream->state != STREAM_PICK) {
        stream_move(stream, STREAM_PICK);
    }
    return true;
}

int64_t policy_hold_until(const struct stream *stream, int64_t latest_ns)
{
    int64_t total_ns = stream->client->latest_ns;
    if (!policy_has(stream->service->policy, SNAPSHOT_POLICY_FALLBACK) || stream->visit.fallen) {
        return latest_ns;
    }
    if (service_lack(stream->service) == LACKS_HEALTH) { /* that may last */
        return 0;
    }
    int64_t half_ns = stream->start_ns + (total_ns - stream->start_ns) / 2;
    return total_ns ? MIN(latest_ns, half_ns) : latest_ns;
}

bool policy_fallback(struct stream *stream)
{
    const struct policy *policy = stream->service->policy;
    if (!policy_has(policy, SNAPSHOT_POLICY_FALLBACK) || stream->tcp || stream->visit.fallen ||
        stream->answer_begun || stream->held[STREAM_UP] || stream->suspended[STREAM_UP]) {
        return false;
    }
    int64_t total_ns = stream->client->latest_ns;
    if (policy->spec.fallback_service && total_ns && loop_of(policy)->now_ns >= total_ns) {
        return false; /* no time for one that has to be asked */
    }
    if (policy->spec.fallback_service && stream->body_moved) {
        stream->flags |= RING_FLAG_NOT_REPEATED;
        return false;
    }
    stream->visit.fallen = true;
    policy_done(stream);
    if (policy->spec.fallback_service) {
        return to_service(stream, policy->spec.fallback_service);
    }
    reply_fallback(stream, policy->spec.fallback_status, policy->spec.fallback_type,
                   policy->spec.fallback_body);
    return true;
}
