/* SPDX-License-Identifier: Apache-2.0
 *
 * The layer between a connection and its socket that speaks TLS.
 *
 * Receiving: ciphertext comes into the worker's one hot buffer, at most as much as there is room
 * for plaintext, and becomes plaintext where the caller wants it. Sending: records are written one
 * behind the other into the worker's other hot buffer, so that a head and its body leave in one
 * send; what the kernel does not take waits as ciphertext in conn->out, as it does without TLS.
 *
 * 1. The hot buffers hold nothing between two calls. What does not fit (the rest of what came with
 *    a record that was begun earlier) waits in `rest`, which is looked at first.
 * 2. `readable` is also true while something is left that a recv would give without the socket.
 * 3. An end without close_notify is a failure, not an end: what came may have been cut short.
 *
 * 4. A server's session begins when the client's first message is whole; until then it lies in the
 *    socket: who does not go on costs a hundredth of a session.
 *
 * As it fails: the alert is sent as far as the kernel takes it, `failed` is set, the owner closes.
 */
#include "edge/conn_tls.h"

#include "base/num.h"
#include "edge/config.h"
#include "edge/worker.h"
#include "link/ring_record.h"
#include "os/sock.h"
#include "tls/store.h"

#include <stdlib.h>

enum {
    IN_MIN = 4096,
    IN_SPARE = 1024, /* for what a record begun earlier brings besides */
    JOIN_MAX = TLS_RECORD_MAX,
    IDENTITY_MAX = 8192, /* of a request's head */
    OUT_SIZE = BLOCK_LARGE_SIZE + TLS_WIRE_SPARE + 16 * TLS_RECORD_EXTRA,
};

struct tls_shared {
    struct tls_store *store;
    char in[WORKER_IN_SIZE];
    char join[JOIN_MAX]; /* small parts that become one record */
    char out[OUT_SIZE];
};

static struct conn_tls *layer_of(const struct conn *conn)
{
    return conn->layer;
}

static struct tls_wire wire_of(const struct conn *conn)
{
    struct tls_shared *shared = conn->worker->tls;
    return (struct tls_wire){.out = shared->out, .out_cap = sizeof(shared->out)};
}

/* What the session made goes to the socket. */
static int send_made(struct conn *conn, struct tls_wire *wire)
{
    struct str made = str_make(wire->out, wire->out_len);
    wire->out_len = 0;
    return made.len ? conn_socket_send(conn, &made, 1) : 0;
}

/* --- receiving --- */

/* Keeps what the session did not take. */
static int keep_rest(struct conn *conn, struct str rest)
{
    struct conn_tls *tls = conn->layer;
    struct block *before = tls->rest;
    if (before && rest.len > 0) {
        before->at = before->len - (uint32_t)rest.len; /* it lies there */
        return 0;
    }
    tls->rest = NULL;
    if (rest.len > 0) {
        enum block_class class = rest.len <= BLOCK_HEAD_SIZE ? BLOCK_HEAD : BLOCK_LARGE;
        tls->rest = block_get(&conn->worker->blocks, class);
        if (!tls->rest) {
            return -ENOMEM;
        }
        memcpy(tls->rest->data, rest.p, rest.len);
        tls->rest->len = (uint32_t)rest.len;
    }
    block_put(&conn->worker->blocks, before);
    return 0;
}

/* A client's handshake is done. */
static void count_handshake(const struct conn *conn)
{
    const struct conn_tls *tls = conn->layer;
    bool resumed = false;
    (void)tls_session_version(&tls->session, &resumed);
    counters_add(&conn->worker->stats->tls_handshakes, tls->listener != 0);
    counters_add(&conn->worker->stats->tls_resumed, tls->listener != 0 && resumed);
}

/* Hands `in` to the session. As tls_session_read, or -errno. */
static int decrypt(struct conn *conn, struct str in, struct str room, size_t *ret)
{
    struct tls_wire wire = wire_of(conn);
    wire.in = in;
    bool was_open = layer_of(conn)->session.open;
    int r =
        tls_session_read(&layer_of(conn)->session, &wire, (char *)(uintptr_t)room.p, room.len, ret);
    if (unlikely(layer_of(conn)->session.open != was_open)) {
        count_handshake(conn);
        if (r >= 0 && *ret == 0 && layer_of(conn)->listener) {
            sock_ack_now(conn->watch.fd); /* its request waits for that without TCP_NODELAY */
        }
    }
    int sent = send_made(conn, &wire);
    int kept = r < 0 ? 0 : keep_rest(conn, wire.in);
    if (r >= 0 && (sent < 0 || kept < 0)) {
        return sent < 0 ? sent : kept;
    }
    return r;
}

