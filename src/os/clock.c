/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks: see clock.h. Reading one cannot fail on Linux with these ids.
 */
#include "os/clock.h"
#include <time.h>

static int64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;
    int result = clock_gettime(id, &ts);
    ensure(result == 0);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

int64_t clock_cpu_ns(void)
{
    return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void clock_sleep_ns(int64_t ns)
{
    struct timespec left = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    while (ns > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}
