/* SPDX-License-Identifier: Apache-2.0
 *
 * struct h2: an HTTP/2 session (RFC 9113, framing by nghttp2) over one connection, a client's
 * (h2_client.c) or one to an endpoint (h2_link.c). What it carries is lanes (lane.h), each of which
 * looks like a connection of its own to its owner.
 *
 * 1. Nothing runs inside nghttp2's callbacks but notes: who has news is put in `ready` and goes on
 *    when the session's input is used up, or when its output was sent.
 * 2. Output is gathered: what all lanes have said in a turn leaves in few sends at its end.
 * 3. What waits in a session is bounded: received bytes by the windows that were given, bytes to be
 *    sent by H2_QUEUED_MAX, of which a lane asks before more is produced (conn->room).
 */
#ifndef EDGE_H2_H
#define EDGE_H2_H

#include "edge/conn.h"
#include "proto/http2_guard.h"
#include "proto/http2_past.h"

#include <nghttp2/nghttp2.h>

struct h2;
struct lane;

enum {
    H2_QUEUED_MAX = 256 * 1024,      /* bytes to be sent that all lanes of a session may hold */
    H2_STREAM_WINDOW = 256 * 1024,   /* that a peer may send on one stream unasked */
    H2_SESSION_WINDOW = 1024 * 1024, /* and on all together */
};

/* What the two kinds of session differ in. */
struct h2_role {
    /* A peer has opened a stream. NULL: it is refused. */
    struct lane *(*open)(struct h2 *h2, int32_t id);
    /* A field of a lane's head, or behind its body. */
    void (*field)(struct lane *lane, struct str name, struct str value);
    /* The head is whole. */
    void (*head)(struct lane *lane, bool no_body);
    /* The peer opens (client) or takes (server) no more streams. */
    void (*goaway)(struct h2 *h2);
    /* The turn's output is with the socket; nothing touches the session after it. */
    void (*flushed)(struct h2 *h2);
};

struct h2 {
    nghttp2_session *session;
    struct conn *conn;
    const struct h2_role *role;
    struct list lanes;   /* all, by lane->node */
    struct list ready;   /* with news, by lane->ready */
    struct list starved; /* that were told to wait for room, by lane->starved */
    size_t lane_count;
    size_t queued;
    struct loop_task flush;
    struct http2_guard guard;
    struct http2_past past; /* streams of the peer */
    struct http2_walk walk;
    uint32_t violation; /* why we have stopped to read, if nghttp2 does not know it */
    bool settings_seen; /* of the peer */
    bool frame_lent;    /* worker->frame is where nghttp2 builds frames */
    bool calmed;        /* ended for its frames that bring nothing */
    bool failed;        /* no further frame can be read or written */
};

/* 0 or -errno. `conn` is open; its events are given to h2_run by its owner. */
must_check int h2_init(struct h2 *h2, struct conn *conn, const struct h2_role *role, bool server);
/* Where nghttp2 gets its memory. */
nghttp2_mem h2_memory(struct h2 *h2);
/* The lanes must be gone. */
void h2_fini(struct h2 *h2);
/* Reads what there is, lets lanes go on, sends. Asks h2_over afterwards. `already`: bytes that were
 * read from the connection before. */
void h2_run(struct h2 *h2, struct str already);
/* Nothing can or will come any more: the connection may be closed. */
bool h2_over(struct h2 *h2);
/* Something was given to nghttp2: it leaves at the end of the turn. */
void h2_wants_write(struct h2 *h2);
/* No new streams; those under way finish. */
void h2_drain(struct h2 *h2);
/* Ends the session for that reason: GOAWAY is sent as far as it can be. */
void h2_terminate(struct h2 *h2, uint32_t error_code);

#endif
