/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets the next request, and who waits for an endpoint.
 *
 * 1. `ready` holds exactly the endpoints that are READY, have an address and do not fail; it is
 *    made anew (service_refresh) when a state, a probe or the set changes, so that a pick is a step
 *    in an array.
 * 2. service_pick counts what it gives, service_done takes it back in the same way (`shared`):
 *    loads are level whatever changed between.
 * 3. An endpoint holds its service, a request both, by count.
 *
 * As it fails: a refused connect keeps the endpoint out for 10, 20, 40 … ms (this thread's memory);
 * all out: requests wait (service_wait) and are woken by what may help.
 */
#include "edge/service.h"

#include "base/num.h"
#include "edge/worker.h"

#include <stdlib.h>

enum { DOWN_FIRST_MS = 10, DOWN_MOST_MS = 1000 };

/* --- eligibility --- */

static bool eligible(const struct endpoint *endpoint)
{
    return endpoint->state == SNAPSHOT_ENDPOINT_READY && endpoint->reachable &&
           !endpoint->removed && !endpoint->failing;
}

/* Its room was made when the endpoint was added. */
void service_refresh(struct service *service)
{
    service->ready_count = 0;
    service->weighted = false;
    list_for_each (node, &service->endpoints) {
        struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        if (eligible(endpoint) && service->ready_count < service->ready_cap) {
            service->ready[service->ready_count++] = endpoint;
            service->weighted |= endpoint->weight != service->ready[0]->weight;
        }
    }
    if (service->ready_count > 0) {
        service_wake(service);
    }
}

static bool usable(const struct endpoint *endpoint, int64_t now_ns)
{
    return endpoint->down_until_ns <= now_ns &&
           endpoint->in_flight < endpoint->service->spec.connections_max;
}

static struct endpoint *pick_round_robin(struct service *service, const struct endpoint *avoid,
                                         int64_t now_ns)
{
    struct endpoint *second = NULL;
    for (size_t i = 0; i < service->ready_count; i++) {
        service->turn = service->turn + 1 < service->ready_count ? service->turn + 1 : 0;
        struct endpoint *endpoint = service->ready[service->turn];
        if (usable(endpoint, now_ns)) {
            if (likely(endpoint != avoid)) {
                return endpoint;
            }
            second = endpoint;
        }
    }
    return second;
}

/* Smooth weighted round robin: each turn all gain their weight, the richest pays for all. */
static struct endpoint *pick_weighted(struct service *service, const struct endpoint *avoid,
                                      int64_t now_ns)
{
    struct endpoint *best = NULL;
    struct endpoint *second = NULL;
    int64_t total = 0;
    for (size_t i = 0; i < service->ready_count; i++) {
        struct endpoint *endpoint = service->ready[i];
        if (!usable(endpoint, now_ns)) {
            continue;
        }
        endpoint->smooth += endpoint->weight;
        total += endpoint->weight;
        if (endpoint == avoid) {
            second = endpoint;
        } else if (!best || endpoint->smooth > best->smooth) {
            best = endpoint;
        }
    }
    best = best ? best : second;
    if (best) {
        best->smooth -= total;
    }
    return best;
}

/* Requests in flight to it, from all threads. */
static uint64_t load_of(const struct endpoint *endpoint)
{
    return endpoint->load ? atomic_load_explicit(endpoint->load, memory_order_relaxed)
                          : endpoint->in_flight;
}

/* Fewest requests in flight for its weight; among equals the next in turn. */
static struct endpoint *pick_least(struct service *service, const struct endpoint *avoid,
                                   int64_t now_ns)
{
    struct endpoint *best = NULL;
    struct endpoint *second = NULL;
    for (size_t i = 0; i < service->ready_count; i++) {
        service->turn = service->turn + 1 < service->ready_count ? service->turn + 1 : 0;
        struct endpoint *endpoint = service->ready[service->turn];
        if (!usable(endpoint, now_ns)) {
            continue;
        }
        if (endpoint == avoid) {
            second = endpoint;
        } else if (!best || load_of(endpoint) * best->weight < load_of(best) * endpoint->weight) {
            best = endpoint;
        }
    }
    if (best) {
        /* The next look starts behind the one that was chosen. */
        for (size_t i = 0; i < service->ready_count; i++) {
            service->turn = service->ready[i] == best ? i : service->turn;
        }
    }
    return best ? best : second;
}

struct endpoint *service_pick(struct service *service, const struct endpoint *avoid,
                              bool *ret_shared)
{
    int64_t now_ns = service->worker->loop.now_ns;
    struct endpoint *endpoint;
    *ret_shared = false;
    if (service->spec.balance == SNAPSHOT_LEAST_CONN) {
        endpoint = pick_least(service, avoid, now_ns);
        if (endpoint && endpoint->load) {
            *ret_shared = true;
            atomic_fetch_add_explicit(endpoint->load, 1, memory_order_relaxed);
        }
    } else if (service->weighted) {
        endpoint = pick_weighted(service, avoid, now_ns);
    } else {
        endpoint = pick_round_robin(service, avoid, now_ns);
    }
    if (endpoint) {
        endpoint->in_flight++;
    }
    return endpoint;
}

void service_done(struct endpoint *endpoint, bool shared)
{
    endpoint->in_flight--;
    if (shared) {
        atomic_fetch_sub_explicit(endpoint->load, 1, memory_order_relaxed);
    }
}

bool service_may_hold(const struct service *service)
{
    return !service->removed && (service->spec.state == SNAPSHOT_SERVICE_RUNNING ||
                                 service->spec.state == SNAPSHOT_SERVICE_STARTING);
}

/* --- waiting --- */

static void retry(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    service_wake(container_of(timer, struct service, retry));
}

void service_wait(struct service *service, struct service_waiter *waiter)
{
    int64_t next = INT64_MAX;
    waiter->woken = false;
    list_push_back(&service->waiters, &waiter->node);
    service->waiter_count++;
    for (size_t i = 0; i < service->ready_count; i++) {
        next = MIN(next, service->ready[i]->down_until_ns);
    }
    if (service->ready_count > 0) {
        /* Not down but full: somebody's end wakes nobody, so look again soon. */
        next = MAX(next, service->worker->loop.now_ns + DOWN_FIRST_MS * NS_PER_MS);
        loop_timer_set(&service->worker->loop, &service->retry, next);
    }
}

void service_wake(struct service *service)
{
    list_for_each (node, &service->waiters) {
        struct service_waiter *waiter = list_entry(node, struct service_waiter, node);
        waiter->woken = true;
        loop_defer(&service->worker->loop, waiter->task);
    }
}

void service_wait_no_more(struct service *service, struct service_waiter *waiter)
{
    if (!list_empty(&waiter->node)) {
        list_del(&waiter->node);
        service->waiter_count--;
    }
}

void endpoint_ref(struct endpoint *endpoint)
{
    endpoint->refs++;
}

void endpoint_unref(struct endpoint *endpoint)
{
    ensure(endpoint->refs > 0);
    if (--endpoint->refs == 0) {
        service_unref(endpoint->service);
        free(endpoint->cells);
        free(endpoint);
    }
}

void endpoint_failed(struct endpoint *endpoint)
{
    struct worker *worker = endpoint->service->worker;
    int64_t ms = MIN((int64_t)DOWN_FIRST_MS << MIN(endpoint->failures, 10U), (int64_t)DOWN_MOST_MS);
    endpoint->failures++;
    endpoint->down_until_ns = worker->loop.now_ns + ms * NS_PER_MS;
}

void endpoint_worked(struct endpoint *endpoint)
{
    endpoint->failures = 0;
    endpoint->down_until_ns = 0;
}

/* --- life --- */

void service_init(struct service *service, struct worker *worker, uint64_t id)
{
    *service = (struct service){
        .worker = worker,
        .spec.id = id,
        .refs = 1,
        .turn = worker->index, /* threads do not all start with the first replica */
    };
    list_init(&service->endpoints);
    list_init(&service->waiters);
    timer_init(&service->retry, retry);
}

void service_ref(struct service *service)
{
    service->refs++;
}

void service_unref(struct service *service)
{
    ensure(service->refs > 0);
    if (--service->refs == 0) {
        loop_timer_cancel(&service->worker->loop, &service->retry);
        free(service->ready);
        free(service->names);
        free(service);
    }
}
