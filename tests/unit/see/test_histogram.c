/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "harness/test.h"

#include "see/histogram.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLES = 20000 };

static int by_size(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* From 1 us to 10 min, as many in each power of two. */
static uint32_t any_duration(void)
{
    uint32_t power = (uint32_t)rng_below(test_rng(), 30);
    uint32_t us = (uint32_t)((UINT64_C(1) << power) + rng_below(test_rng(), UINT64_C(1) << power));
    return MIN(us, UINT32_C(600000000));
}

TEST(percentiles_are_within_one_percent_of_a_sorted_list)
{
    uint32_t *list = calloc(SAMPLES, sizeof(*list));
    struct histogram histogram = {0};
    check(list != NULL);
    for (size_t i = 0; i < SAMPLES; i++) {
        list[i] = any_duration();
        histogram_add(&histogram, counters_bucket(list[i]), 1);
    }
    qsort(list, SAMPLES, sizeof(*list), by_size);
    check_int(histogram_count(&histogram, NULL), SAMPLES);
    for (unsigned p = 1; p <= 1000; p++) {
        double exact = list[(size_t)p * SAMPLES / 1000 - 1];
        double shown = histogram_quantile_ms(&histogram, NULL, p / 1000.0) * 1000.0;
        if (fabs(shown - exact) > exact * 0.01) {
            printf("# %u of 1000: %g us, exactly %g\n", p, shown, exact);
            check(!"a percentile within one percent");
        }
    }
    histogram_fini(&histogram);
    free(list);
}

TEST(a_difference_has_the_percentiles_of_what_came_since)
{
    struct histogram now = {0}, before = {0};
    check(isnan(histogram_quantile_ms(&now, NULL, 0.5)));
    histogram_add(&now, counters_bucket(1000), 1000);
    histogram_copy(&before, &now);
    check(isnan(histogram_quantile_ms(&now, &before, 0.5)));
    histogram_add(&now, counters_bucket(50000), 10);
    check_int(histogram_count(&now, &before), 10);
    check(fabs(histogram_quantile_ms(&now, &before, 0.01) - 50) < 0.5);
    check(fabs(histogram_quantile_ms(&now, NULL, 0.5) - 1) < 0.01);
    histogram_clear(&now); /* its cells were given back, and another has them */
    histogram_add(&now, counters_bucket(1000), 3);
    check_int(histogram_count(&now, &before), 3);
    histogram_fini(&now);
    histogram_fini(&before);
}

TEST(what_threads_counted_adds_up)
{
    size_t size = counters_size(2, 8);
    void *memory = aligned_alloc(64, size);
    struct counters counters;
    struct histogram histogram = {0};
    check(memory != NULL);
    memset(memory, 0, size);
    counters_format(memory, 2, 8);
    check_int(counters_open(memory, size, &counters), 0);
    for (uint32_t t = 0; t < 2; t++) {
        const struct counters_pool pool = counters_pool_of(&counters, t);
        struct counters_cell *cell = counters_cell_get(&counters, t, 1, 2, 3), copy;
        for (uint32_t us = 1; us < 4000; us *= 3) {
            counters_observe(&pool, &cell->durations[COUNTERS_CONNECT], us);
        }
        check(counters_cell_read(&counters, t, 0, &copy));
        histogram_add_cell(&histogram, &(struct counters_place){&counters, t, 0},
                           &copy.durations[COUNTERS_CONNECT]);
    }
    check_int(histogram_count(&histogram, NULL), 16);
    check_int(histogram_at(&histogram, counters_bucket(729)), 2);
    histogram_fini(&histogram);
    free(memory);
}
