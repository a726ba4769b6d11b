/* SPDX-License-Identifier: Apache-2.0
 *
 * struct conn: one socket of the edge, client's or upstream's. It is registered once,
 * edge-triggered for both directions; `readable` and `writable` remember what the kernel last said,
 * and every transfer tries first. A short read counts as "drained" and saves the call that would
 * only say EAGAIN, except (`unsure`) after the peer's FIN was announced, which only a read of 0
 * ends, and where bytes come by two ways (short_way.h).
 *
 * What the kernel does not take waits in `out` (one block); whoever produces asks conn_blocked
 * before reading more, which is the back-pressure. Small sends may wait for the end of the turn
 * before (outbox.h): all that is said here of bytes that were sent holds for them, too.
 *
 * What lies between the bytes and the socket is `ops`: nothing (NULL), TLS, or an HTTP/2 session of
 * which this is one stream. All flags mean the same then: `readable` is "a recv may give bytes".
 */
#ifndef EDGE_CONN_H
#define EDGE_CONN_H

#include "edge/block.h"
#include "os/loop.h"

struct worker;
struct conn;

/* Of what was to leave at a turn's end nothing was taken; a part, without memory for the rest. */
enum conn_unsent { CONN_REFUSED = 1, CONN_CUT };

/* A layer. Each function keeps the contract of the conn_ function of its name. */
struct conn_ops {
    int64_t (*recv)(struct conn *conn, void *p, size_t len);
    int (*send)(struct conn *conn, const struct str *parts, size_t count);
    int (*flush)(struct conn *conn);
    void (*shut_write)(struct conn *conn);
    void (*abort)(struct conn *conn);
    void (*close)(struct conn *conn); /* gives back what is the layer's; `out` and fd follow */
};

struct conn {
    struct loop_fd watch; /* fd -1: a layer has the socket */
    struct worker *worker;
    const struct conn_ops *ops; /* NULL: a plain socket */
    void *layer;                /* theirs */
    uint32_t room;              /* bytes that the layer takes now; 0 = it is blocked */
    uint32_t queued;            /* its entry in worker->outbox; 0: none */
    struct block *out;
    bool readable, writable;
    bool hup;        /* the peer's FIN was announced */
    bool unsure;     /* a short read does not mean that nothing is left */
    bool eof;        /* and read */
    bool failed;     /* reset, or both directions are shut */
    bool write_shut; /* we sent our FIN */
    uint8_t unsent;  /* enum conn_unsent, or 0 */
};

/* Takes `fd` over. 0 or -errno (then fd is the caller's). */
must_check int conn_open(struct conn *conn, struct worker *worker, int fd,
                         void (*ready)(struct loop_fd *watch, uint32_t events));
/* It is writable now, and is told so again only after a send that the kernel did not take whole. A
 * unix socket else says so each time its peer has read. 0 or -errno. */
must_check int conn_hush(struct conn *conn);
void conn_close(struct conn *conn);
/* Notes what the loop reported. */
static inline void conn_note(struct conn *conn, uint32_t events)
{
    if (events & (LOOP_READ | LOOP_RDHUP | LOOP_HUP | LOOP_ERROR)) {
        conn->readable = true;
    }
    if (events & LOOP_WRITE) {
        conn->writable = true;
    }
    if (unlikely(events & (LOOP_RDHUP | LOOP_HUP | LOOP_ERROR))) {
        conn->hup = true;
        conn->unsure = true;
        conn->failed |= (events & (LOOP_HUP | LOOP_ERROR)) != 0;
    }
}
static inline bool conn_blocked(const struct conn *conn)
{
    return conn->out != NULL || conn->room == 0;
}
/* Bytes; 0 = nothing now, or the end (conn->eof); -errno. */
must_check int64_t conn_recv(struct conn *conn, void *p, size_t len);
/* Sends all of it, or as much as the kernel takes and keeps the rest. At most 8 parts. 0; -ENOBUFS
 * (too much is waiting), -ENOMEM, -EPIPE, -errno: the connection is of no use for writing any
 * more. */
must_check int conn_send(struct conn *conn, const struct str *parts, size_t count);
/* The same; a little is sent at the end of the turn. If that fails, `ready` is told LOOP_ERROR, and
 * `unsent` says why. */
must_check int conn_send_later(struct conn *conn, struct str bytes);
/* Of one that is `queued`: what waits goes now, as by conn_send; or is forgotten. */
must_check int conn_push(struct conn *conn);
void conn_forget(struct conn *conn);
/* Has the kernel all of it? What is queued goes now: for what a connection ends with. */
bool conn_settled(struct conn *conn);
/* At the end of a turn: all that conn_send_later kept. */
void conn_send_queued(struct worker *worker);
/* Room for one large read of bytes that go to `to` as they are: about as much as its kernel takes
 * now. Empty: it takes little, something is queued, or it has a layer. */
struct str conn_wide(struct conn *to);
/* Sends what waits, if it may. 0 or -errno; conn_blocked says if something is left. */
must_check int conn_flush_some(struct conn *conn); /* private */
must_check static inline int conn_flush(struct conn *conn)
{
    return likely(!conn->out && !conn->ops) ? 0 : conn_flush_some(conn);
}
/* Sends FIN once nothing waits. */
void conn_shut_write(struct conn *conn);
/* Whoever still reads must not take what was sent for the whole: closing resets. */
void conn_abort(struct conn *conn);

/* --- for layers: the socket itself --- */
int64_t conn_socket_recv(struct conn *conn, void *p, size_t len);
must_check int conn_socket_send(struct conn *conn, const struct str *parts, size_t count);
/* The last bytes: they wait for the FIN that follows at once, and leave with it. */
must_check int conn_socket_send_last(struct conn *conn, struct str bytes);
must_check int conn_socket_flush(struct conn *conn);
/* Appends to `out` what is behind the first `skip` bytes. 0, -ENOMEM or -ENOBUFS. */
must_check int conn_keep(struct conn *conn, const struct str *parts, size_t count, size_t skip);

#endif
