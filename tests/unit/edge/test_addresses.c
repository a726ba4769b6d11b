/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "edge/addresses.h"
#include "harness/test.h"
#include "os/thread.h"

static const struct addresses_limits any = {UINT32_MAX, UINT32_MAX};

static struct ip ip_of(const char *text)
{
    struct ip ip;
    check_int(ip_parse(str_from(text), &ip), 0);
    return ip;
}

static int enter(struct addresses *addresses, const char *text, struct addresses_limits limits,
                 int64_t now_ns, struct address_slot **ret)
{
    struct ip ip = ip_of(text);
    return addresses_enter(addresses, &ip, limits, now_ns, ret);
}

TEST(each_address_has_its_own_connections)
{
    struct addresses addresses;
    struct addresses_limits two = {2, UINT32_MAX};
    struct address_slot *a, *b, *c, *none;
    check_int(addresses_init(&addresses, 1), 0);
    check_int(enter(&addresses, "192.0.2.1", two, 0, &a), 0);
    check_int(enter(&addresses, "192.0.2.1", two, 0, &b), 0);
    check_int(enter(&addresses, "192.0.2.1", two, 0, &none), ADDRESSES_E_MANY);
    check_int(enter(&addresses, "192.0.2.2", two, 0, &c), 0);
    addresses_leave(a);
    check_int(enter(&addresses, "192.0.2.1", two, 0, &a), 0);
    addresses_leave(a);
    addresses_leave(b);
    addresses_leave(c);
    check_int(enter(&addresses, "192.0.2.1", (struct addresses_limits){0, 9}, 0, &none),
              ADDRESSES_E_MANY);
    addresses_fini(&addresses);
}

TEST(ipv6_counts_by_its_network_of_64_bits)
{
    struct addresses addresses;
    struct addresses_limits one = {1, UINT32_MAX};
    struct address_slot *slot, *other;
    check_int(addresses_init(&addresses, 2), 0);
    check_int(enter(&addresses, "2001:db8:1:2::1", one, 0, &slot), 0);
    check_int(enter(&addresses, "2001:db8:1:2:ffff::9", one, 0, &other), ADDRESSES_E_MANY);
    check_int(enter(&addresses, "2001:db8:1:3::1", one, 0, &other), 0);
    addresses_leave(slot);
    addresses_leave(other);
    addresses_fini(&addresses);
}

TEST(new_connections_have_a_rate_that_idleness_pays_back)
{
    struct addresses addresses;
    struct addresses_limits ten = {UINT32_MAX, 10};
    struct address_slot *slot;
    check_int(addresses_init(&addresses, 3), 0);
    for (unsigned i = 0; i < 10; i++) { /* as many at once */
        check_int(enter(&addresses, "192.0.2.1", ten, NS_PER_S, &slot), 0);
        addresses_leave(slot);
    }
    check_int(enter(&addresses, "192.0.2.1", ten, NS_PER_S, &slot), ADDRESSES_E_FAST);
    check_int(enter(&addresses, "192.0.2.1", ten, NS_PER_S + 100 * NS_PER_MS, &slot), 0);
    addresses_leave(slot);
    check_int(enter(&addresses, "192.0.2.1", ten, NS_PER_S + 100 * NS_PER_MS, &slot),
              ADDRESSES_E_FAST);
    check_int(enter(&addresses, "192.0.2.9", ten, NS_PER_S, &slot), 0);
    addresses_leave(slot);
    addresses_fini(&addresses);
}

/* Against a plain count: random connections of few addresses come and go. */
TEST(counts_are_those_of_a_model)
{
    enum { ADDRESSES = 40, LIVE = 300 };
    struct addresses addresses;
    struct rng *rng = test_rng();
    struct address_slot *live[LIVE];
    size_t of[LIVE], count = 0;
    uint32_t model[ADDRESSES] = {0};
    check_int(addresses_init(&addresses, rng_u64(rng)), 0);
    for (size_t i = 0; i < test_rounds(20000); i++) {
        struct addresses_limits limits = {1 + (uint32_t)rng_below(rng, 12), UINT32_MAX};
        if (count > 0 && (count == LIVE || rng_chance(rng, 480))) {
            size_t at = rng_below(rng, count--);
            addresses_leave(live[at]);
            model[of[at]]--;
            live[at] = live[count];
            of[at] = of[count];
            continue;
        }
        size_t who = rng_below(rng, ADDRESSES);
        uint8_t bytes[4] = {10, 0, 0, (uint8_t)who};
        struct ip ip = ip_make(4, bytes);
        int r = addresses_enter(&addresses, &ip, limits, (int64_t)i, &live[count]);
        check_int(r, model[who] >= limits.connections ? ADDRESSES_E_MANY : 0);
        if (r == 0) {
            check(live[count] != NULL);
            of[count++] = who;
            model[who]++;
        }
    }
    while (count > 0) {
        addresses_leave(live[--count]);
    }
    for (size_t i = 0; i < (size_t)ADDRESSES_BUCKETS * ADDRESSES_WAYS; i++) {
        check_int(atomic_load(&addresses.slots[i].word) & 0xffffff, 0);
    }
    addresses_fini(&addresses);
}

TEST(who_finds_no_place_is_let_in_uncounted)
{
    struct addresses addresses;
    struct address_slot *slot;
    size_t uncounted = 0;
    check_int(addresses_init(&addresses, 4), 0);
    for (uint32_t i = 0; i < 3 * ADDRESSES_BUCKETS * ADDRESSES_WAYS; i++) {
        uint8_t bytes[4] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        struct ip ip = ip_make(4, bytes);
        check_int(addresses_enter(&addresses, &ip, any, 0, &slot), 0);
        uncounted += slot == NULL;
    }
    size_t places = ADDRESSES_BUCKETS * ADDRESSES_WAYS; /* nearly each of them is taken */
    check(uncounted >= 2 * places && uncounted < 2 * places + places / 50);
    addresses_leave(NULL);
    addresses_fini(&addresses);
}

static struct addresses shared;

static void come_and_go(struct thread *thread)
{
    struct ip ip = ip_of("192.0.2.1");
    (void)thread;
    for (unsigned i = 0; i < 20000; i++) {
        struct address_slot *slot;
        if (addresses_enter(&shared, &ip, (struct addresses_limits){3, UINT32_MAX}, i, &slot) ==
            0) {
            check(slot != NULL);
            check((atomic_load(&slot->word) & 0xffffff) <= 3);
            addresses_leave(slot);
        }
    }
}

TEST(threads_leave_nothing_behind)
{
    struct thread threads[4] = {0};
    check_int(addresses_init(&shared, 5), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        check_int(thread_start(&threads[i], "test", come_and_go), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        thread_join(&threads[i]);
    }
    for (size_t i = 0; i < (size_t)ADDRESSES_BUCKETS * ADDRESSES_WAYS; i++) {
        check_int(atomic_load(&shared.slots[i].word) & 0xffffff, 0);
    }
    addresses_fini(&shared);
}
