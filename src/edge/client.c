/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's connection between its requests, and its last moments.
 *
 * 1. `in` is there only while a request is (being) read or under way; `ahead` only behind a body
 *    whose end came together with the next request.
 * 2. A client is in exactly one list: idle, clients, lingering, or dead; it is freed at the end of
 *    the turn, so whoever still holds it in this turn sees `closed`.
 * 3. One timer, for the one deadline that is next: it is moved only when it would come too late, so
 *    a request seldom touches the wheel.
 */
#include "edge/client.h"

#include "base/num.h"
#include "edge/addresses.h"
#include "edge/lane.h"
#include "edge/worker.h"

#include <stdlib.h>

enum { LINGER_MS = 1000, LINGER_ALL_MS = 5000, LEAVE_MS = 5000 };

void client_deadline(struct client *client, int64_t deadline_ns)
{
    if (unlikely(client->latest_ns != 0)) {
        deadline_ns = MIN(deadline_ns, client->latest_ns);
    }
    client->deadline_ns = deadline_ns;
    if (unlikely(!timer_armed(&client->timer) || client->timer.deadline_ns > deadline_ns)) {
        loop_timer_set(&client->conn.worker->loop, &client->timer, deadline_ns);
    }
}

void client_forget_text(struct client *client)
{
    if (client->text_len > CLIENT_NEAR) {
        free(client->text.far);
    }
    client->text_len = 0;
}

void client_close(struct client *client)
{
    struct worker *worker = client->conn.worker;
    if (client->closed) {
        return;
    }
    ensure(!client->stream);
    if (unlikely(client->codec != NULL)) {
        client->codec->end(client);
    }
    bool lane = conn_is_lane(&client->conn);
    client->closed = true;
    loop_timer_cancel(&worker->loop, &client->timer);
    loop_task_cancel(&client->again);
    addresses_leave(client->slot);
    conn_close(&client->conn);
    block_put(&worker->blocks, client->in);
    block_put(&worker->blocks, client->ahead);
    client->in = NULL;
    client->ahead = NULL;
    if (likely(!lane)) {
        free(client->identity);
        client_forget_text(client);
        worker->client_count--;
        counters_add(&worker->stats->connections, (uint64_t)-1);
    }
    client->identity = NULL;
    client->text_len = 0;
    list_del(&client->node);
    list_push_back(&worker->dead, &client->node);
    loop_defer(&worker->loop, &worker->turn_end);
}

void client_linger(struct client *client, bool upload)
{
    struct worker *worker = client->conn.worker;
    if (upload && !worker->stopping) {
        client->latest_ns = worker->loop.now_ns + LINGER_ALL_MS * NS_PER_MS;
    }
    conn_shut_write(&client->conn);
    client->lingering = true;
    client_deadline(client, worker->loop.now_ns + LINGER_MS * NS_PER_MS);
    client->requests = 0; /* from here: bytes thrown away, in KiB */
    block_put(&worker->blocks, client->in);
    client->in = NULL;
    if (!conn_is_lane(&client->conn)) {
        list_del(&client->node);
        list_push_back(&worker->lingering, &client->node);
    }
}

void client_linger_on(struct client *client)
{
    if (client->latest_ns != 0) {
        client_deadline(client, client->conn.worker->loop.now_ns + LINGER_MS * NS_PER_MS);
    }
}

void client_next(struct client *client)
{
    struct worker *worker = client->conn.worker;
    struct block *in = client->in;
    if (client->ahead) {
        block_put(&worker->blocks, in);
        client->in = client->ahead;
        client->ahead = NULL;
    } else if (in && in->at < in->len) {
        memmove(in->data, in->data + in->at, in->len - in->at);
        in->len -= in->at;
        in->at = 0;
    } else if (in) {
        block_put(&worker->blocks, in);
        client->in = NULL;
    }
    list_del(&client->node);
    list_push_back(&worker->idle, &client->node);
    if (unlikely(worker->stopping)) {
        client_leave(client);
        return;
    }
    client_deadline(client, worker->loop.now_ns + worker->gateway.keepalive_ms * NS_PER_MS);
}

void client_leave(struct client *client)
{
    struct worker *worker = client->conn.worker;
    struct conn *conn = &client->conn;
    bool broken = conn->queued && conn_push(conn) < 0;
    bool waits = conn->out && !conn->ops; /* the end of an answer */
    if (broken) {
        conn_abort(conn);
    }
    if (broken || client->codec || conn_is_lane(conn) || !(worker->moving || waits)) {
        client_close(client);
    } else if (waits || conn->ops || !worker->move_client) {
        client_deadline(client, worker->loop.now_ns + LEAVE_MS * NS_PER_MS);
    } else {
        client_deadline(client, worker->loop.now_ns + worker->gateway.keepalive_ms * NS_PER_MS);
        worker->move_client(client);
    }
}

bool client_ends(const struct client *client)
{
    const struct worker *worker = client->conn.worker;
    return unlikely(worker->stopping) &&
           (!worker->moving || !worker->move_client || client->codec || client->conn.ops ||
            conn_is_lane(&client->conn));
}
