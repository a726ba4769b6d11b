/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of fixed size: buckets of eight slots, chosen by a keyed hash. A slot is an address's for
 * as long as it has a connection, or a rate to remember (next_ns lies ahead); then anybody's.
 *
 * 1. Each change is one compare-and-swap: threads never wait for each other. Two threads that see a
 *    new address at the same moment may give it two slots; then it has that much more room, until
 *    they are empty.
 * 2. A bucket that is full of others lets a connection in uncounted: who has 32,768 addresses is
 *    not stopped by counting them.
 * 3. The rate is a generic cell rate: next_ns moves by 1/rate for each connection and may be one
 *    second ahead at most.
 */
#include "edge/addresses.h"

#include "base/map.h"
#include "base/num.h"

#include <stdlib.h>

enum { COUNT_BITS = 24 };
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

int addresses_init(struct addresses *addresses, uint64_t seed)
{
    addresses->seed = seed;
    addresses->slots =
        calloc((size_t)ADDRESSES_BUCKETS * ADDRESSES_WAYS, sizeof(*addresses->slots));
    return addresses->slots ? 0 : -ENOMEM;
}

void addresses_fini(struct addresses *addresses)
{
    free(addresses->slots);
    addresses->slots = NULL;
}

static uint64_t hash_of(const struct addresses *addresses, const struct ip *ip)
{
    char key[9] = {(char)ip->family};
    memcpy(key + 1, ip->bytes, 8); /* /64; all of IPv4 */
    return map_hash(addresses->seed, str_make(key, sizeof(key)));
}

/* Is this connection within the rate? Then it is paid for. */
static bool pay(struct address_slot *slot, uint32_t rate, int64_t now_ns)
{
    if (rate == UINT32_MAX) {
        return true;
    }
    int64_t step = NS_PER_S / MAX(rate, 1U);
    int64_t next = atomic_load(&slot->next_ns);
    int64_t paid;
    do {
        paid = MAX(next, now_ns) + step;
        if (paid - now_ns > NS_PER_S) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&slot->next_ns, &next, paid));
    return true;
}

/* One connection more in a slot that is this address's. 0, ADDRESSES_E_MANY, or -EAGAIN: it no
 * longer is. */
static int join(struct address_slot *slot, uint64_t tag, uint32_t most)
{
    uint64_t word = atomic_load(&slot->word);
    do {
        if ((word & ~COUNT_MASK) != tag) {
            return -EAGAIN;
        }
        if ((word & COUNT_MASK) >= MIN(most, (uint32_t)COUNT_MASK)) {
            return ADDRESSES_E_MANY;
        }
    } while (!atomic_compare_exchange_weak(&slot->word, &word, word + 1));
    return 0;
}

/* Takes a slot that is nobody's any more. */
static bool settle(struct address_slot *slot, uint64_t tag, int64_t now_ns)
{
    uint64_t word = atomic_load(&slot->word);
    if ((word & COUNT_MASK) != 0 || atomic_load(&slot->next_ns) > now_ns ||
        !atomic_compare_exchange_strong(&slot->word, &word, tag | 1)) {
        return false;
    }
    atomic_store(&slot->next_ns, now_ns);
    return true;
}

static int enter_slot(struct address_slot *slot, struct addresses_limits limits, int64_t now_ns,
                      struct address_slot **ret)
{
    if (!pay(slot, limits.rate, now_ns)) {
        addresses_leave(slot);
        return ADDRESSES_E_FAST;
    }
    *ret = slot;
    return 0;
}

int addresses_enter(struct addresses *addresses, const struct ip *ip,
                    struct addresses_limits limits, int64_t now_ns, struct address_slot **ret)
{
    *ret = NULL;
    if (limits.connections == 0) {
        return ADDRESSES_E_MANY;
    }
    uint64_t hash = hash_of(addresses, ip);
    uint64_t tag = hash & ~COUNT_MASK;
    struct address_slot *bucket =
        &addresses->slots[(size_t)(hash % ADDRESSES_BUCKETS) * ADDRESSES_WAYS];
    for (unsigned i = 0; i < ADDRESSES_WAYS; i++) {
        int r = join(&bucket[i], tag, limits.connections);
        if (r != -EAGAIN) {
            return r == 0 ? enter_slot(&bucket[i], limits, now_ns, ret) : r;
        }
    }
    for (unsigned i = 0; i < ADDRESSES_WAYS; i++) {
        if (settle(&bucket[i], tag, now_ns)) {
            return enter_slot(&bucket[i], limits, now_ns, ret);
        }
    }
    return 0;
}

void addresses_leave(struct address_slot *slot)
{
    if (slot) {
        atomic_fetch_sub(&slot->word, 1U);
    }
}
