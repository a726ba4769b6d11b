/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "harness/test.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include "os/sock.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* A socket that only takes another kind of peer has an owner as well: systemd's notify socket. */
TEST(a_living_unix_socket_of_another_kind_is_not_removed)
{
    static const int kinds[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct sock_addr addr = {.family = SOCK_ADDR_UNIX};
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        int fd = -1, own = socket(AF_UNIX, kinds[i], 0);
        snprintf(addr.path, sizeof(addr.path), "/tmp/muelle-kind-%d", proc_own_pid());
        memcpy(un.sun_path, addr.path, sizeof(un.sun_path));
        check_int(bind(own, (struct sockaddr *)&un, sizeof(un)), 0);
        check_int(sock_listen(&addr, &(struct sock_listen_opts){.replace = true}, &fd),
                  -EADDRINUSE);
        check(file_exists(addr.path));
        close(own);
        check_int(sock_listen(&addr, &(struct sock_listen_opts){.replace = true}, &fd), 0);
        sock_close(&fd);
        check_int(file_unlink(addr.path), 0);
    }
}

TEST(a_nul_does_not_end_an_address)
{
    struct sock_addr addr;
    check_int(sock_addr_parse(STR("127.0.0.1\0x:80"), &addr), -EINVAL);
    check_int(sock_addr_parse(STR("[::1\0x]:80"), &addr), -EINVAL);
    check_int(sock_addr_parse(STR("unix:/run/x\0y"), &addr), -EINVAL);
}

TEST(a_zone_is_part_of_an_address_and_is_read_as_it_is_printed)
{
    struct buf out = BUF_INIT(SOCK_ADDR_TEXT_MAX);
    struct sock_addr addr, again;
    check_int(sock_addr_parse(STR("[fe80::1%lo]:80"), &addr), 0);
    check_int(sock_addr_parse(format(&out, &addr), &again), 0);
    check(sock_addr_eq(&addr, &again));
    again.scope++;
    check(!sock_addr_eq(&addr, &again));
    check_int(sock_addr_parse(STR("[fe80::1%99999999999]:80"), &addr), -EINVAL);
    buf_fini(&out);
}

static void connect_two(int *ret_client, int *ret_server)
{
    struct sock_addr addr = sock_addr_loopback(0);
    int listener = -1;
    check_int(sock_listen(&addr, &(struct sock_listen_opts){0}, &listener), 0);
    check_int(sock_local_addr(listener, &addr), 0);
    sock_set_defer_accept(listener, 0);
    check_int(sock_connect(&addr, ret_client), 0);
    for (int i = 0; i < 2000 && sock_accept(listener, ret_server, NULL) == -EAGAIN; i++) {
        clock_sleep_ns(NS_PER_MS);
    }
    check(*ret_server >= 0);
    sock_close(&listener);
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    check_int(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

TEST(options_reach_the_kernel)
{
    int client = -1, server = -1;
    connect_two(&client, &server);
    sock_set_nodelay(client, true);
    check_int(option(client, IPPROTO_TCP, TCP_NODELAY), 1);
    sock_set_keepalive(client, 30, 5, 3);
    check_int(option(client, SOL_SOCKET, SO_KEEPALIVE), 1);
    check_int(option(client, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    check_int(option(client, IPPROTO_TCP, TCP_KEEPINTVL), 5);
    check_int(option(client, IPPROTO_TCP, TCP_KEEPCNT), 3);
    sock_set_user_timeout(client, 12345);
    check_int(option(client, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
    sock_set_unsent_max(client, 16384);
    check_int(option(client, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 16384);
    sock_close(&client);
    sock_close(&server);
}

TEST(a_socket_has_room_until_its_reader_takes_nothing)
{
    static char zeros[64 << 10];
    int client = -1, server = -1;
    connect_two(&client, &server);
    size_t room = sock_send_room(client);
    check(room > 0);
    while (sock_send(client, zeros, sizeof(zeros), false) > 0) {
    }
    check(sock_send_room(client) < sizeof(zeros));
    sock_close(&client);
    sock_close(&server);
}

TEST(the_user_behind_a_connection_of_this_machine_is_known)
{
    struct sock_addr near, far;
    uint32_t uid = UINT32_MAX;
    int client = -1, server = -1;
    connect_two(&client, &server);
    check_int(sock_local_addr(client, &near), 0);
    check_int(sock_peer_addr(client, &far), 0);
    check_int(sock_peer_uid(&near, &far, &uid), 0);
    check_int(uid, getuid());
    sock_close(&client);
    sock_close(&server);
    near.port = 1;
    check_int(sock_peer_uid(&near, &far, &uid), -ENOENT);
}

TEST(why_an_address_cannot_be_had_is_said)
{
    struct sock_addr addr = sock_addr_loopback(80);
    struct problem problem;
    sock_listen_problem(&problem, &addr, -EACCES);
    check_cstr(problem.code, "listen.failed");
    check(str_find(str_from(problem.hint), STR("1024")) >= 0);
    addr.port = 1; /* nobody listens there: it was let go meanwhile */
    sock_listen_problem(&problem, &addr, -EADDRINUSE);
    check_cstr(problem.what, "127.0.0.1:1 is taken");
    sock_listen_problem(&problem, &addr, -EADDRNOTAVAIL);
    check_cstr(problem.code, "listen.failed");
    check_int(problem.status, 409);
}

TEST(paths_zones_and_nothing_print_too)
{
    struct sock_addr addr = {0};
    cleanup(buf_fini) struct buf text = BUF_INIT(256);
    sock_addr_format(&text, &addr);
    check_str(buf_str(&text), STR("none"));
    buf_reset(&text);
    check_int(sock_addr_parse(STR("[fe80::1%lo]:80"), &addr), 0);
    check(addr.scope != 0);
    sock_addr_format(&text, &addr);
    check_str(buf_str(&text), STR("[fe80::1%1]:80"));
    struct sock_addr other = addr;
    check(sock_addr_eq(&addr, &other));
    other.family = SOCK_ADDR_IP4;
    check(!sock_addr_eq(&addr, &other));
    check_int(sock_addr_parse(STR("[fe80::1%aninterfacewithaverylongname]:80"), &addr), -EINVAL);
}

TEST(a_unix_socket_knows_its_path)
{
    struct sock_addr addr = {.family = SOCK_ADDR_UNIX}, got;
    int fd = -1;
    snprintf(addr.path, sizeof(addr.path), "/tmp/muelle-path-%d", proc_own_pid());
    check_int(sock_listen(&addr, &(struct sock_listen_opts){.replace = true}, &fd), 0);
    check_int(sock_local_addr(fd, &got), 0);
    check_cstr(got.path, addr.path);
    sock_close(&fd);
    check_int(file_unlink(addr.path), 0);
}
