/* SPDX-License-Identifier: Apache-2.0
 *
 * Upgrade in place: the keeper executes another binary and stays the same process, so children stay
 * children and nobody's channel breaks. What the journal does not hold (descriptors and whose they
 * are) travels in a memfd:
 *
 *   head    "MUKX", u16 version, u16 min_reader, u32 entry size, u32 count
 *   entry   struct reexec_entry; a newer one may be longer
 *
 * The new binary is tried first (`keeper --self-test`); one that does not answer well changes
 * nothing.
 */
#include "base/num.h"
#include "keeper/private.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/shm.h"

#define REEXEC_TEST_NS (2 * NS_PER_S)

enum { REEXEC_VERSION = 1, REEXEC_MAX = KEEPER_KEPT_MAX + KEEPER_CLIENTS_MAX + 2 };
enum reexec_kind { REEXEC_LOCK = 1, REEXEC_SOCKET, REEXEC_KEPT, REEXEC_PEER };
enum { REEXEC_GREETED = 1, REEXEC_COPIES = 2 };

struct reexec_head {
    char magic[4];
    uint16_t version;
    uint16_t min_reader;
    uint32_t entry_size;
    uint32_t count;
};

struct reexec_entry {
    uint32_t kind;
    int32_t fd;
    uint32_t role;
    uint32_t flags;
    char name[KEEPER_NAME_MAX + 8];
};

static struct {
    struct reexec_head head;
    struct reexec_entry entries[REEXEC_MAX];
} reexec_state; /* large; one thread */

static void reexec_add(enum reexec_kind kind, int fd, const char *name)
{
    struct reexec_entry *entry = &reexec_state.entries[reexec_state.head.count++];
    *entry = (struct reexec_entry){.kind = kind, .fd = fd};
    str_copy(entry->name, sizeof(entry->name), str_from(name));
}

static void reexec_gather(struct keeper *keeper)
{
    memset(&reexec_state, 0, sizeof(reexec_state));
    reexec_state.head = (struct reexec_head){.magic = {'M', 'U', 'K', 'X'},
                                             .version = REEXEC_VERSION,
                                             .min_reader = REEXEC_VERSION,
                                             .entry_size = sizeof(struct reexec_entry)};
    reexec_add(REEXEC_LOCK, keeper->lock.fd, "");
    reexec_add(REEXEC_SOCKET, keeper->listen_watch.fd, "");
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        if (keeper->kept[i].fd >= 0) {
            reexec_add(REEXEC_KEPT, keeper->kept[i].fd, keeper->kept[i].name);
        }
    }
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        const struct peer *peer = &keeper->peers[i];
        /* A channel with words still unsent is closed by the exec; that peer connects again. */
        if (peer->used && peer->chan.queue_len == 0) {
            reexec_add(REEXEC_PEER, peer->chan.watch.fd, "");
            struct reexec_entry *entry = &reexec_state.entries[reexec_state.head.count - 1];
            entry->role = peer->role;
            entry->flags =
                (peer->greeted ? REEXEC_GREETED : 0u) | (peer->copies ? REEXEC_COPIES : 0u);
        }
    }
}

/* Does the binary answer `keeper --self-test`? 0 or -errno. Waits: an upgrade is worth two seconds
 * at most. */
static int reexec_try(const char *binary)
{
    static const char *const env[] = {NULL};
    const char *argv[] = {binary, "keeper", "--self-test", NULL};
    struct proc_spawn spawn = {.cgroup_fd = -1, .argv = argv, .envp = env, .cwd = "/"};
    struct proc proc;
    const char *step;
    int result = proc_spawn(&spawn, &proc, &step);
    if (result < 0) {
        return result;
    }
    struct proc_exit how = {0};
    int64_t deadline_ns = clock_mono_ns() + REEXEC_TEST_NS;
    while ((result = proc_reap(proc.pidfd, &how)) == -EAGAIN && clock_mono_ns() < deadline_ns) {
        clock_sleep_ns(NS_PER_MS);
    }
    if (result == -EAGAIN) {
        (void)!proc_signal(proc.pidfd, 9);
    }
    file_close(&proc.pidfd);
    if (result < 0) {
        return result == -EAGAIN ? -ETIMEDOUT : result;
    }
    return !how.signaled && how.code == KEEPER_SELF_TEST_CODE ? 0 : -ENOEXEC;
}

