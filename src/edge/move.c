/* SPDX-License-Identifier: Apache-2.0
 *
 * What moves is what is nothing but sockets: clients of plain HTTP/1 between two requests, and
 * tunnels that nothing waits in (after a 101, of tcp and sni listeners). TLS, HTTP/2 and requests
 * under way have state that only this process has: they end here.
 *
 * 1. What was taken out leaves no record and no count here, for it goes on: the other edge leaves
 *    them. Its bytes are in the sockets: a tunnel reads only what the other side has room for.
 * 2. A service or endpoint that the new edge does not know (any more) is made for this one
 *    connection: it lives as long as that.
 */
#include "edge/move.h"

#include "base/num.h"
#include "edge/cells.h"
#include "edge/client_run.h"
#include "edge/edge_private.h"
#include "edge/record.h"
#include "edge/stream_private.h"
#include "edge/tally.h"
#include "edge/tunnel.h"

#include <stdlib.h>

enum { AGAIN_MS = 20 };

struct parcel *parcel_new(void)
{
    struct parcel *parcel = calloc(1, sizeof(*parcel));
    if (parcel) {
        list_init(&parcel->node);
        parcel->fds[0] = parcel->fds[1] = -1;
    }
    return parcel;
}

void parcel_free(struct parcel *parcel)
{
    if (parcel) {
        sock_close(&parcel->fds[0]);
        sock_close(&parcel->fds[1]);
        free(parcel);
    }
}

/* --- out --- */

static void describe_client(const struct client *client, struct handover_msg *msg)
{
    msg->listener = client->kind;
    msg->listener_service = client->service;
    msg->redirect_port = client->redirect_port;
    msg->requests = client->requests;
    msg->family = client->family;
    msg->port = client->port;
    memcpy(msg->ip, client->ip, sizeof(msg->ip));
}

/* Of one that is amid a frame, or was closed, the other edge knows nothing but bytes. */
static bool is_between(const struct stream *stream)
{
    const struct websocket_bounds *up = &stream->bounds[STREAM_UP];
    const struct websocket_bounds *down = &stream->bounds[STREAM_DOWN];
    return stream->follows && websocket_bounds_between(up) && websocket_bounds_between(down) &&
           !up->close_code && !down->close_code;
}

static void describe_tunnel(const struct stream *stream, struct handover_msg *msg)
{
    msg->start_wall_ns = stream->start_wall_ns;
    msg->age_ns = stream->worker->loop.now_ns - stream->start_ns;
    msg->bytes_in = stream->bytes_in;
    msg->bytes_out = stream->bytes_out;
    msg->idle_ms = stream->tunnel_idle_ms;
    msg->status = stream->status;
    msg->flags = stream->flags;
    msg->ended = (uint8_t)((stream->client->conn.eof ? HANDOVER_CLIENT_ENDED : 0) |
                           (stream->upstream->conn.eof ? HANDOVER_UPSTREAM_ENDED : 0) |
                           (is_between(stream) ? HANDOVER_BETWEEN : 0));
    if (stream->record) {
        msg->record = *stream->record;
    } else {
        record_tunnel(stream, &msg->record);
    }
    if (stream->more_kept) {
        msg->more = *record_kept_more(stream->record);
    } else if (!stream->record && record_wants_more(stream)) {
        record_more(stream, &msg->more);
    }
}

static bool is_plain(const struct conn *conn)
{
    return !conn->ops && !conn->out && !conn->queued && !conn->failed && conn->watch.fd >= 0;
}

static bool client_rests(const struct client *client)
{
    return is_plain(&client->conn) && !client->codec && !client->in && !client->ahead &&
           !client->lingering && !client->announced && !client->conn.hup &&
           client->kind != SNAPSHOT_TCP;
}

static bool tunnel_rests(const struct client *client)
{
    const struct stream *stream = client->stream;
    return stream && stream->state == STREAM_TUNNEL && stream_movable(stream) &&
           is_plain(&client->conn) && is_plain(&stream->upstream->conn);
}

