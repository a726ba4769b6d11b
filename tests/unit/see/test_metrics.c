/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tick makes of readings: use of processors over time, sums of services, and that what is
 * not known is never 0. The linker puts functions of this file in front of those that read
 * processes, counters and clocks (meson.build).
 */
#include "harness/test.h"

#include "link/snapshot.h"
#include "os/clock.h"
#include "os/loop.h"
#include "see/metrics_private.h"
#include "see/pss.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static struct loop loop;
static struct core core;
static struct see see;
static int64_t clock_jump;
static struct usage readings[8]; /* by pid */

bool __wrap_usage_read(struct usage_scan *scan, struct str group, int pid, struct usage *ret);
bool __wrap_usage_read(struct usage_scan *scan, struct str group, int pid, struct usage *ret)
{
    *ret = readings[pid];
    return ret->pids > 0;
}

int __wrap_keeper_client_cgroups(const struct keeper_client *client, struct cgroup_root *ret);
int __wrap_keeper_client_cgroups(const struct keeper_client *client, struct cgroup_root *ret)
{
    return -ENOENT;
}

static struct counters *edge_counters; /* NULL: no edge runs */

const struct counters *__wrap_edge_link_counters(const struct edge_link *link);
const struct counters *__wrap_edge_link_counters(const struct edge_link *link)
{
    return edge_counters;
}

void __wrap_core_roles(const struct core *c, struct role_info *ret);
void __wrap_core_roles(const struct core *c, struct role_info *ret)
{
    *ret = (struct role_info){0};
}

struct store_stats __wrap_store_stats(struct store *store);
struct store_stats __wrap_store_stats(struct store *store)
{
    return (struct store_stats){0};
}

int64_t __wrap_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void)
{
    return NS_PER_S + clock_jump; /* stands still but for the tests' jumps */
}

static size_t ticks;

static void on_tick(struct metrics_watcher *watcher, int64_t wall_ns)
{
    ticks++;
}

static struct metrics_watcher watcher = {.tick = on_tick};

static void set_up(void)
{
    check_int(loop_init(&loop, 1), 0);
    core = (struct core){.loop = &loop};
    see = (struct see){.core = &core};
    naming_init(&see.naming, &core, &see.tail.running);
    see.naming.looks = 0;
    check_int(metrics_new(&see, &see.metrics), 0);
}

static void tear_down(void)
{
    metrics_unwatch(&watcher);
    metrics_free(see.metrics);
    naming_fini(&see.naming);
    loop_fini(&loop);
}

static void replica(uint32_t number, int pid)
{
    struct bus_message message = {.topic = BUS_REPLICA_CHANGED, .replica = {.pid = pid}};
    message.id = bus_id_make(STR("default"), STR("shop"), STR("web"), number);
    metrics_message(see.metrics, &message);
}

/* A second goes by, in which the process uses `cpu_ms`. */
static void tick(int pid, int cpu_ms)
{
    size_t before = ticks;
    readings[pid].cpu_ns += (uint64_t)cpu_ms * NS_PER_MS;
    clock_jump += NS_PER_S;
    for (int turn = 0; turn < 100 && ticks == before; turn++) {
        check_int(loop_turn(&loop, 0), 0);
        clock_jump += NS_PER_MS / 8; /* timers are a little late */
    }
    check_int(ticks, before + 1);
}

static struct metrics_sample latest(uint32_t number)
{
    struct metrics_sample sample;
    check(metrics_latest(&see, STR("shop"), STR("web"), number, &sample));
    return sample;
}

static void check_cpu(uint32_t number, double percent)
{
    double is = (double)latest(number).cpu_percent;
    if (isnan(percent) ? !isnan(is) : !(fabs(is - percent) < 0.5)) {
        printf("# %u: %g %%, expected %g\n", number, is, percent);
        check(!"the use of processors");
    }
}

