/* SPDX-License-Identifier: Apache-2.0
 *
 * Worker threads: see worker.h. A queue under one mutex; results travel home by mailbox. A thread
 * is started only when work comes and none is free, so an idle role has none.
 *
 * Invariants: 1. the mutex covers queue, counts and `stopping`; it is never held while work runs;
 *             2. `queued` > `idle` means that somebody waits for a thread: then one more is
 *                started;
 *             3. the box outlives the threads (worker_pool_fini joins them first), as a post may
 *                write to its eventfd after the push.
 * How it fails: without a thread the submit is refused, unless others live that will come to it.
 */
#include "os/worker.h"
#include "os/thread.h"
#include <pthread.h>

struct worker_thread {
    struct thread thread;
    struct worker_shared *shared;
};

struct worker_shared {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct list queue; /* of work.node, oldest first */
    struct mailbox *box;
    unsigned thread_max;
    unsigned thread_count;
    unsigned idle; /* threads that wait */
    size_t queued;
    bool stopping;
    struct worker_thread threads[WORKER_THREADS_MAX];
};

static void worker_main(struct thread *thread)
{
    struct worker_shared *shared = container_of(thread, struct worker_thread, thread)->shared;
    pthread_mutex_lock(&shared->mutex);
    for (;;) {
        while (list_empty(&shared->queue) && !shared->stopping) {
            shared->idle++;
            pthread_cond_wait(&shared->wake, &shared->mutex);
            shared->idle--;
        }
        if (shared->stopping) {
            break;
        }
        struct work *work = list_entry(list_pop_front(&shared->queue), struct work, node);
        shared->queued--;
        pthread_mutex_unlock(&shared->mutex);
        work->run(work);
        mailbox_post(shared->box, &work->mail);
        pthread_mutex_lock(&shared->mutex);
    }
    pthread_mutex_unlock(&shared->mutex);
}

static void worker_deliver(struct mailbox *box, struct mail *mail)
{
    struct worker_pool *pool = container_of(box, struct worker_pool, box);
    struct work *work = container_of(mail, struct work, mail);
    ensure(pool->pending > 0);
    pool->pending--;
    work->done(work);
}

int worker_pool_init(struct worker_pool *pool, struct loop *loop, unsigned threads,
                     size_t queue_max)
{
    ensure(threads >= 1 && threads <= WORKER_THREADS_MAX);
    *pool = (struct worker_pool){.queue_max = queue_max};
    struct worker_shared *shared = calloc(1, sizeof(*shared));
    if (!shared) {
        return -ENOMEM;
    }
    int result = mailbox_init(&pool->box, loop, worker_deliver);
    if (result < 0) {
        free(shared);
        return result;
    }
    pthread_mutex_init(&shared->mutex, NULL);
    pthread_cond_init(&shared->wake, NULL);
    list_init(&shared->queue);
    shared->box = &pool->box;
    shared->thread_max = threads;
    pool->shared = shared;
    return 0;
}

void worker_pool_fini(struct worker_pool *pool)
{
    struct worker_shared *shared = pool->shared;
    if (!shared) {
        return;
    }
    pthread_mutex_lock(&shared->mutex);
    shared->stopping = true;
    pthread_cond_broadcast(&shared->wake);
    pthread_mutex_unlock(&shared->mutex);
    for (unsigned i = 0; i < shared->thread_count; i++) {
        thread_join(&shared->threads[i].thread);
    }
    mailbox_fini(&pool->box);
    pthread_cond_destroy(&shared->wake);
    pthread_mutex_destroy(&shared->mutex);
    free(shared);
    pool->shared = NULL;
}

/* Under the mutex: one more thread when the waiting ones do not suffice. */
static int worker_grow(struct worker_shared *shared)
{
    if (shared->queued <= shared->idle || shared->thread_count == shared->thread_max) {
        return 0;
    }
    struct worker_thread *worker = &shared->threads[shared->thread_count];
    worker->shared = shared;
    int result = thread_start(&worker->thread, "worker", worker_main);
    if (result < 0) {
        return shared->thread_count > 0 ? 0 : result;
    }
    shared->thread_count++;
    return 0;
}

int worker_submit(struct worker_pool *pool, struct work *work)
{
    ensure(work->run && work->done);
    struct worker_shared *shared = pool->shared;
    if (pool->pending >= pool->queue_max) {
        return -ENOBUFS;
    }
    pthread_mutex_lock(&shared->mutex);
    list_push_back(&shared->queue, &work->node);
    shared->queued++;
    int result = worker_grow(shared);
    if (result < 0) {
        list_del(&work->node);
        shared->queued--;
    } else {
        pool->pending++;
        pthread_cond_signal(&shared->wake);
    }
    pthread_mutex_unlock(&shared->mutex);
    return result;
}

/* A walk of the queue: it is short (queue_max), and a flag in the work would be one more thing that
 * two threads look at. */
bool worker_cancel(struct worker_pool *pool, struct work *work)
{
    struct worker_shared *shared = pool->shared;
    bool removed = false;
    pthread_mutex_lock(&shared->mutex);
    list_for_each (it, &shared->queue) {
        if (it == &work->node) {
            removed = true;
            break;
        }
    }
    if (removed) {
        list_del(&work->node);
        shared->queued--;
        pool->pending--;
    }
    pthread_mutex_unlock(&shared->mutex);
    return removed;
}
