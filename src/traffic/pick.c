/* SPDX-License-Identifier: Apache-2.0
 *
 * One function per method, each over the members of one group; pick_one chooses the group.
 *
 *   - Smooth weighted round robin (nginx): each turn all gain their weight, the richest pays for
 *     all; in any run of W picks each gets its share to within one.
 *   - The hash is weighted rendezvous (pick_hash.c).
 *   - Least load draws at random by what is free, and does not take the freest: figures come once
 *     a second, and all requests of that second would go to one member.
 *   - Power of two looks at two only, whatever the number of members; none is starved, no herd
 *     runs.
 */
#include "traffic/pick_private.h"

#include <math.h>

enum { FREE_LEAST = 20, TRIES = 3, PLENTY_PERCENT = 140 };

uint64_t pick_in_flight(const struct pick_member *member)
{
    return member->shared ? atomic_load_explicit(member->shared, memory_order_relaxed)
                          : member->in_flight;
}

static struct pick_member *in_turn(const struct pick *pick, struct pick_group *group,
                                   const struct pick_ask *ask)
{
    for (size_t i = 0; i < group->count; i++) {
        group->turn = group->turn + 1 < group->count ? group->turn + 1 : 0;
        if (pick_candidate(pick, group->members[group->turn], ask)) {
            return group->members[group->turn];
        }
    }
    return NULL;
}

/* One turn of smooth weights for this member. */
static void gain(struct pick_member *member, struct pick_member **best, int64_t *total)
{
    member->smooth += member->weight;
    *total += member->weight;
    *best = !*best || member->smooth > (*best)->smooth ? member : *best;
}

static struct pick_member *round_robin(struct pick *pick, struct pick_group *group,
                                       const struct pick_ask *ask)
{
    if (!group->weighted) {
        return in_turn(pick, group, ask);
    }
    struct pick_member *best = NULL;
    int64_t total = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (pick_candidate(pick, group->members[i], ask)) {
            gain(group->members[i], &best, &total);
        }
    }
    if (best) {
        best->smooth -= total;
    }
    return best;
}

/* The signal is not there. */
static struct pick_member *missing(struct pick *pick, struct pick_group *group,
                                   const struct pick_ask *ask)
{
    pick->missing++;
    return round_robin(pick, group, ask);
}

/* Among equals the next in turn; the next look starts behind the one that was chosen. */
static struct pick_member *least_equal(struct pick *pick, struct pick_group *group,
                                       const struct pick_ask *ask)
{
    struct pick_member *best = NULL;
    uint64_t least = 0;
    size_t at = group->turn;
    for (size_t i = 0; i < group->count; i++) {
        at = at + 1 < group->count ? at + 1 : 0;
        struct pick_member *member = group->members[at];
        uint64_t load = pick_in_flight(member);
        if (pick_candidate(pick, member, ask) && (!best || load < least)) {
            best = member;
            least = load;
            group->turn = at;
        }
    }
    return best;
}

/* Among those with the least for their weight turns go by weight: where little is under way
 * nothing else would tell a heavy one from a light one. */
static struct pick_member *least_conn(struct pick *pick, struct pick_group *group,
                                      const struct pick_ask *ask)
{
    struct pick_member *first = NULL, *best = NULL;
    uint64_t least = 0;
    int64_t total = 0;
    if (!group->weighted) {
        return least_equal(pick, group, ask);
    }
    for (size_t i = 0; i < group->count; i++) {
        struct pick_member *member = group->members[i];
        uint64_t load = pick_in_flight(member);
        if (pick_candidate(pick, member, ask) &&
            (!first || load * first->weight < least * member->weight)) {
            first = member;
            least = load;
        }
    }
    for (size_t i = 0; first && i < group->count; i++) {
        struct pick_member *member = group->members[i];
        if (pick_candidate(pick, member, ask) &&
            pick_in_flight(member) * first->weight == least * member->weight) {
            gain(member, &best, &total);
        }
    }
    if (best) {
        best->smooth -= total;
    }
    return best ? best : first; /* loads are other threads' too: they may have changed */
}

/* --- at random --- */

/* How much of chance each member has. */
typedef uint64_t tickets_fn(const struct pick_member *member, const struct pick_ask *ask,
                            uint64_t unknown);

static struct pick_member *draw(const struct pick *pick, struct pick_group *group,
                                const struct pick_ask *ask, tickets_fn *tickets, uint64_t unknown)
{
    uint64_t total = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (pick_candidate(pick, group->members[i], ask)) {
            total += tickets(group->members[i], ask, unknown);
        }
    }
    uint64_t left = total ? rng_below(ask->rng, total) : 0;
    for (size_t i = 0; total && i < group->count; i++) {
        if (pick_candidate(pick, group->members[i], ask)) {
            uint64_t mine = tickets(group->members[i], ask, unknown);
            if (left < mine) {
                return group->members[i];
            }
            left -= mine;
        }
    }
    return NULL; /* a load word may have changed between the two walks: see least_load */
}

