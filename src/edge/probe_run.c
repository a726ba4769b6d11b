/* SPDX-License-Identifier: Apache-2.0
 *
 * One run of a probe: connect, ask, read as much of the answer as says how it is.
 *
 * As it goes: HTTP: connect and send in one turn, read; 2xx or 3xx is well, and the first bytes of
 * the body are kept for people. gRPC: one call of the health service, in words. TCP: that it
 * connects is enough. As it fails: no connection, no valid HTTP within ANSWER_MAX bytes, or the
 * patience of the timer: each is an error with a number.
 */
#include "base/num.h"
#include "edge/announce.h"
#include "edge/connect.h"
#include "edge/probe_call.h"
#include "edge/probe_private.h"
#include "proto/http1_body.h"
#include "proto/http1_write.h"

#include <stdlib.h>

enum { ANSWER_MAX = 4096 };

static struct str host_of(const struct endpoint *endpoint)
{
    struct str given = probe_spec(endpoint)->host;
    struct str host = given.len ? given : str_from(endpoint->address_text);
    return !given.len && str_starts(host, STR("unix:")) ? STR("localhost") : host;
}

/* The request as one piece in `w`. */
static void write_request(struct http1_writer *w, const struct endpoint *endpoint)
{
    const struct snapshot_probe *spec = probe_spec(endpoint);
    struct str host = host_of(endpoint);
    http1_write_raw(w, STR("GET "));
    http1_write_raw(w, spec->path.len ? spec->path : STR("/"));
    http1_write_raw(w, STR(" HTTP/1.1\r\nHost: "));
    http1_write_raw(w, host);
    http1_write_raw(
        w, STR("\r\nUser-Agent: muelle-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"));
}

/* As sock_send and sock_recv, with or without TLS. */
static int64_t put_bytes(struct probe *probe, struct str bytes)
{
    if (!probe->secure) {
        return sock_send(probe->fd, bytes.p, bytes.len, false);
    }
    int r = conn_send(&probe->conn, &bytes, 1);
    return r < 0 ? r : (int64_t)bytes.len;
}

static int64_t get_bytes(struct probe *probe, char *p, size_t len)
{
    if (!probe->secure) {
        return sock_recv(probe->fd, p, len);
    }
    int64_t n = conn_recv(&probe->conn, p, len);
    return n == 0 && !probe->conn.eof ? -EAGAIN : n;
}

/* That nobody but we ourselves connects; below TLS it went ahead (begin_secure). */
static void announce(const struct probe *probe, const struct endpoint *endpoint,
                     struct http1_writer *w)
{
    char memory[ANNOUNCE_MAX];
    if (!probe->secure) {
        http1_write_raw(w, announce_write(endpoint->service, NULL, memory));
    }
}

/* 0, -EAGAIN (not connected yet), or -errno. */
static int send_request(struct probe *probe, const struct endpoint *endpoint)
{
    char memory[1024 + SNAPSHOT_TEXT_MAX];
    struct http1_writer w = http1_writer_make(memory, sizeof(memory));
    announce(probe, endpoint, &w);
    write_request(&w, endpoint);
    int64_t n = w.full ? -EMSGSIZE : put_bytes(probe, str_make(w.p, w.len));
    if (n == (int64_t)w.len) {
        probe->sent = true;
        return 0;
    }
    return n < 0 ? (int)n : -EIO;
}

/* The head is whole: what of the body is there already is enough, unless none is and some is to
 * come. */
static void judge(struct probe *probe, const struct http1_head *head, bool ended)
{
    struct http1_body body;
    struct str piece = STR_NONE;
    size_t used;
    http1_body_of(&body, head);
    struct str rest = str_make(probe->answer + head->len, probe->answer_len - head->len);
    if (head->framing != HTTP1_BODY_NONE && rest.len > 0) {
        (void)!http1_body_read(&body, rest, &used, &piece);
    }
    if (piece.len == 0 && head->framing != HTTP1_BODY_NONE && !ended) {
        return; /* one more read */
    }
    bool well = head->status >= 200 && head->status < 400;
    probe_finish(probe, &(struct probe_result){well ? 0 : EPROTO, head->status, piece});
}

static void read_answer(struct probe *probe)
{
    static const struct http1_limits limits = {
        .line_max = 1024, .header_max = ANSWER_MAX, .head_max = ANSWER_MAX, .count_max = 100};
    struct http1_head *head = &probe->owner->worker->response;
    int64_t n = get_bytes(probe, probe->answer + probe->answer_len, ANSWER_MAX - probe->answer_len);
    if (n == -EAGAIN) {
        return;
    }
    if (n < 0) {
        probe_fail(probe, (int)n);
        return;
    }
    probe->answer_len += (size_t)n;
    bool ended = n == 0 || probe->answer_len == ANSWER_MAX;
    http1_head_init(head, &limits);
    int r = http1_parse_response(head, HTTP_GET, probe->answer, probe->answer_len);
    if (r == 0) {
        judge(probe, head, ended);
    } else if (r == HTTP1_E_BAD || ended) {
        probe_fail(probe, n == 0 && probe->answer_len == 0 ? ECONNRESET : EBADMSG);
    }
}

/* The announcement by itself. 0 or -errno. */
static int send_alone(struct probe *probe, const struct endpoint *endpoint)
{
    char memory[ANNOUNCE_MAX];
    struct http1_writer w = http1_writer_make(memory, sizeof(memory));
    announce(probe, endpoint, &w);
    int64_t n = w.len ? put_bytes(probe, str_make(w.p, w.len)) : 0;
    return n == (int64_t)w.len ? 0 : n < 0 ? (int)n : -EIO;
}

/* --- gRPC --- */

