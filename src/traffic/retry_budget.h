/* SPDX-License-Identifier: Apache-2.0
 *
 * struct retry_budget: retries and hedges are at most a share of the requests of late, plus a few a
 * second: who repeats without a bound turns a slow service into a dead one.
 *
 * The window is BUDGET_SLOTS slots of time that slide. A second try is billed to the slot in which
 * its request began, not to the moment at which it is asked for. So in each slot a budget of 100 %
 * has room for one second try of each request, always: however long requests take and however many
 * fail at once. (Billed to the moment, the requests would have left the window before their
 * retries do.)
 *
 * One thread's own; zeroes are an empty one.
 */
#ifndef TRAFFIC_RETRY_BUDGET_H
#define TRAFFIC_RETRY_BUDGET_H

#include "base/def.h"

enum { BUDGET_SLOTS = 16 };

struct retry_budget_spec {
    uint32_t share_permille;   /* of the requests in the window; may be above 1000 */
    uint32_t window_ms;        /* > 0 */
    uint32_t minimum_permille; /* second tries allowed in a window besides, in thousandths */
};

struct retry_budget {
    int64_t slot; /* number of the newest one */
    uint32_t requests[BUDGET_SLOTS];
    uint32_t tries[BUDGET_SLOTS];
    uint64_t request_sum, try_sum;
};

/* A request has begun. */
void retry_budget_request(struct retry_budget *budget, const struct retry_budget_spec *spec,
                          int64_t now_ns);
/* May a request that began then be sent once more? Then it is billed. */
must_check bool retry_budget_take(struct retry_budget *budget, const struct retry_budget_spec *spec,
                                  int64_t began_ns, int64_t now_ns);

#endif
