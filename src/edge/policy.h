/* SPDX-License-Identifier: Apache-2.0
 *
 * struct policy: what the edge does about requests to a service beyond carrying them: breaker,
 * outliers, queue, limits, retries with a budget, hedging, fallback. It asks the decision makers of
 * traffic/ and acts. A service without one (most) costs a branch per step: service->policy is NULL.
 *
 * 1. What survives a restart of the edge (breaker, ejections) lies in the counters' memory by
 *    stable id (link/counters_policy.h) and is shared by the threads. The rest is this thread's
 *    own: it is learned anew in seconds.
 * 2. A stream has one place (stream->place), which is given back exactly once: policy_done,
 *    called when it lets its endpoint go, becomes a tunnel, is held, or ends.
 * 3. A policy is changed in place and lives as long as its service, so that who waits in its queue
 *    is never left alone.
 */
#ifndef EDGE_POLICY_H
#define EDGE_POLICY_H

#include "base/wheel.h"
#include "link/counters_policy.h"
#include "link/snapshot_types.h"
#include "traffic/breaker.h"
#include "traffic/hedge.h"
#include "traffic/limiter.h"
#include "traffic/outlier.h"
#include "traffic/request_queue.h"
#include "traffic/retry_budget.h"

struct endpoint;
struct http1_head;
struct second;
struct service;
struct stream;

enum policy_place {
    POLICY_NO_PLACE,
    POLICY_QUEUED,
    POLICY_GRANTED, /* out of the queue, with a place; the stream has not gone on yet */
    POLICY_REFUSED, /* out of the queue, without one */
    POLICY_TAKEN,   /* under way, with the breaker's ticket */
};

/* What a stream keeps of its service's policy: stream->visit. */
struct policy_visit {
    bool begun, fallen, mirrored; /* known to it; sent to the fallback; its copy sent, or not */
    bool trouble, overtaken;      /* this try failed; its second try won */
    bool again, failed; /* another try follows this one; an earlier one failed, which is untold */
    uint8_t attempts;   /* further tries that were billed */
    uint32_t ticket, failed_ticket; /* of the breaker: for this try, for the one that failed */
    int64_t try_ns;                 /* this try began */
    int64_t again_ns;               /* the next may; 0 = at once */
    int64_t queue_ns;               /* spent in the queue */
    struct request_queue_item queued;
    struct second *second; /* hedged: the second try */
};

struct policy {
    struct service *service;
    struct snapshot_policy spec; /* its texts are in `texts` */
    char *texts;
    struct breaker_spec breaker_spec;
    struct outlier_spec outlier_spec;
    struct retry_budget_spec budget_spec, hedges_spec;
    struct limiter_spec limiter_spec;
    struct hedge_spec hedge_spec;
    struct counters_policy *shared; /* NULL: its table is full; then threads do not share */
    struct breaker own, *breaker;
    struct retry_budget budget, hedges;
    struct limiter limiter;
    struct hedge hedge;
    struct request_queue queue;
    struct list mirrors; /* copies under way */
    uint32_t mirror_count;
    uint32_t in_flight; /* places that this thread has given */
    uint32_t granted;   /* of these to who has left the queue and not gone on yet */
    struct timer again; /* the queue: other threads may have given places back */
    struct timer judge; /* thread 0: an interval of the outliers is over */
    struct timer back;  /* the next ejection is over */
};

/* Brings the service to `spec` (NULL: none). 0 or -ENOMEM: nothing changed. */
must_check int policy_apply(struct service *service, const struct snapshot_policy *spec);
void policy_free(struct policy *policy);
/* The service's endpoints or their health have changed (service_refresh): who is ejected? */
void policy_refresh(struct service *service);
void policy_forget_ejection(struct endpoint *endpoint); /* its process has ended */
/* Has an ejection begun or ended since policy_refresh? */
bool policy_changed(const struct endpoint *endpoint);

/* --- steps of a stream of a service that has a policy --- */
enum policy_verdict {
    POLICY_PASS,  /* go on; the stream has a place */
    POLICY_WAIT,  /* it waits (STREAM_HELD) */
    POLICY_MOVED, /* its state was changed: an answer, or the fallback */
};
enum policy_verdict policy_admit(struct stream *stream);
/* Gives back what it has, and says how this try went. Also for one that has nothing. */
void policy_done(struct stream *stream);
void policy_given_up(struct stream *stream); /* it has no further try: one that failed is told */
/* The deadline of a held stream came: true if that was the policy's business. */
must_check bool policy_woken(struct stream *stream);
/* There is no connection for its endpoint (-EBUSY): it waits in the queue or is refused. */
enum policy_verdict policy_no_connection(struct stream *stream);
/* Another endpoint for one that is starting slowly; else the same. */
struct endpoint *policy_slow_start(struct stream *stream, struct endpoint *endpoint);
/* May what was written be sent again after -errno? Then it is billed, and waits a little. */
must_check bool policy_may_retry(struct stream *stream, int error);
/* The request was sent whole: a copy, and perhaps a second try later. */
void policy_sent(struct stream *stream);
/* Is this answer thrown away for another try? Billed too. */
must_check bool policy_retries_answer(struct stream *stream, const struct http1_head *head);
/* Until when it waits for a replica, `latest_ns` at most: a fallback needs time, too. */
int64_t policy_hold_until(const struct stream *stream, int64_t latest_ns);
/* No replica can answer: sends the stream to the fallback, if there is one. */
must_check bool policy_fallback(struct stream *stream);
static inline bool policy_has(const struct policy *policy, enum snapshot_policy_part part)
{
    return policy && (policy->spec.parts & part);
}

#endif
