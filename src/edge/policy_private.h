/* SPDX-License-Identifier: Apache-2.0
 *
 * Between policy.c (what it is made of, ejections) and policy_steps.c (what streams ask of it).
 */
#ifndef EDGE_POLICY_PRIVATE_H
#define EDGE_POLICY_PRIVATE_H

#include "edge/policy.h"

/* For the other threads: what this one has. */
void policy_show(const struct policy *policy);
/* For people: the limit that `concurrency` has found. */
void policy_show_limit(const struct policy *policy);
/* Requests that will find a connection here, or may make one. */
uint32_t policy_room(const struct policy *policy);
void policy_ask_room(const struct policy *policy);
void policy_timers_init(struct policy *policy);
void policy_timers_set(struct policy *policy);
void policy_timers_cancel(struct policy *policy);
/* A request has ended there; may eject it. */
void policy_endpoint_reported(struct endpoint *endpoint, bool failed, uint64_t latency_us);
/* It was slower than another one that was asked later, by that much at least. */
void policy_endpoint_waited(const struct endpoint *endpoint, uint64_t waited_us);
/* A second try that began then has won: the first one is told of as slow, this one by its own
 * time. */
void policy_overtaken(struct stream *stream, int64_t began_ns);
/* policy->again: looks for places that other threads have given back. */
void policy_queue_again(struct timer *timer, int64_t now_ns);

#endif
