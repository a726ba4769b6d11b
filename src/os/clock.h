/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks. Only os/ and tests read them; all else is handed `now` by its loop, so that everything
 * decided in one turn was decided at one time, and the simulator can say what time it is.
 *
 * Intervals are measured by the monotonic clock: the wall clock is set by people and by NTP, also
 * backwards. The wall clock is for what people and other machines read.
 */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include "base/num.h"

/* Monotonic nanoseconds since boot (without time asleep). */
int64_t clock_mono_ns(void);
/* Nanoseconds since 1970-01-01 UTC. */
int64_t clock_wall_ns(void);
/* CPU time of this process. */
int64_t clock_cpu_ns(void);
/* Blocks; for the command line and for worker threads, never on a loop. */
void clock_sleep_ns(int64_t ns);

#endif
