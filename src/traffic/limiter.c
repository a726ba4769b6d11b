/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient is that of Netflix's concurrency-limits and Envoy's adaptive concurrency in spirit:
 * smoothed, never falling by more than half in one window. The base falls with each faster window
 * and rises only by a look.
 */
#include "traffic/limiter.h"

#include "base/num.h"

#include <math.h>

static const double SMOOTH = 0.2, FASTER = 0.5, LESS = 0.9;
enum { LOOK_WINDOWS = 2, LOOK_PART = 4 };

void limiter_init(struct limiter *limiter, const struct limiter_spec *spec)
{
    *limiter = (struct limiter){.limit = spec->initial, .windows = LIMITER_LOOK}; /* looks first */
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

static double gradient(struct limiter *limiter, const struct limiter_spec *spec, double mean_us)
{
    if (limiter->base_us == 0) {
        limiter->base_us = mean_us;
    } else if (mean_us < limiter->base_us) {
        limiter->base_us += (mean_us - limiter->base_us) * FASTER;
    }
    double slope = limiter->base_us * spec->tolerance_permille / 1000 / mean_us;
    double wanted = limiter->limit * clamp(slope, 0.5, 1) + sqrt(limiter->limit);
    return limiter->limit + (wanted - limiter->limit) * SMOOTH;
}

/* A look lasts two windows: in the first the queue empties, the second is measured. */
static void look(struct limiter *limiter, const struct limiter_spec *spec, double mean_us)
{
    limiter->windows++;
    if (limiter->looking && limiter->windows == LOOK_WINDOWS) {
        limiter->looking = false;
        limiter->base_us = limiter->trouble ? limiter->base_us : mean_us;
        limiter->windows = 0;
    } else if (!limiter->looking && limiter->windows >= LIMITER_LOOK) {
        uint32_t part = (uint32_t)limiter->limit / LOOK_PART;
        limiter->looking = true;
        limiter->look_limit = MAX(part, spec->least);
        limiter->windows = 0;
    }
}

static void end_window(struct limiter *limiter, const struct limiter_spec *spec)
{
    double mean_us = MAX((double)limiter->sum_us / limiter->samples, 1.0);
    double before = limiter->limit;
    double next;
    bool looking = limiter->looking;
    if (spec->kind == LIMITER_GRADIENT) {
        look(limiter, spec, mean_us);
    }
    if (limiter->trouble) {
        next = before * LESS;
    } else if (spec->kind == LIMITER_AIMD) {
        next = before + 1;
    } else {
        next = looking ? before : gradient(limiter, spec, mean_us);
    }
    if (next > before && (double)limiter->most_used * 2 < before) {
        next = before;
    }
    limiter->limit = clamp(next, spec->least, spec->most);
}

void limiter_sample(struct limiter *limiter, const struct limiter_spec *spec,
                    const struct limiter_answer *answer, int64_t now_ns)
{
    if (limiter->window_ns == 0) {
        limiter->window_ns = now_ns + spec->window_ms * NS_PER_MS;
    }
    limiter->samples++;
    limiter->sum_us += answer->latency_us;
    limiter->most_used = MAX(limiter->most_used, answer->used);
    limiter->trouble |= answer->failed || (spec->kind == LIMITER_AIMD && spec->late_ms > 0 &&
                                           answer->latency_us > (uint64_t)spec->late_ms * 1000);
    if (now_ns < limiter->window_ns || limiter->samples < LIMITER_WINDOW_MIN) {
        return;
    }
    end_window(limiter, spec);
    limiter->window_ns = now_ns + spec->window_ms * NS_PER_MS;
    limiter->sum_us = 0;
    limiter->samples = 0;
    limiter->most_used = 0;
    limiter->trouble = false;
}
