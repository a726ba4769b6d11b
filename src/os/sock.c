/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets: streams, options, transfers. Addresses: sock_addr.c; who owns a port: sock_diag.c. See
 * sock.h.
 *
 * Invariants: 1. every socket is non-blocking and close-on-exec from its first moment
 *                (SOCK_NONBLOCK, SOCK_CLOEXEC, accept4);
 *             2. MSG_NOSIGNAL everywhere: a peer that is gone is -EPIPE, never SIGPIPE;
 *             3. a listener takes a port only after a plain bind and listen proved it free, because
 *                with SO_REUSEPORT a second instance would get every other connection without an
 *                error.
 * How it fails: what may pass (EAGAIN, EMFILE) is told as it is; errors of a connection that died
 * in the queue are nobody's (accept(2)) and end here.
 */
#include "os/sock.h"
#include "os/sock_private.h"
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof(struct str) == sizeof(struct iovec) &&
                   offsetof(struct str, len) == offsetof(struct iovec, iov_len),
               "a slice can be handed to sendmsg");

enum { SOCK_BACKLOG = 4096, SOCK_FDS_MAX = 16, SOCK_PARTS_MAX = 64, SOCK_PICK_TRIES = 200 };

/* Unix sockets refuse TCP's options: that, too, is no failure. */
static void sock_set_int(int fd, int level, int option, int value)
{
    (void)!setsockopt(fd, level, option, &value, sizeof(value));
}

static int sock_open(const struct sock_addr *addr, struct sock_os_addr *os)
{
    int result = sock_addr_to_os(addr, os);
    if (result < 0) {
        return result;
    }
    int fd = socket(os->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

/* A socket bound to `addr`. The wildcard takes IPv6 and IPv4 together, or IPv4 alone without IPv6.
 */
static int sock_bind(const struct sock_addr *addr, bool reuse_port, int *ret_fd)
{
    struct sock_os_addr os;
    int fd = sock_open(addr, &os);
    if (fd == -EAFNOSUPPORT && sock_addr_is_any(addr)) {
        struct sock_addr any4 = {.family = SOCK_ADDR_IP4, .port = addr->port};
        fd = sock_open(&any4, &os);
    }
    if (fd < 0) {
        return fd;
    }
    if (addr->family != SOCK_ADDR_UNIX) {
        sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        sock_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* also who connects before it is served */
    }
    if (os.any.sa_family == AF_INET6) {
        sock_set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, sock_addr_is_any(addr) ? 0 : 1);
    }
    if (reuse_port) {
        sock_set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (bind(fd, &os.any, os.len) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int sock_probe_bind(const struct sock_addr *addr)
{
    int fd = -1;
    int result = sock_bind(addr, false, &fd);
    if (result < 0) {
        return result;
    }
    /* With SO_REUSEADDR two sockets may be bound; only listening shows that the port is really
     * free. */
    if (listen(fd, 1) < 0) {
        result = -errno;
    }
    close(fd);
    return result;
}

/* Removes a unix socket that nobody serves any more; -EADDRINUSE when somebody may. Only one answer
 * proves that nobody does: ECONNREFUSED on a socket. A full backlog (EAGAIN), a server of another
 * kind (EPROTOTYPE: datagrams) and one that does not let us in (EACCES) are alive. */
static int sock_remove_dead(const struct sock_addr *addr)
{
    struct sock_os_addr os;
    struct stat st;
    if (lstat(addr->path, &st) < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return -EADDRINUSE; /* a file of somebody, which also refuses connections */
    }
    int fd = sock_open(addr, &os);
    if (fd < 0) {
        return fd;
    }
    int error = connect(fd, &os.any, os.len) < 0 ? errno : 0;
    close(fd);
    if (error != ECONNREFUSED) {
        return error == ENOENT ? 0 : -EADDRINUSE;
    }
    unlink(addr->path);
    return 0;
}

int sock_listen(const struct sock_addr *addr, const struct sock_listen_opts *opts, int *ret_fd)
{
    bool is_unix = addr->family == SOCK_ADDR_UNIX;
    int result = 0;
    if (is_unix && opts->replace) {
        result = sock_remove_dead(addr);
    }
    if (!is_unix && opts->reuse_port) {
        result = sock_probe_bind(addr);
    }
    int fd = -1;
    if (result == 0) {
        result = sock_bind(addr, opts->reuse_port && !is_unix, &fd);
    }
    if (result < 0) {
        return result;
    }
    if (is_unix && chmod(addr->path, opts->mode ? (mode_t)opts->mode : 0600) < 0) {
        result = -errno;
    }
    if (result == 0 && listen(fd, opts->backlog ? opts->backlog : SOCK_BACKLOG) < 0) {
        result = -errno;
    }
    if (result < 0) {
        close(fd);
        return result;
    }
    *ret_fd = fd;
    return 0;
}

int sock_pick_port(struct rng *rng, uint16_t from, uint16_t to, uint16_t *ret_port)
{
    ensure(from > 0 && from <= to);
    uint32_t span = (uint32_t)to - from + 1;
    uint32_t start = (uint32_t)rng_below(rng, span);
    for (uint32_t i = 0; i < MIN(span, (uint32_t)SOCK_PICK_TRIES); i++) {
        uint16_t port = (uint16_t)(from + (start + i) % span);
        struct sock_addr any = {.family = SOCK_ADDR_IP6, .port = port};
        struct sock_addr loopback = sock_addr_loopback(port);
        int result = sock_probe_bind(&any);
        result = result < 0 ? result : sock_probe_bind(&loopback);
        if (result == 0) {
            *ret_port = port;
            return 0;
        }
        if (result != -EADDRINUSE && result != -EACCES) {
            return result; /* no descriptor, no memory: another port would not help */
        }
    }
    return -EADDRINUSE;
}

int sock_connect(const struct sock_addr *addr, int *ret_fd)
{
    struct sock_os_addr os;
    int fd = sock_open(addr, &os);
    if (fd < 0) {
        return fd;
    }
    if (connect(fd, &os.any, os.len) < 0 && errno != EINPROGRESS) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int sock_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        return -errno;
    }
    return -error;
}

int sock_accept(int listen_fd, int *ret_fd, struct sock_addr *ret_peer)
{
    struct sock_os_addr os;
    for (;;) {
        os.len = sizeof(os.space);
        int fd = accept4(listen_fd, ret_peer ? &os.any : NULL, ret_peer ? &os.len : NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            *ret_fd = fd;
            break;
        }
        /* accept(2): errors of the connection itself, which is gone with them. */
        if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO && errno != ENETDOWN &&
            errno != EHOSTUNREACH && errno != ENETUNREACH && errno != EHOSTDOWN) {
            return -errno;
        }
    }
    if (ret_peer) {
        sock_addr_from_os(&os, ret_peer);
    }
    return 0;
}

void sock_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

int64_t sock_recv(int fd, void *p, size_t len)
{
    ssize_t n;
    do {
        n = recv(fd, p, len, 0);
    } while (unlikely(n < 0 && errno == EINTR));
    return n < 0 ? -errno : n;
}

int64_t sock_peek(int fd, void *p, size_t len)
{
    ssize_t n;
    do {
        n = recv(fd, p, len, MSG_PEEK);
    } while (unlikely(n < 0 && errno == EINTR));
    return n < 0 ? -errno : n;
}

int64_t sock_recv_fds(int fd, void *p, size_t len, int *fds, size_t *fd_count)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int) * SOCK_FDS_MAX)];
    } control;
    struct iovec part = {.iov_base = p, .iov_len = len};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    size_t room = *fd_count;
    ssize_t n;

    *fd_count = 0;
    do {
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    } while (unlikely(n < 0 && errno == EINTR));
    if (n < 0) {
        return -errno;
    }
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&msg); head; head = CMSG_NXTHDR(&msg, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; i < (head->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int got;
            memcpy(&got, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
            if (*fd_count < room) {
                fds[(*fd_count)++] = got;
            } else {
                close(got);
            }
        }
    }
    return n;
}

