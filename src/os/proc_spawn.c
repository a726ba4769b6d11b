/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting a process: see proc.h.
 *
 * clone3 with CLONE_VM|CLONE_VFORK: the child runs in our memory, on a stack of its own (an array
 * in the waiting parent's frame), until it executes the program or gives up. So no page table is
 * copied, the cgroup is entered at birth (moving later costs milliseconds), and an error reaches us
 * as two plain variables.
 *
 * What that asks of the child's code:
 * 1. No allocation, no lock, no libc function that keeps state of the process (setuid and friends
 * are raw system calls: libc's would tell the parent's threads).
 * 2. All signals are blocked before, so that no handler of the parent runs in the child.
 * 3. Descriptors are a copy: they are opened and closed freely.
 * 4. Order matters: control groups, priority and oom score while we still have the rights; then
 *    descriptors, limits, the user; the folder as that user, so that no path is entered which the
 *    user could not; the parent's death signal last, since a change of user clears it (prctl(2)).
 *
 * Happy path: clone3 → the child executes, which wakes the parent → the start time is read.
 * How it fails: the child says which step and why in struct proc_child, exits, and is reaped here;
 * a script without an interpreter line is -ENOEXEC, as no shell is tried in its place.
 */
#include "os/proc.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's frames must not be poisoned by a sanitizer: it never returns from them. */
#define CHILD_FN __attribute__((noinline, no_sanitize("address", "undefined", "thread")))

enum { PROC_STACK = 48 * 1024 };

struct proc_child {
    const struct proc_spawn *spawn;
    const char *step; /* what is being done: the answer when it fails */
    int error;
    char path[PATH_MAX];
    int fds[PROC_FDS_MAX];
};

static struct rlimit proc_nofile_saved;
static bool proc_nofile_known;

void proc_limits_save(void)
{
    proc_nofile_known = getrlimit(RLIMIT_NOFILE, &proc_nofile_saved) == 0;
}

int proc_exec(const char *path, const char *const *argv)
{
    if (proc_nofile_known) {
        setrlimit(RLIMIT_NOFILE, &proc_nofile_saved);
    }
    execve(path, (char *const *)(uintptr_t)argv, environ);
    int error = -errno;
    proc_raise_nofile();
    return error;
}

uint64_t proc_raise_nofile(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return 1024;
    }
    if (!proc_nofile_known) {
        proc_limits_save();
    }
    rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : soft;
}

#if defined(__x86_64__)
/* Returns the pid in the parent; the child calls fn(arg) on its new stack and exits with what it
 * returns. */
static long proc_clone3(struct clone_args *args, int (*fn)(void *), void *arg)
{
    long result;
    register int (*fn_reg)(void *) __asm__("r8") = fn;
    register void *arg_reg __asm__("r9") = arg;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r9, %%rdi\n\t"
                     "call *%%r8\n\t"
                     "mov %%eax, %%edi\n\t"
                     "mov $60, %%eax\n\t" /* exit */
                     "syscall\n\t"
                     "hlt\n"
                     "1:\n"
                     : "=a"(result)
                     : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(fn_reg),
                       "r"(arg_reg)
                     : "rcx", "r11", "memory", "cc");
    return result;
}
#elif defined(__aarch64__)
static long proc_clone3(struct clone_args *args, int (*fn)(void *), void *arg)
{
    register long x0 __asm__("x0") = (long)args;
    register long x1 __asm__("x1") = (long)sizeof(*args);
    register long x8 __asm__("x8") = SYS_clone3;
    register int (*fn_reg)(void *) __asm__("x10") = fn;
    register void *arg_reg __asm__("x11") = arg;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x11\n\t"
                     "blr x10\n\t"
                     "mov x8, #93\n\t" /* exit */
                     "svc #0\n"
                     "1:\n"
                     : "+r"(x0)
                     : "r"(x1), "r"(x8), "r"(fn_reg), "r"(arg_reg)
                     : "memory", "cc");
    return x0;
}
#else
#error "muelle runs on x86-64 and arm64"
#endif

CHILD_FN static bool proc_child_fail(struct proc_child *child, const char *step)
{
    child->step = step;
    child->error = errno;
    return false;
}

CHILD_FN static void proc_child_signals(void)
{
    /* An ignored signal stays ignored over exec: SIGPIPE is the one that surprises programs. */
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int signum = 1; signum < NSIG; signum++) {
        sigaction(signum, &action, NULL);
    }
}

