/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard: an edge that listens to the world gives up root, and with it the right to start a
 * keeper. A process of a few pages keeps that right; the edge, when it lost the keeper, asks it for
 * a channel and gets a descriptor. It reads nothing but that one question and ends when its edge
 * does.
 *
 * If the edge were taken over, all the guard could be made to do is to start a keeper whose lock is
 * free.
 */
#include "link/keeper_guard.h"
#include "link/keeper_client_private.h"
#include "os/file.h"
#include <signal.h>
#include <unistd.h>

enum { GUARD_CHANNEL_FD = 3, GUARD_ENV_MAX = 1024, GUARD_EXIT_USAGE = 2 };

/* --- the edge's side --- */

static void guard_answer(struct chan *chan, struct chan_msg *msg)
{
    struct keeper_client *client = container_of(chan, struct keeper_client, guard);
    if (msg->fd_count == 0 || chan_is_open(&client->chan)) {
        return; /* not yet: the timer asks again */
    }
    if (keeper_client_open(client, msg->fds[0]) == 0) {
        msg->fds[0] = -1;
        loop_timer_cancel(client->loop, &client->retry);
    }
}

static void guard_gone(struct chan *chan, int error)
{
    /* Without it only another role can bring the keeper back; that one's socket we may still
     * reach. */
}

int keeper_client_guard(struct keeper_client *client)
{
    static const char *envp[GUARD_ENV_MAX + 1];
    size_t count = 0;
    for (char **env = environ; *env && count < GUARD_ENV_MAX; env++) {
        envp[count++] = *env;
    }
    envp[count] = NULL;
    const char *argv[] = {proc_own_binary(),
                          "guard",
                          "--run-dir",
                          client->run_dir,
                          "--state-dir",
                          client->opts.state_dir,
                          "--id",
                          client->opts.id,
                          NULL};
    int ends[2] = {-1, -1};
    int result = chan_pair(ends);
    if (result < 0) {
        return result;
    }
    struct proc_fd fds[] = {{1, 1}, {2, 2}, {ends[1], GUARD_CHANNEL_FD}};
    struct proc_spawn spawn = {.cgroup_fd = -1,
                               .argv = argv,
                               .envp = envp,
                               .cwd = "/",
                               .fds = fds,
                               .fd_count = ARRAY_LEN(fds)};
    struct proc proc = {.pidfd = -1};
    const char *step;
    result = proc_spawn(&spawn, &proc, &step);
    file_close(&proc.pidfd);
    file_close(&ends[1]);
    if (result == 0) {
        client->guard.message = guard_answer;
        client->guard.closed = guard_gone;
        result = chan_open(&client->guard, client->loop, ends[0], NULL, 0);
    }
    if (result < 0) {
        file_close(&ends[0]);
    }
    return result;
}

/* --- the guard's side --- */

static bool guard_parse(int argc, char **argv, struct revive *ret)
{
    *ret = (struct revive){.role = KEEPER_ROLE_EDGE};
    for (int i = 1; i + 1 < argc; i += 2) {
        struct str name = str_from(argv[i]);
        if (str_is(name, "--run-dir")) {
            ret->run_dir = argv[i + 1];
        } else if (str_is(name, "--state-dir")) {
            ret->state_dir = argv[i + 1];
        } else if (str_is(name, "--id")) {
            ret->id = argv[i + 1];
        }
    }
    return ret->run_dir && ret->state_dir && ret->id;
}

int keeper_guard_main(int argc, char **argv)
{
    struct revive revive;
    if (!guard_parse(argc, argv, &revive)) {
        return GUARD_EXIT_USAGE;
    }
    proc_title_set("muelle: guard %s", revive.id);
    (void)!file_set_inherit(GUARD_CHANNEL_FD, false);
    signal(SIGCHLD, SIG_IGN); /* keepers that we start are collected by themselves */
    for (;;) {
        struct keeper_msg msg;
        size_t fd_count = 0;
        int64_t n = chan_recv_blocking(GUARD_CHANNEL_FD, &msg, sizeof(msg), NULL, &fd_count, -1);
        if (n <= 0) {
            return 0; /* the edge is gone */
        }
        int fd = -1;
        int pidfd = -1;
        msg.error = keeper_revive(&revive, true, &fd, &pidfd);
        (void)!chan_send_blocking(GUARD_CHANNEL_FD, &msg, sizeof(msg), &fd, fd >= 0);
        file_close(&fd);
        file_close(&pidfd);
    }
}
