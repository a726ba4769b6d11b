/* SPDX-License-Identifier: Apache-2.0
 *
 * Armed (a timer), then under way (an endpoint in use, a connection), then the stream's own
 * (take_over) or gone (second_cancel).
 *
 * 1. What it holds is counted as a stream's: the endpoint's load, in_flight of the cell.
 * 2. Its connection is the stream's in all but the field: `upstream->user` is the stream, but its
 *    news come here until it has won.
 * 3. A connection that closes without an answer loses, silently.
 */
#include "edge/second.h"

#include "edge/cells.h"
#include "edge/policy_private.h"
#include "edge/stream_private.h"
#include "edge/whole.h"
#include "edge/worker.h"

#include <stdlib.h>

struct second {
    struct stream *stream;
    struct timer timer;
    struct endpoint *endpoint; /* NULL: armed only */
    struct counters_cell *cell;
    struct upstream *upstream;
    bool shared_load;
    bool sent;
    int64_t began_ns, connect_ns;
};

static void let_go(struct second *second)
{
    if (second->upstream) {
        upstream_release(second->upstream, false);
        second->upstream = NULL;
    }
    if (second->endpoint) {
        service_done(second->endpoint, second->shared_load);
        second->cell->in_flight--;
        endpoint_unref(second->endpoint);
        second->endpoint = NULL;
    }
}

void second_cancel(struct stream *stream)
{
    struct second *second = stream->visit.second;
    if (second) {
        stream->visit.second = NULL;
        loop_timer_cancel(&stream->worker->loop, &second->timer);
        let_go(second);
        free(second);
    }
}

/* Its endpoint and connection are the stream's from here on; those that were are given up. */
static void take_over(struct stream *stream)
{
    struct second *second = stream->visit.second;
    struct second loser = {
        .endpoint = stream->endpoint,
        .cell = stream->cell,
        .upstream = stream->upstream,
        .shared_load = stream->shared_load,
    };
    policy_overtaken(stream, second->began_ns);
    stream->connect_ns = stream->sent_ns = second->connect_ns; /* at once, and whole */
    second->upstream->news = stream->upstream->news;
    stream->endpoint = second->endpoint;
    stream->cell = second->cell;
    stream->upstream = second->upstream;
    stream->shared_load = second->shared_load;
    second->endpoint = NULL;
    second->upstream = NULL;
    second_cancel(stream);
    let_go(&loser);
}

bool second_takes_over(struct stream *stream)
{
    struct second *second = stream->visit.second;
    if (!second || !second->sent || stream->answer_seen || second->upstream->conn.hup) {
        return false;
    }
    take_over(stream);
    return true;
}

static bool send(struct stream *stream, struct second *second)
{
    second->connect_ns = stream->worker->loop.now_ns;
    second->sent = whole_send(stream, second->upstream) == 0;
    return second->sent;
}

/* What its connection says. */
static void news(void *user)
{
    struct stream *stream = user;
    struct second *second = stream->visit.second;
    struct conn *conn = &second->upstream->conn;
    if (stream->state != STREAM_EXCHANGE || stream->answer_seen) {
        second_cancel(stream);
        return;
    }
    if (!second->sent) {
        int r = upstream_connected(second->upstream);
        if (r == UPSTREAM_E_WAIT) {
            return;
        }
        if (r < 0 || !send(stream, second)) {
            second_cancel(stream);
        }
        return;
    }
    if (conn->hup || conn->failed || conn_flush(conn) < 0) {
        second_cancel(stream);
    } else if (conn->readable) {
        take_over(stream);
        struct loop_task *task = &stream->client->again;
        task->run(task);
    }
}

static bool begin(struct stream *stream, struct second *second)
{
    struct endpoint *endpoint =
        service_pick(stream->service, stream->endpoint, &second->shared_load);
    if (!endpoint || endpoint == stream->endpoint) {
        if (endpoint) {
            service_done(endpoint, second->shared_load);
        }
        return false;
    }
    second->endpoint = endpoint;
    second->began_ns = stream->worker->loop.now_ns;
    endpoint_ref(endpoint);
    second->cell = cells_of(endpoint, stream->route);
    second->cell->in_flight++;
    counters_add(&second->cell->hedges, 1);
    second->upstream = upstream_take(endpoint, stream, true, news);
    if (second->upstream) {
        second->upstream->news = news; /* until it has won */
        return send(stream, second);
    }
    counters_add(&second->cell->connects, 1);
    return upstream_connect(endpoint, stream, news, &second->upstream) == 0;
}

static void due(struct timer *timer, int64_t now_ns)
{
    struct second *second = container_of(timer, struct second, timer);
    struct stream *stream = second->stream;
    struct policy *policy = stream->service->policy;
    bool waits = stream->state == STREAM_EXCHANGE && whole_is_here(stream) &&
                 !stream->answer_seen && !stream->suspended[STREAM_DOWN];
    if (!waits ||
        !retry_budget_take(&policy->hedges, &policy->hedges_spec, stream->start_ns, now_ns) ||
        !begin(stream, second)) {
        second_cancel(stream);
    }
}

void second_arm(struct stream *stream)
{
    struct policy *policy = stream->service->policy;
    int64_t delay_ns = hedge_delay_ns(&policy->hedge, &policy->hedge_spec);
    if (stream->visit.second || delay_ns == 0 || !stream_repeatable(stream) ||
        !whole_is_here(stream) || stream->service->pick.count < 2) {
        return;
    }
    struct second *second = calloc(1, sizeof(*second));
    if (!second) {
        return; /* it is one try then */
    }
    second->stream = stream;
    timer_init(&second->timer, due);
    stream->visit.second = second;
    loop_timer_after(&stream->worker->loop, &second->timer, delay_ns);
}
