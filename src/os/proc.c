/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes: identity, signals, how they end. Starting: proc_spawn.c; figures: proc_info.c. See
 * proc.h.
 *
 * How an end is learned, best first: waitid on our child; PIDFD_GET_INFO (kernel 6.15), which tells
 * it of anybody's child as long as the pidfd is open; /proc while the process is a zombie (there
 * the pid is still its own, which a signal 0 to the pidfd proves); else it is known to have ended,
 * not how. Invariant: a pid is used only between opening a pidfd and reaping, as a number in /proc;
 * what is signalled or waited for is always the pidfd.
 */
#include "os/proc.h"
#include "base/num.h"
#include "os/clock.h"
#include "os/file.h"
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* From <linux/pidfd.h> of kernel 6.15, which Debian 12's headers lack: a fixed kernel interface. */
struct proc_pidfd_info {
    uint64_t mask;
    uint64_t cgroup_id;
    uint32_t pid, tgid, parent;
    uint32_t ids[8];
    int32_t exit_code; /* as wait(2) gives it */
};
_Static_assert(sizeof(struct proc_pidfd_info) == 64, "PIDFD_INFO_SIZE_VER0");
#define PROC_PIDFD_GET_INFO  _IOWR(0xFF, 11, struct proc_pidfd_info)
#define PROC_PIDFD_INFO_EXIT (UINT64_C(1) << 3)

int proc_own_pid(void)
{
    return getpid();
}

int proc_parent_pid(void)
{
    return getppid();
}

int proc_own_id(struct proc_id *ret)
{
    ret->pid = getpid();
    return proc_start_time(ret->pid, &ret->start_time);
}

int proc_boot_id(char ret[PROC_BOOT_ID_LEN + 1])
{
    int fd = -1;
    int result = file_open("/proc/sys/kernel/random/boot_id", FILE_READ, 0, &fd);
    if (result < 0) {
        return result;
    }
    int64_t n = file_pread(fd, ret, PROC_BOOT_ID_LEN, 0);
    file_close(&fd);
    ret[PROC_BOOT_ID_LEN] = '\0';
    return n == PROC_BOOT_ID_LEN ? 0 : -EIO;
}

int proc_open(const struct proc_id *id, int *ret_pidfd)
{
    if (id->pid <= 0) {
        return -ESRCH;
    }
    int fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
    if (fd < 0) {
        return errno == EINVAL ? -ESRCH : -errno;
    }
    /* The pidfd is fixed to one process now; if that one has the start time, it is ours. */
    uint64_t start_time;
    int result = proc_start_time(id->pid, &start_time);
    if (result == 0 && start_time != id->start_time) {
        result = -ESRCH;
    }
    if (result < 0) {
        close(fd);
        return result;
    }
    *ret_pidfd = fd;
    return 0;
}

int proc_signal(int pidfd, int signum)
{
    return syscall(SYS_pidfd_send_signal, pidfd, signum, NULL, 0) < 0 ? -errno : 0;
}

static void proc_exit_from_info(const siginfo_t *info, struct proc_exit *ret)
{
    *ret = (struct proc_exit){
        .known = true,
        .signaled = info->si_code != CLD_EXITED,
        .core_dumped = info->si_code == CLD_DUMPED,
        .code = info->si_status,
    };
}

static void proc_exit_from_status(int status, struct proc_exit *ret)
{
    ret->known = true;
    ret->signaled = WIFSIGNALED(status);
    ret->core_dumped = ret->signaled && WCOREDUMP(status);
    ret->code = ret->signaled ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* The pid that a pidfd stands for, from its fdinfo ("Pid:\t123", -1 in another namespace or when it
 * was reaped); 0 then. */
static int proc_pid_of(int pidfd)
{
    char path[64];
    char text[512];
    int fd = -1;
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    if (file_open(path, FILE_READ, 0, &fd) < 0) {
        return 0;
    }
    int64_t n = file_pread(fd, text, sizeof(text), 0);
    file_close(&fd);
    struct str rest = str_make(text, (size_t)MAX(n, (int64_t)0));
    ptrdiff_t at = str_find(rest, STR("Pid:"));
    struct str word;
    uint64_t pid;
    if (at < 0) {
        return 0;
    }
    str_split(str_skip(rest, (size_t)at + 4), '\n', &word, &rest);
    return num_parse_u64(str_trim(word), &pid) == 0 && pid <= INT32_MAX ? (int)pid : 0;
}

/* The end of a process that is not our child. 0, -EAGAIN. */
static int proc_reap_foreign(int pidfd, struct proc_exit *ret)
{
    *ret = (struct proc_exit){.known = false};
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (poll(&ended, 1, 0) != 1) {
        return -EAGAIN; /* also when the kernel could not look: "ended" would be for ever */
    }
    struct proc_pidfd_info info = {.mask = PROC_PIDFD_INFO_EXIT};
    if (ioctl(pidfd, PROC_PIDFD_GET_INFO, &info) == 0 && info.mask & PROC_PIDFD_INFO_EXIT) {
        proc_exit_from_status(info.exit_code, ret);
        return 0;
    }
    /* Its parent (an init that takes its time) has not collected it: then /proc has the status, and
     * the pid is not given to another one. */
    struct proc_stat stat;
    int pid = proc_pid_of(pidfd);
    if (pid > 0 && proc_stat(pid, &stat) == 0 && stat.state == 'Z' && proc_signal(pidfd, 0) == 0) {
        proc_exit_from_status(stat.exit_status, ret);
    }
    return 0;
}

int proc_reap(int pidfd, struct proc_exit *ret)
{
    siginfo_t info = {0};
    int result;
    do {
        result = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
    } while (result < 0 && errno == EINTR);
    if (result == 0) {
        if (info.si_pid == 0) {
            return -EAGAIN;
        }
        proc_exit_from_info(&info, ret);
        return 0;
    }
    return errno == ECHILD ? proc_reap_foreign(pidfd, ret) : -errno;
}

int proc_reap_any(struct proc_exit *ret)
{
    siginfo_t info = {0};
    int result;
    do {
        result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return errno == ECHILD ? 0 : -errno;
    }
    if (info.si_pid != 0) {
        proc_exit_from_info(&info, ret);
    }
    return info.si_pid;
}

int proc_run(const struct proc_spawn *spawn, int64_t timeout_ns, struct proc_exit *ret)
{
    struct proc proc;
    const char *step;
    int result = proc_spawn(spawn, &proc, &step);
    if (result < 0) {
        return result;
    }
    int64_t deadline_ns = clock_mono_ns() + timeout_ns;
    while ((result = proc_reap(proc.pidfd, ret)) == -EAGAIN && clock_mono_ns() < deadline_ns) {
        clock_sleep_ns(NS_PER_MS);
    }
    if (result == -EAGAIN) {
        siginfo_t info;
        (void)!proc_signal(proc.pidfd, SIGKILL);
        (void)!waitid(P_PIDFD, (id_t)proc.pidfd, &info, WEXITED);
        result = -ETIMEDOUT;
    }
    close(proc.pidfd);
    return result;
}

void proc_environment(const char **envp, size_t size, const char *less, const char *more)
{
    size_t count = 0;
    for (char **env = environ; *env && count + 2 < size; env++) {
        if (strncmp(*env, less, strlen(less)) != 0) {
            envp[count++] = *env;
        }
    }
    if (more) {
        envp[count++] = more;
    }
    envp[count] = NULL;
}

int proc_set_subreaper(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
}

const char *proc_own_binary(void)
{
    return "/proc/self/exe";
}