/* The socket lives on; the connection has none any more. */
static int take_fd(struct conn *conn)
{
    int fd = conn->watch.fd;
    loop_fd_remove(&conn->worker->loop, &conn->watch);
    conn->watch.fd = -1;
    return fd;
}

static void move_out(struct worker *worker, struct client *client)
{
    struct parcel *parcel = parcel_new();
    if (!parcel) {
        return; /* it ends here, or later */
    }
    struct stream *stream = client->stream;
    handover_msg_init(&parcel->msg, stream ? HANDOVER_TUNNEL : HANDOVER_IDLE);
    describe_client(client, &parcel->msg);
    parcel->fds[0] = take_fd(&client->conn);
    if (stream) {
        describe_tunnel(stream, &parcel->msg);
        parcel->fds[1] = take_fd(&stream->upstream->conn);
        stream_forget(stream);
    }
    client_close(client);
    worker->move_give(worker, parcel);
}

/* At once: the thread may not find it at rest again while it is busy. */
static void move_client(struct client *client)
{
    if (client_rests(client)) {
        move_out(client->conn.worker, client);
    }
}

static void move_all(struct worker *worker)
{
    list_for_each_safe (node, &worker->idle) {
        move_client(list_entry(node, struct client, node));
    }
    list_for_each_safe (node, &worker->clients) {
        struct client *client = list_entry(node, struct client, node);
        if (tunnel_rests(client)) {
            move_out(worker, client);
        }
    }
    loop_timer_after(&worker->loop, &worker->move_again, AGAIN_MS * NS_PER_MS);
}

static void again(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    move_all(container_of(timer, struct worker, move_again));
}

void move_begin(struct worker *worker, void (*give)(struct worker *worker, struct parcel *parcel))
{
    worker->moving = true;
    worker->move_give = give;
    worker->move_client = move_client;
    worker->move_again.fire = again;
    move_all(worker);
}

/* --- in --- */

static struct sock_addr peer_of(const struct handover_msg *msg)
{
    struct sock_addr peer = {.family = msg->family == 4   ? SOCK_ADDR_IP4
                                       : msg->family == 6 ? SOCK_ADDR_IP6
                                                          : SOCK_ADDR_UNIX,
                             .port = msg->port};
    memcpy(peer.ip, msg->ip, sizeof(peer.ip));
    return peer;
}

/* The service, counted for the caller; NULL when memory is out. */
static struct service *find_service(struct worker *worker, uint64_t id)
{
    struct service *service = map_get(&worker->set.services, str_make((const char *)&id, 8));
    if (service) {
        service_ref(service);
        return service;
    }
    service = malloc(sizeof(*service));
    if (service) {
        service_init(service, worker, id);
        service->removed = true;
        service->spec.tunnel_idle_ms = 3600000;
    }
    return service;
}

/* The same for its endpoint. */
static struct endpoint *find_endpoint(struct service *service, uint64_t id)
{
    struct endpoint *endpoint =
        map_get(&service->worker->set.endpoints, str_make((const char *)&id, 8));
    if (endpoint && endpoint->service == service) {
        endpoint_ref(endpoint);
        return endpoint;
    }
    endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint) {
        endpoint->id = id;
        endpoint->refs = 1;
        endpoint->removed = true;
        endpoint->service = service;
        list_init(&endpoint->node);
        list_init(&endpoint->idle);
        list_init(&endpoint->links);
        service_ref(service);
    }
    return endpoint;
}

static void fill_stream(struct stream *stream, const struct handover_msg *msg)
{
    stream->route_id = msg->record.route;
    stream->start_wall_ns = msg->start_wall_ns;
    stream->start_ns -= msg->age_ns;
    stream->head_ns = stream->start_ns;
    stream->bytes_in = msg->bytes_in;
    stream->bytes_out = msg->bytes_out;
    stream->tunnel_idle_ms = msg->idle_ms;
    stream->status = msg->status;
    stream->flags = msg->flags;
    stream->tcp = (msg->flags & RING_FLAG_TCP) != 0;
    stream->follows = (msg->ended & HANDOVER_BETWEEN) != 0;
    stream->worker->framed_count += stream->follows;
    stream->up_done = true;
    stream->answer_begun = !stream->tcp;
    stream->req.base = ""; /* of its head nothing is here */
    if (stream->client->kind == SNAPSHOT_SNI) {
        stream->hello = (struct tls_hello){.name_len = 0}; /* what was asked is in the record */
    }
}

