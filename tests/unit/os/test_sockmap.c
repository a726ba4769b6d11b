/* SPDX-License-Identifier: Apache-2.0
 *
 * Both ends of connections are here; the listening socket is opened while this process stands in
 * the group. What went by TCP the kernel counts (tcpi_bytes_received).
 */
#include "harness/test.h"
#include "os/cgroup.h"
#include "os/file.h"
#include "os/proc.h"
#include "os/sock.h"
#include "os/sockmap.h"
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct cgroup_root root;
static int fds[SOCKMAP_PARTS];
static int listening;
static uint16_t port;

struct pair {
    int asks, answers;
    struct sockmap_ends ends;
};

static void stand_in(const char *group)
{
    char path[CGROUP_PATH_MAX + 32], pid[16];
    snprintf(path, sizeof(path), "%s/cgroup.procs", group);
    snprintf(pid, sizeof(pid), "%d", proc_own_pid());
    int fd = -1;
    check_int(file_open(path, FILE_WRITE, 0, &fd), 0);
    check_int(file_write(fd, pid, strlen(pid)), 0);
    file_close(&fd);
}

static uint16_t port_of(int fd)
{
    struct sock_addr addr;
    check_int(sock_local_addr(fd, &addr), 0);
    return addr.port;
}

static void setup(void)
{
    char id[32], before[CGROUP_PATH_MAX] = "";
    const char *step = "";
    snprintf(id, sizeof(id), "sockmap-%d", proc_own_pid());
    cgroup_root_find(&root, id, CGROUP_UNIFIED);
    if (root.rung == CGROUP_NONE) {
        test_skip("no control groups here");
    }
    for (size_t i = 0; i < SOCKMAP_PARTS; i++) {
        fds[i] = -1;
    }
    int r = sockmap_new(root.path, fds, &step);
    if (r < 0) {
        cgroup_root_remove(&root);
        test_skip(r == -EPERM ? "no right to it" : step);
    }
    (void)str_copy(before, sizeof(before), str_from(root.path));
    *strrchr(before, '/') = '\0';
    struct sock_addr any = sock_addr_loopback(0);
    stand_in(root.path);
    check_int(sock_listen(&any, &(struct sock_listen_opts){0}, &listening), 0);
    stand_in(before);
    port = port_of(listening);
}

static void teardown(void)
{
    sock_close(&listening);
    for (size_t i = 0; i < SOCKMAP_PARTS; i++) {
        file_close(&fds[i]);
    }
    cgroup_root_remove(&root);
}

static void wait_for(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    check_int(poll(&one, 1, 5000), 1);
}

static struct pair connected(void)
{
    struct pair pair = {-1, -1, {0, port}};
    struct sock_addr addr = sock_addr_loopback(port);
    check_int(sock_connect(&addr, &pair.asks), 0);
    wait_for(pair.asks, POLLOUT);
    wait_for(listening, POLLIN);
    check_int(sock_accept(listening, &pair.answers, NULL), 0);
    pair.ends.here = port_of(pair.asks);
    return pair;
}

static void closed(struct pair *pair)
{
    sock_close(&pair->asks);
    sock_close(&pair->answers);
}

