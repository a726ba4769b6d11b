/* SPDX-License-Identifier: Apache-2.0
 *
 * The tick: one pass over the edge's counters, one over the replicas' control groups (or one scan
 * of /proc for all that have none), then samples. Everything else answers from what the last tick
 * left.
 *
 * Invariants:
 * 1. Counters come from the edge's memory and are never added to: each reading sums the cells up
 *    anew, so a core that was away for an hour shows what happened meanwhile. Only a whole reading
 *    is shown; until there is one, the former.
 * 2. A rate is a difference of two ticks over the monotonic time between them; what has no tick
 *    before has no rate (NaN, null), never an invented 0.
 * 3. CPU of a service only grows (cpu_total_ns): a process that is replaced, or a child that ends,
 *    takes nothing away from the sum.
 * 4. A thing exists from the bus's first word of it to its removal; a route from the first cell
 *    that names it to the tick at which its cells are gone.
 *
 * How it fails: what cannot be read is left out of an exposition and null in JSON; nothing waits
 * for it.
 */
#include "see/metrics.h"

#include "link/keeper_client.h"
#include "os/loop.h"
#include "os/proc.h"
#include "see/metrics_private.h"
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FOR_EVER_S 1e9

const char *const metrics_role_names[3] = {"keeper", "core", "edge"};

/* --- things --- */

static void make_key(char key[2 * NAME_MAX_SIZE + 16], struct str project, struct str service,
                     uint32_t replica)
{
    if (replica) {
        (void)snprintf(key, 2 * NAME_MAX_SIZE + 16, STR_FMT "/" STR_FMT "/%u", STR_ARG(project),
                       STR_ARG(service), replica);
    } else {
        (void)snprintf(key, 2 * NAME_MAX_SIZE + 16, STR_FMT "/" STR_FMT, STR_ARG(project),
                       STR_ARG(service));
    }
}

static struct metrics_thing *find(const struct metrics *metrics, struct str project,
                                  struct str service, uint32_t replica)
{
    char key[2 * NAME_MAX_SIZE + 16];
    make_key(key, project, service, replica);
    return map_get(&metrics->things, str_from(key));
}

/* NULL when there are too many or memory is out: then it has no figures, nothing else. */
static struct metrics_thing *get(struct metrics *metrics, const struct bus_id *id, uint32_t replica)
{
    struct str project = str_from(id->project), service = str_from(id->service);
    struct metrics_thing *thing = find(metrics, project, service, replica);
    if (thing) {
        return thing;
    }
    struct metrics_thing *parent = replica ? get(metrics, id, 0) : NULL;
    thing = replica && !parent ? NULL : calloc(1, sizeof(*thing));
    if (!thing) {
        return NULL;
    }
    make_key(thing->key, project, service, replica);
    thing->id = *id;
    thing->id.replica = replica;
    thing->service = parent;
    thing->sample.cpu_percent = thing->sample.p50_ms = thing->sample.p99_ms = NAN;
    if (map_put(&metrics->things, str_from(thing->key), thing) < 0) {
        free(thing);
        return NULL;
    }
    return thing;
}

static void spread_free(struct metrics_spread *spread)
{
    for (size_t i = 0; spread && i < COUNTERS_DURATIONS; i++) {
        histogram_fini(&spread->now[i]);
        histogram_fini(&spread->reading[i]);
    }
    if (spread) {
        histogram_fini(&spread->before);
    }
    free(spread);
}

static void drop(struct metrics *metrics, struct metrics_thing *thing)
{
    (void)map_take(&metrics->things, str_from(thing->key));
    metrics->histories -= thing->history != NULL;
    free(thing->history);
    spread_free(thing->spread);
    free(thing);
}

/* What belongs to `id`: a replica, a service with its replicas, or a whole project. */
static void drop_all(struct metrics *metrics, const struct bus_id *id)
{
    for (size_t i = metrics->things.len; i-- > 0;) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        bool mine = !strcmp(thing->id.project, id->project) &&
                    (!id->service[0] || !strcmp(thing->id.service, id->service)) &&
                    (!id->replica || thing->id.replica == id->replica);
        if (mine) {
            drop(metrics, thing);
        }
    }
}