/* All that the call has to say. 0 or -errno. */
static int send_frames(struct probe *probe)
{
    struct str bytes;
    while ((bytes = probe_call_output(probe->call)).len > 0) {
        int64_t n = put_bytes(probe, bytes);
        if (n != (int64_t)bytes.len) {
            return n < 0 ? (int)n : -EIO;
        }
    }
    return 0;
}

static int send_call(struct probe *probe, const struct endpoint *endpoint)
{
    probe->call = probe_call_new(probe_spec(endpoint)->path, host_of(endpoint), probe->secure);
    int r = probe->call ? send_alone(probe, endpoint) : -ENOMEM;
    r = r < 0 ? r : send_frames(probe);
    probe->sent = r == 0;
    return r;
}

static void read_call(struct probe *probe)
{
    int64_t n = get_bytes(probe, probe->answer, ANSWER_MAX);
    if (n == -EAGAIN) {
        return;
    }
    if (n <= 0) {
        probe_fail(probe, n == 0 ? ECONNRESET : (int)n);
        return;
    }
    int r = probe_call_input(probe->call, str_make(probe->answer, (size_t)n));
    if (r == 0) {
        r = send_frames(probe);
    }
    if (r < 0) {
        probe_fail(probe, r);
    } else if (r == PROBE_CALL_E_DONE) {
        struct str what;
        int error = probe_call_result(probe->call, &what);
        probe_finish(probe, &(struct probe_result){error, 0, what});
    }
}

/* The way is free, or `r` says why not. */
static void connected(struct probe *probe, const struct endpoint *endpoint, int r)
{
    if (r < 0) {
        probe_fail(probe, r);
    } else if (probe_spec(endpoint)->kind == SNAPSHOT_PROBE_TCP) {
        r = send_alone(probe, endpoint);
        probe_finish(probe, &(struct probe_result){-r, 0, STR_NONE});
    } else {
        bool call = probe_spec(endpoint)->kind == SNAPSHOT_PROBE_GRPC;
        r = (call ? send_call : send_request)(probe, endpoint);
        if (r == 0 && !probe->secure) {
            r = loop_fd_set(&probe->owner->worker->loop, &probe->watch, LOOP_READ);
        }
        if (r < 0) {
            probe_fail(probe, r);
        }
    }
}

static void ready(struct loop_fd *watch, uint32_t events)
{
    struct probe *probe = container_of(watch, struct probe, watch);
    const struct endpoint *endpoint = probe_endpoint(probe);
    (void)events;
    if (!endpoint) {
        probe_hang_up(probe);
    } else if (probe->sent) {
        (probe->call ? read_call : read_answer)(probe);
    } else {
        connected(probe, endpoint, sock_error(probe->fd));
    }
}

/* With TLS: the handshake comes between, and what was told once is told no more
 * (edge-triggered). */
static void ready_secure(struct loop_fd *watch, uint32_t events)
{
    struct probe *probe = container_of(watch, struct probe, conn.watch);
    const struct endpoint *endpoint = probe_endpoint(probe);
    struct conn *conn = &probe->conn;
    conn_note(conn, events);
    if (!endpoint) {
        probe_hang_up(probe);
        return;
    }
    if (!probe->sent) {
        int r = conn->writable || conn->failed ? sock_error(conn->watch.fd) : CONNECT_E_WAIT;
        r = r == 0 && conn->out ? conn_socket_flush(conn) : r;
        r = r == 0 ? connect_step(conn) : r;
        if (r == CONNECT_E_WAIT) {
            return;
        }
        connected(probe, endpoint, r);
    }
    while (probe->secure && probe->sent && conn->readable) {
        (probe->call ? read_call : read_answer)(probe);
    }
}

static int begin_secure(struct probe *probe)
{
    probe->conn = (struct conn){0};
    struct endpoint *endpoint = probe_endpoint(probe);
    int r = connect_open(endpoint, &probe->conn, ready_secure);
    if (r == 0 && announce_begin(endpoint->service, NULL, &probe->conn, NULL) < 0) {
        conn_close(&probe->conn);
        r = -ENOMEM;
    }
    probe->secure = r == 0;
    probe->fd = r == 0 ? probe->conn.watch.fd : -1;
    return r;
}

/* A local connection is there as soon as it was asked for: an HTTP probe then saves a turn of the
 * loop. */
static int begin(struct probe *probe, const struct endpoint *endpoint)
{
    struct worker *worker = probe->owner->worker;
    if (endpoint->service->spec.tls.on) {
        return begin_secure(probe);
    }
    loop_fd_init(&probe->watch, ready);
    int r = sock_connect(&endpoint->address, &probe->fd);
    if (r < 0) {
        return r;
    }
    if (probe_spec(endpoint)->kind == SNAPSHOT_PROBE_HTTP) {
        r = send_request(probe, endpoint);
        if (r < 0 && r != -EAGAIN && r != -ENOTCONN) {
            return r;
        }
    }
    return loop_fd_add(&worker->loop, &probe->watch, probe->fd,
                       probe->sent ? LOOP_READ : LOOP_WRITE);
}

void probe_run(struct probe *probe, const struct endpoint *endpoint)
{
    struct worker *worker = probe->owner->worker;
    probe->run_ns = worker->loop.now_ns;
    probe->sent = false;
    probe->answer_len = 0;
    probe->answer = malloc(ANSWER_MAX);
    int r = probe->answer ? begin(probe, endpoint) : -ENOMEM;
    if (r < 0) {
        probe_fail(probe, r);
        return;
    }
    loop_timer_after(&worker->loop, &probe->timer, probe_spec(endpoint)->timeout_ms * NS_PER_MS);
}
