/* SPDX-License-Identifier: Apache-2.0
 *
 * struct limiter: how many requests a service may have under way at once, found by measuring
 * (adaptive concurrency). Below its capacity a service answers in its own time; above it, more
 * requests only wait longer. So:
 *
 *   gradient   the limit follows (latency without waiting × tolerance) / (latency of late): it falls when
 *              answers get slower and grows by √limit while they do not
 *   aimd       one more for each window without trouble, nine tenths after one with a failure or an
 *              answer later than late_ms
 *
 * It looks at whole windows (WINDOW_MIN requests and window_ms). The limit does not grow while less
 * than half of it is used: what was not tried is not known. The gradient looks at a quarter of the
 * limit for a short while now and then (LIMITER_LOOK windows), to see what an answer takes without
 * waiting: else a standing queue would become the norm that it is measured by. One thread's own.
 */
#ifndef TRAFFIC_LIMITER_H
#define TRAFFIC_LIMITER_H

#include "base/def.h"

enum limiter_kind { LIMITER_GRADIENT, LIMITER_AIMD, LIMITER_KINDS };
enum { LIMITER_WINDOW_MIN = 10, LIMITER_LOOK = 50 };

struct limiter_spec {
    enum limiter_kind kind;
    uint32_t initial, least, most; /* 1 <= least <= initial <= most */
    uint32_t window_ms;            /* > 0 */
    uint32_t tolerance_permille;   /* gradient: 2000 = twice as slow is still well; at most 3000 */
    uint32_t late_ms;              /* aimd; 0 = only failures count */
};

struct limiter {
    double limit;
    double base_us;    /* what an answer takes without waiting */
    int64_t window_ns; /* its end; 0 = none has begun */
    uint64_t sum_us;
    uint32_t look_limit;
    uint32_t samples, most_used, windows;
    bool trouble, looking;
};

void limiter_init(struct limiter *limiter, const struct limiter_spec *spec);
static inline uint32_t limiter_limit(const struct limiter *limiter)
{
    return limiter->looking ? limiter->look_limit : (uint32_t)limiter->limit;
}
/* An answer that came, or failed (time-out, reset, 503). Requests that the client gave up are
 * none. */
struct limiter_answer {
    uint64_t latency_us;
    uint32_t used; /* requests under way with it */
    bool failed;
};
void limiter_sample(struct limiter *limiter, const struct limiter_spec *spec,
                    const struct limiter_answer *answer, int64_t now_ns);

#endif