void metrics_message(struct metrics *metrics, const struct bus_message *message)
{
    struct metrics_thing *thing = NULL;
    const struct bus_id *id = &message->id;
    bool met;
    switch (message->topic) {
    case BUS_SERVICE_CHANGED:
        (void)get(metrics, &message->id, 0);
        break;
    case BUS_REPLICA_CHANGED:
        met = find(metrics, str_from(id->project), str_from(id->service), id->replica) != NULL;
        thing = get(metrics, id, id->replica);
        if (thing && thing->pid != message->replica.pid) {
            thing->slot = message->replica.slot;
            thing->pid = message->replica.pid;
            thing->cpu_known = false;
            thing->adopted = !met;
            metrics->usage_ns = 0; /* what was read before says nothing of it */
        }
        break;
    case BUS_REPLICA_REMOVED:
    case BUS_SERVICE_REMOVED:
    case BUS_PROJECT_REMOVED:
        drop_all(metrics, &message->id);
        break;
    default:
        break;
    }
}

/* --- the edge's counters --- */

/* One for what is shown under one name: a replica has two endpoints in turn (rolling changes), and
 * what is not known (any more) has none. */
static struct metrics_route *route_of(struct metrics *metrics, const struct counters_cell *cell)
{
    const struct names *names = &metrics->see->naming.names;
    const struct name *endpoint = names_get(names, cell->endpoint);
    const struct name *path = names_get(names, cell->route);
    struct metrics_route key = {.key = {.route = path ? cell->route : 0,
                                        .service = cell->service,
                                        .replica = endpoint ? map_hash(0, endpoint->replica) : 0}};
    struct str bytes = str_make((const char *)&key.key, sizeof(key.key));
    struct metrics_route *route = map_get(&metrics->routes, bytes);
    if (route) {
        return route;
    }
    if (key.key.route && metrics->routes.len >= METRICS_ROUTES_APART) {
        struct counters_cell together = {.service = cell->service, .endpoint = cell->endpoint};
        metrics->routes_together++;
        return route_of(metrics, &together);
    }
    route = calloc(1, sizeof(*route));
    if (!route) {
        return NULL;
    }
    route->key = key.key;
    route->endpoint = endpoint ? cell->endpoint : 0;
    bytes = str_make((const char *)&route->key, sizeof(route->key));
    if (map_put(&metrics->routes, bytes, route) < 0) {
        free(route);
        return NULL;
    }
    return route;
}

/* Counts, and where durations lie. */
static void add_to_thing(struct metrics_thing *thing, const struct counters_cell *cell,
                         const struct counters_place *place)
{
    red_add(&thing->reading, cell);
    if (!thing->spread) {
        thing->spread = calloc(1, sizeof(*thing->spread)); /* out of memory: no percentiles */
    }
    for (size_t i = 0; thing->spread && i < COUNTERS_DURATIONS; i++) {
        histogram_add_cell(&thing->spread->reading[i], place, &cell->durations[i]);
    }
}

static void add_cell(struct metrics *metrics, const struct counters_cell *cell,
                     const struct counters_place *place)
{
    const struct name *service = names_get(&metrics->see->naming.names, cell->service);
    const struct name *endpoint = names_get(&metrics->see->naming.names, cell->endpoint);
    struct metrics_route *route = route_of(metrics, cell);
    if (route) {
        red_add(&route->reading, cell);
    }
    if (!service) {
        metrics->unknown += cell->service != 0; /* 0: shared by what found no cell of its own */
        return;
    }
    struct metrics_thing *thing = find(metrics, service->project, service->service, 0);
    if (thing) {
        add_to_thing(thing, cell, place);
    }
    if (thing && endpoint && endpoint->number) {
        thing = find(metrics, service->project, service->service, endpoint->number);
        if (thing) {
            add_to_thing(thing, cell, place);
        }
    }
}

static void add_thread(struct counters_thread *sum, const struct counters_thread *one)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++) {
        to[i] += from[i];
    }
}
_Static_assert(sizeof(struct counters_thread) % sizeof(uint64_t) == 0, "only counters");

