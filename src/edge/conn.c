/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending tries the kernel first and keeps only what it did not take; receiving says when the
 * socket is drained without the call that would only say so.
 *
 * 1. `out` is there exactly while bytes wait; then nothing overtakes them.
 * 2. More than one block never waits: who produces asks conn_blocked first, and who does not gets
 *    -ENOBUFS and loses the connection.
 * 3. After a failure the connection is closed by its owner, never here.
 * 4. What waits for the end of the turn (`queued`) is older than `out`, which is not there then.
 */
#include "edge/conn.h"

#include "edge/worker.h"
#include "os/sock.h"

enum { WIDE_MIN = 2 * WORKER_IN_SIZE /* less is not worth asking for the room */ };

int conn_open(struct conn *conn, struct worker *worker, int fd,
              void (*ready)(struct loop_fd *watch, uint32_t events))
{
    conn->worker = worker;
    conn->room = UINT32_MAX;
    loop_fd_init(&conn->watch, ready);
    return loop_fd_add(&worker->loop, &conn->watch, fd,
                       LOOP_READ | LOOP_WRITE | LOOP_RDHUP | LOOP_EDGE);
}

int conn_hush(struct conn *conn)
{
    return loop_fd_set(&conn->worker->loop, &conn->watch,
                       conn->watch.events & ~(uint32_t)LOOP_WRITE);
}

/* The kernel took less than it was given: it says when it takes more. */
static int unwritable(struct conn *conn)
{
    conn->writable = false;
    return loop_fd_set(&conn->worker->loop, &conn->watch, conn->watch.events | LOOP_WRITE);
}

static void push_last(struct conn *conn); /* the end of what waits for the end of the turn */

void conn_close(struct conn *conn)
{
    int fd = conn->watch.fd;
    if (unlikely(conn->queued)) {
        push_last(conn);
    }
    if (unlikely(conn->ops != NULL)) {
        conn->ops->close(conn);
    }
    block_put(&conn->worker->blocks, conn->out);
    conn->out = NULL;
    if (fd >= 0) {
        loop_fd_remove(&conn->worker->loop, &conn->watch);
        sock_close(&fd);
    }
}

int64_t conn_socket_recv(struct conn *conn, void *p, size_t len)
{
    int64_t n = sock_recv(conn->watch.fd, p, len);
    if (likely(n > 0)) {
        conn->readable = (size_t)n == len || conn->unsure;
        return n;
    }
    conn->readable = false;
    if (n == 0) {
        conn->eof = true;
        conn->hup = true;
        return 0;
    }
    if (n == -EAGAIN) {
        return 0;
    }
    conn->failed = true;
    return n;
}

int64_t conn_recv(struct conn *conn, void *p, size_t len)
{
    if (unlikely(conn->ops != NULL)) {
        return conn->ops->recv(conn, p, len);
    }
    return conn_socket_recv(conn, p, len);
}

int conn_keep(struct conn *conn, const struct str *parts, size_t count, size_t skip)
{
    if (!conn->out) {
        conn->out = block_get(&conn->worker->blocks, BLOCK_LARGE);
        if (!conn->out) {
            return -ENOMEM;
        }
    }
    struct block *out = conn->out;
    for (size_t i = 0; i < count; i++) {
        struct str rest = str_skip(parts[i], MIN(skip, parts[i].len));
        skip -= parts[i].len - rest.len;
        if (rest.len > out->cap - out->len) {
            return -ENOBUFS;
        }
        if (rest.len) {
            memcpy(out->data + out->len, rest.p, rest.len);
            out->len += (uint32_t)rest.len;
        }
    }
    return 0;
}

/* Of a large read: a little is copied as ever; else the block becomes this connection's, and the
 * next large read gets another. */
static int keep_wide(struct conn *conn, struct str rest)
{
    if (rest.len <= BLOCK_LARGE_SIZE) {
        return conn_keep(conn, &rest, 1, 0);
    }
    struct block *block = conn->worker->wide;
    conn->worker->wide = NULL;
    block->at = (uint32_t)(rest.p - block->data);
    block->len = block->at + (uint32_t)rest.len;
    conn->out = block;
    return 0;
}

