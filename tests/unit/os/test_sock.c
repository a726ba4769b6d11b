/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/test.h"
#include "os/clock.h"
#include "os/proc.h"
#include "os/sock.h"
#include <unistd.h>

static struct str format(struct buf *out, const struct sock_addr *addr)
{
    buf_reset(out);
    sock_addr_format(out, addr);
    return buf_str(out);
}

TEST(addresses_print_as_they_are_read)
{
    static const char *const texts[] = {"127.0.0.1:80", "[::1]:8080", "*:443", "unix:/run/x.sock",
                                        "[2001:db8::1]:1"};
    struct buf out = BUF_INIT(SOCK_ADDR_TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct sock_addr addr;
        check_int(sock_addr_parse(str_from(texts[i]), &addr), 0);
        check_str(format(&out, &addr), str_from(texts[i]));
    }
    buf_fini(&out);
}

TEST(other_spellings_mean_the_same)
{
    static const char *const pairs[][2] = {
        {":80", "*:80"}, {"80", "*:80"}, {"localhost:80", "127.0.0.1:80"}, {"[::]:80", "*:80"}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct sock_addr a;
        struct sock_addr b;
        check_int(sock_addr_parse(str_from(pairs[i][0]), &a), 0);
        check_int(sock_addr_parse(str_from(pairs[i][1]), &b), 0);
        check(sock_addr_eq(&a, &b));
    }
}

TEST(malformed_addresses_are_refused)
{
    static const char *const texts[] = {"",
                                        "host",
                                        "host:80",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:65536",
                                        "[::1]",
                                        "[127.0.0.1]:80",
                                        "::1:80",
                                        "127.0.0.1:80x",
                                        "unix:",
                                        "[]:80",
                                        "1.2.3.4.5:1",
                                        "[::1]80",
                                        "127.0.0.1%lo:80",
                                        "-1"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct sock_addr addr;
        check_int(sock_addr_parse(str_from(texts[i]), &addr), -EINVAL);
    }
}

static uint16_t free_port(void)
{
    uint16_t port = 0;
    check_int(sock_pick_port(test_rng(), 42000, 48000, &port), 0);
    return port;
}

TEST(a_taken_port_is_seen_also_where_reuse_port_would_let_us_in_and_its_owner_is_named)
{
    struct sock_addr addr = sock_addr_loopback(free_port());
    struct sock_listen_opts opts = {.reuse_port = true};
    int first = -1;
    int second = -1;
    check_int(sock_listen(&addr, &opts, &first), 0);
    check_int(sock_listen(&addr, &opts, &second), -EADDRINUSE);
    check_int(sock_probe_bind(&addr), -EADDRINUSE);
    struct sock_addr any = {.family = SOCK_ADDR_IP6, .port = addr.port};
    check_int(sock_probe_bind(&any), -EADDRINUSE);
    struct sock_owner owner;
    check_int(sock_find_owner(&addr, &owner), 0);
    check_int(owner.pid, proc_own_pid());
    check(str_find(str_from(owner.command), STR("test_os_sock")) >= 0);
    struct problem problem;
    sock_listen_problem(&problem, &addr, -EADDRINUSE);
    check_cstr(problem.code, "listen.in-use");
    sock_close(&first);
    check_int(sock_find_owner(&addr, &owner), -ENOENT);
    check_int(sock_probe_bind(&addr), 0);
}

TEST(a_connection_carries_bytes_both_ways_and_knows_its_peer)
{
    struct sock_addr addr = sock_addr_loopback(free_port());
    struct sock_listen_opts opts = {0};
    int listener = -1;
    int client = -1;
    int server = -1;
    check_int(sock_listen(&addr, &opts, &listener), 0);
    check_int(sock_accept(listener, &server, NULL), -EAGAIN);
    check_int(sock_connect(&addr, &client), 0);
    struct sock_addr peer;
    for (int i = 0; i < 200 && sock_accept(listener, &server, &peer) == -EAGAIN; i++) {
        clock_sleep_ns(NS_PER_MS);
    }
    check(server >= 0);
    check_int(sock_error(client), 0);
    struct sock_addr local;
    check_int(sock_local_addr(client, &local), 0);
    check(sock_addr_eq(&local, &peer));
    struct str parts[2] = {STR("hello "), STR("world")};
    check_int(sock_sendv(client, parts, 2, false), 11);
    char text[16];
    int64_t n = -EAGAIN;
    for (int i = 0; i < 200 && n == -EAGAIN; i++) {
        n = sock_recv(server, text, sizeof(text));
        clock_sleep_ns(NS_PER_MS / 10);
    }
    check_str(str_make(text, (size_t)MAX(n, 0)), STR("hello world"));
    sock_set_abort(server);
    sock_close(&server);
    for (int i = 0; i < 200 && (n = sock_recv(client, text, sizeof(text))) == -EAGAIN; i++) {
        clock_sleep_ns(NS_PER_MS);
    }
    check_int(n, -ECONNRESET);
    sock_close(&client);
    sock_close(&listener);
}

TEST(a_dead_unix_socket_is_replaced_a_living_one_and_a_file_are_not)
{
    struct sock_addr addr = {.family = SOCK_ADDR_UNIX};
    snprintf(addr.path, sizeof(addr.path), "/tmp/muelle-sock-%d", proc_own_pid());
    struct sock_listen_opts opts = {.replace = true};
    int first = -1;
    int second = -1;
    check_int(sock_listen(&addr, &opts, &first), 0);
    check_int(sock_listen(&addr, &opts, &second), -EADDRINUSE);
    sock_close(&first);
    check_int(sock_listen(&addr, &opts, &second), 0);
    sock_close(&second);
    unlink(addr.path);
    FILE *file = fopen(addr.path, "w");
    check(file != NULL);
    fclose(file);
    check_int(sock_listen(&addr, &opts, &second), -EADDRINUSE);
    unlink(addr.path);
}
