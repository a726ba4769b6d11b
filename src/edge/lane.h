/* SPDX-License-Identifier: Apache-2.0
 *
 * struct lane: one stream of an HTTP/2 session as a connection: body bytes are received and sent
 * with conn_recv and conn_send, END_STREAM is the end of input and, sent, lane_end. Heads go beside
 * (h2_heads.c). It belongs to the client or upstream in which its conn lies.
 *
 * 1. `conn->readable` is "there are bytes, or the end, or a reset".
 * 2. Received bytes open the peer's window again when they are taken, not when they come: what
 *    nobody reads is not sent to us.
 * 3. conn->room is what the peer's windows and the session's bound allow; at 0 the lane waits in
 *    h2->starved and has news when there is room again.
 * 4. Once `h2` is NULL the session is gone; what was received can still be read.
 */
#ifndef EDGE_LANE_H
#define EDGE_LANE_H

#include "edge/h2.h"
#include "proto/http1_trailers.h"

struct lane {
    struct h2 *h2;
    struct conn *conn;
    struct list node, ready, starved;
    void (*news)(struct lane *lane);
    int32_t id;
    uint32_t error; /* of the reset (RFC 9113 §7) */
    struct block *in_first, *in_last;
    struct http1_trailers trailers; /* received */
    struct block *trailer_block;
    int8_t head_result; /* of a request's head: HTTP1_E_MORE, HTTP1_E_BAD or 0 */
    bool head_done;     /* its (final) head has come */
    bool in_end;        /* END_STREAM has come */
    bool out_end;       /* all was said: END_STREAM follows what waits in conn->out */
    bool out_begun;     /* a head was handed to nghttp2 whose body it asks us for */
    bool deferred;      /* nghttp2 waits for bytes */
    bool closed;        /* nghttp2 has forgotten the stream */
    bool reset;         /* and not because all was said */
    bool aborted;
    struct str end_trailers; /* lines to be sent behind the body; in end_block */
    struct block *end_block;
};

extern const struct conn_ops lane_ops;

static inline bool conn_is_lane(const struct conn *conn)
{
    return conn->ops == &lane_ops;
}
static inline struct lane *lane_of(const struct conn *conn)
{
    return conn->layer;
}
/* `conn` becomes the lane's, zeroed otherwise. */
void lane_init(struct lane *lane, struct h2 *h2, struct conn *conn, void (*news)(struct lane *));
/* All was sent; `trailers` (lines) behind it. 0 or -ENOMEM. */
must_check int lane_end(struct lane *lane, struct str trailers);
/* The head that is being submitted is all. */
void lane_said_all(struct lane *lane);
/* The body of a head that is being submitted. */
nghttp2_data_provider lane_body(struct lane *lane);
/* The session's side: */
must_check int lane_received(struct lane *lane, struct str bytes);
void lane_trailer(struct lane *lane, struct str name, struct str value);
void lane_note(struct lane *lane); /* it has news */
void lane_update_room(struct lane *lane);
void lane_closed(struct lane *lane, uint32_t error_code);
void lane_cut_off(struct lane *lane); /* the session ends */

#endif