static int64_t fail(struct conn *conn, int error)
{
    conn->failed = true;
    conn->readable = false;
    return error;
}

static bool has_more(const struct conn *conn)
{
    const struct conn_tls *tls = conn->layer;
    return tls->rest || (tls->session.ended && !conn->eof) || tls_session_pending(&tls->session);
}

/* The socket has nothing, or the peer's FIN: the end only if it said so before. */
static int64_t nothing_came(struct conn *conn, int64_t n)
{
    if (n < 0) {
        return fail(conn, (int)n);
    }
    return conn->eof && !layer_of(conn)->session.ended ? fail(conn, -ECONNRESET) : 0;
}

enum { RECORD_HEAD = 5, RECORD_HANDSHAKE = 22 };

/* Is the first record there, or as much as shows that it is none? */
static bool is_whole(const uint8_t *p, size_t n)
{
    return n > 0 && (p[0] != RECORD_HANDSHAKE ||
                     (n >= RECORD_HEAD && (n - RECORD_HEAD >= (size_t)(p[3] << 8 | p[4]) ||
                                           (p[3] << 8 | p[4]) > TLS_RECORD_MAX)));
}

/* Somebody wrote http:// for https://. What was read of him is taken, so that the end behind the
 * answer is an orderly one. */
static int say_plain(struct conn *conn, size_t n)
{
    static const struct str answer =
        STR_INIT("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 53\r\n"
                 "Connection: close\r\n\r\nThis port speaks TLS: write https:// in front of it.\n");
    (void)!conn_socket_recv(conn, conn->worker->tls->in, n);
    (void)!conn_socket_send_last(conn, answer);
    return -EPROTO;
}

/* The first message of a client is left in the socket until it is whole. 0: the session has begun;
 * CONN_TLS_E_WAIT; -errno. */
static int await(struct conn *conn)
{
    struct conn_tls *tls = conn->layer;
    struct tls_shared *shared = conn->worker->tls;
    if (!conn->readable) {
        return CONN_TLS_E_WAIT;
    }
    int64_t n = sock_peek(conn->watch.fd, shared->in, RECORD_HEAD + TLS_RECORD_MAX);
    if (n <= 0 && n != -EAGAIN) {
        return n < 0 ? (int)n : -ECONNRESET;
    }
    tls->began |= n > 0;
    if (n < 0 || !is_whole((const uint8_t *)shared->in, (size_t)n)) {
        conn->readable = false;
        return conn->hup ? -ECONNRESET : CONN_TLS_E_WAIT;
    }
    tls->awaited = false;
    if (unlikely(shared->in[0] >= 'A' && shared->in[0] <= 'Z')) {
        return say_plain(conn, (size_t)n);
    }
    tls_store_moment(shared->store, conn->worker->loop.wall_ns / NS_PER_S);
    return tls_session_accept(&tls->session, shared->store, tls->listener);
}

static int64_t tls_recv(struct conn *conn, void *p, size_t len)
{
    struct conn_tls *tls = conn->layer;
    if (unlikely(tls->awaited)) {
        int began = await(conn);
        if (began != 0) {
            return began < 0 ? fail(conn, began) : 0;
        }
    }
    struct str room = str_make(p, len);
    size_t got = 0;
    int r = TLS_E_WANT;
    if (unlikely(has_more(conn))) {
        r = decrypt(conn, tls->rest ? block_rest(tls->rest) : STR_NONE, room, &got);
    }
    while (got == 0 && r == TLS_E_WANT && conn->readable) {
        size_t most = len > IN_SPARE ? len - IN_SPARE : 0;
        most = MAX(most, (size_t)IN_MIN);
        int64_t n =
            conn_socket_recv(conn, conn->worker->tls->in, MIN(most, (size_t)WORKER_IN_SIZE));
        if (n <= 0) {
            return nothing_came(conn, n);
        }
        r = decrypt(conn, str_make(conn->worker->tls->in, (size_t)n), room, &got);
    }
    if (unlikely(r < 0 && got == 0)) {
        return fail(conn, r);
    }
    if (unlikely(r == TLS_E_END && got == 0)) {
        conn->eof = true;
        conn->hup = true;
        conn->readable = false;
        return 0;
    }
    conn->readable |= has_more(conn) || r < 0;
    return (int64_t)got;
}

/* --- sending --- */

