/* SPDX-License-Identifier: Apache-2.0
 *
 * `breaker.connections`: how many connections to a service's endpoints there may be, of all threads
 * together: those of requests and tunnels, being made, idle.
 *
 * 1. Each thread counts its own and adds up all before it makes one: it writes first and reads
 *    then, so that two at the same moment may both give up, but the bound is never exceeded.
 * 2. At the bound a thread closes an idle connection of its own for another endpoint; has it none
 *    it asks the other threads for theirs, and its request waits in the queue, or is refused.
 * 3. Lowering the bound closes nothing that is in use.
 */
#include "edge/policy_room.h"
#include "base/num.h"
#include "edge/h2_link.h"
#include "edge/policy_private.h"
#include "edge/worker.h"
#include "edge/worker_life.h"

enum { ASK_MS = 10 /* between two times that other threads are asked */ };

void policy_show(const struct policy *policy)
{
    const struct service *service = policy->service;
    if (policy->shared && policy->shared->id == service->spec.id) {
        counters_policy_show(policy->shared, service->worker->table, policy->in_flight,
                             service->connections);
    }
}

/* Not that of the short looks in between. */
void policy_show_limit(const struct policy *policy)
{
    const struct service *service = policy->service;
    bool limited = policy_has(policy, SNAPSHOT_POLICY_CONCURRENCY);
    if (policy->shared && policy->shared->id == service->spec.id) {
        counters_policy_show_limit(policy->shared, service->worker->table,
                                   limited ? (uint32_t)policy->limiter.limit : 0);
    }
}

static uint32_t bound_of(const struct policy *policy)
{
    return policy_has(policy, SNAPSHOT_POLICY_BREAKER) ? policy->spec.breaker_connections : 0;
}

static uint32_t total(const struct policy *policy)
{
    return policy->shared ? counters_policy_connections(policy->shared)
                          : policy->service->connections;
}

/* An idle one of this thread makes room for another. */
static bool close_one(struct service *service)
{
    list_for_each (node, &service->endpoints) {
        if (upstream_close_one(list_entry(node, struct endpoint, node))) {
            return true;
        }
    }
    return false;
}

bool policy_connection_begin(struct service *service)
{
    const struct policy *policy = service->policy;
    service->connections++;
    if (likely(policy == NULL)) {
        return true;
    }
    policy_show(policy);
    uint32_t bound = bound_of(policy);
    while (bound > 0 && total(policy) > bound) {
        if (!close_one(service)) {
            policy_connection_end(service);
            return false;
        }
    }
    return true;
}

void policy_connection_end(struct service *service)
{
    service->connections--;
    if (unlikely(service->policy != NULL)) {
        policy_show(service->policy);
    }
}

uint32_t policy_room(const struct policy *policy)
{
    uint32_t bound = bound_of(policy);
    if (likely(bound == 0)) {
        return UINT32_MAX;
    }
    uint32_t used = total(policy);
    uint32_t room = used < bound ? bound - used : 0;
    list_for_each (node, &policy->service->endpoints) {
        const struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        if (endpoint_eligible(endpoint)) {
            room += (uint32_t)endpoint->idle_count + h2_link_room(endpoint);
        }
    }
    return room;
}

void policy_ask_room(const struct policy *policy)
{
    struct worker *worker = policy->service->worker;
    struct counters_policy *shared = policy->shared;
    uint64_t now_ms = (uint64_t)(worker->loop.now_ns / NS_PER_MS);
    if (!shared || !worker->news || !worker->news->health_changed ||
        now_ms - __atomic_load_n(&shared->wanted_ms, __ATOMIC_RELAXED) < ASK_MS) {
        return;
    }
    __atomic_store_n(&shared->wanted_ms, now_ms, __ATOMIC_RELAXED);
    worker->news->health_changed(worker);
}

void policy_give_room(struct endpoint *endpoint)
{
    const struct policy *policy = endpoint->service->policy;
    uint64_t now_ms = (uint64_t)(endpoint->service->worker->loop.now_ns / NS_PER_MS);
    if (!policy || bound_of(policy) == 0 || !policy->shared || policy->queue.count > 0 ||
        now_ms - __atomic_load_n(&policy->shared->wanted_ms, __ATOMIC_RELAXED) > 2 * ASK_MS) {
        return;
    }
    for (size_t give = endpoint->idle_count / 2 + 1; give > 0; give--) {
        if (!upstream_close_one(endpoint)) {
            return;
        }
    }
}
