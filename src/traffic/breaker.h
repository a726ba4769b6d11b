/* SPDX-License-Identifier: Apache-2.0
 *
 * struct breaker: stops requests to a service that only fails, and finds out with a few of them
 * when it works again.
 *
 *   closed ── too many failures ──▶ open ── open_ms later, with the next request ──▶ half-open
 *     ▲                              ▲                                                   │
 *     └─ `probes` of them worked ────┴──────────────────────────── one of them failed ───┘
 *
 * The struct lies in memory that threads (and the edge before and after this one) share: its words
 * are moved by compare-and-swap, and zeroes are a closed breaker. Times are monotonic.
 *
 * 1. Who was admitted holds a ticket and reports once: worked, failed, or nothing (the client left,
 *    another try took over): nothing is no failure, and gives its place back.
 * 2. A place of a half-open breaker that nobody gives back (its process died) is taken back after
 *    open_ms: no breaker stays half-open for ever.
 * 3. A report counts only in the generation that its ticket is of: what began before the breaker
 *    opened says nothing about how the service is now.
 */
#ifndef TRAFFIC_BREAKER_H
#define TRAFFIC_BREAKER_H

#include "base/sm.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };
enum breaker_result { BREAKER_NOTHING, BREAKER_WORKED, BREAKER_FAILED };
enum { BREAKER_PROBES_MAX = 63, BREAKER_COUNT_MAX = 16383 };

struct breaker_spec {
    uint32_t consecutive;       /* failures in a row; 0 = they do not count */
    uint32_t failures_permille; /* share of failures in the window; 0 = it does not count */
    uint32_t minimum;           /* requests in the window before the share counts */
    uint32_t window_ms;         /* > 0 where there is a share */
    uint32_t open_ms;           /* > 0 */
    uint32_t probes;            /* 1…BREAKER_PROBES_MAX */
};

struct breaker {
    uint64_t word;   /* state, generation, probes, until when; private */
    uint64_t window; /* requests and failures of late; private */
    uint32_t streak; /* failures in a row */
    uint32_t opened; /* how often */
};

extern const struct sm breaker_sm;

/* May a request pass? Then *ret_ticket goes to breaker_report. */
must_check bool breaker_admit(struct breaker *breaker, const struct breaker_spec *spec,
                              int64_t now_ns, uint32_t *ret_ticket);
/* True: this report has opened or closed it. */
bool breaker_report(struct breaker *breaker, const struct breaker_spec *spec, uint32_t ticket,
                    enum breaker_result result, int64_t now_ns);
/* For people. *ret_until_ns: when an open one lets the first request through; else 0. */
enum breaker_state breaker_look(const struct breaker *breaker, int64_t *ret_until_ns);
/* How long until a refused request is worth another try; at least a second. */
uint32_t breaker_retry_after_s(const struct breaker *breaker, int64_t now_ns);

#endif
