/* SPDX-License-Identifier: Apache-2.0
 *
 * struct peak: what a request to an endpoint costs in time, as one number. A slower sample counts
 * at once, faster ones little by little (an exponential average over PEAK_TAU_NS of time, not of
 * samples): who got slow is left alone before the queue in front of it has grown, and comes back
 * when time has passed, also without samples ("peak EWMA", as in Finagle).
 */
#ifndef TRAFFIC_PEAK_H
#define TRAFFIC_PEAK_H

#include "base/def.h"

#define PEAK_TAU_NS INT64_C(10000000000)

/* Zero = no sample yet. */
struct peak {
    double value_ns; /* not an integer: at a million samples a second each fades by less than one */
    int64_t at_ns;   /* of the last sample */
};

/* A request took so long. Times never go backwards; samples below 1 ns count as 1 ns. */
void peak_sample(struct peak *peak, int64_t sample_ns, int64_t now_ns);
/* The cost now, in ns; 0: no sample, or it has faded away. */
double peak_value(const struct peak *peak, int64_t now_ns);

#endif
