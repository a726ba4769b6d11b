/* SPDX-License-Identifier: Apache-2.0
 *
 * What leaves a thread, and when: connections that rest go to the next edge in the very turn that
 * answers them, and nobody's answer is left behind.
 */
#include "edge/move.h"

#include "edge/client_run.h"
#include "edge/stream.h"
#include "edge/tally.h"
#include "inside.h"
#include "os/clock.h"

#include <sys/socket.h>

static struct parcel *given[4];
static size_t given_count;

static void give(struct worker *worker, struct parcel *parcel)
{
    (void)worker;
    check(given_count < ARRAY_LEN(given));
    given[given_count++] = parcel;
}

static void start(struct inside *inside)
{
    given_count = 0;
    inside_start(inside, 1);
}

static void end(struct inside *inside)
{
    while (given_count > 0) {
        parcel_free(given[--given_count]);
    }
    inside_close(inside);
}

/* As in an upgrade, when the next edge serves. */
static void leave(struct inside *inside)
{
    struct worker *worker = inside_worker(inside);
    move_begin(worker, give);
    worker->moving = true;
    edge_stop(inside->edge, 60000);
}

static struct client *first_client(const struct inside *inside)
{
    struct worker *worker = inside_worker(inside);
    struct list *list = list_empty(&worker->idle) ? &worker->clients : &worker->idle;
    check(!list_empty(list));
    return list_entry(list->next, struct client, node);
}

TEST(who_was_answered_moves_in_that_turn_and_its_next_request_with_it)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    char next[sizeof(INSIDE_GET)];
    start(&inside);
    inside.first = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    int client = inside_connect(&inside, inside.port);
    inside_ask(&inside, client, &got, STR("\r\n\r\no"));
    leave(&inside);
    inside_turn(&inside);
    check_int(given_count, 0);
    inside_say(inside.peers[0], "k");
    check(!inside_until(&inside, client, &got, STR("\r\n\r\nok")));
    check_int(given_count, 1);
    check_int(given[0]->msg.kind, HANDOVER_IDLE);
    check_int(inside_worker(&inside)->stats->connections, 0);
    inside_say(client, INSIDE_GET);
    check_int(sock_recv(given[0]->fds[0], next, sizeof(next)), (int64_t)strlen(INSIDE_GET));
    sock_close(&client);
    end(&inside);
    buf_fini(&got);
}

/* Its client was given to this edge by the one before, while this one had begun to leave. */
TEST(what_comes_to_an_edge_that_leaves_goes_on_to_the_next)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    start(&inside);
    int client = inside_connect(&inside, inside.port);
    inside_ask(&inside, client, &got, STR("\r\n\r\nok"));
    leave(&inside);
    inside_turn(&inside);
    check_int(given_count, 1);
    struct parcel *parcel = given[--given_count];
    move_take(inside_worker(&inside), parcel);
    check_int(given_count, 1);
    buf_reset(&got);
    parcel = given[--given_count];
    inside_say(client, INSIDE_GET); /* what it asked on the way is answered first */
    move_take(inside_worker(&inside), parcel);
    check_int(given_count, 0);
    check(!inside_until(&inside, client, &got, STR("\r\n\r\nok")));
    check_int(given_count, 1);
    sock_close(&client);
    end(&inside);
    buf_fini(&got);
}

TEST(a_connection_that_was_accepted_as_the_edge_leaves_moves_at_once)
{
    struct inside inside;
    start(&inside);
    leave(&inside);
    inside_turn(&inside);
    int ends[2];
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    struct sock_addr peer = sock_addr_loopback(1);
    check_int(client_open(inside_worker(&inside), ends[0], &peer, (struct client_source){0}), 0);
    check_int(given_count, 1);
    sock_close(&ends[1]);
    end(&inside);
}

