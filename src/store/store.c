/* SPDX-License-Identifier: Apache-2.0
 *
 * The store: two lanes (writing, reading), each with a queue on the loop's side and one group of
 * transactions that runs on a worker. There is no lock and nothing shared: a txn belongs to the
 * queue, to the running group or to the answered ones, never to two of them.
 *
 * The happy path: store_commit queues → at the end of the loop's turn the lane is free: up to
 * STORE_GROUP_MAX queued ones become the group → the executor runs it, one fdatasync → `done` on
 * the loop: the next group starts first (the disk shall not wait for callbacks), then the callbacks
 * run.
 *
 * Invariants:
 * 1. A lane that is busy has its group at the executor; the loop touches no status of it and no
 *    result until `done`. store_cancel writes `done` of a txn, which the worker never reads.
 * 2. Answers are given in the order of submits, also when a submit to the executor fails: they pass
 *    through `answered`, one list for all.
 * 3. A callback may submit and cancel. It may not close the store, which stands on the stack then.
 *
 * Why groups form by themselves: with nothing running the first transaction goes at once, alone;
 * while it is on the disk all others gather. No timer waits for company, so an idle system is as
 * quick as it can be and a loaded one as efficient.
 */
#include "store/store.h"

#include "os/clock.h"
#include "os/loop.h"
#include "store/engine.h"
#include "store/executor.h"
#include "store/txn_private.h"

#include <sqlite3.h>

struct lane {
    struct store_job job;
    struct store *store;
    enum store_lane id;
    struct engine engine;
    struct list queue; /* of struct txn */
    uint32_t queued;
    size_t queued_bytes;
    struct list group; /* the worker's while `busy` */
    bool busy;
    bool ran;             /* set by the worker when the group is through */
    struct list answered; /* wait for their callbacks */
    bool answering;
    int64_t spent_ns; /* by the worker in this group */
    struct loop_task start;
};

struct store {
    struct loop *loop; /* NULL: groups start at once; the executor takes every job */
    struct store_executor *executor;
    struct lane lanes[STORE_LANES];
    struct store_stats stats;
};

static void lane_run(struct store_job *job)
{
    struct lane *lane = container_of(job, struct lane, job);
    int64_t start = clock_mono_ns();
    if (lane->id == STORE_LANE_WRITE) {
        engine_commit_group(&lane->engine, &lane->group);
    } else {
        engine_query_group(&lane->engine, &lane->group);
    }
    lane->spent_ns = clock_mono_ns() - start;
    lane->ran = true;
}

/* Moves what waits into the group, in order. STORE_GROUP_MAX bounds how long one commit holds the
 * writer, and with it the longest wait of what comes next. */
static void fill_group(struct lane *lane)
{
    for (unsigned n = 0; n < STORE_GROUP_MAX && !list_empty(&lane->queue); n++) {
        struct txn *txn = list_entry(list_pop_front(&lane->queue), struct txn, node);
        lane->queued--;
        lane->queued_bytes -= txn->bytes.used;
        list_push_back(&lane->group, &txn->node);
    }
}

static void count_answer(struct store_stats *stats, enum store_lane lane, int status)
{
    if (lane == STORE_LANE_WRITE) {
        stats->transactions++;
    } else {
        stats->queries++;
    }
    stats->failed += status < 0;
    stats->guards += status == TXN_E_GUARD;
}

/* Calls back in order and frees. Callbacks may submit, and cancel what is not answered yet. */
static void answer(struct lane *lane)
{
    struct list *node;
    if (lane->answering) { /* a callback's submit failed: its turn comes */
        return;
    }
    lane->answering = true;
    while ((node = list_pop_front(&lane->answered)) != NULL) {
        struct txn *txn = list_entry(node, struct txn, node);
        count_answer(&lane->store->stats, lane->id, txn->status);
        if (txn->done) {
            txn->done(txn->arg, txn->status, txn);
        }
        txn_free(txn);
    }
    lane->answering = false;
}

/* Queries are not counted here: what people watch is how long the disk takes. */
static void count_group(struct lane *lane)
{
    struct store_stats *stats = &lane->store->stats;
    if (lane->id == STORE_LANE_WRITE) {
        stats->commits++;
        stats->busy_ns += (uint64_t)lane->spent_ns;
        stats->slowest_ns = MAX(stats->slowest_ns, (uint64_t)lane->spent_ns);
    }
}

/* Before anything ran: nobody's work was begun, so all may be tried again by their owners. */
static void fail_all(struct list *group, int error)
{
    list_for_each (it, group) {
        list_entry(it, struct txn, node)->status = error;
    }
}

static void lane_start(struct lane *lane)
{
    while (!lane->busy && !list_empty(&lane->queue)) {
        fill_group(lane);
        lane->busy = true;
        lane->ran = false;
        int r = lane->store->executor->submit(lane->store->executor, lane->id, &lane->job);
        if (r < 0) { /* no thread could be started */
            fail_all(&lane->group, r);
            list_splice_back(&lane->answered, &lane->group);
            lane->busy = false;
        }
    }
}

static void lane_done(struct store_job *job)
{
    struct lane *lane = container_of(job, struct lane, job);
    list_splice_back(&lane->answered, &lane->group);
    count_group(lane);
    lane->busy = false;
    lane_start(lane);
    answer(lane);
}

