/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels over unix SEQPACKET: see chan.h.
 *
 * The queue is a ring of whole records, written only when the kernel's buffer is full:
 *
 *   0   4  length of the bytes, or CHAN_WRAP
 *   4   4  number of descriptors
 *   8  4n  the descriptors, duplicates that the record owns
 *      ..  the bytes, then zeros up to a multiple of 8
 *
 * Invariants:
 * 1. A record never wraps: when it does not fit before the end, a record of length CHAN_WRAP fills
 *    the rest. All sizes are multiples of 8, so the rest always has room for that record's head.
 * 2. What was sent is delivered in order: as long as something is queued, everything is queued.
 * 3. A descriptor in the queue is closed when its record is sent or the channel is closed: a peer
 *    that never reads costs at most what the ring can name.
 *
 * How it fails: a broken channel is told once, by `closed`, with the channel closed already; a send
 * that meets it first says -EPIPE and leaves the telling to the loop. A message cut by the kernel
 * (too long, no descriptor free) is -EMSGSIZE and ends the channel: half a message is none.
 */
#include "os/chan.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/sock_private.h"
#include "os/user.h"
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHAN_WRAP UINT32_MAX

enum { CHAN_TURN_MAX = 64 /* messages per turn: others want to run too */ };

struct chan_record {
    uint32_t len;
    uint32_t fd_count;
};

union chan_control {
    struct cmsghdr head;
    uint8_t space[CMSG_SPACE(sizeof(int) * CHAN_FDS_MAX)];
};

int chan_pair(int ret_fds[2])
{
    int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return socketpair(AF_UNIX, type, 0, ret_fds) < 0 ? -errno : 0;
}

