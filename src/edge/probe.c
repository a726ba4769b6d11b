/* SPDX-License-Identifier: Apache-2.0
 *
 * One struct probe per endpoint, found by its id; what to ask is read from the service at each run,
 * so that a snapshot or delta needs to tell probes only of endpoints that came, changed their
 * address or went.
 *
 * 1. A probe is running (fd >= 0, the timer is its patience) or waiting (the timer is its next
 *    run).
 * 2. It outlives no endpoint: one that finds its endpoint gone hangs up and is freed by the next
 *    snapshot or delta that says so.
 * 3. After a crash of the edge the status in the cell stands until the first answer: what was well
 *    is served at once.
 */
#include "edge/probe_private.h"

#include "base/num.h"

#include <stdlib.h>

static void fire(struct timer *timer, int64_t now_ns)
{
    struct probe *probe = container_of(timer, struct probe, timer);
    const struct endpoint *endpoint = probe_endpoint(probe);
    (void)now_ns;
    if (!endpoint || probe_spec(endpoint)->kind == SNAPSHOT_PROBE_NONE) {
        probe_hang_up(probe);
    } else if (probe->fd >= 0) {
        probe_fail(probe, ETIMEDOUT);
    } else {
        probe_run(probe, endpoint);
    }
}

static void probe_end(struct probe *probe)
{
    struct edge_probes *probes = probe->owner;
    loop_timer_cancel(&probes->worker->loop, &probe->timer);
    probe_hang_up(probe);
    if (probe->cell && probe->cell->endpoint == probe->endpoint) {
        counters_probe_begin(probe->cell);
        __atomic_store_n(&probe->cell->endpoint, 0, __ATOMIC_RELAXED); /* its place is free */
        __atomic_store_n(&probe->cell->status, COUNTERS_PROBE_UNKNOWN, __ATOMIC_RELAXED);
        counters_probe_end(probe->cell);
    }
    (void)map_take(&probes->probes, str_make((const char *)&probe->endpoint, 8));
    free(probe);
}

static struct probe *probe_begin(struct edge_probes *probes, const struct endpoint *endpoint)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    if (!probe) {
        return NULL;
    }
    probe->owner = probes;
    probe->endpoint = endpoint->id;
    probe->fd = -1;
    probe->begun_ns = probes->worker->loop.now_ns;
    timer_init(&probe->timer, fire);
    if (map_put(&probes->probes, str_make((const char *)&probe->endpoint, 8), probe) < 0) {
        free(probe);
        return NULL;
    }
    probe->cell = counters_probe_get(&probes->worker->counters, endpoint->id);
    return probe;
}

/* From the fast end: a process was started, or somebody wants to know. */
static void start_fast(struct probe *probe, const struct endpoint *endpoint, bool forget)
{
    struct worker *worker = probe->owner->worker;
    (void)str_copy(probe->address, sizeof(probe->address), str_from(endpoint->address_text));
    probe_hang_up(probe);
    probe->begun_ns = worker->loop.now_ns;
    probe->delay_ms = PROBE_FAST_FIRST_MS;
    if (forget && probe->cell) {
        probe->failures_in_row = 0;
        probe_write_cell(probe, &(struct probe_result){0}, 0, COUNTERS_PROBE_UNKNOWN);
        probe->owner->changed(probe->owner->worker);
    }
    loop_timer_after(&worker->loop, &probe->timer, 0);
}

static void follow(struct edge_probes *probes, const struct endpoint *endpoint, bool restarted)
{
    struct probe *probe = map_get(&probes->probes, str_make((const char *)&endpoint->id, 8));
    if (probe_spec(endpoint)->kind == SNAPSHOT_PROBE_NONE) {
        if (probe) {
            probe_end(probe);
        }
        return;
    }
    bool fresh = !probe;
    if (fresh) {
        probe = probe_begin(probes, endpoint);
    }
    if (!probe) {
        return;
    }
    if (fresh || restarted || !str_eq(str_from(probe->address), str_from(endpoint->address_text))) {
        /* After an edge crash the last status stands until the first answer. */
        start_fast(probe, endpoint, endpoint->state == SNAPSHOT_ENDPOINT_STARTING);
    }
}

static bool is_probed(void *context, uint64_t endpoint)
{
    const struct edge_probes *probes = context;
    return map_get(&probes->probes, str_make((const char *)&endpoint, 8)) != NULL;
}

void probe_apply(struct edge_probes *probes)
{
    struct service_set *set = &probes->worker->set;
    for (size_t i = probes->probes.len; i > 0; i--) {
        struct probe *probe = probes->probes.entries[i - 1].value;
        if (!probe_endpoint(probe)) {
            probe_end(probe);
        }
    }
    for (size_t i = 0; i < set->endpoints.len; i++) {
        follow(probes, set->endpoints.entries[i].value, false);
    }
    counters_probe_sweep(&probes->worker->counters, is_probed, probes);
}

void probe_delta(struct edge_probes *probes, const struct delta *delta)
{
    struct str key = str_make((const char *)&delta->endpoint, 8);
    struct endpoint *endpoint = map_get(&probes->worker->set.endpoints, key);
    struct probe *probe = map_get(&probes->probes, key);
    if (!endpoint) {
        if (probe) {
            probe_end(probe);
        }
        return;
    }
    switch (delta->kind) {
    case DELTA_ENDPOINT_SET:
        follow(probes, endpoint, endpoint->state == SNAPSHOT_ENDPOINT_STARTING);
        break;
    case DELTA_PROBE_NOW:
        follow(probes, endpoint, true);
        break;
    default:
        break;
    }
}

int probe_new(struct worker *worker, void (*changed)(struct worker *worker),
              struct edge_probes **ret)
{
    struct edge_probes *probes = calloc(1, sizeof(*probes));
    if (!probes) {
        return -ENOMEM;
    }
    probes->worker = worker;
    probes->changed = changed;
    probes->probes = MAP_INIT(COUNTERS_PROBES_MAX);
    *ret = probes;
    return 0;
}

void probe_free(struct edge_probes *probes)
{
    if (!probes) {
        return;
    }
    while (probes->probes.len > 0) {
        struct probe *probe = probes->probes.entries[probes->probes.len - 1].value;
        loop_timer_cancel(&probes->worker->loop, &probe->timer);
        probe_hang_up(probe);
        (void)map_take(&probes->probes, str_make((const char *)&probe->endpoint, 8));
        free(probe);
    }
    map_fini(&probes->probes);
    free(probes);
}
