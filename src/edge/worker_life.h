/* SPDX-License-Identifier: Apache-2.0
 *
 * From the start of a thread to its end, and what it does when others ask (worker_notify).
 */
#ifndef EDGE_WORKER_LIFE_H
#define EDGE_WORKER_LIFE_H

#include "edge/client.h"
#include "edge/worker.h"

/* What a thread tells those above it, on its own thread. */
struct worker_news {
    void (*config_taken)(struct worker *worker);
    void (*delta_taken)(struct worker *worker, const struct delta *delta);
    void (*deltas_lost)(struct worker *worker);
    /* Who is ejected has changed: the other threads should look (WORKER_HEALTH). */
    void (*health_changed)(struct worker *worker);
    /* There are records that the core sleeps through. */
    void (*records)(struct worker *worker);
    /* It begins to stop. */
    void (*stopping)(struct worker *worker);
    /* It is to stop, and nothing is left of its own: may it? */
    bool (*may_stop)(struct worker *worker);
};

/* A connection on its way to another thread. */
struct worker_gift {
    struct mail mail;
    /* What takes it there, and counts it off `gifts`; NULL: it was accepted a moment ago. */
    void (*take)(struct worker *worker, struct worker_gift *gift);
    int fd;
    struct sock_addr peer;
    struct client_source source;
};

/* 0 or -errno. The edge's shared memory must be mapped. */
must_check int worker_init(struct worker *worker, struct edge *edge, unsigned index,
                           const struct worker_news *news);
/* Ends all that it carries, as if its clients had left; the thread does not run. */
void worker_cut(struct worker *worker);
void worker_fini(struct worker *worker);

#endif