static int encrypt(struct conn *conn, struct tls_wire *wire, struct str part)
{
    while (part.len > 0) {
        size_t n = MIN(part.len, (size_t)TLS_RECORD_MAX);
        if (wire->out_cap - wire->out_len < n + TLS_RECORD_EXTRA + TLS_WIRE_SPARE) {
            int r = send_made(conn, wire);
            if (r < 0) {
                return r;
            }
        }
        int r = tls_session_write(&layer_of(conn)->session, wire, str_slice(part, 0, n));
        if (r < 0) {
            return r;
        }
        part = str_skip(part, n);
    }
    return 0;
}

/* Small parts become one record: each costs 22 bytes and a round of the cipher. */
static struct str join(struct conn *conn, const struct str *parts, size_t count)
{
    char *to = conn->worker->tls->join;
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > JOIN_MAX - len) {
            return STR_NONE;
        }
        if (parts[i].len) {
            memcpy(to + len, parts[i].p, parts[i].len);
            len += parts[i].len;
        }
    }
    return str_make(to, len);
}

static int tls_send(struct conn *conn, const struct str *parts, size_t count)
{
    struct tls_wire wire = wire_of(conn);
    struct str one = count == 1 ? parts[0] : join(conn, parts, count);
    int r = 0;
    if (one.len > 0) {
        r = encrypt(conn, &wire, one);
    } else {
        for (size_t i = 0; r == 0 && i < count; i++) {
            r = encrypt(conn, &wire, parts[i]);
        }
    }
    int sent = send_made(conn, &wire);
    return r < 0 ? r : sent;
}

/* FIN is behind close_notify, and that behind all that was sent. */
static void shut_socket(struct conn *conn)
{
    if (layer_of(conn)->shut_wanted && !conn->out) {
        layer_of(conn)->shut_wanted = false;
        if (sock_shutdown_write(conn->watch.fd) < 0) {
            conn->failed = true;
        }
    }
}

static int tls_flush(struct conn *conn)
{
    int r = conn_socket_flush(conn);
    if (r == 0) {
        shut_socket(conn);
    }
    return r;
}

/* Best effort: whoever ends a connection does not wait for the kernel. The FIN or the close that
 * follows at once takes these bytes along. */
static void say_end(struct conn *conn)
{
    struct tls_wire wire = wire_of(conn);
    tls_session_end(&layer_of(conn)->session, &wire);
    if (wire.out_len > 0 && conn_socket_send_last(conn, str_make(wire.out, wire.out_len)) < 0) {
        conn->failed = true;
    }
}

static void tls_shut_write(struct conn *conn)
{
    if (!conn->write_shut && !conn->out) {
        conn->write_shut = true;
        layer_of(conn)->shut_wanted = true;
        say_end(conn);
        shut_socket(conn);
    }
}

static void tls_abort(struct conn *conn)
{
    layer_of(conn)->cut = true;
    sock_set_abort(conn->watch.fd);
}

static void tls_close(struct conn *conn)
{
    struct conn_tls *tls = conn->layer;
    bool unfinished = tls->listener && tls->began && !tls->session.open;
    bool own = tls->spared || conn->worker->stopping;
    counters_add(&conn->worker->stats->tls_failed, unfinished && !own);
    if (!tls->cut && !conn->failed && !conn->out) {
        say_end(conn);
    }
    tls_session_fini(&tls->session);
    block_put(&conn->worker->blocks, tls->rest);
    free(tls);
    conn->layer = NULL;
    conn->ops = NULL;
}

static const struct conn_ops ops = {
    .recv = tls_recv,
    .send = tls_send,
    .flush = tls_flush,
    .shut_write = tls_shut_write,
    .abort = tls_abort,
    .close = tls_close,
};

/* --- beginning --- */

static struct conn_tls *begin(struct conn *conn)
{
    return conn->worker->tls ? calloc(1, sizeof(struct conn_tls)) : NULL;
}

static int begun(struct conn *conn, struct conn_tls *tls, int r)
{
    if (r < 0) {
        free(tls);
        return r;
    }
    conn->layer = tls;
    conn->ops = &ops;
    return 0;
}

int conn_tls_accept(struct conn *conn, uint64_t listener)
{
    struct conn_tls *tls = begin(conn);
    if (!tls) {
        return -ENOMEM;
    }
    tls->listener = listener;
    tls->awaited = true;
    return begun(conn, tls, 0);
}

int conn_tls_connect(struct conn *conn, struct tls_connector *connector, const char *server_name,
                     uint64_t peer)
{
    struct conn_tls *tls = begin(conn);
    return tls ? begun(conn, tls, tls_session_connect(&tls->session, connector, server_name, peer))
               : -ENOMEM;
}

