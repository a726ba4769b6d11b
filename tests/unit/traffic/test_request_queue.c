/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "harness/test.h"
#include "traffic/request_queue.h"

enum { ITEMS = 64 };

static const struct codel_spec never = {0, NS_PER_S};
static const struct codel_spec usual = {20 * NS_PER_MS, 100 * NS_PER_MS};

static void fill(struct request_queue *queue, struct request_queue_item *items, size_t count,
                 uint8_t class)
{
    struct request_queue_item *refused;
    for (size_t i = 0; i < count; i++) {
        request_queue_item_init(&items[i]);
        items[i].class = class;
        check(request_queue_put(queue, &items[i], 0, &refused));
    }
}

TEST(first_come_first_served_within_a_class)
{
    struct request_queue queue;
    struct request_queue_item items[ITEMS];
    bool refused;
    request_queue_init(&queue, ITEMS, &never);
    fill(&queue, items, ITEMS, QUEUE_USUAL);
    for (size_t i = 0; i < ITEMS; i++) {
        check(request_queue_take(&queue, NS_PER_S, &refused) == &items[i] && !refused);
    }
    check(!request_queue_take(&queue, NS_PER_S, &refused));
}

TEST(high_before_low_but_nobody_starves)
{
    struct request_queue queue;
    struct request_queue_item high[ITEMS], low[ITEMS];
    bool refused;
    int lows = 0;
    request_queue_init(&queue, 2 * ITEMS, &never);
    fill(&queue, low, ITEMS, 2);
    fill(&queue, high, ITEMS, 0);
    for (int i = 0; i < 48; i++) {
        lows += request_queue_take(&queue, 0, &refused)->class == 2;
    }
    check_int(lows, 6);
}

TEST(a_full_queue_makes_room_for_a_higher_class)
{
    struct request_queue queue;
    struct request_queue_item items[4], more, *refused;
    request_queue_init(&queue, 4, &never);
    fill(&queue, items, 4, QUEUE_USUAL);
    request_queue_item_init(&more);
    more.class = QUEUE_USUAL;
    check(!request_queue_put(&queue, &more, 0, &refused) && !refused);
    more.class = 0;
    check(request_queue_put(&queue, &more, 0, &refused));
    check(refused == &items[3] && list_empty(&items[3].node));
    check_int(queue.count, 4);
}

/* A server that takes each request 10 ms, asked for more than it can: CoDel holds the time in the
 * queue near the target where a plain queue would grow to its end. */
static int64_t overloaded(const struct codel_spec *codel, int64_t every_ns, size_t *ret_refused)
{
    enum { MANY = 4000 };
    static struct request_queue_item items[MANY];
    struct request_queue queue;
    int64_t worst_ns = 0, next_in_ns = 0;
    size_t in = 0;
    *ret_refused = 0;
    request_queue_init(&queue, MANY, codel);
    for (int64_t now_ns = 0; now_ns < 20 * NS_PER_S; now_ns += 10 * NS_PER_MS) {
        for (; next_in_ns <= now_ns && in < MANY; next_in_ns += every_ns) {
            struct request_queue_item *refused;
            request_queue_item_init(&items[in]);
            items[in].class = QUEUE_USUAL;
            check(request_queue_put(&queue, &items[in++], next_in_ns, &refused));
        }
        bool refused = true;
        while (refused) {
            struct request_queue_item *item = request_queue_take(&queue, now_ns, &refused);
            *ret_refused += refused;
            if (item && !refused && now_ns > 10 * NS_PER_S) {
                worst_ns = MAX(worst_ns, now_ns - item->since_ns);
            }
        }
    }
    return worst_ns;
}

TEST(codel_holds_the_delay_under_overload)
{
    size_t refused;
    check(overloaded(&never, 7 * NS_PER_MS, &refused) > 4 * NS_PER_S);
    check_int(refused, 0);
    check(overloaded(&usual, 7 * NS_PER_MS, &refused) < 1500 * NS_PER_MS);
    check(refused > 100);
}

TEST(codel_leaves_a_queue_alone_that_keeps_up)
{
    size_t refused;
    check(overloaded(&usual, 11 * NS_PER_MS, &refused) <= 20 * NS_PER_MS);
    check_int(refused, 0);
}

TEST(codel_leaves_a_burst_alone)
{
    struct codel codel = {0};
    for (int64_t ms = 0; ms < 90; ms++) {
        check(!codel_drop(&codel, &usual, 80 * NS_PER_MS, false, ms * NS_PER_MS));
    }
    check(!codel_drop(&codel, &usual, NS_PER_MS, false, 91 * NS_PER_MS));
    check(!codel_drop(&codel, &usual, 80 * NS_PER_MS, false, 150 * NS_PER_MS));
    check(codel_drop(&codel, &usual, 80 * NS_PER_MS, false, 250 * NS_PER_MS));
    check(!codel_drop(&codel, &usual, 80 * NS_PER_MS, true, 900 * NS_PER_MS)); /* the last one */
}

/* Against a model: the count is right, nobody is in the queue twice or lost. */
TEST(any_walk_keeps_the_books)
{
    for (size_t round = 0; round < test_rounds(200); round++) {
        struct rng *rng = test_rng();
        struct request_queue queue;
        struct request_queue_item items[ITEMS];
        bool waits[ITEMS] = {false};
        size_t count = 0;
        int64_t now_ns = 0;
        request_queue_init(&queue, 1 + (size_t)rng_below(rng, ITEMS), &usual);
        for (size_t i = 0; i < ITEMS; i++) {
            request_queue_item_init(&items[i]);
        }
        for (int step = 0; step < 2000; step++) {
            size_t i = (size_t)rng_below(rng, ITEMS);
            struct request_queue_item *other = NULL;
            bool refused;
            now_ns += (int64_t)rng_below(rng, 10) * NS_PER_MS;
            if (rng_chance(rng, 500) && !waits[i]) {
                items[i].class = (uint8_t)rng_below(rng, QUEUE_CLASSES);
                waits[i] = request_queue_put(&queue, &items[i], now_ns, &other);
                count += waits[i];
            } else if (rng_chance(rng, 200)) {
                request_queue_leave(&queue, &items[i]);
                count -= waits[i];
                waits[i] = false;
            } else {
                other = request_queue_take(&queue, now_ns, &refused);
                check((other != NULL) == (count > 0));
            }
            if (other) {
                check(waits[other - items] && list_empty(&other->node));
                waits[other - items] = false;
                count--;
            }
            check_int(queue.count, count);
            check(count <= queue.count_max);
        }
    }
}
