/* SPDX-License-Identifier: Apache-2.0
 *
 * The client: connect, write, read head, read body, as one small machine fed by the loop. A
 * connection is kept for the next request; when it turns out to be dead before a byte of the
 * answer came, an idempotent request (RFC 9110 §9.2.2) is sent once more on a fresh one.
 *
 *   1. `finished` is true exactly while no request is under way. A readable idle connection was
 *      closed by the other end.
 *   2. A stream has a connection of its own and ends with it; requests meanwhile need another
 *      client.
 *   3. Descriptors go with the request's first byte and stay the caller's.
 *
 * Fails: nobody listens (-ENOENT, -ECONNREFUSED), the core goes away in between (-ECONNRESET), it
 * hangs (-ETIMEDOUT), it does not speak HTTP (-EPROTO), the answer is too large (-ENOBUFS), a
 * signal came (-EINTR, by client_interrupt).
 *
 *   a kept connection fails before a byte of the answer   GET, HEAD, PUT, DELETE: once more on a new one
 *                                                         POST: -ECONNRESET, since it may have been
 *                                                         done
 *   it fails later, or a new one does                     the error
 */
#include "face/client.h"
#include "base/num.h"
#include "os/chan.h"
#include "os/sock.h"
#include "proto/http1_body.h"
#include "proto/http1_write.h"
#include "proto/sse.h"

enum { RECEIVE_MAX = 64 << 10, EVENT_MAX = 8 << 20 };

static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;

struct client {
    struct loop *loop;
    struct sock_addr addr;
    struct loop_fd watch;
    struct timer deadline;
    int fd; /* -1 = not connected */
    /* the request */
    struct buf out; /* head and body; kept whole until the answer is there, for a second try */
    size_t sent;
    int fds[CLIENT_FDS_MAX]; /* the caller's, until they are sent */
    unsigned fd_count;
    enum http_method method;
    /* the answer */
    struct buf in; /* of the head; then what is not decoded yet */
    struct http1_head head;
    struct http1_body decoder;
    struct buf *body; /* where content goes; NULL while following a stream */
    bool head_done;
    bool finished; /* no request is under way */
    bool used;     /* bytes of this answer came */
    int error;
    /* a stream */
    struct client_stream *opening; /* becomes `stream` when the head says 200 */
    struct client_stream *stream;  /* gets events; NULL: it ended, or is none */
    struct sse_parser sse;         /* holds half an event between two reads */
};

/* Safe again and again: closing what is closed does nothing. */
static void disconnect(struct client *c)
{
    loop_fd_remove(c->loop, &c->watch);
    sock_close(&c->fd);
}

/* The caller may start another request from `ended`: nothing of the old one is touched after it. */
static void finish(struct client *c, int error)
{
    c->finished = true;
    c->error = error;
    if (error < 0 || !c->head.keep_alive || c->stream) {
        disconnect(c);
    }
    if (c->stream) {
        struct client_stream *stream = c->stream;
        c->stream = NULL;
        stream->ended(stream, error);
    }
}

static void on_deadline(struct timer *timer, int64_t now_ns)
{
    finish(container_of(timer, struct client, deadline), -ETIMEDOUT);
}

/* ---- sending ---- */

/* Blocking for one byte only: descriptors cannot be sent in halves. */
static int send_some(struct client *c)
{
    while (c->sent < c->out.len) {
        int64_t n;
        if (c->fd_count > 0) {
            /* Descriptors travel with the first byte. */
            int r = chan_send_blocking(c->fd, c->out.p, 1, c->fds, c->fd_count);
            n = r < 0 ? r : 1;
            c->fd_count = r < 0 ? c->fd_count : 0;
        } else {
            n = sock_send(c->fd, c->out.p + c->sent, c->out.len - c->sent, false);
        }
        if (n < 0) {
            return (int)n;
        }
        c->sent += (size_t)n;
    }
    return 0;
}

/* ---- receiving ---- */

/* Content of a stream; the stream may be ended by its own callback. */
static int feed_stream(struct client *c, struct str data)
{
    while (data.len > 0 && c->stream) {
        struct sse_event event;
        int r = sse_parse(&c->sse, &data, &event);
        if (r < 0) {
            return r;
        }
        if (r == SSE_E_EVENT) {
            struct client_event shown = {.name = event.event.len ? event.event : STR("message"),
                                         .data = event.data,
                                         .id = event.id};
            c->stream->event(c->stream, &shown);
        }
    }
    return 0;
}

/* The answer of a refused stream is an ordinary document; one that was given up goes nowhere. */
static int feed_content(struct client *c, struct str data)
{
    if (c->opening && c->head.status == 200) {
        return feed_stream(c, data); /* nothing once the stream is given up */
    }
    buf_add(c->body, data);
    return buf_error(c->body);
}