TEST(of_a_process_that_was_started_here_all_use_counts)
{
    set_up();
    metrics_watch(&see, &watcher);
    replica(1, 0); /* pending */
    tick(2, 0);
    check_cpu(1, NAN);
    replica(1, 2);
    readings[2] = (struct usage){.memory_bytes = 5000, .pids = 1};
    tick(2, 300);
    check_cpu(1, 30);
    check_cpu(0, 30);
    tick(2, 1500); /* on two processors */
    check_cpu(1, 150);
    check_int(latest(0).memory_bytes, 5000);
    tear_down();
}

TEST(of_a_process_that_was_met_running_only_what_comes_after_counts)
{
    set_up();
    metrics_watch(&see, &watcher);
    tick(2, 0); /* before the core has adopted it */
    replica(1, 2);
    readings[2] = (struct usage){.cpu_ns = (uint64_t)3600 * NS_PER_S, .memory_bytes = 1, .pids = 1};
    tick(2, 100);
    check_cpu(1, NAN);
    check_cpu(0, NAN);
    tick(2, 200);
    check_cpu(1, 20);
    /* Its successor is started by this core. */
    replica(1, 3);
    readings[3] = (struct usage){.memory_bytes = 1, .pids = 1};
    tick(3, 400);
    check_cpu(1, 40);
    tear_down();
}

TEST(a_service_is_the_sum_of_what_is_known_of_its_replicas)
{
    set_up();
    replica(1, 0);
    replica(2, 0);
    replica(3, 0);
    metrics_watch(&see, &watcher);
    tick(7, 0);
    replica(1, 2);
    replica(2, 3);
    replica(3, 4); /* cannot be read */
    readings[2] = (struct usage){.memory_bytes = 1000, .pids = 1};
    readings[3] = (struct usage){.cpu_ns = 100 * NS_PER_MS, .memory_bytes = 500, .pids = 2};
    readings[4] = (struct usage){0};
    tick(2, 200);
    check_cpu(1, 20);
    check_cpu(2, 10);
    check_cpu(3, NAN);
    check_cpu(0, 30);
    check_int(latest(0).memory_bytes, 1500);
    check_int(latest(0).pids, 3);
    check_int(latest(3).memory_bytes, 0);
    replica(1, 0); /* it ended */
    tick(3, 0);
    check_cpu(1, NAN);
    check_int(latest(0).memory_bytes, 500);
    tear_down();
}

static bool says(const struct buf *out, const char *text)
{
    return str_find(buf_str(out), str_from(text)) >= 0;
}

TEST(what_is_not_known_is_null_in_json_and_absent_in_the_exposition)
{
    struct buf json_text = BUF_INIT(MIB), text = BUF_INIT(MIB);
    set_up();
    metrics_watch(&see, &watcher);
    replica(1, 0);
    replica(2, 0);
    tick(7, 0);
    replica(2, 3);
    readings[3] = (struct usage){.cpu_ns = 1, .memory_bytes = 700, .pids = 1};
    tick(3, 0);
    struct json_writer json = JSON_WRITER(&json_text);
    metrics_write_json(&see, &json);
    check(says(&json_text, "\"replica\":1,\"pid\":null,\"cpu_percent\":null,\"memory_bytes\":null,"
                           "\"pids\":null"));
    check(says(&json_text, "\"replica\":2,\"pid\":3,\"cpu_percent\":0,\"memory_bytes\":700"));
    check(says(&json_text, "\"role\":\"edge\",\"pid\":null,\"memory_bytes\":null"));
    check_int(metrics_write(&see, false, &text), 0);
    check(says(&text, "muelle_replica_memory_bytes{tenant=\"default\",project=\"shop\","
                      "service=\"web\",replica=\"web-2\"} 700"));
    check(says(&text, "muelle_replica_up{tenant=\"default\",project=\"shop\",service=\"web\","
                      "replica=\"web-1\"} 0"));
    check(!says(&text, "muelle_role_memory_bytes{"));
    check(!says(&text, "muelle_replica_processes{tenant=\"default\",project=\"shop\","
                       "service=\"web\",replica=\"web-1\"}"));
    check(says(&text, "muelle_core_loop_stalls_total 0"));
    struct metrics_sample history[4];
    buf_reset(&json_text);
    check_int(metrics_history(&see, STR("shop"), STR("web"), history, 4), 2);
    history[0].memory_bytes = 0;
    json = JSON_WRITER(&json_text);
    json_begin_object(&json);
    metrics_history_json(&json, history, 1);
    json_end_object(&json);
    check(says(&json_text, "\"memory_bytes\":[null]"));
    buf_fini(&json_text);
    buf_fini(&text);
    tear_down();
}