int64_t sock_send(int fd, const void *p, size_t len, bool more)
{
    ssize_t n;
    do {
        n = send(fd, p, len, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    } while (unlikely(n < 0 && errno == EINTR));
    return n < 0 ? -errno : n;
}

int64_t sock_sendv(int fd, const struct str *parts, size_t count, bool more)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                         .msg_iovlen = MIN(count, (size_t)SOCK_PARTS_MAX)};
    ssize_t n;
    do {
        n = sendmsg(fd, &msg, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    } while (unlikely(n < 0 && errno == EINTR));
    return n < 0 ? -errno : n;
}

int sock_shutdown_write(int fd)
{
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

void sock_set_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) {
        (void)!fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
}

void sock_set_nodelay(int fd, bool on)
{
    sock_set_int(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

void sock_ack_now(int fd)
{
    sock_set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

void sock_set_unsent_max(int fd, unsigned bytes)
{
    sock_set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)bytes);
}

void sock_set_keepalive(int fd, unsigned idle_s, unsigned interval_s, unsigned count)
{
    sock_set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    sock_set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)idle_s);
    sock_set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)interval_s);
    sock_set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)count);
}

/* Keep-alive looks at idle connections only; this bounds how long sent bytes may stay
 * unacknowledged (tcp(7), TCP_USER_TIMEOUT). */
void sock_set_user_timeout(int fd, unsigned ms)
{
    sock_set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)ms);
}

void sock_set_abort(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)!setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void sock_set_defer_accept(int fd, unsigned s)
{
    sock_set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, (int)s);
}

size_t sock_send_room(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof(memory);
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &len) < 0) {
        return 0;
    }
    uint32_t used = MAX(memory[SK_MEMINFO_WMEM_QUEUED], memory[SK_MEMINFO_WMEM_ALLOC]);
    return memory[SK_MEMINFO_SNDBUF] > used ? memory[SK_MEMINFO_SNDBUF] - used : 0;
}

/* pidfd_getfd(2) needs the rights of a debugger: the child must be of our user and dumpable. What
 * was taken is looked at before it is believed, as the number may be another descriptor's by
 * now. */
int sock_take_listening(int pidfd, int fd, const struct sock_addr *addr, int *ret_fd)
{
    int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    if (copy < 0) {
        return errno == EBADF ? -ENOENT : -errno;
    }
    struct sock_addr local;
    int listens = 0;
    socklen_t len = sizeof(listens);
    if (getsockopt(copy, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens ||
        sock_local_addr(copy, &local) < 0 || !sock_addr_eq(&local, addr)) {
        close(copy);
        return -ENOENT;
    }
    *ret_fd = copy;
    return 0;
}

int sock_local_addr(int fd, struct sock_addr *ret)
{
    struct sock_os_addr os = {.len = sizeof(os.space)};
    if (getsockname(fd, &os.any, &os.len) < 0) {
        return -errno;
    }
    sock_addr_from_os(&os, ret);
    return 0;
}

int sock_peer_addr(int fd, struct sock_addr *ret)
{
    struct sock_os_addr os = {.len = sizeof(os.space)};
    if (getpeername(fd, &os.any, &os.len) < 0) {
        return -errno;
    }
    sock_addr_from_os(&os, ret);
    return 0;
}

int sock_peer_cred(int fd, struct sock_cred *ret)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        return -errno;
    }
    *ret = (struct sock_cred){.pid = cred.pid, .uid = cred.uid, .gid = cred.gid};
    return 0;
}
