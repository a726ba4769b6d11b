/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections: bytes in, requests out; answers in, bytes out. What a request means is
 * api_request.c's business.
 *
 *   1. Everything that may free a connection runs from the loop (a descriptor, a timer, the step
 *      task) and returns at once afterwards; handlers only fill buffers and ask for a step.
 *   2. conn_step is the only place that moves a connection on. It goes round until nothing moves.
 *   3. Reading is wanted only in states that may keep bytes: a client that pipelines is held back
 *      by its socket, not by our memory.
 *   4. Descriptors (SCM_RIGHTS) belong to the request whose bytes they came with; what nobody takes
 *      is closed, on the edge's socket always.
 *   5. A buffer that was large is given back when it is empty.
 *
 * As it fails: what is no HTTP is answered once, then the connection ends, since where the next
 * request begins is not known any more (RFC 9112 §9.6 is why it drains before it closes).
 *
 *   state       waits for                 deadline          then
 *   HEAD        a first byte              API_IDLE_NS       closed
 *   HEAD, BODY  the rest                  API_READ_NS       408, closed
 *   WAITING     the handler               none
 *   WRITING     the reader's socket       API_WRITE_NS      closed
 *   STREAMING   its owner, the reader     API_WRITE_NS      closed, only while bytes wait
 *   CLOSING     the reader's socket       API_WRITE_NS      closed
 *   DRAINING    the client's end          API_DRAIN_NS      closed
 */
#include "base/num.h"
#include "face/api_server.h"
#include "os/file.h"
#include "os/sock.h"

/* Smaller than the gateway's: our own clients send short heads, and everything over TCP has passed
 * the edge. */
static const struct http1_limits limits = {
    .line_max = 16 << 10, .header_max = 16 << 10, .head_max = API_HEAD_MAX, .count_max = 100};

enum { KEPT_MAX = 64 << 10 }; /* bytes of a buffer between two uses */

static void conn_step(struct api_conn *conn);

static void arm(struct api_conn *conn, int64_t delay_ns)
{
    loop_timer_after(conn->api->loop, &conn->deadline, delay_ns);
}

/* Those that no request has taken. */
static void drop_fds(struct api_conn *conn)
{
    for (size_t i = 0; i < conn->fd_count; i++) {
        file_close(&conn->fds[i]);
    }
    conn->fd_count = 0;
}

/* What becomes of the exchange: a stream is told and freed; one whose body was still coming is
 * freed, since no handler knows it; one that a handler works on lives on and answers nobody. */
void api_conn_close(struct api_conn *conn)
{
    struct exchange *x = conn->x;

    conn->x = NULL;
    if (x) {
        x->conn = NULL;
        if (x->streaming) {
            x->stream.closed(x);
            exchange_free(x);
        } else if (conn->state == CONN_BODY) {
            exchange_free(x); /* no handler has seen it */
        }
        /* Else a handler still works on it: its answer will go nowhere. */
    }
    loop_fd_remove(conn->api->loop, &conn->watch);
    loop_task_cancel(&conn->step);
    loop_timer_cancel(conn->api->loop, &conn->deadline);
    drop_fds(conn);
    sock_close(&conn->fd);
    list_del(&conn->node);
    conn->api->conn_count--;
    buf_fini(&conn->in);
    buf_fini(&conn->body);
    buf_fini(&conn->out);
    free(conn);
}

/* Deferred, so that a handler that sends ten events makes one write, and is never inside of
 * conn_step when its own connection breaks. */
void api_conn_flush_soon(struct api_conn *conn)
{
    loop_defer(conn->api->loop, &conn->step);
}

/* Reads wanted only where bytes may be kept; write only while some wait. False when it was
 * closed. */
static bool watch_again(struct api_conn *conn)
{
    bool reads = conn->state == CONN_HEAD || conn->state == CONN_BODY ||
                 conn->state == CONN_STREAMING || conn->state == CONN_DRAINING;
    uint32_t events = (reads && !conn->peer_closed ? (uint32_t)LOOP_READ : 0) |
                      (conn->out.len > conn->sent ? (uint32_t)LOOP_WRITE : 0);

    if (loop_fd_set(conn->api->loop, &conn->watch, events) < 0) {
        api_conn_close(conn);
        return false;
    }
    return true;
}

/* Empties it. What a large answer or body needed is not kept for an idle connection: there may be
 * hundreds of them, each of which was given megabytes once. */
static void give_back(struct buf *buf)
{
    size_t max = buf->max;

    if (buf->cap > KEPT_MAX) {
        buf_fini(buf);
        *buf = BUF_INIT(max);
    }
    buf_reset(buf);
}

/* ---- writing ---- */

/* 1 = all is written, 0 = the socket is full, < 0 broken. A reader that takes nothing for
 * API_WRITE_NS is given up. */
