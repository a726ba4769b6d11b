/* SPDX-License-Identifier: Apache-2.0
 *
 * What limits turned away is told at once, then seldom, and nothing is lost or told twice.
 */
#include "see/defence.h"

#include "harness/test.h"

enum { SECOND = 1000000000 };

TEST(a_limit_is_told_at_once_and_then_seldom)
{
    struct defence defence = {0};
    struct counters_thread edge = {.limit_body_rate = 7, .limit_glitches = 1};
    struct defence_news news[DEFENCE_KINDS];
    int64_t now = SECOND;
    check_int(defence_look(&defence, &edge, now, news), 0); /* before this core */
    edge.limit_address_rate = 3;
    check_int(defence_look(&defence, &edge, now += SECOND, news), 1);
    check_int(news[0].times, 3);
    check(strstr(defence_words(news[0].kind), "gateway.limits.address_rate") != NULL);
    for (int i = 0; i < 599; i++) {
        edge.limit_address_rate += 10;
        check_int(defence_look(&defence, &edge, now += SECOND, news), 0);
    }
    check_int(defence_look(&defence, &edge, now += SECOND, news), 1);
    check_int(news[0].times, 5990);
    check_int(defence_look(&defence, &edge, now += DEFENCE_AGAIN_NS, news), 0); /* it is over */
    edge.limit_address_rate = 2; /* counters began anew */
    check_int(defence_look(&defence, &edge, now += SECOND, news), 0);
    edge.limit_address_rate++;
    check_int(defence_look(&defence, &edge, now += SECOND, news), 1);
    check_int(news[0].times, 1);
}

TEST(nothing_is_lost_or_told_twice)
{
    struct defence defence = {0};
    struct counters_thread edge = {0};
    uint64_t told[DEFENCE_KINDS] = {0}, events = 0;
    int64_t now = SECOND;
    struct defence_news news[DEFENCE_KINDS];
    (void)!defence_look(&defence, &edge, now, news);
    uint64_t *const counters[DEFENCE_KINDS] = {
        &edge.limit_connections, &edge.limit_address_connections, &edge.limit_address_rate,
        &edge.limit_body_rate,   &edge.limit_read_rate,           &edge.limit_glitches,
        &edge.bad_announcements};
    for (int round = 0; round < 20000; round++) {
        *counters[rng_below(test_rng(), DEFENCE_KINDS)] += rng_below(test_rng(), 5);
        now += (int64_t)rng_below(test_rng(), 20) * SECOND;
        size_t count = defence_look(&defence, &edge, now, news);
        events += count;
        for (size_t i = 0; i < count; i++) {
            told[news[i].kind] += news[i].times;
        }
    }
    check(events <= DEFENCE_KINDS * (uint64_t)(now / DEFENCE_AGAIN_NS + 2));
    now += DEFENCE_AGAIN_NS;
    size_t count = defence_look(&defence, &edge, now, news);
    for (size_t i = 0; i < count; i++) {
        told[news[i].kind] += news[i].times;
    }
    for (size_t k = 0; k < DEFENCE_KINDS; k++) {
        check_int(told[k], *counters[k]);
    }
}
