/* SPDX-License-Identifier: Apache-2.0
 *
 * struct chan: messages with descriptors between roles (unix SEQPACKET). Message borders are kept,
 * order too; the peer's end is seen at once.
 *
 * Sending never blocks: what the kernel does not take waits in a ring of the caller's memory; when
 * that is full the send fails with -ENOBUFS and nothing was sent (a peer that slow is best
 * dropped). No allocation.
 */
#ifndef OS_CHAN_H
#define OS_CHAN_H

#include "os/loop.h"
#include "os/sock.h"

enum { CHAN_MSG_MAX = 4096, CHAN_FDS_MAX = 16 };

/* One message, valid during the call. Its bytes are the peer's: check before believing. */
struct chan_msg {
    const void *data;
    size_t len;
    int *fds; /* received: owned by the chan; whoever keeps one sets its place to -1 */
    size_t fd_count;
};

struct chan {
    struct loop *loop;
    struct loop_fd watch;
    /* May close the chan, not free it: it is looked at once more behind the call. */
    void (*message)(struct chan *chan, struct chan_msg *msg);
    /* The peer is gone (error 0) or the channel broke (-errno). Called once; the chan is closed
     * already. */
    void (*closed)(struct chan *chan, int error);
    /* Records that wait for the kernel; of `queue_size` bytes, cut to a multiple of 8. */
    uint8_t *queue;
    size_t queue_size;
    size_t queue_head;
    size_t queue_len;
    /* From that much unsent on nothing is read: who does not take its answers asks for no more.
     * 0 = always read. */
    size_t pause_at;
};

/* Two connected ends, close-on-exec, non-blocking. 0 or -errno. */
must_check int chan_pair(int ret_fds[2]);
/* A listening SEQPACKET socket at `path` (an old file there is removed: hold a lock first), mode
 * 0600. */
must_check int chan_listen(const char *path, int *ret_fd);
/* The next who connects and is of our own user or root; others are closed. The folder's mode says
 * the same, this does not depend on it. 0, -EAGAIN when nobody waits, -errno. */
must_check int chan_accept(int listen_fd, int *ret_fd);
/* Connects at once or fails (-ECONNREFUSED, -ENOENT, -EAGAIN when the backlog is full). */
must_check int chan_connect(const char *path, int *ret_fd);

/* Takes `fd` over and watches it. message and closed must be set. 0 or -errno (then fd is the
 * caller's). */
must_check int chan_open(struct chan *chan, struct loop *loop, int fd, void *queue,
                         size_t queue_size);
/* Closes without calling `closed`. Nothing when it is closed already. Safe inside `message`. */
void chan_close(struct chan *chan);
static inline bool chan_is_open(const struct chan *chan)
{
    return chan->watch.fd >= 0;
}
/* Sends or queues; the descriptors are duplicated, so they stay the caller's. 0, -ENOBUFS, -EPIPE,
 * -errno. */
must_check int chan_send(struct chan *chan, const void *data, size_t len, const int *fds,
                         size_t fd_count);
/* Who sits at the other end. 0 or -errno. */
must_check int chan_peer(const struct chan *chan, struct sock_cred *ret);

/* For those without a loop (the command line, a role's first steps). `fds` holds `fd_count` places;
 * what does not fit is closed. Returns the length, 0 when the peer is gone, -ETIMEDOUT, -errno.
 * timeout < 0: for ever. */
must_check int64_t chan_recv_blocking(int fd, void *data, size_t size, int *fds, size_t *fd_count,
                                      int64_t timeout_ns);
/* Waits as long as the peer takes; 0 or -errno. */
must_check int chan_send_blocking(int fd, const void *data, size_t len, const int *fds,
                                  size_t fd_count);

#endif
