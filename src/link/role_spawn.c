/* SPDX-License-Identifier: Apache-2.0 */
#include "link/role_spawn.h"

enum { ROLE_ENV_MAX = 1024, ROLE_ARGS_MAX = 8 + ROLE_SPAWN_MORE_MAX + 1 };

int role_spawn(const struct role_spawn *role, struct proc *ret, const char **ret_step)
{
    const char *envp[ROLE_ENV_MAX];
    char channel[sizeof(ROLE_CHANNEL_ENV) + 12];
    const char *argv[ROLE_ARGS_MAX] = {
        proc_own_binary(), role->role,      "--run-dir", role->run_dir,
        "--state-dir",     role->state_dir, "--id",      role->id};
    for (size_t i = 0; i < ROLE_SPAWN_MORE_MAX && role->more[i]; i++) {
        argv[8 + i] = role->more[i];
    }
    snprintf(channel, sizeof(channel), "%s%d", ROLE_CHANNEL_ENV, ROLE_CHANNEL_FD);
    proc_environment(envp, ARRAY_LEN(envp), ROLE_CHANNEL_ENV, role->channel ? channel : NULL);
    struct proc_spawn spawn = {.cgroup_fd = -1,
                               .argv = argv,
                               .envp = envp,
                               .cwd = role->fresh ? "/" : NULL,
                               .fds = role->fds,
                               .fd_count = role->fd_count,
                               .set_umask = role->fresh,
                               .umask = 022,
                               .new_session = true};
    return proc_spawn(&spawn, ret, ret_step);
}
