/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of the API server over a real socket pair and a loop that the test turns, with
 * endpoints of its own: what arrives in pieces, at once, too slowly, too much, or not to its end.
 */
#include "face/api_handlers.h"
#include "face/api_server.h"
#include "harness/test.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/sock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 8 << 20 };

static struct loop loop;
static struct core core;
static struct api api;
static int client = -1;       /* our end */
static struct exchange *held; /* of a handler that answers later */
static size_t closed_count, drained_count;
static char answer[ANSWER_MAX + 1];
static size_t answer_len;

/* ---- endpoints ---- */

static void handle_echo(struct exchange *x)
{
    buf_add(&x->out, x->body);
    exchange_answer(x, 200, "text/plain");
}

static void handle_held(struct exchange *x)
{
    held = x;
}

static void on_closed(struct exchange *x)
{
    held = NULL;
    closed_count++;
}

static void on_drained(struct exchange *x)
{
    drained_count++;
}

static void handle_live(struct exchange *x)
{
    if (exchange_stream_begin(
            x, (struct exchange_stream){.closed = on_closed, .drained = on_drained})) {
        held = x;
    }
}

static void handle_big(struct exchange *x)
{
    for (size_t i = 0; i < ANSWER_MAX / 2; i++) {
        buf_add_char(&x->out, (char)('a' + i % 26));
    }
    exchange_answer(x, 200, "text/plain");
}

#define ROW(m, p, fn)                                                                              \
    {                                                                                              \
        .method = (m), .path = (p), .id = (p), .handle = (fn), .status = 200,                      \
        .flags = ENDPOINT_PUBLIC | ENDPOINT_HIDDEN                                                 \
    }
static const struct schema_field events_rows[] = {
    {.name = "follow", .type = SCHEMA_BOOL},
    {.name = "after", .type = SCHEMA_INT, .max = 1000},
    {.name = "limit", .type = SCHEMA_INT, .max = 1000}};
static const struct schema_table events_query = {
    .name = "events_query", .fields = events_rows, .count = ARRAY_LEN(events_rows)};

const struct endpoint api_endpoints[] = {
    ROW(HTTP_GET, "/echo", handle_echo),
    ROW(HTTP_POST, "/echo", handle_echo),
    ROW(HTTP_GET, "/later", handle_held),
    ROW(HTTP_GET, "/live", handle_live),
    ROW(HTTP_GET, "/big", handle_big),
    {.method = HTTP_GET,
     .path = "/events",
     .id = "events",
     .handle = handle_events,
     .query = &events_query,
     .status = 200,
     .flags = ENDPOINT_PUBLIC | ENDPOINT_STREAM},
    {.method = HTTP_GET, .path = "/private", .id = "private", .handle = handle_echo, .status = 200},
};
const size_t api_endpoint_count = 7;

/* ---- the store's events ---- */

typedef void events_fn(void *arg, int error, const struct event *events, size_t count);

static struct {
    events_fn *done; /* a read is under way */
    void *arg;
    uint64_t after;
} reading;

void __wrap_event_list(struct core *c, const struct event_query *query, events_fn *done, void *arg);
void __wrap_event_list(struct core *c, const struct event_query *query, events_fn *done, void *arg)
{
    check(!reading.done);
    reading.done = done;
    reading.arg = arg;
    reading.after = query->after;
}

static struct event event_of(uint64_t seq)
{
    struct event event = {.seq = seq, .kind = "replica.ready"};
    event.id = bus_id_make(STR("default"), STR("shop"), STR("web"), 1);
    return event;
}

/* What was read comes: events from `first` on. */
static void give(int error, uint64_t first, size_t count)
{
    struct event events[8];
    events_fn *done = reading.done;
    check(done);
    for (size_t i = 0; i < count; i++) {
        events[i] = event_of(first + i);
    }
    reading.done = NULL;
    done(reading.arg, error, events, count);
}

/* ---- a client ---- */

