/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole HTTP/2 connections: the real edge with a client that sends the input to a service of
 * HTTP/1.1 (first byte even), or between a client of HTTP/1.1 and a service that answers with the
 * input (odd). The second byte says how it is cut (0: at every byte). Whatever comes, who is done
 * with sending gets an end, no request stays under way, and what arrives at a service of HTTP/1.1
 * is whole requests.
 */
#include "../unit/edge/inside.h"
#include "../unit/proto/http1_judge.h"
#include "fuzz.h"
#include "proto/http2_types.h"

#include <stdio.h>
#include <sys/socket.h>

enum { PEERS = 16, TURNS_MAX = 3000 };

struct peer {
    int fd;
    struct buf asked;
    bool http2, told; /* it speaks HTTP/2, and has sent the input */
};

static struct inside inside;
static struct peer peers[PEERS];
static size_t peer_count;
static struct str answer; /* of the service that speaks HTTP/2 */
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

/* False: the connection has ended. */
static bool serve(struct peer *peer)
{
    char bytes[65536];
    int64_t n = sock_recv(peer->fd, bytes, sizeof(bytes));
    if (n == -EAGAIN) {
        return true;
    }
    if (n > 0 && peer->http2) {
        if (!peer->told) {
            peer->told = true;
            send_all(peer->fd, answer, cut); /* none: one of an input before */
            (void)shutdown(peer->fd, SHUT_WR);
        }
    } else if (n > 0) {
        buf_add_mem(&peer->asked, bytes, (size_t)n);
        answer_text(peer);
    }
    return n > 0;
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
            sock_close(&peer->fd);
            buf_fini(&peer->asked);
            *peer = peers[--peer_count];
        }
    }
}

/* Nothing is under way any more. */
static bool is_idle(void)
{
    struct worker *worker = inside_worker(&inside);
    return list_empty(&worker->clients);
}

static void converse(struct str in, size_t step)
{
    struct buf got = BUF_INIT(16 << 20);
    bool reset, ended = false;
    int client = inside_connect(&inside, inside.port);
    send_all(client, in, step);
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

static void add_service(struct snapshot_builder *builder, uint64_t id, const char *host, bool http2)
{
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", inside.service_port);
    snapshot_builder_service(
        builder, &(struct snapshot_service){.id = id,
                                            .name = str_from(host),
                                            .hold_ms = 1,
                                            .retries = SNAPSHOT_NO_LIMIT,
                                            .protocol = http2 ? SNAPSHOT_PROTOCOL_HTTP2 : 0});
    snapshot_builder_endpoint(builder,
                              &(struct snapshot_endpoint){.id = id,
                                                          .service = id,
                                                          .replica = str_from(host),
                                                          .address = str_from(address),
                                                          .state = SNAPSHOT_ENDPOINT_READY});
    snapshot_builder_route(
        builder,
        &(struct snapshot_route){.id = id, .service = id, .host = str_from(http2 ? host : "")});
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
    add_service(&builder, 1, "one", false);
    add_service(&builder, 2, "two", true);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    bool service = fuzz_byte(&in) & 1;
    struct buf bytes = BUF_INIT(16 << 20);
    cut = 1 + 8 * (size_t)(fuzz_byte(&in) % 64);
    if (!inside.edge) {
        open_edge();
    }
    buf_add(&bytes, service ? STR_NONE : STR(HTTP2_PREFACE));
    buf_add(&bytes, STR("\0\0\0\4\0\0\0\0\0"));
    buf_add(&bytes, in);
    if (service) {
        answer = buf_str(&bytes);
        converse(STR("GET /a HTTP/1.1\r\nHost: two\r\n\r\n"
                     "POST /b HTTP/1.1\r\nHost: two\r\nContent-Length: 3\r\n\r\nabc"),
                 SIZE_MAX);
        answer = STR_NONE;
    } else {
        converse(buf_str(&bytes), cut);
    }
    buf_fini(&bytes);
    return 0;
}
