/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's connection from accept to its end: requests one after the other, and idleness.
 *
 * 1. At most one stream at a time; client_run makes and ends them in a loop, never by recursion.
 * 2. Whatever happens (bytes, a deadline, an upstream, a filter that resumes) ends in client_run.
 *
 * As it goes: client_open → idle → bytes: begin, a stream, `clients` → stream_end: client_next →
 * idle. As it fails: the deadline (stream_timeout, else the end), the peer (stream_abort), memory
 * (refused).
 */
#include "edge/client_run.h"

#include "base/num.h"
#include "edge/admit.h"
#include "edge/conn_tls.h"
#include "edge/stream_private.h"
#include "edge/worker.h"

#include <stdlib.h>

enum {
    LINGER_KIB_MAX = 1 << 10,
    LINGER_UPLOAD_KIB_MAX = 64 << 10,
    LINGER_KIB_TURN = 1 << 10,
    DRAIN_MS = 500,    /* for the first request of a connection when the edge stops */
    REQUESTS_MAX = 64, /* of one client in a row */
    EVICT_MS = 250,    /* who came later than that may be about to ask */
    EVICT_SCAN = 256,
};

/* What came is thrown away; the others have their turn in between. */
static void linger(struct client *client)
{
    struct worker *worker = client->conn.worker;
    struct conn *conn = &client->conn;
    uint32_t most = client->latest_ns ? LINGER_UPLOAD_KIB_MAX : LINGER_KIB_MAX;
    uint32_t before = client->requests;
    while (conn->readable && !conn->eof && client->requests < most &&
           client->requests - before < LINGER_KIB_TURN) {
        int64_t n = conn_recv(conn, worker->in, WORKER_IN_SIZE);
        if (n < 0) {
            break;
        }
        client->requests += (uint32_t)(n / 1024 + 1);
    }
    if (conn->eof || conn->failed || client->requests >= most) {
        client_close(client);
        return;
    }
    if (client->requests > before) {
        client_linger_on(client);
    }
    if (conn->readable) {
        loop_defer(&worker->loop, &client->again);
    }
}

/* --- HTTP/2 with prior knowledge (RFC 9113 §3.3) --- */

enum preface { PREFACE_NONE, PREFACE_PART, PREFACE_WHOLE };

