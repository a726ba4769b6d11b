/* SPDX-License-Identifier: Apache-2.0
 *
 * The states of a request (edge/stream.h); what may follow which is the table in stream.c.
 */
#ifndef EDGE_STREAM_STATE_H
#define EDGE_STREAM_STATE_H

#include "base/sm.h"

enum stream_state {
    STREAM_HEAD,       /* the request head is being read */
    STREAM_HELLO,      /* the ClientHello of a connection that is passed on unread */
    STREAM_CONNECTION, /* filters of the connection stage (first request only) */
    STREAM_HEADERS,    /* filters of the headers stage, then the route is looked up */
    STREAM_ROUTE,      /* filters of the route stage */
    STREAM_PICK,       /* an endpoint is chosen */
    STREAM_HELD,       /* none is there; one is expected */
    STREAM_UPSTREAM,   /* filters of the upstream stage, then a connection is taken */
    STREAM_CONNECT,    /* or made */
    STREAM_EXCHANGE,   /* request and response flow */
    STREAM_TUNNEL,     /* bytes flow: after 101, or tcp */
    STREAM_REPLY,      /* an answer of our own is being sent */
    STREAM_ENDED,
    STREAM_STATES
};

/* As what it is counted while the edge carries it (link/counters_carried.h). */
enum stream_carried { STREAM_NOT_CARRIED, STREAM_AS_REQUEST, STREAM_AS_TUNNEL };

extern const struct sm stream_sm;

#endif