static int chan_socket(const char *path, struct sock_os_addr *ret)
{
    struct sock_addr addr = {.family = SOCK_ADDR_UNIX};
    if (!str_copy(addr.path, sizeof(addr.path), str_from(path))) {
        return -ENAMETOOLONG;
    }
    int result = sock_addr_to_os(&addr, ret);
    if (result < 0) {
        return result;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int chan_listen(const char *path, int *ret_fd)
{
    struct sock_os_addr os;
    int fd = chan_socket(path, &os);
    if (fd < 0) {
        return fd;
    }
    unlink(path);
    /* The mode is set on the socket before the name exists: no moment in which others may connect.
     */
    fchmod(fd, 0600);
    if (bind(fd, &os.any, os.len) < 0 || chmod(path, 0600) < 0 || listen(fd, 64) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int chan_accept(int listen_fd, int *ret_fd)
{
    int result;
    struct sock_cred cred;
    while ((result = sock_accept(listen_fd, ret_fd, NULL)) == 0 &&
           (sock_peer_cred(*ret_fd, &cred) < 0 || (cred.uid != 0 && cred.uid != user_own_uid()))) {
        file_close(ret_fd);
    }
    return result;
}

int chan_connect(const char *path, int *ret_fd)
{
    struct sock_os_addr os;
    int fd = chan_socket(path, &os);
    if (fd < 0) {
        return fd;
    }
    if (connect(fd, &os.any, os.len) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

/* One sendmsg. 0 or -errno. */
static int chan_send_now(int fd, struct str data, const int *fds, size_t fd_count)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data.p, .iov_len = data.len};
    union chan_control control;
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * fd_count);
    }
    ssize_t n;
    do {
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static void chan_take_fds(struct msghdr *msg, int *fds, size_t max, size_t *ret_count)
{
    size_t count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
            if (count < max) {
                fds[count++] = fd;
            } else {
                close(fd);
            }
        }
    }
    *ret_count = count;
}

/* One recvmsg. Bytes, 0 at the peer's end, -errno; -EMSGSIZE when the message was longer. */
static int64_t chan_recv_now(int fd, void *data, size_t size, int *fds, size_t *fd_count)
{
    struct iovec part = {.iov_base = data, .iov_len = size};
    union chan_control control;
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;
    do {
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    size_t max = *fd_count;
    *fd_count = 0;
    if (n < 0) {
        return -errno;
    }
    chan_take_fds(&msg, fds, max, fd_count);
    /* Descriptors that did not fit (or could not be made: too many open files) make the message
     * worthless. */
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (size_t i = 0; i < *fd_count; i++) {
            close(fds[i]);
        }
        *fd_count = 0;
        return -EMSGSIZE;
    }
    return n;
}

static size_t chan_record_size(size_t len, size_t fd_count)
{
    return ALIGN_UP(sizeof(struct chan_record) + fd_count * sizeof(int) + len, 8);
}

static int chan_record_fd(const uint8_t *at, size_t i)
{
    int fd;
    memcpy(&fd, at + sizeof(struct chan_record) + i * sizeof(int), sizeof(fd));
    return fd;
}

/* The oldest record; NULL when the queue is empty. */
static uint8_t *chan_queue_first(struct chan *chan, struct chan_record *ret)
{
    while (chan->queue_len > 0) {
        uint8_t *at = chan->queue + chan->queue_head;
        memcpy(ret, at, sizeof(*ret));
        if (ret->len != CHAN_WRAP) {
            return at;
        }
        chan->queue_len -= chan->queue_size - chan->queue_head;
        chan->queue_head = 0;
    }
    return NULL;
}

static void chan_queue_pop(struct chan *chan, const uint8_t *at, const struct chan_record *record)
{
    for (size_t i = 0; i < record->fd_count; i++) {
        close(chan_record_fd(at, i));
    }
    size_t size = chan_record_size(record->len, record->fd_count);
    chan->queue_len -= size;
    chan->queue_head += size;
    if (chan->queue_head == chan->queue_size) {
        chan->queue_head = 0;
    }
}

/* Room for a record of `size` bytes at the tail, or NULL. */
static uint8_t *chan_queue_room(struct chan *chan, size_t size)
{
    if (chan->queue_len == 0) {
        chan->queue_head = 0;
    }
    size_t tail = (chan->queue_head + chan->queue_len) % MAX(chan->queue_size, (size_t)1);
    bool wrapped = chan->queue_len > 0 && tail <= chan->queue_head;
    size_t room = wrapped ? chan->queue_head - tail : chan->queue_size - tail;
    if (size <= room) {
        return chan->queue + tail;
    }
    if (wrapped || size > chan->queue_head) {
        return NULL;
    }
    struct chan_record wrap = {CHAN_WRAP, 0};
    memcpy(chan->queue + tail, &wrap, sizeof(wrap));
    chan->queue_len += room;
    return chan->queue;
}

static bool chan_is_paused(const struct chan *chan)
{
    return chan->pause_at > 0 && chan->queue_len >= chan->pause_at;
}

/* Waits for what the queue's length asks for. 0 or -errno. */
static int chan_watch(struct chan *chan)
{
    return loop_fd_set(chan->loop, &chan->watch,
                       (chan_is_paused(chan) ? 0u : LOOP_READ) |
                           (chan->queue_len > 0 ? LOOP_WRITE : 0u));
}

static int chan_queue_add(struct chan *chan, struct str data, const int *fds, size_t fd_count)
{
    size_t size = chan_record_size(data.len, fd_count);
    int copies[CHAN_FDS_MAX];
    for (size_t i = 0; i < fd_count; i++) {
        int result = file_dup(fds[i], &copies[i]);
        if (result < 0) {
            while (i-- > 0) {
                close(copies[i]);
            }
            return result;
        }
    }
    uint8_t *at = chan_queue_room(chan, size);
    if (!at) {
        for (size_t i = 0; i < fd_count; i++) {
            close(copies[i]);
        }
        return -ENOBUFS;
    }
    struct chan_record record = {(uint32_t)data.len, (uint32_t)fd_count};
    memcpy(at, &record, sizeof(record));
    memcpy(at + sizeof(record), copies, fd_count * sizeof(int));
    memcpy(at + sizeof(record) + fd_count * sizeof(int), data.p, data.len);
    chan->queue_len += size;
    return chan_watch(chan);
}

int chan_send(struct chan *chan, const void *data, size_t len, const int *fds, size_t fd_count)
{
    ensure(len > 0 && len <= CHAN_MSG_MAX && fd_count <= CHAN_FDS_MAX);
    if (!chan_is_open(chan)) {
        return -EPIPE;
    }
    struct str bytes = str_make(data, len);
    if (chan->queue_len == 0) {
        int result = chan_send_now(chan->watch.fd, bytes, fds, fd_count);
        if (result != -EAGAIN && result != -ETOOMANYREFS) {
            return result == -ECONNRESET ? -EPIPE : result;
        }
    }
    return chan_queue_add(chan, bytes, fds, fd_count);
}

/* Hands the queue to the kernel. 0 or -errno. */
static int chan_flush(struct chan *chan)
{
    struct chan_record record;
    uint8_t *at;
    while ((at = chan_queue_first(chan, &record))) {
        int fds[CHAN_FDS_MAX];
        for (size_t i = 0; i < record.fd_count; i++) {
            fds[i] = chan_record_fd(at, i);
        }
        const char *bytes =
            (const char *)at + sizeof(struct chan_record) + record.fd_count * sizeof(int);
        int result =
            chan_send_now(chan->watch.fd, str_make(bytes, record.len), fds, record.fd_count);
        if (result == -EAGAIN || result == -ETOOMANYREFS) {
            break;
        }
        if (result < 0) {
            return result;
        }
        chan_queue_pop(chan, at, &record);
    }
    return chan_watch(chan);
}

void chan_close(struct chan *chan)
{
    int fd = chan->watch.fd;
    if (fd < 0) {
        return;
    }
    struct chan_record record;
    uint8_t *at;
    while ((at = chan_queue_first(chan, &record))) {
        chan_queue_pop(chan, at, &record);
    }
    loop_fd_remove(chan->loop, &chan->watch);
    close(fd);
}

/* Closed first: `closed` may free the chan or open it anew at once. */
static void chan_fail(struct chan *chan, int error)
{
    chan_close(chan);
    chan->closed(chan, error);
}

/* Receives one message and hands it on. True = there may be more. */
static bool chan_receive(struct chan *chan)
{
    uint8_t data[CHAN_MSG_MAX] __attribute__((aligned(8)));
    int fds[CHAN_FDS_MAX];
    size_t fd_count = CHAN_FDS_MAX;
    int64_t n = chan_recv_now(chan->watch.fd, data, sizeof(data), fds, &fd_count);
    if (n == -EAGAIN) {
        return false;
    }
    if (n <= 0) {
        chan_fail(chan, n == -ECONNRESET ? 0 : (int)n);
        return false;
    }
    struct chan_msg msg = {.data = data, .len = (size_t)n, .fds = fds, .fd_count = fd_count};
    chan->message(chan, &msg);
    for (size_t i = 0; i < fd_count; i++) {
        file_close(&fds[i]);
    }
    return chan_is_open(chan);
}

static void chan_ready(struct loop_fd *watch, uint32_t events)
{
    struct chan *chan = container_of(watch, struct chan, watch);
    if (events & LOOP_WRITE) {
        int result = chan_flush(chan);
        /* A broken pipe may still have messages to be read in front of the end. */
        if (result < 0 && result != -EPIPE && result != -ECONNRESET) {
            chan_fail(chan, result);
            return;
        }
    }
    /* A peer that is gone asks for nothing: its end is read even so. */
    bool gone = events & (LOOP_HUP | LOOP_ERROR);
    for (int i = 0; i < CHAN_TURN_MAX && (gone || !chan_is_paused(chan)); i++) {
        if (!chan_receive(chan)) {
            break;
        }
    }
}

int chan_open(struct chan *chan, struct loop *loop, int fd, void *queue, size_t queue_size)
{
    ensure(chan->message && chan->closed);
    chan->loop = loop;
    chan->queue = queue;
    chan->queue_size = queue_size & ~(size_t)7;
    chan->queue_head = 0;
    chan->queue_len = 0;
    loop_fd_init(&chan->watch, chan_ready);
    return loop_fd_add(loop, &chan->watch, fd, LOOP_READ);
}

int chan_peer(const struct chan *chan, struct sock_cred *ret)
{
    return sock_peer_cred(chan->watch.fd, ret);
}

int64_t chan_recv_blocking(int fd, void *data, size_t size, int *fds, size_t *fd_count,
                           int64_t timeout_ns)
{
    int64_t deadline_ns = timeout_ns < 0 ? INT64_MAX : clock_mono_ns() + timeout_ns;
    size_t max = *fd_count;
    for (;;) {
        *fd_count = max;
        int64_t n = chan_recv_now(fd, data, size, fds, fd_count);
        if (n != -EAGAIN) {
            return n == -ECONNRESET ? 0 : n;
        }
        int64_t left_ns = deadline_ns == INT64_MAX ? -1 : deadline_ns - clock_mono_ns();
        if (deadline_ns != INT64_MAX && left_ns <= 0) {
            return -ETIMEDOUT;
        }
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ms = left_ns < 0 ? -1 : (int)MIN(left_ns / NS_PER_MS + 1, 1000000);
        if (poll(&wait, 1, ms) < 0 && errno != EINTR) {
            return -errno;
        }
    }
}

int chan_send_blocking(int fd, const void *data, size_t len, const int *fds, size_t fd_count)
{
    for (;;) {
        int result = chan_send_now(fd, str_make(data, len), fds, fd_count);
        if (result != -EAGAIN) {
            return result;
        }
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (poll(&wait, 1, 1000) < 0 && errno != EINTR) {
            return -errno;
        }
    }
}
