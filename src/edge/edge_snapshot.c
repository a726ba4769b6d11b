/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshots and their listening sockets: a snapshot is compiled on thread 0, waits until its
 * listeners are there (make-before-break: the old ones serve on), then goes to every thread.
 *
 * 1. One snapshot waits at most: a newer one takes its place. An older one is passed over.
 * 2. A listener that could not be opened does not hold the others up.
 * 3. Routes by deltas are applied here, once for all threads, to the config that was given to them
 *    last, from its own place in the log on: so each snapshot gets those that are behind its base.
 */
#include "edge/edge_private.h"

#include "base/num.h"
#include "os/file.h"
#include "os/rolelog.h"

#include <stdlib.h>

enum { ROUTES_AGAIN_MS = 100 };

/* --- listening sockets --- */

static struct edge_socket *find_socket(struct edge *edge, struct str address)
{
    list_for_each (node, &edge->sockets) {
        struct edge_socket *socket = list_entry(node, struct edge_socket, node);
        if (str_eq(str_from(socket->address), address)) {
            return socket;
        }
    }
    return NULL;
}

static struct edge_socket *add_socket(struct edge *edge, struct str address)
{
    struct edge_socket *socket = calloc(1, sizeof(*socket));
    if (!socket || !str_copy(socket->address, sizeof(socket->address), address)) {
        free(socket);
        return NULL;
    }
    socket->fd = -1;
    list_push_back(&edge->sockets, &socket->node);
    return socket;
}

static void forget_socket(struct edge *edge, struct edge_socket *socket)
{
    list_del(&socket->node);
    sock_close(&socket->fd);
    edge->opts.unlisten(edge->opts.context, str_from(socket->address));
    free(socket);
}

/* Sockets that the published config does not name are closed; the workers do so too. */
static void sweep_sockets(struct edge *edge, const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        struct edge_socket *socket = find_socket(edge, config->listeners[i].spec.address);
        if (socket) {
            socket->seen = true;
        }
    }
    list_for_each_safe (node, &edge->sockets) {
        struct edge_socket *socket = list_entry(node, struct edge_socket, node);
        if (!socket->seen && !socket->asked) {
            forget_socket(edge, socket);
        } else {
            socket->seen = false;
        }
    }
}

/* --- snapshots --- */

static void give_config(struct edge *edge, struct config *config)
{
    config_unref(edge->config);
    edge->config = config;
    for (unsigned i = 0; i < edge->thread_count; i++) {
        worker_give_config(&edge->workers[i], config);
    }
}

/* `next` is NULL until there is a route to change. */
static int read_routes(struct edge *edge, uint64_t *cursor, struct config **next)
{
    struct delta delta;
    int r = 0;
    /* What is lost is seen, and said, by the threads, too. */
    while (r == 0 && delta_log_read(&edge->shared.deltas, cursor, &delta) == 0) {
        if (delta.kind != DELTA_ROUTE_SET && delta.kind != DELTA_ROUTE_REMOVE) {
            continue;
        }
        if (!*next) {
            r = config_share(edge->config, next);
        }
        r = r < 0 ? r : config_change(*next, &delta);
    }
    return r;
}

void edge_take_routes(struct edge *edge)
{
    struct config *next = NULL;
    uint64_t cursor = edge->route_cursor;
    if (!edge->config || !edge->shared.has_deltas) {
        return;
    }
    if (read_routes(edge, &cursor, &next) < 0) {
        config_unref(next);
        loop_timer_after(edge_loop(edge), &edge->routes_again, ROUTES_AGAIN_MS * NS_PER_MS);
        return;
    }
    edge->route_cursor = cursor;
    if (next) {
        give_config(edge, next);
    }
    atomic_store(&edge->routed, cursor);
}

static void publish(struct edge *edge)
{
    struct config *config = edge->pending;
    edge->pending = NULL;
    for (size_t i = 0; i < config->listener_count; i++) {
        struct edge_socket *socket = find_socket(edge, config->listeners[i].spec.address);
        if (socket && socket->fd >= 0 && file_dup(socket->fd, &config->listeners[i].fd) < 0) {
            config->listeners[i].fd = -1;
        }
    }
    edge->sequence = config->snapshot.sequence;
    edge->deltas_lost = false;
    edge->route_cursor = config->snapshot.delta_base;
    give_config(edge, config);
    sweep_sockets(edge, config);
    edge_deltas(edge); /* a thread that has the config already learns that its routes are whole */
}

/* Publishes the pending config once no listener of it is being waited for. */
static void publish_if_ready(struct edge *edge)
{
    struct config *config = edge->pending;
    for (size_t i = 0; config && i < config->listener_count; i++) {
        struct edge_socket *socket = find_socket(edge, config->listeners[i].spec.address);
        if (socket && socket->asked) {
            return;
        }
    }
    if (config) {
        publish(edge);
    }
}

static struct edge_socket *next_to_ask(struct edge *edge)
{
    list_for_each (node, &edge->sockets) {
        struct edge_socket *socket = list_entry(node, struct edge_socket, node);
        if (socket->ask) {
            return socket;
        }
    }
    return NULL;
}

/* All are noted before the first is asked for: an answer may come at once, and the last one
 * publishes. */
static void ask_for_sockets(struct edge *edge, const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        struct str address = config->listeners[i].spec.address;
        struct edge_socket *socket = find_socket(edge, address);
        if (!socket) {
            socket = add_socket(edge, address);
        }
        if (socket && socket->fd < 0 && !socket->asked) {
            socket->asked = true;
            socket->ask = true;
        }
    }
    struct edge_socket *socket;
    while ((socket = next_to_ask(edge))) {
        socket->ask = false;
        edge->opts.listen(edge->opts.context, str_from(socket->address));
    }
}

/* Is it served, or about to be, or is a newer one? It comes twice: from the keeper, and by the word
 * of the delta log. */
static bool is_known(const struct edge *edge, const struct shm *shm)
{
    uint64_t sequence = snapshot_peek_sequence(str_make((const char *)shm->p, shm->size));
    uint64_t pending = edge->pending ? edge->pending->snapshot.sequence : 0;
    return sequence != 0 && (sequence <= edge->sequence || sequence <= pending);
}

int edge_apply(struct edge *edge, int snapshot_fd)
{
    struct shm shm = {0};
    struct config *config;
    int r = shm_check(snapshot_fd, SHM_SEAL_SIZE | SHM_SEAL_WRITE);
    if (r == 0) {
        r = shm_map(&shm, snapshot_fd, false);
    }
    if (r < 0) {
        return r;
    }
    if (is_known(edge, &shm)) {
        shm_unmap(&shm);
        return 0;
    }
    r = config_new(&shm, &config);
    shm_unmap(&shm);
    if (r < 0) {
        return r;
    }
    if (config->geo_problem.code[0]) {
        rolelog(ROLELOG_WARNING, "edge", "%s", config->geo_problem.what);
    }
    config_unref(edge->pending);
    edge->pending = config;
    ask_for_sockets(edge, config);
    publish_if_ready(edge);
    return 0;
}

void edge_listening(struct edge *edge, struct str address, int fd)
{
    struct edge_socket *socket = find_socket(edge, address);
    if (!socket) {
        sock_close(&fd);
        return;
    }
    sock_close(&socket->fd);
    socket->fd = fd;
    socket->asked = false;
    publish_if_ready(edge);
}
