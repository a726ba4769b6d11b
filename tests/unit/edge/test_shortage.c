/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out in the edge while it serves: each allocation of a request, a tunnel and a
 * new snapshot fails, alone or with all behind it. The client gets its answer, a 503, or the end of
 * its connection; never a part that looks whole. As soon as there is memory again, all is served.
 */
#include "edge/client.h"
#include "inside.h"
#include "scarce.h"

#include <stdio.h>
#include <sys/socket.h>

static size_t made, fail_from, fail_to;

static bool fails(void)
{
    made++;
    return made >= fail_from && made < fail_to;
}

static void begin_failing(size_t from, size_t count)
{
    scarce = fails;
    made = 0;
    fail_from = from;
    fail_to = count > SIZE_MAX - from ? SIZE_MAX : from + count;
}

static size_t end_failing(void)
{
    size_t n = made;
    begin_failing(SIZE_MAX, 0);
    return n;
}

static int64_t cut_at =
    -1; /* so much of the edge's next send is taken, and the next allocation fails */

int64_t __real_sock_send(int fd, const void *p, size_t len, bool more);
int64_t __wrap_sock_send(int fd, const void *p, size_t len, bool more);

static int slow_fd = -1; /* of the edge: its next send there has room for ten bytes */

int64_t __wrap_sock_send(int fd, const void *p, size_t len, bool more)
{
    if (inside_edge_runs && fd == slow_fd) {
        slow_fd = -1;
        return __real_sock_send(fd, p, MIN(len, 10), more);
    }
    if (!inside_edge_runs || cut_at < 0) {
        return __real_sock_send(fd, p, len, more);
    }
    size_t n = (size_t)cut_at;
    cut_at = -1;
    begin_failing(1, 1);
    return n > 0 ? __real_sock_send(fd, p, MIN(n, len), more) : -EAGAIN;
}

static bool has(const struct buf *buf, const char *text)
{
    return str_find(buf_str(buf), str_from(text)) >= 0;
}

/* The kernel takes nothing more for those that rest. */
static void fill_clients(const struct inside *inside)
{
    static char bytes[65536];
    list_for_each (node, &inside_worker(inside)->idle) {
        const struct client *client = list_entry(node, struct client, node);
        while (sock_send(client->conn.watch.fd, bytes, sizeof(bytes), false) > 0) {
        }
    }
}

/* What a client may see whatever happens: the answer, a page that says why, or an end. */
static void check_answer(const struct buf *got, const char *answer)
{
    check(got->len == 0 || has(got, answer) || has(got, " 503 ") ||
          !str_ends(buf_str(got), STR("0\r\n\r\n")));
}

/* One exchange: `parts` of a request with a turn between them, up to `mark` of the answer. */
static void talk(struct inside *inside, const char *const *parts, const char *mark)
{
    struct buf got = BUF_INIT(4 * MIB);
    int client = inside_connect(inside, inside->port);
    for (; *parts; parts++) {
        struct str part = str_from(*parts);
        (void)!sock_send(client, part.p, part.len, false);
        inside_turn(inside);
        inside_turn(inside);
    }
    struct str end = STR("\r\n\r\n"); /* of a page's head, or the end */
    bool ended = inside_until(inside, client, &got, end);
    for (unsigned i = 0; !ended && i < 100 && !has(&got, mark) && !has(&got, "</html>"); i++) {
        bool reset;
        inside_turn(inside);
        ended = inside_read(client, &got, &reset);
    }
    check_answer(&got, mark);
    sock_close(&client);
    inside_turn(inside);
    buf_fini(&got);
}

#define TALK(inside, mark, ...) talk(inside, (const char *const[]){__VA_ARGS__, NULL}, mark)

static void plain(struct inside *inside)
{
    TALK(inside, "\r\n\r\nok", "GET /a/../b%7e HTTP/1.1\r\nHost: s1\r\n\r\n");
}

static void in_pieces(struct inside *inside)
{
    inside->first = STR("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Le");
    inside->second = STR("ngth: 2\r\n\r\nok");
    TALK(inside, "\r\n\r\nok", "GET / HT", "TP/1.1\r\nHost: s1\r\n\r\n");
}

static void chunks_and_more(struct inside *inside)
{
    inside->first =
        STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: 1\r\n\r\n");
    TALK(inside, "2\r\nok\r\n0\r\n", /* its trailer may be left out */
         "POST / HTTP/1.1\r\nHost: s1\r\nTransfer-Encoding: chunked\r\n\r\n",
         "3\r\nabc\r\n0\r\nU: 1\r\n\r\nGET /next HTTP/1.1\r\nHost: s1\r\n\r\n");
}

