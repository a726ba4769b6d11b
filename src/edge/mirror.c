/* SPDX-License-Identifier: Apache-2.0
 *
 * A copy has a connection of its own, asks for its end (Connection: close) and reads until it is
 * there: no state of HTTP, no pool. It costs a connect, which is the price of knowing nothing.
 */
#include "edge/mirror.h"

#include "base/num.h"
#include "edge/cells.h"
#include "edge/exchange.h"
#include "edge/stream_private.h"
#include "edge/worker.h"

#include <stdlib.h>

struct mirror {
    struct conn conn;
    struct list node; /* policy->mirrors */
    struct timer timer;
    struct policy *policy;
    struct endpoint *endpoint; /* of the other service */
    struct counters_cell *cell;
    bool shared_load;
    struct block *request; /* until it is sent */
};

static void end(struct mirror *mirror)
{
    struct worker *worker = mirror->conn.worker;
    loop_timer_cancel(&worker->loop, &mirror->timer);
    conn_close(&mirror->conn);
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

/* 0: go on; else it is over. */
static int step(struct mirror *mirror)
{
    struct conn *conn = &mirror->conn;
    struct worker *worker = conn->worker;
    if (mirror->request && conn->writable) {
        int r = sock_error(conn->watch.fd);
        struct str part = block_rest(mirror->request);
        r = r < 0 ? r : conn_send(conn, &part, 1);
        if (r < 0) {
            return r;
        }
        block_put(&worker->blocks, mirror->request);
        mirror->request = NULL;
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

static void ready(struct loop_fd *watch, uint32_t events)
{
    struct mirror *mirror = container_of(watch, struct mirror, conn.watch);
    conn_note(&mirror->conn, events);
    if (step(mirror) < 0) {
        end(mirror);
    }
}

/* Does the whole request lie in the first block? *ret_body is its body. */
static bool whole(const struct stream *stream, struct str *ret_body)
{
    const struct http1_head *req = &stream->req;
    const struct block *in = stream->client->in;
    *ret_body = STR_NONE;
    if (stream->tcp || req->upgrade) {
        return false;
    }
    if (req->framing == HTTP1_BODY_NONE) {
        return true;
    }
    if (conn_is_lane(&stream->client->conn) || req->framing != HTTP1_BODY_LENGTH ||
        req->content_length > in->len - req->len) {
        return false;
    }
    *ret_body = str_make(in->data + req->len, (size_t)req->content_length);
    return true;
}

/* The head as the edge writes it, but for its last line; then the body. */
static struct block *copy(struct stream *stream, struct str body)
{
    static const struct str last = STR_INIT("Connection: close\r\n\r\n");
    struct block *block = block_get(&stream->worker->blocks, BLOCK_LARGE);
    struct str head;
    if (!block || exchange_write_request(stream, &head) < 0 ||
        head.len + last.len + body.len > block->cap) {
        block_put(&stream->worker->blocks, block);
        return NULL;
    }
    char *to = block->data;
    memcpy(to, head.p, head.len - 2);
    to += head.len - 2;
    memcpy(to, last.p, last.len);
    to += last.len;
    if (body.len) {
        memcpy(to, body.p, body.len);
        to += body.len;
    }
    block->len = (uint32_t)(to - block->data);
    return block;
}

static int connect_mirror(struct mirror *mirror, struct worker *worker)
{
    int fd = -1;
    int r = sock_connect(&mirror->endpoint->address, &fd);
    if (r == 0) {
        r = conn_open(&mirror->conn, worker, fd, ready);
    }
    if (r < 0) {
        sock_close(&fd);
    }
    return r;
}

/* Takes `request` over. */
static bool begin(struct stream *stream, struct service *to, struct block *request)
{
    struct worker *worker = stream->worker;
    struct mirror *mirror = calloc(1, sizeof(*mirror));
    bool shared_load;
    struct endpoint *endpoint = mirror ? service_pick(to, NULL, &shared_load) : NULL;
    if (endpoint) {
        mirror->endpoint = endpoint;
        if (connect_mirror(mirror, worker) < 0) {
            service_done(endpoint, shared_load);
            endpoint = NULL;
        }
    }
    if (!endpoint) {
        block_put(&worker->blocks, request);
        free(mirror);
        return false;
    }
    mirror->shared_load = shared_load;
    mirror->request = request;
    mirror->policy = stream->service->policy;
    endpoint_ref(endpoint);
    mirror->cell = cells_of(endpoint, NULL);
    mirror->cell->in_flight++;
    counters_add(&mirror->cell->connects, 1);
    list_push_back(&mirror->policy->mirrors, &mirror->node);
    mirror->policy->mirror_count++;
    timer_init(&mirror->timer, over);
    loop_timer_after(&worker->loop, &mirror->timer, MIRROR_MS * NS_PER_MS);
    return true;
}

void mirror_send(struct stream *stream)
{
    struct policy *policy = stream->service->policy;
    struct worker *worker = stream->worker;
    uint64_t id = policy->spec.mirror_service;
    struct str body;
    if (stream->visit.mirrored || !rng_chance(&worker->loop.rng, policy->spec.mirror_permille)) {
        stream->visit.mirrored = true;
        return;
    }
    stream->visit.mirrored = true;
    struct service *to = map_get(&worker->set.services, str_make((const char *)&id, 8));
    struct block *request = NULL;
    bool plain = to && to->spec.protocol == SNAPSHOT_PROTOCOL_HTTP1;
    if (plain && policy->mirror_count < MIRRORS_MAX && whole(stream, &body)) {
        request = copy(stream, body);
    }
    bool sent = request && begin(stream, to, request);
    if (!sent && policy->shared) {
        __atomic_fetch_add(&policy->shared->not_mirrored, 1, __ATOMIC_RELAXED);
    }
}
