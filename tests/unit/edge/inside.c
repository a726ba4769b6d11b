/* SPDX-License-Identifier: Apache-2.0 */
#include "inside.h"

#include "base/num.h"
#include "link/snapshot.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

bool inside_edge_runs;
int64_t inside_clock_jump_ns, inside_clock_still_ns;
static struct inside *one; /* for the edge's questions */

int64_t __real_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void);

int64_t __wrap_clock_mono_ns(void)
{
    int64_t now_ns = inside_clock_still_ns ? inside_clock_still_ns : __real_clock_mono_ns();
    return now_ns + inside_clock_jump_ns;
}

static int listen_any(uint16_t *ret_port)
{
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    struct sock_addr address = sock_addr_loopback(0);
    int fd = -1;
    check_int(sock_listen(&address, &(struct sock_listen_opts){0}, &fd), 0);
    check_int(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    *ret_port = ntohs(own.sin_port);
    return fd;
}

static void text_of(uint16_t port, char text[32])
{
    (void)snprintf(text, 32, "127.0.0.1:%u", port);
}

static void on_listen(void *context, struct str address)
{
    struct inside *inside = one;
    char tcp[32];
    (void)context;
    text_of(inside->tcp_port, tcp);
    edge_listening(inside->edge, address,
                   dup(str_is(address, tcp) ? inside->tcp_listening : inside->listening));
}

static void on_unlisten(void *context, struct str address)
{
    (void)context;
    (void)address;
}

static void on_snapshot_wanted(void *context)
{
    (void)context;
    one->snapshots_wanted++;
}

int inside_open(struct inside *inside)
{
    const struct edge_opts opts = {
        .listen = on_listen, .unlisten = on_unlisten, .snapshot_wanted = on_snapshot_wanted};
    struct edge_memory memory = {-1, -1, {0}, -1, -1};
    *inside = (struct inside){.first = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")};
    for (size_t i = 0; i < ARRAY_LEN(memory.rings); i++) {
        memory.rings[i] = -1;
    }
    one = inside;
    inside->listening = listen_any(&inside->port);
    inside->tcp_listening = listen_any(&inside->tcp_port);
    inside->service = listen_any(&inside->service_port);
    inside_edge_runs = true;
    int r = edge_new(&opts, &inside->edge);
    r = r < 0 ? r : edge_open(inside->edge, &memory, 1);
    inside_edge_runs = false;
    return r;
}

static void forget_peer(struct inside *inside, size_t i)
{
    sock_close(&inside->peers[i]);
    buf_fini(&inside->asked[i]);
    inside->peer_count--;
    inside->peers[i] = inside->peers[inside->peer_count];
    inside->asked[i] = inside->asked[inside->peer_count];
}

void inside_close(struct inside *inside)
{
    while (inside->peer_count > 0) {
        forget_peer(inside, 0);
    }
    edge_free(inside->edge);
    sock_close(&inside->listening);
    sock_close(&inside->tcp_listening);
    sock_close(&inside->service);
}

static void add_service(const struct inside *inside, struct snapshot_builder *builder, uint64_t id,
                        const char *address)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "s%u", (unsigned)id);
    struct snapshot_service service = {.id = id,
                                       .name = str_from(inside->name ? inside->name : name),
                                       .state = SNAPSHOT_SERVICE_RUNNING,
                                       .hold_ms = 1,
                                       .probe = inside->probe};
    struct snapshot_route route = {
        .id = id, .service = id, .host = str_from(name), .path = STR("/")};
    struct snapshot_endpoint endpoint = {.id = id,
                                         .service = id,
                                         .replica = str_from(name),
                                         .address = str_from(address),
                                         .state = SNAPSHOT_ENDPOINT_READY};
    snapshot_builder_service(builder, &service);
    snapshot_builder_endpoint(builder, &endpoint);
    snapshot_builder_route(builder, &route);
}

int inside_apply(struct inside *inside, size_t services)
{
    struct snapshot_builder builder;
    struct buf blob = BUF_INIT(MIB);
    char address[32], port[32], tcp_port[32];
    int fd = -1;
    text_of(inside->service_port, address);
    text_of(inside->port, port);
    text_of(inside->tcp_port, tcp_port);
    snapshot_builder_init(&builder);
    for (uint64_t id = 1; id <= services; id++) {
        add_service(inside, &builder, id, inside->address ? inside->address : address);
    }
    snapshot_builder_listener(&builder,
                              &(struct snapshot_listener){.id = 1, .address = str_from(port)});
    snapshot_builder_listener(&builder, &(struct snapshot_listener){.id = 2,
                                                                    .kind = SNAPSHOT_TCP,
                                                                    .address = str_from(tcp_port),
                                                                    .service = services});
    int r = snapshot_builder_finish(&builder, ++inside->sequence, inside->delta_base, &blob);
    if (r == 0) {
        r = shm_create_sealed("inside", buf_str(&blob), &fd);
    }
    if (r == 0) {
        inside_edge_runs = true;
        r = edge_apply(inside->edge, fd);
        inside_edge_runs = false;
    }
    sock_close(&fd);
    snapshot_builder_fini(&builder);
    buf_fini(&blob);
    return r;
}