/* Sums are made anew by each reading; what is zeroed here has no owner's count in it. */
static void forget_counts(struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->things.len; i++) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        thing->reading = (struct red){0};
        for (size_t d = 0; thing->spread && d < COUNTERS_DURATIONS; d++) {
            histogram_clear(&thing->spread->reading[d]);
        }
    }
    for (size_t i = 0; i < metrics->routes.len; i++) {
        metrics_route_at(metrics, i)->reading = (struct red){0};
    }
    metrics->edge_reading = (struct counters_thread){0};
    metrics->unknown = 0;
    metrics->routes_together = 0;
}

static void take_reading(struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->things.len; i++) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        thing->red = thing->reading;
        for (size_t d = 0; thing->spread && d < COUNTERS_DURATIONS; d++) {
            struct histogram read = thing->spread->reading[d];
            thing->spread->reading[d] = thing->spread->now[d];
            thing->spread->now[d] = read;
        }
    }
    for (size_t i = 0; i < metrics->routes.len; i++) {
        struct metrics_route *route = metrics_route_at(metrics, i);
        route->red = route->reading;
    }
    metrics->edge = metrics->edge_reading;
}

/* One walk over what the edge's threads count at this moment: cells are read without a lock, each
 * value whole, so a sum may be a request ahead of its parts and is right at the next tick. */
static void read_tables(struct metrics *metrics, const struct counters *counters)
{
    forget_counts(metrics);
    metrics->lost = counters_lost(counters);
    for (uint32_t t = 0; t < counters_tables(counters); t++) {
        struct counters_thread thread = counters_thread_read(counters, t);
        uint32_t used = counters_cells_used(counters, t);
        add_thread(&metrics->edge_reading, &thread);
        for (uint32_t i = 0; i < used; i++) {
            struct counters_cell cell;
            if (counters_cell_read(counters, t, i, &cell)) {
                add_cell(metrics, &cell, &(struct counters_place){counters, t, i});
            }
        }
    }
}

/* Said once: from then on figures by route and replica are not whole, sums are. */
static void say_overflow(struct metrics *metrics)
{
    if (metrics->overflow_said || metrics->edge.cells_overflow == 0) {
        return;
    }
    metrics->overflow_said = true;
    struct context ctx = context_system("metrics");
    struct event event;
    event_draft(&event, &ctx, "edge.counters-full", EVENT_WARNING);
    event_message(&event,
                  "There are more pairs of route and replica than one thread of the edge counts "
                  "apart (%u): further ones are counted together, without a service.",
                  COUNTERS_CELLS_DEFAULT - 1);
    core_log(metrics->see->core, "%s", event.message);
    event_emit(metrics->see->core, &event);
}

static void say_limits(struct metrics *metrics)
{
    struct defence_news news[DEFENCE_KINDS];
    size_t count =
        defence_look(&metrics->defence, &metrics->edge, core_now(metrics->see->core), news);
    for (size_t i = 0; i < count; i++) {
        struct context ctx = context_system("metrics");
        struct event event;
        event_draft(&event, &ctx, "gateway.limited", EVENT_WARNING);
        event_message(&event, "%s: %llu.", defence_words(news[i].kind),
                      (unsigned long long)news[i].times);
        event_emit(metrics->see->core, &event);
    }
}

/* Cells that are given back while they are read would be counted twice or not at all, and a counter
 * that falls looks like a restart: such a reading is made again, and when that does not help now,
 * the former one stays (false). */
static bool read_counters(struct metrics *metrics)
{
    enum { TRIES = 4 };
    const struct counters *counters = edge_link_counters(metrics->see->core->edge);
    naming_update(&metrics->see->naming);
    forget_counts(metrics);
    bool whole = !counters;
    for (unsigned i = 0; i < TRIES && !whole; i++) {
        uint64_t before, after;
        whole = counters_settled(counters, &before);
        read_tables(metrics, counters);
        whole = counters_settled(counters, &after) && whole && before == after;
    }
    if (whole) {
        take_reading(metrics);
    }
    say_overflow(metrics);
    if (counters && whole) {
        say_limits(metrics);
    }
    if (metrics->unknown) {
        naming_missed(&metrics->see->naming);
    }
    return whole;
}

