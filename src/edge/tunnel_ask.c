/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may have a tunnel: asked before the service hears of the request, and again of its answer.
 *
 * 1. CONNECT leads to the service of its route, whatever port it names, and only where the route
 *    says so: muelle is nobody's way to somewhere else.
 * 2. Where frames are checked the handshake is, too (RFC 6455 §4): a side that does not speak
 *    WebSocket must not get bytes that another one takes for frames.
 * 3. Tunnels of a route are counted over all threads, from the request on; stream_end gives back.
 */
#include "edge/edge_private.h"
#include "edge/reply.h"
#include "edge/tally.h"
#include "edge/tunnel.h"

static bool has_token(struct str list, struct str token)
{
    struct str item;
    while (http_list_next(&list, &item)) {
        if (str_eq_nocase(item, token)) {
            return true;
        }
    }
    return false;
}

static bool wants_websocket(const struct http1_head *head)
{
    return has_token(http1_get(head, HTTP_H_UPGRADE), STR("websocket"));
}

static bool refuse(struct stream *stream, unsigned status, struct said reason)
{
    stream->keep_client = false;
    reply_page(stream, status, reason);
    return false;
}

/* §4.2.1 */
static bool handshake_ok(struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    if (!str_is(http1_get_name(req, STR("Sec-WebSocket-Version")), "13")) {
        return refuse(stream, 426,
                      SAID("WebSockets of version 13 are spoken here",
                           "aquí se hablan WebSockets de la versión 13"));
    }
    if (req->method != HTTP_GET || req->framing != HTTP1_BODY_NONE ||
        !websocket_key_ok(http1_get_name(req, STR("Sec-WebSocket-Key")))) {
        return refuse(stream, 400,
                      SAID("this is no handshake of a WebSocket",
                           "esto no es el saludo inicial de un WebSocket"));
    }
    stream->frames_asked = true;
    return true;
}

/* One more tunnel of the route, unless it has all it may have. */
static bool count_in(struct stream *stream)
{
    const struct snapshot_tunnel *limits = stream->route->tunnel;
    if (!limits || limits->connections_max == 0) {
        return true;
    }
    atomic_uint *slot = tally_of(stream->worker->edge->tunnels, stream->route_id);
    if (atomic_fetch_add(slot, 1U) >= limits->connections_max) {
        atomic_fetch_sub(slot, 1U);
        return refuse(stream, 503,
                      SAID("it has as many open connections as its route allows",
                           "tiene tantas conexiones abiertas como permite su ruta"));
    }
    stream->tunnel_slot = slot;
    return true;
}

bool tunnel_ask(struct stream *stream)
{
    const struct route *route = stream->route;
    if (stream->req.method == HTTP_CONNECT) {
        if (!route || !route->connect) {
            stream->keep_client = false;
            reply_method(stream);
            return false;
        }
        stream->connect = true;
    } else if (route && route->frames && wants_websocket(&stream->req)) {
        if (!handshake_ok(stream)) {
            return false;
        }
    }
    return !route || count_in(stream);
}

/* Its frames are passed on unread; where they end tells whether a Close may be put in. */
bool tunnel_follows(const struct stream *stream)
{
    return !stream->frames && wants_websocket(&stream->worker->response);
}

/* §4.1: the answer to our key; no extension but the one whose bit the reader knows. */
bool tunnel_granted(const struct stream *stream)
{
    const struct http1_head *answer = &stream->worker->response;
    char accept[WEBSOCKET_ACCEPT_LEN];
    struct str extensions = http1_get_name(answer, STR("Sec-WebSocket-Extensions"));
    struct str item, name, rest;
    if (!stream->frames_asked) {
        return true;
    }
    websocket_accept(http1_get_name(&stream->req, STR("Sec-WebSocket-Key")), accept);
    while (http_list_next(&extensions, &item)) {
        str_split(item, ';', &name, &rest);
        if (!str_eq_nocase(str_trim(name), STR("permessage-deflate"))) {
            return false;
        }
    }
    return wants_websocket(answer) && str_eq(http1_get_name(answer, STR("Sec-WebSocket-Accept")),
                                             str_make(accept, sizeof(accept)));
}
