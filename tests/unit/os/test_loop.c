/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/proc.h"
#include "os/shm.h"
#include <signal.h>

struct fixture {
    struct loop loop;
    struct loop_fd watches[3];
    struct timer timer;
    struct loop_task task;
    struct loop_signal signal;
    int fds[3];
    unsigned calls;
    int64_t fired_ns;
};
static struct fixture f;

static void setup(void)
{
    check_int(loop_init(&f.loop, 1), 0);
    for (size_t i = 0; i < 3; i++) {
        check_int(shm_bell_create(&f.fds[i]), 0);
    }
}

static void teardown(void)
{
    for (size_t i = 0; i < 3; i++) {
        loop_fd_remove(&f.loop, &f.watches[i]);
        file_close(&f.fds[i]);
    }
    loop_fini(&f.loop);
}

static void on_count(struct loop_fd *watch, uint32_t events)
{
    check(events & LOOP_READ);
    f.calls++;
    shm_bell_clear(watch->fd);
}

TEST(a_ready_descriptor_is_reported_once_per_ring)
{
    setup();
    loop_fd_init(&f.watches[0], on_count);
    check_int(loop_fd_add(&f.loop, &f.watches[0], f.fds[0], LOOP_READ), 0);
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.calls, 0);
    shm_bell_ring(f.fds[0]);
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.calls, 1);
    teardown();
}

/* Each removes all three, so that exactly one may be called, whichever comes first. */
static void on_remove_all(struct loop_fd *watch, uint32_t events)
{
    f.calls++;
    for (size_t i = 0; i < 3; i++) {
        loop_fd_remove(&f.loop, &f.watches[i]);
    }
}

TEST(a_watch_removed_in_the_same_turn_is_not_called)
{
    setup();
    for (size_t i = 0; i < 3; i++) {
        loop_fd_init(&f.watches[i], on_remove_all);
        check_int(loop_fd_add(&f.loop, &f.watches[i], f.fds[i], LOOP_READ), 0);
        shm_bell_ring(f.fds[i]);
    }
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.calls, 1);
    teardown();
}

static void on_timer(struct timer *timer, int64_t now_ns)
{
    f.fired_ns = now_ns;
    f.calls++;
    loop_stop(&f.loop);
}

TEST(a_timer_fires_not_before_its_deadline_and_the_loop_sleeps_till_then)
{
    setup();
    timer_init(&f.timer, on_timer);
    int64_t deadline_ns = f.loop.now_ns + 20 * NS_PER_MS;
    loop_timer_set(&f.loop, &f.timer, deadline_ns);
    check_int(loop_run(&f.loop), 0);
    check(f.fired_ns >= deadline_ns);
    /* The wheel may ask for a few turns while it moves a timer down its levels, never for polling.
     */
    check(f.loop.stats.turns <= 4);
    teardown();
}

static void on_task(struct loop_task *task)
{
    f.calls++;
    loop_defer(&f.loop, task);
    shm_bell_ring(f.fds[0]);
}

TEST(a_task_that_defers_itself_does_not_starve_descriptors)
{
    setup();
    loop_fd_init(&f.watches[0], on_count);
    check_int(loop_fd_add(&f.loop, &f.watches[0], f.fds[0], LOOP_READ), 0);
    loop_task_init(&f.task, on_task);
    loop_defer(&f.loop, &f.task);
    loop_defer(&f.loop, &f.task); /* counts once */
    check_int(loop_turn(&f.loop, -1), 0);
    check_int(f.calls, 1);
    check_int(loop_turn(&f.loop, -1), 0);
    check_int(f.calls, 3); /* descriptor, then task */
    loop_task_cancel(&f.task);
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.calls, 4); /* the descriptor rung by the last task */
    teardown();
}

static void on_signal(struct loop_signal *signal)
{
    check_int(signal->signum, SIGUSR1);
    f.calls++;
}

TEST(a_signal_arrives_through_the_loop)
{
    setup();
    f.signal.received = on_signal;
    check_int(loop_signal_add(&f.loop, &f.signal, SIGUSR1), 0);
    raise(SIGUSR1);
    check_int(f.calls, 0);
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.calls, 1);
    loop_signal_remove(&f.loop, &f.signal);
    raise(SIGUSR1); /* still blocked: does not end the process */
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.calls, 1);
    teardown();
}

static struct loop_signal pair[2];
static struct loop *pair_loop;

/* Whichever is told first takes the other one out. */
static void on_signal_of_pair(struct loop_signal *signal)
{
    f.calls++;
    loop_signal_remove(pair_loop, signal == &pair[0] ? &pair[1] : &pair[0]);
}

TEST(a_signal_watch_removed_by_another_one_is_not_called)
{
    setup();
    pair_loop = &f.loop;
    for (size_t i = 0; i < 2; i++) {
        pair[i].received = on_signal_of_pair;
        check_int(loop_signal_add(&f.loop, &pair[i], SIGUSR1), 0);
    }
    raise(SIGUSR1);
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.calls, 1);
    raise(SIGUSR1);
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.calls, 2);
    teardown();
}

static void on_slow(struct loop_task *task)
{
    clock_sleep_ns(LOOP_STALL_NS + NS_PER_MS);
}

TEST(a_long_turn_is_counted_as_a_stall)
{
    setup();
    loop_task_init(&f.task, on_slow);
    loop_defer(&f.loop, &f.task);
    check_int(loop_turn(&f.loop, 0), 0);
    check_int(f.loop.stats.stalls, 1);
    check(f.loop.stats.stall_max_ns > LOOP_STALL_NS);
    teardown();
}

TEST(wall_time_follows_the_monotonic_clock)
{
    setup();
    int64_t wall_ns = clock_wall_ns();
    loop_update_now(&f.loop);
    int64_t apart_ns = f.loop.wall_ns - wall_ns;
    check(apart_ns > -NS_PER_S && apart_ns < NS_PER_S);
    teardown();
}