static int connect_one(bool edge)
{
    int ends[2];
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    api_conn_accept(&api, ends[1], edge);
    return ends[0];
}

static void begin(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    check_int(loop_init(&loop, 1), 0);
    core.loop = &loop;
    core.instance.owner = getuid();
    core.ready = true;
    str_copy(core.instance.id, sizeof(core.instance.id), STR("test"));
    api.core = &core;
    api.loop = &loop;
    str_copy(api.token, sizeof(api.token), STR("secret"));
    list_init(&api.conns);
    list_init(&api.exchanges);
    list_init(&api.once);
    client = connect_one(false);
}

static void end(void)
{
    while (!list_empty(&api.conns)) {
        api_conn_close(container_of(api.conns.next, struct api_conn, node));
    }
    check_int(api.conn_count, 0);
    check(list_empty(&api.exchanges));
    file_close(&client);
    loop_fini(&loop);
}

static void turn(void)
{
    for (int i = 0; i < 8; i++) {
        check_int(loop_turn(&loop, 0), 0);
    }
}

static void say(struct str text)
{
    check_int(write(client, text.p, text.len), (ssize_t)text.len);
}

/* All that comes now; returns whether the server closed. */
static bool hear(void)
{
    for (;;) {
        turn();
        ssize_t n = read(client, answer + answer_len, ANSWER_MAX - answer_len);
        if (n <= 0) {
            answer[answer_len] = '\0';
            return n == 0 || errno != EAGAIN;
        }
        answer_len += (size_t)n;
    }
}

static size_t count(const char *what)
{
    size_t n = 0;
    for (const char *at = answer; (at = strstr(at, what)); at += strlen(what)) {
        n++;
    }
    return n;
}

static bool answered(const char *what)
{
    return count(what) > 0;
}

static struct api_conn *conn_of(void)
{
    return container_of(api.conns.prev, struct api_conn, node);
}

/* Its deadline comes. */
static void let_time_pass(void)
{
    struct api_conn *conn = conn_of();
    check(timer_armed(&conn->deadline));
    loop_timer_set(&loop, &conn->deadline, loop.now_ns);
    clock_sleep_ns(20 * NS_PER_MS); /* more than a tick of the wheel */
    turn();
}

/* ---- requests ---- */

