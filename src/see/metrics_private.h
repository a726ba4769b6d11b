/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of metrics: metrics.c keeps it, metrics_write.c and metrics_json.c render it. All of it
 * is the core's loop's. A service and its replicas are things of one kind, found by their path; a
 * replica points at its service, which is dropped with or after it, never before.
 */
#ifndef SEE_METRICS_PRIVATE_H
#define SEE_METRICS_PRIVATE_H

#include "base/map.h"
#include "base/num.h"
#include "see/defence.h"
#include "see/histogram.h"
#include "see/private.h"
#include "see/red.h"
#include "see/usage.h"
#include "store/store.h"

enum {
    METRICS_THINGS_MAX = 65536,
    METRICS_ROUTES_MAX = 16384,
    METRICS_CERTIFICATES_MAX = 500,
    METRICS_ROUTES_APART = 2000, /* further ones are summed up by replica: a scrape stays small */
    METRICS_HISTORIES_MAX = 512, /* services beyond it have no history */
};

/* How durations of a thing are spread, from its first request on. */
struct metrics_spread {
    struct histogram now[COUNTERS_DURATIONS];     /* as last read whole */
    struct histogram reading[COUNTERS_DURATIONS]; /* summed up at this moment */
    struct histogram before;                      /* COUNTERS_TOTAL at the tick before */
};

/* A service (replica 0) or a replica. */
struct metrics_thing {
    char key[2 * NAME_MAX_SIZE + 16]; /* "shop/web" or "shop/web/1" */
    struct bus_id id;
    struct metrics_thing *service; /* of a replica */
    int pid;                       /* of its main process; 0 = none */
    uint8_t slot;                  /* of its control group: see core/bus.h */
    uint64_t cpu_ns;               /* as last read */
    uint64_t cpu_total_ns;         /* over its processes and restarts, since this core started */
    uint64_t cpu_before_ns;        /* the same at the last tick */
    bool cpu_known;                /* cpu_ns is of this process */
    bool adopted; /* it ran before it was met: what it had used then is of no tick */
    struct usage usage;
    struct red red;                /* as last read whole */
    struct red reading;            /* summed up at this moment */
    struct red before;             /* at the tick before */
    struct metrics_spread *spread; /* NULL: there was no request yet */
    struct metrics_sample sample;
    struct metrics_sample *history; /* METRICS_HISTORY of them, or NULL */
    size_t history_len;             /* ever */
};

/* One replica of one route. */
struct metrics_route {
    struct metrics_route_key {
        uint64_t route, service, replica; /* the last one a hash of its name; 0 = not known */
    } key;
    uint64_t endpoint;       /* one of the replica's */
    struct red red, reading; /* as of a thing */
};

struct metrics {
    struct see *see;
    struct list watchers;
    struct defence defence;
    struct timer tick;
    struct map things;
    struct map routes;
    size_t histories;
    int64_t tick_ns;             /* the last tick, monotonic; 0 = none yet */
    int64_t counted_ns;          /* the last tick that read the counters whole; 0 = none yet */
    int64_t usage_ns;            /* when processes were read last */
    struct counters_thread edge; /* all threads summed up, as last read whole */
    struct counters_thread edge_reading;
    struct counters_carried lost; /* with edges that were killed */
    uint64_t routes_together;     /* cells without a route of their own in the exposition */
    uint64_t unknown;             /* cells whose service is not known (yet) */
    bool overflow_said;           /* that the edge counts some together */
    struct {
        uint64_t memory_bytes;
        uint64_t cpu_ns;
        int pid;
    } roles[3]; /* keeper, core, edge */
    struct store_stats store;
};

enum { METRICS_ROLE_KEEPER, METRICS_ROLE_CORE, METRICS_ROLE_EDGE };
extern const char *const metrics_role_names[3];

static inline struct metrics_thing *metrics_thing_at(const struct metrics *metrics, size_t i)
{
    return metrics->things.entries[i].value;
}
static inline struct metrics_route *metrics_route_at(const struct metrics *metrics, size_t i)
{
    return metrics->routes.entries[i].value;
}
/* Reads the counters, and the processes if they were read more than METRICS_FRESH_NS ago. Rates
 * stay those of the last tick. */
void metrics_refresh(struct metrics *metrics);
/* The processes of a service or replica (0 = all), at most `max`. 0 or -ENOENT. */
must_check int metrics_pids(const struct metrics *metrics, const struct bus_id *id, int *pids,
                            size_t max, size_t *ret_count);
#define METRICS_FRESH_NS (NS_PER_S / 2)

#endif
