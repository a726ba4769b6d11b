/* SPDX-License-Identifier: Apache-2.0
 *
 * What a probe makes of a service that answers slowly, wrongly, or not at all. The test plays the
 * service and turns the clock on.
 */
#include "inside.h"
#include "link/counters_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned sends_to_refuse; /* as of a connection that is not there yet */

int64_t __real_sock_send(int fd, const void *p, size_t len, bool more);
int64_t __wrap_sock_send(int fd, const void *p, size_t len, bool more);

int64_t __wrap_sock_send(int fd, const void *p, size_t len, bool more)
{
    if (inside_edge_runs && sends_to_refuse > 0) {
        sends_to_refuse--;
        return -EAGAIN;
    }
    return __real_sock_send(fd, p, len, more);
}

enum { INTERVAL_MS = 1000, TIMEOUT_MS = 500 };

static const struct snapshot_probe by_http = {.kind = SNAPSHOT_PROBE_HTTP,
                                              .path = STR_INIT("/health"),
                                              .interval_ms = INTERVAL_MS,
                                              .timeout_ms = TIMEOUT_MS,
                                              .retries = 2};

/* A service that is probed, and the peer's answer to it. */
static void start(struct inside *inside, const struct snapshot_probe *probe, struct str answer)
{
    check_int(inside_open(inside), 0);
    inside->probe = *probe;
    inside->first = answer;
    check_int(inside_apply(inside, 1), 0);
    inside_turns(inside);
}

static struct counters_probe cell(const struct inside *inside)
{
    const struct counters *counters = &inside_worker(inside)->counters;
    struct counters_probe copy = {0};
    for (uint32_t i = 0; i < COUNTERS_PROBES_MAX && copy.endpoint != 1; i++) {
        if (!counters_probe_read(counters, i, &copy)) {
            copy.endpoint = 0;
        }
    }
    check_int(copy.endpoint, 1);
    return copy;
}

static void wait_ms(struct inside *inside, int64_t ms)
{
    inside_clock_jump_ns += ms * NS_PER_MS;
    inside_turns(inside);
}

/* The next run fails with `error`; the fast phase, in which failures mean "not yet", is over. */
static void check_fails(struct inside *inside, int error, unsigned http_status)
{
    for (unsigned run = 0; run < 4; run++) {
        wait_ms(inside, INTERVAL_MS + INTERVAL_MS / 5);
        check_int(cell(inside).error, error);
        check_int(cell(inside).http_status, http_status);
    }
    check_int(cell(inside).status, COUNTERS_PROBE_FAILING);
    check(cell(inside).failures_in_row >= 2);
}

TEST(an_answer_that_is_well_passes_with_the_first_bytes_of_its_body)
{
    struct inside inside;
    start(&inside, &by_http, STR("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"));
    struct counters_probe probe = cell(&inside);
    check_int(probe.status, COUNTERS_PROBE_PASSING);
    check_int(probe.http_status, 200);
    check_str(str_make(probe.body, probe.body_len), STR("fine"));
    inside_close(&inside);
}

TEST(the_body_may_come_after_the_head)
{
    struct inside inside;
    check_int(inside_open(&inside), 0);
    inside.second = STR("fine");
    inside.probe = by_http;
    inside.first = STR("HTTP/1.1 302 Found\r\nContent-Length: 4\r\n\r\n");
    check_int(inside_apply(&inside, 1), 0);
    inside_turns(&inside);
    struct counters_probe probe = cell(&inside);
    check_int(probe.status, COUNTERS_PROBE_PASSING);
    check_int(probe.http_status, 302);
    check_str(str_make(probe.body, probe.body_len), STR("fine"));
    inside_close(&inside);
}

