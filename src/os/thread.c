/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads over pthreads: see thread.h. Signals are blocked around the creation and not by the new
 * thread: one that came in between would run its handler, or end the process, in a thread that
 * wants none.
 */
#include "os/thread.h"
#include "base/pooling.h"
#include "base/str.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>

enum { THREAD_STACK = 256 * 1024 };

static void *thread_main(void *arg)
{
    struct thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread);
    return NULL;
}

int thread_start(struct thread *thread, const char *name, void (*run)(struct thread *thread))
{
    *thread = (struct thread){.run = run};
    str_copy(thread->name, sizeof(thread->name), str_from(name));
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (error) {
        return -error;
    }
    /* The sanitizers' frames are several times as large. */
    size_t stack = SANITIZED ? THREAD_STACK * 8 : THREAD_STACK;
    pthread_attr_setstacksize(&attr, stack);
    /* A new thread inherits the mask, so block all around the creation: signals belong to the main
     * loop. */
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t handle;
    error = pthread_create(&handle, &attr, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (error) {
        return -error;
    }
    thread->handle = (void *)handle;
    thread->started = true;
    return 0;
}

void thread_join(struct thread *thread)
{
    if (thread->started) {
        pthread_join((pthread_t)thread->handle, NULL);
        thread->started = false;
    }
}

unsigned thread_cpus(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0) {
        return 1;
    }
    return (unsigned)MAX(CPU_COUNT(&allowed), 1);
}
