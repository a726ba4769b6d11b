/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets the next request, and who waits for an endpoint.
 *
 * 1. `pick` holds exactly the endpoints that are READY, have an address and do not fail; it is made
 *    anew (service_refresh) when a state, a weight, a probe or the set changes, so that a pick is a
 *    step in an array.
 * 2. service_pick counts what it gives, service_done takes it back in the same way (`shared`):
 *    loads are level whatever changed between.
 * 3. An endpoint holds its service, a request both, by count.
 *
 * As it fails: a refused connect keeps the endpoint out for 10, 20, 40 … ms (this thread's memory);
 * all out: requests wait (service_wait) and are woken by what may help.
 */
#include "edge/service.h"

#include "edge/connect.h"

#include "base/num.h"
#include "edge/policy.h"
#include "edge/tally.h"
#include "edge/worker.h"

#include <stdlib.h>

_Static_assert((int)SNAPSHOT_LEAST_CONN == (int)PICK_LEAST_CONN &&
                   (int)SNAPSHOT_NEAREST == (int)PICK_NEAREST &&
                   (int)SNAPSHOT_BALANCES == (int)PICK_METHODS &&
                   (int)SNAPSHOT_GROUPS == (int)PICK_GROUPS_MAX &&
                   (int)SNAPSHOT_WEIGHT_MAX == (int)PICK_WEIGHT_MAX,
               "what the snapshot says is what traffic/ does");

enum { DOWN_FIRST_MS = 10, DOWN_MOST_MS = 1000 };

/* --- eligibility --- */

bool endpoint_pools(const struct endpoint *endpoint)
{
    return !endpoint->removed && (endpoint->state == SNAPSHOT_ENDPOINT_READY ||
                                  endpoint->state == SNAPSHOT_ENDPOINT_UNWELL);
}

/* Would it get requests if its health check were wrong? */
static bool present(const struct endpoint *endpoint)
{
    return endpoint_pools(endpoint) && endpoint->reachable;
}

bool endpoint_eligible(const struct endpoint *endpoint)
{
    return present(endpoint) && endpoint->state == SNAPSHOT_ENDPOINT_READY && !endpoint->failing &&
           !endpoint->ejected;
}

static struct endpoint *endpoint_of(struct pick_member *member)
{
    return container_of(member, struct endpoint, member);
}

/* How many endpoints each group would have if all were well: what runs, or what is meant to. */
static unsigned count_groups(const struct service *service, unsigned totals[PICK_GROUPS_MAX])
{
    unsigned all = 0;
    list_for_each (node, &service->endpoints) {
        const struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        totals[endpoint->member.group] += endpoint->state != SNAPSHOT_ENDPOINT_DRAINING;
    }
    for (unsigned i = 0; i < PICK_GROUPS_MAX; i++) {
        totals[i] = MAX(totals[i], MIN(service->spec.spread.totals[i], 65535U));
        all += totals[i];
    }
    return all;
}

/* When most probes fail at once, it is the probe that is to be doubted; and the few that are left
 * would fall under what comes. */
static bool panics(const struct service *service, unsigned all)
{
    unsigned well = 0;
    if (likely(service->spec.spread.panic == 0)) {
        return false;
    }
    list_for_each (node, &service->endpoints) {
        well += endpoint_eligible(list_entry(node, struct endpoint, node));
    }
    return well * 100 < all * service->spec.spread.panic;
}

bool service_takes(const struct service *service, const struct endpoint *endpoint)
{
    return service->panic ? present(endpoint) : endpoint_eligible(endpoint);
}

/* Only where the method looks at it: a place costs memory. */
static void share_load(const struct service *service, struct endpoint *endpoint)
{
    struct tally *loads = service->worker->loads;
    if (loads && pick_shares(&service->pick) && !endpoint->member.shared) {
        endpoint->member.shared = tally_of(loads, endpoint->id);
    }
}

/* Room was made when the endpoints were added. */
void service_refresh(struct service *service)
{
    struct pick *pick = &service->pick;
    unsigned totals[PICK_GROUPS_MAX] = {0};
    if (unlikely(service->policy != NULL)) {
        policy_refresh(service);
    }
    pick->method = (uint8_t)service->spec.balance;
    pick->in_flight_max = service->spec.connections_max;
    pick->factor_percent = service->spec.spread.hash_bound;
    service->panic = panics(service, count_groups(service, totals));
    pick_begin(pick);
    list_for_each (node, &service->endpoints) {
        struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        if (service_takes(service, endpoint)) {
            share_load(service, endpoint);
            pick_add(pick, &endpoint->member);
        }
    }
    pick_end(pick, totals);
    pick->plain = pick->plain && service->spec.spread.sticky.len == 0;
    if (pick->count > 0) {
        service_wake(service);
    }
}

/* Equal weights, nothing asked of the request: a step in an array. */
static struct endpoint *pick_plain(struct pick *pick, const struct endpoint *avoid, int64_t now_ns)
{
    struct pick_group *group = &pick->groups[0];
    struct endpoint *second = NULL;
    for (size_t i = 0; i < group->count; i++) {
        group->turn = group->turn + 1 < group->count ? group->turn + 1 : 0;
        struct pick_member *member = group->members[group->turn];
        if (pick_usable(pick, member, now_ns)) {
            if (likely(endpoint_of(member) != avoid)) {
                return endpoint_of(member);
            }
            second = endpoint_of(member);
        }
    }
    return second;
}

struct endpoint *service_pick_by(struct service *service, const struct endpoint *avoid,
                                 struct pick_ask *ask, bool *ret_shared)
{
    ask->now_ns = service->worker->loop.now_ns;
    ask->rng = &service->worker->loop.rng;
    ask->avoid = avoid ? &avoid->member : NULL;
    *ret_shared = false;
    struct pick_member *member = pick_one(&service->pick, ask);
    if (!member) {
        return NULL;
    }
    member->in_flight++;
    if (member->shared && pick_shares(&service->pick)) {
        *ret_shared = true;
        atomic_fetch_add_explicit(member->shared, 1, memory_order_relaxed);
    }
    return endpoint_of(member);
}

struct endpoint *service_pick(struct service *service, const struct endpoint *avoid,
                              bool *ret_shared)
{
    if (unlikely(!service->pick.plain)) {
        struct pick_ask ask = {0};
        return service_pick_by(service, avoid, &ask, ret_shared);
    }
    struct endpoint *endpoint = pick_plain(&service->pick, avoid, service->worker->loop.now_ns);
    *ret_shared = false;
    if (endpoint) {
        endpoint->member.in_flight++;
    }
    return endpoint;
}

void service_done(struct endpoint *endpoint, bool shared)
{
    endpoint->member.in_flight--;
    if (shared) {
        atomic_fetch_sub_explicit(endpoint->member.shared, 1, memory_order_relaxed);
    }
}

bool service_may_hold(const struct service *service)
{
    return !service->removed && (service->spec.state == SNAPSHOT_SERVICE_RUNNING ||
                                 service->spec.state == SNAPSHOT_SERVICE_STARTING);
}

enum service_lack service_lack(const struct service *service)
{
    bool well = false, runs = false, draining = false;
    list_for_each (node, &service->endpoints) {
        const struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        well |= endpoint_eligible(endpoint);
        runs |= present(endpoint);
        draining |= endpoint->state == SNAPSHOT_ENDPOINT_DRAINING;
    }
    if (well) {
        return service->pick.count == 0 ? LACKS_WEIGHT : LACKS_REPLICA;
    }
    return runs ? LACKS_HEALTH : draining ? LACKS_UNDRAINED : LACKS_REPLICA;
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
    for (size_t i = 0; i < service->pick.count; i++) {
        next = MIN(next, service->pick.members[i]->down_until_ns);
    }
    if (service->pick.count > 0) {
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
        free(endpoint->set_cookie);
        free(endpoint);
    }
}

void endpoint_failed(struct endpoint *endpoint)
{
    struct worker *worker = endpoint->service->worker;
    int64_t ms = MIN((int64_t)DOWN_FIRST_MS << MIN(endpoint->failures, 10U), (int64_t)DOWN_MOST_MS);
    endpoint->failures++;
    endpoint->member.down_until_ns = worker->loop.now_ns + ms * NS_PER_MS;
}

void endpoint_worked(struct endpoint *endpoint)
{
    endpoint->failures = 0;
    endpoint->member.down_until_ns = 0;
}

/* --- life --- */

void service_init(struct service *service, struct worker *worker, uint64_t id)
{
    *service = (struct service){
        .worker = worker,
        .spec.id = id,
        .refs = 1,
        /* Threads do not all start with the first replica. */
        .pick = {.turn = worker->index, .factor_percent = PICK_FACTOR_DEFAULT},
    };
    list_init(&service->endpoints);
    list_init(&service->waiters);
    timer_init(&service->retry, retry);
    service->waiters_max = SERVICE_WAITERS_MAX;
}

int service_reserve(struct service *service, size_t count)
{
    if (count <= service->room) {
        return 0;
    }
    size_t room = MAX(service->room * 2, MAX(count, (size_t)4));
    struct pick_member **members =
        reallocarray(service->pick.members, room, sizeof(struct pick_member *));
    if (!members) {
        return -ENOMEM;
    }
    service->pick.members = members;
    service->room = room;
    return 0;
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
        policy_free(service->policy);
        free(service->pick.members);
        free(service->names);
        connect_forget(service);
        free(service);
    }
}
