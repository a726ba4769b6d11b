/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting roles: see role_spawn.h.
 */
#include "link/role_spawn.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/user.h"
#include <limits.h>

enum { ROLE_ENV_MAX = 1024, ROLE_ARGS_MAX = 8 + ROLE_SPAWN_MORE_MAX + 1 };

struct role_line {
    const char *argv[ROLE_ARGS_MAX];
};

static struct role_line role_line(const struct role_spawn *role, const char *binary)
{
    struct role_line line = {{binary, role->role, "--run-dir", role->run_dir, "--state-dir",
                              role->state_dir, "--id", role->id}};
    for (size_t i = 0; i < ROLE_SPAWN_MORE_MAX && role->more[i]; i++) {
        line.argv[8 + i] = role->more[i];
    }
    return line;
}

int role_spawn_exec(const struct role_spawn *role, const char *binary)
{
    return proc_exec(binary, role_line(role, binary).argv);
}

int role_spawn(const struct role_spawn *role, struct proc *ret, const char **ret_step)
{
    const char *envp[ROLE_ENV_MAX];
    char channel[sizeof(ROLE_CHANNEL_ENV) + 12];
    struct role_line line = role_line(role, proc_own_binary());
    snprintf(channel, sizeof(channel), "%s%d", ROLE_CHANNEL_ENV, ROLE_CHANNEL_FD);
    proc_environment(envp, ARRAY_LEN(envp), ROLE_CHANNEL_ENV, role->channel ? channel : NULL);
    struct proc_spawn spawn = {.cgroup_fd = -1,
                               .argv = line.argv,
                               .envp = envp,
                               .cwd = role->fresh ? "/" : NULL,
                               .fds = role->fds,
                               .fd_count = role->fd_count,
                               .set_umask = role->fresh,
                               .umask = 022,
                               .new_session = true};
    return proc_spawn(&spawn, ret, ret_step);
}

const char *role_spawn_name(enum keeper_role role)
{
    return role == KEEPER_ROLE_CORE ? "core" : "edge";
}

/* Can a user without rights reach what lies in there? Every folder above must let others pass. */
static bool role_run_dir_open(const char *run_dir)
{
    char path[PATH_MAX];
    struct file_stat stat;
    bool open = str_copy(path, sizeof(path), str_from(run_dir));
    while (open && path[0]) {
        char *slash = strrchr(path, '/');
        open = file_stat(path, &stat) == 0 && (stat.mode & 01);
        path[slash ? slash - path : 0] = '\0';
    }
    return open;
}

int role_spawn_child(const struct role_spawn *role, enum keeper_role which, int channel_fd,
                     struct proc *ret, const char **ret_step)
{
    /* What is open to the world runs without root; a guard stays behind (link/keeper_guard.c). */
    const char *user = getenv("MUELLE_EDGE_USER");
    bool give_up =
        which == KEEPER_ROLE_EDGE && user_own_uid() == 0 && role_run_dir_open(role->run_dir);
    struct proc_fd fds[] = {{1, 1}, {2, 2}, {channel_fd, ROLE_CHANNEL_FD}};
    struct role_spawn child = *role;
    child.role = role_spawn_name(which);
    child.more[0] = give_up ? "--user" : NULL;
    child.more[1] = user ? user : "nobody";
    child.fds = fds;
    child.fd_count = ARRAY_LEN(fds);
    child.channel = true;
    return role_spawn(&child, ret, ret_step);
}

int role_spawn_holder(const char *run_dir, enum keeper_role role)
{
    char path[PATH_MAX];
    int holder = 0;
    snprintf(path, sizeof(path), "%s/%s.lock", run_dir, role_spawn_name(role));
    return lock_probe(path, &holder) == 1 ? holder : 0;
}

bool role_spawn_speaks_for(int pid, int role_pid)
{
    struct proc_stat stat;
    return pid == role_pid || (proc_stat(pid, &stat) == 0 && stat.parent == role_pid);
}
