/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/conn.h"
#include "edge/worker.h"
#include "harness/test.h"

#include <stdlib.h>
#include <sys/socket.h>

/* A connection, and the other end of it; the kernel takes little. */
struct pair {
    struct worker worker;
    struct conn conn;
    int peer;
};

static void ready(struct loop_fd *watch, uint32_t events)
{
    conn_note(container_of(watch, struct conn, watch), events);
}

static void open_pair(struct pair *pair)
{
    int ends[2];
    int small = 4096;
    *pair = (struct pair){0};
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    check_int(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    check_int(loop_init(&pair->worker.loop, 1), 0);
    block_pool_init(&pair->worker.blocks, 4);
    check_int(conn_open(&pair->conn, &pair->worker, ends[0], ready), 0);
    pair->conn.writable = true;
    pair->peer = ends[1];
}

static void close_pair(struct pair *pair)
{
    conn_close(&pair->conn);
    sock_close(&pair->peer);
    block_pool_fini(&pair->worker.blocks);
    loop_fini(&pair->worker.loop);
}

static size_t drain(struct pair *pair, struct buf *out)
{
    char bytes[3000];
    int64_t n = sock_recv(pair->peer, bytes, 1 + rng_below(test_rng(), sizeof(bytes)));
    if (n > 0) {
        buf_add_mem(out, bytes, (size_t)n);
    }
    return n > 0 ? (size_t)n : 0;
}

/* Whatever the sizes and the peer's pace: what was accepted arrives whole and in its order. */
TEST(what_is_sent_arrives_in_order_whatever_the_kernel_takes)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(30); round++) {
        struct pair pair;
        struct buf sent = BUF_INIT(8 * MIB), got = BUF_INIT(8 * MIB);
        static char bytes[8][9000];
        open_pair(&pair);
        for (size_t i = 0; i < 200; i++) {
            struct str parts[8];
            size_t count = 1 + rng_below(rng, 8);
            for (size_t p = 0; p < count; p++) {
                size_t len = rng_below(rng, 4) ? rng_below(rng, 200) : rng_below(rng, 9000);
                memset(bytes[p], (int)(sent.len + p), len);
                parts[p] = str_make(bytes[p], len);
            }
            if (!conn_blocked(&pair.conn)) { /* as all who produce ask before */
                check_int(conn_send(&pair.conn, parts, count), 0);
                for (size_t p = 0; p < count; p++) {
                    buf_add(&sent, parts[p]);
                }
            }
            (void)drain(&pair, &got);
            pair.conn.writable = true;
            check_int(conn_flush(&pair.conn), 0);
        }
        while (got.len < sent.len) {
            check(drain(&pair, &got) > 0 || conn_blocked(&pair.conn));
            pair.conn.writable = true;
            check_int(conn_flush(&pair.conn), 0);
        }
        check_str(buf_str(&got), buf_str(&sent));
        check(!conn_blocked(&pair.conn));
        check_int(pair.worker.blocks.live[BLOCK_LARGE], 0);
        close_pair(&pair);
        buf_fini(&sent);
        buf_fini(&got);
    }
}

/* --- what waits for the end of the turn --- */

static bool told_error;

static void ready_or_not(struct loop_fd *watch, uint32_t events)
{
    told_error |= (events & LOOP_ERROR) != 0;
    ready(watch, events);
}

static void open_later(struct pair *pair)
{
    told_error = false;
    open_pair(pair);
    pair->worker.outbox = calloc(1, sizeof(*pair->worker.outbox));
    check(pair->worker.outbox);
    pair->worker.out = outbox_scratch(pair->worker.outbox);
    pair->conn.watch.ready = ready_or_not;
}

static void close_later(struct pair *pair)
{
    struct outbox *outbox = pair->worker.outbox;
    close_pair(pair);
    free(outbox);
}

/* Two connections of one thread, in turns: whatever goes at once, later, or is written where it
 * waits, and whatever the kernel takes: each peer gets its bytes whole and in their order. */
