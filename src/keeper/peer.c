/* SPDX-License-Identifier: Apache-2.0
 *
 * Those who talk to the keeper: the roles, over the socketpair they were started with or over
 * keeper.sock after a keeper died; and tools of the same user, over keeper.sock.
 */
#include "keeper/private.h"
#include "os/file.h"
#include "os/user.h"

/* What waits holds its descriptors open: beyond a thousand messages only those without one wait. */
enum { PEER_QUEUE_WITH_FD = 1024 * KEEPER_MSG_SIZE };

static struct keeper *peer_keeper; /* channels carry no pointer to it */

static void peer_gone(struct peer *peer)
{
    peer->used = false;
    if (peer->role == KEEPER_ROLE_CORE && !timer_armed(&peer_keeper->trim_timer)) {
        loop_timer_after(&peer_keeper->loop, &peer_keeper->trim_timer, 1000 * 1000 * 1000);
    }
}

static void peer_closed(struct chan *chan, int error)
{
    peer_gone(container_of(chan, struct peer, chan));
}

static void peer_drop(struct peer *peer)
{
    if (peer->used) {
        chan_close(&peer->chan);
        peer_gone(peer);
    }
}

static void peer_message(struct chan *chan, struct chan_msg *msg)
{
    struct peer *peer = container_of(chan, struct peer, chan);
    struct keeper_msg copy;
    if (msg->len != sizeof(copy) || msg->fd_count > 1) {
        peer_drop(peer);
        return;
    }
    memcpy(&copy, msg->data, sizeof(copy));
    if (!keeper_msg_valid(&copy, msg->len) || (!peer->greeted && copy.type != KEEPER_HELLO)) {
        keeper_log(peer_keeper, "pid %d sent a message that is not understood: dropped",
                   peer->cred.pid);
        peer_drop(peer);
        return;
    }
    int fd = msg->fd_count == 1 ? msg->fds[0] : -1;
    dispatch(peer_keeper, peer, &copy, &fd);
    if (msg->fd_count == 1) {
        msg->fds[0] = fd; /* -1 when the handler kept it */
    }
}

struct peer *peer_new(struct keeper *keeper, int fd, enum keeper_role role)
{
    peer_keeper = keeper;
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        struct peer *peer = &keeper->peers[i];
        if (peer->used) {
            continue;
        }
        peer->greeted = peer->copies = false;
        peer->role = (uint8_t)role;
        peer->chan = (struct chan){.message = peer_message, .closed = peer_closed};
        if (chan_open(&peer->chan, &keeper->loop, fd, peer->queue, sizeof(peer->queue)) < 0) {
            break;
        }
        peer->used = true;
        if (chan_peer(&peer->chan, &peer->cred) < 0) {
            peer->cred = (struct sock_cred){0};
        }
        return peer;
    }
    file_close(&fd);
    return NULL;
}

void peer_send(struct peer *peer, const struct keeper_msg *msg, int fd)
{
    if (!peer->used) {
        return;
    }
    bool too_many = fd >= 0 && peer->chan.queue_len >= PEER_QUEUE_WITH_FD;
    int result = too_many ? -ENOBUFS : chan_send(&peer->chan, msg, sizeof(*msg), &fd, fd >= 0);
    if (result < 0 && result != -EPIPE) { /* the end of a broken pipe is told by the channel */
        keeper_log(peer_keeper, "pid %d does not read its messages: dropped", peer->cred.pid);
        peer_drop(peer);
    }
}

void peer_tell(struct keeper *keeper, enum keeper_role role, const struct keeper_msg *msg, int fd)
{
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        struct peer *peer = &keeper->peers[i];
        if (peer->used && peer->greeted && (role == KEEPER_ROLE_NONE || peer->role == role)) {
            peer_send(peer, msg, fd);
        }
    }
}

bool peer_has_core(const struct keeper *keeper)
{
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        const struct peer *peer = &keeper->peers[i];
        if (peer->used && peer->greeted && peer->role == KEEPER_ROLE_CORE) {
            return true;
        }
    }
    return false;
}

static void peer_accept(struct loop_fd *watch, uint32_t events)
{
    struct keeper *keeper = container_of(watch, struct keeper, listen_watch);
    int fd = -1;
    while (chan_accept(watch->fd, &fd) == 0) {
        struct sock_cred cred;
        /* Our own user or root; the folder's mode says the same, this does not depend on it. */
        if (sock_peer_cred(fd, &cred) < 0 || (cred.uid != 0 && cred.uid != user_own_uid())) {
            file_close(&fd);
            continue;
        }
        (void)peer_new(keeper, fd, KEEPER_ROLE_NONE);
    }
}

int peer_listen_on(struct keeper *keeper, int fd)
{
    peer_keeper = keeper;
    loop_fd_init(&keeper->listen_watch, peer_accept);
    return loop_fd_add(&keeper->loop, &keeper->listen_watch, fd, LOOP_READ);
}

int peer_listen(struct keeper *keeper)
{
    char path[KEEPER_PATH_MAX];
    keeper_run_path(keeper, "keeper.sock", path);
    int fd = -1;
    int result = chan_listen(path, &fd);
    if (result < 0) {
        return result;
    }
    result = peer_listen_on(keeper, fd);
    if (result < 0) {
        file_close(&fd);
    }
    return result;
}
