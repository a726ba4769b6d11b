/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock and the order of everything. Events at equal times run in the order they were sent, so
 * a run depends on its seed alone.
 *
 *   sim --seed N [--trace] [--mutant NAME]     one run; exit 1 and the failure if something did not hold
 *   sim --seeds N [--from M]                   that many runs
 */
#include "sim/sim.h"

#include "crash_vfs.h"
#include "run/run.h"
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS_MAX = 65536, TURNS_AT_ONCE_MAX = 20000 };

struct sim sim;
enum mutant mutant_active;

#define MUTANT(name, seeds, what) [MUTANT_##name] = {#name, seeds, what},
const struct mutant_row mutant_rows[MUTANT_COUNT] = {
#include "sim/mutants.def"
};
#undef MUTANT

/* --- events --- */

struct event_item {
    int64_t time;
    uint64_t order;
    enum sim_who who;
    uint32_t generation;
    void (*run)(void *arg);
    void *arg;
};

static struct event_item heap[EVENTS_MAX];
static size_t heap_len;
static uint64_t heap_order;

static bool before(const struct event_item *a, const struct event_item *b)
{
    return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void swap(size_t i, size_t k)
{
    struct event_item t = heap[i];
    heap[i] = heap[k];
    heap[k] = t;
}

void sim_at(enum sim_who who, int64_t time, void (*run)(void *arg), void *arg)
{
    ensure(heap_len < EVENTS_MAX);
    size_t i = heap_len++;
    heap[i] =
        (struct event_item){MAX(time, sim.now), heap_order++, who, sim.generation[who], run, arg};
    while (i > 0 && before(&heap[i], &heap[(i - 1) / 2])) {
        swap(i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static struct event_item pop(void)
{
    struct event_item top = heap[0];
    heap[0] = heap[--heap_len];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < heap_len; k++) {
            least = before(&heap[k], &heap[least]) ? k : least;
        }
        if (least == i) {
            return top;
        }
        swap(i, least);
        i = least;
    }
}

int64_t sim_between(int64_t from, int64_t to)
{
    return from + (int64_t)rng_below(&sim.rng, (uint64_t)(to - from + 1));
}

bool sim_chance(unsigned per_mille)
{
    return rng_chance(&sim.rng, per_mille);
}

void sim_trace(const char *fmt, ...)
{
    if (!sim.trace) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    printf("%10.6f ", (double)sim.now / 1e9);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

void sim_fail(const char *fmt, ...)
{
    if (sim.failed) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(sim.failure, sizeof(sim.failure), fmt, args);
    va_end(args);
    sim.failed = true;
    sim_trace("FAILED: %s", sim.failure);
}

/* --- the core --- */

/* Right after something was shown: it must be on disk. */
static void die_after_event(void *arg)
{
    if (sim_chance(300)) {
        sim_power_cut();
    } else {
        sim_core_kill(false);
    }
}

static struct bus_subscriber witness;

static void witness_notify(struct bus_subscriber *self, const struct bus_message *message)
{
    if (message->topic == BUS_EVENT) {
        sim_trace("  event %llu %s: %s", (unsigned long long)message->event->seq,
                  message->event->kind, message->event->message);
        oracle_event(message->event->seq);
        if (!sim.healing && sim_chance(3)) {
            sim_after(SIM_CORE, sim_between(0, 2 * SIM_MS), die_after_event, NULL);
        }
    }
}

static int witness_init(struct core *core, void **ret_room)
{
    witness = (struct bus_subscriber){.topics = BUS_BIT(BUS_EVENT), .notify = witness_notify};
    bus_subscribe(core->bus, &witness);
    *ret_room = &witness;
    return 0;
}

static int witness_start(void *room)
{
    sim.ready_seen = true;
    return 0;
}

static const struct room_ops witness_room = {
    .name = "witness", .init = witness_init, .start = witness_start};
static const struct room_ops *const rooms[] = {&run_room, &witness_room, NULL};

static void core_ready(void *arg)
{
    oracle_core_ready();
    sim_core_turn();
}

void sim_core_start(void)
{
    struct problem problem;
    struct core_options options = {.state_dir = "/state",
                                   .run_dir = "/run/sim",
                                   .keeper_fd = 3,
                                   .executor = sim_executor(),
                                   .vfs = CRASH_VFS_NAME};
    if (sim.core || sim_keeper_ended()) {
        return;
    }
    sim.core = calloc(1, sizeof(*sim.core));
    sim.loop = calloc(1, sizeof(*sim.loop));
    sim.ready_seen = false;
    ensure(sim.core && sim.loop && loop_init(sim.loop, rng_u64(&sim.rng)) == 0);
    sim_trace("core starts");
    int r = core_open(sim.core, sim.loop, &options, rooms, &problem);
    if (r < 0 && sim_memory_was_short()) {
        sim_core_kill(false);
        return;
    }
    if (r < 0) {
        sim_fail("the core does not start: %s (%s)", problem.what, problem.where);
        return;
    }
    sim_core_turn();
    sim_after(SIM_CORE, 2 * SIM_S, core_ready, NULL);
}

static void restart_core(void *arg)
{
    sim_core_start();
}

/* Its memory is dropped as it stands: a SIGKILL closes nothing. */
void sim_core_kill(bool power_cut)
{
    if (!sim.core) {
        return;
    }
    sim_trace("core killed%s", power_cut ? " with the machine" : "");
    oracle_core_died();
    sim_user_core_died();
    sim_executor_reset();
    if (power_cut) {
        crash_vfs_die_after(0);
    }
    store_abandon(sim.core->store);
    if (power_cut) {
        crash_vfs_restart(&sim.rng);
    }
    sim.generation[SIM_CORE]++;
    sim_os_core_died();
    sim_keeper_core_died();
    sim.core = NULL;
    sim.loop = NULL;
    sim.core_down_ns = sim.now;
    sim_after(SIM_WORLD, sim_between(2 * SIM_MS, 300 * SIM_MS), restart_core, NULL);
}

/* It may when it cannot get the memory to start; the keeper starts it again. */
static void gave_up(void)
{
    if (sim_memory_was_short()) {
        sim_core_kill(false);
    } else {
        sim_fail("the core gave up: exit code %d", sim.core->exit_code);
    }
}

void sim_core_turn(void)
{
    if (!sim.core) {
        return;
    }
    if (sim.turn_time != sim.now) {
        sim.turn_time = sim.now;
        sim.same_time_turns = 0;
    }
    while (sim.core && !sim.failed && sim_loop_turn(sim.loop)) {
        sim.turns++;
        if (++sim.same_time_turns > TURNS_AT_ONCE_MAX) {
            sim_fail("the core turns without end at one moment");
        }
        if (sim.loop->stopping) {
            gave_up();
        }
    }
}

/* --- faults --- */

void sim_power_cut(void)
{
    sim_trace("power cut");
    sim_core_kill(true);
    sim_keeper_kill(true);
    sim_edge_kill();
}

static void fault(void *arg)
{
    if (sim.now > SIM_FAULT_S * SIM_S) {
        return;
    }
    unsigned dice = (unsigned)rng_below(&sim.rng, 100);
    if (dice < 18) {
        sim_core_kill(false);
    } else if (dice < 30) {
        sim_keeper_kill(false);
    } else if (dice < 40) {
        sim_edge_kill();
    } else if (dice < 44) {
        sim_power_cut();
    } else {
        sim_child_fault();
    }
    sim_core_turn();
    sim_after(SIM_WORLD, sim_between(100 * SIM_MS, 8 * SIM_S), fault, NULL);
}

static void tick(void *arg)
{
    oracle_tick();
    sim_after(SIM_WORLD, SIM_S, tick, NULL);
}

/* --- a run --- */

static int64_t next_time(void)
{
    int64_t event = heap_len ? heap[0].time : INT64_MAX;
    int64_t timer = sim.core ? wheel_next(&sim.loop->wheel) : INT64_MAX;
    return MIN(event, timer);
}

static void step(void)
{
    int64_t time = next_time();
    bool is_event = heap_len && heap[0].time <= time;
    sim.now = MAX(sim.now, time);
    sim.events++;
    if (!is_event) {
        sim_core_turn();
        return;
    }
    struct event_item item = pop();
    if (item.generation == sim.generation[item.who]) {
        if (sim.core) {
            sim.loop->now_ns = sim.now;
            sim.loop->wall_ns = SIM_WALL + sim.now;
        }
        item.run(item.arg);
        if (sim.core && sim.loop->stopping) {
            gave_up();
        }
    }
}

static void run_seed(uint64_t seed)
{
    memset(&sim, 0, sizeof(sim));
    sim.seed = seed;
    heap_len = 0;
    heap_order = 0;
    rng_init(&sim.rng, seed);
    sim.now = SIM_S;
    /* A disk that is busy now and then, or nearly always: what comes between a decision and its
     * commit is where the bugs of a crash live. */
    static const unsigned busy[] = {20, 20, 150, 500};
    sim.busy_per_mille = busy[rng_below(&sim.rng, ARRAY_LEN(busy))];
    sim.core_down_ns = sim.keeper_down_ns = -1000 * SIM_S;
}

struct options {
    uint64_t seed, seeds;
    bool trace;
    bool mutants;
    bool shortages; /* of memory */
};

static bool simulate(uint64_t seed, const struct options *options)
{
    run_seed(seed);
    sim.trace = options->trace;
    sim.shortages = options->shortages;
    sim_memory_init(seed);
    crash_vfs_init();
    sim_os_init();
    sim_keeper_init();
    oracle_reset();
    sim_user_init();
    sim_edge_start();
    sim_core_start();
    sim_after(SIM_WORLD, 5 * SIM_S, fault, NULL);
    sim_after(SIM_WORLD, SIM_S, tick, NULL);
    while (!sim.failed && sim.now < (SIM_FAULT_S + SIM_SETTLE_S) * SIM_S &&
           next_time() != INT64_MAX) {
        if (!sim.healing && sim.now > SIM_FAULT_S * SIM_S) {
            sim_trace("no more faults");
            sim.healing = true;
        }
        step();
    }
    if (!sim.failed) {
        oracle_final();
    }
    sim_executor_reset();
    if (sim.core) {
        store_abandon(sim.core->store);
    }
    sim_os_fini();
    crash_vfs_fini();
    return !sim.failed;
}

static bool parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        struct str arg = str_from(argv[i]);
        struct str value = i + 1 < argc ? str_from(argv[i + 1]) : STR_NONE;
        if (str_is(arg, "--trace")) {
            options->trace = true;
        } else if (str_is(arg, "--mutants")) {
            options->mutants = true;
        } else if (str_is(arg, "--shortages")) {
            options->shortages = true;
        } else if ((str_is(arg, "--seed") || str_is(arg, "--from")) &&
                   num_parse_u64(value, &options->seed) == 0) {
            i++;
        } else if (str_is(arg, "--seeds") && num_parse_u64(value, &options->seeds) == 0) {
            i++;
        } else if (str_is(arg, "--mutant")) {
            for (unsigned m = 1; m < MUTANT_COUNT; m++) {
                mutant_active = str_is(value, mutant_rows[m].name) ? (enum mutant)m : mutant_active;
            }
            if (mutant_active == MUTANT_NONE) {
                return false;
            }
            i++;
        } else {
            return false;
        }
    }
    return true;
}

/* TAP: one line per planted bug. */
static int find_mutants(void)
{
    int missed = 0;
    printf("1..%d\n", MUTANT_COUNT - 1);
    for (unsigned m = 1; m < MUTANT_COUNT; m++) {
        mutant_active = (enum mutant)m;
        uint64_t seed = 1;
        while (seed <= mutant_rows[m].seeds && simulate(seed, &(struct options){0})) {
            seed++;
        }
        bool found = seed <= mutant_rows[m].seeds;
        missed += !found;
        printf("%s %u - %s: %s\n", found ? "ok" : "not ok", m, mutant_rows[m].name,
               mutant_rows[m].what);
        if (found) {
            printf("# seed %llu: %s\n", (unsigned long long)seed, sim.failure);
        }
        fflush(stdout);
    }
    return missed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1, .seeds = 1};
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: sim [--seed N | --from N] [--seeds N] [--trace] [--shortages] "
                        "[--mutant NAME | --mutants]\n");
        return 2;
    }
    if (options.mutants) {
        return find_mutants();
    }
    int failed = 0;
    printf("1..%llu\n", (unsigned long long)options.seeds);
    for (uint64_t i = 0; i < options.seeds; i++) {
        bool ok = simulate(options.seed + i, &options);
        failed += !ok;
        printf("%s %llu - seed %llu: %s (%llu events)\n", ok ? "ok" : "not ok",
               (unsigned long long)i + 1, (unsigned long long)(options.seed + i),
               ok ? "converged" : sim.failure, (unsigned long long)sim.events);
        fflush(stdout);
    }
    return failed ? 1 : 0;
}