TEST(an_error_fails_after_as_many_as_are_allowed_and_one_success_passes)
{
    struct inside inside;
    start(&inside, &by_http, STR("HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nwait"));
    check_int(cell(&inside).status, COUNTERS_PROBE_UNKNOWN); /* not yet */
    check_int(cell(&inside).failures_in_row, 0);
    wait_ms(&inside, 3 * INTERVAL_MS);
    wait_ms(&inside, INTERVAL_MS + INTERVAL_MS / 5); /* the fast phase is over */
    check_int(cell(&inside).failures_in_row, 1);
    check_int(cell(&inside).status, COUNTERS_PROBE_UNKNOWN);
    check_fails(&inside, EPROTO, 503);
    inside.first = STR("HTTP/1.1 204 Fine\r\n\r\n");
    wait_ms(&inside, INTERVAL_MS + INTERVAL_MS / 5);
    check_int(cell(&inside).status, COUNTERS_PROBE_PASSING);
    check_int(cell(&inside).failures_in_row, 0);
    check_int(cell(&inside).body_len, 0);
    inside_close(&inside);
}

TEST(what_is_no_http_fails)
{
    struct inside inside;
    start(&inside, &by_http, STR("220 mail.example ESMTP\r\n\r\n"));
    check_fails(&inside, EBADMSG, 0);
    inside_close(&inside);
}

/* A head that never ends takes no more than its share of memory. */
TEST(a_head_without_end_fails)
{
    struct inside inside;
    struct buf endless = BUF_INIT(MIB);
    buf_add(&endless, STR("HTTP/1.1 200 OK\r\n"));
    while (endless.len < 8192) {
        buf_add(&endless, STR("X-More: and more\r\n"));
    }
    start(&inside, &by_http, buf_str(&endless));
    check_fails(&inside, EBADMSG, 0);
    inside_close(&inside);
    buf_fini(&endless);
}

/* It takes the connection and says nothing. */
TEST(silence_fails_when_the_patience_is_over)
{
    struct inside inside;
    start(&inside, &by_http, STR_NONE);
    check_int(cell(&inside).runs, 0);
    for (unsigned run = 0; run < 6; run++) {
        wait_ms(&inside, TIMEOUT_MS + 1);
        wait_ms(&inside, INTERVAL_MS + INTERVAL_MS / 5);
    }
    check(cell(&inside).runs >= 3);
    check_int(cell(&inside).error, ETIMEDOUT);
    check_int(cell(&inside).status, COUNTERS_PROBE_FAILING);
    inside_close(&inside);
}

TEST(a_port_that_takes_connections_is_enough_by_tcp)
{
    struct inside inside;
    const struct snapshot_probe by_tcp = {.kind = SNAPSHOT_PROBE_TCP,
                                          .interval_ms = INTERVAL_MS,
                                          .timeout_ms = TIMEOUT_MS,
                                          .retries = 2};
    start(&inside, &by_tcp, STR_NONE);
    check_int(cell(&inside).status, COUNTERS_PROBE_PASSING);
    check_int(cell(&inside).error, 0);
    sock_close(&inside.service);
    check_fails(&inside, ECONNREFUSED, 0);
    inside_close(&inside);
}