/* The decoder may give content several times for one read: chunks lie side by side. */
static int feed_body(struct client *c, struct str in)
{
    for (;;) {
        struct str data = STR_NONE;
        size_t used = 0;
        int r = http1_body_read(&c->decoder, in, &used, &data);
        if (r == HTTP1_E_BAD) {
            return -EPROTO;
        }
        int failed = feed_content(c, data);
        if (failed) {
            return failed;
        }
        in = str_skip(in, used);
        if (r == HTTP1_E_DONE) {
            finish(c, 0);
            return 0;
        }
        if (in.len == 0) {
            return 0;
        }
    }
}

/* The head may come in pieces and bring the first of the body with it. */
static int feed(struct client *c, struct str bytes)
{
    int r;

    c->used = true;
    if (c->head_done) {
        return feed_body(c, bytes);
    }
    buf_add(&c->in, bytes);
    if (buf_error(&c->in)) {
        return buf_error(&c->in);
    }
    r = http1_parse_response(&c->head, c->method, c->in.p, c->in.len);
    if (r == HTTP1_E_MORE) {
        return 0;
    }
    if (r == HTTP1_E_BAD) {
        return -EPROTO;
    }
    c->head_done = true;
    c->stream = c->head.status == 200 ? c->opening : NULL;
    http1_body_of(&c->decoder, &c->head);
    if (http1_body_done(&c->decoder)) {
        finish(c, 0);
        return 0;
    }
    return feed_body(c, str_skip(buf_str(&c->in), c->head.len));
}

