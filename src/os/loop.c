/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop over epoll. See loop.h for its laws.
 *
 * Invariants:
 * 1. A watch that was removed is never called again: its events still in the batch are blanked (a
 * scan of what is left of the batch, at most LOOP_BATCH entries; closing is rare beside reading).
 * 2. The kernel's data pointer of each registration is its loop_fd, which therefore must not move.
 * 3. Sleeping ends at wheel_next at the latest; with tasks waiting it does not begin.
 * 4. Signals come through one signalfd, told to each watch of their number once (`round`), from the
 *    front again after each call: any of them may be gone then.
 *
 * How it fails: EINTR is an empty turn; any other error of the wait is a broken epoll descriptor
 * and ends loop_run. A watch whose descriptor was closed behind our back is the caller's mistake:
 * epoll forgets it silently, or goes on for a duplicate, which is why removal comes before closing.
 */
#include "os/loop.h"
#include "os/clock.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOP_BATCH = 128 };
#define LOOP_WALL_CHECK_NS (100 * NS_PER_MS)

_Static_assert((uint32_t)LOOP_READ == EPOLLIN && (uint32_t)LOOP_PRI == EPOLLPRI, "epoll's bits");
_Static_assert((uint32_t)LOOP_WRITE == EPOLLOUT && (uint32_t)LOOP_ERROR == EPOLLERR,
               "epoll's bits");
_Static_assert((uint32_t)LOOP_HUP == EPOLLHUP && (uint32_t)LOOP_RDHUP == EPOLLRDHUP,
               "epoll's bits");
_Static_assert(LOOP_EXCLUSIVE == (uint32_t)EPOLLEXCLUSIVE && LOOP_EDGE == (uint32_t)EPOLLET,
               "epoll's bits");

void loop_update_now(struct loop *loop)
{
    loop->now_ns = clock_mono_ns();
    if (loop->now_ns - loop->wall_checked_ns >= LOOP_WALL_CHECK_NS) {
        loop->wall_checked_ns = loop->now_ns;
        loop->wall_offset_ns = clock_wall_ns() - loop->now_ns;
    }
    loop->wall_ns = loop->now_ns + loop->wall_offset_ns;
}

int loop_init(struct loop *loop, uint64_t seed)
{
    *loop = (struct loop){.epoll_fd = -1, .signal_fd = -1};
    list_init(&loop->tasks);
    list_init(&loop->signals);
    loop_fd_init(&loop->signal_watch, NULL);
    rng_init(&loop->rng, seed);
    loop->wall_checked_ns = INT64_MIN / 2;
    loop_update_now(loop);
    wheel_init(&loop->wheel, loop->now_ns);
    loop->batch = calloc(LOOP_BATCH, sizeof(struct epoll_event));
    if (!loop->batch) {
        return -ENOMEM;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        int error = -errno;
        loop_fini(loop);
        return error;
    }
    return 0;
}

void loop_fini(struct loop *loop)
{
    if (!loop->batch) {
        return; /* zeroed, or finished before */
    }
    if (loop->signal_fd >= 0) {
        close(loop->signal_fd);
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    free(loop->batch);
    loop->batch = NULL;
    loop->epoll_fd = -1;
    loop->signal_fd = -1;
}

int loop_fd_add(struct loop *loop, struct loop_fd *watch, int fd, uint32_t events)
{
    ensure(watch->fd < 0 && watch->ready);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        return -errno;
    }
    watch->fd = fd;
    watch->events = events;
    return 0;
}

int loop_fd_set(struct loop *loop, struct loop_fd *watch, uint32_t events)
{
    ensure(watch->fd >= 0);
    if (watch->events == events) {
        return 0;
    }
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0) {
        return -errno;
    }
    watch->events = events;
    return 0;
}

void loop_fd_remove(struct loop *loop, struct loop_fd *watch)
{
    if (watch->fd < 0) {
        return;
    }
    /* Explicitly, not by closing: a duplicate of the descriptor (in another process too) would keep
     * the registration alive and report events for memory that is gone. */
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
    watch->events = 0;
    struct epoll_event *batch = loop->batch;
    for (int i = loop->batch_at; i < loop->batch_len; i++) {
        if (batch[i].data.ptr == watch) {
            batch[i].data.ptr = NULL;
        }
    }
}

int loop_fd_take(struct loop *loop, struct loop_fd *watch, int fd, uint32_t events)
{
    int result = loop_fd_add(loop, watch, fd, events);
    if (result < 0) {
        close(fd);
    }
    return result;
}

void loop_fd_close(struct loop *loop, struct loop_fd *watch)
{
    int fd = watch->fd;
    if (fd >= 0) {
        loop_fd_remove(loop, watch);
        close(fd);
    }
}

/* How long the kernel may sleep; negative: for ever. */
static int64_t loop_sleep_time(struct loop *loop, int64_t wait_ns)
{
    int64_t sleep_ns = wait_ns;
    int64_t next_ns = wheel_next(&loop->wheel);
    if (next_ns != WHEEL_NEVER) {
        int64_t until_ns = MAX(next_ns - loop->now_ns, 0);
        sleep_ns = wait_ns < 0 ? until_ns : MIN(wait_ns, until_ns);
    }
    return list_empty(&loop->tasks) && !loop->stopping ? sleep_ns : 0;
}

/* Waits; the number of events or -errno. epoll_pwait2 (5.11) keeps nanoseconds; older kernels get
 * rounded-up milliseconds, so that a timer is never polled for. */
