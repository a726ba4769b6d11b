/* SPDX-License-Identifier: Apache-2.0
 *
 * Why the median of the *others*: with two endpoints a slow one would pull the median of both to
 * itself. Why the worst first: the cap must not protect a dead endpoint because a slow one was
 * looked at before it.
 */
#include "traffic/outlier.h"

#include "base/num.h"

#include <stdlib.h>

enum { LEVELS_MAX = 16 };

#define LOAD(word)         __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define STORE(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELAXED)
#define ADD(word, value)   __atomic_add_fetch(&(word), (value), __ATOMIC_RELAXED)

bool outlier_report(struct outlier *outlier, const struct outlier_spec *spec, bool failed,
                    uint64_t latency_us)
{
    ADD(outlier->requests, 1);
    if (!failed) {
        ADD(outlier->latency_us, latency_us);
        if (LOAD(outlier->streak) != 0) {
            STORE(outlier->streak, 0);
        }
        return false;
    }
    ADD(outlier->failures, 1);
    uint32_t streak = ADD(outlier->streak, 1);
    return spec->consecutive > 0 && streak >= spec->consecutive;
}

bool outlier_room(const struct outlier_spec *spec, size_t out, size_t count)
{
    if (count < 2 || out + 1 >= count) {
        return false;
    }
    return out == 0 || (out + 1) * 1000 <= count * spec->share_permille;
}

bool outlier_eject(struct outlier *outlier, const struct outlier_spec *spec, int64_t now_ns)
{
    int64_t before = LOAD(outlier->until_ns);
    if (before > now_ns) {
        return false;
    }
    uint32_t level = LOAD(outlier->level);
    uint64_t ms = (uint64_t)spec->ejection_ms << MIN(level, (uint32_t)LEVELS_MAX);
    ms = MIN(ms, (uint64_t)MAX(spec->ejection_max_ms, spec->ejection_ms));
    int64_t until = now_ns + (int64_t)ms * NS_PER_MS;
    if (!__atomic_compare_exchange_n(&outlier->until_ns, &before, until, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)) {
        return false; /* another thread did */
    }
    STORE(outlier->level, MIN(level + 1, (uint32_t)LEVELS_MAX));
    STORE(outlier->streak, 0);
    ADD(outlier->ejections, 1);
    return true;
}

void outlier_forget(struct outlier *outlier)
{
    STORE(outlier->until_ns, 0);
    STORE(outlier->streak, 0);
    STORE(outlier->requests, 0);
    STORE(outlier->failures, 0);
    STORE(outlier->latency_us, 0);
}

static int64_t longest_ns(const struct outlier_spec *spec)
{
    return MAX(spec->ejection_max_ms, spec->ejection_ms) * NS_PER_MS;
}

bool outlier_shorten(struct outlier *outlier, const struct outlier_spec *spec, int64_t now_ns)
{
    int64_t before = LOAD(outlier->until_ns);
    int64_t latest = now_ns + longest_ns(spec);
    return before > latest &&
           __atomic_compare_exchange_n(&outlier->until_ns, &before, latest, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

void outlier_waited(struct outlier *outlier, uint64_t latency_us)
{
    ADD(outlier->requests, 1);
    ADD(outlier->latency_us, latency_us);
}

static void begin_interval(struct outlier_case *one)
{
    struct outlier *outlier = one->outlier;
    one->requests = __atomic_exchange_n(&outlier->requests, 0, __ATOMIC_RELAXED);
    one->failures = __atomic_exchange_n(&outlier->failures, 0, __ATOMIC_RELAXED);
    one->failures = MIN(one->failures, one->requests);
    uint64_t sum = __atomic_exchange_n(&outlier->latency_us, 0, __ATOMIC_RELAXED);
    uint32_t worked = one->requests - one->failures;
    one->mean_us = worked ? sum / worked : 0;
    one->reason = OUTLIER_FINE;
}

static int by_mean(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool judged(const struct outlier_spec *spec, const struct outlier_case *one, int64_t now_ns)
{
    return one->requests >= spec->minimum && one->requests > 0 &&
           !outlier_out(one->outlier, now_ns);
}

/* The median of a sorted list without the value at `skip`; 0: there is no other. */
static uint64_t median_without(const uint64_t *sorted, size_t count, size_t skip)
{
    if (count < 2) {
        return 0;
    }
    size_t middle = (count - 1) / 2;
    return sorted[middle >= skip ? middle + 1 : middle];
}

static void find_slow(const struct outlier_spec *spec, struct outlier_case *cases, size_t count,
                      int64_t now_ns)
{
    uint64_t means[OUTLIERS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (judged(spec, &cases[i], now_ns) && cases[i].mean_us > 0) {
            means[n++] = cases[i].mean_us;
        }
    }
    qsort(means, n, sizeof(means[0]), by_mean);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < n && means[at] != cases[i].mean_us) {
            at++;
        }
        uint64_t others = at < n ? median_without(means, n, at) : 0;
        if (others > 0 && judged(spec, &cases[i], now_ns) && cases[i].reason == OUTLIER_FINE &&
            cases[i].mean_us * 1000 > others * spec->latency_permille) {
            cases[i].reason = OUTLIER_LATENCY;
        }
    }
}

/* Is `a` worse than `b`? More failures first, then the slower one. */
static bool worse(const struct outlier_case *a, const struct outlier_case *b)
{
    uint64_t bad_a = (uint64_t)a->failures * b->requests;
    uint64_t bad_b = (uint64_t)b->failures * a->requests;
    return bad_a != bad_b ? bad_a > bad_b : a->mean_us > b->mean_us;
}

static struct outlier_case *worst(struct outlier_case *cases, size_t count, int64_t now_ns)
{
    struct outlier_case *found = NULL;
    for (size_t i = 0; i < count; i++) {
        bool candidate = cases[i].reason != OUTLIER_FINE && !outlier_out(cases[i].outlier, now_ns);
        if (candidate && (!found || worse(&cases[i], found))) {
            found = &cases[i];
        }
    }
    return found;
}

static void forgive(struct outlier_case *one, int64_t now_ns)
{
    uint32_t level = LOAD(one->outlier->level);
    if (level > 0 && one->reason == OUTLIER_FINE && !outlier_out(one->outlier, now_ns)) {
        STORE(one->outlier->level, level - 1);
    }
}

size_t outlier_judge(const struct outlier_spec *spec, struct outlier_case *cases, size_t count,
                     int64_t now_ns)
{
    size_t out = 0, ejected = 0;
    ensure(count <= OUTLIERS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct outlier_case *one = &cases[i];
        begin_interval(one);
        out += outlier_out(one->outlier, now_ns);
        uint64_t good = one->requests - one->failures;
        if (judged(spec, one, now_ns) &&
            good * 1000 < (uint64_t)one->requests * spec->success_permille) {
            one->reason = OUTLIER_SUCCESS;
        }
    }
    if (spec->latency_permille > 0) {
        find_slow(spec, cases, count, now_ns);
    }
    for (size_t i = 0; i < count; i++) {
        forgive(&cases[i], now_ns);
    }
    struct outlier_case *next = worst(cases, count, now_ns);
    while (next && outlier_room(spec, out, count)) {
        ejected += outlier_eject(next->outlier, spec, now_ns);
        out++;
        next = worst(cases, count, now_ns);
    }
    return ejected;
}
