/* SPDX-License-Identifier: Apache-2.0
 *
 * How the requests of a service are spread over its endpoints, as the snapshot says it
 * (snapshot_types.h). Plain structs; zero means the default in brackets.
 */
#ifndef LINK_SNAPSHOT_BALANCE_H
#define LINK_SNAPSHOT_BALANCE_H

#include "base/str.h"

/* In the order of enum pick_method (traffic/pick.h). */
enum snapshot_balance {
    SNAPSHOT_ROUND_ROBIN,
    SNAPSHOT_LEAST_CONN,
    SNAPSHOT_RANDOM,
    SNAPSHOT_POWER_OF_TWO,
    SNAPSHOT_LEAST_LOAD,
    SNAPSHOT_HASH,
    SNAPSHOT_NEAREST,
    SNAPSHOT_BALANCES
};
enum snapshot_hash {
    SNAPSHOT_HASH_IP,
    SNAPSHOT_HASH_HEADER, /* `hash_name` */
    SNAPSHOT_HASH_COOKIE,
    SNAPSHOT_HASH_QUERY,
    SNAPSHOT_HASH_PATH,
    SNAPSHOT_HASHES
};

enum {
    SNAPSHOT_GROUPS = 4,
    SNAPSHOT_WEIGHT_NONE = UINT16_MAX,
    SNAPSHOT_WEIGHT_MAX = 256,
    SNAPSHOT_STICKY_MAX = 24, /* a cookie's value, with its NUL */
    SNAPSHOT_MICRO = 1000000, /* places: millionths of a degree */
};

struct snapshot_spread {
    enum snapshot_hash hash;
    struct str hash_name;
    uint32_t hash_bound;     /* percent of the average [125]; UINT32_MAX = no bound */
    struct str sticky;       /* name of the cookie; empty = not sticky */
    uint32_t sticky_max_age; /* seconds; 0 = as long as the browser runs */
    bool sticky_secure;
    uint32_t totals[SNAPSHOT_GROUPS]; /* endpoints of each group if all ran; fewer may be known */
    uint32_t panic; /* percent; fewer well endpoints: all get requests [0: never] */
};

/* What an endpoint is to the balancing. */
struct snapshot_seat {
    uint32_t group;              /* below SNAPSHOT_GROUPS */
    uint32_t located;            /* 0: its place is not known */
    int32_t latitude, longitude; /* SNAPSHOT_MICRO */
    /* What the cookie of a client says that belongs here: unguessable, the same for as long as the
     * instance lives; "" = none. */
    char sticky[SNAPSHOT_STICKY_MAX];
};

#endif
