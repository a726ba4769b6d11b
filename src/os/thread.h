/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads. All signals are blocked in a new one, since they belong to the main loop's signalfd; its
 * stack is 256 KiB, the most that many idle threads may cost in address space (pages are the
 * kernel's until they are touched). A thread ends by returning from `run`: none is ever cancelled,
 * so locks and memory are its own to give back.
 */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include "base/def.h"

struct thread {
    void *handle; /* pthread_t */
    void (*run)(struct thread *thread);
    bool started;
    char name[16];
};

/* Starts `run(thread)`; `name` is cut to 15 bytes. 0 or -errno. The struct must live until the
 * join. */
must_check int thread_start(struct thread *thread, const char *name,
                            void (*run)(struct thread *thread));
/* Waits for its end; nothing when it was not started. */
void thread_join(struct thread *thread);
/* CPUs this process may use, at least 1. */
unsigned thread_cpus(void);

#endif
