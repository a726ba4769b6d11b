/* SPDX-License-Identifier: Apache-2.0
 *
 * Those who talk to the keeper: the roles, over the socketpair they were started with or over
 * keeper.sock after a keeper died; and tools of the same user, over keeper.sock.
 *
 * 1. The keeper never waits for a peer: what it does not read is queued; when the queue is full it
 *    is dropped, connects again and is told how all stands.
 * 2. Who does not read its answers is not listened to either (PEER_PAUSE_AT): nobody is dropped for
 *    asking much.
 * 3. Only well-formed messages pass on, and none before HELLO.
 */
#include "base/num.h"
#include "keeper/private.h"
#include "os/file.h"

/* What waits holds its descriptors open: beyond a thousand messages only those without one wait. */
enum { PEER_QUEUE_WITH_FD = 1024 * KEEPER_MSG_SIZE };
/* Beyond that nothing more is read from a peer: its own answers never fill the queue, which is for
 * news. */
enum { PEER_PAUSE_AT = 64 * KEEPER_MSG_SIZE };

static void peer_gone(struct peer *peer)
{
    struct keeper *keeper = peer->keeper;
    peer->used = false;
    if (peer->role == KEEPER_ROLE_EDGE && keeper->roles[KEEPER_ROLE_EDGE].retiring) {
        loop_defer(&keeper->loop, &keeper->roles[KEEPER_ROLE_EDGE].left);
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
    struct keeper *keeper = peer->keeper;
    struct keeper_msg copy;
    bool ok = msg->len == sizeof(copy) && msg->fd_count <= 1;
    if (ok) {
        memcpy(&copy, msg->data, sizeof(copy));
        ok = keeper_msg_valid(&copy, msg->len) && (peer->greeted || copy.type == KEEPER_HELLO);
    }
    if (!ok) {
        rolelog(ROLELOG_WARNING, "keeper", "pid %d sent a message that is not understood: dropped",
                peer->cred.pid);
        peer_drop(peer);
        return;
    }
    int none = -1; /* a descriptor that a handler keeps it sets to -1 */
    keeper->message(keeper, peer, &copy, msg->fd_count == 1 ? &msg->fds[0] : &none);
}

struct peer *peer_new(struct keeper *keeper, int fd, enum keeper_role role)
{
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        struct peer *peer = &keeper->peers[i];
        if (peer->used) {
            continue;
        }
        peer->greeted = peer->copies = false;
        peer->keeper = keeper;
        peer->role = (uint8_t)role;
        peer->chan = (struct chan){
            .message = peer_message, .closed = peer_closed, .pause_at = PEER_PAUSE_AT};
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
        rolelog(ROLELOG_WARNING, "keeper", "pid %d does not read its messages: dropped",
                peer->cred.pid);
        peer_drop(peer);
    }
}

void peer_tell(struct keeper *keeper, enum keeper_role role, const struct keeper_msg *msg)
{
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        struct peer *peer = &keeper->peers[i];
        if (peer->greeted && (role == KEEPER_ROLE_NONE || peer->role == role)) {
            peer_send(peer, msg, -1);
        }
    }
}

void peer_tell_copies(struct keeper *keeper, const struct peer *from, bool private,
                      const struct keeper_msg *msg, int fd)
{
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        struct peer *peer = &keeper->peers[i];
        if (peer->copies && peer != from && (!private || peer->role == KEEPER_ROLE_CORE)) {
            peer_send(peer, msg, fd);
        }
    }
}

static void peer_accept(struct loop_fd *watch, uint32_t events)
{
    struct keeper *keeper = container_of(watch, struct keeper, listen_watch);
    int fd = -1;
    while (chan_accept(watch->fd, &fd) == 0) {
        (void)peer_new(keeper, fd, KEEPER_ROLE_NONE);
    }
}

int peer_listen(struct keeper *keeper, int fd)
{
    char path[KEEPER_PATH_MAX];
    keeper_run_path(keeper, "keeper.sock", path);
    int result = fd < 0 ? chan_listen(path, &fd) : 0;
    loop_fd_init(&keeper->listen_watch, peer_accept);
    return result < 0 ? result : loop_fd_take(&keeper->loop, &keeper->listen_watch, fd, LOOP_READ);
}
