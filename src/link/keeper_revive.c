/* SPDX-License-Identifier: Apache-2.0
 *
 * When the keeper dies: whoever of the roles gets its lock starts a new one, gives it the lock and
 * a channel, and hands over a copy of every descriptor; the others wait for its socket. See
 * keeper_client.h.
 *
 * The lock is never free in between: its open file is passed on, so two new keepers are impossible.
 */
#include "base/num.h"
#include "link/keeper_client_private.h"
#include "link/role_spawn.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/shm.h"
#include <unistd.h>

#define REVIVE_DELAY_NS     NS_PER_MS
#define REVIVE_DELAY_MAX_NS (500 * NS_PER_MS)

enum { COPIES_MAX = KEEPER_KEPT_MAX + KEEPER_CHILDREN_MAX };

struct keeper_client_copy {
    char name[KEEPER_NAME_MAX + 1];
    bool child; /* a pidfd, under the child's id */
    int fd;
};

static struct keeper_client_copy *copy_find(const struct keeper_client *client, struct str name,
                                            bool child)
{
    for (size_t i = 0; i < client->copy_count; i++) {
        struct keeper_client_copy *copy = &client->copies[i];
        if (copy->child == child && str_is(name, copy->name)) {
            return copy;
        }
    }
    return NULL;
}

static struct keeper_client_copy *copy_add(struct keeper_client *client)
{
    if (client->copy_count == client->copy_cap) {
        size_t cap = MIN(MAX(client->copy_cap * 2, (size_t)16), (size_t)COPIES_MAX);
        void *grown =
            cap > client->copy_cap ? realloc(client->copies, cap * sizeof(*client->copies)) : NULL;
        if (!grown) {
            return NULL;
        }
        client->copies = grown;
        client->copy_cap = cap;
    }
    return &client->copies[client->copy_count++];
}

void keeper_copy_put(struct keeper_client *client, struct str name, int fd, bool child)
{
    if (fd < 0) {
        return;
    }
    struct keeper_client_copy *copy = copy_find(client, name, child);
    if (copy) {
        file_close(&copy->fd);
    } else {
        bool done = client->handed_over == client->copy_count;
        copy = copy_add(client);
        if (!copy) {
            close(fd); /* not held twice then: costs only a part of the next handover */
            return;
        }
        copy->child = child;
        str_copy(copy->name, sizeof(copy->name), name);
        client->handed_over += done; /* it came from the keeper that we have now */
    }
    copy->fd = fd;
}

void keeper_copy_drop(struct keeper_client *client, struct str name, bool child)
{
    struct keeper_client_copy *copy = copy_find(client, name, child);
    if (!copy) {
        return;
    }
    file_close(&copy->fd);
    size_t at = (size_t)(copy - client->copies);
    struct keeper_client_copy *last = &client->copies[client->copy_count - 1];
    if (at < client->handed_over && client->handed_over < client->copy_count) {
        /* The last one is not handed over yet and must not land among those that are. */
        client->handed_over = at;
    }
    *copy = *last;
    client->copy_count--;
    client->handed_over = MIN(client->handed_over, client->copy_count);
}

void keeper_copy_free_all(struct keeper_client *client)
{
    for (size_t i = 0; i < client->copy_count; i++) {
        file_close(&client->copies[i].fd);
    }
    free(client->copies);
    client->copies = NULL;
    client->copy_count = client->copy_cap = client->handed_over = 0;
}

bool keeper_copy_hand_over(struct keeper_client *client,
                           bool (*send)(struct keeper_client *client, const struct keeper_msg *msg,
                                        int fd))
{
    while (client->handed_over < client->copy_count) {
        const struct keeper_client_copy *copy = &client->copies[client->handed_over];
        struct keeper_msg msg;
        keeper_msg_init(&msg, copy->child ? KEEPER_ADOPT : KEEPER_KEEP, str_from(copy->name));
        msg.a = 1; /* not over what it has */
        if (!send(client, &msg, copy->fd)) {
            return false;
        }
        client->handed_over++;
    }
    return true;
}

int keeper_client_fd(const struct keeper_client *client, struct str name)
{
    const struct keeper_client_copy *copy = copy_find(client, name, false);
    return copy ? copy->fd : -1;
}