static uint64_t by_weight(const struct pick_member *member, const struct pick_ask *ask,
                          uint64_t unknown)
{
    (void)ask;
    (void)unknown;
    return member->weight;
}

static struct pick_member *at_random(struct pick *pick, struct pick_group *group,
                                     const struct pick_ask *ask)
{
    return draw(pick, group, ask, by_weight, 0);
}

/* Per mille that are free, at least FREE_LEAST; 0 = unknown. */
static uint64_t free_of(const struct pick_member *member, int64_t now_ns)
{
    uint64_t word = member->load ? __atomic_load_n(member->load, __ATOMIC_RELAXED) : 0;
    int64_t age = now_ns / INT64_C(1000000000) - (int64_t)(word >> 16);
    unsigned used = (unsigned)(word & 0x7fff);
    if (!(word & 0x8000) || age > PICK_LOAD_SECONDS || age < -1) {
        return 0;
    }
    return used >= 1000 - FREE_LEAST ? FREE_LEAST : 1000 - used;
}

static uint64_t by_free(const struct pick_member *member, const struct pick_ask *ask,
                        uint64_t unknown)
{
    uint64_t free = free_of(member, ask->now_ns);
    return (free ? free : unknown) * member->weight;
}

/* One without figures (it has just started) counts as the others on average. */
static struct pick_member *least_load(struct pick *pick, struct pick_group *group,
                                      const struct pick_ask *ask)
{
    uint64_t sum = 0, known = 0;
    for (size_t i = 0; i < group->count; i++) {
        uint64_t free = free_of(group->members[i], ask->now_ns);
        sum += free;
        known += free > 0;
    }
    if (!known) {
        return missing(pick, group, ask);
    }
    struct pick_member *member = draw(pick, group, ask, by_free, sum / known);
    return member ? member : in_turn(pick, group, ask);
}

/* Is a the better one? Latencies count when both are known. */
static bool better(const struct pick_member *a, const struct pick_member *b, int64_t now_ns)
{
    double ms_a = peak_value(&a->latency, now_ns), ms_b = peak_value(&b->latency, now_ns);
    double cost_a = (double)(pick_in_flight(a) + 1) / (double)a->weight;
    double cost_b = (double)(pick_in_flight(b) + 1) / (double)b->weight;
    if (ms_a > 0 && ms_b > 0) {
        cost_a *= ms_a;
        cost_b *= ms_b;
    }
    return cost_a < cost_b;
}

static void find(struct pick_member *found[2], struct pick_member *member)
{
    if (!found[0]) {
        found[0] = member;
    } else if (!found[1] && member != found[0]) {
        found[1] = member;
    }
}

/* Pairs of two different ones; of two members always both. */
static struct pick_member *power_of_two(struct pick *pick, struct pick_group *group,
                                        const struct pick_ask *ask)
{
    struct pick_member *found[2] = {NULL, NULL};
    size_t others = MAX(group->count, (size_t)2) - 1;
    for (unsigned i = 0; i < TRIES && !found[1]; i++) {
        size_t at = (size_t)rng_below(ask->rng, group->count);
        for (unsigned k = 0; k < 2; k++) {
            if (pick_candidate(pick, group->members[at], ask)) {
                find(found, group->members[at]);
            }
            at = (at + 1 + (size_t)rng_below(ask->rng, others)) % group->count;
        }
    }
    if (!found[0]) {
        return least_conn(pick, group, ask); /* most are down, full, or there is one only */
    }
    return found[1] && better(found[1], found[0], ask->now_ns) ? found[1] : found[0];
}

/* --- near --- */

struct pick_place pick_place_of(double latitude, double longitude)
{
    const double radian = 3.14159265358979323846 / 180;
    if (!(latitude >= -90 && latitude <= 90 && longitude >= -180 && longitude <= 180)) {
        return (struct pick_place){0};
    }
    double around = cos(latitude * radian);
    return (struct pick_place){(float)(around * cos(longitude * radian)),
                               (float)(around * sin(longitude * radian)),
                               (float)sin(latitude * radian)};
}

/* The cosine of the angle between them: the larger the nearer. Those at the same place take
 * turns. */
static struct pick_member *nearest(struct pick *pick, struct pick_group *group,
                                   const struct pick_ask *ask)
{
    struct pick_member *best = NULL;
    float most = 0;
    size_t at = group->turn;
    for (size_t i = 0; pick_place_known(ask->place) && i < group->count; i++) {
        at = at + 1 < group->count ? at + 1 : 0;
        struct pick_member *member = group->members[at];
        float near = ask->place.x * member->place.x + ask->place.y * member->place.y +
                     ask->place.z * member->place.z;
        if (pick_place_known(member->place) && pick_candidate(pick, member, ask) &&
            (!best || near > most)) {
            best = member;
            most = near;
            group->turn = at;
        }
    }
    return best ? best : missing(pick, group, ask);
}