static int loop_wait(struct loop *loop, int64_t sleep_ns)
{
    static _Atomic bool no_pwait2; /* a fact about the kernel, the same for every loop */
    int count;
    if (!no_pwait2) {
        struct timespec sleep = {.tv_sec = sleep_ns / NS_PER_S, .tv_nsec = sleep_ns % NS_PER_S};
        count = epoll_pwait2(loop->epoll_fd, loop->batch, LOOP_BATCH, sleep_ns < 0 ? NULL : &sleep,
                             NULL);
        if (count >= 0 || errno != ENOSYS) {
            return count < 0 ? -errno : count;
        }
        no_pwait2 = true;
    }
    int64_t ms = -1;
    if (sleep_ns >= 0) {
        ms = MIN((sleep_ns + NS_PER_MS - 1) / NS_PER_MS, INT64_C(1000000000));
    }
    count = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, (int)ms);
    return count < 0 ? -errno : count;
}

static inline always_inline_fn void loop_run_batch(struct loop *loop, int count)
{
    struct epoll_event *batch = loop->batch;
    loop->batch_len = count;
    for (int i = 0; i < count; i++) {
        struct loop_fd *watch = batch[i].data.ptr;
        loop->batch_at = i + 1;
        if (likely(watch)) {
            watch->ready(watch, batch[i].events);
        }
    }
    loop->batch_len = 0;
}

static void loop_run_tasks(struct loop *loop)
{
    /* Only what is there now: a task that defers itself must not starve the descriptors. */
    struct list due = LIST_INIT(due);
    list_splice_back(&due, &loop->tasks);
    struct list *node;
    while ((node = list_pop_front(&due))) {
        struct loop_task *task = list_entry(node, struct loop_task, node);
        task->run(task);
    }
}

static inline always_inline_fn int turn(struct loop *loop, int64_t wait_ns)
{
    int count = loop_wait(loop, loop_sleep_time(loop, wait_ns));
    if (unlikely(count < 0)) {
        if (count != -EINTR) {
            return count;
        }
        count = 0;
    }
    loop_update_now(loop);
    loop->stats.turns++;
    loop_run_batch(loop, count);
    loop->stats.events += (unsigned)count;
    wheel_run(&loop->wheel, loop->now_ns);
    if (!list_empty(&loop->tasks)) {
        loop_run_tasks(loop);
    }
    if (loop->last) {
        loop->last->run(loop->last);
    }
    int64_t busy_ns = clock_mono_ns() - loop->now_ns;
    loop->stats.busy_ns += busy_ns;
    if (unlikely(busy_ns > loop->stats.stall_max_ns)) {
        loop->stats.stall_max_ns = busy_ns;
    }
    if (unlikely(busy_ns > LOOP_STALL_NS)) {
        loop->stats.stalls++;
    }
    return 0;
}

int loop_turn(struct loop *loop, int64_t wait_ns)
{
    return turn(loop, wait_ns);
}

int loop_run(struct loop *loop)
{
    loop->stopping = false;
    while (!loop->stopping) {
        int result = turn(loop, -1);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

/* One that wants this signal and was not told of it in this round. */
static struct loop_signal *loop_signal_next(struct loop *loop, uint32_t signum, uint64_t round)
{
    list_for_each (it, &loop->signals) {
        struct loop_signal *signal = list_entry(it, struct loop_signal, node);
        if ((uint32_t)signal->signum == signum && signal->round != round) {
            return signal;
        }
    }
    return NULL;
}

static void loop_signal_ready(struct loop_fd *watch, uint32_t events)
{
    struct loop *loop = container_of(watch, struct loop, signal_watch);
    struct signalfd_siginfo info;
    while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        uint64_t round = ++loop->signal_round;
        struct loop_signal *signal;
        /* From the front each time: a callback may remove any of them (law 3). */
        while ((signal = loop_signal_next(loop, info.ssi_signo, round))) {
            signal->round = round;
            signal->received(signal);
        }
    }
}

/* Puts the wanted set into the signalfd, making it first if there is none; it stays until the
 * loop's end, also when nobody wants a signal any more. */
static int loop_signal_update(struct loop *loop)
{
    sigset_t set;
    sigemptyset(&set);
    for (int signum = 1; signum < 64; signum++) {
        if (loop->signal_mask & UINT64_C(1) << signum) {
            sigaddset(&set, signum);
        }
    }
    int fd = signalfd(loop->signal_fd, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (loop->signal_fd >= 0) {
        return 0;
    }
    loop->signal_watch.ready = loop_signal_ready;
    int result = loop_fd_take(loop, &loop->signal_watch, fd, LOOP_READ);
    loop->signal_fd = result < 0 ? -1 : fd;
    return result;
}

int loop_signal_add(struct loop *loop, struct loop_signal *signal, int signum)
{
    ensure(signum > 0 && signum < 64);
    signal->signum = signum;
    signal->round = loop->signal_round;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signum);
    int result = -pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (result < 0) {
        return result;
    }
    list_push_back(&loop->signals, &signal->node);
    loop->signal_mask |= UINT64_C(1) << signum;
    result = loop_signal_update(loop);
    if (result < 0) {
        loop_signal_remove(loop, signal); /* the caller's memory, which it may free now */
    }
    return result;
}

void loop_signal_remove(struct loop *loop, struct loop_signal *signal)
{
    list_del(&signal->node);
    list_for_each (it, &loop->signals) {
        if (list_entry(it, struct loop_signal, node)->signum == signal->signum) {
            return;
        }
    }
    loop->signal_mask &= ~(UINT64_C(1) << signal->signum);
    /* Stays blocked: a late one must not end the process. Failing here changes nothing that
     * matters. */
    (void)!loop_signal_update(loop);
}
