/* SPDX-License-Identifier: Apache-2.0
 *
 * How it works: with t the last tick that was run and e > t the tick of a timer, the highest bit in
 * which they differ picks the level (six bits each) and e's six bits there pick the slot. So, for
 * every timer:
 *   1. on its level, its slot lies behind the one of t; above its level, e and t agree;
 *   2. hence all timers of a lower level are due before those of a higher one, and the first
 * occupied slot behind t, searched from level 0 upwards, holds the earliest timer. When t reaches
 * the start of a slot of a higher level, its timers are spread over the levels below it; a timer
 * moves at most WHEEL_LEVELS - 1 times in its life. Empty stretches are skipped by the bit sets.
 *
 * Deadlines that always move (an idle time-out that every byte pushes back) cost two list
 * operations a move and are mostly cancelled before they are due: that is what this structure is
 * chosen for, and a heap would pay a logarithm for.
 */
#include "base/wheel.h"

enum {
    SLOT_BITS = 6,
    SCAN_MAX = 16, /* timers of one slot that wheel_next looks at */
};
#define TICK_LIMIT (UINT64_C(1) << (SLOT_BITS * WHEEL_LEVELS))
#define TICK_NONE  UINT64_MAX

static uint64_t tick_of_now(int64_t now_ns)
{
    ensure((uint64_t)now_ns < TICK_LIMIT << WHEEL_TICK_SHIFT); /* nor is it negative */
    return (uint64_t)now_ns >> WHEEL_TICK_SHIFT;
}

/* Rounded up: never early. */
static uint64_t tick_of_deadline(int64_t deadline_ns)
{
    uint64_t ns = (uint64_t)MAX(deadline_ns, 0);
    return (ns + (UINT64_C(1) << WHEEL_TICK_SHIFT) - 1) >> WHEEL_TICK_SHIFT;
}

void wheel_init(struct wheel *wheel, int64_t now_ns)
{
    wheel->tick = tick_of_now(now_ns);
    wheel->count = 0;
    wheel->next_ns = WHEEL_NEVER;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
            list_init(&wheel->slots[level][slot]);
        }
    }
}

/* Puts a timer that is due after wheel->tick where it belongs. */
static void place(struct wheel *wheel, struct timer *timer, uint64_t tick)
{
    unsigned highest = 63u - (unsigned)__builtin_clzll(tick ^ wheel->tick);
    unsigned level = highest / SLOT_BITS;
    unsigned slot = (unsigned)(tick >> (level * SLOT_BITS)) % WHEEL_SLOTS;
    timer->level = (uint8_t)level;
    timer->slot = (uint8_t)slot;
    list_push_back(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void wheel_cancel(struct wheel *wheel, struct timer *timer)
{
    if (!timer_armed(timer)) {
        return;
    }
    list_del(&timer->node);
    wheel->count--;
    if (timer->deadline_ns <= wheel->next_ns) {
        wheel->next_ns = 0; /* it may have been the earliest */
    }
    /* A timer that waits in wheel_run's list of due ones names a slot it has left: clearing the bit
     * of an empty slot is right in any case. */
    if (list_empty(&wheel->slots[timer->level][timer->slot])) {
        wheel->occupied[timer->level] &= ~(UINT64_C(1) << timer->slot);
    }
}

void wheel_set(struct wheel *wheel, struct timer *timer, int64_t deadline_ns)
{
    wheel_cancel(wheel, timer);
    timer->deadline_ns = deadline_ns;
    uint64_t tick = tick_of_deadline(deadline_ns);
    if (tick < TICK_LIMIT) {
        tick = MAX(tick, wheel->tick + 1);
        place(wheel, timer, tick);
        wheel->count++;
        wheel->next_ns = MIN(wheel->next_ns, (int64_t)(tick << WHEEL_TICK_SHIFT));
    }
}

/* The first occupied slot behind the current tick; returns the tick at which it starts. */
static uint64_t first_slot(const struct wheel *wheel, unsigned *ret_level, unsigned *ret_slot)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] == 0) {
            continue;
        }
        unsigned shift = level * SLOT_BITS;
        unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
        ensure(slot > (wheel->tick >> shift) % WHEEL_SLOTS);
        *ret_level = level;
        *ret_slot = slot;
        uint64_t above = wheel->tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        return above | (uint64_t)slot << shift;
    }
    return TICK_NONE;
}

/* The tick of the earliest timer, or one before it. */
static uint64_t next_tick(const struct wheel *wheel)
{
    unsigned level, slot;
    uint64_t start = first_slot(wheel, &level, &slot);
    if (start == TICK_NONE || level == 0) {
        return start;
    }
    uint64_t earliest = TICK_NONE;
    unsigned seen = 0;
    list_for_each (node, &wheel->slots[level][slot]) {
        if (++seen > SCAN_MAX) {
            return start;
        }
        const struct timer *timer = list_entry(node, struct timer, node);
        uint64_t tick = tick_of_deadline(timer->deadline_ns);
        earliest = MIN(earliest, tick);
    }
    return MAX(start, earliest);
}

int64_t wheel_next(struct wheel *wheel)
{
    if (wheel->next_ns == 0) {
        uint64_t tick = next_tick(wheel);
        wheel->next_ns = tick == TICK_NONE ? WHEEL_NEVER : (int64_t)(tick << WHEEL_TICK_SHIFT);
    }
    return wheel->next_ns;
}

/* Moves the tick to the start of a slot: what is due there goes to `due`, the rest to lower levels.
 */
static void open_slot(struct wheel *wheel, unsigned level, unsigned slot, struct list *due)
{
    struct list timers;
    list_init(&timers);
    list_splice_back(&timers, &wheel->slots[level][slot]);
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    struct list *node;
    while ((node = list_pop_front(&timers))) {
        struct timer *timer = list_entry(node, struct timer, node);
        uint64_t tick = tick_of_deadline(timer->deadline_ns);
        if (tick <= wheel->tick) {
            list_push_back(due, node);
        } else {
            place(wheel, timer, tick);
        }
    }
}

size_t wheel_run(struct wheel *wheel, int64_t now_ns)
{
    uint64_t now = tick_of_now(now_ns);
    struct list due;
    unsigned level, slot;
    uint64_t start;
    /* Nearly always there is nothing to do. The tick may stay behind: timers are placed by their
     * distance from it, which a late tick only makes larger. */
    if (now_ns < wheel->next_ns) {
        return 0;
    }
    wheel->next_ns = 0;
    list_init(&due);
    while ((start = first_slot(wheel, &level, &slot)) <= now) {
        wheel->tick = start;
        open_slot(wheel, level, slot, &due);
    }
    wheel->tick = MAX(wheel->tick, now);
    /* All due timers are collected before the first one fires: one that arms itself for the past
     * waits for the next run, however late this one is. They stay armed, so that others can cancel
     * or move them. */
    size_t fired = 0;
    struct list *node;
    while ((node = list_pop_front(&due))) {
        struct timer *timer = list_entry(node, struct timer, node);
        wheel->count--;
        fired++;
        timer->fire(timer, now_ns);
    }
    return fired;
}