/* Tunnels: after 101, and of the tcp listener. */
static void tunnels(struct inside *inside)
{
    struct buf got = BUF_INIT(MIB);
    inside->first = STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n");
    inside->second = STR("Connection: upgrade\r\n\r\nhello");
    TALK(inside, "hello",
         "GET / HTTP/1.1\r\nHost: s1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    inside->second = STR_NONE;
    inside->first = STR("over tcp");
    int client = inside_connect(inside, inside->tcp_port);
    (void)!sock_send(client, "ask\r\n\r\n", 7, false);
    (void)inside_until(inside, client, &got, STR("over tcp"));
    check(got.len == 0 || has(&got, "over tcp"));
    sock_close(&client);
    inside_turn(inside);
    buf_fini(&got);
}

/* More than the kernel takes, to an HTTP/1.0 client that only sees the end of the connection as the
 * end of the answer: it must not be a quiet one if something is missing. */
static void a_slow_reader(struct inside *inside)
{
    enum { BODY = 64 * 1024, HEAD = 19 };
    static char bytes[HEAD + BODY];
    struct buf got = BUF_INIT(4 * MIB);
    bool reset = false, ended = false;
    int small = 2048;
    memset(bytes, 'b', sizeof(bytes));
    memcpy(bytes, "HTTP/1.0 200 OK\r\n\r\n", HEAD);
    inside->first = str_make(bytes, sizeof(bytes));
    int client = inside_connect(inside, inside->port);
    check_int(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    (void)!sock_send(client, "GET / HTTP/1.0\r\nHost: s1\r\n\r\n", 28, false);
    for (unsigned i = 0; i < 10; i++) {
        inside_turn(inside);
    }
    while (inside->peer_count > 0) { /* the service has said all */
        sock_close(&inside->peers[--inside->peer_count]);
        buf_fini(&inside->asked[inside->peer_count]);
    }
    for (unsigned i = 0; i < 2000 && !ended; i++) {
        inside_turn(inside);
        ended = inside_read(client, &got, &reset);
    }
    check(ended);
    check(reset || got.len == 0 || has(&got, " 503 ") || got.len > BODY);
    sock_close(&client);
    inside_turn(inside);
    buf_fini(&got);
}

/* Nobody waits for an answer that was lost at the end of a turn. */
static void a_lost_answer(struct inside *inside)
{
    struct buf got = BUF_INIT(64 * MIB);
    bool reset, ended = false;
    int client = inside_connect(inside, inside->port);
    inside_turn(inside);
    inside_turn(inside);
    fill_clients(inside);
    (void)!sock_send(client, "GET / HTTP/1.1\r\nHost: s1\r\n\r\n", 28, false);
    for (unsigned i = 0; i < 10; i++) {
        inside_turn(inside);
    }
    for (unsigned i = 0; i < 500 && !ended && !has(&got, "HTTP/1.1 "); i++) {
        ended = inside_read(client, &got, &reset);
        inside_turn(inside);
    }
    check(ended || has(&got, "HTTP/1.1 "));
    sock_close(&client);
    inside_turn(inside);
    inside_turn(inside);
    buf_fini(&got);
}

static void another_snapshot(struct inside *inside)
{
    int r = inside_apply(inside, 6);
    check(r == 0 || r == -ENOMEM);
    for (unsigned i = 0; i < 5; i++) {
        plain(inside);
    }
}

static void check_served(struct inside *inside, const char *host)
{
    char request[64];
    struct buf got = BUF_INIT(MIB);
    (void)snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    int client = inside_connect(inside, inside->port);
    check(sock_send(client, request, strlen(request), false) > 0);
    check(!inside_until(inside, client, &got, STR("\r\n\r\nok")));
    check(has(&got, "HTTP/1.1 200 OK\r\n"));
    sock_close(&client);
    inside_turn(inside);
    inside_turn(inside);
    buf_fini(&got);
}

/* The scene with some allocations failing; how many it makes. */
static size_t play(void (*scene)(struct inside *inside), size_t from, size_t count)
{
    struct inside inside;
    check_int(inside_open(&inside), 0);
    check_int(inside_apply(&inside, 2), 0);
    inside_turn(&inside);
    struct str usual = inside.first;
    begin_failing(from, count);
    scene(&inside);
    size_t total = end_failing();
    inside.first = usual;
    inside.second = STR_NONE;
    check_served(&inside, "s1");
    check_int(inside_apply(&inside, 9), 0);
    check_served(&inside, "s9");
    check_int(inside_worker(&inside)->blocks.live[BLOCK_HEAD], 0);
    check_int(inside_worker(&inside)->blocks.live[BLOCK_LARGE], 0);
    check_int(inside_worker(&inside)->stats->connections, 0);
    inside_close(&inside);
    return total;
}

static void each_fails(void (*scene)(struct inside *inside))
{
    size_t total = play(scene, SIZE_MAX, 0);
    check(total > 3);
    for (size_t n = 1; n <= total; n++) {
        (void)play(scene, n, 1);
        (void)play(scene, n, SIZE_MAX);
    }
}

TEST(a_request_without_memory_is_refused)
{
    each_fails(plain);
}
TEST(an_answer_in_pieces_without_memory_is_refused_or_cut)
{
    each_fails(in_pieces);
}
TEST(chunks_without_memory_are_refused_or_cut)
{
    each_fails(chunks_and_more);
}
TEST(tunnels_without_memory_end)
{
    each_fails(tunnels);
}
TEST(a_slow_reader_without_memory_is_cut)
{
    each_fails(a_slow_reader);
}
TEST(an_answer_that_is_lost_ends_its_connection)
{
    each_fails(a_lost_answer);
}
TEST(a_snapshot_without_memory_is_taken_later)
{
    each_fails(another_snapshot);
}

TEST(a_config_is_taken_as_soon_as_there_is_memory)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    check_int(inside_open(&inside), 0);
    check_int(inside_apply(&inside, 2), 0);
    inside_turn(&inside);
    check_int(inside_apply(&inside, 6), 0);
    begin_failing(1, SIZE_MAX);
    inside_turn(&inside); /* the thread cannot take it */
    check(end_failing() > 0);
    check_int(inside_worker(&inside)->stats->snapshots, 1);
    for (unsigned i = 0; i < 2000 && inside_worker(&inside)->stats->snapshots < 2; i++) {
        inside_turn(&inside);
    }
    check_served(&inside, "s6");
    inside_close(&inside);
    buf_fini(&got);
}

/* What a client sees, within a few turns, whose request the kernel took `taken` bytes of. */
static void ask_cut(const char *method, size_t body, int64_t taken, const char *answer)
{
    struct inside inside;
    struct buf asks = BUF_INIT(MIB), got = BUF_INIT(MIB);
    bool reset;
    check_int(inside_open(&inside), 0);
    check_int(inside_apply(&inside, 2), 0);
    inside_turn(&inside);
    buf_printf(&asks, "%s / HTTP/1.1\r\nHost: s1\r\nContent-Length: %zu\r\n\r\n", method, body);
    for (size_t i = 0; i < body; i++) {
        buf_add_char(&asks, 'b');
    }
    int client = inside_connect(&inside, inside.port);
    cut_at = taken;
    check_int(sock_send(client, asks.p, asks.len, false), (int64_t)asks.len);
    inside_turns(&inside);
    check_int(cut_at, -1);
    check_int(end_failing() > 0, 1);
    (void)inside_read(client, &got, &reset);
    check(has(&got, answer));
    sock_close(&client);
    check_served(&inside, "s1");
    check_int(inside_worker(&inside)->blocks.live[BLOCK_LARGE], 0);
    inside_close(&inside);
    buf_fini(&asks);
    buf_fini(&got);
}

/* Its service waits for the rest, which is gone: nobody waits for an answer. */
TEST(a_request_that_is_cut_without_memory_is_answered_at_once)
{
    ask_cut("GET", 0, 10, " 503 ");
    ask_cut("POST", 5, 10, " 503 ");
    ask_cut("POST", 6000, 10, " 503 ");
    ask_cut("GET", 0, 0, "\r\n\r\nok"); /* not a byte was taken: another connection takes it */
}

/* The last answer waits for the end of the turn with one before it, and the kernel takes a part. */
TEST(a_last_answer_comes_whole_though_little_of_it_is_taken_at_once)
{
    for (size_t half_closed = 0; half_closed < 2; half_closed++) {
        struct inside inside;
        struct buf got = BUF_INIT(MIB);
        inside_start(&inside, 2);
        int client = inside_connect(&inside, inside.port);
        inside_turn(&inside);
        slow_fd = list_entry(inside_worker(&inside)->idle.next, struct client, node)->conn.watch.fd;
        inside_say(client, INSIDE_GET "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        for (unsigned i = 0; i < 100 && slow_fd >= 0; i++) {
            inside_turn(&inside);
        }
        check_int(slow_fd, -1);
        if (half_closed) { /* some event, since the kernel sees no reason for one */
            check_int(sock_shutdown_write(client), 0);
        } else {
            inside_say(client, "x");
        }
        check(inside_until(&inside, client, &got, STR("no such text")));
        check(has(&got, " 404 ") && str_ends(buf_str(&got), STR("\r\n\r\n")));
        sock_close(&client);
        inside_close(&inside);
        buf_fini(&got);
    }
}

TEST(an_edge_without_memory_does_not_start)
{
    for (size_t n = 1; n < 100; n++) {
        struct inside inside;
        begin_failing(n, 1);
        int r = inside_open(&inside);
        size_t total = end_failing();
        check(r == -ENOMEM || total < n);
        inside_close(&inside);
        if (total < n) {
            return;
        }
    }
}