int conn_tls_step(struct conn *conn)
{
    struct tls_session *session = &layer_of(conn)->session;
    struct tls_wire wire = wire_of(conn);
    for (;;) {
        int r = tls_session_step(session, &wire);
        int sent = send_made(conn, &wire);
        int kept = r == 0 ? keep_rest(conn, wire.in) : 0;
        if (r < 0 || sent < 0 || kept < 0) {
            return r < 0 ? r : sent < 0 ? sent : kept;
        }
        if (r == 0) {
            conn->readable |= layer_of(conn)->rest != NULL;
            return 0;
        }
        if (!conn->readable) {
            return CONN_TLS_E_WAIT;
        }
        int64_t n = conn_socket_recv(conn, conn->worker->tls->in, WORKER_IN_SIZE);
        if (n <= 0) {
            return n < 0 ? (int)n : conn->eof ? -ECONNRESET : CONN_TLS_E_WAIT;
        }
        wire.in = str_make(conn->worker->tls->in, (size_t)n);
    }
}

uint8_t conn_tls_layers(const struct conn *conn)
{
    bool resumed = false;
    unsigned version =
        conn->ops == &ops ? tls_session_version(&layer_of(conn)->session, &resumed) : 0;
    unsigned layers = version == 13 ? RING_TLS_13 : version == 12 ? RING_TLS_12 : 0;
    return (uint8_t)(layers | (resumed ? RING_TLS_RESUMED : 0));
}

char *conn_tls_identity(const struct conn *conn)
{
    struct buf text = BUF_INIT(IDENTITY_MAX);
    if (conn->ops != &ops || !tls_session_identity(&layer_of(conn)->session, &text)) {
        buf_fini(&text);
        return NULL;
    }
    return buf_take(&text);
}

void conn_tls_spare(struct conn *conn)
{
    if (conn->ops == &ops) {
        layer_of(conn)->spared = true;
    }
}

/* --- configurations --- */

static int make_shared(struct worker *worker)
{
    if (!worker->tls) {
        struct tls_shared *shared = malloc(sizeof(*shared));
        if (!shared) {
            return -ENOMEM;
        }
        shared->store = tls_store_new();
        if (!shared->store) {
            free(shared);
            return -ENOMEM;
        }
        worker->tls = shared;
    }
    return 0;
}

void conn_tls_free_shared(struct tls_shared *shared)
{
    if (shared) {
        tls_store_free(shared->store);
        free(shared);
    }
}

static size_t count_doors(const struct config *config)
{
    size_t count = 0;
    for (size_t i = 0; i < config->listener_count; i++) {
        count += config->listeners[i].spec.tls.on;
    }
    return count;
}

static void fill(const struct config *config, struct tls_door_spec *doors,
                 struct tls_store_cert *certs)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct snapshot_listener *listener = &config->listeners[i].spec;
        if (listener->tls.on) {
            *doors++ = (struct tls_door_spec){
                .id = listener->id,
                .client = (enum tls_client_mode)listener->tls.client,
                .client_ca = listener->tls.client_ca,
                .only_13 = listener->tls.only_13,
                .tickets = listener->tls.tickets,
                .light = listener->tls.light,
                .h2 = true,
            };
        }
    }
    for (uint32_t i = 0; i < config->snapshot.certificates; i++) {
        struct snapshot_certificate source = snapshot_certificate_at(&config->snapshot, i);
        certs[i] = (struct tls_store_cert){
            .id = source.id,
            .door = source.listener,
            .chain = source.chain,
            .key = source.key,
            .ocsp = source.ocsp,
            .names = source.names,
            .kind = (enum tls_key_kind)source.key_kind,
        };
    }
}

int conn_tls_apply(struct worker *worker, const struct config *config)
{
    size_t count = count_doors(config);
    if (count == 0 && !worker->tls && !config->connects_tls) {
        return 0;
    }
    int r = make_shared(worker);
    if (r < 0) {
        return r;
    }
    struct tls_door_spec *doors = calloc(count + 1, sizeof(*doors));
    struct tls_store_cert *certs = calloc(config->snapshot.certificates + 1U, sizeof(*certs));
    struct str keys = config->gateway.ticket_keys;
    if (doors && certs) {
        fill(config, doors, certs);
        const struct tls_store_config all = {
            .certs = certs,
            .cert_count = config->snapshot.certificates,
            .doors = doors,
            .door_count = count,
            .tickets = (const struct tls_ticket_key *)(const void *)keys.p,
            .ticket_count = keys.len / sizeof(struct tls_ticket_key),
        };
        r = tls_store_apply(worker->tls->store, &all);
    } else {
        r = -ENOMEM;
    }
    free(doors);
    free(certs);
    return r;
}
