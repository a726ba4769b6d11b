/* SPDX-License-Identifier: Apache-2.0
 *
 * struct loop: a thread's event loop: descriptors (epoll), timers (base/wheel.h), tasks, signals.
 *
 * Laws:
 * 1. Everything completes through the loop: no function here or elsewhere in os/ calls back from
 * inside the call that started it.
 * 2. One clock reading per turn: `now_ns` does not move inside a turn. Deadlines are absolute.
 * 3. All structs (loop_fd, timer, loop_task, loop_signal) are the caller's memory and must stay
 * where they are while armed. Removing or cancelling is safe at any time, also from inside any
 * callback of the same turn: nothing that was removed is called any more.
 * 4. A loop belongs to one thread; only a mailbox (os/mailbox.h) crosses threads.
 * 5. Without an event, a due timer or a task it sleeps: no tick, no wake-up.
 *
 * Order inside a turn: descriptors, timers, tasks, `last`. A task deferred by a task runs in the
 * next turn, which then does not sleep.
 */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include "base/rng.h"
#include "base/wheel.h"

/* The kernel's epoll bits, so that nothing is translated on the hot path (asserted in loop.c). */
enum loop_event {
    LOOP_READ = 0x001,
    LOOP_PRI = 0x002, /* cgroup.events changed */
    LOOP_WRITE = 0x004,
    LOOP_ERROR = 0x008, /* always reported */
    LOOP_HUP = 0x010,   /* always reported */
    LOOP_RDHUP = 0x2000,
};
#define LOOP_EXCLUSIVE (UINT32_C(1) << 28) /* wake one of the loops that share a listener */
#define LOOP_EDGE      (UINT32_C(1) << 31) /* edge-triggered; without it: level-triggered */

struct loop_fd {
    int fd; /* -1 while it is not watched; the descriptor stays the caller's */
    uint32_t events;
    void (*ready)(struct loop_fd *watch, uint32_t events);
};

struct loop_task {
    struct list node;
    void (*run)(struct loop_task *task);
};

struct loop_signal {
    struct list node;
    int signum;
    uint64_t round; /* private: of the last signal that it was told of */
    void (*received)(struct loop_signal *signal);
};

struct loop_stats {
    uint64_t turns;
    uint64_t events;
    int64_t busy_ns;      /* spent outside the kernel's wait */
    int64_t stall_max_ns; /* the longest turn */
    uint64_t stalls;      /* turns longer than LOOP_STALL_NS */
};
#define LOOP_STALL_NS INT64_C(50000000)

struct loop {
    int64_t now_ns;  /* monotonic, read once a turn */
    int64_t wall_ns; /* since 1970; derived from now_ns, follows a clock step within 100 ms */
    struct rng rng;  /* for jitter and sampling only */
    struct wheel wheel;
    struct list tasks;
    struct loop_task *last; /* runs at the end of each turn; NULL: none */
    struct loop_stats stats;
    bool stopping;
    /* Private from here. */
    int epoll_fd;
    int signal_fd;
    struct loop_fd signal_watch;
    struct list signals;
    uint64_t signal_mask, signal_round;
    int64_t wall_offset_ns;
    int64_t wall_checked_ns;
    void *batch; /* events of this turn that are not handled yet */
    int batch_at;
    int batch_len;
    void *priv; /* the simulator's */
};

/* 0 or -errno. `seed` feeds `rng`. */
must_check int loop_init(struct loop *loop, uint64_t seed);
/* Accepts a zeroed loop. What is still watched is forgotten, not closed. */
void loop_fini(struct loop *loop);

must_check int loop_run(struct loop *loop); /* until loop_stop; 0 or -errno of the wait itself */
void loop_stop(struct loop *loop);
/* One turn that sleeps at most `wait_ns` (0 = does not sleep, < 0 = as long as it takes). */
must_check int loop_turn(struct loop *loop, int64_t wait_ns);
void loop_update_now(struct loop *loop); /* the clocks again: for those that measure long work */

static inline void loop_fd_init(struct loop_fd *watch,
                                void (*ready)(struct loop_fd *watch, uint32_t events))
{
    *watch = (struct loop_fd){.fd = -1, .ready = ready};
}
/* Starts watching `fd`. 0 or -errno (-ENOSPC, -ENOMEM, -EPERM for a regular file). */
must_check int loop_fd_add(struct loop *loop, struct loop_fd *watch, int fd, uint32_t events);
/* Changes the events; free when they are the same already. 0 or -errno. */
must_check int loop_fd_set(struct loop *loop, struct loop_fd *watch, uint32_t events);
/* Stops watching, before the descriptor is closed. Nothing when it is not watched. */
void loop_fd_remove(struct loop *loop, struct loop_fd *watch);
/* The same with a descriptor that the watch owns: add closes it where it fails, close does. */
must_check int loop_fd_take(struct loop *loop, struct loop_fd *watch, int fd, uint32_t events);
void loop_fd_close(struct loop *loop, struct loop_fd *watch);

static inline void loop_timer_set(struct loop *loop, struct timer *timer, int64_t deadline_ns)
{
    wheel_set(&loop->wheel, timer, deadline_ns);
}
static inline void loop_timer_after(struct loop *loop, struct timer *timer, int64_t delay_ns)
{
    wheel_set(&loop->wheel, timer, loop->now_ns + delay_ns);
}
static inline void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
    wheel_cancel(&loop->wheel, timer);
}

static inline void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task))
{
    list_init(&task->node);
    task->run = run;
}
/* Runs the task at the end of this turn, once, however often it is deferred before that. */
static inline void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (list_empty(&task->node)) {
        list_push_back(&loop->tasks, &task->node);
    }
}
static inline void loop_task_cancel(struct loop_task *task)
{
    list_del(&task->node);
}

/* Receives a signal through the loop; blocks it for this thread, so it is called by the main thread
 * before others are started. 0 or -errno. */
must_check int loop_signal_add(struct loop *loop, struct loop_signal *signal, int signum);
void loop_signal_remove(struct loop *loop, struct loop_signal *signal);

#endif