static struct pick_member *by_hash(struct pick *pick, struct pick_group *group,
                                   const struct pick_ask *ask)
{
    return ask->has_key ? pick_hash(pick, group, ask) : missing(pick, group, ask);
}

static struct pick_member *(*const methods[PICK_METHODS])(struct pick *, struct pick_group *,
                                                          const struct pick_ask *) = {
    [PICK_ROUND_ROBIN] = round_robin,   [PICK_LEAST_CONN] = least_conn, [PICK_RANDOM] = at_random,
    [PICK_POWER_OF_TWO] = power_of_two, [PICK_LEAST_LOAD] = least_load, [PICK_HASH] = by_hash,
    [PICK_NEAREST] = nearest,
};

/* --- groups --- */

void pick_begin(struct pick *pick)
{
    pick->turn = pick->group_count ? pick->groups[0].turn : pick->turn;
    pick->count = 0;
    pick->group_count = 0;
}

/* Behind those of the same and of lower groups. */
void pick_add(struct pick *pick, struct pick_member *member)
{
    if (member->weight == 0) {
        return;
    }
    ensure(member->group < PICK_GROUPS_MAX);
    size_t at = pick->count++;
    while (at > 0 && pick->members[at - 1]->group > member->group) {
        pick->members[at] = pick->members[at - 1];
        at--;
    }
    pick->members[at] = member;
}

/* A group carries what comes as long as 1/1.4 of it is well; then what is left of it times 1.4. The
 * next group gets the rest. All together carry everything: what nobody has room for is shared in
 * that proportion. */
static void share_out(struct pick *pick, const unsigned totals[PICK_GROUPS_MAX])
{
    unsigned left = 1000, given = 0;
    for (unsigned i = 0; i < pick->group_count; i++) {
        struct pick_group *group = &pick->groups[i];
        unsigned total = MAX(totals[group->members[0]->group], (unsigned)group->count);
        unsigned health = MAX(PLENTY_PERCENT * 10 * (unsigned)group->count / total, 1U);
        group->share = MIN(health, left);
        left -= group->share;
        given += group->share;
    }
    for (unsigned i = 0; left > 0 && i < pick->group_count; i++) {
        pick->groups[i].share = pick->groups[i].share * 1000 / given + (i == 0);
    }
}

/* A turn out of reach begins anew; and what a member was owed, or owes, of larger weights must not
 * be paid in smaller ones: it would have, or lack, hundreds of turns. */
static void settle(struct pick_group *group)
{
    int64_t total = 0;
    group->turn %= group->count;
    for (size_t i = 0; i < group->count; i++) {
        total += group->members[i]->weight;
    }
    for (size_t i = 0; i < group->count; i++) {
        struct pick_member *member = group->members[i];
        member->smooth = MAX(MIN(member->smooth, total), -total);
    }
}

void pick_end(struct pick *pick, const unsigned totals[PICK_GROUPS_MAX])
{
    for (size_t i = 0; i < pick->count; i++) {
        if (i == 0 || pick->members[i]->group != pick->members[i - 1]->group) {
            pick->groups[pick->group_count++] =
                (struct pick_group){.members = &pick->members[i], .turn = pick->turn};
        }
        struct pick_group *group = &pick->groups[pick->group_count - 1];
        group->weighted |= pick->members[i]->weight != group->members[0]->weight;
        group->count++;
    }
    for (unsigned i = 0; i < pick->group_count; i++) {
        settle(&pick->groups[i]);
    }
    share_out(pick, totals);
    pick->plain =
        pick->method == PICK_ROUND_ROBIN && pick->group_count == 1 && !pick->groups[0].weighted;
}

static struct pick_member *from_groups(struct pick *pick, const struct pick_ask *ask)
{
    unsigned first = 0;
    if (pick->group_count > 1 && pick->groups[0].share < 1000) {
        /* The same key draws the same. */
        bool keyed = pick->method == PICK_HASH && ask->has_key;
        unsigned ticket = (unsigned)(keyed ? pick_mix(ask->key) % 1000 : rng_below(ask->rng, 1000));
        while (first + 1 < pick->group_count && ticket >= pick->groups[first].share) {
            ticket -= pick->groups[first++].share;
        }
    }
    /* Where all are down or full, the others help, those with the lower number first. */
    struct pick_member *member = NULL;
    if (pick->group_count > 0) {
        member = methods[pick->method](pick, &pick->groups[first], ask);
    }
    for (unsigned i = 0; !member && i < pick->group_count; i++) {
        member = i == first ? NULL : methods[pick->method](pick, &pick->groups[i], ask);
    }
    return member;
}

struct pick_member *pick_one(struct pick *pick, const struct pick_ask *ask)
{
    if (ask->bound && ask->bound != ask->avoid && pick_usable(pick, ask->bound, ask->now_ns)) {
        return ask->bound;
    }
    struct pick_member *member = from_groups(pick, ask);
    if (!member && ask->avoid) {
        struct pick_ask again = *ask; /* better the one that failed than none */
        again.avoid = NULL;
        member = from_groups(pick, &again);
    }
    return member;
}