static uint64_t by_tcp(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    check_int(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_bytes_received;
}

/* A byte that tells its place. */
static char byte_at(size_t at)
{
    return (char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* Sends as much as is taken of the bytes from *at to `end`. */
static void say(int fd, size_t *at, size_t end)
{
    char bytes[8192];
    while (*at < end) {
        size_t len = MIN(sizeof(bytes), end - *at);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = byte_at(*at + i);
        }
        int64_t n = sock_send(fd, bytes, len, false);
        if (n == -EAGAIN) {
            return;
        }
        check(n > 0);
        *at += (size_t)n;
    }
}

/* Reads what is there; it must be what comes at *at. */
static void hear(int fd, size_t *at)
{
    char bytes[16384];
    int64_t n;
    while ((n = sock_recv(fd, bytes, sizeof(bytes))) > 0) {
        for (size_t i = 0; i < (size_t)n; i++) {
            if (bytes[i] != byte_at(*at + i)) {
                test_check(false, "the byte at its place", __FILE__, __LINE__);
            }
        }
        *at += (size_t)n;
    }
    check(n == 0 || n == -EAGAIN);
}

static void hear_all(int fd, size_t *at, size_t end)
{
    while (*at < end) {
        wait_for(fd, POLLIN);
        hear(fd, at);
    }
    check_int(*at, end);
}

/* `len` bytes from one to the other. Returns how many of them went by TCP. */
static size_t pass(int from, int to, size_t len)
{
    uint64_t before = by_tcp(to);
    size_t said = 0, heard = 0;
    while (heard < len) {
        say(from, &said, len);
        wait_for(to, POLLIN);
        hear(to, &heard);
    }
    return by_tcp(to) - before;
}

TEST(the_short_way_is_taken_after_joining)
{
    setup();
    check_int(sockmap_serve(fds, port), 0);
    struct pair pair = connected();
    check_int(pass(pair.asks, pair.answers, 100), 100);
    check_int(pass(pair.answers, pair.asks, 300), 300);
    check_int(sockmap_join(fds, pair.asks, pair.ends), 0);
    for (int i = 0; i < 3; i++) {
        check_int(pass(pair.asks, pair.answers, 100), 0);
        check_int(pass(pair.answers, pair.asks, 30000), 0);
    }
    sockmap_leave(fds, pair.ends);
    check_int(pass(pair.asks, pair.answers, 100), 100);
    check_int(pass(pair.answers, pair.asks, 300), 300);
    check_int(sockmap_join(fds, pair.asks, pair.ends), 0);
    check_int(pass(pair.asks, pair.answers, 100), 0);
    closed(&pair);
    teardown();
}

TEST(a_long_answer_goes_by_tcp_from_a_point_on_and_a_slow_reader_holds_it)
{
    enum { LONG = 64 * 1024 * 1024 };
    setup();
    check_int(sockmap_serve(fds, port), 0);
    struct pair pair = connected();
    check_int(sockmap_join(fds, pair.asks, pair.ends), 0);
    check_int(pass(pair.asks, pair.answers, 100), 0);
    size_t said = 0, heard = 0, before;
    do { /* nobody reads */
        before = said;
        say(pair.answers, &said, LONG);
        struct pollfd one = {.fd = pair.answers, .events = POLLOUT};
        (void)poll(&one, 1, 200);
    } while (said > before);
    check(said > SOCKMAP_TURN_MAX && said < LONG / 2);
    while (heard < LONG) { /* what is said meanwhile does not overtake */
        say(pair.answers, &said, LONG);
        wait_for(pair.asks, POLLIN);
        hear(pair.asks, &heard);
    }
    check(by_tcp(pair.asks) >= LONG - SOCKMAP_TURN_MAX);
    check_int(pass(pair.asks, pair.answers, 100), 0); /* a new turn */
    check_int(pass(pair.answers, pair.asks, SOCKMAP_TURN_MAX), 0);
    check_int(pass(pair.answers, pair.asks, 1), 1);
    closed(&pair);
    teardown();
}

TEST(what_was_said_before_the_end_is_read_before_it)
{
    setup();
    check_int(sockmap_serve(fds, port), 0);
    struct pair pair = connected();
    check_int(sockmap_join(fds, pair.asks, pair.ends), 0);
    check_int(pass(pair.asks, pair.answers, 10), 0);
    size_t said = 0, heard = 0;
    say(pair.answers, &said, 200000); /* by both ways */
    sock_close(&pair.answers);
    hear_all(pair.asks, &heard, 200000);
    char byte;
    wait_for(pair.asks, POLLIN);
    check_int(sock_recv(pair.asks, &byte, 1), 0);
    check(sock_send(pair.asks, "x", 1, false) >= 0); /* nobody there: TCP says so */
    wait_for(pair.asks, POLLERR);
    closed(&pair);
    teardown();
}

TEST(half_closed_ends_still_hear)
{
    setup();
    check_int(sockmap_serve(fds, port), 0);
    struct pair pair = connected();
    check_int(sockmap_join(fds, pair.asks, pair.ends), 0);
    size_t said = 0, heard = 0;
    say(pair.asks, &said, 10);
    check_int(sock_shutdown_write(pair.asks), 0);
    hear_all(pair.answers, &heard, 10);
    char byte;
    check_int(sock_recv(pair.answers, &byte, 1), 0);
    check_int(pass(pair.answers, pair.asks, 5000), 0);
    closed(&pair);
    teardown();
}

TEST(ports_that_are_not_named_and_strangers_are_left_alone)
{
    setup();
    struct pair pair = connected();
    check_int(sockmap_join(fds, pair.asks, pair.ends), 0); /* he alone */
    check_int(pass(pair.asks, pair.answers, 100), 100);
    check_int(pass(pair.answers, pair.asks, 100), 100);
    closed(&pair);
    check_int(sockmap_serve(fds, port), 0);
    pair = connected(); /* who connects never joins */
    check_int(pass(pair.asks, pair.answers, 100), 100);
    check_int(pass(pair.answers, pair.asks, 100), 100);
    closed(&pair);
    int other = -1; /* a port that is named, but its socket is not the group's */
    struct sock_addr any = sock_addr_loopback(0);
    check_int(sock_listen(&any, &(struct sock_listen_opts){0}, &other), 0);
    sock_close(&listening);
    listening = other;
    port = port_of(other);
    check_int(sockmap_serve(fds, port), 0);
    pair = connected();
    check_int(sockmap_join(fds, pair.asks, pair.ends), 0);
    check_int(pass(pair.asks, pair.answers, 100), 100);
    closed(&pair);
    teardown();
}

TEST(when_the_link_is_gone_what_is_joined_goes_on_and_nothing_new_is_taken)
{
    setup();
    check_int(sockmap_serve(fds, port), 0);
    struct pair old = connected();
    check_int(sockmap_join(fds, old.asks, old.ends), 0);
    file_close(&fds[SOCKMAP_LINK]);
    check_int(pass(old.asks, old.answers, 100), 0);
    check_int(pass(old.answers, old.asks, 100), 0);
    struct pair fresh = connected();
    check_int(sockmap_join(fds, fresh.asks, fresh.ends), 0);
    check_int(pass(fresh.asks, fresh.answers, 100), 100);
    closed(&fresh);
    const char *step = ""; /* made again, for the tables that are there */
    int tables[] = {fds[SOCKMAP_SOCKETS], fds[SOCKMAP_TURNS], fds[SOCKMAP_PORTS]};
    check_int(sockmap_new(root.path, fds, &step), 0);
    check(memcmp(tables, fds, sizeof(tables)) == 0 && fds[SOCKMAP_LINK] >= 0);
    fresh = connected();
    check_int(sockmap_join(fds, fresh.asks, fresh.ends), 0);
    check_int(pass(fresh.asks, fresh.answers, 100), 0);
    check_int(pass(old.answers, old.asks, 100), 0);
    closed(&fresh);
    closed(&old);
    teardown();
}
