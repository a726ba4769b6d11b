/* SPDX-License-Identifier: Apache-2.0
 *
 * struct wheel: timers, as a hierarchical timing wheel (Varghese and Lauck 1987): adding, moving
 * and removing a timer costs O(1), whatever their number. No clock: the caller says what time it
 * is. Resolution is 1 ms (2^20 ns): a timer never fires early, and at most one tick late.
 *
 * Timers are the caller's memory, zeroed or not until timer_init, and must not move while armed.
 * Times are absolute monotonic nanoseconds; a `now` smaller than one before is taken as that one.
 * One thread. A wheel costs 7 KiB whatever it holds: one per loop, not one per connection.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include "base/list.h"

enum { WHEEL_TICK_SHIFT = 20, WHEEL_LEVELS = 7, WHEEL_SLOTS = 64 };

struct timer {
    struct list node; /* in a slot, or alone */
    int64_t deadline_ns;
    void (*fire)(struct timer *timer, int64_t now_ns);
    uint8_t level; /* where it lies: private to the wheel */
    uint8_t slot;
};

struct wheel {
    uint64_t tick; /* the last tick that was run: not behind any timer */
    size_t count;
    int64_t next_ns;                 /* what wheel_next said last; 0 = look again */
    uint64_t occupied[WHEEL_LEVELS]; /* a bit per slot */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

#define WHEEL_NEVER INT64_MAX

static inline void timer_init(struct timer *timer, void (*fire)(struct timer *, int64_t))
{
    list_init(&timer->node);
    timer->deadline_ns = WHEEL_NEVER;
    timer->fire = fire;
}
static inline bool timer_armed(const struct timer *timer)
{
    return !list_empty(&timer->node);
}

void wheel_init(struct wheel *wheel, int64_t now_ns);
/* Arms `timer`, or moves it when it is armed. A deadline in the past fires at the next run; one of
 * WHEEL_NEVER (or beyond 2^62 ns, 146 years) disarms. */
void wheel_set(struct wheel *wheel, struct timer *timer, int64_t deadline_ns);
void wheel_cancel(struct wheel *wheel, struct timer *timer);
/* When to call wheel_run next: the tick of the earliest deadline (rounded up), or, when very many
 * timers share a far slot, some tick before it; WHEEL_NEVER without timers. */
int64_t wheel_next(struct wheel *wheel);
/* Fires what is due, in order of their ticks. A timer is disarmed before its function runs and may
 * be armed again by it. Returns how many fired. */
size_t wheel_run(struct wheel *wheel, int64_t now_ns);

#endif