static enum preface preface_of(const struct block *in)
{
    static const char text[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t len = MIN((size_t)in->len, sizeof(text) - 1);
    if (memcmp(in->data, text, len) != 0) {
        return PREFACE_NONE;
    }
    return len == sizeof(text) - 1 ? PREFACE_WHOLE : PREFACE_PART;
}

/* The first bytes of a connection. True: they are HTTP/1. */
static bool is_http1(struct client *client)
{
    struct worker *worker = client->conn.worker;
    enum preface preface = preface_of(client->in);
    while (preface == PREFACE_PART && client->conn.readable) {
        struct block *in = client->in;
        int64_t n = conn_recv(&client->conn, in->data + in->len, in->cap - in->len);
        if (n < 0 || client->conn.eof) {
            client_close(client);
            return false;
        }
        in->len += (uint32_t)n;
        preface = preface_of(in);
    }
    if (preface == PREFACE_WHOLE && worker->h2_start(client) < 0) {
        counters_add(&worker->stats->refused, 1);
        client_close(client);
    }
    return preface == PREFACE_NONE;
}

/* The handshake is done as soon as there is a byte. A certificate that was shown is kept for the
 * connection's requests. */
static void know(struct client *client)
{
    client->known = true;
    client->identity = conn_tls_identity(&client->conn);
    client->layers = conn_tls_layers(&client->conn);
    if (client->identity) {
        client->layers |= RING_TLS_CERTIFICATE;
    }
}

/* A new request: its first bytes are here, or about to be read. False: nothing came, or memory is
 * out. */
static bool begin_http(struct client *client)
{
    struct worker *worker = client->conn.worker;
    if (!client->in) {
        client->in = block_get(&worker->blocks, BLOCK_HEAD);
    }
    if (!client->in) {
        counters_add(&worker->stats->refused, 1);
        client_close(client);
        return false;
    }
    if (client->in->len == 0) {
        int64_t n = conn_recv(&client->conn, client->in->data, client->in->cap);
        if (n <= 0) {
            block_put(&worker->blocks, client->in);
            client->in = NULL;
            if (n < 0 || client->conn.eof) {
                client_close(client);
            }
            return false;
        }
        client->in->len = (uint32_t)n;
    }
    if (unlikely(client->secure && !client->known)) {
        know(client);
    }
    bool first = client->requests == 0 && client->in->data[0] == 'P';
    return likely(!first) || is_http1(client);
}

static bool begin_tcp(struct client *client, struct stream *stream)
{
    struct worker *worker = client->conn.worker;
    stream->tcp = true;
    stream->flags |= RING_FLAG_TCP;
    stream->up_done = true;
    stream->service = map_get(&worker->set.services, str_make((const char *)&client->service, 8));
    if (!stream->service) {
        stream_end(stream);
        return false;
    }
    service_ref(stream->service);
    stream_carry(stream, STREAM_AS_TUNNEL);
    stream_move(stream, STREAM_PICK);
    return true;
}

static bool begin(struct client *client)
{
    struct worker *worker = client->conn.worker;
    if (client->kind != SNAPSHOT_TCP && !begin_http(client)) {
        return false;
    }
    struct stream *stream = stream_new(client);
    if (!stream) {
        counters_add(&worker->stats->refused, 1);
        client_close(client);
        return false;
    }
    list_del(&client->node);
    list_push_back(&worker->clients, &client->node);
    client->requests++;
    if (client->kind == SNAPSHOT_SNI) {
        stream_move(stream, STREAM_HELLO);
    }
    return client->kind != SNAPSHOT_TCP || begin_tcp(client, stream);
}

/* Between two requests: what the client did not take at a turn's end comes before the next answer;
 * where it is lost, nothing does. */
static bool caught_up(struct client *client)
{
    struct conn *conn = &client->conn;
    if (conn->ops) {
        return true;
    }
    if (conn->failed || conn_flush(conn) < 0) {
        conn_abort(conn);
        client_close(client);
        return false;
    }
    return !conn->out;
}

/* What it was answered, and it asks nothing now. */
static void took_all(struct client *client)
{
    if (client->conn.worker->stopping && !client->conn.ops && !client->closed) {
        client_leave(client);
    }
}

/* Streams end and begin here, one after the other, without recursion. Who has more than a turn's
 * share of requests ready (pages need no waiting) gives way to others. */
void client_run(struct client *client)
{
    if (unlikely(client->codec != NULL)) {
        client->codec->run(client);
        return;
    }
    for (unsigned requests = 0; !client->closed; requests++) {
        if (unlikely(requests == REQUESTS_MAX)) {
            loop_defer(&client->conn.worker->loop, &client->again);
            return;
        }
        if (unlikely(client->lingering | client->announced)) {
            if (client->lingering) {
                linger(client);
                return;
            }
            if (!admit_announced(client)) {
                return;
            }
        }
        if (!client->stream) {
            bool fresh_tcp = client->kind == SNAPSHOT_TCP && client->requests == 0;
            bool waited = client->conn.out != NULL || client->conn.failed;
            if (unlikely(waited) && !caught_up(client)) {
                return;
            }
            bool input = client->conn.readable || (client->in && client->in->len > 0);
            if (!(fresh_tcp || input) || !begin(client)) {
                if (unlikely(waited)) {
                    took_all(client);
                }
                return;
            }
        }
        stream_run(client->stream);
        if (client->stream) {
            return;
        }
    }
}

/* Since when it has been idle. */
static int64_t idle_since(const struct client *client)
{
    const struct snapshot_gateway *gateway = &client->conn.worker->gateway;
    int64_t ms = client->requests ? gateway->keepalive_ms : gateway->head_ms;
    return client->deadline_ns - ms * NS_PER_MS;
}

/* The one that has been at its head for longest, of those that began first. */
static struct client *slowest_head(const struct worker *worker, int64_t before_ns)
{
    unsigned looked_at = 0;
    list_for_each (node, &worker->clients) {
        struct client *client = list_entry(node, struct client, node);
        if (client->stream && client->stream->state == STREAM_HEAD &&
            client->stream->start_ns <= before_ns) {
            return client;
        }
        if (++looked_at == EVICT_SCAN) {
            return NULL;
        }
    }
    return NULL;
}

bool client_evict(struct worker *worker)
{
    int64_t before_ns = worker->loop.now_ns - EVICT_MS * NS_PER_MS;
    struct client *client = NULL;
    if (!list_empty(&worker->lingering)) { /* it has its answer */
        client = list_entry(worker->lingering.next, struct client, node);
    } else if (!list_empty(&worker->idle)) {
        client = list_entry(worker->idle.next, struct client, node);
    }
    if (!client || (!client->lingering && idle_since(client) > before_ns)) {
        client = slowest_head(worker, before_ns);
    }
    if (client && client->stream) {
        stream_abort(client->stream);
    }
    if (client) {
        counters_add(&worker->stats->limit_connections, 1);
        conn_tls_spare(&client->conn);
        client_close(client);
    }
    return client != NULL;
}

void client_drain(struct client *client)
{
    client->conn.readable = true; /* perhaps, since the loop last looked */
    client_run(client);
    if (client->codec) {
        client->codec->drain(client);
        return;
    }
    if (client->closed || client->stream) {
        return;
    }
    if (client->lingering) {
        client->latest_ns = client->conn.worker->loop.now_ns + DRAIN_MS * NS_PER_MS;
        client_deadline(client, client->latest_ns);
    } else if (client->requests > 0 || !client_ends(client)) {
        client_leave(client);
    } else {
        client_deadline(client, client->conn.worker->loop.now_ns + DRAIN_MS * NS_PER_MS);
    }
}

static void ready(struct loop_fd *watch, uint32_t events)
{
    struct client *client = container_of(watch, struct client, conn.watch);
    conn_note(&client->conn, events);
    client_run(client);
}

static void run_again(struct loop_task *task)
{
    client_run(container_of(task, struct client, again));
}

static void timer_fired(struct timer *timer, int64_t now_ns)
{
    struct client *client = container_of(timer, struct client, timer);
    if (now_ns < client->deadline_ns) {
        loop_timer_set(&client->conn.worker->loop, timer, client->deadline_ns);
    } else if (client->stream) {
        stream_timeout(client->stream);
        client_run(client);
    } else if (client->codec) {
        client->codec->expire(client);
    } else {
        if (client->requests == 0 && !client->lingering) { /* it never asked, or shook hands */
            counters_add(&client->conn.worker->stats->timeouts, 1);
        }
        client_close(client);
    }
}

/* Without memory for a long one it is not known, and the request goes on. */
static void set_text(struct client *client, struct str text)
{
    client_forget_text(client);
    if (text.len > CLIENT_NEAR) {
        client->text.far = malloc(text.len);
        if (!client->text.far) {
            text = STR("unknown");
        }
    }
    memcpy(text.len > CLIENT_NEAR ? client->text.far : client->text.near, text.p, text.len);
    client->text_len = (uint8_t)text.len;
}

void client_set_address(struct client *client, const struct sock_addr *peer)
{
    char space[CLIENT_TEXT_MAX];
    struct buf text = {.p = space, .cap = CLIENT_TEXT_MAX, .max = CLIENT_TEXT_MAX};
    struct ip ip = {0};
    if (peer->family == SOCK_ADDR_IP4 || peer->family == SOCK_ADDR_IP6) {
        ip = ip_make(peer->family == SOCK_ADDR_IP4 ? 4 : 6, peer->ip);
        ip_format(&text, &ip);
    } else {
        buf_add(&text, STR("unknown"));
    }
    client->port = peer->port;
    client->family = ip.family;
    memcpy(client->ip, ip.bytes, sizeof(client->ip));
    set_text(client, buf_str(&text));
}

static void init(struct client *client)
{
    timer_init(&client->timer, timer_fired);
    loop_task_init(&client->again, run_again);
}

void client_open_lane(struct client *client, const struct client *parent)
{
    init(client);
    list_init(&client->node);
    client->kind = parent->kind;
    client->service = parent->service;
    client->family = parent->family;
    client->trusted = parent->trusted;
    client->layers = (uint8_t)(parent->layers | RING_HTTP2);
    client->port = parent->port;
    memcpy(client->ip, parent->ip, sizeof(client->ip));
    client->secure = parent->secure;
    client->known = parent->known;
    client->identity = parent->identity;
    client->redirect_port = parent->redirect_port;
    client->text_len = parent->text_len;
    client->text = parent->text;
}

static struct client *make(struct worker *worker, int fd, const struct sock_addr *peer,
                           struct client_source source)
{
    struct client *client = calloc(1, sizeof(*client));
    int r = client ? conn_open(&client->conn, worker, fd, ready) : -ENOMEM;
    if (r == 0 && source.tls) {
        r = conn_tls_accept(&client->conn, source.listener);
        if (r < 0) {
            loop_fd_remove(&worker->loop, &client->conn.watch);
        }
    }
    if (r < 0) {
        sock_close(&fd);
        free(client);
        return NULL;
    }
    client->kind = source.kind;
    client->service = source.service;
    client->secure = source.tls;
    client->redirect_port = source.redirect_port;
    client->announced = source.proxy_protocol;
    client_set_address(client, peer);
    return client;
}

static void enlist(struct client *client)
{
    struct worker *worker = client->conn.worker;
    init(client);
    list_push_back(&worker->idle, &client->node);
    worker->client_count++;
    counters_add(&worker->stats->connections, 1);
}

struct client *client_adopt(struct worker *worker, int fd, const struct sock_addr *peer,
                            struct client_source source)
{
    struct client *client = make(worker, fd, peer, source);
    if (client) {
        (void)!admit_address(client); /* it was let in already: counted where there is room */
        enlist(client);
    }
    return client;
}

int client_open(struct worker *worker, int fd, const struct sock_addr *peer,
                struct client_source source)
{
    struct client *client = make(worker, fd, peer, source);
    if (!client) {
        return -ENOMEM;
    }
    if (!client->announced && !admit_address(client)) {
        conn_close(&client->conn);
        client_forget_text(client);
        free(client);
        return -EUSERS;
    }
    enlist(client);
    counters_add(&worker->stats->accepted, 1);
    if (source.kind == SNAPSHOT_TCP && !client->announced) {
        client_run(client);
    } else if (worker->stopping) { /* it was given to us just before */
        client_drain(client);
    } else {
        /* A connection that says nothing is worth less than one that has asked. */
        client_deadline(client, worker->loop.now_ns + worker->gateway.head_ms * NS_PER_MS);
    }
    return 0;
}