/* What the service's process ends while it is asked. */
TEST(a_connection_that_ends_without_an_answer_fails)
{
    for (int reset = 0; reset < 2; reset++) {
        struct inside inside;
        start(&inside, &by_http, STR_NONE);
        wait_ms(&inside, 3 * INTERVAL_MS); /* the fast phase is over */
        check_int(cell(&inside).error, ETIMEDOUT);
        for (unsigned run = 1; run < 4; run++) {
            wait_ms(&inside, INTERVAL_MS + INTERVAL_MS / 5);
            check_int(inside.peer_count, 1);
            struct linger linger = {.l_onoff = reset};
            check_int(setsockopt(inside.peers[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
                      0);
            sock_close(&inside.peers[0]);
            inside_turns(&inside);
            check_int(cell(&inside).runs, run + 1);
            check_int(cell(&inside).error, ECONNRESET);
        }
        check_int(cell(&inside).status, COUNTERS_PROBE_FAILING);
        inside_close(&inside);
    }
}

/* One on another machine: the request waits for the connection. */
TEST(a_connection_that_takes_its_time_is_asked_when_it_is_there)
{
    struct inside inside;
    sends_to_refuse = 1;
    start(&inside, &by_http, STR("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"));
    check_int(sends_to_refuse, 0);
    check_int(cell(&inside).runs, 1);
    check_int(cell(&inside).status, COUNTERS_PROBE_PASSING);
    inside_close(&inside);
}

TEST(a_service_at_a_path_is_asked_as_localhost)
{
    struct inside inside;
    char path[64];
    struct sock_addr address;
    int fd = -1;
    char bytes[1024];
    (void)snprintf(path, sizeof(path), "unix:/tmp/muelle-test-probe-%d", (int)getpid());
    check_int(inside_open(&inside), 0);
    inside.probe = by_http;
    inside.address = path;
    check_int(inside_apply(&inside, 1), 0);
    inside_turns(&inside);
    check_fails(&inside, ENOENT, 0); /* nobody is there */
    check_int(sock_addr_parse(str_from(path), &address), 0);
    sock_close(&inside.service);
    check_int(sock_listen(&address, &(struct sock_listen_opts){0}, &inside.service), 0);
    inside_clock_jump_ns += (INTERVAL_MS + INTERVAL_MS / 5) * NS_PER_MS;
    inside_edge_runs = true;
    for (unsigned i = 0; i < 10; i++) {
        check_int(loop_turn(edge_loop(inside.edge), NS_PER_MS), 0);
    }
    inside_edge_runs = false;
    check_int(sock_accept(inside.service, &fd, NULL), 0);
    int64_t n = sock_recv(fd, bytes, sizeof(bytes));
    check(n > 0);
    check_str(str_make(bytes, (size_t)n),
              STR("GET /health HTTP/1.1\r\nHost: localhost\r\nUser-Agent: muelle-probe\r\n"
                  "Accept: */*\r\nConnection: close\r\n\r\n"));
    sock_close(&fd);
    inside_close(&inside);
    (void)unlink(path + 5);
}

/* The endpoint goes while its probe waits for an answer, or is not probed any more: nothing of the
 * probe is left. */
TEST(a_probe_ends_with_its_endpoint_or_its_spec)
{
    struct inside inside;
    check_int(inside_open(&inside), 0);
    inside.probe = by_http;
    inside.first = STR_NONE;
    check_int(inside_apply(&inside, 2), 0);
    inside_turns(&inside);
    check_int(inside.peer_count, 2);
    check_int(inside_apply(&inside, 1), 0);
    inside_turns(&inside);
    check_int(inside.peer_count, 1);
    inside.probe.kind = SNAPSHOT_PROBE_NONE;
    check_int(inside_apply(&inside, 1), 0);
    inside_turns(&inside);
    check_int(inside.peer_count, 0);
    inside_close(&inside);
}

/* "Probe now": at once, and from the fast end, however long the interval is. */
TEST(a_probe_that_somebody_wants_runs_at_once)
{
    struct inside inside;
    struct delta_log log;
    void *memory = inside_deltas(&log, 8);
    struct delta now = {.kind = DELTA_PROBE_NOW, .endpoint = 1};
    start(&inside, &by_http, STR("HTTP/1.1 204 Fine\r\n\r\n"));
    check_int(cell(&inside).runs, 1);
    inside_worker(&inside)->deltas = &log;
    check_int(delta_log_append(&log, &now), 0);
    edge_deltas(inside.edge);
    inside_turns(&inside);
    check_int(cell(&inside).runs, 2);
    struct delta gone = {.kind = DELTA_ENDPOINT_REMOVE, .service = 1, .endpoint = 1};
    check_int(delta_log_append(&log, &gone), 0);
    check_int(delta_log_append(&log, &now), 0); /* of what is not there any more */
    edge_deltas(inside.edge);
    inside_turns(&inside);
    check_int(inside_worker(&inside)->stats->deltas, 3);
    wait_ms(&inside, 2 * INTERVAL_MS);
    check_int(inside.requests, 2);
    inside_close(&inside);
    free(memory);
}