/* --- processes --- */

static void group_of(const struct metrics_thing *thing, char *ret, size_t size)
{
    (void)snprintf(ret, size, "%s/%s/%s/%u%s", thing->id.tenant, thing->id.project,
                   thing->id.service, thing->id.replica, thing->slot ? ".b" : "");
}

static void read_replica(struct metrics_thing *thing, struct usage_scan *scan)
{
    char group[3 * NAME_MAX_SIZE + 16];
    group_of(thing, group, sizeof(group));
    if (thing->pid <= 0 || !usage_read(scan, str_from(group), thing->pid, &thing->usage)) {
        thing->usage = (struct usage){0};
        thing->cpu_known = false;
        return;
    }
    /* Of a process that is new, all that it used counts; one that lost a child uses less than
     * before. */
    uint64_t before = thing->cpu_known ? thing->cpu_ns : 0;
    thing->cpu_total_ns += thing->usage.cpu_ns > before ? thing->usage.cpu_ns - before : 0;
    if (thing->adopted && !thing->cpu_known) {
        thing->cpu_before_ns = thing->cpu_total_ns;
    }
    thing->cpu_ns = thing->usage.cpu_ns;
    thing->cpu_known = true;
}

static void read_roles(struct metrics *metrics)
{
    struct role_info info;
    core_roles(metrics->see->core, &info);
    const int pids[3] = {info.keeper_pid, info.core_pid, info.edge_pid};
    for (size_t i = 0; i < 3; i++) {
        struct proc_stat stat = {0};
        bool known = pids[i] > 0 && proc_stat(pids[i], &stat) == 0;
        metrics->roles[i].pid = known ? pids[i] : 0;
        metrics->roles[i].memory_bytes = stat.rss_bytes;
        metrics->roles[i].cpu_ns = stat.cpu_ns;
    }
}

/* What is used now; of a service the sum over its replicas, as far as known. */
static void sum_up_usage(struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->things.len; i++) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        thing->sample.memory_bytes = thing->service ? thing->usage.memory_bytes : 0;
        thing->sample.pids = thing->service ? thing->usage.pids : 0;
    }
    for (size_t i = 0; i < metrics->things.len; i++) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        if (thing->service) {
            thing->service->sample.memory_bytes += thing->usage.memory_bytes;
            thing->service->sample.pids += thing->usage.pids;
        }
    }
}

static void read_processes(struct metrics *metrics)
{
    struct cgroup_root root;
    struct usage_scan scan;
    bool groups = keeper_client_cgroups(metrics->see->core->keeper, &root) == 0;
    usage_scan_init(&scan, groups ? &root : NULL);
    for (size_t i = 0; i < metrics->things.len; i++) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        if (thing->service) {
            read_replica(thing, &scan);
        }
    }
    usage_scan_fini(&scan);
    sum_up_usage(metrics);
    read_roles(metrics);
    metrics->usage_ns = core_now(metrics->see->core);
}

void metrics_refresh(struct metrics *metrics)
{
    int64_t now = core_now(metrics->see->core);
    (void)read_counters(metrics);
    if (!metrics->usage_ns || now - metrics->usage_ns > METRICS_FRESH_NS) {
        read_processes(metrics);
    }
    metrics->store = store_stats(metrics->see->core->store);
}

/* --- samples --- */

static void make_sample(struct metrics_thing *thing, double seconds)
{
    struct metrics_sample *sample = &thing->sample;
    const struct red *now = &thing->red;
    struct metrics_spread *spread = thing->spread;
    struct red change;
    red_difference(now, &thing->before, &change);
    sample->requests = now->requests;
    sample->errors = now->errors;
    sample->in_flight = now->in_flight;
    sample->requests_per_s = (float)((double)change.requests / seconds);
    sample->errors_per_s = (float)((double)change.errors / seconds);
    sample->p50_ms = sample->p99_ms = NAN;
    if (spread && change.requests) {
        const struct histogram *total = &spread->now[COUNTERS_TOTAL];
        sample->p50_ms = (float)histogram_quantile_ms(total, &spread->before, 0.50);
        sample->p99_ms = (float)histogram_quantile_ms(total, &spread->before, 0.99);
        histogram_copy(&spread->before, total);
    }
    thing->before = *now;
}

