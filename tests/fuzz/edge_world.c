/* SPDX-License-Identifier: Apache-2.0 */
#include "edge_world.h"

#include "../unit/edge/scarce.h"
#include "edge/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    TURN_NS = 20000,
    TURNS_MAX = 5000,
    SENDS_MAX = 20000,
    SLICES = 8,
    PIECES_MAX = 500,
    SCARCE = 8,
    LARGE = 300000
};

struct world world = {.client = -1, .input = -1, .others = {-1, -1, -1, -1}};

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

/* --- services --- */

static void leave(struct world_peer *peer, bool reset)
{
    struct linger at_once = {1, 0};
    if (reset) {
        (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    if (world.input == peer->fd) {
        world.input = -1;
    }
    sock_close(&peer->fd);
    buf_fini(&peer->asked);
    *peer = world.peers[--world.peer_count];
}

static void push(struct world_peer *peer)
{
    int64_t n = peer->rest.len ? sock_send(peer->fd, peer->rest.p, peer->rest.len, false) : 0;
    peer->rest = str_skip(peer->rest, n > 0 ? (size_t)n : 0);
}

static struct str large_answer(void)
{
    static const struct str head = STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
    static char text[sizeof("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n") + LARGE];
    memset(text, 'x', sizeof(text));
    memcpy(text, head.p, head.len);
    return str_make(text, head.len + LARGE);
}

static struct str an_answer(void)
{
    if (world.switches) {
        return STR("HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                   "\x81\2hi");
    }
    return world.large ? large_answer() : STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

void world_answer(struct world_peer *peer)
{
    peer->owed += world.silent;
    if (world.silent || peer->rest.len > 0) {
        return;
    }
    peer->rest = an_answer();
    if (world.half) {
        peer->rest = str_slice(peer->rest, 0, peer->rest.len / 2);
    }
    push(peer);
}

/* False: the connection has ended. */
static bool serve(struct world_peer *peer)
{
    char bytes[65536];
    int64_t n = sock_recv(peer->fd, bytes, sizeof(bytes));
    push(peer);
    if (n > 0) {
        world.asked(peer, str_make(bytes, (size_t)n));
    }
    return n > 0 || n == -EAGAIN;
}

static void read_other(int *fd)
{
    struct buf got = BUF_INIT(MIB);
    bool reset;
    if (*fd >= 0 && inside_read(*fd, &got, &reset)) {
        sock_close(fd);
    }
    buf_fini(&got);
}

void world_turn(void)
{
    int fd = -1;
    inside_edge_runs = true;
    int r = loop_turn(edge_loop(world.inside.edge), 0);
    inside_edge_runs = false;
    fuzz_check(r == 0);
    inside_clock_jump_ns += TURN_NS;
    while (world.peer_count < WORLD_PEERS && sock_accept(world.inside.service, &fd, NULL) == 0) {
        world.peers[world.peer_count++] =
            (struct world_peer){.fd = fd, .asked = BUF_INIT(16 << 20), .http2 = world.speaks_http2};
    }
    for (size_t i = world.peer_count; i > 0; i--) {
        if (!serve(&world.peers[i - 1])) {
            leave(&world.peers[i - 1], false);
        }
    }
    if (world.client >= 0 && !world.deaf && !world.ended) {
        bool reset;
        world.ended = inside_read(world.client, &world.got, &reset);
    }
    for (unsigned i = 0; i < WORLD_OTHERS; i++) {
        read_other(&world.others[i]);
    }
}

static void turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        world_turn();
    }
}

/* --- the edge --- */

/* One endpoint, or three if it has a policy, of which nobody listens at the last. */
static void add_endpoints(struct snapshot_builder *builder, const struct snapshot_service *service)
{
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", world.inside.service_port);
    for (unsigned i = 0; i < (service->policy ? 3 : 1); i++) {
        snapshot_builder_endpoint(
            builder,
            &(struct snapshot_endpoint){.id = service->id + 100 * i,
                                        .service = service->id,
                                        .replica = service->name,
                                        .address = i < 2 ? str_from(address) : STR("127.0.0.1:1"),
                                        .state = world.endpoints});
    }
}

void world_service(struct snapshot_builder *builder, const struct snapshot_service *service,
                   const struct snapshot_route *route)
{
    struct snapshot_service known = *service;
    bool gone = world.endpoints == SNAPSHOT_ENDPOINT_STATES;
    known.hold_ms = 400;
    known.first_byte_ms = 900;
    known.idle_ms = 700;
    known.tunnel_idle_ms = 3000;
    known.stream_ms = 4000;
    if (gone && known.policy) {
        return; /* the whole service, then */
    }
    snapshot_builder_service(builder, &known);
    snapshot_builder_route(builder, route);
    if (!gone) {
        add_endpoints(builder, &known);
    }
}

static void apply(void)
{
    struct snapshot_builder builder;
    struct buf blob = BUF_INIT(MIB);
    char port[32], tcp_port[32];
    int fd = -1;
    (void)snprintf(port, sizeof(port), "127.0.0.1:%u", world.inside.port);
    (void)snprintf(tcp_port, sizeof(tcp_port), "127.0.0.1:%u", world.inside.tcp_port);
    snapshot_builder_init(&builder);
    snapshot_builder_gateway(&builder, &(struct snapshot_gateway){.connections_max = WORLD_OTHERS,
                                                                  .head_ms = 2000,
                                                                  .keepalive_ms = 8000});
    world.describe(&builder);
    snapshot_builder_listener(&builder,
                              &(struct snapshot_listener){.id = 1, .address = str_from(port)});
    snapshot_builder_listener(
        &builder, &(struct snapshot_listener){
                      .id = 2, .kind = SNAPSHOT_TCP, .address = str_from(tcp_port), .service = 1});
    fuzz_check(snapshot_builder_finish(&builder, ++world.inside.sequence, 0, &blob) == 0);
    fuzz_check(shm_create_sealed("fuzz", buf_str(&blob), &fd) == 0);
    fuzz_check(edge_apply(world.inside.edge, fd) == 0);
    sock_close(&fd);
    snapshot_builder_fini(&builder);
    buf_fini(&blob);
}

void world_open(void)
{
    if (!world.inside.edge) {
        inside_clock_still_ns = NS_PER_S;
        fuzz_check(inside_open(&world.inside) == 0);
        world.endpoints = SNAPSHOT_ENDPOINT_READY;
        apply();
        turns(10);
    }
    rng_init(&inside_worker(&world.inside)->loop.rng, 1);
}

/* --- what happens --- */

static void answers_stop(void)
{
    world.silent = true;
}

static void answers_come(void)
{
    world.silent = false;
    for (size_t i = 0; i < world.peer_count; i++) {
        for (; world.peers[i].owed > 0; world.peers[i].owed--) {
            world_answer(&world.peers[i]);
        }
    }
}

static void answers_are_half(void)
{
    world.half = !world.half;
}

static void answers_are_large(void)
{
    world.large = !world.large;
}

static void services_close(void)
{
    while (world.peer_count > 0) {
        leave(&world.peers[0], false);
    }
}

static void services_reset(void)
{
    while (world.peer_count > 0) {
        leave(&world.peers[0], true);
    }
}

static void client_reads_not(void)
{
    world.deaf = true;
}

static void client_reads(void)
{
    world.deaf = false;
}

static void client_shuts(void)
{
    (void)shutdown(world.client, SHUT_WR);
}

static void client_resets(void)
{
    struct linger at_once = {1, 0};
    (void)setsockopt(world.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    sock_close(&world.client);
    world.ended = true;
}

static void endpoints_are(enum snapshot_endpoint_state state)
{
    world.endpoints = state;
    world.changed = true;
    apply();
}

static void endpoints_drain(void)
{
    endpoints_are(SNAPSHOT_ENDPOINT_DRAINING);
}

static void endpoints_are_ready(void)
{
    endpoints_are(SNAPSHOT_ENDPOINT_READY);
}

static void endpoints_go(void)
{
    endpoints_are(SNAPSHOT_ENDPOINT_STATES); /* none, see world_service() */
}

static void edge_stops(void)
{
    edge_stop(world.inside.edge, 5000);
    world.stopped = true;
}

/* They come in turn, half of them with half a request; some more, and one has to go. */
static void another_asks(void)
{
    static const struct str asks = STR_INIT("GET /of-another HTTP/1.1\r\nHost: two\r\n\r\n");
    unsigned turn = world.other_turn++ % WORLD_OTHERS;
    int *other = &world.others[turn];
    if (*other < 0 && !world.stopped) {
        *other = inside_connect(&world.inside, world.inside.port);
    }
    if (*other >= 0) {
        (void)!sock_send(*other, asks.p, turn % 2 ? asks.len / 2 : asks.len, false);
    }
}

static void nothing(void)
{
}

static void (*const acts[16])(void) = {
    nothing,        answers_stop,      answers_come,        answers_are_half, services_close,
    services_reset, answers_are_large, client_reads_not,    client_reads,     client_shuts,
    client_resets,  endpoints_drain,   endpoints_are_ready, endpoints_go,     edge_stops,
    another_asks};

static void pass(int64_t length_ns, unsigned slices)
{
    for (unsigned i = 0; i < slices; i++) {
        inside_clock_jump_ns += length_ns / slices;
        turns(2);
    }
}

static void happen(unsigned what)
{
    static const int64_t lengths_ms[8] = {0, 20, 150, 600, 1000, 2100, 9000, 100000};
    acts[what >> 4]();
    if (!(what & 8)) {
        turns(2);
    }
    pass(lengths_ms[what & 7] * NS_PER_MS, what & 8 ? 1 : SLICES);
}

/* --- one input --- */

static struct rng chance;

static bool memory_fails(void)
{
    return world.scarce && rng_below(&chance, SCARCE) == 0;
}

void world_begin(struct str *in, bool timed)
{
    unsigned head = timed ? fuzz_byte(in) : 0;
    size_t len = 2 * (size_t)(head % 16);
    world.timed = timed;
    world.tcp = head & 16;
    world.switches = head & 32;
    world.stubborn = head & 64;
    world.scarce = head & 128;
    rng_init(&chance, in->len);
    scarce = memory_fails;
    world.script = str_slice(*in, 0, len);
    *in = str_skip(*in, len);
    world.got = BUF_INIT(16 << 20);
    world.ended = world.input_told = false;
    world.other_turn = 0;
    world.input = -1;
    world.client =
        inside_connect(&world.inside, world.tcp ? world.inside.tcp_port : world.inside.port);
}

void world_send(const int *fd, struct str bytes, size_t step)
{
    for (unsigned i = 0; i < SENDS_MAX && bytes.len > 0 && *fd >= 0; i++) {
        struct str piece = str_slice(bytes, 0, step);
        int64_t n = sock_send(*fd, piece.p, piece.len, false);
        if (n <= 0 && n != -EAGAIN) {
            return; /* it was refused */
        }
        bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
        world_turn();
    }
}

void world_play(const int *fd, struct str in)
{
    world.cut = MAX(world.cut, in.len / PIECES_MAX);
    while (world.script.len > 1) {
        size_t gap = fuzz_byte(&world.script);
        gap = gap < 128 ? gap : gap < 255 ? (gap - 128) * 32 : in.len;
        unsigned what = fuzz_byte(&world.script);
        struct str piece = str_slice(in, 0, gap);
        if ((what & 8) && *fd >= 0) { /* so that it comes together with what else happens */
            (void)!sock_send(*fd, piece.p, piece.len, false);
        } else {
            world_send(fd, piece, world.cut);
        }
        in = str_skip(in, gap);
        happen(what);
    }
    world_send(fd, in, world.cut);
}

/* All that lives, or waits, between requests is gone, too: so nothing survives an input. */
static void check_rest(void)
{
    struct worker *worker = inside_worker(&world.inside);
    fuzz_check(list_empty(&worker->idle) && list_empty(&worker->lingering));
    fuzz_check(worker->client_count == 0 && worker->framed_count == 0);
    fuzz_check(worker->stats->connections == 0 && worker->stats->upstream_connections == 0);
    fuzz_check(worker->blocks.live[BLOCK_HEAD] == 0 && worker->blocks.live[BLOCK_LARGE] == 0);
    fuzz_check(worker->blocks.live[BLOCK_WIDE] == (worker->wide != NULL));
    for (size_t i = 0; i < worker->set.endpoints.len; i++) {
        struct endpoint *endpoint = worker->set.endpoints.entries[i].value;
        fuzz_check(endpoint->refs == 1 && endpoint->idle_count == 0);
        fuzz_check(endpoint->member.in_flight == 0 && endpoint->member.asleep == 0);
        fuzz_check(list_empty(&endpoint->idle) && list_empty(&endpoint->links));
        for (uint32_t k = 0; endpoint->cells && k < endpoint->cell_count; k++) {
            fuzz_check(!endpoint->cells[k] || endpoint->cells[k]->in_flight == 0);
        }
        endpoint->no_websockets = false; /* learned */
        endpoint->streams_max = 0;
    }
    for (size_t i = 0; i < worker->set.services.len; i++) {
        const struct service *service = worker->set.services.entries[i].value;
        fuzz_check(service->connections == 0 && service->waiter_count == 0);
    }
}

static void close_edge(void)
{
    inside_close(&world.inside);
    world.inside.edge = NULL;
    world.stopped = world.changed = false;
}

static void restore(void)
{
    if (world.changed) {
        endpoints_are_ready();
        world.changed = false;
        turns(4);
    }
}

/* Nothing is under way any more. */
static bool is_idle(void)
{
    return list_empty(&inside_worker(&world.inside)->clients);
}

static void until(bool (*is)(void))
{
    for (unsigned i = 0; i < TURNS_MAX && !is(); i++) {
        world_turn();
        if (world.timed && i % 50 == 49) {
            pass(NS_PER_S, 1);
        }
    }
    fuzz_check(is());
}

static bool has_ended(void)
{
    return world.ended;
}

void world_end(void)
{
    bool stopped = world.stopped;
    if (world.stubborn) {
        pass(200 * NS_PER_S, 200);
        fuzz_check(inside_worker(&world.inside)->client_count == 0);
    }
    world.deaf = world.half = world.scarce = false;
    answers_come();
    if (world.client >= 0) {
        client_shuts();
    }
    until(has_ended); /* else it neither answers nor closes */
    sock_close(&world.client);
    for (unsigned i = 0; i < WORLD_OTHERS; i++) {
        sock_close(&world.others[i]);
    }
    until(is_idle);
    services_close();
    world.large = false;
    turns(4);
    pass(4000 * NS_PER_S, 8);
    check_rest();
    buf_fini(&world.got);
    if (stopped) {
        close_edge();
    } else {
        restore();
    }
}
