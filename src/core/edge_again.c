/* SPDX-License-Identifier: Apache-2.0 */
#include "core/edge_again.h"

#include "base/num.h"
#include "core/core.h"
#include "core/edge.h"
#include "link/counters.h"

enum { LOOK_MS = 5, WAIT_MS = 1000 };

/* False: that edge has not begun yet, or cannot tell (of an older version, or without the keeper's
 * memory). */
static bool found(const struct edge_again *again, struct counters_carried *ret)
{
    const struct counters *counters = edge_link_counters(again->core->edge);
    return counters && counters_found(counters, again->pid, ret);
}

static void emit(struct edge_again *again, const struct counters_carried *lost)
{
    struct context ctx = context_system("edge lost");
    struct event event;
    event_draft(&event, &ctx, "role.restarted", EVENT_WARNING);
    if (!lost) {
        event_message(&event, "The edge ended and was started again (pid %d).", again->pid);
    } else if (lost->requests == 0 && lost->tunnels == 0) {
        event_message(&event,
                      "The edge ended and was started again (pid %d). Nothing was under way in it.",
                      again->pid);
    } else {
        event_message(&event,
                      "The edge ended and was started again (pid %d). Lost with it: requests under "
                      "way: %u, tunnels: %u.",
                      again->pid, lost->requests, lost->tunnels);
    }
    event_emit(again->core, &event);
}

static void look(struct timer *timer, int64_t now_ns)
{
    struct edge_again *again = container_of(timer, struct edge_again, timer);
    struct counters_carried lost;
    bool known = found(again, &lost);
    if (known || now_ns >= again->until_ns) {
        emit(again, known ? &lost : NULL);
    } else {
        loop_timer_set(again->core->loop, timer, now_ns + LOOK_MS * NS_PER_MS);
    }
}

/* That edge ended, too, before it was told of. */
static void tell_now(struct edge_again *again)
{
    struct counters_carried lost;
    if (timer_armed(&again->timer)) {
        loop_timer_cancel(again->core->loop, &again->timer);
        emit(again, found(again, &lost) ? &lost : NULL);
    }
}

void edge_again_init(struct edge_again *again, struct core *core)
{
    again->core = core;
    timer_init(&again->timer, look);
}

void edge_again_fini(struct edge_again *again)
{
    loop_timer_cancel(again->core->loop, &again->timer);
}

void edge_again_tell(struct edge_again *again, int pid)
{
    tell_now(again);
    again->pid = pid;
    again->until_ns = core_now(again->core) + WAIT_MS * NS_PER_MS;
    look(&again->timer, core_now(again->core));
}