/* Its route may bound them (tunnel_ask.c). */
static void count_in(struct stream *stream)
{
    if (!stream->tcp && stream->route_id != 0) {
        stream->tunnel_slot = tally_of(stream->worker->edge->tunnels, stream->route_id);
        atomic_fetch_add(stream->tunnel_slot, 1U);
    }
}

/* What was taken is noted in the stream at once, so that its end finds it. */
static int fill_tunnel(struct stream *stream, struct parcel *parcel)
{
    const struct handover_msg *msg = &parcel->msg;
    stream->service = find_service(stream->worker, msg->record.service);
    stream->endpoint =
        stream->service ? find_endpoint(stream->service, msg->record.endpoint) : NULL;
    if (!stream->endpoint) {
        return -ENOMEM;
    }
    stream->endpoint->member.in_flight++;
    stream->endpoint->member.asleep++; /* as that of any stream in this state */
    stream->cell =
        cells_get(stream->worker, msg->record.route, msg->record.service, msg->record.endpoint);
    stream->cell->in_flight++;
    stream_carry(stream, STREAM_AS_TUNNEL);
    count_in(stream);
    int r = upstream_adopt(stream->endpoint, stream, parcel->fds[1], stream_upstream_news,
                           &stream->upstream);
    if (r == 0) {
        parcel->fds[1] = -1;
        stream->client->conn.eof = stream->client->conn.hup =
            (msg->ended & HANDOVER_CLIENT_ENDED) != 0;
        stream->upstream->conn.eof = stream->upstream->conn.hup =
            (msg->ended & HANDOVER_UPSTREAM_ENDED) != 0;
        stream->client->conn.write_shut = (msg->ended & HANDOVER_UPSTREAM_ENDED) != 0;
        stream->upstream->conn.write_shut = (msg->ended & HANDOVER_CLIENT_ENDED) != 0;
    }
    return r;
}

static void take_tunnel(struct worker *worker, struct client *client, struct parcel *parcel)
{
    struct stream *stream = stream_new(client);
    if (!stream) {
        client_close(client);
        return;
    }
    list_del(&client->node);
    list_push_back(&worker->clients, &client->node);
    fill_stream(stream, &parcel->msg);
    int r = fill_tunnel(stream, parcel);
    stream_move(stream, STREAM_TUNNEL);
    if (r < 0) {
        stream_abort(stream);
        return;
    }
    stream = stream_shorten(stream);
    if (stream->record) {
        *stream->record = parcel->msg.record;
        if (stream->more_kept) {
            *record_kept_more(stream->record) = parcel->msg.more;
        }
    }
    client_deadline(client, worker->loop.now_ns + tunnel_idle_ns(stream));
    client_run(client);
}

void move_take(struct worker *worker, struct parcel *parcel)
{
    const struct handover_msg *msg = &parcel->msg;
    struct sock_addr peer = peer_of(msg);
    struct client_source source = {.service = msg->listener_service,
                                   .kind = msg->listener,
                                   .redirect_port = msg->redirect_port};
    struct client *client = client_adopt(worker, parcel->fds[0], &peer, source);
    parcel->fds[0] = -1;
    if (client) {
        client->requests = msg->requests;
        counters_add(&worker->stats->moved, 1);
        if (msg->kind == HANDOVER_TUNNEL) {
            take_tunnel(worker, client, parcel);
        } else {
            client_deadline(client, worker->loop.now_ns + worker->gateway.keepalive_ms * NS_PER_MS);
            if (worker->stopping) { /* this edge is replaced, too, by now */
                client_drain(client);
            }
        }
    }
    parcel_free(parcel);
}
