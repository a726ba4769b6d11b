/* SPDX-License-Identifier: Apache-2.0
 *
 * struct pick: which member of a service gets the next request. A member lies in the caller's
 * endpoint and a pick in its service; pick_begin … pick_add … pick_end name the members that may
 * get requests (again when one comes, goes, or changes), pick_one chooses.
 *
 * Members of group 0 get the requests as long as enough of them are well; the next groups get what
 * those cannot carry (pick_end). A member is passed over while it is down or full. When all are,
 * there is none.
 *
 * A method whose signal is missing for a request (no key, no place, no figures) takes the next in
 * turn and counts that in `missing`.
 */
#ifndef TRAFFIC_PICK_H
#define TRAFFIC_PICK_H

#include "base/rng.h"
#include "traffic/peak.h"

#include <stdatomic.h>

enum pick_method {
    PICK_ROUND_ROBIN,  /* in turn; smooth when weights differ */
    PICK_LEAST_CONN,   /* fewest requests in flight for its weight */
    PICK_RANDOM,       /* by weight */
    PICK_POWER_OF_TWO, /* the better of two at random: latency (peak EWMA) × requests in flight */
    PICK_LEAST_LOAD,   /* at random by what CPU and memory leave free */
    PICK_HASH,    /* the same key to the same member, unless that one has more than its share */
    PICK_NEAREST, /* the shortest way on the globe */
    PICK_METHODS
};
enum { PICK_WEIGHT_MAX = 256, PICK_GROUPS_MAX = 4, PICK_FACTOR_DEFAULT = 125 };

/* A place on the globe as a unit vector; all 0 = unknown. */
struct pick_place {
    float x, y, z;
};

struct pick_member {
    uint64_t id;                /* stable: the hash goes by it */
    uint32_t weight;            /* 0 … PICK_WEIGHT_MAX; 0: only requests that are bound to it */
    uint32_t group;             /* 0 … PICK_GROUPS_MAX - 1 */
    uint32_t in_flight, asleep; /* of this thread; asleep: tunnels, not held against the maximum */
    int64_t down_until_ns;
    int64_t smooth;       /* private: of smooth weighted round robin */
    atomic_uint *shared;  /* requests in flight of all threads; NULL: this thread is alone */
    const uint64_t *load; /* another writes it: see pick_load; NULL = unknown */
    struct peak latency;
    struct pick_place place;
};

/* The members of one group. */
struct pick_group {
    struct pick_member **members;
    size_t count;
    size_t turn;
    unsigned share; /* of 1,000 requests */
    bool weighted;  /* weights differ */
};

struct pick {
    struct pick_member **members; /* room of the caller for all, in the order of groups after end */
    size_t count;
    size_t turn; /* kept over changes: threads and rebuilds do not all begin with the first */
    uint8_t method;
    bool plain;              /* one group, equal weights, round robin: a step in an array */
    uint32_t in_flight_max;  /* of one member and thread */
    uint32_t factor_percent; /* hash: at most that much of the average; 0 = no bound */
    unsigned group_count;
    struct pick_group groups[PICK_GROUPS_MAX];
    uint64_t missing; /* picks without their signal, in turn instead */
};

/* What is known of a request. */
struct pick_ask {
    int64_t now_ns;
    struct rng *rng;
    const struct pick_member *avoid; /* failed just now: only when there is no other */
    struct pick_member *bound;       /* belongs there (a sticky cookie); NULL = free */
    bool has_key;
    uint64_t key;
    struct pick_place place;
};

/* Members anew. `totals`: how many each group would have if all were well. */
void pick_begin(struct pick *pick);
void pick_add(struct pick *pick, struct pick_member *member);
void pick_end(struct pick *pick, const unsigned totals[PICK_GROUPS_MAX]);
/* NULL: none is usable. The caller counts in_flight (and shared where pick_shares). */
struct pick_member *pick_one(struct pick *pick, const struct pick_ask *ask);

/* Does the method look at what all threads have in flight? */
static inline bool pick_shares(const struct pick *pick)
{
    return pick->method == PICK_LEAST_CONN || pick->method == PICK_HASH ||
           pick->method == PICK_POWER_OF_TWO;
}
static inline bool pick_usable(const struct pick *pick, const struct pick_member *member,
                               int64_t now_ns)
{
    return member->down_until_ns <= now_ns &&
           member->in_flight - member->asleep < pick->in_flight_max;
}
/* A load word: how much is used, in per mille, and the second of the monotonic clock it is of. A
 * word older than PICK_LOAD_SECONDS counts as unknown. */
enum { PICK_LOAD_SECONDS = 5 };
static inline uint64_t pick_load(unsigned per_mille, int64_t now_ns)
{
    return (uint64_t)(now_ns / 1000000000) << 16 | MIN(per_mille, 1000U) | 0x8000;
}
/* Degrees; what lies outside the globe is unknown. */
struct pick_place pick_place_of(double latitude, double longitude);
static inline bool pick_place_known(struct pick_place place)
{
    return place.x != 0 || place.y != 0 || place.z != 0;
}
/* How well a member suits a key: the largest wins. Weight 0: all weigh the same. */
double pick_score(uint64_t key, uint64_t id, uint32_t weight);

#endif
