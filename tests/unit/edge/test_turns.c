/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge does in a turn of its loop: a share for each client, a drain that loses no request,
 * and peers that say something at the wrong moment.
 */
#include "edge/client_run.h"
#include "edge/stream.h"
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void close_client(struct inside *inside, int *client)
{
    sock_close(client);
    inside_turn(inside);
    inside_turn(inside);
}

TEST(many_requests_of_one_client_are_more_than_one_turn)
{
    struct inside inside;
    struct buf got = BUF_INIT(4 * MIB);
    bool reset;
    inside_start(&inside, 2);
    const struct counters_thread *stats = inside_worker(&inside)->stats;
    int client = inside_connect(&inside, inside.port);
    for (unsigned i = 0; i < 200; i++) { /* each is answered by a page, without waiting */
        inside_say(client, "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n");
    }
    uint64_t before = 0, most = 0;
    for (unsigned i = 0; i < 500 && stats->requests < 200; i++) {
        inside_turn(&inside);
        check(!inside_read(client, &got, &reset));
        most = MAX(most, stats->requests - before);
        before = stats->requests;
    }
    check_int(stats->requests, 200);
    check(most <= 128); /* a share as it is read, one more at the end of the turn */
    close_client(&inside, &client);
    buf_fini(&got);
    inside_close(&inside);
}

/* The edge stops; what a client has sent by then, or sends in the next moment as its first request,
 * is answered, and told that no more is. */
TEST(a_stop_loses_no_request_of_a_new_connection)
{
    struct inside inside;
    struct buf got[2] = {BUF_INIT(MIB), BUF_INIT(MIB)};
    inside_start(&inside, 2);
    int kept = inside_connect(&inside, inside.port);
    inside_ask(&inside, kept, &got[0], STR("\r\n\r\nok"));
    buf_reset(&got[0]);
    int silent = inside_connect(&inside, inside.port);
    inside_turn(&inside);
    inside_turn(&inside);
    check_int(inside_worker(&inside)->stats->connections, 2);
    check(inside_worker(&inside)->stats->taken != 0);
    inside_say(kept, INSIDE_GET); /* the loop does not know yet */
    edge_stop(inside.edge, 5000);
    check(inside_until(&inside, kept, &got[0], STR("no such text")));
    check(str_starts(buf_str(&got[0]), STR("HTTP/1.1 200 OK\r\n")));
    check(str_find(buf_str(&got[0]), STR("Connection: close\r\n")) > 0);
    check_int(inside_worker(&inside)->stats->taken, 0); /* nobody new meets what it serves */
    inside_say(silent, INSIDE_GET);
    check(inside_until(&inside, silent, &got[1], STR("no such text")));
    check(str_starts(buf_str(&got[1]), STR("HTTP/1.1 200 OK\r\n")));
    check(str_find(buf_str(&got[1]), STR("Connection: close\r\n")) > 0);
    sock_close(&kept);
    sock_close(&silent);
    inside_close(&inside);
    buf_fini(&got[0]);
    buf_fini(&got[1]);
}

TEST(a_stop_ends_connections_between_two_requests_at_once)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    inside_start(&inside, 2);
    int kept = inside_connect(&inside, inside.port);
    inside_ask(&inside, kept, &got, STR("\r\n\r\nok"));
    inside_turn(&inside);
    edge_stop(inside.edge, 5000);
    inside_turn(&inside);
    check_int(inside_worker(&inside)->stats->connections, 0);
    check(inside_worker(&inside)->loop.stopping);
    sock_close(&kept);
    inside_close(&inside);
    buf_fini(&got);
}

/* What is under way when the edge is cut off must not look whole: to HTTP/1.0 the end of the
 * connection is the end of the answer. */
TEST(an_answer_that_is_cut_ends_by_a_reset)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    bool reset = false;
    inside_start(&inside, 2);
    inside.first = STR("HTTP/1.0 200 OK\r\n\r\nthe first half");
    int client = inside_connect(&inside, inside.port);
    inside_say(client, "GET / HTTP/1.0\r\nHost: s1\r\n\r\n");
    check(!inside_until(&inside, client, &got, STR("half")));
    edge_free(inside.edge);
    inside.edge = NULL;
    check(inside_read(client, &got, &reset));
    check(reset);
    sock_close(&client);
    inside_close(&inside);
    buf_fini(&got);
}

