/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of a keeper: see keeper_args.h. Only muelle itself writes it: what is unknown is
 * skipped, so that an older keeper may execute a newer one and the other way round.
 */
#include "link/keeper_args.h"
#include "base/num.h"
#include "os/chan.h"
#include "os/file.h"
#include "os/proc.h"
#include <limits.h>

#define ARGS_TRY_NS (2 * NS_PER_S)

static int args_fd(const char *text)
{
    uint64_t fd;
    return text && num_parse_u64(str_from(text), &fd) == 0 && fd < 1024 ? (int)fd : -1;
}

bool keeper_args_parse(int argc, char **argv, struct keeper_args *ret)
{
    const char *lock = NULL;
    const char *ready = NULL;
    const char *adopt = NULL;
    const char *role = NULL;
    const char *reexec = NULL;
    *ret = (struct keeper_args){0};
    const struct {
        const char *name;
        const char **value;
    } table[] = {{"--run-dir", &ret->run_dir}, {"--state-dir", &ret->state_dir},
                 {"--id", &ret->id},           {"--cgroups", &ret->rung},
                 {"--lock-fd", &lock},         {"--ready-fd", &ready},
                 {"--adopt-fd", &adopt},       {"--adopt-role", &role},
                 {"--reexec", &reexec}};
    for (int i = 0; i + 1 < argc; i++) {
        for (size_t k = 0; k < ARRAY_LEN(table); k++) {
            if (strcmp(argv[i], table[k].name) == 0) {
                *table[k].value = argv[i + 1];
            }
        }
    }
    ret->rung = ret->rung ? ret->rung : getenv("MUELLE_CGROUPS");
    ret->lock_fd = args_fd(lock);
    ret->ready_fd = args_fd(ready);
    ret->adopt_fd = args_fd(adopt);
    ret->adopt_role = role && strcmp(role, "edge") == 0 ? KEEPER_ROLE_EDGE : KEEPER_ROLE_CORE;
    ret->reexec = reexec != NULL;
    return ret->run_dir && ret->state_dir && ret->id;
}

int keeper_args_try(const char *binary)
{
    static const char *const env[] = {NULL};
    const char *argv[] = {binary, "keeper", "--self-test", NULL};
    struct proc_spawn spawn = {.cgroup_fd = -1, .argv = argv, .envp = env, .cwd = "/"};
    struct proc_exit how = {0};
    int result = proc_run(&spawn, ARGS_TRY_NS, &how);
    if (result < 0) {
        return result;
    }
    return !how.signaled && how.code == KEEPER_SELF_TEST_CODE ? 0 : -ENOEXEC;
}

int keeper_args_lock(const struct keeper_args *args, struct lock *ret, char text[KEEPER_TEXT_MAX])
{
    char path[PATH_MAX];
    int holder = 0;
    if (args->lock_fd >= 0) {
        lock_adopt(ret, args->lock_fd);
        return 0;
    }
    snprintf(path, sizeof(path), "%s/keeper.lock", args->run_dir);
    int result = lock_take(ret, path, &holder);
    if (result == LOCK_E_HELD) {
        snprintf(text, KEEPER_TEXT_MAX, "a keeper runs for this instance already (pid %d)", holder);
        return -EALREADY;
    }
    if (result < 0) {
        snprintf(text, KEEPER_TEXT_MAX, "keeper.lock cannot be taken");
    }
    return result;
}

void keeper_args_ready(int *fd, const char *id, int error, const char *text)
{
    if (*fd < 0) {
        return;
    }
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_HELLO, str_from(id));
    msg.error = error;
    msg.a = (uint64_t)proc_own_pid();
    str_copy(msg.text, sizeof(msg.text), str_from(text));
    (void)!chan_send_blocking(*fd, &msg, sizeof(msg), NULL, 0);
    file_close(fd);
}