TEST(what_is_removed_has_no_figures)
{
    struct metrics_sample sample;
    struct bus_message gone = {.topic = BUS_SERVICE_REMOVED};
    set_up();
    replica(1, 2);
    replica(2, 3);
    gone.id = bus_id_make(STR("default"), STR("shop"), STR("web"), 0);
    metrics_message(see.metrics, &gone);
    check(!metrics_latest(&see, STR("shop"), STR("web"), 0, &sample));
    check(!metrics_latest(&see, STR("shop"), STR("web"), 1, &sample));
    check_int(see.metrics->things.len, 0);
    list_init(&watcher.node);
    tear_down();
}

struct pss_asker {
    size_t calls;
    struct pss pss;
};

static void take_pss(void *arg, int error, const struct pss *pss)
{
    struct pss_asker *asker = arg;
    check_int(error, 0);
    asker->calls++;
    asker->pss = *pss;
}

TEST(shared_memory_is_read_for_some_at_once_and_not_told_to_who_went_away)
{
    struct pss_asker asker = {0}, gone = {0};
    struct bus_id id = bus_id_make(STR("default"), STR("shop"), STR("web"), 0);
    set_up();
    metrics_watch(&see, &watcher);
    list_init(&see.pss);
    check_int(worker_pool_init(&see.pool, &loop, 1, 8), 0);
    check_int(pss_read(&see, &id, take_pss, &asker), -ENOENT);
    replica(1, getpid());
    for (size_t i = 0; i < 3; i++) {
        check_int(pss_read(&see, &id, take_pss, &asker), 0);
    }
    check_int(pss_read(&see, &id, take_pss, &gone), 0);
    check_int(pss_read(&see, &id, take_pss, &asker), -ENOBUFS);
    pss_cancel(&see, &gone);
    check_int(asker.calls, 0); /* not from within the call */
    for (int turn = 0; turn < 3000 && !list_empty(&see.pss); turn++) {
        check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);
    }
    check_int(asker.calls, 3);
    check_int(gone.calls, 0);
    check(asker.pss.processes >= 1 && asker.pss.bytes > 0);
    check_int(pss_read(&see, &id, take_pss, &gone), 0);
    worker_pool_fini(&see.pool);
    pss_fini(&see); /* frees what was not answered any more */
    check(list_empty(&see.pss));
    check_int(gone.calls, 0);
    tear_down();
}

/* Service 1 with its endpoint 2: web-1 of shop. */
static void tell_names(void)
{
    struct snapshot_builder builder;
    struct buf blob = BUF_INIT(MIB);
    snapshot_builder_init(&builder);
    snapshot_builder_service(&builder, &(struct snapshot_service){.id = 1,
                                                                  .tenant = STR("default"),
                                                                  .project = STR("shop"),
                                                                  .name = STR("web")});
    snapshot_builder_endpoint(&builder, &(struct snapshot_endpoint){.id = 2,
                                                                    .service = 1,
                                                                    .address = STR("127.0.0.1:1"),
                                                                    .replica = STR("web-1"),
                                                                    .weight = 1});
    check_int(snapshot_builder_finish(&builder, 1, 0, &blob), 0);
    snapshot_builder_fini(&builder);
    check_int(names_read(&see.naming.names, buf_str(&blob)), 0);
    buf_fini(&blob);
}

