/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole HTTP/2 connections: the real edge with a client that sends the input to a service of
 * HTTP/1.1 (first byte even), or between a client of HTTP/1.1 and a service that answers with the
 * input (odd): two requests, or one for a WebSocket (RFC 8441), whose frames are read or not. The
 * second byte says how it is cut (0: at every byte). Whatever comes, who is done with sending gets
 * an end, no request stays under way, and what arrives at a service of HTTP/1.1 is whole requests.
 */
#include "../unit/edge/inside.h"
#include "../unit/proto/http1_judge.h"
#include "fuzz.h"
#include "proto/http2_types.h"

#include <stdio.h>
#include <sys/socket.h>

enum { PEERS = 16, SERVICES = 3, TURNS_MAX = 3000 };

/* Bits of the first byte. */
enum {
    SERVICE = 1,   /* the input is its, and not the client's */
    WEBSOCKET = 2, /* what the client asks that service for */
    CHECKED = 4,   /* … on the route whose frames are read */
    PLAIN = 8,     /* … and the service does not take it by an extended CONNECT */
};

struct peer {
    int fd;
    struct buf asked;
    bool http2, begun, told; /* it speaks HTTP/2, has said its settings, and has sent the input */
};

static struct inside inside;
static struct peer peers[PEERS];
static size_t peer_count;
static struct str settings, answer; /* of the service that speaks HTTP/2 */
static size_t cut;

/* The harness's checks, without the harness. */
void test_check(bool ok, const char *what, const char *file, int line)
{
    if (!ok) {
        (void)fprintf(stderr, "%s:%d: %s\n", file, line, what);
    }
    fuzz_check(ok);
}
void test_check_int(long long got, long long want, const char *what, const char *file, int line)
{
    test_check(got == want, what, file, line);
}

static void send_all(int fd, struct str bytes, size_t step)
{
    while (bytes.len > 0) {
        struct str piece = str_slice(bytes, 0, step);
        int64_t n = sock_send(fd, piece.p, piece.len, false);
        if (n <= 0) {
            return; /* it was refused, or nobody reads */
        }
        bytes = str_skip(bytes, (size_t)n);
        fuzz_check(loop_turn(edge_loop(inside.edge), 0) == 0);
    }
}

static void answer_text(struct peer *peer)
{
    static const struct str ok = STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    struct buf verdict = BUF_INIT(1 << 20);
    http1_judge_requests(&verdict, buf_str(&peer->asked), SIZE_MAX);
    if (str_find_char(buf_str(&verdict), ' ') >= 0) {
        buf_reset(&peer->asked);
        (void)!sock_send(peer->fd, ok.p, ok.len, false);
    } else {
        if (!str_is(buf_str(&verdict), "more")) {
            (void)fprintf(stderr, "%s: %s\n", buf_cstr(&verdict), buf_cstr(&peer->asked));
            fuzz_check(false);
        }
    }
    buf_fini(&verdict);
}

/* By HTTP/1.1 it is asked for what it does not take otherwise. */
static bool in_http2(struct str bytes)
{
    return str_starts(STR(HTTP2_PREFACE), str_slice(bytes, 0, sizeof(HTTP2_PREFACE) - 1));
}

static bool was_asked(struct str bytes)
{
    static const struct str preface = STR_INIT(HTTP2_PREFACE);
    if (!in_http2(bytes)) {
        return true;
    }
    bytes = str_skip(bytes, preface.len);
    while (bytes.len >= HTTP2_FRAME_HEAD) {
        if (bytes.p[3] == HTTP2_HEADERS) {
            return true;
        }
        bytes = str_skip(bytes, HTTP2_FRAME_HEAD + (http2_u32(bytes.p) >> 8));
    }
    return false;
}

/* One that waits to be asked does so: an answer to nothing ends a connection of HTTP/2. */
static void answer_frames(struct peer *peer, struct str bytes)
{
    buf_add(&peer->asked, bytes);
    if (!peer->begun && in_http2(buf_str(&peer->asked))) {
        peer->begun = true;
        send_all(peer->fd, settings, SIZE_MAX); /* none: one of an input before */
    }
    if (!peer->told && (settings.len == 0 || was_asked(buf_str(&peer->asked)))) {
        peer->told = true;
        send_all(peer->fd, answer, cut);
        (void)shutdown(peer->fd, SHUT_WR);
    }
}

/* False: the connection has ended. */
static bool serve(struct peer *peer)
{
    char bytes[65536];
    int64_t n = sock_recv(peer->fd, bytes, sizeof(bytes));
    if (n == -EAGAIN) {
        return true;
    }
    if (n > 0 && peer->http2) {
        answer_frames(peer, str_make(bytes, (size_t)n));
    } else if (n > 0) {
        buf_add_mem(&peer->asked, bytes, (size_t)n);
        answer_text(peer);
    }
    return n > 0;
}

static void leave(struct peer *peer)
{
    sock_close(&peer->fd);
    buf_fini(&peer->asked);
    *peer = peers[--peer_count];
}

static void turn(void)
{
    int fd = -1;
    fuzz_check(loop_turn(edge_loop(inside.edge), 0) == 0);
    while (peer_count < PEERS && sock_accept(inside.service, &fd, NULL) == 0) {
        peers[peer_count++] =
            (struct peer){.fd = fd, .asked = BUF_INIT(16 << 20), .http2 = answer.p != NULL};
    }
    for (size_t i = peer_count; i > 0; i--) {
        struct peer *peer = &peers[i - 1];
        if (!serve(peer)) {
            leave(peer);
        }
    }
}

/* Nothing is under way any more. */
static bool is_idle(void)
{
    struct worker *worker = inside_worker(&inside);
    return list_empty(&worker->clients);
}

