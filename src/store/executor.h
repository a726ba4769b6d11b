/* SPDX-License-Identifier: Apache-2.0
 *
 * struct store_executor: where the store's blocking jobs run. The seam that lets tests and the
 * simulator run the same store without threads, delay and reorder its answers, and crash it between
 * any two steps.
 *
 * A lane runs its jobs one after another; the lanes know nothing of each other. The store gives a
 * lane at most one job at a time, so an executor needs no queue.
 *
 * A job's memory is the store's and is not touched by the loop between submit and `done`: with the
 * two calls as borders, neither side needs a lock.
 */
#ifndef STORE_EXECUTOR_H
#define STORE_EXECUTOR_H

#include "base/def.h"

struct loop;

enum store_lane { STORE_LANE_WRITE, STORE_LANE_READ, STORE_LANES };

/* The store's memory, one per lane, used again and again. */
struct store_job {
    /* Blocks; called once, on any thread. */
    void (*run)(struct store_job *job);
    /* Called after `run`, on the loop's thread, never from within submit. */
    void (*done)(struct store_job *job);
};

struct store_executor {
    /* Takes a job (the caller's memory) until its `done` was called. 0, or -errno: it will not
     * run. */
    int (*submit)(struct store_executor *executor, enum store_lane lane, struct store_job *job);
    /* For the end: waits for the jobs that run; those not begun are dropped; no `done` comes any
     * more. */
    void (*stop)(struct store_executor *executor);
    void (*free)(struct store_executor *executor); /* NULL: it is not the store's to free */
};

/* The usual one: two threads (os/worker.h), started with the first job, asleep when idle. 0 or
 * -errno. */
must_check int store_executor_threads(struct loop *loop, struct store_executor **ret);

/* For tests: jobs wait until the test says so, and run on the test's own thread. */
struct store_stepper {
    struct store_executor executor;
    struct store_job *jobs[STORE_LANES];
    bool ran[STORE_LANES];
};
void store_stepper_init(struct store_stepper *stepper);
/* Does the next half of a lane's job: run, or done. False if the lane has none. */
bool store_stepper_step(struct store_stepper *stepper, enum store_lane lane);
/* Does everything, also what callbacks submit, until nothing is left. */
void store_stepper_run(struct store_stepper *stepper);

#endif