/* Its replica has as many connections beside it as before: it sleeps, there and here. */
TEST(a_tunnel_that_moved_is_no_request_of_its_replica_nor_is_its_end)
{
    struct inside inside;
    start(&inside);
    struct worker *worker = inside_worker(&inside);
    int client = inside_connect(&inside, inside.tcp_port);
    inside_turns(&inside);
    struct endpoint *endpoint = first_client(&inside)->stream->endpoint;
    check_int(endpoint->member.in_flight, 1);
    check_int(endpoint->member.asleep, 1);
    move_begin(worker, give);
    check_int(given_count, 1);
    check_int(endpoint->member.in_flight, 0);
    check_int(endpoint->member.asleep, 0);
    loop_timer_cancel(&worker->loop, &worker->move_again);
    worker->moving = false;
    move_take(worker, given[--given_count]);
    check_int(endpoint->member.in_flight, 1);
    check_int(endpoint->member.asleep, 1);
    sock_close(&client);
    sock_close(&inside.peers[0]);
    inside_turns(&inside);
    check_int(worker->stats->connections, 0);
    check_int(endpoint->member.in_flight, 0);
    check_int(endpoint->member.asleep, 0);
    end(&inside);
}

/* A route may bound them, whoever began them. */
TEST(a_tunnel_that_moved_is_one_of_its_route)
{
    static const char ask[] = "GET / HTTP/1.1\r\nHost: s1\r\nConnection: upgrade\r\n"
                              "Upgrade: chat\r\n\r\n";
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    start(&inside);
    struct worker *worker = inside_worker(&inside);
    atomic_uint *tunnels = tally_of(inside.edge->tunnels, 1);
    inside.first = STR("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                       "Upgrade: chat\r\n\r\n");
    int client = inside_connect(&inside, inside.port);
    inside_say(client, ask);
    check(!inside_until(&inside, client, &got, STR("\r\n\r\n")));
    inside_turns(&inside);
    move_begin(worker, give);
    check_int(given_count, 1);
    check_int(*tunnels, 0);
    loop_timer_cancel(&worker->loop, &worker->move_again);
    worker->moving = false;
    move_take(worker, given[--given_count]);
    check_int(*tunnels, 1);
    sock_close(&client);
    sock_close(&inside.peers[0]);
    inside_turns(&inside);
    check_int(worker->stats->connections, 0);
    check_int(*tunnels, 0);
    end(&inside);
    buf_fini(&got);
}

/* Many small answers that the client does not read: the last one lies here, in part or whole,
 * though its request has ended. */
static void stall(struct inside *inside, int client)
{
    static char answer[2000] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    memset(answer + strlen(answer), 'x', 1000);
    inside->first =
        str_make(answer, 1000 + strlen("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"));
    int small = 4608;
    struct client *own = first_client(inside);
    check_int(setsockopt(own->conn.watch.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    for (unsigned i = 0; i < 5000 && !own->conn.out; i++) {
        unsigned before = inside->requests;
        inside_say(client, INSIDE_GET);
        while (inside->requests == before || own->stream) {
            inside_turn(inside);
            check(own->conn.out || i < 4999);
            if (own->conn.out) {
                break;
            }
        }
    }
    check(own->conn.out && !own->stream);
}

static size_t count(struct str text, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += text.p[i] == c;
    }
    return n;
}

static void stop_stalled(bool moves)
{
    struct inside inside;
    struct buf got = BUF_INIT(16 * MIB);
    start(&inside);
    int client = inside_connect(&inside, inside.port);
    int small = 4096;
    check_int(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    inside_turn(&inside);
    stall(&inside, client);
    if (moves) {
        leave(&inside);
    } else {
        edge_stop(inside.edge, 60000);
    }
    inside_turn(&inside);
    check_int(inside_worker(&inside)->stats->connections, 1);
    /* What has left the edge may lie in the kernel for a while, on a busy machine. */
    const struct counters_thread *stats = inside_worker(&inside)->stats;
    size_t all = inside.requests * (size_t)1000;
    bool ended = false, reset = false;
    for (unsigned i = 0; i < 5000; i++) {
        ended = inside_read(client, &got, &reset);
        if (stats->connections == 0 && (moves ? count(buf_str(&got), 'x') == all : ended)) {
            break;
        }
        clock_sleep_ns(NS_PER_MS);
        inside_turn(&inside);
    }
    check(ended == !moves && !reset);
    check_int(count(buf_str(&got), 'x'), all);
    check_int(stats->connections, 0);
    check_int(given_count, moves);
    sock_close(&client);
    end(&inside);
    buf_fini(&got);
}

TEST(an_edge_that_stops_waits_for_who_has_not_taken_its_last_answer)
{
    stop_stalled(false);
}

TEST(who_has_not_taken_its_last_answer_moves_when_it_has)
{
    stop_stalled(true);
}