/* Of a process that is new all counts, of one that was met running (the core came back) only what
 * comes after: its hours of use before would be drawn as a peak of thousands of percent. */
static void sample_cpu(struct metrics_thing *thing, double seconds)
{
    float *sum = &thing->service->sample.cpu_percent;
    uint64_t used = thing->cpu_total_ns - thing->cpu_before_ns;
    bool known = thing->cpu_known && !thing->adopted && seconds < FOR_EVER_S;
    thing->cpu_before_ns = thing->cpu_total_ns;
    thing->adopted = thing->adopted && !thing->cpu_known;
    thing->sample.cpu_percent = known ? (float)((double)used / (seconds * 1e7)) : NAN;
    if (known) {
        *sum = thing->sample.cpu_percent + (isnan(*sum) ? 0 : *sum);
    }
}

/* Five minutes at 1 Hz, longer while nobody watches: each sample carries its time, so a chart may
 * draw both. */
static void keep_history(struct metrics *metrics, struct metrics_thing *thing)
{
    if (!thing->history && metrics->histories < METRICS_HISTORIES_MAX) {
        thing->history = calloc(METRICS_HISTORY, sizeof(*thing->history));
        metrics->histories += thing->history != NULL;
    }
    if (thing->history) {
        thing->history[thing->history_len++ % METRICS_HISTORY] = thing->sample;
    }
}

/* `seconds` since the counters were read whole at a tick. */
static void sample_counts(struct metrics *metrics, double seconds)
{
    for (size_t i = 0; i < metrics->things.len; i++) {
        make_sample(metrics_thing_at(metrics, i), seconds);
    }
}

static void sample_things(struct metrics *metrics, double seconds)
{
    int64_t wall = core_wall(metrics->see->core);
    size_t count = metrics->things.len;
    for (size_t i = 0; i < count; i++) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        thing->sample.wall_ns = wall;
        if (!thing->service) {
            thing->sample.cpu_percent = NAN;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        if (thing->service) {
            sample_cpu(thing, seconds);
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct metrics_thing *thing = metrics_thing_at(metrics, i);
        if (!thing->service) {
            keep_history(metrics, thing);
        }
    }
}

/* Cells are given back when their route or endpoint is gone: then the sums of it are 0. */
static void drop_routes(struct metrics *metrics)
{
    for (size_t i = metrics->routes.len; i-- > 0;) {
        struct metrics_route *route = metrics_route_at(metrics, i);
        if (!route->red.requests && !route->red.in_flight) { /* its cells are gone */
            (void)map_take(&metrics->routes,
                           str_make((const char *)&route->key, sizeof(route->key)));
            free(route);
        }
    }
}

/* The first tick has nothing to be compared with: as if it had taken for ever. */
static double seconds_since(int64_t then_ns, int64_t now_ns)
{
    return then_ns ? MAX((double)(now_ns - then_ns) / 1e9, 0.001) : FOR_EVER_S;
}

/* Without a whole reading the rates stay, too, until the next one spans both ticks. */
static void tick(struct metrics *metrics)
{
    int64_t now = core_now(metrics->see->core);
    if (read_counters(metrics)) {
        sample_counts(metrics, seconds_since(metrics->counted_ns, now));
        metrics->counted_ns = now;
    }
    read_processes(metrics);
    sample_things(metrics, seconds_since(metrics->tick_ns, now));
    drop_routes(metrics);
    metrics->tick_ns = now;
}

/* --- the tick --- */

static void arm(struct metrics *metrics)
{
    int64_t period = list_empty(&metrics->watchers) ? METRICS_IDLE_S * NS_PER_S : NS_PER_S;
    loop_timer_after(metrics->see->core->loop, &metrics->tick, period);
}

static void on_tick(struct timer *timer, int64_t now_ns)
{
    struct metrics *metrics = container_of(timer, struct metrics, tick);
    int64_t wall = core_wall(metrics->see->core);
    arm(metrics);
    tick(metrics);
    list_for_each_safe (it, &metrics->watchers) {
        struct metrics_watcher *watcher = list_entry(it, struct metrics_watcher, node);
        watcher->tick(watcher, wall);
    }
}

void metrics_watch(struct see *see, struct metrics_watcher *watcher)
{
    struct metrics *metrics = see->metrics;
    bool first = list_empty(&metrics->watchers);
    list_push_back(&metrics->watchers, &watcher->node);
    if (first) {
        if (core_now(see->core) - metrics->tick_ns > NS_PER_S) {
            tick(metrics); /* the first picture is of now, not of some seconds ago */
        }
        arm(metrics);
    }
}

void metrics_unwatch(struct metrics_watcher *watcher)
{
    list_del(&watcher->node); /* the next tick notices */
}

int metrics_new(struct see *see, struct metrics **ret)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (!metrics) {
        return -ENOMEM;
    }
    metrics->see = see;
    list_init(&metrics->watchers);
    timer_init(&metrics->tick, on_tick);
    metrics->things = MAP_INIT(METRICS_THINGS_MAX);
    metrics->routes = MAP_INIT(METRICS_ROUTES_MAX);
    *ret = metrics;
    return 0;
}

