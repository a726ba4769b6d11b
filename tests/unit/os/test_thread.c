/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/clock.h"
#include "os/thread.h"
#include <sched.h>
#include <signal.h>

static char name[32];
static sigset_t blocked;

static void look(struct thread *thread)
{
    FILE *file = fopen("/proc/thread-self/comm", "re");
    check(file != NULL && fgets(name, sizeof(name), file) != NULL);
    (void)fclose(file);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
}

TEST(a_thread_has_its_name_and_takes_no_signals)
{
    struct thread thread;
    check_int(thread_start(&thread, "worker", look), 0);
    thread_join(&thread);
    check_str(str_trim_ws(str_from(name)), STR("worker"));
    check(sigismember(&blocked, SIGTERM) == 1);
}

TEST(processors_are_those_this_process_may_use)
{
    cpu_set_t set;
    check_int(sched_getaffinity(0, sizeof(set), &set), 0);
    check_int(CPU_COUNT(&set), thread_cpus());
    unsigned first = 0;
    while (!CPU_ISSET(first, &set)) {
        first++;
    }
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    check_int(sched_setaffinity(0, sizeof(set), &set), 0);
    check_int(thread_cpus(), 1);
}

TEST(the_processors_time_goes_forward_with_work)
{
    int64_t before = clock_cpu_ns();
    volatile uint64_t sum = 0;
    while (clock_cpu_ns() - before < 2 * NS_PER_MS) {
        sum += 1;
    }
    check(sum > 0);
}
