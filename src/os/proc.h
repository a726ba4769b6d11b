/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes: start (clone3 with CLONE_VFORK|CLONE_VM on a stack of its own: no page tables copied,
 * no allocation, and the child's failure is known when proc_spawn returns), identity, exit,
 * figures.
 *
 * Identity = boot id + pid + start time. A pidfd is opened first and the start time compared after:
 * from then on the pidfd names that process and no later one with its pid.
 */
#ifndef OS_PROC_H
#define OS_PROC_H

#include "os/proc_info.h"

enum { PROC_BOOT_ID_LEN = 36, PROC_RLIMITS_MAX = 16, PROC_FDS_MAX = 40, PROC_JOIN_MAX = 4 };

struct proc_id {
    int pid;
    uint64_t start_time; /* clock ticks since boot: field 22 of /proc/PID/stat */
};

struct proc_fd {
    int from;
    int to;
};

struct proc_rlimit {
    int resource;  /* RLIMIT_… */
    uint64_t soft; /* UINT64_MAX = infinity */
    uint64_t hard;
};

/* Everything is borrowed during the call. Zero means: leave as it is, unless said else; cgroup_fd 0
 * is a descriptor, so begin with PROC_SPAWN_INIT. Limits are set while we may still raise them. */
struct proc_spawn {
    const char *const *argv;
    const char *const *envp; /* argv[0] without a slash is looked up in its PATH */
    const char *cwd;
    const struct proc_fd *fds; /* the child's; all else is closed. 0-2 not named: /dev/null */
    size_t fd_count;
    bool set_user;
    uint32_t uid, gid;
    const uint32_t *groups;
    size_t group_count;
    bool set_umask;
    uint32_t umask;
    const struct proc_rlimit *rlimits;
    size_t rlimit_count;
    bool set_oom_score;
    int oom_score_adj;
    int nice;                    /* -20 to 19; 0 leaves it as it is */
    bool new_session;            /* setsid; else a new process group is not made either */
    bool own_terminal;           /* what stdin is, if nobody's yet, is the session's: job control */
    bool keep_privileges;        /* without it: no_new_privs when set_user */
    int cgroup_fd;               /* v2 folder to start in; -1 none */
    int join_fds[PROC_JOIN_MAX]; /* cgroup.procs files to write itself into */
    size_t join_count;
    char *pid_slot;      /* 16 bytes in envp's memory: gets the child's pid (LISTEN_PID), or NULL */
    int die_with_parent; /* signal number, 0 none */
};

#define PROC_SPAWN_INIT                                                                            \
    {                                                                                              \
        .cgroup_fd = -1                                                                            \
    }

struct proc {
    struct proc_id id;
    int pidfd; /* the caller closes it */
};

/* How a process ended. */
struct proc_exit {
    bool known; /* false: it ended, status unknown (it was not our child and the kernel does not
                   tell) */
    bool signaled;
    bool core_dumped;
    int code; /* exit code, or the signal's number */
};

/* Starts it. 0; else -errno and *ret_step says in words what failed ("execute", "change folder",
 * "set user" …); no process is left then. Signals: default handlers, empty mask, SIGPIPE restored;
 * soft limits as at the start of this process (proc_limits_save). */
must_check int proc_spawn(const struct proc_spawn *spawn, struct proc *ret, const char **ret_step);
/* Runs a program to its end, which it has `timeout_ns` to reach; waits. 0 and how it ended;
 * -ETIMEDOUT (it is killed then); as proc_spawn. */
must_check int proc_run(const struct proc_spawn *spawn, int64_t timeout_ns, struct proc_exit *ret);
/* Our environment without `less` ("NAME="), with `more` (or NULL): `size` places (2 or more), NULL
 * last. */
void proc_environment(const char **envp, size_t size, const char *less, const char *more);
/* Replaces this program, keeping the process; environment and signal mask stay, the soft limits
 * become those of proc_limits_save. Returns only when it failed: -errno. */
must_check int proc_exec(const char *path, const char *const *argv);
/* Remembers the soft limits and the umask this process was started with; call first in main. */
void proc_limits_save(void);
/* Raises the soft limit of open files to the hard one; returns what it is now. */
uint64_t proc_raise_nofile(void);

/* Opens a pidfd and checks the identity. 0, -ESRCH (gone, or another process), -errno. */
must_check int proc_open(const struct proc_id *id, int *ret_pidfd);
must_check int proc_signal(int pidfd, int signum);
/* Readable in the loop when it ended. Fills how: from the parent's wait, else PIDFD_GET_INFO, else
 * unknown. 0, -EAGAIN while it runs. Reaps a child. */
must_check int proc_reap(int pidfd, struct proc_exit *ret);
/* Reaps any other child (adopted orphans of a subreaper). Its pid, 0: none left, -errno. */
must_check int proc_reap_any(struct proc_exit *ret);
must_check int proc_set_subreaper(void);
int proc_own_pid(void);
int proc_parent_pid(void);
must_check int proc_own_id(struct proc_id *ret);
/* The kernel's boot id, 36 characters and a NUL. */
must_check int proc_boot_id(char ret[PROC_BOOT_ID_LEN + 1]);
must_check int proc_start_time(int pid, uint64_t *ret);

/* Process title: takes the memory of argv and environ over; call once in main before threads start.
 */
void proc_title_init(int argc, char **argv);
void proc_title_set(const char *fmt, ...) printf_like(1, 2);

#endif