static int flush(struct api_conn *conn)
{
    bool progress = false;

    while (conn->sent < conn->out.len) {
        int64_t n =
            sock_send(conn->fd, conn->out.p + conn->sent, conn->out.len - conn->sent, false);
        if (n == -EAGAIN) {
            if (progress || !timer_armed(&conn->deadline)) {
                arm(conn, API_WRITE_NS);
            }
            /* Keep the buffer from growing by what is already gone. */
            if (conn->sent > conn->out.len / 2) {
                buf_consume(&conn->out, conn->sent);
                conn->sent = 0;
            }
            return 0;
        }
        if (n < 0) {
            return (int)n;
        }
        conn->sent += (size_t)n;
        progress = true;
    }
    if (progress && conn->state != CONN_HEAD && conn->state != CONN_BODY) {
        loop_timer_cancel(conn->api->loop, &conn->deadline);
    }
    give_back(&conn->out);
    conn->sent = 0;
    return 1;
}

/* ---- reading ---- */

/* Next request on the same connection. */
static void await_request(struct api_conn *conn)
{
    conn->state = CONN_HEAD;
    conn->close_after = false;
    http1_head_init(&conn->head, &limits);
    give_back(&conn->body);
    drop_fds(conn);
    arm(conn, conn->in.len > 0 ? API_READ_NS : API_IDLE_NS);
}

/* The bytes behind a head that cannot be read may be anything, so none of them is a request. */
static void refuse_head(struct api_conn *conn)
{
    struct exchange *x = exchange_new(conn);

    conn->close_after = true;
    conn->state = CONN_WAITING;
    if (!x) {
        conn->state = CONN_CLOSING;
        return;
    }
    exchange_refuse_early(x, conn->head.error.status, "http.malformed", conn->head.error.reason);
}

/* True when it got on. */
static bool read_head(struct api_conn *conn)
{
    int r;

    if (conn->in.len == 0) {
        return false;
    }
    r = http1_parse_request(&conn->head, conn->in.p, conn->in.len);
    if (r == HTTP1_E_MORE) {
        return false;
    }
    if (r == HTTP1_E_BAD) {
        refuse_head(conn);
        return true;
    }
    http1_body_of(&conn->decoder, &conn->head);
    conn->state = CONN_BODY;
    api_request_begin(conn);
    return true;
}

/* The handler has not seen the exchange: it is answered in its place. */
static void body_failed(struct api_conn *conn, unsigned status, const char *code, const char *what)
{
    conn->state = CONN_WAITING;
    exchange_refuse_early(conn->x, status, code, what);
}

/* True when it got on. */
static bool read_body(struct api_conn *conn)
{
    struct str data = STR_NONE;
    size_t used = 0;
    int r = 0;

    if (!http1_body_done(&conn->decoder)) {
        if (conn->in.len == 0) {
            return false;
        }
        r = http1_body_read(&conn->decoder, buf_str(&conn->in), &used, &data);
        if (r == HTTP1_E_BAD) {
            body_failed(conn, conn->decoder.error.status, "http.malformed",
                        conn->decoder.error.reason);
            return true;
        }
        buf_add(&conn->body, data);
        buf_consume(&conn->in, used);
        if (buf_error(&conn->body)) {
            body_failed(conn, 413, "request.too-large", "the body is too large");
            return true;
        }
    }
    if (!http1_body_done(&conn->decoder)) {
        return used > 0;
    }
    conn->state = CONN_WAITING;
    loop_timer_cancel(conn->api->loop, &conn->deadline);
    api_request_run(conn->x, buf_str(&conn->body));
    return true;
}

/* Closing with bytes of the client unread would reset the connection, and our last words with it.
 * So: no more from us, and the rest of theirs is read into nothing, for a moment. */
static void drain(struct api_conn *conn)
{
    conn->state = CONN_DRAINING;
    if (conn->peer_closed || sock_shutdown_write(conn->fd) < 0) {
        api_conn_close(conn);
        return;
    }
    arm(conn, API_DRAIN_NS);
    watch_again(conn);
}

/* Does all that can be done with what is there. The only place that moves a connection on. */
static void conn_step(struct api_conn *conn)
{
    for (;;) {
        int r = flush(conn);
        bool moved = false;
        if (r < 0) {
            api_conn_close(conn);
            return;
        }
        if (r == 1 &&
            (conn->state == CONN_CLOSING || (conn->state == CONN_WRITING && conn->close_after))) {
            drain(conn);
            return;
        }
        if (r == 1 && conn->state == CONN_WRITING) {
            await_request(conn);
            moved = conn->in.len > 0;
        } else if (conn->state == CONN_HEAD) {
            moved = read_head(conn);
        } else if (conn->state == CONN_BODY) {
            moved = read_body(conn);
        } else if (r == 1 && conn->state == CONN_STREAMING) {
            if (conn->x->stream.drained) {
                conn->x->stream.drained(conn->x);
                moved = conn->out.len > 0;
            }
        }
        if (!moved) {
            break;
        }
    }
    if (conn->peer_closed && (conn->state == CONN_HEAD || conn->state == CONN_BODY)) {
        api_conn_close(conn); /* nothing more will come, and nothing is owed */
        return;
    }
    watch_again(conn);
}

