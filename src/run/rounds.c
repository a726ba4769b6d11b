/* SPDX-License-Identifier: Apache-2.0 */
#include "run/rounds.h"

#include "base/num.h"
#include "core/core.h"
#include "run/model.h"

static void go_round(struct timer *timer, int64_t now_ns)
{
    struct rounds *rounds = container_of(timer, struct rounds, timer);
    bool any = false;
    list_for_each (it, &rounds->run->projects) {
        list_for_each (at, &list_entry(it, struct project, node)->services) {
            struct service *service = list_entry(at, struct service, node);
            if (rounds->kind->wants(service)) {
                rounds->kind->look(rounds->run, service);
                any = true;
            }
        }
    }
    if (any) {
        loop_timer_set(rounds->run->core->loop, timer, now_ns + NS_PER_S);
    }
}

void rounds_init(struct rounds *rounds, struct run *run, const struct rounds_kind *kind)
{
    *rounds = (struct rounds){.run = run, .kind = kind};
    timer_init(&rounds->timer, go_round);
}

void rounds_fini(struct rounds *rounds)
{
    loop_timer_cancel(rounds->run->core->loop, &rounds->timer);
}

void rounds_begin(struct rounds *rounds)
{
    if (!timer_armed(&rounds->timer)) {
        loop_timer_after(rounds->run->core->loop, &rounds->timer, 0);
    }
}
