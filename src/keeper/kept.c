/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors held under a name; names are those of docs/architecture.md.
 *
 * 1. Everybody who asked for copies holds one of each, so that a new keeper can be given all of
 *    them.
 * 2. Streams of commands and services are the core's alone.
 * 3. A listening socket is opened only where nobody has it: not this keeper, not a child.
 *
 * Happy path: LISTEN → found under its name, or opened → KEPT to all. It fails with the sentence
 * that a person will read: who has the port.
 */
#include "base/map.h"
#include "keeper/private.h"
#include "link/keeper_listen.h"
#include "link/keeper_sockmap.h"
#include "link/snapshot.h"
#include "os/file.h"

struct kept *kept_find(struct keeper *keeper, struct str name)
{
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        struct kept *kept = &keeper->kept[i];
        if (kept->fd >= 0 && str_is(name, kept->name)) {
            return kept;
        }
    }
    return NULL;
}

int kept_fd(void *keeper, struct str name)
{
    const struct kept *kept = kept_find(keeper, name);
    return kept ? kept->fd : -1;
}

/* Streams are nothing that the edge, which talks to strangers, should hold. */
bool kept_is_private(struct str name)
{
    return str_starts(name, STR(KEEPER_STDIO)) || str_starts(name, STR(KEEPER_OUTPUT)) ||
           str_is(name, KEEPER_SOCKMAP_LINK);
}

void kept_send_all(struct keeper *keeper, struct peer *peer)
{
    for (size_t i = 0; i < KEEPER_KEPT_MAX && peer->used; i++) {
        const struct kept *kept = &keeper->kept[i];
        struct str name = str_from(kept->name);
        if (kept->fd >= 0 && (peer->role == KEEPER_ROLE_CORE || !kept_is_private(name))) {
            struct keeper_msg msg;
            keeper_msg_init(&msg, KEEPER_KEPT, name);
            peer_send(peer, &msg, kept->fd);
        }
    }
}

int kept_put(struct keeper *keeper, struct str name, int fd, const struct peer *from)
{
    struct keeper_msg msg;
    struct kept *kept = kept_find(keeper, name);
    for (size_t i = 0; !kept && i < KEEPER_KEPT_MAX; i++) {
        if (keeper->kept[i].fd < 0) {
            kept = &keeper->kept[i];
        }
    }
    if (!kept) {
        file_close(&fd);
        return -ENOSPC;
    }
    file_close(&kept->fd);
    kept->fd = fd;
    str_copy(kept->name, sizeof(kept->name), name);
    keeper_msg_init(&msg, KEEPER_KEPT, name);
    peer_tell_copies(keeper, from, kept_is_private(name), &msg, fd);
    return 0;
}

void kept_drop(struct keeper *keeper, struct kept *kept, const struct peer *from)
{
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_DROP, str_from(kept->name));
    file_close(&kept->fd);
    peer_tell_copies(keeper, from, false, &msg, -1);
}

/* A stream that somebody keeps open never ends for its reader. */
void kept_drop_stdio(struct keeper *keeper)
{
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        if (keeper->kept[i].fd >= 0 &&
            str_starts(str_from(keeper->kept[i].name), STR(KEEPER_STDIO))) {
            kept_drop(keeper, &keeper->kept[i], NULL);
        }
    }
}

/* A socket that a child was handed outlives every role in it, also where all three died and with
 * them the keeper's copy: then it is taken back from there. -ENOENT: none has it. */
static int kept_take_back(struct keeper *keeper, struct str name, const struct sock_addr *addr,
                          int *ret_fd)
{
    uint64_t hash = map_hash(0, name);
    WARD_EACH (keeper, ward) {
        for (int i = 0; i < ORDER_LISTEN_MAX && ward->rec.listen[i]; i++) {
            if (ward->rec.listen[i] == hash && ward->exit_watch.fd >= 0 &&
                sock_take_listening(ward->exit_watch.fd, 3 + i, addr, ret_fd) == 0) {
                return 0;
            }
        }
    }
    return -ENOENT;
}

int kept_listen(struct keeper *keeper, struct keeper_msg *msg, bool only_listed, int *ret_fd)
{
    struct sock_addr addr;
    char space[KEEPER_NAME_MAX + 1];
    struct str name = keeper_listen_name(keeper_msg_name(msg), &addr, space);
    if (name.len == 0) {
        str_copy(msg->text, sizeof(msg->text), STR("not an address"));
        return -EINVAL;
    }
    const struct kept *kept = kept_find(keeper, name);
    if (kept) {
        msg->a = 1;
        *ret_fd = kept->fd;
        return 0;
    }
    /* The core's word: the edge cannot replace it. */
    const struct kept *snapshot = kept_find(keeper, STR("snapshot"));
    if (only_listed && !(snapshot && snapshot_fd_has_listener(snapshot->fd, &addr))) {
        str_copy(msg->text, sizeof(msg->text), STR("not a listener of the snapshot"));
        return -EPERM;
    }
    int result = kept_take_back(keeper, name, &addr, ret_fd);
    result = result < 0 ? keeper_listen_open(msg, &addr, ret_fd) : result;
    return result < 0 ? result
                      : kept_put(keeper, name, *ret_fd, NULL); /* the asker learns it too */
}

void kept_unlink(struct keeper *keeper)
{
    static const char prefix[] = "listen:unix:";
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        struct kept *kept = &keeper->kept[i];
        if (kept->fd >= 0 && str_starts(str_from(kept->name), str_from(prefix))) {
            (void)!file_unlink(kept->name + sizeof(prefix) - 1);
        }
    }
}
