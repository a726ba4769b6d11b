/* SPDX-License-Identifier: Apache-2.0
 *
 * A copy to an HTTP/1 service has a connection of its own, asks for its end (Connection: close) and
 * reads until it is there: no state of HTTP, no pool. It costs a connect, which is the price of
 * knowing nothing. To an HTTP/2 service it is one more stream of the shared connection.
 */
#include "edge/mirror.h"

#include "base/num.h"
#include "edge/cells.h"
#include "edge/lane.h"
#include "edge/stream_private.h"
#include "edge/whole.h"
#include "edge/worker.h"

#include <stdlib.h>

struct mirror {
    struct upstream *upstream;
    struct list node; /* policy->mirrors */
    struct timer timer;
    struct policy *policy;
    struct endpoint *endpoint; /* of the other service */
    struct counters_cell *cell;
    bool shared_load, connected;
    struct block *request; /* text that is sent once it is connected */
};

static void end(struct mirror *mirror)
{
    struct worker *worker = mirror->endpoint->service->worker;
    loop_timer_cancel(&worker->loop, &mirror->timer);
    if (mirror->upstream) {
        upstream_release(mirror->upstream, false);
    }
    block_put(&worker->blocks, mirror->request);
    service_done(mirror->endpoint, mirror->shared_load);
    mirror->cell->in_flight--;
    endpoint_unref(mirror->endpoint);
    list_del(&mirror->node);
    mirror->policy->mirror_count--;
    free(mirror);
}

void mirror_end_all(struct policy *policy)
{
    while (!list_empty(&policy->mirrors)) {
        end(list_entry(policy->mirrors.next, struct mirror, node));
    }
}

static void over(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    end(container_of(timer, struct mirror, timer));
}

static int connected(struct mirror *mirror)
{
    struct worker *worker = mirror->endpoint->service->worker;
    int r = upstream_connected(mirror->upstream);
    if (r == 0 && mirror->request) {
        struct str part = block_rest(mirror->request);
        r = conn_send(&mirror->upstream->conn, &part, 1);
        block_put(&worker->blocks, mirror->request);
        mirror->request = NULL;
    }
    mirror->connected = r == 0;
    return r;
}

/* 0: go on; else it is over. */
static int step(struct mirror *mirror)
{
    struct conn *conn = &mirror->upstream->conn;
    struct worker *worker = conn->worker;
    int r = mirror->connected ? 0 : connected(mirror);
    if (r != 0) {
        return r == UPSTREAM_E_WAIT ? 0 : r;
    }
    if (conn_flush(conn) < 0) {
        return -EPIPE;
    }
    while (conn->readable && !conn->eof) {
        int64_t n = conn_recv(conn, worker->in, WORKER_IN_SIZE);
        if (n <= 0) {
            break;
        }
    }
    return conn->eof || conn->failed ? -ECONNRESET : 0;
}

static void news(void *user)
{
    struct mirror *mirror = user;
    if (step(mirror) < 0) {
        end(mirror);
    }
}

/* Connects, and says the request or keeps it. 0 or -errno. */
static int send(struct mirror *mirror, struct stream *stream)
{
    struct endpoint *endpoint = mirror->endpoint;
    bool shared = endpoint->service->spec.protocol == SNAPSHOT_PROTOCOL_HTTP2;
    int r = 0;
    if (shared) {
        mirror->upstream = upstream_take(endpoint, stream, false, news);
    }
    if (!mirror->upstream) {
        counters_add(&mirror->cell->connects, 1);
        r = upstream_connect(endpoint, stream, news, &mirror->upstream);
    }
    if (r < 0) {
        return r;
    }
    mirror->upstream->user = mirror;
    if (shared) { /* said at once: it waits in the session until that is connected */
        return whole_send(stream, mirror->upstream);
    }
    mirror->request = whole_write(stream);
    return mirror->request ? 0 : -ENOMEM;
}

static bool begin(struct stream *stream, struct service *to)
{
    struct policy *policy = stream->service->policy;
    struct worker *worker = stream->worker;
    struct mirror *mirror = calloc(1, sizeof(*mirror));
    struct endpoint *endpoint = mirror ? service_pick(to, NULL, &mirror->shared_load) : NULL;
    if (!endpoint) {
        free(mirror);
        return false;
    }
    mirror->endpoint = endpoint;
    mirror->policy = policy;
    endpoint_ref(endpoint);
    mirror->cell = cells_of(endpoint, NULL);
    mirror->cell->in_flight++;
    list_push_back(&policy->mirrors, &mirror->node);
    policy->mirror_count++;
    timer_init(&mirror->timer, over);
    if (send(mirror, stream) < 0) {
        end(mirror);
        return false;
    }
    loop_timer_after(&worker->loop, &mirror->timer, MIRROR_MS * NS_PER_MS);
    return true;
}

void mirror_send(struct stream *stream)
{
    struct policy *policy = stream->service->policy;
    struct worker *worker = stream->worker;
    uint64_t id = policy->spec.mirror_service;
    if (stream->visit.mirrored || !rng_chance(&worker->loop.rng, policy->spec.mirror_permille)) {
        stream->visit.mirrored = true;
        return;
    }
    stream->visit.mirrored = true;
    struct service *to = map_get(&worker->set.services, str_make((const char *)&id, 8));
    bool sent =
        to && policy->mirror_count < MIRRORS_MAX && whole_is_here(stream) && begin(stream, to);
    if (sent) {
        counters_add(&stream->cell->mirrored, 1);
    } else if (policy->shared) {
        __atomic_fetch_add(&policy->shared->not_mirrored, 1, __ATOMIC_RELAXED);
    }
}
