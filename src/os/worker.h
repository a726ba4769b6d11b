/* SPDX-License-Identifier: Apache-2.0
 *
 * struct worker_pool: threads for work that blocks (SQL, big files, hashing). `run` happens on a
 * worker, `done` on the loop, in this order, exactly once for each accepted work. Threads start
 * when the first work comes.
 *
 * A work is the caller's memory and must stay until `done`; between submit and `done` it is the
 * worker's. Works of one pool run side by side and end in any order: who needs an order has one
 * work at a time in flight (store/executor.h). The bound of the queue is the caller's promise of
 * how much may wait.
 */
#ifndef OS_WORKER_H
#define OS_WORKER_H

#include "os/mailbox.h"

enum { WORKER_THREADS_MAX = 16 };

struct work {
    struct mail mail; /* private */
    struct list node; /* private */
    void (*run)(struct work *work);
    void (*done)(struct work *work);
};

struct worker_shared;

struct worker_pool {
    struct mailbox box;
    struct worker_shared *shared;
    size_t queue_max;
    size_t pending; /* submitted, not done; on the loop's thread */
};

/* `threads` (1..WORKER_THREADS_MAX) at most; at most `queue_max` works in flight. 0 or -errno. */
must_check int worker_pool_init(struct worker_pool *pool, struct loop *loop, unsigned threads,
                                size_t queue_max);
/* Waits for what runs; what waits in the queue is dropped without run or done, and what ran without
 * done: after this call there is no callback, and all works are the caller's again. */
void worker_pool_fini(struct worker_pool *pool);
/* 0; -ENOBUFS when queue_max are in flight; -errno when no thread could be started. */
must_check int worker_submit(struct worker_pool *pool, struct work *work);
/* True: it will not run and `done` is not called. False: it runs or ran; `done` comes. For what
 * nobody waits for any more; work that runs is not interrupted, it looks at a flag of its
 * owner's. */
bool worker_cancel(struct worker_pool *pool, struct work *work);

#endif