int keeper_client_cgroups(const struct keeper_client *client, struct cgroup_root *ret)
{
    struct shm shm;
    int fd = keeper_client_fd(client, STR("cgroups"));
    int result = fd < 0 ? -ENOENT : shm_map(&shm, fd, false);
    if (result < 0) {
        return result;
    }
    result = shm.size == sizeof(*ret) ? 0 : -EBADMSG;
    if (result == 0) {
        memcpy(ret, shm.p, sizeof(*ret));
    }
    shm_unmap(&shm);
    return result;
}

int keeper_client_channel_from_env(void)
{
    uint64_t fd;
    int result = num_parse_u64(str_from(getenv("MUELLE_KEEPER_FD")), &fd);
    unsetenv("MUELLE_KEEPER_FD"); /* no child of ours may think it was meant */
    int copy;
    if (result < 0 || fd > 1024 || file_dup((int)fd, &copy) < 0) {
        return -1;
    }
    close((int)fd); /* the duplicate is close-on-exec */
    return copy;
}

/* Starts `muelle keeper` with the lock and one end of a channel. 0 or -errno. */
static int revive_spawn(const struct revive *revive, int lock_fd, int channel_fd, int *ret_pidfd)
{
    const char *role = revive->role == KEEPER_ROLE_EDGE ? "edge" : "core";
    struct proc_fd fds[] = {{1, 1}, {2, 2}, {lock_fd, 3}, {channel_fd, 4}};
    struct role_spawn keeper = {.role = "keeper",
                                .run_dir = revive->run_dir,
                                .state_dir = revive->state_dir,
                                .id = revive->id,
                                .more = {"--lock-fd", "3", "--adopt-fd", "4", "--adopt-role", role},
                                .fds = fds,
                                .fd_count = ARRAY_LEN(fds)};
    struct proc proc;
    const char *step;
    int result = role_spawn(&keeper, &proc, &step);
    if (result == 0) {
        *ret_pidfd = proc.pidfd;
    }
    return result;
}

static int revive_locked(const struct revive *revive, struct lock *lock, int *ret_fd,
                         int *ret_pidfd)
{
    int ends[2] = {-1, -1};
    int result = chan_pair(ends);
    if (result == 0) {
        result = revive_spawn(revive, lock->fd, ends[1], ret_pidfd);
    }
    file_close(&ends[1]);
    if (result < 0) {
        file_close(&ends[0]);
    }
    *ret_fd = ends[0];
    return result;
}

int keeper_revive(const struct revive *revive, bool may_start, int *ret_fd, int *ret_pidfd)
{
    char path[SOCK_PATH_MAX + 16];
    if (may_start) {
        struct lock lock = LOCK_INIT;
        int holder;
        snprintf(path, sizeof(path), "%s/keeper.lock", revive->run_dir);
        if (lock_take(&lock, path, &holder) == 0) {
            int result = revive_locked(revive, &lock, ret_fd, ret_pidfd);
            lock_release(&lock); /* our descriptor only: the new keeper has its own */
            return result;
        }
    }
    snprintf(path, sizeof(path), "%s/keeper.sock", revive->run_dir);
    return chan_connect(path, ret_fd);
}

/* 0: a channel is open, or the guard has been asked for one. */
static int connect_once(struct keeper_client *client)
{
    if (chan_is_open(&client->guard)) {
        struct keeper_msg msg;
        keeper_msg_init(&msg, KEEPER_HELLO, STR_NONE);
        return chan_send(&client->guard, &msg, sizeof(msg), NULL, 0) == 0 ? -EAGAIN : -EPIPE;
    }
    struct revive revive = {client->run_dir, client->opts.state_dir, client->opts.id,
                            client->opts.role};
    int fd = -1;
    int result = keeper_revive(&revive, client->opts.revive, &fd, &client->keeper_pidfd);
    if (result == 0) {
        result = keeper_client_open(client, fd);
        if (result < 0) {
            file_close(&fd);
        }
    }
    return result;
}

void keeper_client_connect(struct keeper_client *client)
{
    if (client->keeper_pidfd >= 0) {
        struct proc_exit how;
        (void)!proc_reap(client->keeper_pidfd, &how); /* it was our child */
        file_close(&client->keeper_pidfd);
    }
    if (connect_once(client) == 0) {
        return;
    }
    int64_t delay_ns = REVIVE_DELAY_NS << MIN(client->attempts, 9u);
    client->attempts++;
    loop_timer_after(client->loop, &client->retry, MIN(delay_ns, REVIVE_DELAY_MAX_NS));
}
