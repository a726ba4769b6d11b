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
#include "base/num.h"
#include "keeper/private.h"
#include "os/file.h"

#define REEXEC_TEST_NS (2 * NS_PER_S)

enum reexec_kind { REEXEC_LOCK = 1, REEXEC_SOCKET, REEXEC_KEPT, REEXEC_PEER };
enum { REEXEC_GREETED = 1, REEXEC_COPIES = 2 };

static void reexec_add(struct keeper *keeper, const struct journal_handed *handed, const char *name)
{
    struct journal_handed *place = &keeper->handed[keeper->handed_count++];
    memset(place, 0, sizeof(*place));
    *place = *handed;
    str_copy(place->name, sizeof(place->name), str_from(name));
}

static void reexec_gather(struct keeper *keeper)
{
    keeper->handed_count = 0;
    reexec_add(keeper, &(struct journal_handed){.kind = REEXEC_LOCK, .fd = keeper->lock.fd}, "");
    reexec_add(keeper,
               &(struct journal_handed){.kind = REEXEC_SOCKET, .fd = keeper->listen_watch.fd}, "");
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        const struct kept *kept = &keeper->kept[i];
        if (kept->fd >= 0) {
            reexec_add(keeper, &(struct journal_handed){.kind = REEXEC_KEPT, .fd = kept->fd},
                       kept->name);
        }
    }
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        const struct peer *peer = &keeper->peers[i];
        /* A channel with words still unsent is closed by the exec; that peer connects again. */
        if (peer->used && peer->chan.queue_len == 0) {
            struct journal_handed handed = {.kind = REEXEC_PEER,
                                            .fd = peer->chan.watch.fd,
                                            .role = peer->role,
                                            .flags = (peer->greeted ? REEXEC_GREETED : 0u) |
                                                     (peer->copies ? REEXEC_COPIES : 0u)};
            reexec_add(keeper, &handed, "");
        }
    }
}

int reexec_prepare(struct keeper *keeper, const char *binary)
{
    static const char *const env[] = {NULL};
    const char *argv[] = {binary, "keeper", "--self-test", NULL};
    struct proc_spawn spawn = {.cgroup_fd = -1, .argv = argv, .envp = env, .cwd = "/"};
    struct proc_exit how = {0};
    /* Waits: an upgrade is worth two seconds at most. */
    int result = keeper->stopping ? -ESHUTDOWN : proc_run(&spawn, REEXEC_TEST_NS, &how);
    if (result < 0) {
        return result;
    }
    return !how.signaled && how.code == KEEPER_SELF_TEST_CODE ? 0 : -ENOEXEC;
}

static void reexec_inherit(struct keeper *keeper, bool inherit)
{
    for (size_t i = 0; i < keeper->handed_count; i++) {
        (void)!file_set_inherit(keeper->handed[i].fd, inherit);
    }
}

void reexec_run(struct keeper *keeper, const char *binary)
{
    const char *argv[] = {binary,        "keeper",
                          "--run-dir",   keeper->run_dir,
                          "--state-dir", keeper->state_dir,
                          "--id",        keeper->id,
                          "--reexec",    "1",
                          NULL};
    reexec_gather(keeper);
    int result = journal_rewrite(keeper);
    if (result == 0) {
        keeper_log(keeper, "executing %s", binary);
        reexec_inherit(keeper, true);
        result = proc_exec(binary, argv); /* returns only when it failed */
        reexec_inherit(keeper, false);
    }
    keeper->handed_count = 0;
    (void)journal_rewrite(keeper); /* the next keeper is another process */
    keeper_log(keeper, "%s cannot be executed: %s: going on as before", binary, strerror(-result));
}

static void reexec_take(struct keeper *keeper, const struct journal_handed *handed)
{
    int fd = handed->fd;
    struct peer *peer = NULL;
    (void)!file_set_inherit(fd, false);
    switch (handed->kind) {
    case REEXEC_LOCK:
        lock_adopt(&keeper->lock, fd);
        break;
    case REEXEC_SOCKET:
        (void)!peer_listen_on(keeper, fd);
        break;
    case REEXEC_KEPT:
        (void)!kept_put(keeper, str_from(handed->name), fd, NULL);
        break;
    case REEXEC_PEER:
        peer = peer_new(keeper, fd, handed->role < KEEPER_ROLE_COUNT ? handed->role : 0);
        if (peer) {
            peer->greeted = handed->flags & REEXEC_GREETED;
            peer->copies = handed->flags & REEXEC_COPIES;
        }
        break;
    default:
        file_close(&fd); /* a newer one's */
        break;
    }
}

int reexec_load(struct keeper *keeper)
{
    for (size_t i = 0; i < keeper->handed_count; i++) {
        reexec_take(keeper, &keeper->handed[i]);
    }
    return keeper->lock.fd >= 0 && keeper->listen_watch.fd >= 0 ? 0 : -EBADMSG;
}