/* End of file ends a body without a length (RFC 9112 §6.3), and breaks all others. */
static int receive_some(struct client *c)
{
    char bytes[16 * 1024];

    while (!c->finished) {
        int64_t n = sock_recv(c->fd, bytes, sizeof(bytes));
        if (n == -EAGAIN) {
            return 0;
        }
        if (n < 0) {
            return (int)n;
        }
        if (n == 0) {
            if (c->head_done && http1_body_eof(&c->decoder) == 0) {
                finish(c, 0);
                return 0;
            }
            return -ECONNRESET;
        }
        int r = feed(c, str_make(bytes, (size_t)n));
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Errors of the socket show when it is read: one place for all of them. */
static void on_ready(struct loop_fd *watch, uint32_t events)
{
    struct client *c = container_of(watch, struct client, watch);
    int r = 0;

    if (c->finished) {
        disconnect(c); /* the other end closed an idle connection */
        return;
    }
    if (c->sent < c->out.len) {
        r = send_some(c);
        if (r == -EAGAIN) {
            return;
        }
        if (r == 0) {
            r = loop_fd_set(c->loop, watch, LOOP_READ);
        }
    }
    if (r == 0 && (events & (LOOP_READ | LOOP_HUP | LOOP_ERROR))) {
        r = receive_some(c);
    }
    if (r < 0) {
        finish(c, r);
    }
}

/* ---- requests ---- */

static int connect_now(struct client *c)
{
    int r = sock_connect(&c->addr, &c->fd);

    if (r < 0) {
        c->fd = -1;
        return r;
    }
    return loop_fd_add(c->loop, &c->watch, c->fd, LOOP_READ | LOOP_WRITE);
}

/* Host is required and says nothing on a unix socket; the server asks none here (api_access.c). */
static int write_request(struct client *c, const struct client_request *request)
{
    char memory[16 * 1024];
    struct http1_writer w = http1_writer_make(memory, sizeof(memory));

    http1_write_request_line(&w, str_from(request->method), str_from(request->target));
    http1_write_header(&w, STR("Host"), STR("localhost"));
    http1_write_header(&w, STR("User-Agent"), STR("muelle/" MUELLE_VERSION));
    http1_write_header(&w, STR("Accept"),
                       str_from(request->accept ? request->accept : "application/json"));
    if (request->last_id && request->last_id[0]) {
        http1_write_header(&w, STR("Last-Event-ID"), str_from(request->last_id));
    }
    if (request->body.len > 0) {
        http1_write_header(&w, STR("Content-Type"), STR("application/json"));
        http1_write_framing(&w, HTTP1_BODY_LENGTH, request->body.len);
    } else if (!str_is(STR("GET"), request->method)) {
        http1_write_header(&w, STR("Content-Length"), STR("0"));
    }
    http1_write_end(&w);
    if (w.full) {
        return -ENOBUFS;
    }
    buf_reset(&c->out);
    buf_add_mem(&c->out, w.p, w.len);
    buf_add(&c->out, request->body);
    return buf_error(&c->out);
}

/* Nothing of the last answer may be seen in this one: all is set anew. */
static int start(struct client *c, const struct client_request *request)
{
    int r;

    c->sent = 0;
    c->finished = c->head_done = c->used = false;
    c->error = 0;
    buf_reset(&c->in);
    http1_head_init(&c->head, &limits);
    c->fd_count = request->fd_count;
    for (unsigned i = 0; i < request->fd_count; i++) {
        c->fds[i] = request->fds[i];
    }
    if (c->fd < 0) {
        r = connect_now(c);
    } else {
        r = loop_fd_set(c->loop, &c->watch, LOOP_READ | LOOP_WRITE);
    }
    return r;
}

/* The loop's own clock may be old: nobody turned it while the caller computed. */
static int wait_finished(struct client *c, int64_t timeout_ns)
{
    timeout_ns = timeout_ns ? timeout_ns : 30 * NS_PER_S;
    if (timeout_ns != CLIENT_NO_TIMEOUT) {
        loop_update_now(c->loop);
        loop_timer_after(c->loop, &c->deadline, timeout_ns);
    }
    while (!c->finished && !c->stream) {
        int r = loop_turn(c->loop, -1);
        if (r < 0) {
            finish(c, r);
        }
    }
    loop_timer_cancel(c->loop, &c->deadline);
    return c->error;
}

static int exchange(struct client *c, const struct client_request *request)
{
    bool reused = c->fd >= 0;
    int r = write_request(c, request);

    r = r ? r : start(c, request);
    if (r < 0) {
        disconnect(c);
        return r;
    }
    r = wait_finished(c, request->timeout_ns);
    if (r == 0 || r == -EINTR || !reused || c->used || !http_method_idempotent(c->method)) {
        return r;
    }
    /* The kept connection was dead: nothing of this request was answered, so ask anew. */
    r = start(c, request);
    return r < 0 ? r : wait_finished(c, request->timeout_ns);
}

/* A core that starts or stops refuses before it looks at anything, which is no answer. */
static int take_answer(const struct client *client, struct client_answer *ret)
{
    ret->status = client->head.status;
    if (ret->body.len > 0 && jdoc_parse(&ret->arena, buf_str(&ret->body), &ret->doc, NULL) < 0) {
        ret->doc = NULL; /* text: the caller looks at body */
    }
    if (ret->status == 503 && str_eq(jdoc_str(ret->doc, "code"), STR("core.starting"))) {
        client_answer_fini(ret);
        return -EAGAIN;
    }
    return 0;
}

int client_call(struct client *client, const struct client_request *request,
                struct client_answer *ret)
{
    int r;

    *ret = (struct client_answer){.body = BUF_INIT(CLIENT_BODY_MAX),
                                  .arena = ARENA_INIT(CLIENT_BODY_MAX)};
    client->body = &ret->body;
    client->method = http_method_find(str_from(request->method));
    client->opening = NULL;
    r = exchange(client, request);
    if (r < 0) {
        client_answer_fini(ret);
        return r;
    }
    return take_answer(client, ret);
}

int client_follow_get(struct client *client, const char *target, const char *last_id,
                      struct client_stream *stream, struct client_answer *ret)
{
    return client_follow(
        client,
        &(struct client_request){
            .method = "GET", .target = target, .accept = "text/event-stream", .last_id = last_id},
        stream, ret);
}

int client_follow(struct client *client, const struct client_request *request,
                  struct client_stream *stream, struct client_answer *ret)
{
    int r;

    *ret = (struct client_answer){.body = BUF_INIT(CLIENT_BODY_MAX),
                                  .arena = ARENA_INIT(CLIENT_BODY_MAX)};
    client->body = &ret->body;
    client->method = http_method_find(str_from(request->method));
    sse_parser_fini(&client->sse);
    sse_parser_init(&client->sse, EVENT_MAX);
    disconnect(client); /* a stream gets a connection of its own, so that nothing is sent twice */
    client->opening = stream;
    r = exchange(client, request);
    if (r < 0) {
        client_answer_fini(ret);
        return r;
    }
    if (client->head.status == 200) {
        return 0;
    }
    if (!client->finished) {
        r = wait_finished(client, 0);
    }
    disconnect(client);
    r = r < 0 ? r : take_answer(client, ret);
    return r < 0 ? r : CLIENT_E_STATUS;
}

/* A stream is no call: who follows one leaves his own loop. */
void client_interrupt(struct client *client)
{
    if (client && !client->finished && !client->stream) {
        finish(client, -EINTR);
    }
}

int client_new(struct loop *loop, const char *socket_path, struct client **ret)
{
    struct client *c = calloc(1, sizeof(*c));

    if (!c) {
        return -ENOMEM;
    }
    c->loop = loop;
    c->fd = -1;
    c->finished = true;
    c->addr.family = SOCK_ADDR_UNIX;
    if (!str_copy(c->addr.path, sizeof(c->addr.path), str_from(socket_path))) {
        free(c);
        return -ENAMETOOLONG;
    }
    c->out = BUF_INIT(CLIENT_BODY_MAX);
    c->in = BUF_INIT(RECEIVE_MAX);
    loop_fd_init(&c->watch, on_ready);
    timer_init(&c->deadline, on_deadline);
    sse_parser_init(&c->sse, EVENT_MAX);
    *ret = c;
    return 0;
}

void client_free(struct client *client)
{
    if (client) {
        client->stream = NULL;
        loop_timer_cancel(client->loop, &client->deadline);
        disconnect(client);
        buf_fini(&client->out);
        buf_fini(&client->in);
        sse_parser_fini(&client->sse);
        free(client);
    }
}

void client_answer_fini(struct client_answer *answer)
{
    buf_fini(&answer->body);
    arena_fini(&answer->arena);
    *answer = (struct client_answer){0};
}
