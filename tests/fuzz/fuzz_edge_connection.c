/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole connections: the real edge between a client that sends the input, cut as its first byte
 * says (0: at every byte), and a service that answers each whole request. What reaches the service,
 * message by message, is what the parsers alone make of the same bytes (tests/unit/proto's judge):
 * no request more, fewer or other.
 */
#include "../unit/edge/inside.h"
#include "../unit/proto/http1_judge.h"
#include "fuzz.h"

#include <stdio.h>
#include <sys/socket.h>

enum { SEEN_MAX = 1 << 20, PEERS = 8, TURNS_MAX = 5000 };

/* The service's end of a connection: what it was sent since its last answer. */
struct peer {
    int fd;
    struct buf asked;
};

static struct inside inside;
static struct peer peers[PEERS];
static size_t peer_count;
static struct buf seen; /* messages that arrived whole, over all connections, in their order */

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

/* Messages of the verdict, without what it says about the end. */
static void only_messages(struct str verdict, struct buf *out)
{
    struct str item;
    while (verdict.len > 0) {
        ptrdiff_t at = str_find(verdict, STR("; "));
        item = at < 0 ? verdict : str_slice(verdict, 0, (size_t)at);
        verdict = at < 0 ? STR_NONE : str_skip(verdict, (size_t)at + 2);
        if (str_find_char(item, ' ') >= 0) { /* not "400", "close", "more" */
            buf_add(out, out->len ? STR("; ") : STR_NONE);
            buf_add(out, item);
        }
    }
}

/* A request of HTTP/1.0 that names no host is for the service's address. */
static void put_seen(struct str what)
{
    char own[32];
    (void)snprintf(own, sizeof(own), " 127.0.0.1:%u/", inside.service_port);
    ptrdiff_t at = str_find(what, str_from(own));
    buf_add(&seen, seen.len ? STR("; ") : STR_NONE);
    buf_add(&seen, at < 0 ? what : str_slice(what, 0, (size_t)at + 1));
    buf_add(&seen, at < 0 ? STR_NONE : str_skip(what, (size_t)at + strlen(own) - 1));
}

/* A request that is whole is noted and answered; what no strict server takes is noted as such. */
static void answer(struct peer *peer)
{
    static const struct str ok = STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct buf verdict = BUF_INIT(SEEN_MAX), message = BUF_INIT(SEEN_MAX);
    http1_judge_requests(&verdict, buf_str(&peer->asked), SIZE_MAX);
    only_messages(buf_str(&verdict), &message);
    if (message.len > 0) {
        put_seen(buf_str(&message));
        buf_reset(&peer->asked);
        (void)!sock_send(peer->fd, ok.p, ok.len, false);
    } else if (peer->asked.len > 0 && !str_is(buf_str(&verdict), "more")) {
        put_seen(STR("what no server takes"));
    }
    buf_fini(&verdict);
    buf_fini(&message);
}

/* False: the connection has ended. */
static bool serve(struct peer *peer)
{
    char bytes[65536];
    int64_t n = sock_recv(peer->fd, bytes, sizeof(bytes));
    if (n == -EAGAIN) {
        return true;
    }
    if (n > 0) {
        buf_add_mem(&peer->asked, bytes, (size_t)n);
        answer(peer);
    }
    return n > 0;
}

static void turn(void)
{
    int fd = -1;
    fuzz_check(loop_turn(edge_loop(inside.edge), 0) == 0);
    while (peer_count < PEERS && sock_accept(inside.service, &fd, NULL) == 0) {
        peers[peer_count++] = (struct peer){fd, BUF_INIT(16 << 20)};
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

static void send_in_pieces(int client, struct str in, size_t step)
{
    while (in.len > 0) {
        struct str piece = str_slice(in, 0, MIN(step, in.len));
        int64_t n = sock_send(client, piece.p, piece.len, false);
        if (n <= 0 && n != -EAGAIN) {
            return; /* it was refused */
        }
        in = str_skip(in, n > 0 ? (size_t)n : 0);
        turn();
    }
}

static void converse(struct str in, size_t step)
{
    struct buf got = BUF_INIT(16 << 20);
    bool reset, ended = false;
    int client = inside_connect(&inside, inside.port);
    send_in_pieces(client, in, step);
    (void)shutdown(client, SHUT_WR);
    for (unsigned i = 0; i < TURNS_MAX && !ended; i++) {
        turn();
        ended = inside_read(client, &got, &reset);
    }
    fuzz_check(ended); /* else it neither answers nor closes */
    sock_close(&client);
    turn();
    buf_fini(&got);
}

/* One service for all hosts. */
static void open_edge(void)
{
    struct snapshot_builder builder;
    struct buf blob = BUF_INIT(MIB);
    char address[32], port[32];
    int fd = -1;
    fuzz_check(inside_open(&inside) == 0);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", inside.service_port);
    (void)snprintf(port, sizeof(port), "127.0.0.1:%u", inside.port);
    snapshot_builder_init(&builder);
    snapshot_builder_service(
        &builder, &(struct snapshot_service){
                      .id = 1, .name = STR("s1"), .hold_ms = 1, .retries = SNAPSHOT_NO_LIMIT});
    snapshot_builder_endpoint(&builder,
                              &(struct snapshot_endpoint){.id = 1,
                                                          .service = 1,
                                                          .replica = STR("s1"),
                                                          .address = str_from(address),
                                                          .state = SNAPSHOT_ENDPOINT_READY});
    snapshot_builder_route(&builder, &(struct snapshot_route){.id = 1, .service = 1});
    snapshot_builder_listener(&builder,
                              &(struct snapshot_listener){.id = 1, .address = str_from(port)});
    fuzz_check(snapshot_builder_finish(&builder, 1, 0, &blob) == 0);
    fuzz_check(shm_create_sealed("fuzz", buf_str(&blob), &fd) == 0);
    fuzz_check(edge_apply(inside.edge, fd) == 0);
    sock_close(&fd);
    snapshot_builder_fini(&builder);
    buf_fini(&blob);
    seen = BUF_INIT(SEEN_MAX);
    for (unsigned i = 0; i < 10; i++) {
        turn();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct buf verdict = BUF_INIT(SEEN_MAX), want = BUF_INIT(SEEN_MAX);
    size_t step = 8 * (size_t)(fuzz_byte(&in) % 64);
    if (!inside.edge) {
        open_edge();
    }
    if (str_starts(in, STR("PRI * HTTP/2"))) {
        return 0; /* another protocol */
    }
    buf_reset(&seen);
    converse(in, MAX(step, (size_t)1));
    http1_judge_requests(&verdict, in, SIZE_MAX);
    only_messages(buf_str(&verdict), &want);
    if (!str_eq(buf_str(&want), buf_str(&seen))) {
        (void)fprintf(stderr, "by the parsers: %s\nat the service: %s\n", buf_cstr(&want),
                      buf_cstr(&seen));
        fuzz_check(false);
    }
    buf_fini(&verdict);
    buf_fini(&want);
    return 0;
}
