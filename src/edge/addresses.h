/* SPDX-License-Identifier: Apache-2.0
 *
 * How many connections each address has, and how fast new ones come, for all threads together. Pure
 * but for its atomics: addresses and a time in, a verdict out. Asked when a connection begins and
 * when it ends, never for a request.
 */
#ifndef EDGE_ADDRESSES_H
#define EDGE_ADDRESSES_H

#include "base/ip.h"

#include <stdatomic.h>

enum { ADDRESSES_BUCKETS = 4096, ADDRESSES_WAYS = 8 };
enum { ADDRESSES_E_MANY = 1, ADDRESSES_E_FAST = 2 };

struct address_slot {
    _Atomic uint64_t word; /* 40 bits of the address's hash, 24 of its connections */
    _Atomic int64_t next_ns;
};

struct addresses {
    struct address_slot *slots;
    uint64_t seed; /* nobody outside can choose who meets whom */
};

struct addresses_limits {
    uint32_t connections; /* of one address at a time; UINT32_MAX = any */
    uint32_t rate;        /* new ones a second, as many at once; UINT32_MAX = any */
};

must_check int addresses_init(struct addresses *addresses, uint64_t seed);
void addresses_fini(struct addresses *addresses);
/* A connection begins: 0 and its slot, which is given back by addresses_leave (NULL: there was no
 * place, and it is not counted); ADDRESSES_E_MANY or ADDRESSES_E_FAST: it is one too many. IPv6
 * counts by /64, which is what one customer has. */
must_check int addresses_enter(struct addresses *addresses, const struct ip *ip,
                               struct addresses_limits limits, int64_t now_ns,
                               struct address_slot **ret);
void addresses_leave(struct address_slot *slot); /* accepts NULL */

#endif
