/* SPDX-License-Identifier: Apache-2.0
 *
 * 1. Nothing floods: a breaker that was told as open is told as closed when it has been so for
 *    CLOSED_LOOKS looks, with how often it opened meanwhile; a replica is told once for each
 *    ejection.
 * 2. What was so before the first look of this core is not told again.
 */
#include "run/verdicts.h"

#include "base/num.h"
#include "core/core.h"
#include "core/event.h"
#include "link/counters_policy.h"
#include "link/snapshot_types.h"

/* service->verdict: how many looks in a row found the breaker closed since it was told as open. */
enum { NEVER_LOOKED, TOLD_OPEN, CLOSED_LOOKS = 10, TOLD_CLOSED };
#define PERIOD_NS NS_PER_S

static bool may_open(const struct service *service)
{
    const struct breaker_conf *breaker = &service->spec->traffic.breaker;
    return breaker->on && (breaker->consecutive > 0 || breaker->failures > 0);
}

static bool watched(const struct service *service)
{
    return service->spec && (may_open(service) || service->spec->traffic.outlier.on);
}

/* Told of a service: of its replica, when there is one. */
static void draft(struct event *event, struct context *ctx, const struct service *service,
                  const char *kind, uint8_t severity)
{
    *ctx = context_system("gateway");
    event_draft(event, ctx, kind, severity);
    event->id = bus_id_make(str_from(service->project->tenant), str_from(service->project->name),
                            str_from(service->name), 0);
}

static void look_at_breaker(struct run *run, const struct counters *counters,
                            struct service *service)
{
    struct counters_policy policy = {0};
    struct context ctx;
    struct event event;
    (void)counters_policy_read(counters, service->id, &policy);
    bool open = policy.state == COUNTERS_POLICY_OPEN || policy.state == COUNTERS_POLICY_HALF_OPEN;
    uint8_t before = service->verdict;
    service->verdict = open                     ? TOLD_OPEN
                       : before == NEVER_LOOKED ? TOLD_CLOSED
                                                : MIN(before + 1, TOLD_CLOSED);
    bool opens = open && before == TOLD_CLOSED;
    bool closes = before == CLOSED_LOOKS && service->verdict == TOLD_CLOSED;
    if (open && (before == NEVER_LOOKED || before == TOLD_CLOSED)) {
        service->opened = policy.times;
    }
    if (!opens && !closes) {
        return;
    }
    draft(&event, &ctx, service, open ? "service.breaker-open" : "service.breaker-closed",
          open ? EVENT_WARNING : EVENT_INFO);
    event_message(&event,
                  open ? "The breaker of service %s is open: it failed too often of late."
                       : "The breaker of service %s is closed again.",
                  service->name);
    if (closes && policy.times > service->opened) {
        event_message(&event,
                      "The breaker of service %s is closed again; it had opened %llu times.",
                      service->name, (unsigned long long)(policy.times - service->opened + 1));
    }
    event_emit(run->core, &event);
}

static void look_at_replica(struct run *run, const struct counters *counters,
                            struct replica *replica)
{
    static const char *const reasons[] = {"it failed", "it failed several times in a row",
                                          "too few of its answers were good",
                                          "it was much slower than the others"};
    const struct service *service = replica->service;
    struct counters_policy policy = {0};
    struct context ctx;
    struct event event;
    (void)counters_policy_read(counters, replica->endpoint, &policy);
    bool more = replica->verdict > 0 && policy.times >= replica->verdict;
    replica->verdict = policy.times + 1;
    int64_t left_ns = policy.until_wall_ns - core_wall(run->core);
    if (!more || left_ns <= 0) {
        return;
    }
    draft(&event, &ctx, service, "replica.ejected", EVENT_WARNING);
    event.id.replica = replica->number;
    event_message(&event, "Replica %u of service %s gets no requests for %lld s: %s.",
                  replica->number, service->name, (long long)((left_ns + NS_PER_S - 1) / NS_PER_S),
                  reasons[policy.reason < ARRAY_LEN(reasons) ? policy.reason : 0]);
    event_emit(run->core, &event);
}

static void look_at(struct run *run, const struct counters *counters, struct service *service)
{
    if (may_open(service)) {
        look_at_breaker(run, counters, service);
    }
    list_for_each (in, &service->members) {
        if (service->spec->traffic.outlier.on) {
            look_at_replica(run, counters, list_entry(in, struct replica, node));
        }
    }
}

static void tick(struct timer *timer, int64_t now_ns)
{
    struct run *run = container_of(timer, struct run, verdicts);
    const struct counters *counters = edge_link_counters(run->core->edge);
    bool any = false;
    list_for_each (it, &run->projects) {
        list_for_each (at, &list_entry(it, struct project, node)->services) {
            struct service *service = list_entry(at, struct service, node);
            any = any || watched(service);
            if (counters && watched(service)) {
                look_at(run, counters, service);
            }
        }
    }
    if (any) {
        loop_timer_set(run->core->loop, timer, now_ns + PERIOD_NS);
    }
}

void verdicts_init(struct run *run)
{
    timer_init(&run->verdicts, tick);
}

void verdicts_fini(struct run *run)
{
    loop_timer_cancel(run->core->loop, &run->verdicts);
}

void verdicts_look(struct run *run)
{
    if (!timer_armed(&run->verdicts)) {
        loop_timer_after(run->core->loop, &run->verdicts, 0);
    }
}