/* A service that says something unasked just as the next request comes: it is no answer to it, as
 * that has not left. */
TEST(what_was_said_before_a_request_left_is_no_answer_to_it)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    inside_start(&inside, 2);
    int client = inside_connect(&inside, inside.port);
    inside_say(client, "POST / HTTP/1.1\r\nHost: s1\r\nContent-Length: 0\r\n\r\n");
    check(!inside_until(&inside, client, &got, STR("\r\n\r\nok")));
    buf_reset(&got);
    check_int(inside.peer_count, 1);
    inside_say(client, "POST / HTTP/1.1\r\nHost: s1\r\nContent-Length: 0\r\n\r\n");
    inside_say(inside.peers[0], "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned");
    check(!inside_until(&inside, client, &got, STR("\r\n\r\n")));
    inside_turns(&inside);
    bool reset;
    check(!inside_read(client, &got, &reset));
    check(str_find(buf_str(&got), STR("poisoned")) < 0);
    check(str_ends(buf_str(&got), STR("\r\n\r\nok")));
    check_int(inside.requests, 2);
    close_client(&inside, &client);
    inside_close(&inside);
    buf_fini(&got);
}

TEST(a_tunnel_holds_no_block_of_the_head_it_began_with)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    inside_start(&inside, 2);
    inside.first = STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n");
    inside.second = STR("Connection: upgrade\r\n\r\nhello");
    int client = inside_connect(&inside, inside.port);
    inside_say(client, "GET / HTTP/1.1\r\nHost: s1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    check(!inside_until(&inside, client, &got, STR("hello")));
    check_int(inside_worker(&inside)->blocks.live[BLOCK_LARGE], 0);
    close_client(&inside, &client);
    inside_close(&inside);
    buf_fini(&got);
}

/* However many interim answers come, and wherever they are cut, there is room for the next head. */
TEST(interim_answers_larger_than_any_buffer_are_passed_on)
{
    struct inside inside;
    struct buf interim = BUF_INIT(4 * MIB), got = BUF_INIT(4 * MIB);
    inside_start(&inside, 2);
    buf_add(&interim, STR("HTTP/1.1 103 Early Hints\r\nLink: </"));
    for (unsigned i = 0; i < 2000; i++) {
        buf_add_char(&interim, 'a');
    }
    buf_add(&interim, STR(".css>; rel=preload\r\n\r\n"));
    struct str one = str_make(strndup(interim.p, interim.len), interim.len);
    for (unsigned i = 1; i < 190; i++) { /* 400 KB */
        buf_add(&interim, one);
    }
    buf_add(&interim, STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    int client = inside_connect(&inside, inside.port);
    inside_say(client, INSIDE_GET);
    inside.first = STR_NONE;
    while (inside.requests == 0) {
        inside_turn(&inside);
    }
    struct str rest = buf_str(&interim);
    bool ended = false, reset;
    size_t step = 10; /* never at the end of one */
    while (rest.len > 0 && !ended) {
        size_t n = MIN(rest.len, step);
        step = 16 * one.len;
        int64_t sent = sock_send(inside.peers[0], rest.p, n, false);
        rest = str_skip(rest, sent > 0 ? (size_t)sent : 0);
        inside_turn(&inside);
        ended = inside_read(client, &got, &reset);
    }
    check(!inside_until(&inside, client, &got, STR("\r\n\r\nok")));
    close_client(&inside, &client);
    inside_close(&inside);
    buf_fini(&interim);
    buf_fini(&got);
    free((char *)one.p);
}

/* A snapshot that comes while the edge stops must not open its listeners again. */
TEST(an_edge_that_stops_accepts_nobody_whatever_comes)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    inside_start(&inside, 2);
    int client = inside_connect(&inside, inside.port);
    inside.first = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    inside_ask(&inside, client, &got, STR("\r\n\r\no")); /* it is under way */
    edge_stop(inside.edge, 5000);
    inside_turn(&inside);
    check_int(inside_apply(&inside, 3), 0);
    int late = inside_connect(&inside, inside.port);
    inside_say(late, INSIDE_GET);
    for (unsigned i = 0; i < 20; i++) {
        inside_turn(&inside);
    }
    check_int(inside_worker(&inside)->stats->accepted, 1);
    check_int(inside_worker(&inside)->stats->snapshots, 2);
    inside_say(inside.peers[0], "k");
    (void)inside_until(&inside, client, &got, STR("\r\n\r\nok"));
    check(str_ends(buf_str(&got), STR("\r\n\r\nok")));
    sock_close(&client);
    sock_close(&late);
    inside_close(&inside);
    buf_fini(&got);
}