CHILD_FN static bool proc_child_fds(struct proc_child *child)
{
    const struct proc_spawn *spawn = child->spawn;
    int last = 2;
    bool named[3] = {false, false, false};
    for (size_t i = 0; i < spawn->fd_count; i++) {
        last = MAX(last, spawn->fds[i].to);
        if (spawn->fds[i].to <= 2) {
            named[spawn->fds[i].to] = true;
        }
    }
    /* First out of the way of every target, then into place: so any permutation works. */
    for (size_t i = 0; i < spawn->fd_count; i++) {
        child->fds[i] = fcntl(spawn->fds[i].from, F_DUPFD_CLOEXEC, last + 1);
        if (child->fds[i] < 0) {
            return proc_child_fail(child, "pass descriptors");
        }
    }
    if (close_range(3, (unsigned)last, 0) < 0 && errno != EINVAL) {
        return proc_child_fail(child, "close descriptors");
    }
    for (size_t i = 0; i < spawn->fd_count; i++) {
        if (dup2(child->fds[i], spawn->fds[i].to) < 0) {
            return proc_child_fail(child, "pass descriptors");
        }
    }
    for (int fd = 0; fd <= 2; fd++) {
        if (!named[fd]) {
            int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
            if (null_fd < 0 || dup2(null_fd, fd) < 0) {
                return proc_child_fail(child, "open /dev/null");
            }
        }
    }
    close_range((unsigned)last + 1, ~0U, 0);
    return true;
}

CHILD_FN static bool proc_child_limits(struct proc_child *child)
{
    const struct proc_spawn *spawn = child->spawn;
    if (proc_nofile_known) {
        setrlimit(RLIMIT_NOFILE, &proc_nofile_saved);
    }
    for (size_t i = 0; i < spawn->rlimit_count; i++) {
        const struct proc_rlimit *limit = &spawn->rlimits[i];
        struct rlimit os = {.rlim_cur = limit->soft, .rlim_max = limit->hard};
        if (syscall(SYS_prlimit64, 0, limit->resource, &os, NULL) < 0) {
            return proc_child_fail(child, "set resource limits");
        }
    }
    return true;
}

CHILD_FN static bool proc_child_oom(struct proc_child *child)
{
    int score = child->spawn->oom_score_adj;
    char text[12];
    size_t at = sizeof(text);
    unsigned rest = (unsigned)(score < 0 ? -score : score);
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (score < 0) {
        text[--at] = '-';
    }
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text + at, sizeof(text) - at) < 0) {
        return proc_child_fail(child, "set oom_score_adj");
    }
    close(fd);
    return true;
}

CHILD_FN static bool proc_child_user(struct proc_child *child)
{
    const struct proc_spawn *spawn = child->spawn;
    if (!spawn->set_user) {
        return true;
    }
    /* Without privileges, "becoming" the own user needs nothing and setgroups would fail. */
    bool same = syscall(SYS_geteuid) != 0 && spawn->uid == (uint32_t)syscall(SYS_geteuid) &&
                spawn->gid == (uint32_t)syscall(SYS_getegid);
    if (!same && (syscall(SYS_setgroups, spawn->group_count, spawn->groups) < 0 ||
                  syscall(SYS_setresgid, spawn->gid, spawn->gid, spawn->gid) < 0 ||
                  syscall(SYS_setresuid, spawn->uid, spawn->uid, spawn->uid) < 0)) {
        return proc_child_fail(child, "change user");
    }
    if (!spawn->keep_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return proc_child_fail(child, "set no_new_privs");
    }
    return true;
}

CHILD_FN static void proc_child_pid(char *slot)
{
    char text[12];
    size_t at = sizeof(text);
    text[--at] = '\0';
    for (long pid = syscall(SYS_getpid); pid > 0; pid /= 10) {
        text[--at] = (char)('0' + pid % 10);
    }
    for (size_t i = 0; at + i < sizeof(text); i++) {
        slot[i] = text[at + i];
    }
}

/* The value of PATH in the child's own environment. */
CHILD_FN static const char *proc_child_search_path(const struct proc_spawn *spawn)
{
    for (size_t i = 0; spawn->envp[i]; i++) {
        const char *entry = spawn->envp[i];
        if (entry[0] == 'P' && entry[1] == 'A' && entry[2] == 'T' && entry[3] == 'H' &&
            entry[4] == '=') {
            return entry + 5;
        }
    }
    return "/usr/local/bin:/usr/bin:/bin";
}

