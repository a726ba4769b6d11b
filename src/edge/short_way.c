/* SPDX-License-Identifier: Apache-2.0
 *
 * When a connection may be joined, by the laws of os/sockmap.h:
 * 1. It is idle after a request without a body and a whole answer: whoever answered has read the
 *    head, and we have read the answer; nothing is left in TCP that could be overtaken.
 * 2. While joined it carries heads only. For a body it leaves first, since a service that reads
 *    slowly must be felt, and joins again behind the next request without one.
 * 3. An answer that the short way does not carry whole costs more than by TCP alone, since the
 *    other end is still looked at: both ends part after the first one, for good.
 * 4. Bytes lie in two places then, so that a short read says nothing (conn->unsure): whoever wants
 *    more reads until there is none.
 * 5. TLS, HTTP/2, tunnels, probes and unix sockets never join.
 *
 * What fails is no failure: it stays with TCP.
 */
#include "edge/short_way.h"

#include "edge/edge_private.h"
#include "edge/service.h"
#include "edge/stream.h"
#include "edge/upstream.h"

/* os/sockmap.h tells connections by their ports alone: so of all that lead to this machine, this
 * one address. */
static bool is_loopback(const struct sock_addr *address)
{
    const struct sock_addr loopback = sock_addr_loopback(address->port);
    return sock_addr_eq(address, &loopback);
}

static bool may_have(const struct endpoint *endpoint)
{
    const struct snapshot_service *spec = &endpoint->service->spec;
    return is_loopback(&endpoint->address) && !spec->tls.on &&
           spec->protocol != SNAPSHOT_PROTOCOL_HTTP2;
}

void short_way_serve(struct endpoint *endpoint)
{
    struct edge *edge = endpoint->service->worker->edge;
    if (!endpoint->short_way && may_have(endpoint) && atomic_load(&edge->has_sockmap)) {
        endpoint->short_way = sockmap_serve(edge->sockmap, endpoint->address.port) == 0;
    }
}

static void join(struct upstream *upstream)
{
    struct edge *edge = upstream->conn.worker->edge;
    struct sock_addr own;
    int fd = upstream->conn.watch.fd;
    if (!upstream->endpoint->short_way || upstream->conn.ops || sock_local_addr(fd, &own) < 0 ||
        !is_loopback(&own)) {
        return;
    }
    upstream->ends = (struct sockmap_ends){own.port, upstream->endpoint->address.port};
    upstream->joined = sockmap_join(edge->sockmap, fd, upstream->ends) == 0;
    upstream->conn.unsure |= upstream->joined;
}

void short_way_leave(struct upstream *upstream)
{
    upstream->joined = false;
    upstream->conn.unsure = upstream->conn.hup;
    sockmap_leave(upstream->conn.worker->edge->sockmap, upstream->ends);
}

void short_way_choose(struct upstream *upstream, const struct stream *stream)
{
    struct worker *worker = upstream->conn.worker;
    if (upstream->parted) {
        return;
    }
    if (stream->bytes_out > SOCKMAP_TURN_MAX && upstream->joined) {
        upstream->joined = false;
        upstream->parted = true;
        upstream->conn.unsure = false;
        sockmap_part(worker->edge->sockmap, upstream->ends);
    } else if (upstream->joined && !worker->gateway.sockmap) {
        short_way_leave(upstream);
    } else if (!upstream->joined && worker->gateway.sockmap &&
               stream->req.framing == HTTP1_BODY_NONE) {
        join(upstream);
    }
}