static void on_step(struct loop_task *task)
{
    conn_step(container_of(task, struct api_conn, step));
}

/* Reads once per turn, so that one client that sends without a pause leaves the turn to others.
 * False when the connection was closed. */
static bool receive(struct api_conn *conn)
{
    char bytes[16 << 10];
    int fds[API_FDS_MAX];
    size_t fd_count = API_FDS_MAX;
    int64_t n = sock_recv_fds(conn->fd, bytes, sizeof(bytes), fds, &fd_count);

    for (size_t i = 0; i < fd_count; i++) {
        if (conn->fd_count < API_FDS_MAX && !conn->edge) {
            conn->fds[conn->fd_count++] = fds[i];
        } else {
            file_close(&fds[i]);
        }
    }
    if (n == -EAGAIN) {
        return true;
    }
    if (n < 0 || (n == 0 && conn->state == CONN_STREAMING)) {
        api_conn_close(conn);
        return false;
    }
    if (conn->state == CONN_DRAINING) {
        conn->drained += (size_t)n;
        if (n == 0 || conn->drained > API_DRAIN_MAX) {
            api_conn_close(conn);
            return false;
        }
        return true;
    }
    conn->peer_closed = n == 0;
    if (conn->state == CONN_STREAMING) {
        return true; /* a client has nothing to say inside a stream */
    }
    /* The first byte ends idleness; from here a request has to come whole, however it drips. */
    if (conn->in.len == 0 && n > 0 && conn->state == CONN_HEAD) {
        arm(conn, API_READ_NS);
    }
    buf_add_mem(&conn->in, bytes, (size_t)n);
    if (buf_error(&conn->in)) {
        api_conn_close(conn);
        return false;
    }
    return true;
}

static void on_ready(struct loop_fd *watch, uint32_t events)
{
    struct api_conn *conn = container_of(watch, struct api_conn, watch);

    if (events & LOOP_ERROR) {
        api_conn_close(conn);
        return;
    }
    if ((events & (LOOP_READ | LOOP_HUP)) && (watch->events & LOOP_READ)) {
        if (!receive(conn)) {
            return;
        }
        if (conn->state == CONN_DRAINING) {
            return;
        }
        /* Half closed is not gone: who shuts its side after a request still gets the answer. */
    } else if (events & LOOP_HUP) {
        api_conn_close(conn); /* both directions are gone: nobody would read the answer */
        return;
    }
    conn_step(conn);
}

/* Nothing begun: nobody waits for an answer, so none is sent (an idle connection, or a reader that
 * takes nothing). A request that is half there is told 408. */
static void on_deadline(struct timer *timer, int64_t now_ns)
{
    struct api_conn *conn = container_of(timer, struct api_conn, deadline);
    bool begun = conn->state == CONN_BODY || (conn->state == CONN_HEAD && conn->in.len > 0);

    if (!begun) {
        api_conn_close(conn);
        return;
    }
    conn->head.error = (struct http1_error){408, "the request took too long to arrive"};
    if (conn->state == CONN_BODY) {
        body_failed(conn, 408, "request.timeout", "the request took too long to arrive");
    } else {
        refuse_head(conn);
    }
    conn_step(conn);
}

/* Beyond the bound, or without the peer's uid on the local socket, it is closed at once: a request
 * whose sender is not known could only be refused. */
void api_conn_accept(struct api *api, int fd, bool edge)
{
    struct sock_cred cred = {.uid = (uint32_t)-1};
    struct api_conn *conn = api->conn_count < API_CONNS_MAX ? calloc(1, sizeof(*conn)) : NULL;

    if (!conn || (!edge && sock_peer_cred(fd, &cred) < 0)) {
        free(conn);
        sock_close(&fd);
        return;
    }
    conn->api = api;
    conn->fd = fd;
    conn->edge = edge;
    conn->uid = cred.uid;
    conn->in = BUF_INIT(API_HEAD_MAX + (64 << 10));
    conn->body = BUF_INIT(API_APPLY_MAX);
    conn->out = BUF_INIT(API_OUT_MAX);
    loop_fd_init(&conn->watch, on_ready);
    loop_task_init(&conn->step, on_step);
    timer_init(&conn->deadline, on_deadline);
    list_push_back(&api->conns, &conn->node);
    api->conn_count++;
    await_request(conn);
    if (loop_fd_add(api->loop, &conn->watch, fd, LOOP_READ) < 0) {
        api_conn_close(conn);
    }
}
