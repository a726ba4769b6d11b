/* SPDX-License-Identifier: Apache-2.0
 *
 * Once more: which losses and answers a policy tries again, and who pays for it.
 *
 * What no peer has looked at (a refused stream, a connection behind GOAWAY, one that was never
 * made) is not billed and is no attempt: it is as if it had not been sent. All else is billed to
 * the budget, and is one of `attempts`.
 */
#include "base/num.h"
#include "edge/call.h"
#include "edge/policy.h"
#include "edge/second.h"
#include "edge/worker.h"

enum { JITTER_PERCENT = 50 };

static uint32_t method_bit(const struct stream *stream)
{
    static const uint32_t bits[HTTP_METHOD_COUNT] = {
        [HTTP_GET] = SNAPSHOT_METHOD_GET,         [HTTP_HEAD] = SNAPSHOT_METHOD_HEAD,
        [HTTP_OPTIONS] = SNAPSHOT_METHOD_OPTIONS, [HTTP_PUT] = SNAPSHOT_METHOD_PUT,
        [HTTP_DELETE] = SNAPSHOT_METHOD_DELETE,   [HTTP_POST] = SNAPSHOT_METHOD_POST,
        [HTTP_PATCH] = SNAPSHOT_METHOD_PATCH,
    };
    return stream->req.method < HTTP_METHOD_COUNT ? bits[stream->req.method] : 0;
}

/* Bills it and sets the pause: backoff, doubled with each try, half of it by chance. */
static bool billed(struct stream *stream)
{
    struct policy *policy = stream->service->policy;
    struct loop *loop = &stream->worker->loop;
    if (!(policy->spec.retry_methods & method_bit(stream)) ||
        stream->visit.attempts >= stream->service->spec.retries ||
        !retry_budget_take(&policy->budget, &policy->budget_spec, stream->start_ns, loop->now_ns)) {
        return false;
    }
    uint64_t pause_ns = (uint64_t)policy->spec.retry_backoff_ms * (uint64_t)NS_PER_MS
                        << MIN(stream->visit.attempts, 10U);
    stream->visit.attempts++;
    stream->visit.again_ns =
        loop->now_ns + (int64_t)rng_jitter(&loop->rng, pause_ns, JITTER_PERCENT);
    return true;
}

bool policy_may_retry(struct stream *stream, int error)
{
    uint32_t when = stream->service->policy->spec.retry_when;
    uint32_t needed = error == -ETIMEDOUT ? SNAPSHOT_RETRY_TIMEOUT : SNAPSHOT_RETRY_RESET;
    return (when & needed) && billed(stream);
}

static uint32_t status_bit(unsigned status)
{
    switch (status) {
    case 429:
        return SNAPSHOT_RETRY_429;
    case 500:
        return SNAPSHOT_RETRY_500;
    case 502:
        return SNAPSHOT_RETRY_502;
    case 503:
        return SNAPSHOT_RETRY_503;
    case 504:
        return SNAPSHOT_RETRY_504;
    default:
        return 0;
    }
}

/* An answer to a call that is nothing but a status says it in its head (Trailers-Only). */
static uint32_t call_bit(const struct stream *stream)
{
    switch (call_status(stream)) {
    case GRPC_CANCELLED:
        return SNAPSHOT_RETRY_CANCELLED;
    case GRPC_DEADLINE_EXCEEDED:
        return SNAPSHOT_RETRY_DEADLINE_EXCEEDED;
    case GRPC_RESOURCE_EXHAUSTED:
        return SNAPSHOT_RETRY_RESOURCE_EXHAUSTED;
    case GRPC_INTERNAL:
        return SNAPSHOT_RETRY_INTERNAL;
    case GRPC_UNAVAILABLE:
        return SNAPSHOT_RETRY_UNAVAILABLE;
    default:
        return 0;
    }
}

bool policy_retries_answer(struct stream *stream, const struct http1_head *head)
{
    const struct policy *policy = stream->service->policy;
    second_cancel(stream); /* the first one has won */
    if (!policy_has(policy, SNAPSHOT_POLICY_RETRIES) || stream->held[STREAM_UP] ||
        stream->suspended[STREAM_UP]) {
        return false;
    }
    uint32_t bits = status_bit(head->status) | call_bit(stream);
    bool asked =
        (policy->spec.retry_when & bits) ||
        (policy->spec.retry_header.len && http1_get_name(head, policy->spec.retry_header).p);
    if (asked && stream->body_moved) {
        stream->flags |= RING_FLAG_NOT_REPEATED;
        return false;
    }
    if (!asked || !billed(stream)) {
        return false;
    }
    stream->visit.trouble = head->status >= 500 || call_failed(stream);
    return true;
}
