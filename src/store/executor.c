/* SPDX-License-Identifier: Apache-2.0
 *
 * The usual executor (a worker pool with a thread per lane) and the one for tests.
 *
 * The pool has as many threads as lanes and takes as many works, so a submit is refused only when
 * no thread can be started; the store answers the group with that error. The stepper does each half
 * of a job when it is told to: a test can put any other call between a commit on the disk and its
 * answer.
 */
#include "store/executor.h"

#include "os/worker.h"

struct lane_work {
    struct work work;
    struct store_job *job;
};

struct threads {
    struct store_executor executor;
    struct worker_pool pool;
    struct lane_work lanes[STORE_LANES];
    bool stopped;
};

static void work_run(struct work *work)
{
    struct lane_work *lane = container_of(work, struct lane_work, work);
    lane->job->run(lane->job);
}

static void work_done(struct work *work)
{
    struct lane_work *lane = container_of(work, struct lane_work, work);
    struct store_job *job = lane->job;
    lane->job = NULL; /* before the call: it may submit the next one */
    job->done(job);
}

static int threads_submit(struct store_executor *executor, enum store_lane lane,
                          struct store_job *job)
{
    struct threads *threads = container_of(executor, struct threads, executor);
    struct lane_work *work = &threads->lanes[lane];
    ensure(!work->job);
    work->work = (struct work){.run = work_run, .done = work_done};
    work->job = job;
    int r = worker_submit(&threads->pool, &work->work);
    if (r < 0) {
        work->job = NULL;
    }
    return r;
}

/* May come twice: by store_close and, through free, by store_free. */
static void threads_stop(struct store_executor *executor)
{
    struct threads *threads = container_of(executor, struct threads, executor);
    if (!threads->stopped) {
        threads->stopped = true;
        worker_pool_fini(&threads->pool);
    }
}

static void threads_free(struct store_executor *executor)
{
    threads_stop(executor);
    free(container_of(executor, struct threads, executor));
}

int store_executor_threads(struct loop *loop, struct store_executor **ret)
{
    struct threads *threads = calloc(1, sizeof(*threads));
    if (!threads) {
        return -ENOMEM;
    }
    int r = worker_pool_init(&threads->pool, loop, STORE_LANES, STORE_LANES);
    if (r < 0) {
        free(threads);
        return r;
    }
    threads->executor = (struct store_executor){
        .submit = threads_submit, .stop = threads_stop, .free = threads_free};
    *ret = &threads->executor;
    return 0;
}

static int stepper_submit(struct store_executor *executor, enum store_lane lane,
                          struct store_job *job)
{
    struct store_stepper *stepper = container_of(executor, struct store_stepper, executor);
    ensure(!stepper->jobs[lane]);
    stepper->jobs[lane] = job;
    stepper->ran[lane] = false;
    return 0;
}

static void stepper_stop(struct store_executor *executor)
{
    struct store_stepper *stepper = container_of(executor, struct store_stepper, executor);
    for (int lane = 0; lane < STORE_LANES; lane++) {
        stepper->jobs[lane] = NULL;
    }
}

void store_stepper_init(struct store_stepper *stepper)
{
    *stepper = (struct store_stepper){.executor = {.submit = stepper_submit, .stop = stepper_stop}};
}

bool store_stepper_step(struct store_stepper *stepper, enum store_lane lane)
{
    struct store_job *job = stepper->jobs[lane];
    if (!job) {
        return false;
    }
    if (!stepper->ran[lane]) {
        stepper->ran[lane] = true;
        job->run(job);
    } else {
        stepper->jobs[lane] = NULL;
        job->done(job);
    }
    return true;
}

void store_stepper_run(struct store_stepper *stepper)
{
    bool any;
    do {
        any = store_stepper_step(stepper, STORE_LANE_WRITE);
        any = store_stepper_step(stepper, STORE_LANE_READ) || any;
    } while (any);
}
