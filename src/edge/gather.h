/* SPDX-License-Identifier: Apache-2.0
 *
 * struct gather: what is to be sent to one side in this step of an exchange.
 */
#ifndef EDGE_GATHER_H
#define EDGE_GATHER_H

#include "edge/conn.h"
#include "proto/http1_body.h"

/* What is to be sent: staged bytes in worker->out. */
struct gather {
    struct conn *conn;
    char *p;
    size_t len;
    bool chunked;
    bool later; /* a little may wait for the end of the turn */
    bool more;  /* what goes behind is here already: one send for both */
    int error;
};

/* One piece of a body; a chunk if `chunked`. */
void gather_piece(struct gather *gather, struct str piece);
/* The end of the body, with the trailers it kept. */
void gather_last(struct gather *gather, const struct http1_body *body);
/* Sends what is staged, and `piece` behind it as it is. gather->error says how that went, once and
 * for all. */
void gather_send(struct gather *gather, struct str piece);

#endif