/* A 101 before the request is whole would make its rest the tunnel's first bytes. */
TEST(a_tunnel_begins_behind_the_whole_request)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    inside_start(&inside, 2);
    int client = inside_connect(&inside, inside.port);
    inside_say(client, "POST / HTTP/1.1\r\nHost: s1\r\nConnection: upgrade\r\nUpgrade: x\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n4\r\nab");
    while (inside.peer_count == 0) {
        inside_turn(&inside);
    }
    const char *early = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                        "Upgrade: x\r\n\r\n";
    inside_say(inside.peers[0], early);
    check(inside_until(&inside, client, &got, STR("no such text")));
    check(str_starts(buf_str(&got), STR("HTTP/1.1 502 ")));
    check_int(inside_worker(&inside)->stats->tunnels, 0);
    sock_close(&client);
    inside_close(&inside);
    buf_fini(&got);
}

/* More than was asked for is of nobody: neither this client nor the next one gets it. */
TEST(what_comes_behind_an_answer_without_a_body_is_nobodys)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    inside_start(&inside, 2);
    inside.first =
        STR("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    int client = inside_connect(&inside, inside.port);
    inside_ask(&inside, client, &got, STR("\r\n\r\n"));
    inside_turns(&inside);
    check_int(inside_worker(&inside)->stats->upstream_connections, 0);
    inside.first = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    inside_ask(&inside, client, &got, STR("\r\n\r\nok"));
    check(str_find(buf_str(&got), STR("evil")) < 0);
    close_client(&inside, &client);
    inside_close(&inside);
    buf_fini(&got);
}

/* It has answered and gone before the body was whole: the answer counts. Without one, 502. */
TEST(a_service_that_goes_while_it_is_sent_a_body_may_have_answered)
{
    static const char *const answers[] = {"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno",
                                          ""};
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct inside inside;
        struct buf got = BUF_INIT(MIB);
        inside_start(&inside, 2);
        inside.first = STR_NONE;
        int client = inside_connect(&inside, inside.port);
        inside_say(client, "POST / HTTP/1.1\r\nHost: s1\r\nContent-Length: 9\r\n\r\nabc");
        while (inside.peer_count == 0) {
            inside_turn(&inside);
        }
        inside_turns(&inside);
        inside_say(client, "def"); /* the loop meets this first, and a broken pipe */
        inside_say(inside.peers[0], answers[i]);
        struct linger reset = {.l_onoff = 1};
        check_int(setsockopt(inside.peers[0], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        sock_close(&inside.peers[0]);
        check(inside_until(&inside, client, &got, STR("no such text")));
        check(str_starts(buf_str(&got), i == 0 ? STR("HTTP/1.1 413 ") : STR("HTTP/1.1 502 ")));
        check_int(inside_worker(&inside)->stats->upstream_connections, 0);
        close_client(&inside, &client);
        inside_close(&inside);
        buf_fini(&got);
    }
}

/* Nobody reads the records: they are left out and counted, and all is served. */
TEST(a_full_ring_holds_nobody_up)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    inside_start(&inside, 2);
    struct worker *worker = inside_worker(&inside);
    while (ring_next(&worker->ring)) {
        ring_publish(&worker->ring);
    }
    check_int(worker->stats->ring_dropped, 0);
    int client = inside_connect(&inside, inside.port);
    inside_ask(&inside, client, &got, STR("\r\n\r\nok"));
    check_int(worker->stats->ring_dropped, 1);
    close_client(&inside, &client);
    inside_close(&inside);
    buf_fini(&got);
}

/* The core wrote more deltas than the log holds while the edge could not read: a snapshot is asked
 * for until one is there that knows them. */
