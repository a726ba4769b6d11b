/* SPDX-License-Identifier: Apache-2.0
 *
 * struct h2: an HTTP/2 session (proto/http2.h) over one connection, a client's (h2_client.c) or one
 * to an endpoint (h2_link.c). What it carries is lanes (lane.h), each of which looks like a
 * connection of its own to its owner.
 *
 * 1. Nothing runs while frames are read but notes: who has news is put in `ready` and goes on when
 *    the session's input is used up, or when its output was sent.
 * 2. Output is gathered in `out`: what all lanes have said in a turn leaves in one send at its end.
 * 3. What waits in a session is bounded: received bytes by the windows that were given, bodies to
 *    be sent by one piece a lane (conn->room is 0 meanwhile), and while heads and answers of
 *    control wait beyond H2_QUEUE_PAUSE nothing is read.
 */
#ifndef EDGE_H2_H
#define EDGE_H2_H

#include "edge/conn.h"
#include "proto/http2.h"

struct h2;
struct lane;

enum {
    H2_QUEUE_PAUSE = 2, /* blocks of output that wait behind the socket's: nothing more is read */
    H2_QUEUE_MAX = 24,  /* and no more than that is kept: heads that lanes had to say meanwhile */
};

/* What the two kinds of session differ in. */
struct h2_role {
    /* A peer has opened a stream. NULL: it is refused. */
    struct lane *(*open)(struct h2 *h2);
    /* A field of a lane's head. */
    void (*field)(struct lane *lane, const struct hpack_found *field);
    /* The head is whole. */
    enum http2_head_verdict (*head)(struct lane *lane, bool no_body);
    /* The peer opens (client) or takes (server) no more streams. */
    void (*goaway)(struct h2 *h2);
    /* The turn's output is with the socket; nothing touches the session after it. */
    void (*flushed)(struct h2 *h2);
};

struct h2 {
    struct http2 http;
    struct conn *conn;
    const struct h2_role *role;
    struct list lanes;   /* all, by lane->node */
    struct list ready;   /* with news, by lane->ready */
    struct list starved; /* that were told to wait for room, by lane->starved */
    size_t lane_count;
    struct block *out;                /* http.out lies in it */
    struct block *queue, *queue_last; /* in front of it: the socket takes nothing */
    uint32_t queued;                  /* blocks in it */
    uint32_t serial;                  /* counts what was sent or queued of `out` */
    struct loop_task flush;
};

/* 0 or -errno. `conn` is open; its events are given to h2_run by its owner. */
must_check int h2_init(struct h2 *h2, struct conn *conn, const struct h2_role *role, bool server);
/* The lanes must be gone. */
void h2_fini(struct h2 *h2);
/* Reads what there is, lets lanes go on, sends. Asks h2_over afterwards. `already`: bytes that were
 * read from the connection before. */
void h2_run(struct h2 *h2, struct str already);
/* Nothing can or will come any more: the connection may be closed. */
bool h2_over(struct h2 *h2);
/* Something was said: it leaves at the end of the turn. */
void h2_wants_write(struct h2 *h2);
/* No new streams; those under way finish. */
void h2_drain(struct h2 *h2);
/* Bytes of bodies wait for the socket. */
static inline bool h2_blocked(const struct h2 *h2)
{
    return h2->queue || conn_blocked(h2->conn);
}
/* `parts` behind what is in `out`: at most 7; the session is not blocked. */
void h2_send(struct h2 *h2, const struct str *parts, size_t count);

#endif