void metrics_start(struct metrics *metrics)
{
    arm(metrics);
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics) {
        return;
    }
    loop_timer_cancel(metrics->see->core->loop, &metrics->tick);
    while (metrics->things.len) {
        drop(metrics, metrics_thing_at(metrics, metrics->things.len - 1));
    }
    for (size_t i = 0; i < metrics->routes.len; i++) {
        free(metrics_route_at(metrics, i));
    }
    map_fini(&metrics->things);
    map_fini(&metrics->routes);
    free(metrics);
}

/* --- answers --- */

bool metrics_latest(struct see *see, struct str project, struct str service, uint32_t replica,
                    struct metrics_sample *ret)
{
    const struct metrics_thing *thing = find(see->metrics, project, service, replica);
    if (!thing) {
        return false;
    }
    *ret = thing->sample;
    return true;
}

size_t metrics_history(struct see *see, struct str project, struct str service,
                       struct metrics_sample *ret, size_t count)
{
    const struct metrics_thing *thing = find(see->metrics, project, service, 0);
    if (!thing || !thing->history) {
        return 0;
    }
    size_t have = MIN(thing->history_len, (size_t)METRICS_HISTORY);
    count = MIN(count, have);
    for (size_t i = 0; i < count; i++) {
        ret[i] = thing->history[(thing->history_len - count + i) % METRICS_HISTORY];
    }
    return count;
}

void metrics_visit(struct see *see, metrics_visit_fn *visit, void *arg)
{
    for (size_t i = 0; i < see->metrics->things.len; i++) {
        const struct metrics_thing *thing = metrics_thing_at(see->metrics, i);
        visit(arg, str_from(thing->id.project), str_from(thing->id.service), thing->id.replica,
              &thing->sample);
    }
}

int metrics_pids(const struct metrics *metrics, const struct bus_id *id, int *pids, size_t max,
                 size_t *ret_count)
{
    struct cgroup_root root;
    struct usage_scan scan;
    const struct metrics_thing *wanted =
        find(metrics, str_from(id->project), str_from(id->service), id->replica);
    bool groups = keeper_client_cgroups(metrics->see->core->keeper, &root) == 0;
    *ret_count = 0;
    if (!wanted) {
        return -ENOENT;
    }
    usage_scan_init(&scan, groups ? &root : NULL);
    for (size_t i = 0; i < metrics->things.len; i++) {
        const struct metrics_thing *thing = metrics_thing_at(metrics, i);
        char group[3 * NAME_MAX_SIZE + 16];
        if (thing->service && (thing == wanted || thing->service == wanted)) {
            group_of(thing, group, sizeof(group));
            *ret_count +=
                usage_pids(&scan, str_from(group), thing->pid, pids + *ret_count, max - *ret_count);
        }
    }
    usage_scan_fini(&scan);
    return 0;
}
