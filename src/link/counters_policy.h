/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge remembers of services and endpoints whose traffic has a policy: is the breaker
 * open, who is ejected and until when, how many requests are under way. In the counters' memory,
 * found by stable id: all threads share it, it survives what the counters survive, and the core
 * reads it.
 *
 * `words` are the edge's own (struct breaker of a service, struct outlier of an endpoint), moved by
 * atomic operations; whatever bytes lie there are harmless. The rest is for people.
 */
#ifndef LINK_COUNTERS_POLICY_H
#define LINK_COUNTERS_POLICY_H

#include "link/counters.h"

enum { COUNTERS_POLICIES_MAX = 4096, COUNTERS_POLICY_WORDS = 8 };

enum counters_policy_state {
    COUNTERS_POLICY_WELL,
    COUNTERS_POLICY_OPEN,      /* a service: its breaker */
    COUNTERS_POLICY_HALF_OPEN, /* a service */
    COUNTERS_POLICY_EJECTED,   /* an endpoint, until until_wall_ns */
    COUNTERS_POLICY_STATES
};
struct counters_policy {
    uint64_t id; /* of a service or an endpoint; 0 = free */
    uint64_t words[COUNTERS_POLICY_WORDS];
    uint32_t state;  /* enum counters_policy_state */
    uint32_t reason; /* an endpoint: enum outlier_reason of its last ejection */
    int64_t until_wall_ns;
    uint64_t times;        /* opened or ejected */
    uint64_t refused;      /* requests: breaker open, queue full, waited too long */
    uint64_t not_mirrored; /* requests without a copy: too many at once, or their body too large */
    uint64_t wanted_ms;    /* monotonic: a thread last lacked a connection */
    uint64_t unused;
    /* Of a service; each thread writes its own: requests under way, and << 16 connections; what
     * `concurrency` has found. */
    uint32_t use[COUNTERS_THREADS_MAX];
    uint16_t limits[COUNTERS_THREADS_MAX];
};

/* Edge, any thread: the place of this id, made when there is none; NULL when full. */
struct counters_policy *counters_policy_get(const struct counters *counters, uint64_t id);
/* Thread 0: frees the places of ids that are not `wanted` any more. */
void counters_policy_sweep(const struct counters *counters,
                           bool (*wanted)(void *context, uint64_t id), void *context);
/* An edge that starts with these tables: nothing of theirs is in flight, limits are to be found
 * anew, and nobody holds the lock if they are all. */
void counters_policy_clear(const struct counters *counters, uint32_t first, uint32_t tables);
/* What this thread has of them; more than 65,535 are shown as so many. */
void counters_policy_show(struct counters_policy *policy, uint32_t thread, uint32_t in_flight,
                          uint32_t connections);
/* What this thread lets to the service's replicas at once; 0: as much as comes. */
void counters_policy_show_limit(struct counters_policy *policy, uint32_t thread, uint32_t limit);
/* Of the edge that serves: of one that it replaces they bind nobody new. */
uint32_t counters_policy_limit(const struct counters *counters,
                               const struct counters_policy *policy);
/* An open breaker whose time is over lets the next request through. */
enum counters_policy_state counters_policy_state(const struct counters_policy *policy,
                                                 int64_t wall_ns);
uint32_t counters_policy_in_flight(const struct counters_policy *policy);
uint32_t counters_policy_connections(const struct counters_policy *policy);
/* Reader: a copy of the place of this id. False: there is none. */
bool counters_policy_read(const struct counters *counters, uint64_t id,
                          struct counters_policy *ret);

#endif
