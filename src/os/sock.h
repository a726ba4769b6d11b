/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets: addresses without system types, TCP and unix streams, everything non-blocking and
 * close-on-exec. Transfers return bytes >= 0 or -errno; -EAGAIN means: wait for the loop. 0 bytes
 * received is the peer's orderly end. Functions that block say so; those that walk /proc
 * (sock_find_owner, sock_listen_problem) take milliseconds: for the moment after a failure.
 */
#ifndef OS_SOCK_H
#define OS_SOCK_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/rng.h"

enum sock_family { SOCK_ADDR_NONE, SOCK_ADDR_IP4, SOCK_ADDR_IP6, SOCK_ADDR_UNIX };
enum { SOCK_PATH_MAX = 108, SOCK_ADDR_TEXT_MAX = 128 };

struct sock_addr {
    uint8_t family;
    uint16_t port;  /* host order */
    uint32_t scope; /* IPv6 link-local */
    uint8_t ip[16]; /* network order; IP4 uses the first four */
    char path[SOCK_PATH_MAX];
};

struct sock_cred {
    int pid;
    uint32_t uid;
    uint32_t gid;
};

struct sock_listen_opts {
    int backlog;     /* 0 = 4096 */
    bool reuse_port; /* after a plain probe bind, so that a taken port is still seen */
    uint32_t mode;   /* unix: permission bits, 0 = 0600 */
    bool replace;    /* unix: remove a dead file first */
};

struct sock_owner {
    int pid; /* 0 when it cannot be seen (another user's) */
    uint32_t uid;
    char name[64];     /* comm */
    char command[200]; /* command line, cut */
};

/* "127.0.0.1:80", "[::1]:80", ":80" and "*:80" (every IPv6 and IPv4 address), "localhost:80", "80",
 * "unix:/path". 0 or -EINVAL. No name service. */
must_check int sock_addr_parse(struct str text, struct sock_addr *ret);
/* The same spelling; the wildcard prints as "*:80". At most SOCK_ADDR_TEXT_MAX bytes. */
void sock_addr_format(struct buf *out, const struct sock_addr *addr);
bool sock_addr_eq(const struct sock_addr *a, const struct sock_addr *b);
struct sock_addr sock_addr_loopback(uint16_t port);

/* A listening stream socket. 0, -EADDRINUSE (see sock_owner), -EACCES, -errno. */
must_check int sock_listen(const struct sock_addr *addr, const struct sock_listen_opts *opts,
                           int *ret_fd);
/* Can the address be bound now (plainly)? 0, -EADDRINUSE, -errno. It may be taken the next moment:
 * whoever needs it binds it, or starts its program at once and looks again when that fails. */
must_check int sock_probe_bind(const struct sock_addr *addr);
/* Who listens there: sock_diag, then /proc. 0, -ENOENT when nobody does, -errno. */
must_check int sock_find_owner(const struct sock_addr *addr, struct sock_owner *ret);
/* Fills the problem "port is taken by …" for a failed sock_listen. */
void sock_listen_problem(struct problem *problem, const struct sock_addr *addr, int error);
/* A TCP port in [from, to] free on 127.0.0.1 and on all addresses, starting at a random place. 0,
 * -EADDRINUSE, -errno. */
must_check int sock_pick_port(struct rng *rng, uint16_t from, uint16_t to, uint16_t *ret_port);

/* Starts connecting; when writable ask sock_error. 0 (connected or under way) or -errno. */
must_check int sock_connect(const struct sock_addr *addr, int *ret_fd);
/* The pending error: 0 or -errno. */
must_check int sock_error(int fd);
/* 0, -EAGAIN, -EMFILE …; ret_peer may be NULL. Connections that died in the queue are skipped. */
must_check int sock_accept(int listen_fd, int *ret_fd, struct sock_addr *ret_peer);
void sock_close(int *fd); /* file_close; sets -1 */

must_check int64_t sock_recv(int fd, void *p, size_t len);
/* The same, and the bytes stay to be read again. */
must_check int64_t sock_peek(int fd, void *p, size_t len);
/* The same on a unix stream, with descriptors that came along (close-on-exec): *fd_count is the
 * room in `fds` and becomes how many there are; what does not fit is closed. */
must_check int64_t sock_recv_fds(int fd, void *p, size_t len, int *fds, size_t *fd_count);
/* `more`: data follows at once (MSG_MORE). Never raises SIGPIPE. */
must_check int64_t sock_send(int fd, const void *p, size_t len, bool more);
/* `parts` has the layout of struct iovec (asserted); at most 64 are looked at. */
must_check int64_t sock_sendv(int fd, const struct str *parts, size_t count, bool more);
must_check int sock_shutdown_write(int fd);

/* Options are advice: a failure of the kernel is not reported. A connection without one is slower
 * or lives longer, and works. */
void sock_set_blocking(int fd); /* all of ours are born non-blocking */
void sock_set_nodelay(int fd, bool on);
/* What came is acknowledged now: a sender without TCP_NODELAY holds the rest back until then, and
 * our kernel waits 40 ms for something to send along. */
void sock_ack_now(int fd);
/* No more than that waits in the kernel without having been sent. */
void sock_set_unsent_max(int fd, unsigned bytes);
void sock_set_keepalive(int fd, unsigned idle_s, unsigned interval_s, unsigned count);
void sock_set_user_timeout(int fd, unsigned ms);
/* Closing sends RST instead of waiting. */
void sock_set_abort(int fd);
void sock_set_defer_accept(int fd, unsigned s);
/* Bytes the kernel would take now, about; 0 when it does not say. */
size_t sock_send_room(int fd);

/* A copy of descriptor `fd` of another process, when it is a socket that listens on `addr`. 0;
 * -ENOENT: it is none; -EPERM: no right to look there; -errno. */
must_check int sock_take_listening(int pidfd, int fd, const struct sock_addr *addr, int *ret_fd);
must_check int sock_local_addr(int fd, struct sock_addr *ret);
must_check int sock_peer_addr(int fd, struct sock_addr *ret);
must_check int sock_peer_cred(int fd, struct sock_cred *ret);
/* The uid behind a loopback TCP connection (sock_diag). 0, -ENOENT (also for an IPv4 connection
 * made by an IPv6 socket), -errno. */
must_check int sock_peer_uid(const struct sock_addr *peer, const struct sock_addr *local,
                             uint32_t *ret_uid);

#endif