TEST(a_request_in_any_two_pieces_is_one_request)
{
    struct str text = STR("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    begin();
    for (size_t cut = 1; cut < text.len; cut++) {
        answer_len = 0;
        say(str_slice(text, 0, cut));
        check(!hear());
        check_int(answer_len, 0);
        say(str_skip(text, cut));
        check(!hear());
        check_int(count("HTTP/1.1 200"), 1);
        check(answered("\r\n\r\nabcde"));
    }
    end();
}

TEST(pipelined_requests_are_answered_in_order)
{
    begin();
    say(STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo"
            "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    check(hear());
    check_int(count("HTTP/1.1 200"), 3);
    check(strstr(answer, "one") < strstr(answer, "two"));
    end();
}

TEST(what_is_pipelined_waits_for_an_answer_that_takes_its_time)
{
    begin();
    say(STR("GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
    check(!hear());
    check_int(answer_len, 0);
    buf_add_cstr(&held->out, "first");
    exchange_answer(held, 200, "text/plain");
    check(!hear());
    check_int(count("HTTP/1.1 200"), 2);
    end();
}

TEST(a_client_that_shuts_its_side_still_gets_its_answer)
{
    begin();
    say(STR("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    check_int(shutdown(client, SHUT_WR), 0);
    turn();
    buf_add_cstr(&held->out, "late");
    exchange_answer(held, 200, "text/plain");
    check(hear());
    check(answered("late"));
    end();
}

TEST(an_answer_without_a_client_goes_nowhere)
{
    begin();
    say(STR("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    turn();
    file_close(&client);
    turn();
    check_int(api.conn_count, 0);
    check(held->conn == NULL);
    exchange_answer_empty(held, 204);
    end();
}

TEST(a_connection_closed_inside_head_or_body_is_forgotten)
{
    static const char *const halves[] = {
        "", "GET /ec", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"};
    begin();
    file_close(&client);
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        client = connect_one(false);
        say(str_from(halves[i]));
        turn();
        file_close(&client);
        turn();
        check_int(api.conn_count, 0);
    }
    check(list_empty(&api.exchanges)); /* no handler has it, so it must not stay */
    end();
}

/* ---- refusals ---- */

TEST(a_malformed_head_is_answered_and_ends_the_connection)
{
    begin();
    say(STR("GET /echo HTTP/1.1\r\nHost : x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
    check(hear());
    check_int(count("HTTP/1.1 400"), 1);
    check_int(count("HTTP/1.1 200"), 0);
    check(answered("application/problem+json") && answered("Connection: close"));
    end();
}

TEST(a_malformed_chunk_is_answered_and_ends_the_connection)
{
    begin();
    say(STR("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"));
    check(hear());
    check(answered("HTTP/1.1 400") && answered("http.malformed"));
    end();
}

TEST(a_head_that_never_ends_is_431)
{
    begin();
    say(STR("GET /echo HTTP/1.1\r\nHost: x\r\n"));
    for (int i = 0; i < 3000 && !answer_len; i++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "X-Header-%d: aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", i);
        (void)!write(client, line, (size_t)len);
        hear();
    }
    check(answered("HTTP/1.1 431"));
    end();
}

TEST(a_body_that_says_it_is_too_large_is_refused_before_it_comes)
{
    begin();
    say(STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\nExpect: "
            "100-continue\r\n\r\n"));
    check(hear());
    check(answered("HTTP/1.1 413") && !answered("100 Continue"));
    end();
}

TEST(a_chunked_body_is_refused_when_it_gets_too_large)
{
    static char chunk[8192 + 16];
    begin();
    int len = snprintf(chunk, sizeof(chunk), "2000\r\n%08192d\r\n", 0);
    say(STR("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 20 && !answer_len; i++) {
        (void)!write(client, chunk, (size_t)len);
        hear();
    }
    check(answered("HTTP/1.1 413"));
    end();
}

TEST(the_body_is_asked_for_when_it_is_wanted)
{
    begin();
    say(STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
    check(!hear());
    check(answered("HTTP/1.1 100 Continue\r\n\r\n") && !answered("200"));
    say(STR("body"));
    check(!hear());
    check(answered("HTTP/1.1 200") && answered("body"));
    end();
}

TEST(a_refusal_that_leaves_the_body_unread_closes_but_is_heard)
{
    static char body[256 << 10];
    begin();
    memset(body, 'b', sizeof(body));
    say(STR("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n"));
    turn();
    for (size_t sent = 0; sent < sizeof(body);) {
        ssize_t n = write(client, body + sent, sizeof(body) - sent);
        sent += (size_t)MAX(n, (ssize_t)0);
        turn();
    }
    check(!hear() || answer_len > 0);
    check(answered("HTTP/1.1 404") && answered("Connection: close"));
    check_int(shutdown(client, SHUT_WR), 0);
    turn();
    check_int(api.conn_count, 0);
    end();
}

TEST(over_tcp_only_the_token_counts_and_only_known_hosts)
{
    begin();
    file_close(&client);
    client = connect_one(true);
    say(STR("GET /private HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    check(!hear());
    check(answered("HTTP/1.1 401") && answered("WWW-Authenticate: Bearer"));
    say(STR("GET /private HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer "
            "secret\r\n\r\n"));
    check(!hear());
    check(answered("HTTP/1.1 421"));
    say(STR("PATCH /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    check(!hear());
    check(answered("HTTP/1.1 405") && answered("Allow: GET, HEAD, POST"));
    end();
}

/* ---- time ---- */

TEST(an_idle_connection_is_closed_without_a_word)
{
    begin();
    turn();
    let_time_pass();
    check(hear());
    check_int(answer_len, 0);
    end();
}

TEST(a_head_or_a_body_that_takes_too_long_is_408)
{
    static const char *const halves[] = {
        "GET /echo HT", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"};
    begin();
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        file_close(&client);
        turn();
        client = connect_one(false);
        answer_len = 0;
        say(str_from(halves[i]));
        turn();
        let_time_pass();
        check(hear());
        check(answered("HTTP/1.1 408"));
    }
    end();
}

TEST(who_does_not_read_the_last_words_is_closed_at_last)
{
    begin();
    say(STR("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    turn();
    check_int(conn_of()->state, CONN_DRAINING);
    let_time_pass();
    check_int(api.conn_count, 0);
    end();
}

TEST(a_reader_that_stops_is_waited_for_and_then_given_up)
{
    begin();
    say(STR("GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
    turn();
    check_int(conn_of()->state, CONN_WRITING);
    check(conn_of()->out.len > conn_of()->sent);
    check(!hear()); /* it reads again: all of it comes */
    check(answer_len > ANSWER_MAX / 2);
    check(conn_of()->out.cap <= 64 << 10); /* an idle connection keeps no room for a large answer */
    answer_len = 0;
    say(STR("GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
    turn();
    let_time_pass();
    check_int(api.conn_count, 0);
    end();
}

/* ---- many ---- */

TEST(connections_beyond_the_most_are_closed_and_the_others_served)
{
    static int many[API_CONNS_MAX];
    begin();
    for (size_t i = 1; i < ARRAY_LEN(many); i++) {
        many[i] = connect_one(false);
    }
    check_int(api.conn_count, API_CONNS_MAX);
    int more = connect_one(false);
    char byte;
    check_int(read(more, &byte, 1), 0);
    file_close(&more);
    say(STR("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
    check(!hear());
    check(answered("HTTP/1.1 200"));
    for (size_t i = 1; i < ARRAY_LEN(many); i++) {
        file_close(&many[i]);
    }
    turn();
    check_int(api.conn_count, 1);
    more = connect_one(false);
    check_int(api.conn_count, 2);
    file_close(&more);
    end();
}

/* ---- streams ---- */

static void begin_stream(void)
{
    begin();
    say(STR("GET /live HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"));
    check(!hear());
    check(answered("text/event-stream") && held != NULL);
}

TEST(events_come_as_they_are_sent_and_the_producer_hears_of_it)
{
    begin_stream();
    drained_count = 0;
    check(exchange_send(held, "hello", 7, STR("data")));
    check(exchange_backlog(held) > 0);
    check(!hear());
    check(answered("event: hello\n") && answered("id: 7\n") && answered("data: data\n"));
    check(drained_count > 0);
    check_int(exchange_backlog(held), 0);
    say(STR("a client has nothing to say in a stream"));
    check(!hear());
    exchange_stream_end(held);
    check(hear());
    check(answered("\r\n0\r\n\r\n"));
    end();
}

TEST(a_reader_that_is_too_slow_loses_its_stream_and_learns_why)
{
    static char data[64 << 10];
    begin_stream();
    memset(data, 'd', sizeof(data) - 1);
    size_t sent = 0;
    while (exchange_send(held, "d", 0, str_from(data))) {
        sent++;
        turn();
        check(conn_of()->out.len < 2 * API_STREAM_MAX);
        check(sent < 1000);
    }
    check_int(closed_count, 1);
    check(hear());
    check_int(count("event: d\n"), sent); /* what was sent came whole */
    check(answered(": closed: the reader is too slow"));
    end();
}

TEST(a_stream_that_cannot_go_on_ends_with_a_word)
{
    begin_stream();
    closed_count = 0;
    check(exchange_send(held, "d", 1, STR("data")));
    exchange_stream_break(held);
    check_int(closed_count, 1);
    check(hear());
    check(answered("id: 1\n") && answered(": closed: what comes next cannot be read now"));
    check(answered("\r\n0\r\n\r\n"));
    end();
}

TEST(a_stream_whose_reader_goes_away_is_closed_once)
{
    begin_stream();
    file_close(&client);
    turn();
    check_int(closed_count, 1);
    check_int(api.conn_count, 0);
    end();
}

TEST(a_stream_to_nobody_does_not_begin)
{
    begin();
    say(STR("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    turn();
    file_close(&client);
    turn();
    check(!exchange_stream_begin(
        held, (struct exchange_stream){.closed = on_closed, .drained = on_drained}));
    check_int(closed_count, 1);
    end();
}

/* ---- descriptors ---- */

static void say_with_fd(struct str text, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct iovec part = {(void *)(uintptr_t)text.p, text.len};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(int));
    check_int(sendmsg(client, &msg, 0), (ssize_t)text.len);
}

/* Whether the other end of a pipe is closed everywhere. */
static bool pipe_ended(int read_end)
{
    struct pollfd wait = {.fd = read_end, .events = POLLIN};
    return poll(&wait, 1, 0) == 1 && (wait.revents & POLLHUP);
}

TEST(descriptors_travel_with_their_request_and_never_leak)
{
    for (int edge = 0; edge < 2; edge++) {
        int ends[2];
        begin();
        file_close(&client);
        client = connect_one(edge == 1);
        check_int(file_pipe(ends), 0);
        say_with_fd(STR("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"), ends[1]);
        file_close(&ends[1]);
        turn();
        check_int(held->fds[0] >= 0, edge == 0); /* what came over TCP brings none */
        check_int(pipe_ended(ends[0]), edge == 1);
        exchange_answer_empty(held, 204);
        turn();
        check(pipe_ended(ends[0]));
        file_close(&ends[0]);
        end();
    }
}

/* ---- events ---- */

static void commit(uint64_t seq)
{
    struct event *event = malloc(sizeof(*event)); /* the bus frees it */
    check(event);
    *event = event_of(seq);
    bus_publish(core.bus,
                &(struct bus_message){.topic = BUS_EVENT, .id = event->id, .event = event});
    turn();
}

static void follow_events(void)
{
    begin();
    check_int(bus_new(&loop, &core.bus), 0);
    say(STR("GET /events?follow=true&after=4 HTTP/1.1\r\nHost: x\r\nAccept: "
            "text/event-stream\r\n\r\n"));
    check(!hear());
    check(answered("HTTP/1.1 200"));
    check_int(reading.after, 4);
}

static void end_events(void)
{
    end();
    bus_free(core.bus);
}

TEST(events_committed_while_older_ones_are_read_come_once_and_in_order)
{
    follow_events();
    commit(7); /* the read may or may not have seen it: another one follows */
    give(0, 5, 2);
    check_int(reading.after, 6);
    give(0, 7, 1);
    check(!reading.done);
    commit(8);
    commit(8);
    check(!hear());
    check_int(count("event: event"), 4);
    const char *at = answer;
    for (int seq = 5; seq <= 8; seq++) {
        char want[16];
        snprintf(want, sizeof(want), "id: %d\n", seq);
        at = strstr(at, want);
        check(at);
    }
    end_events();
}

TEST(events_that_cannot_be_read_end_the_stream_instead_of_leaving_a_hole)
{
    follow_events();
    commit(7);
    give(-EIO, 0, 0);
    check(!reading.done);
    commit(8); /* nobody listens any more */
    check(hear());
    check_int(count("event: event"), 0);
    check(answered("come again with Last-Event-ID"));
    end_events();
}

TEST(a_follower_that_goes_away_during_a_read_is_forgotten_after_it)
{
    follow_events();
    file_close(&client);
    turn();
    check_int(api.conn_count, 0);
    commit(7);
    give(0, 5, 1);
    check(!reading.done);
    end_events();
}
