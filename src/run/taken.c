/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge says in shared memory how far it is, and rings for nobody: so this looks, first after
 * the turn that publishes, then after pauses that double.
 */
#include "run/taken.h"

#include "base/num.h"
#include "core/core.h"
#include "core/edge.h"
#include "run/model.h"

enum { WAIT_MS = 500, PAUSE_FIRST_US = 200, PAUSE_MAX_MS = 16 };

static void look(struct timer *timer, int64_t now_ns)
{
    struct taken *self = container_of(timer, struct taken, timer);
    const struct run *run = self->run;
    bool published = !run->snapshot_dirty && run->listens_known;
    if (now_ns >= self->until_ns || (published && edge_link_is_taken(run->core->edge))) {
        self->done(self);
        return;
    }
    self->pause_ns = MIN(2 * self->pause_ns, PAUSE_MAX_MS * NS_PER_MS);
    loop_timer_after(run->core->loop, timer, self->pause_ns);
}

void taken_wait(struct taken *self, struct run *run, void (*done)(struct taken *self))
{
    self->run = run;
    self->done = done;
    self->pause_ns = PAUSE_FIRST_US * NS_PER_US;
    self->until_ns = core_now(run->core) + WAIT_MS * NS_PER_MS;
    timer_init(&self->timer, look);
    loop_timer_after(run->core->loop, &self->timer, self->pause_ns);
}

void taken_cancel(struct taken *self)
{
    if (self->run) {
        loop_timer_cancel(self->run->core->loop, &self->timer);
    }
}