TEST(what_is_sent_later_arrives_in_order)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(30); round++) {
        struct pair pairs[2];
        struct buf sent[2] = {BUF_INIT(8 * MIB), BUF_INIT(8 * MIB)};
        struct buf got[2] = {BUF_INIT(8 * MIB), BUF_INIT(8 * MIB)};
        static char bytes[9000];
        open_later(&pairs[0]);
        open_pair(&pairs[1]);
        struct worker *worker = pairs[1].conn.worker = &pairs[0].worker;
        for (size_t i = 0; i < 400; i++) {
            size_t who = rng_below(rng, 2);
            struct conn *conn = &pairs[who].conn;
            bool staged = rng_below(rng, 2) == 0;
            size_t len = 1 + rng_below(rng, rng_below(rng, 4) ? 400 : sizeof(bytes));
            char *p = staged ? worker->out : bytes;
            memset(p, (int)(sent[who].len * 7), len);
            if (!conn_blocked(conn)) {
                struct str part = str_make(p, len);
                buf_add(&sent[who], part);
                check_int(
                    rng_below(rng, 3) ? conn_send_later(conn, part) : conn_send(conn, &part, 1), 0);
            }
            if (rng_below(rng, 5) == 0) {
                conn_send_queued(worker);
                check(!pairs[0].conn.queued && !pairs[1].conn.queued);
                check(worker->out == worker->outbox->bytes);
            }
            (void)drain(&pairs[who], &got[who]);
            conn->writable = true;
            check_int(conn_flush(conn), 0);
        }
        conn_send_queued(worker);
        for (size_t who = 0; who < 2; who++) {
            while (got[who].len < sent[who].len) {
                check(drain(&pairs[who], &got[who]) > 0 || conn_blocked(&pairs[who].conn));
                pairs[who].conn.writable = true;
                check_int(conn_flush(&pairs[who].conn), 0);
            }
            check_str(buf_str(&got[who]), buf_str(&sent[who]));
            buf_fini(&sent[who]);
            buf_fini(&got[who]);
        }
        check(!told_error);
        conn_close(&pairs[1].conn);
        pairs[1].conn.worker = &pairs[1].worker;
        close_later(&pairs[0]);
        sock_close(&pairs[1].peer);
        block_pool_fini(&pairs[1].worker.blocks);
        loop_fini(&pairs[1].worker.loop);
    }
}

/* Nothing leaves before the turn ends; what is added to it is one message with it. */
TEST(what_is_sent_later_leaves_at_the_end_of_the_turn)
{
    struct pair pair;
    struct str body = STR("body");
    struct buf got = BUF_INIT(KIB);
    open_later(&pair);
    check_int(conn_send_later(&pair.conn, STR("head ")), 0);
    check_int(conn_send(&pair.conn, &body, 1), 0);
    check_int(drain(&pair, &got), 0);
    check(pair.conn.queued && !conn_blocked(&pair.conn));
    conn_send_queued(&pair.worker);
    while (drain(&pair, &got) > 0) {
    }
    check_str(buf_str(&got), STR("head body"));
    close_later(&pair);
    buf_fini(&got);
}

TEST(a_connection_that_ends_says_what_waited)
{
    for (int shut = 0; shut < 2; shut++) {
        struct pair pair;
        struct buf got = BUF_INIT(KIB);
        open_later(&pair);
        check_int(conn_send_later(&pair.conn, STR("last words")), 0);
        if (shut) {
            conn_shut_write(&pair.conn);
        } else {
            conn_close(&pair.conn);
        }
        while (drain(&pair, &got) > 0) {
        }
        check_str(buf_str(&got), STR("last words"));
        conn_send_queued(&pair.worker);
        check(!told_error);
        close_later(&pair);
        buf_fini(&got);
    }
}

TEST(what_is_forgotten_is_not_sent)
{
    struct pair pair;
    struct buf got = BUF_INIT(KIB);
    open_later(&pair);
    check_int(conn_send_later(&pair.conn, STR("never mind")), 0);
    conn_forget(&pair.conn);
    conn_send_queued(&pair.worker);
    check_int(drain(&pair, &got), 0);
    check(!pair.conn.queued && !told_error);
    close_later(&pair);
    buf_fini(&got);
}

/* Its owner learns that the peer was gone, and that the peer has seen nothing of it. */
TEST(who_took_nothing_at_the_end_of_a_turn_has_refused)
{
    struct pair pair;
    open_later(&pair);
    check_int(conn_send_later(&pair.conn, STR("are you there?")), 0);
    sock_close(&pair.peer);
    conn_send_queued(&pair.worker);
    check(told_error && pair.conn.unsent == CONN_REFUSED && pair.conn.failed && !pair.conn.queued);
    close_later(&pair);
}

static void fill(struct pair *pair)
{
    static char bytes[65536];
    while (sock_send(pair->conn.watch.fd, bytes, sizeof(bytes), false) > 0) {
    }
}

/* However much was added to it: who asked conn_blocked before may send a head and a large read. */
TEST(what_waited_leaves_room_for_a_large_piece)
{
    static char bytes[64 * 1024];
    struct str large[2] = {str_make(bytes, 48 * 1024), str_make(bytes, sizeof(bytes))};
    for (size_t len = 100; len <= 2000; len += 1900) {
        struct pair pair;
        struct str page = str_make(bytes, len);
        open_later(&pair);
        fill(&pair);
        check_int(conn_send_later(&pair.conn, page), 0);
        for (unsigned i = 1; i < 20 && !conn_blocked(&pair.conn); i++) {
            check_int(conn_send(&pair.conn, &page, 1), 0);
        }
        if (!conn_blocked(&pair.conn)) {
            check_int(conn_send(&pair.conn, large, 2), 0);
        }
        check(conn_blocked(&pair.conn));
        close_later(&pair);
    }
}