/* What the edge counts in; freed by the caller. */
static void *open_counters(struct counters *counters)
{
    enum { THREADS = 1, CELLS = 8 };
    size_t size = counters_size(THREADS, CELLS);
    void *memory = aligned_alloc(64, size);
    check(memory);
    memset(memory, 0, size);
    counters_format(memory, THREADS, CELLS);
    check_int(counters_open(memory, size, counters), 0);
    edge_counters = counters;
    return memory;
}

/* Requests of a service whose name nobody has told yet: it is asked for, and its figures come with
 * it; a route that nothing counts any more is gone. */
TEST(counts_of_what_has_no_name_yet_wait_for_it)
{
    struct counters counters;
    void *memory = open_counters(&counters);
    set_up();
    metrics_watch(&see, &watcher);
    replica(1, 0);
    struct counters_cell *cell = counters_cell_get(&counters, 0, 3, 1, 2);
    counters_add(&cell->requests, 3);
    counters_add(&cell->status[2], 3);
    tick(1, 0);
    check_int(see.metrics->unknown, 1);
    check(see.naming.looks > 0);
    check_int(see.metrics->routes.len, 1);
    check(!(latest(1).requests_per_s > 0));
    tell_names();
    see.naming.looks = 0;
    counters_add(&cell->requests, 4);
    counters_add(&cell->status[2], 4);
    tick(1, 0);
    check_int(see.metrics->unknown, 0);
    check_int(see.naming.looks, 0);
    check(latest(1).requests_per_s > 3);
    check(latest(0).requests_per_s > 3);
    check_int(see.metrics->edge.requests, 0);
    cell->requests = 0; /* as when its cell was given back */
    tick(1, 0);
    check_int(see.metrics->routes.len, 0);
    tear_down();
    free(memory);
}

/* The edge gives cells back at this very moment, and a second goes by. */
static bool lives_while_ticking(void *context, uint64_t id)
{
    struct counters_cell *cell = context;
    if (cell->requests) {
        uint64_t requests = cell->requests;
        cell->requests = 0;
        tick(1, 0);
        metrics_refresh(see.metrics);
        cell->requests = requests;
    }
    return true;
}

TEST(a_reading_that_is_not_whole_leaves_the_former_one)
{
    struct counters counters;
    void *memory = open_counters(&counters);
    set_up();
    tell_names();
    metrics_watch(&see, &watcher);
    replica(1, 0);
    struct counters_cell *cell = counters_cell_get(&counters, 0, 3, 1, 2);
    struct counters_living living = {.service = lives_while_ticking,
                                     .route = lives_while_ticking,
                                     .endpoint = lives_while_ticking,
                                     .context = cell};
    tick(1, 0);
    counters_add(&cell->requests, 3);
    counters_add(&counters_thread_of(&counters, 0)->requests, 3);
    tick(1, 0);
    check(fabsf(latest(1).requests_per_s - 3) < 0.1F);
    size_t before = ticks;
    counters_add(&cell->requests, 4);
    counters_add(&counters_thread_of(&counters, 0)->requests, 4);
    check_int(counters_reclaim(&counters, 0, &living), 0);
    check_int(ticks, before + 3); /* one for each question */
    check_int(latest(1).requests, 3);
    check(fabsf(latest(1).requests_per_s - 3) < 0.1F);
    check_int(metrics_route_at(see.metrics, 0)->red.requests, 3);
    check_int(see.metrics->edge.requests, 3);
    tick(1, 0);
    check_int(latest(1).requests, 7);
    check(fabsf(latest(1).requests_per_s - 1) < 0.1F); /* 4 in four seconds */
    check_int(metrics_route_at(see.metrics, 0)->red.requests, 7);
    check_int(see.metrics->edge.requests, 7);
    tear_down();
    free(memory);
}
