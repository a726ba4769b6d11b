/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to traffic/: what pick.c and pick_hash.c share.
 */
#ifndef TRAFFIC_PICK_PRIVATE_H
#define TRAFFIC_PICK_PRIVATE_H

#include "traffic/pick.h"

/* Requests in flight of all threads, as far as they are counted together. */
uint64_t pick_in_flight(const struct pick_member *member);
/* May it get a free request now, and is it not the one to avoid? */
static inline bool pick_candidate(const struct pick *pick, const struct pick_member *member,
                                  const struct pick_ask *ask)
{
    return member != ask->avoid && pick_usable(pick, member, ask->now_ns);
}
/* The finaliser of splitmix64: every bit of the input counts for each bit of the output. */
static inline uint64_t pick_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}
struct pick_member *pick_hash(const struct pick *pick, const struct pick_group *group,
                              const struct pick_ask *ask);

#endif
