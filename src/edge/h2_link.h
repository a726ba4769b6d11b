/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 connections to endpoints: requests of all clients of a thread share one, as long as the
 * peer takes more streams. For upstream.c, whose contracts these keep.
 */
#ifndef EDGE_H2_LINK_H
#define EDGE_H2_LINK_H

#include "edge/upstream.h"

struct http1_head;

struct upstream *h2_link_take(struct endpoint *endpoint, struct stream *stream,
                              void (*news)(void *user));
must_check int h2_link_connect(struct endpoint *endpoint, struct stream *stream,
                               void (*news)(void *user), struct upstream **ret);
/* As upstream_connected. */
must_check int h2_link_connected(struct upstream *upstream);
/* For WebSockets (RFC 8441), whose answer is told as the 101 that it stands for: is this a
 * handshake, and may the peer take it so? A stream of a connection whose peer has said so, or NULL;
 * of one whose peer has yet to say something: h2_link_connected is UPSTREAM_E_OTHER if it does not
 * take them. */
bool h2_link_may_websocket(const struct endpoint *endpoint, const struct stream *stream);
struct upstream *h2_link_take_websocket(struct endpoint *endpoint, struct stream *stream,
                                        void (*news)(void *user));
must_check int h2_link_connect_websocket(struct endpoint *endpoint, struct stream *stream,
                                         void (*news)(void *user), struct upstream **ret);
bool h2_link_is_websocket(const struct upstream *upstream);
/* Its answer was passed on: gives the head's memory back. */
void h2_link_rest(struct upstream *upstream);
void h2_link_release(struct upstream *upstream);
/* Requests that its connections would take. */
uint32_t h2_link_room(const struct endpoint *endpoint);
/* Closes one without requests. False: there is none. */
bool h2_link_close_one(struct endpoint *endpoint);
/* No new requests; closed when those under way have ended. */
void h2_link_close_idle(struct endpoint *endpoint);
/* The next head of the answer, interim or final (a final one also again). 0; H2_LINK_E_NONE: not
 * yet; -EBADMSG; -ECONNRESET; -ESTALE: the peer has not looked at the request, which may be sent
 * again whatever it is. */
enum { H2_LINK_E_NONE = 1 };
must_check int h2_link_answer(struct upstream *upstream, struct http1_head *ret);

#endif