/* The kernel took `n` bytes of it, or said -errno. */
__attribute__((cold)) static int keep_rest(struct conn *conn, const struct str *parts, size_t count,
                                           int64_t n)
{
    if (n < 0 && n != -EAGAIN) {
        return (int)n;
    }
    int r = unwritable(conn);
    if (r < 0) {
        return r;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    bool wide = count == 1 && block_holds(conn->worker->wide, parts[0]);
    return wide ? keep_wide(conn, str_skip(parts[0], sent)) : conn_keep(conn, parts, count, sent);
}

__attribute__((cold, noinline)) static int push_failed(struct conn *conn, struct str bytes,
                                                       int64_t n)
{
    int r = keep_rest(conn, &bytes, 1, n);
    if (r < 0) {
        conn->unsent = n < 0 ? CONN_REFUSED : CONN_CUT;
    }
    return r;
}

static inline int push(struct conn *conn, struct outbox *outbox, uint32_t entry)
{
    struct str bytes = outbox_take(outbox, entry);
    conn->queued = 0;
    int64_t n = sock_send(conn->watch.fd, bytes.p, bytes.len, false);
    return likely(n == (int64_t)bytes.len) ? 0 : push_failed(conn, bytes, n);
}

int conn_push(struct conn *conn)
{
    return push(conn, conn->worker->outbox, conn->queued);
}

/* Before the end of the connection. Whoever gets a part must not take it for the whole. */
static void push_last(struct conn *conn)
{
    if (conn_push(conn) < 0 || conn->out) {
        sock_set_abort(conn->watch.fd);
    }
}

void conn_forget(struct conn *conn)
{
    if (conn->queued) {
        (void)outbox_take(conn->worker->outbox, conn->queued);
        conn->queued = 0;
    }
}

bool conn_settled(struct conn *conn)
{
    if (conn->queued && conn_push(conn) < 0) {
        conn->failed = true;
    }
    return !conn_blocked(conn);
}

void conn_send_queued(struct worker *worker)
{
    struct outbox *outbox = worker->outbox;
    for (uint32_t entry = 1; entry <= outbox->count; entry++) { /* there may be more meanwhile */
        struct conn *conn = outbox->entries[entry - 1].conn;
        if (likely(conn != NULL) && unlikely(push(conn, outbox, entry) < 0)) {
            conn->watch.ready(&conn->watch, LOOP_ERROR);
        }
    }
    outbox->count = 0;
    outbox->len = 0;
    worker->out = outbox_scratch(outbox);
}

struct str conn_wide(struct conn *to)
{
    struct worker *worker = to->worker;
    size_t room = to->ops || to->queued ? 0 : sock_send_room(to->watch.fd);
    if (room < WIDE_MIN) {
        return STR_NONE;
    }
    if (!worker->wide) {
        worker->wide = block_get(&worker->blocks, BLOCK_WIDE);
    }
    return worker->wide ? str_make(worker->wide->data, MIN(room, (size_t)worker->wide->cap))
                        : STR_NONE;
}

static inline int send_parts(struct conn *conn, const struct str *parts, size_t count, bool more)
{
    if (unlikely(conn->queued)) {
        struct worker *worker = conn->worker;
        if (!more && count == 1 && outbox_join(worker->outbox, conn->queued, parts[0])) {
            worker->out = outbox_scratch(worker->outbox);
            return 0;
        }
        int r = conn_push(conn);
        if (r < 0) {
            return r;
        }
    }
    if (unlikely(conn->out != NULL)) {
        return conn_keep(conn, parts, count, 0);
    }
    size_t total = parts[0].len;
    for (size_t i = 1; i < count; i++) {
        total += parts[i].len;
    }
    int64_t n = count == 1 ? sock_send(conn->watch.fd, parts[0].p, total, more)
                           : sock_sendv(conn->watch.fd, parts, count, more);
    return likely(n == (int64_t)total) ? 0 : keep_rest(conn, parts, count, n);
}

int conn_socket_send(struct conn *conn, const struct str *parts, size_t count)
{
    return send_parts(conn, parts, count, false);
}

int conn_socket_send_last(struct conn *conn, struct str bytes)
{
    return send_parts(conn, &bytes, 1, true);
}

int conn_send(struct conn *conn, const struct str *parts, size_t count)
{
    if (unlikely(conn->ops != NULL)) {
        return conn->ops->send(conn, parts, count);
    }
    return conn_socket_send(conn, parts, count);
}

int conn_send_later(struct conn *conn, struct str bytes)
{
    struct worker *worker = conn->worker;
    if (likely(!conn->ops && !conn->out && !conn->queued && worker->outbox)) {
        conn->queued = outbox_add(worker->outbox, conn, bytes);
        if (likely(conn->queued)) {
            worker->out = outbox_scratch(worker->outbox);
            return 0;
        }
    }
    return conn_send(conn, &bytes, 1);
}

int conn_socket_flush(struct conn *conn)
{
    struct block *out = conn->out;
    while (out && conn->writable) {
        struct str rest = block_rest(out);
        int64_t n = sock_send(conn->watch.fd, rest.p, rest.len, false);
        if (n == -EAGAIN) {
            conn->writable = false;
            return 0;
        }
        if (n < 0) {
            return (int)n;
        }
        out->at += (uint32_t)n;
        if ((size_t)n < rest.len) {
            conn->writable = false;
        }
        if (out->at == out->len) {
            block_put(&conn->worker->blocks, out);
            conn->out = out = NULL;
        }
    }
    return 0;
}

int conn_flush_some(struct conn *conn)
{
    if (unlikely(conn->ops != NULL)) {
        return conn->ops->flush(conn);
    }
    return conn_socket_flush(conn);
}

void conn_abort(struct conn *conn)
{
    if (unlikely(conn->ops != NULL)) {
        conn->ops->abort(conn);
    } else {
        sock_set_abort(conn->watch.fd);
    }
}

void conn_shut_write(struct conn *conn)
{
    if (unlikely(conn->ops != NULL)) {
        conn->ops->shut_write(conn);
        return;
    }
    if (unlikely(conn->queued) && conn_push(conn) < 0) {
        conn->failed = true;
    }
    if (!conn->write_shut && !conn->out) {
        conn->write_shut = true;
        if (sock_shutdown_write(conn->watch.fd) < 0) {
            conn->failed = true;
        }
    }
}
