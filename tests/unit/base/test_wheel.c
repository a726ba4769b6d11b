/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "base/wheel.h"
#include "harness/test.h"

enum { TIMERS = 64, TICK_NS = 1 << WHEEL_TICK_SHIFT };

/* The model: every timer with its deadline, looked through from end to end. */
struct entry {
    struct timer timer;
    int64_t deadline_ns;
    bool armed;
    bool fired;
};

static struct wheel wheel;
static struct entry entries[TIMERS];
static int64_t last_tick_fired;

static int64_t tick_up(int64_t ns)
{
    return (MAX(ns, 0) + TICK_NS - 1) / TICK_NS;
}

static void fired(struct timer *timer, int64_t now_ns)
{
    struct entry *entry = container_of(timer, struct entry, timer);
    check(entry->armed && !timer_armed(timer));
    check(entry->deadline_ns <= now_ns);
    check(MAX(tick_up(entry->deadline_ns), 0) >= last_tick_fired);
    last_tick_fired = tick_up(entry->deadline_ns);
    entry->armed = false;
    entry->fired = true;
}

/* Mostly near, sometimes very far: each level of the wheel gets its share. */
static int64_t random_span(void)
{
    return (int64_t)(rng_u64(test_rng()) >> (2 + rng_below(test_rng(), 50)));
}

static void check_next(void)
{
    int64_t earliest = WHEEL_NEVER;
    for (size_t i = 0; i < TIMERS; i++) {
        if (entries[i].armed) {
            earliest = MIN(earliest, entries[i].deadline_ns);
        }
    }
    int64_t next = wheel_next(&wheel);
    check((earliest == WHEEL_NEVER) == (next == WHEEL_NEVER));
    if (earliest != WHEEL_NEVER) {
        check(next <= MAX(tick_up(earliest), (int64_t)wheel.tick + 1) * TICK_NS);
        check(next > (int64_t)wheel.tick * TICK_NS);
    }
}

static void run_to(int64_t now_ns)
{
    size_t due = 0;
    last_tick_fired = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        due += entries[i].armed && tick_up(entries[i].deadline_ns) <= now_ns / TICK_NS;
        entries[i].fired = false;
    }
    check_int(wheel_run(&wheel, now_ns), due);
    for (size_t i = 0; i < TIMERS; i++) {
        check(!entries[i].armed || tick_up(entries[i].deadline_ns) > now_ns / TICK_NS);
    }
}

TEST(a_random_walk_equals_a_sorted_array)
{
    int64_t now = (int64_t)(rng_u64(test_rng()) >> 20);
    wheel_init(&wheel, now);
    for (size_t i = 0; i < TIMERS; i++) {
        timer_init(&entries[i].timer, fired);
    }
    for (size_t i = 0; i < test_rounds(100000); i++) {
        struct entry *entry = &entries[rng_below(test_rng(), TIMERS)];
        uint64_t what = rng_below(test_rng(), 10);
        int64_t span = random_span();
        if (what < 6 && span < (INT64_C(1) << 61) - now) {
            /* a deadline in the past fires at the next run: the model does not know "next" */
            entry->deadline_ns = ((int64_t)wheel.tick + 1) * TICK_NS + span;
            entry->armed = true;
            wheel_set(&wheel, &entry->timer, entry->deadline_ns);
        } else if (what < 7) {
            wheel_cancel(&wheel, &entry->timer);
            entry->armed = false;
        } else if (what < 9) {
            int64_t next = wheel_next(&wheel);
            now = next == WHEEL_NEVER ? now : MAX(now, next);
            run_to(now);
        } else if (now + (span >> 8) < INT64_C(1) << 60) {
            now += span >> 8;
            run_to(now);
        }
        check_next();
        size_t armed = 0;
        for (size_t j = 0; j < TIMERS; j++) {
            armed += entries[j].armed;
            check_int(timer_armed(&entries[j].timer), entries[j].armed);
        }
        check_int(wheel.count, armed);
    }
}

struct chain {
    struct timer timer;
    struct timer *other;
    int64_t again_ns;
    unsigned count;
};

static void rearm(struct timer *timer, int64_t now_ns)
{
    struct chain *chain = container_of(timer, struct chain, timer);
    chain->count++;
    if (chain->other) {
        wheel_cancel(&wheel, chain->other);
    }
    if (chain->again_ns != WHEEL_NEVER) {
        wheel_set(&wheel, timer, chain->again_ns);
    }
}

TEST(a_timer_that_arms_itself_for_the_past_waits_for_the_next_run)
{
    struct chain chain = {.again_ns = 0};
    timer_init(&chain.timer, rearm);
    wheel_init(&wheel, 0);
    wheel_set(&wheel, &chain.timer, 0);
    check_int(wheel_run(&wheel, 100 * NS_PER_S), 1);
    check_int(chain.count, 1);
    check_int(wheel_run(&wheel, 100 * NS_PER_S), 0);
    check_int(wheel_run(&wheel, wheel_next(&wheel)), 1);
    check_int(chain.count, 2);
}

TEST(a_due_timer_can_be_cancelled_by_one_before_it)
{
    struct chain a = {.again_ns = WHEEL_NEVER}, b = {.again_ns = WHEEL_NEVER};
    timer_init(&a.timer, rearm);
    timer_init(&b.timer, rearm);
    a.other = &b.timer;
    b.other = &a.timer;
    wheel_init(&wheel, 0);
    wheel_set(&wheel, &a.timer, 5 * NS_PER_S);
    wheel_set(&wheel, &b.timer, 5 * NS_PER_S);
    check_int(wheel_run(&wheel, 6 * NS_PER_S), 1);
    check_int(a.count + b.count, 1);
    check_int(wheel.count, 0);
    check(wheel_next(&wheel) == WHEEL_NEVER);
}

TEST(never_early_and_at_most_one_tick_late)
{
    for (int64_t deadline = 1; deadline < INT64_C(1) << 61; deadline = deadline * 3 + 7) {
        struct chain chain = {.again_ns = WHEEL_NEVER};
        timer_init(&chain.timer, rearm);
        wheel_init(&wheel, 0);
        wheel_set(&wheel, &chain.timer, deadline);
        check_int(wheel_run(&wheel, deadline - 1), 0);
        check_int(wheel_run(&wheel, deadline + TICK_NS), 1);
    }
}

TEST(a_lone_far_timer_wakes_nobody_before_its_time)
{
    struct chain chain = {.again_ns = WHEEL_NEVER};
    timer_init(&chain.timer, rearm);
    wheel_init(&wheel, 12345678);
    wheel_set(&wheel, &chain.timer, 3600 * NS_PER_S);
    int64_t next = wheel_next(&wheel);
    check(next >= 3600 * NS_PER_S && next < 3600 * NS_PER_S + TICK_NS);
    check_int(wheel_run(&wheel, next), 1);
}

TEST(never_means_disarmed)
{
    struct chain chain = {.again_ns = WHEEL_NEVER};
    timer_init(&chain.timer, rearm);
    wheel_init(&wheel, 0);
    wheel_set(&wheel, &chain.timer, NS_PER_S);
    wheel_set(&wheel, &chain.timer, WHEEL_NEVER);
    check(!timer_armed(&chain.timer));
    wheel_set(&wheel, &chain.timer, INT64_MAX - 1);
    check(!timer_armed(&chain.timer));
    wheel_cancel(&wheel, &chain.timer);
    check_int(wheel.count, 0);
}
