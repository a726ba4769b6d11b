/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting, asking and ending a keeper without a loop: see keeper_start.h.
 */
#include "link/keeper_start.h"
#include "base/num.h"
#include "link/keeper.h"
#include "link/role_spawn.h"
#include "os/chan.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/user.h"
#include <unistd.h>

#define START_TIMEOUT_NS (10 * NS_PER_S)

/* RUN holds sockets and the token: it must be ours alone, also in /tmp where anybody may have made
 * it before. */
static int start_run_dir(const char *path, struct problem *problem)
{
    int result = file_mkdir_p(path, 0700);
    if (result == 0) {
        /* Root's edge is nobody and must reach the core's admin.sock; all else in there is 0600. */
        result = file_chmod(path, user_own_uid() == 0 ? 0711 : 0700);
    }
    struct file_stat stat;
    if (result == 0) {
        result = file_lstat(path, &stat);
    }
    if (result == 0 && (stat.kind != FILE_KIND_DIRECTORY || stat.uid != user_own_uid())) {
        result = -EPERM;
    }
    if (result < 0) {
        problem_set(problem, "instance.run-dir", "the run folder cannot be used: %s",
                    strerror(-result));
        problem_where(problem, "%s", path);
        problem_hint(problem, "it must belong to you; set XDG_RUNTIME_DIR to a folder of your own");
    }
    return result;
}

static int start_spawn(const struct keeper_start *start, int log_fd, int ready_fd, struct proc *ret,
                       const char **ret_step)
{
    struct proc_fd fds[] = {{log_fd, 1}, {log_fd, 2}, {ready_fd, 3}};
    struct role_spawn keeper = {.role = "keeper",
                                .run_dir = start->run_dir,
                                .state_dir = start->state_dir,
                                .id = start->id,
                                .more = {"--ready-fd", "3"},
                                .fds = fds,
                                .fd_count = ARRAY_LEN(fds),
                                .fresh = true};
    return role_spawn(&keeper, ret, ret_step);
}

/* Waits for the keeper's first word. */
static int start_wait(const struct keeper_start *start, int fd, int *ret_pid,
                      struct problem *problem)
{
    struct keeper_msg msg;
    size_t fd_count = 0;
    int64_t timeout_ns = start->timeout_ns ? start->timeout_ns : START_TIMEOUT_NS;
    int64_t n = chan_recv_blocking(fd, &msg, sizeof(msg), NULL, &fd_count, timeout_ns);
    if (n <= 0 || !keeper_msg_valid(&msg, (size_t)n)) {
        problem_set(problem, "instance.keeper", "the keeper %s",
                    n == -ETIMEDOUT ? "does not answer" : "ended at its start");
        problem_where(problem, "%s/muelle.log", start->state_dir);
        problem_hint(problem, "the last lines of that file say why");
        return n == -ETIMEDOUT ? -ETIMEDOUT : -EIO;
    }
    *ret_pid = (int)msg.a;
    if (msg.error == -EALREADY) {
        *ret_pid = keeper_probe(start->run_dir);
        return KEEPER_START_E_RUNNING;
    }
    if (msg.error < 0) {
        problem_set(problem, "instance.keeper", "the keeper cannot start: %s", msg.text);
        problem_where(problem, "%s", start->run_dir);
    }
    return msg.error;
}

int keeper_start(const struct keeper_start *start, int *ret_pid, struct problem *problem)
{
    *ret_pid = 0;
    int result = start_run_dir(start->run_dir, problem);
    if (result < 0) {
        return result;
    }
    char path[512];
    int log_fd = -1;
    int ends[2] = {-1, -1};
    struct proc proc = {.pidfd = -1};
    const char *step = "make its channel";
    snprintf(path, sizeof(path), "%s/muelle.log", start->state_dir);
    result = chan_pair(ends);
    if (result == 0) {
        step = "open muelle.log";
        result = file_open(path, FILE_WRITE | FILE_APPEND | FILE_CREATE, 0600, &log_fd);
    }
    if (result == 0) {
        result = start_spawn(start, log_fd, ends[1], &proc, &step);
    }
    file_close(&ends[1]); /* the keeper has its copy: its death is seen as the end of the channel */
    file_close(&log_fd);
    file_close(&proc.pidfd);
    if (result < 0) {
        problem_set(problem, "instance.keeper", "the keeper cannot be started: %s: %s", step,
                    strerror(-result));
    } else {
        result = start_wait(start, ends[0], ret_pid, problem);
    }
    file_close(&ends[0]);
    return result;
}