/* The client sends `in`, and behind the first bytes of an answer `then`. */
static void converse(struct str in, size_t step, struct str then)
{
    struct buf got = BUF_INIT(16 << 20);
    bool reset, ended = false;
    int client = inside_connect(&inside, inside.port);
    send_all(client, in, step);
    for (unsigned i = 0; i < TURNS_MAX && !ended && then.len > 0 && got.len == 0; i++) {
        turn();
        ended = inside_read(client, &got, &reset);
    }
    send_all(client, then, SIZE_MAX);
    (void)shutdown(client, SHUT_WR);
    for (unsigned i = 0; i < TURNS_MAX && !ended; i++) {
        turn();
        ended = inside_read(client, &got, &reset);
    }
    fuzz_check(ended); /* else it neither answers nor closes */
    sock_close(&client);
    for (unsigned i = 0; i < TURNS_MAX && !is_idle(); i++) {
        turn();
    }
    fuzz_check(is_idle());
    buf_fini(&got);
}

/* Neither connections to services of HTTP/2 nor what they said are there for the next input. */
static void forget(void)
{
    for (size_t i = peer_count; i > 0; i--) {
        if (peers[i - 1].http2) {
            leave(&peers[i - 1]);
        }
    }
    turn();
    struct map *endpoints = &inside_worker(&inside)->set.endpoints;
    for (uint64_t id = 1; id <= SERVICES; id++) {
        struct endpoint *endpoint = map_get(endpoints, str_make((const char *)&id, sizeof(id)));
        endpoint->no_websockets = false;
        endpoint->streams_max = 0;
    }
}

/* The first one speaks HTTP/1.1, the last one's frames are read. */
static void add_service(struct snapshot_builder *builder, uint64_t id, const char *host)
{
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", inside.service_port);
    snapshot_builder_service(
        builder, &(struct snapshot_service){.id = id,
                                            .name = str_from(host),
                                            .hold_ms = 1,
                                            .retries = SNAPSHOT_NO_LIMIT,
                                            .protocol = id > 1 ? SNAPSHOT_PROTOCOL_HTTP2 : 0});
    snapshot_builder_endpoint(builder,
                              &(struct snapshot_endpoint){.id = id,
                                                          .service = id,
                                                          .replica = str_from(host),
                                                          .address = str_from(address),
                                                          .state = SNAPSHOT_ENDPOINT_READY});
    snapshot_builder_route(builder, &(struct snapshot_route){
                                        .id = id,
                                        .service = id,
                                        .host = str_from(id > 1 ? host : ""),
                                        .flags = id == SERVICES ? SNAPSHOT_ROUTE_CHECK_FRAMES : 0});
}

static void open_edge(void)
{
    struct snapshot_builder builder;
    struct buf blob = BUF_INIT(MIB);
    char port[32];
    int fd = -1;
    fuzz_check(inside_open(&inside) == 0);
    (void)snprintf(port, sizeof(port), "127.0.0.1:%u", inside.port);
    snapshot_builder_init(&builder);
    add_service(&builder, 1, "one");
    add_service(&builder, 2, "two");
    add_service(&builder, 3, "three");
    snapshot_builder_listener(&builder,
                              &(struct snapshot_listener){.id = 1, .address = str_from(port)});
    fuzz_check(snapshot_builder_finish(&builder, 1, 0, &blob) == 0);
    fuzz_check(shm_create_sealed("fuzz", buf_str(&blob), &fd) == 0);
    fuzz_check(edge_apply(inside.edge, fd) == 0);
    sock_close(&fd);
    snapshot_builder_fini(&builder);
    buf_fini(&blob);
    for (unsigned i = 0; i < 10; i++) {
        turn();
    }
}

static void ask_for_websocket(unsigned kind)
{
    static const struct str takes = STR_INIT("\0\0\6\4\0\0\0\0\0\0\10\0\0\0\1");
    static const struct str hello = STR_INIT("\x81\x82\0\0\0\0hi"); /* masked by zeros */
    struct buf asks = BUF_INIT(1024);
    buf_add(&asks, STR("GET /c HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost: "));
    buf_add(&asks, kind & CHECKED ? STR("three\r\n\r\n") : STR("two\r\n\r\n"));
    settings = kind & PLAIN ? STR("\0\0\0\4\0\0\0\0\0") : takes;
    converse(buf_str(&asks), SIZE_MAX, hello);
    settings = STR_NONE;
    buf_fini(&asks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    unsigned kind = fuzz_byte(&in);
    struct buf bytes = BUF_INIT(16 << 20);
    cut = 1 + 8 * (size_t)(fuzz_byte(&in) % 64);
    if (!inside.edge) {
        open_edge();
    }
    if ((kind & (SERVICE | WEBSOCKET)) == (SERVICE | WEBSOCKET)) {
        buf_add(&bytes, in);
        answer = str_make(buf_cstr(&bytes), bytes.len);
        ask_for_websocket(kind);
    } else if (kind & SERVICE) {
        buf_add(&bytes, STR("\0\0\0\4\0\0\0\0\0"));
        buf_add(&bytes, in);
        answer = buf_str(&bytes);
        converse(STR("GET /a HTTP/1.1\r\nHost: two\r\n\r\n"
                     "POST /b HTTP/1.1\r\nHost: two\r\nContent-Length: 3\r\n\r\nabc"),
                 SIZE_MAX, STR_NONE);
    } else {
        buf_add(&bytes, STR(HTTP2_PREFACE "\0\0\0\4\0\0\0\0\0"));
        buf_add(&bytes, in);
        converse(buf_str(&bytes), cut, STR_NONE);
    }
    answer = STR_NONE;
    forget();
    buf_fini(&bytes);
    return 0;
}
