/* SPDX-License-Identifier: Apache-2.0
 *
 * Upgrade in place: the keeper executes another binary and stays the same process, so children stay
 * children and nobody's channel breaks. Descriptors stay open over the exec; which is what, a fresh
 * journal says (struct journal_handed).
 *
 * 1. The new binary is tried first (`keeper --self-test`): one that does not answer well changes
 *    nothing.
 * 2. What cannot be written down is not left to chance: without a whole journal there is no exec.
 * 3. When the exec fails all goes on as before.
 */
#include "keeper/private.h"
#include "link/role_spawn.h"
#include "os/file.h"

enum reexec_kind { REEXEC_LOCK = 1, REEXEC_SOCKET, REEXEC_KEPT, REEXEC_PEER };
enum { REEXEC_GREETED = 1, REEXEC_COPIES = 2 };

static struct journal_handed *reexec_add(struct keeper *keeper, enum reexec_kind kind, int fd,
                                         const char *name)
{
    struct journal_handed *place = &keeper->handed[keeper->handed_count++];
    *place = (struct journal_handed){.kind = kind, .fd = fd};
    str_copy(place->name, sizeof(place->name), str_from(name));
    return place;
}

static void reexec_gather(struct keeper *keeper)
{
    keeper->handed_count = 0;
    reexec_add(keeper, REEXEC_LOCK, keeper->lock.fd, "");
    reexec_add(keeper, REEXEC_SOCKET, keeper->listen_watch.fd, "");
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        if (keeper->kept[i].fd >= 0) {
            reexec_add(keeper, REEXEC_KEPT, keeper->kept[i].fd, keeper->kept[i].name);
        }
    }
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        const struct peer *peer = &keeper->peers[i];
        /* A channel with words still unsent is closed by the exec; that peer connects again. */
        if (peer->used && peer->chan.queue_len == 0) {
            struct journal_handed *handed =
                reexec_add(keeper, REEXEC_PEER, peer->chan.watch.fd, "");
            handed->role = peer->role;
            handed->flags =
                (peer->greeted ? REEXEC_GREETED : 0u) | (peer->copies ? REEXEC_COPIES : 0u);
        }
    }
}

static void reexec_inherit(struct keeper *keeper, bool inherit)
{
    for (size_t i = 0; i < keeper->handed_count; i++) {
        (void)!file_set_inherit(keeper->handed[i].fd, inherit);
    }
}

void reexec_run(struct keeper *keeper, const char *binary)
{
    const struct role_spawn next = {.role = "keeper",
                                    .run_dir = keeper->run_dir,
                                    .state_dir = keeper->state_dir,
                                    .id = keeper->id,
                                    .more = {"--reexec", "1"}};
    reexec_gather(keeper);
    int result = journal_rewrite(&keeper->journal);
    if (result == 0) {
        rolelog(ROLELOG_INFO, "keeper", "executing %s", binary);
        reexec_inherit(keeper, true);
        result = role_spawn_exec(&next, binary); /* returns only when it failed */
        reexec_inherit(keeper, false);
    }
    keeper->handed_count = 0;
    (void)journal_rewrite(&keeper->journal); /* the next keeper is another process */
    rolelog(ROLELOG_ERROR, "keeper", "%s cannot be executed: %s: going on as before", binary,
            strerror(-result));
}

static void reexec_take(struct keeper *keeper, const struct journal_handed *handed)
{
    int fd = handed->fd;
    (void)!file_set_inherit(fd, false);
    if (handed->kind == REEXEC_LOCK) {
        lock_adopt(&keeper->lock, fd);
    } else if (handed->kind == REEXEC_SOCKET) {
        (void)!peer_listen(keeper, fd);
    } else if (handed->kind == REEXEC_KEPT) {
        (void)!kept_put(keeper, str_from(handed->name), fd, NULL);
    } else if (handed->kind == REEXEC_PEER) {
        struct peer *peer = peer_new(keeper, fd, handed->role % KEEPER_ROLE_COUNT);
        if (peer) {
            peer->greeted = handed->flags & REEXEC_GREETED;
            peer->copies = handed->flags & REEXEC_COPIES;
        }
    } else {
        file_close(&fd); /* a newer one's */
    }
}

int reexec_load(struct keeper *keeper)
{
    for (size_t i = 0; i < keeper->handed_count; i++) {
        reexec_take(keeper, &keeper->handed[i]);
    }
    return keeper->lock.fd >= 0 && keeper->listen_watch.fd >= 0 ? 0 : -EBADMSG;
}
