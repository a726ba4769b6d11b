/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors held under a name. Everybody who asked for copies holds one of each, so that a new
 * keeper can be given all of them; names are those of docs/architecture.md.
 */
#include "keeper/private.h"
#include "link/snapshot.h"
#include "os/file.h"
#include "os/shm.h"

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

/* Streams are nothing that the edge, which talks to strangers, should hold. */
bool kept_is_private(struct str name)
{
    return str_starts(name, STR(KEEPER_STDIO)) || str_starts(name, STR(KEEPER_OUTPUT));
}

static void kept_send(struct peer *peer, const struct kept *kept)
{
    if (kept_is_private(str_from(kept->name)) && peer->role != KEEPER_ROLE_CORE) {
        return;
    }
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_KEPT, str_from(kept->name));
    peer_send(peer, &msg, kept->fd);
}

void kept_send_all(struct keeper *keeper, struct peer *peer)
{
    for (size_t i = 0; i < KEEPER_KEPT_MAX && peer->used; i++) {
        if (keeper->kept[i].fd >= 0) {
            kept_send(peer, &keeper->kept[i]);
        }
    }
}

int kept_put(struct keeper *keeper, struct str name, int fd, const struct peer *from)
{
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
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        struct peer *peer = &keeper->peers[i];
        if (peer->used && peer->copies && peer != from) {
            kept_send(peer, kept);
        }
    }
    return 0;
}

void kept_drop(struct keeper *keeper, struct kept *kept, const struct peer *from)
{
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_DROP, str_from(kept->name));
    file_close(&kept->fd);
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        struct peer *peer = &keeper->peers[i];
        /* cppcheck-suppress nullPointerRedundantCheck; only `from` may be NULL */
        if (peer->used && peer->copies && peer != from) {
            peer_send(peer, &msg, -1);
        }
    }
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

/* Does the core's last snapshot name that listener? It is the core's word: the edge cannot replace
 * it. */
static bool kept_listed(struct keeper *keeper, const struct sock_addr *addr)
{
    const struct kept *kept = kept_find(keeper, STR("snapshot"));
    struct shm shm = {NULL, 0};
    struct snapshot snapshot;
    bool listed = false;
    if (!kept || shm_check(kept->fd, SHM_SEAL_SIZE | SHM_SEAL_WRITE) < 0 ||
        shm_map(&shm, kept->fd, false) < 0) {
        return false;
    }
    if (snapshot_open(str_make((const char *)shm.p, shm.size), &snapshot) == 0) {
        for (uint32_t i = 0; !listed && i < snapshot.listeners; i++) {
            struct sock_addr named;
            struct snapshot_listener listener = snapshot_listener_at(&snapshot, i);
            listed = sock_addr_parse(listener.address, &named) == 0 && sock_addr_eq(&named, addr);
        }
    }
    shm_unmap(&shm);
    return listed;
}

int kept_listen(struct keeper *keeper, struct keeper_msg *msg, bool only_listed, int *ret_fd)
{
    struct sock_addr addr;
    if (sock_addr_parse(keeper_msg_name(msg), &addr) < 0) {
        str_copy(msg->text, sizeof(msg->text), STR("not an address"));
        return -EINVAL;
    }
    struct buf name = BUF_INIT(KEEPER_NAME_MAX);
    buf_add_cstr(&name, "listen:");
    sock_addr_format(&name, &addr);
    int result = buf_error(&name);
    struct kept *kept = result == 0 ? kept_find(keeper, buf_str(&name)) : NULL;
    if (kept) {
        msg->a = 1;
        *ret_fd = kept->fd;
    } else if (result == 0 && only_listed && !kept_listed(keeper, &addr)) {
        str_copy(msg->text, sizeof(msg->text), STR("not a listener of the snapshot"));
        result = -EPERM;
    } else if (result == 0) {
        struct sock_listen_opts opts = {.replace = true};
        int fd = -1;
        result = sock_listen(&addr, &opts, &fd);
        if (result < 0) {
            struct problem problem;
            sock_listen_problem(&problem, &addr, result);
            str_copy(msg->text, sizeof(msg->text), str_from(problem.what));
        } else {
            *ret_fd = fd;
            result =
                kept_put(keeper, buf_str(&name), fd, NULL); /* the asker too: it learns the name */
        }
    }
    buf_fini(&name);
    return result;
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