TEST(a_delta_log_that_ran_over_wants_a_snapshot)
{
    struct inside inside;
    struct delta_log log;
    void *memory = inside_deltas(&log, 4);
    struct delta state = {.kind = DELTA_SERVICE_STATE, .service = 1};
    inside_start(&inside, 2);
    inside_worker(&inside)->deltas = &log;
    for (uint64_t i = 1; i <= 9; i++) {
        delta_log_set_base(&log, i - 1);
        check_int(delta_log_append(&log, &state), 0);
    }
    edge_deltas(inside.edge);
    inside_turns(&inside);
    check(inside.edge->deltas_lost);
    check(inside.snapshots_wanted >= 1);
    check_int(inside_worker(&inside)->stats->deltas, 0);
    inside.delta_base = delta_log_head(&log);
    check_int(inside_apply(&inside, 2), 0);
    inside_turns(&inside);
    check(!inside.edge->deltas_lost);
    unsigned wanted = inside.snapshots_wanted;
    check_int(delta_log_append(&log, &state), 0);
    edge_deltas(inside.edge);
    inside_turns(&inside);
    check_int(inside_worker(&inside)->stats->deltas, 1);
    check_int(inside.snapshots_wanted, wanted);
    inside_close(&inside);
    free(memory);
}

static void tell_route(struct inside *inside, struct delta_log *log, enum delta_kind kind,
                       const struct snapshot_route *route)
{
    struct delta delta;
    check(delta_of_route(route, &delta));
    delta.kind = kind;
    check_int(delta_log_append(log, &delta), 0);
    edge_deltas(inside->edge);
    inside_turns(inside);
}

/* Whether a request for that host and path reaches the service. */
static bool is_served(struct inside *inside, int client, const char *host, const char *path)
{
    struct buf got = BUF_INIT(MIB);
    char text[128];
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);
    inside_say(client, text);
    for (unsigned i = 0; i < 200 && got.len == 0; i++) {
        bool reset;
        inside_turn(inside);
        check(!inside_read(client, &got, &reset));
    }
    inside_turns(inside);
    bool reset;
    (void)inside_read(client, &got, &reset);
    bool served = str_find(buf_str(&got), STR("200 OK")) >= 0;
    check(served || str_find(buf_str(&got), STR("404 Not Found")) >= 0);
    buf_fini(&got);
    return served;
}

TEST(routes_that_come_and_go_by_deltas_are_served_and_outlive_a_snapshot)
{
    struct inside inside;
    struct delta_log log;
    void *memory = inside_deltas(&log, 16);
    struct snapshot_route a = {.id = 50, .service = 1, .host = STR("a"), .path = STR("/")};
    struct snapshot_route b = {.id = 51, .service = 1, .host = STR("a"), .path = STR("/deep/")};
    struct snapshot_route unknown = {.id = 52, .service = 99, .host = STR("u"), .path = STR("/")};
    struct snapshot_route first = {.id = 2, .service = 2, .host = STR("s2"), .path = STR("/")};
    inside_start(&inside, 2);
    inside.edge->shared.deltas = log;
    inside.edge->shared.has_deltas = true;
    inside_worker(&inside)->deltas = &inside.edge->shared.deltas;
    int client = inside_connect(&inside, inside.port);
    check(!is_served(&inside, client, "a", "/"));
    tell_route(&inside, &log, DELTA_ROUTE_SET, &b);
    check(!is_served(&inside, client, "a", "/") && is_served(&inside, client, "a", "/deep/x"));
    tell_route(&inside, &log, DELTA_ROUTE_SET, &unknown);
    tell_route(&inside, &log, DELTA_ROUTE_SET, &a);
    check(is_served(&inside, client, "a", "/"));
    tell_route(&inside, &log, DELTA_ROUTE_REMOVE, &first);
    check(!is_served(&inside, client, "s2", "/") && is_served(&inside, client, "s1", "/"));
    check_int(inside_worker(&inside)->stats->snapshots, 1);
    /* A snapshot from before the last two: they count on. The third service is known now. */
    inside.delta_base = 2;
    check_int(inside_apply(&inside, 3), 0);
    inside_turns(&inside);
    check(is_served(&inside, client, "a", "/"));
    check(!is_served(&inside, client, "s2", "/") && is_served(&inside, client, "s3", "/"));
    /* One that knows all of them by itself. */
    inside.delta_base = delta_log_head(&log);
    check_int(inside_apply(&inside, 2), 0);
    inside_turns(&inside);
    check(!is_served(&inside, client, "a", "/") && is_served(&inside, client, "s2", "/"));
    check_int(inside_worker(&inside)->stats->snapshots, 3);
    close_client(&inside, &client);
    inside_close(&inside);
    free(memory);
}

