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

struct h2_fields;

struct lane {
    struct http2_stream stream; /* stream.id is 0 before its head was said, and when it is over */
    struct h2 *h2;
    struct conn *conn;
    struct list node, ready, starved;
    void (*news)(struct lane *lane);
    uint32_t error; /* of the reset (RFC 9113 §7) */
    struct block_chain in;
    struct http1_trailers trailers; /* received */
    struct block *trailer_block;
    size_t frame_at; /* of its latest frame in h2->out, if that is still that of `frame_serial` */
    uint32_t frame_serial;
    int8_t head_result; /* of a request's head: HTTP1_E_MORE, HTTP1_E_BAD or 0 */
    bool head_done;     /* its (final) head has come */
    bool bad_trailer;
    uint8_t trailer_lines;
    bool in_end;  /* END_STREAM has come */
    bool out_end; /* all was said: END_STREAM follows what waits in conn->out */
    bool closed;  /* the session knows it no more */
    bool reset;   /* and not because all was said */
    bool aborted;
    bool answers;    /* what comes is an answer, which stays one to its end whatever follows */
    bool end_secret; /* of end_trailers one must not be kept */
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
/* Says a head; without a body behind it, it is all. 0 or -errno. */
must_check int lane_say_head(struct lane *lane, const struct h2_fields *fields, bool body);
/* All was sent; `trailers` (NULL: none) behind it. 0 or -ENOMEM. */
must_check int lane_end(struct lane *lane, const struct http1_trailers *trailers);
/* The peer has ended, and all of it was received. */
static inline bool lane_is_spent(const struct conn *conn)
{
    return lane_of(conn)->in_end && !lane_of(conn)->in.first;
}
/* The rest of a body may come. */
static inline bool lane_may_receive(const struct conn *conn)
{
    const struct lane *lane = lane_of(conn);
    return lane->head_done && !lane->in_end && !lane->closed;
}
/* The session's side: */
must_check int lane_received(struct lane *lane, struct str bytes);
void lane_trailer(struct lane *lane, const struct hpack_found *field);
void lane_note(struct lane *lane); /* it has news */
void lane_update_room(struct lane *lane);
/* Of one that waits for room: would lane_feed do something? */
bool lane_may_go_on(const struct lane *lane);
/* Sends a frame of what waits. True: the owner may go on. */
bool lane_feed(struct lane *lane);
void lane_closed(struct lane *lane, uint32_t error_code);
void lane_cut_off(struct lane *lane); /* the session ends */

#endif
