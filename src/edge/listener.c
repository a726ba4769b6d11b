/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets as one thread sees them. All threads watch the same socket, and the one that
 * accepts gives the connection to a thread that has clearly less to do (worker_least_busy).
 *
 * 1. A listener of the next snapshot with the same id keeps its socket: no connection is lost.
 * 2. What is accepted inherits the socket's options: no delay, and little that waits unsent, or a
 *    client that takes nothing would hold 4 MiB of the kernel's memory.
 * 3. Out of descriptors, memory or room: an idle client ends for one who waits, else accepting
 *    pauses for PAUSE_MS; who waits is in the kernel's queue, not refused.
 */
#include "edge/listener.h"

#include "base/num.h"
#include "edge/client_run.h"
#include "os/file.h"

#include <stdlib.h>

enum { ACCEPT_BATCH = 64, PAUSE_MS = 50, UNSENT_MAX = 256 * 1024 };

struct listener {
    struct list node;
    struct loop_fd watch;
    struct worker *worker;
    uint64_t id;
    struct client_source source;
    int fd;
    bool seen;
};

static void watch(struct listener *listener)
{
    if (listener->watch.fd < 0 && loop_fd_add(&listener->worker->loop, &listener->watch,
                                              listener->fd, LOOP_READ | LOOP_EXCLUSIVE) < 0) {
        listener->watch.fd = -1; /* tried again with the next snapshot */
    }
}

static void resume(struct timer *timer, int64_t now_ns)
{
    struct worker *worker = container_of(timer, struct worker, accept_pause);
    (void)now_ns;
    list_for_each (node, &worker->listeners) {
        watch(list_entry(node, struct listener, node));
    }
}

static void pause_accepting(struct worker *worker)
{
    list_for_each (node, &worker->listeners) {
        struct listener *listener = list_entry(node, struct listener, node);
        loop_fd_remove(&worker->loop, &listener->watch);
    }
    worker->accept_pause.fire = resume;
    loop_timer_after(&worker->loop, &worker->accept_pause, PAUSE_MS * NS_PER_MS);
}

static void open_client(struct listener *listener, int fd, const struct sock_addr *peer)
{
    struct worker *worker = listener->worker;
    struct worker *to = worker_least_busy(worker);
    if (to != worker && worker_give_client(to, fd, peer, listener->source) == 0) {
        return;
    }
    if (client_open(worker, fd, peer, listener->source) < 0) {
        counters_add(&worker->stats->refused, 1);
    }
}

static void ready(struct loop_fd *watched, uint32_t events)
{
    struct listener *listener = container_of(watched, struct listener, watch);
    struct worker *worker = listener->worker;
    (void)events;
    for (unsigned i = 0; i < ACCEPT_BATCH && listener->watch.fd >= 0; i++) {
        struct sock_addr peer = {0};
        int fd = -1;
        bool full = worker->client_count >= worker->gateway.connections_max;
        if (full && i > 0) {
            return; /* perhaps nobody waits; who does is reported again */
        }
        if (full && !client_evict(worker)) {
            pause_accepting(worker);
            return;
        }
        int r = sock_accept(listener->watch.fd, &fd, &peer);
        if (r == -EAGAIN) {
            return;
        }
        if (r < 0) {
            /* Out of descriptors or memory: what is idle makes room, the rest waits in the queue.
             * Behind the first one perhaps nobody waits: the kernel looks for a descriptor before
             * it looks into the queue. */
            if (i == 0) {
                counters_add(&worker->stats->refused, 1);
                (void)client_evict(worker);
                pause_accepting(worker);
            }
            return;
        }
        open_client(listener, fd, &peer);
    }
}

static void listener_close(struct listener *listener)
{
    list_del(&listener->node);
    loop_fd_remove(&listener->worker->loop, &listener->watch);
    sock_close(&listener->fd);
    free(listener);
}

void listener_close_all(struct worker *worker)
{
    loop_timer_cancel(&worker->loop, &worker->accept_pause);
    list_for_each_safe (node, &worker->listeners) {
        listener_close(list_entry(node, struct listener, node));
    }
}

static struct listener *find(struct worker *worker, uint64_t id)
{
    list_for_each (node, &worker->listeners) {
        struct listener *listener = list_entry(node, struct listener, node);
        if (listener->id == id) {
            return listener;
        }
    }
    return NULL;
}

static int add(struct worker *worker, const struct config_listener *source, struct listener **ret)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener) {
        return -ENOMEM;
    }
    int r = file_dup(source->fd, &listener->fd);
    if (r < 0) {
        free(listener);
        return r;
    }
    sock_set_unsent_max(listener->fd, UNSENT_MAX);
    listener->worker = worker;
    listener->id = source->spec.id;
    loop_fd_init(&listener->watch, ready);
    list_push_back(&worker->listeners, &listener->node);
    *ret = listener;
    return 0;
}

int listener_apply(struct worker *worker, const struct config *config)
{
    int result = 0;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *source = &config->listeners[i];
        struct listener *listener = find(worker, source->spec.id);
        int r = 0;
        if (!listener) {
            r = source->fd >= 0 ? add(worker, source, &listener) : -EBADF;
        }
        if (r < 0) {
            result = r;
            continue;
        }
        listener->source = (struct client_source){
            .service = source->spec.service,
            .listener = source->spec.id,
            .kind = (uint8_t)source->spec.kind,
            .redirect_port = (uint16_t)source->spec.redirect_port,
            .proxy_protocol = source->spec.proxy_protocol,
            .tls = source->spec.tls.on,
        };
        listener->seen = true;
        watch(listener);
    }
    list_for_each_safe (node, &worker->listeners) {
        struct listener *listener = list_entry(node, struct listener, node);
        if (!listener->seen) {
            listener_close(listener);
        } else {
            listener->seen = false;
        }
    }
    return result;
}