/* What commands that probe have written, where the core had no time to read it. */
static void clean_probes(const char *run_dir)
{
    char path[SOCK_PATH_MAX + 64];
    struct file_dir dir;
    enum file_kind kind;
    const char *name;
    if (file_dir_open(&dir, run_dir) < 0) {
        return;
    }
    while ((name = file_dir_next(&dir, &kind)) != NULL) {
        if (kind == FILE_KIND_REGULAR && str_starts(str_from(name), STR(KEEPER_START_PROBE)) &&
            snprintf(path, sizeof(path), "%s/%s", run_dir, name) < (int)sizeof(path)) {
            (void)!file_unlink(path);
        }
    }
    file_dir_close(&dir);
}

void keeper_start_clean(const char *run_dir)
{
    static const char *const names[] = {"keeper.sock", "keeper.journal",  "core.lock",
                                        "core.sock",   "core.problem",    "admin.sock",
                                        "edge.lock",   "edge.half0.lock", "edge.half1.lock",
                                        "token",       "state",           "keeper.lock"};
    clean_probes(run_dir);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[SOCK_PATH_MAX + 16];
        snprintf(path, sizeof(path), "%s/%s", run_dir, names[i]);
        (void)!file_unlink(path);
    }
    char sockets[SOCK_PATH_MAX + 16]; /* of services (run/socket.c) */
    snprintf(sockets, sizeof(sockets), "%s/s", run_dir);
    (void)!file_remove_tree(sockets);
    (void)!file_rmdir(run_dir);
}

/* Connects and greets: the channel, or -errno; -ENOENT when nobody is there. */
static int start_greet(const char *run_dir, int *ret_pid)
{
    char path[SOCK_PATH_MAX + 16];
    int fd = -1;
    snprintf(path, sizeof(path), "%s/keeper.sock", run_dir);
    int result = chan_connect(path, &fd);
    if (result < 0) {
        return result == -ECONNREFUSED ? -ENOENT : result;
    }
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_HELLO, STR_NONE);
    msg.serial = 1;
    msg.role = KEEPER_ROLE_TOOL;
    result = chan_send_blocking(fd, &msg, sizeof(msg), NULL, 0);
    while (result == 0) {
        size_t fd_count = 0;
        int64_t n = chan_recv_blocking(fd, &msg, sizeof(msg), NULL, &fd_count, START_TIMEOUT_NS);
        if (n <= 0) {
            result = n == 0 ? -ENOENT : (int)n;
        } else if (keeper_msg_valid(&msg, (size_t)n) && msg.type == KEEPER_HELLO) {
            *ret_pid = (int)msg.a;
            return fd;
        }
    }
    close(fd);
    return result;
}

int keeper_probe(const char *run_dir)
{
    int pid = 0;
    int fd = start_greet(run_dir, &pid);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : fd;
    }
    close(fd);
    return pid;
}

int keeper_shutdown(const char *run_dir, bool kill_services, int64_t timeout_ns)
{
    int pid = 0;
    int fd = start_greet(run_dir, &pid);
    if (fd < 0) {
        return fd;
    }
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_SHUTDOWN, STR_NONE);
    msg.serial = 2;
    msg.a = kill_services;
    int result = chan_send_blocking(fd, &msg, sizeof(msg), NULL, 0);
    int64_t deadline_ns = clock_mono_ns() + timeout_ns;
    while (result == 0) {
        size_t fd_count = 0;
        int64_t left_ns = deadline_ns - clock_mono_ns();
        int64_t n =
            chan_recv_blocking(fd, &msg, sizeof(msg), NULL, &fd_count, MAX(left_ns, (int64_t)0));
        if (n == 0) {
            break; /* the end of the channel is the end of the keeper */
        }
        result = (int)MIN(n, 0);
    }
    close(fd);
    return result;
}