void inside_start(struct inside *inside, size_t services)
{
    check_int(inside_open(inside), 0);
    check_int(inside_apply(inside, services), 0);
    inside_turn(inside);
}

struct worker *inside_worker(const struct inside *inside)
{
    return &inside->edge->workers[0];
}

void *inside_deltas(struct delta_log *log, uint32_t capacity)
{
    size_t size = ALIGN_UP(delta_log_size(capacity), 64);
    void *memory = aligned_alloc(64, size);
    check(memory);
    memset(memory, 0, size);
    delta_log_format(memory, capacity);
    check_int(delta_log_open(memory, size, log), 0);
    return memory;
}

static void turn_edge(struct inside *inside)
{
    inside_edge_runs = true;
    int r = loop_turn(edge_loop(inside->edge), NS_PER_MS);
    inside_edge_runs = false;
    check_int(r, 0);
}

/* --- the service --- */

static void send_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        int64_t n = sock_send(fd, bytes.p, bytes.len, false);
        if (n <= 0) {
            return; /* the edge takes no more; what is tested is then cut */
        }
        bytes = str_skip(bytes, (size_t)n);
    }
}

static bool whole(struct str request)
{
    bool chunked = str_find(request, STR("chunked")) >= 0;
    return str_find(request, chunked ? STR("\r\n0\r\n") : STR("\r\n\r\n")) >= 0 &&
           str_ends(request, STR("\r\n\r\n"));
}

/* False: the connection has ended. */
static bool serve(struct inside *inside, size_t i)
{
    char bytes[4096];
    int64_t n = sock_recv(inside->peers[i], bytes, sizeof(bytes));
    if (n == 0 || (n < 0 && n != -EAGAIN)) {
        return false;
    }
    if (n > 0) {
        buf_add_mem(&inside->asked[i], bytes, (size_t)n);
    }
    if (!whole(buf_str(&inside->asked[i]))) {
        return true;
    }
    buf_reset(&inside->asked[i]);
    inside->requests++;
    send_all(inside->peers[i], inside->first);
    if (inside->second.len > 0) {
        turn_edge(inside);
        turn_edge(inside);
        send_all(inside->peers[i], inside->second);
    }
    return true;
}

void inside_turn(struct inside *inside)
{
    int fd = -1;
    turn_edge(inside);
    while (inside->peer_count < INSIDE_PEERS && sock_accept(inside->service, &fd, NULL) == 0) {
        inside->peers[inside->peer_count] = fd;
        inside->asked[inside->peer_count++] = BUF_INIT(MIB);
    }
    for (size_t i = inside->peer_count; i > 0; i--) {
        if (!serve(inside, i - 1)) {
            forget_peer(inside, i - 1);
        }
    }
}

/* --- the client --- */

void inside_turns(struct inside *inside)
{
    for (unsigned i = 0; i < 30; i++) {
        inside_turn(inside);
    }
}

int inside_connect(const struct inside *inside, uint16_t port)
{
    struct sock_addr address = sock_addr_loopback(port);
    int fd = -1;
    (void)inside;
    check_int(sock_connect(&address, &fd), 0);
    return fd;
}

void inside_say(int client, const char *text)
{
    check_int(sock_send(client, text, strlen(text), false), (int64_t)strlen(text));
}

void inside_ask(struct inside *inside, int client, struct buf *got, struct str mark)
{
    inside_say(client, INSIDE_GET);
    check(!inside_until(inside, client, got, mark));
}

bool inside_read(int client, struct buf *out, bool *ret_reset)
{
    char bytes[65536];
    int64_t n;
    while ((n = sock_recv(client, bytes, sizeof(bytes))) > 0) {
        buf_add_mem(out, bytes, (size_t)n);
    }
    *ret_reset = n < 0 && n != -EAGAIN;
    return n != -EAGAIN;
}

bool inside_until(struct inside *inside, int client, struct buf *out, struct str mark)
{
    bool reset;
    for (unsigned i = 0; i < 1000; i++) {
        if (inside_read(client, out, &reset)) {
            return true;
        }
        if (str_find(buf_str(out), mark) >= 0) {
            return false;
        }
        inside_turn(inside);
    }
    check(!"the edge neither answers nor closes");
    return true;
}