/* What the kernel does not take of a large read waits where it was read, whole and in its order. */
TEST(the_block_of_a_large_read_waits_itself)
{
    struct pair pair;
    struct buf got = BUF_INIT(8 * MIB);
    open_pair(&pair);
    struct block *wide = block_get(&pair.worker.blocks, BLOCK_WIDE);
    check(wide);
    for (size_t i = 0; i < wide->cap; i++) {
        wide->data[i] = (char)(i * 7 >> 3);
    }
    struct str sent = str_make(wide->data, wide->cap);
    pair.worker.wide = wide;
    check_int(conn_send(&pair.conn, &sent, 1), 0);
    check(pair.conn.out == wide && !pair.worker.wide);
    char *copy = malloc(sent.len);
    check(copy);
    memcpy(copy, sent.p, sent.len);
    while (got.len < sent.len) {
        check(drain(&pair, &got) > 0 || conn_blocked(&pair.conn));
        pair.conn.writable = true;
        check_int(conn_flush(&pair.conn), 0);
    }
    check_str(buf_str(&got), str_make(copy, got.len));
    check_int(pair.worker.blocks.live[BLOCK_WIDE], 0);
    free(copy);
    close_pair(&pair);
    buf_fini(&got);
}

TEST(a_little_of_a_large_read_waits_in_a_small_block)
{
    struct pair pair;
    open_pair(&pair);
    pair.worker.wide = block_get(&pair.worker.blocks, BLOCK_WIDE);
    check(pair.worker.wide);
    memset(pair.worker.wide->data, 0, BLOCK_LARGE_SIZE);
    struct str sent = str_make(pair.worker.wide->data, BLOCK_LARGE_SIZE);
    check_int(conn_send(&pair.conn, &sent, 1), 0);
    check(pair.conn.out && pair.conn.out != pair.worker.wide);
    check_int(pair.worker.blocks.live[BLOCK_LARGE], 1);
    block_put(&pair.worker.blocks, pair.worker.wide);
    close_pair(&pair);
}

/* A unix socket has room again each time its peer has read. */
TEST(a_hushed_connection_hears_of_room_only_while_bytes_wait)
{
    static char piece[64 * 1024];
    struct pair pair;
    struct buf got = BUF_INIT(MIB);
    struct str byte = STR("x"), large = str_make(piece, sizeof(piece));
    open_pair(&pair);
    check_int(loop_turn(&pair.worker.loop, 0), 0);
    check_int(conn_hush(&pair.conn), 0);
    check_int(conn_send(&pair.conn, &byte, 1), 0);
    check_int(drain(&pair, &got), 1);
    pair.conn.writable = false;
    check_int(loop_turn(&pair.worker.loop, 0), 0);
    check(!pair.conn.writable);
    check_int(conn_send(&pair.conn, &large, 1), 0);
    check(conn_blocked(&pair.conn));
    while (conn_blocked(&pair.conn)) {
        (void)drain(&pair, &got);
        check_int(loop_turn(&pair.worker.loop, 0), 0);
        check_int(conn_flush(&pair.conn), 0);
    }
    close_pair(&pair);
    buf_fini(&got);
}

TEST(what_waits_has_a_maximum)
{
    static char piece[16 * 1024];
    struct pair pair;
    struct str part = str_make(piece, sizeof(piece));
    int r = 0;
    open_pair(&pair);
    for (size_t i = 0; r == 0 && i < 100; i++) {
        r = conn_send(&pair.conn, &part, 1);
    }
    check_int(r, -ENOBUFS);
    check(pair.conn.out->len <= BLOCK_LARGE_SIZE);
    close_pair(&pair);
    check_int(pair.worker.blocks.live[BLOCK_LARGE], 0);
}

TEST(without_a_block_the_connection_is_of_no_use)
{
    static char piece[64 * 1024];
    struct pair pair;
    struct str part = str_make(piece, sizeof(piece));
    open_pair(&pair);
    pair.worker.blocks.max[BLOCK_LARGE] = 0;
    check_int(conn_send(&pair.conn, &part, 1), -ENOMEM);
    close_pair(&pair);
}

TEST(a_peer_that_is_gone_is_an_error_and_an_end_is_an_end)
{
    struct pair pair;
    char byte;
    struct str part = STR("x");
    open_pair(&pair);
    check_int(shutdown(pair.peer, SHUT_WR), 0);
    check_int(conn_recv(&pair.conn, &byte, 1), 0);
    check(pair.conn.eof && !pair.conn.failed);
    sock_close(&pair.peer);
    check_int(conn_send(&pair.conn, &part, 1), -EPIPE);
    conn_shut_write(&pair.conn);
    check(pair.conn.write_shut);
    close_pair(&pair);
}

TEST(a_flush_to_a_peer_that_is_gone_says_so)
{
    static char piece[64 * 1024];
    struct pair pair;
    struct str part = str_make(piece, sizeof(piece));
    open_pair(&pair);
    check_int(conn_send(&pair.conn, &part, 1), 0);
    check(conn_blocked(&pair.conn));
    conn_shut_write(&pair.conn); /* waits for what waits */
    check(!pair.conn.write_shut);
    sock_close(&pair.peer);
    pair.conn.writable = true;
    check_int(conn_flush(&pair.conn), -EPIPE);
    close_pair(&pair);
}