static void start_task(struct loop_task *task)
{
    struct lane *lane = container_of(task, struct lane, start);
    lane_start(lane);
    answer(lane);
}

static int lane_submit(struct lane *lane, struct txn *txn, store_done_fn *done, void *arg)
{
    int r = txn_error(txn);
    bool full = r == 0 && (lane->queued >= STORE_QUEUE_MAX ||
                           lane->queued_bytes + txn->bytes.used > STORE_QUEUE_BYTES_MAX);
    if (full) {
        lane->store->stats.refused++;
        r = -ENOBUFS;
    }
    if (r < 0) {
        txn_free(txn);
        return r;
    }
    txn->done = done;
    txn->arg = arg;
    list_push_back(&lane->queue, &txn->node);
    lane->queued++;
    lane->queued_bytes += txn->bytes.used;
    if (lane->store->loop) {
        loop_defer(lane->store->loop, &lane->start); /* so that one turn's work is one group */
    } else {
        lane_start(lane);
    }
    return 0;
}

int store_commit(struct store *store, struct txn *txn, store_done_fn *done, void *arg)
{
    return lane_submit(&store->lanes[STORE_LANE_WRITE], txn, done, arg);
}

int store_query(struct store *store, struct txn *txn, store_done_fn *done, void *arg)
{
    return lane_submit(&store->lanes[STORE_LANE_READ], txn, done, arg);
}

/* By the argument, as owners know what they passed and not which txn it went with. */
static void forget(struct list *list, const void *arg)
{
    list_for_each (it, list) {
        struct txn *txn = list_entry(it, struct txn, node);
        if (txn->arg == arg) {
            txn->done = NULL;
        }
    }
}

void store_cancel(struct store *store, const void *arg)
{
    for (int i = 0; i < STORE_LANES; i++) {
        forget(&store->lanes[i].queue, arg);
        forget(&store->lanes[i].group, arg);
        forget(&store->lanes[i].answered, arg);
    }
}

struct store_stats store_stats(struct store *store)
{
    struct store_stats stats = store->stats;
    stats.queued = store->lanes[STORE_LANE_WRITE].queued + store->lanes[STORE_LANE_READ].queued;
    store->stats.slowest_ns = 0;
    return stats;
}

static void lane_init(struct store *store, enum store_lane id)
{
    struct lane *lane = &store->lanes[id];
    lane->store = store;
    lane->id = id;
    lane->job = (struct store_job){.run = lane_run, .done = lane_done};
    list_init(&lane->queue);
    list_init(&lane->group);
    list_init(&lane->answered);
    loop_task_init(&lane->start, start_task);
}

static void free_group(struct list *group)
{
    struct list *node;
    while ((node = list_pop_front(group)) != NULL) {
        txn_free(list_entry(node, struct txn, node));
    }
}

static void store_free(struct store *store)
{
    for (int i = STORE_LANES - 1; i >= 0; i--) { /* the reader first: the writer checkpoints last */
        struct lane *lane = &store->lanes[i];
        loop_task_cancel(&lane->start);
        free_group(&lane->answered);
        free_group(&lane->group);
        free_group(&lane->queue);
        engine_close(&lane->engine);
    }
    if (store->executor && store->executor->free) {
        store->executor->free(store->executor);
    }
    free(store);
}

static int open_engines(struct store *store, const struct store_options *options,
                        struct problem *ret_problem)
{
    struct engine *writer = &store->lanes[STORE_LANE_WRITE].engine;
    int r = engine_open(writer, options->path, options->vfs, false, ret_problem);
    if (r == 0) {
        r = migrate_run(writer, options->path, options->wall_ns, ret_problem);
    }
    if (r == 0) {
        r = engine_open(&store->lanes[STORE_LANE_READ].engine, options->path, options->vfs, true,
                        ret_problem);
    }
    return r;
}

int store_open(const struct store_options *options, struct store **ret, struct problem *ret_problem)
{
    ensure(options->executor || options->loop);
    problem_set(ret_problem, "memory.out", "memory is out");
    struct store *store = calloc(1, sizeof(*store));
    if (!store) {
        return -ENOMEM;
    }
    lane_init(store, STORE_LANE_WRITE);
    lane_init(store, STORE_LANE_READ);
    store->loop = options->loop;
    store->executor = options->executor;
    int r = open_engines(store, options, ret_problem);
    if (r == 0 && !store->executor) {
        r = store_executor_threads(options->loop, &store->executor);
        if (r < 0) {
            problem_set(ret_problem, "os.failed", "no worker threads: %s", strerror(-r));
        }
    }
    if (r < 0) {
        store_free(store);
        return r;
    }
    *ret = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store) {
        return;
    }
    store->executor->stop(store->executor);
    struct lane *lane = &store->lanes[STORE_LANE_WRITE];
    if (lane->busy && !lane->ran) { /* the executor had not begun it */
        lane_run(&lane->job);
    }
    free_group(&lane->group);
    while (!list_empty(&lane->queue)) {
        fill_group(lane);
        lane_run(&lane->job);
        free_group(&lane->group);
    }
    store_free(store);
}

void store_abandon(struct store *store)
{
    if (!store) {
        return;
    }
    store->executor->stop(store->executor);
    (void)sqlite3_db_config(store->lanes[STORE_LANE_WRITE].engine.db,
                            SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    store_free(store);
}
