/* SPDX-License-Identifier: Apache-2.0
 *
 * A backend that costs next to nothing, for benchmarks: one thread, epoll, answers every request
 * head (no bodies) with a fixed response.
 *
 *   echo_backend [PORT|unix:PATH] [BYTES]     the environment's PORT and 128 bytes of body if not given
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, FDS_MAX = 20000 };

static uint8_t seen[FDS_MAX]; /* bytes of "\r\n\r\n" at the end of what came so far */
static size_t unsent[FDS_MAX];
static int epoll;
/* What is always asked for: a unix socket would tell of room each time its peer has read. */
static uint32_t always = EPOLLIN | EPOLLRDHUP | EPOLLET;
static char *response;
static size_t response_len;

static int listen_on(const char *where)
{
    int fd;
    int one = 1;
    if (strncmp(where, "unix:", 5) == 0) {
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        memcpy(addr.sun_path, where + 5, strnlen(where + 5, sizeof(addr.sun_path) - 1));
        (void)unlink(addr.sun_path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
            return -1;
        }
    } else {
        struct sockaddr_in addr = {
            .sin_family = AF_INET,
            .sin_port = htons((uint16_t)strtoul(where, NULL, 10)),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
            return -1;
        }
    }
    return listen(fd, 4096) < 0 ? -1 : fd;
}

static void make_response(size_t bytes)
{
    response = malloc(bytes + 512);
    if (!response) {
        exit(1);
    }
    int n = snprintf(response, 512,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                     bytes);
    memset(response + n, 'x', bytes);
    response_len = (size_t)n + bytes;
}

/* How many request heads end in these bytes. */
static unsigned count_heads(int fd, const char *p, size_t len)
{
    static const char end[] = "\r\n\r\n";
    unsigned heads = 0;
    uint8_t at = seen[fd];
    for (size_t i = 0; i < len; i++) {
        at = p[i] == end[at] ? (uint8_t)(at + 1) : p[i] == '\r';
        if (at == 4) {
            heads++;
            at = 0;
        }
    }
    seen[fd] = at;
    return heads;
}

static int watch(int fd, int operation, uint32_t more)
{
    struct epoll_event event = {.events = always | more, .data.fd = fd};
    return ((always & more) == more && operation == EPOLL_CTL_MOD) ||
           epoll_ctl(epoll, operation, fd, &event) == 0;
}

/* Sends what is owed. False: the connection is of no use any more. */
static int send_owed(int fd)
{
    while (unsent[fd] > 0) {
        size_t at = (response_len - unsent[fd] % response_len) % response_len;
        ssize_t n = send(fd, response + at, response_len - at, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN && watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
        }
        unsent[fd] -= (size_t)n;
    }
    return 1;
}

static void serve(int fd, uint32_t events)
{
    static char in[HEAD_MAX];
    int alive = (events & EPOLLOUT) == 0 || send_owed(fd);
    while (alive && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
        ssize_t n = recv(fd, in, sizeof(in), 0);
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n <= 0) {
            alive = 0;
            break;
        }
        unsent[fd] += count_heads(fd, in, (size_t)n) * response_len;
        alive = send_owed(fd);
        if (n < (ssize_t)sizeof(in)) {
            break;
        }
    }
    if (!alive) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : getenv("PORT");
    int listener = where ? listen_on(where) : -1;
    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (listener < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) {
        perror("echo_backend");
        return 1;
    }
    always |= strncmp(where, "unix:", 5) == 0 ? 0 : EPOLLOUT;
    make_response(argc > 2 ? strtoul(argv[2], NULL, 10) : 128);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                serve(fd, events[i].events);
                continue;
            }
            int one = 1;
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0) {
                continue;
            }
            if (fd >= FDS_MAX) {
                close(fd);
                continue;
            }
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            seen[fd] = 0;
            unsent[fd] = 0;
            (void)watch(fd, EPOLL_CTL_ADD, 0);
        }
    }
}
