/* SPDX-License-Identifier: Apache-2.0
 *
 * 1. Nothing floods: a breaker that was told as open is told as closed when it has been so for
 *    CLOSED_LOOKS looks, with how often it opened meanwhile and the time of the first; a replica is
 *    told once for each ejection.
 * 2. What was so before the first look of this core is not told again.
 */
#include "run/verdicts.h"

#include "base/num.h"
#include "core/core.h"
#include "core/event.h"
#include "link/counters_policy.h"
#include "link/snapshot_types.h"
#include "run/model.h"

/* service->verdict: how many looks in a row found the breaker closed since it was told as open. */
enum { NEVER_LOOKED, TOLD_OPEN, CLOSED_LOOKS = 10, TOLD_CLOSED };

static bool may_open(const struct service *service)
{
    const struct breaker_conf *breaker = &service->spec->traffic.breaker;
    return breaker->on && (breaker->consecutive > 0 || breaker->failures > 0);
}

static bool watched(const struct service *service)
{
    return service->spec && (may_open(service) || service->spec->traffic.outlier.on);
}

/* What the edge remembers of a service or an endpoint; zeroes: nothing. */
static struct counters_policy policy_of(const struct run *run, uint64_t id)
{
    const struct counters *counters = edge_link_counters(run->core->edge);
    struct counters_policy policy = {0};
    if (!counters || !counters_policy_read(counters, id, &policy)) {
        return (struct counters_policy){0};
    }
    return policy;
}

/* Whole seconds from now on, as people count; 0: it is over. */
static long long seconds_left(const struct run *run, int64_t until_wall_ns)
{
    int64_t left_ns = until_wall_ns - core_wall(run->core);
    return left_ns <= 0 ? 0 : (long long)((left_ns + NS_PER_S - 1) / NS_PER_S);
}

static const char *ejection_reason(const struct counters_policy *policy)
{
    static const char *const reasons[] = {"it failed", "it failed several times in a row",
                                          "too few of its answers were good",
                                          "it was much slower than the others"};
    return reasons[policy->reason < ARRAY_LEN(reasons) ? policy->reason : 0];
}

void verdicts_say_open(const struct service *service, struct buf *out)
{
    if (!service->spec || !service->driver || !may_open(service)) {
        return;
    }
    const struct run *run = service->driver->run;
    struct counters_policy policy = policy_of(run, service->id);
    long long left_s = seconds_left(run, policy.until_wall_ns);
    if (policy.state == COUNTERS_POLICY_OPEN && left_s > 0) {
        buf_printf(out, "gets no requests: its breaker is open for %lld s", left_s);
    }
}

void verdicts_say_ejected(const struct replica *replica, struct buf *out)
{
    const struct service *service = replica->service;
    if (!service->spec || !service->driver || !service->spec->traffic.outlier.on) {
        return;
    }
    const struct run *run = service->driver->run;
    struct counters_policy policy = policy_of(run, replica->endpoint);
    long long left_s = seconds_left(run, policy.until_wall_ns);
    if (left_s > 0) {
        buf_printf(out, "ejected for %lld s: %s", left_s, ejection_reason(&policy));
    }
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

static void look_at_breaker(struct run *run, struct service *service)
{
    struct counters_policy policy = policy_of(run, service->id);
    struct context ctx;
    struct event event;
    bool open = policy.state == COUNTERS_POLICY_OPEN || policy.state == COUNTERS_POLICY_HALF_OPEN;
    uint8_t before = service->verdict;
    service->verdict = open                     ? TOLD_OPEN
                       : before == NEVER_LOOKED ? TOLD_CLOSED
                                                : MIN(before + 1, TOLD_CLOSED);
    if (before == TOLD_OPEN && !open) {
        service->closed_ns = (uint64_t)core_wall(run->core);
    }
    bool opens = open && before == TOLD_CLOSED;
    bool closes = before == CLOSED_LOOKS && service->verdict == TOLD_CLOSED;
    uint64_t times = policy.times - MIN(service->opened, policy.times);
    if (service->verdict == TOLD_CLOSED || before == NEVER_LOOKED) { /* this opening counts */
        service->opened = policy.times - MIN((uint64_t)open, policy.times);
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
    if (closes && times > 1) {
        event_message(&event,
                      "The breaker of service %s is closed again; it had opened %llu times.",
                      service->name, (unsigned long long)times);
    }
    event.wall_ns =
        closes ? (int64_t)service->closed_ns : 0; /* when it was so, not when it is told */
    event_emit(run->core, &event);
}

static void look_at_replica(struct run *run, struct replica *replica)
{
    const struct service *service = replica->service;
    struct counters_policy policy = policy_of(run, replica->endpoint);
    struct context ctx;
    struct event event;
    bool more = replica->verdict > 0 && policy.times >= replica->verdict;
    replica->verdict = policy.times + 1;
    long long left_s = seconds_left(run, policy.until_wall_ns);
    if (!more || left_s == 0) {
        return;
    }
    draft(&event, &ctx, service, "replica.ejected", EVENT_WARNING);
    event.id.replica = replica->number;
    event_message(&event, "Replica %u of service %s gets no requests for %lld s: %s.",
                  replica->number, service->name, left_s, ejection_reason(&policy));
    event_emit(run->core, &event);
}

static void look_at(struct run *run, struct service *service)
{
    const struct counters *counters = edge_link_counters(run->core->edge);
    if (counters && may_open(service)) {
        look_at_breaker(run, service);
    }
    bool ejects = counters && service->spec->traffic.outlier.on;
    list_for_each (in, &service->members) {
        if (ejects) {
            look_at_replica(run, list_entry(in, struct replica, node));
        }
    }
}

const struct rounds_kind verdicts_rounds = {.wants = watched, .look = look_at};