static void reexec_inherit(bool inherit)
{
    for (uint32_t i = 0; i < reexec_state.head.count; i++) {
        (void)!file_set_inherit(reexec_state.entries[i].fd, inherit);
    }
}

int reexec_prepare(struct keeper *keeper, const char *binary)
{
    return keeper->stopping ? -ESHUTDOWN : reexec_try(binary);
}

void reexec_run(struct keeper *keeper, const char *binary)
{
    int fd = -1;
    char text[16];
    reexec_gather(keeper);
    size_t size =
        sizeof(reexec_state.head) + reexec_state.head.count * sizeof(reexec_state.entries[0]);
    int result =
        shm_create_sealed("muelle-keeper-state", str_make((const char *)&reexec_state, size), &fd);
    if (result == 0) {
        journal_rewrite(keeper); /* fresh, and all that the next one reads */
        reexec_inherit(true);
        (void)!file_set_inherit(fd, true);
        snprintf(text, sizeof(text), "%d", fd);
        const char *argv[] = {binary,        "keeper",
                              "--run-dir",   keeper->run_dir,
                              "--state-dir", keeper->state_dir,
                              "--id",        keeper->id,
                              "--reexec-fd", text,
                              NULL};
        keeper_log(keeper, "executing %s", binary);
        result = proc_exec(binary, argv); /* returns only when it failed */
        reexec_inherit(false);
    }
    file_close(&fd);
    keeper_log(keeper, "%s cannot be executed: %s: going on as before", binary, strerror(-result));
}

static void reexec_take(struct keeper *keeper, const struct reexec_entry *entry)
{
    int fd = entry->fd;
    (void)!file_set_inherit(fd, false);
    struct peer *peer;
    switch (entry->kind) {
    case REEXEC_LOCK:
        lock_adopt(&keeper->lock, fd);
        break;
    case REEXEC_SOCKET:
        if (peer_listen_on(keeper, fd) < 0) {
            file_close(&fd);
        }
        break;
    case REEXEC_KEPT:
        (void)!kept_put(keeper, str_make(entry->name, strnlen(entry->name, KEEPER_NAME_MAX)), fd,
                        NULL);
        break;
    case REEXEC_PEER:
        peer = peer_new(keeper, fd, entry->role < KEEPER_ROLE_COUNT ? entry->role : 0);
        if (peer) {
            peer->greeted = entry->flags & REEXEC_GREETED;
            peer->copies = entry->flags & REEXEC_COPIES;
        }
        break;
    default:
        file_close(&fd);
        break;
    }
}

int reexec_load(struct keeper *keeper, int fd)
{
    struct reexec_head head;
    bool ours = file_pread(fd, &head, sizeof(head), 0) == sizeof(head) &&
                memcmp(head.magic, "MUKX", 4) == 0 && head.min_reader <= REEXEC_VERSION &&
                head.entry_size >= sizeof(struct reexec_entry) && head.count <= 4 * REEXEC_MAX;
    uint64_t at = sizeof(head);
    struct reexec_entry entry;
    for (uint32_t i = 0; ours && i < head.count; i++, at += head.entry_size) {
        if (file_pread(fd, &entry, sizeof(entry), at) != sizeof(entry)) {
            ours = false;
        } else {
            reexec_take(keeper, &entry);
        }
    }
    file_close(&fd);
    return ours && keeper->lock.fd >= 0 ? 0 : -EBADMSG;
}
