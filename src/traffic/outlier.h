/* SPDX-License-Identifier: Apache-2.0
 *
 * struct outlier: how one endpoint does, by what it answers to real requests (passive health), and
 * until when it gets none.
 *
 * Three rules, each off at 0: failures in a row; share of successes in an interval; mean latency
 * against the median of the others. The first acts at once, the two others when an interval is over
 * (outlier_judge). An ejection doubles with each further one and is forgiven step by step.
 *
 * 1. Of n endpoints at most the share are out at once, always at least one may be when there are
 *    two, and one is always left: ejecting the last one helps nobody.
 * 2. The struct lies in memory that threads share; words are changed one by one, and zeroes are an
 *    endpoint of which nothing is known. Two threads that eject at the same moment may exceed the
 *    share by one until the next judgement.
 */
#ifndef TRAFFIC_OUTLIER_H
#define TRAFFIC_OUTLIER_H

#include "base/def.h"

enum { OUTLIERS_MAX = 1024 /* endpoints that are compared */ };

struct outlier_spec {
    uint32_t consecutive;      /* failures in a row */
    uint32_t success_permille; /* fewer successes in an interval are too few */
    uint32_t latency_permille; /* 3000: three times the median of the others is too slow */
    uint32_t minimum;          /* requests in an interval to be judged by it */
    uint32_t interval_ms;
    uint32_t ejection_ms, ejection_max_ms;
    uint32_t share_permille; /* that may be out at once */
};

struct outlier {
    int64_t until_ns;            /* out until then; 0 or past: in */
    uint32_t streak;             /* failures in a row */
    uint32_t level;              /* of ejections that are not forgiven yet */
    uint64_t ejections;          /* ever */
    uint32_t requests, failures; /* of this interval */
    uint64_t latency_us;         /* their sum */
};

enum outlier_reason { OUTLIER_FINE, OUTLIER_IN_A_ROW, OUTLIER_SUCCESS, OUTLIER_LATENCY };

/* One endpoint in a judgement: what the interval brought (outlier_take), and what is decided. */
struct outlier_case {
    struct outlier *outlier;
    uint32_t requests, failures;
    uint64_t mean_us; /* of those that worked; 0 = none did */
    enum outlier_reason reason;
};

/* A request has ended there. True: too many failures in a row; the caller asks outlier_eject. */
bool outlier_report(struct outlier *outlier, const struct outlier_spec *spec, bool failed,
                    uint64_t latency_us);
static inline bool outlier_out(const struct outlier *outlier, int64_t now_ns)
{
    return __atomic_load_n(&outlier->until_ns, __ATOMIC_RELAXED) > now_ns;
}
/* May one more of `count` go when `out` are out? */
bool outlier_room(const struct outlier_spec *spec, size_t out, size_t count);
/* Takes it out; the caller has asked outlier_room. False: it is out already. */
bool outlier_eject(struct outlier *outlier, const struct outlier_spec *spec, int64_t now_ns);
/* A request there was given up before its answer, after so long: counts for the mean alone. */
void outlier_waited(struct outlier *outlier, uint64_t latency_us);
/* A shorter time of a new configuration acts on who is out already. True: it has been made so. */
bool outlier_shorten(struct outlier *outlier, const struct outlier_spec *spec, int64_t now_ns);
/* It is another one now: in, and nothing is known of it but how often it was out. */
void outlier_forget(struct outlier *outlier);
/* An interval is over: looks at all endpoints of a service, ejects the worst as far as there is
 * room, forgives the others a level, and begins the next interval. Returns how many were ejected;
 * each case says why. */
size_t outlier_judge(const struct outlier_spec *spec, struct outlier_case *cases, size_t count,
                     int64_t now_ns);

#endif