/* "FOLDER/NAME" into child->path; the start of the next folder, or NULL after the last. */
CHILD_FN static const char *proc_child_candidate(struct proc_child *child, const char *folder)
{
    const char *name = child->spawn->argv[0];
    size_t at = 0;
    while (*folder && *folder != ':' && at < sizeof(child->path) - 2) {
        child->path[at++] = *folder++;
    }
    if (at == 0) {
        child->path[at++] = '.';
    }
    child->path[at++] = '/';
    while (*name && at < sizeof(child->path) - 1) {
        child->path[at++] = *name++;
    }
    if (*name || (*folder && *folder != ':')) {
        at = 0; /* nothing can lie so deep: it is passed over, as the shell does */
    }
    child->path[at] = '\0';
    while (*folder && *folder != ':') {
        folder++;
    }
    return *folder ? folder + 1 : NULL;
}

/* Returns only when it failed. */
CHILD_FN static void proc_child_exec(struct proc_child *child)
{
    const struct proc_spawn *spawn = child->spawn;
    char *const *argv = (char *const *)(uintptr_t)spawn->argv;
    char *const *envp = (char *const *)(uintptr_t)spawn->envp;
    bool has_slash = false;
    for (const char *at = argv[0]; *at; at++) {
        has_slash |= *at == '/';
    }
    if (has_slash) {
        execve(argv[0], argv, envp);
        proc_child_fail(child, "execute");
        return;
    }
    int error = ENOENT;
    const char *folder = proc_child_search_path(spawn);
    while (folder) {
        folder = proc_child_candidate(child, folder);
        execve(child->path, argv, envp);
        if (errno == EACCES) {
            error = EACCES; /* remembered: "not found" would mislead */
        } else if (errno != ENOENT && errno != ENOTDIR) {
            error = errno;
            break;
        }
    }
    errno = error;
    proc_child_fail(child, "execute");
}

CHILD_FN static int proc_child_main(void *arg)
{
    struct proc_child *child = arg;
    const struct proc_spawn *spawn = child->spawn;
    proc_child_signals();
    if (spawn->new_session) {
        setsid();
    }
    for (size_t i = 0; i < spawn->join_count; i++) {
        if (write(spawn->join_fds[i], "0", 1) < 0) {
            proc_child_fail(child, "enter the control group");
            return 127;
        }
    }
    if (spawn->set_umask) {
        umask((mode_t)spawn->umask);
    }
    if (spawn->nice && setpriority(PRIO_PROCESS, 0, spawn->nice) < 0) {
        proc_child_fail(child, "set its priority (nice)");
        return 127;
    }
    if ((spawn->set_oom_score && !proc_child_oom(child)) || !proc_child_fds(child) ||
        !proc_child_limits(child) || !proc_child_user(child)) {
        return 127;
    }
    if (spawn->own_terminal) {
        (void)!ioctl(STDIN_FILENO, TIOCSCTTY, 0); /* a pipe, or another session's: as it is */
    }
    if (spawn->cwd && chdir(spawn->cwd) < 0) {
        proc_child_fail(child, "change folder");
        return 127;
    }
    if (spawn->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, spawn->die_with_parent, 0, 0, 0); /* a new uid would clear it */
    }
    if (spawn->pid_slot) {
        proc_child_pid(spawn->pid_slot);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    proc_child_exec(child);
    return 127;
}

/* Ends and reaps a child: the caller is told that there is none. */
static void proc_end(int pidfd)
{
    siginfo_t info;
    (void)!proc_signal(pidfd, SIGKILL);
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR) {
    }
}

int proc_spawn(const struct proc_spawn *spawn, struct proc *ret, const char **ret_step)
{
    ensure(spawn->argv && spawn->argv[0] && spawn->envp);
    ensure(spawn->fd_count <= PROC_FDS_MAX && spawn->join_count <= PROC_JOIN_MAX);
    uint8_t stack[PROC_STACK] __attribute__((aligned(64)));
    struct proc_child child = {.spawn = spawn};
    int pidfd = -1;
    struct clone_args args = {
        .flags = (uint64_t)(CLONE_VM | CLONE_VFORK | CLONE_PIDFD),
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = sizeof(stack),
    };
    if (spawn->cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)spawn->cgroup_fd;
    }
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    long pid = proc_clone3(&args, proc_child_main, &child);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pid < 0) {
        *ret_step = spawn->cgroup_fd >= 0 ? "start in its control group" : "start a process";
        return (int)pid;
    }
    *ret = (struct proc){.id.pid = (int)pid, .pidfd = pidfd};
    *ret_step = child.step;
    int error = child.error;
    if (!error) {
        /* It may have ended already; as our unreaped child it still has its line in /proc. What has
         * no start time cannot be known again: a keeper that adopts would take it for gone. */
        error = -proc_start_time((int)pid, &ret->id.start_time);
        *ret_step = error ? "read its start time" : NULL;
    }
    if (error) {
        proc_end(pidfd);
        close(pidfd);
    }
    return -error;
}