/* What a page names comes from a file, and is text in it, never markup. */
TEST(a_page_holds_no_markup_but_its_own)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    check_int(inside_open(&inside), 0);
    inside.name = "<a href=\"x\">&";
    inside.address = "127.0.0.1:1"; /* nobody is there */
    check_int(inside_apply(&inside, 1), 0);
    inside_turn(&inside);
    int client = inside_connect(&inside, inside.port);
    inside_say(client, "GET / HTTP/1.1\r\nHost: s1\r\nAccept: text/html\r\n\r\n");
    check(!inside_until(&inside, client, &got, STR("</html>")));
    check(str_find(buf_str(&got), STR("<strong>&lt;a href=&quot;x&quot;&gt;&amp;</strong>")) > 0);
    close_client(&inside, &client);
    inside_close(&inside);
    buf_fini(&got);
}

TEST(a_request_id_that_is_too_long_is_replaced)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB), request = BUF_INIT(MIB);
    inside_start(&inside, 2);
    int client = inside_connect(&inside, inside.port);
    buf_add(&request, STR("GET / HTTP/1.1\r\nHost: s1\r\nX-Request-ID: "));
    for (unsigned i = 0; i <= STREAM_REQUEST_ID_MAX; i++) {
        buf_add_char(&request, 'a');
    }
    buf_add(&request, STR("\r\n\r\n"));
    inside_say(client, buf_cstr(&request));
    check(!inside_until(&inside, client, &got, STR("\r\n\r\nok")));
    check(str_find(buf_str(&got), STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")) < 0);
    check(str_find(buf_str(&got), STR("X-Request-ID: ")) > 0);
    close_client(&inside, &client);
    inside_close(&inside);
    buf_fini(&got);
    buf_fini(&request);
}

/* The service ends a kept connection in the turn in which it is to be asked again: nothing was
 * asked yet, so that it may be asked by another one, whatever the method. */
TEST(a_request_that_waits_for_the_end_of_the_turn_is_sent_elsewhere_when_the_service_leaves)
{
    struct inside inside;
    struct buf got = BUF_INIT(MIB);
    inside_start(&inside, 2);
    int client = inside_connect(&inside, inside.port);
    inside_ask(&inside, client, &got, STR("\r\n\r\nok"));
    inside_turn(&inside);
    check_int(inside_worker(&inside)->stats->upstream_connections, 1);
    buf_reset(&got);
    inside_say(client, "POST / HTTP/1.1\r\nHost: s1\r\nContent-Length: 4\r\n\r\n\r\n\r\n");
    sock_close(&inside.peers[0]);
    check(!inside_until(&inside, client, &got, STR("\r\n\r\n")));
    check(str_starts(buf_str(&got), STR("HTTP/1.1 200 OK\r\n")));
    check_int(inside.requests, 2);
    close_client(&inside, &client);
    inside_close(&inside);
    buf_fini(&got);
}

/* What it is called is longer than what lies in its struct: the sanitizer sees what is left. */
TEST(a_client_whose_address_has_enough_connections_leaves_nothing)
{
    struct inside inside;
    inside_start(&inside, 1);
    struct worker *worker = inside_worker(&inside);
    worker->gateway.address_connections = 1;
    struct sock_addr peer = {
        .family = SOCK_ADDR_IP6, .ip = {0x20, 1, 0x0d, 0xb8, 1, 1, 1, 1, 1}, .port = 1};
    struct client_source source = {.kind = SNAPSHOT_HTTP};
    int ends[2][2];
    for (size_t i = 0; i < 2; i++) {
        check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends[i]), 0);
        check_int(client_open(worker, ends[i][0], &peer, source), i == 0 ? 0 : -EUSERS);
        check_int(worker->stats->connections, 1);
        sock_close(&ends[i][1]);
    }
    inside_close(&inside);
}
