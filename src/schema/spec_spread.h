/* SPDX-License-Identifier: Apache-2.0
 *
 * How the requests of a service are spread over its replicas: the part of `traffic:` that balances
 * (docs/gateway.md has each key with an example).
 */
#ifndef SCHEMA_SPEC_SPREAD_H
#define SCHEMA_SPEC_SPREAD_H

#include "base/str.h"

/* In the order of enum snapshot_balance. */
enum balance_kind {
    BALANCE_ROUND_ROBIN,
    BALANCE_LEAST_CONN,
    BALANCE_RANDOM,
    BALANCE_POWER_OF_TWO,
    BALANCE_LEAST_LOAD,
    BALANCE_HASH,
    BALANCE_NEAREST,
};
enum hash_kind { HASH_IP, HASH_HEADER, HASH_COOKIE, HASH_QUERY, HASH_PATH };

struct hash_spec {
    int32_t by;      /* enum hash_kind */
    struct str name; /* of the header, cookie or parameter */
    int64_t bound;   /* percent of the average; 0 = none */
};

struct sticky_spec {
    bool on;
    struct str cookie;  /* empty = muelle_SERVICE */
    int64_t max_age_ns; /* 0 = as long as the browser runs */
    bool secure;
};

enum { SPREAD_WEIGHT_MAX = 256, SPREAD_GROUPS = 4 };

/* What some of the replicas are to the balancing. */
struct member_spec {
    struct str replicas;    /* "2" or "1-3" */
    struct str location;    /* "52.5, 13.4" */
    int64_t first, last;    /* of `replicas` */
    int64_t weight;         /* 0 … SPREAD_WEIGHT_MAX */
    int64_t priority;       /* 0 … SPREAD_GROUPS - 1 */
    bool located;           /* below is what `location` says */
    int32_t micro_latitude; /* millionths of a degree */
    int32_t micro_longitude;
};

struct spread_spec {
    int32_t balance; /* enum balance_kind */
    bool chosen;     /* `traffic.balance` is written; else that of the first route counts */
    struct hash_spec hash;
    struct sticky_spec sticky;
    const struct member_spec *members;
    size_t members_count;
    int64_t panic; /* percent; 0 = never */
};

/* How replicas are reached by TLS; files are PEM, absolute. */
struct upstream_tls_spec {
    bool on, verify;
    struct str server_name;   /* sent, and what the certificate must be for */
    struct str ca, cert, key; /* may be empty */
};

#endif
