/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const env[] = {"PATH=/usr/bin:/bin", "MARK=yes", NULL};

static void wait_for(int pidfd)
{
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    check_int(poll(&wait, 1, 20000), 1);
}

/* Runs `sh -c script` with stdout in a pipe and gives what it wrote, its end in *ret_exit. */
static struct str run(struct proc_spawn *spawn, const char *script, struct proc_exit *ret_exit)
{
    static char text[65536];
    const char *argv[] = {"sh", "-c", script, NULL};
    int ends[2];
    check_int(file_pipe(ends), 0);
    struct proc_fd fds[] = {{ends[1], 1}, {ends[1], 2}};
    spawn->argv = argv;
    spawn->envp = env;
    spawn->fds = fds;
    spawn->fd_count = 2;
    struct proc proc;
    const char *step;
    check_int(proc_spawn(spawn, &proc, &step), 0);
    file_close(&ends[1]);
    size_t len = 0;
    int64_t n;
    while ((n = file_read(ends[0], text + len, sizeof(text) - len)) > 0) {
        len += (size_t)n;
    }
    file_close(&ends[0]);
    wait_for(proc.pidfd);
    check_int(proc_reap(proc.pidfd, ret_exit), 0);
    file_close(&proc.pidfd);
    return str_trim_ws(str_make(text, len));
}

TEST(exit_codes_and_signals_are_told_apart)
{
    struct proc_spawn spawn = PROC_SPAWN_INIT;
    struct proc_exit exit;
    run(&spawn, "exit 42", &exit);
    check(exit.known && !exit.signaled);
    check_int(exit.code, 42);
    run(&spawn, "kill -9 $$", &exit);
    check(exit.known && exit.signaled);
    check_int(exit.code, SIGKILL);
}

TEST(a_running_process_cannot_be_reaped)
{
    const char *argv[] = {"sleep", "60", NULL};
    struct proc_spawn spawn = {.cgroup_fd = -1, .argv = argv, .envp = env};
    struct proc proc;
    struct proc_exit exit;
    const char *step;
    check_int(proc_spawn(&spawn, &proc, &step), 0);
    check_int(proc_reap(proc.pidfd, &exit), -EAGAIN);
    check_int(proc_signal(proc.pidfd, SIGTERM), 0);
    wait_for(proc.pidfd);
    check_int(proc_reap(proc.pidfd, &exit), 0);
    check_int(exit.code, SIGTERM);
    check_int(proc_signal(proc.pidfd, SIGTERM), -ESRCH);
    file_close(&proc.pidfd);
}

TEST(what_fails_before_the_program_runs_is_named)
{
    static const char *const missing[] = {"muelle-no-such-program", NULL};
    static const char *const no_file[] = {"/nowhere/program", NULL};
    static const char *const not_exec[] = {"/etc/passwd", NULL};
    static const char *const fine[] = {"true", NULL};
    struct {
        const char *const *argv;
        const char *cwd;
        int error;
        const char *step;
    } cases[] = {{missing, NULL, -ENOENT, "execute"},
                 {no_file, NULL, -ENOENT, "execute"},
                 {not_exec, NULL, -EACCES, "execute"},
                 {fine, "/nowhere", -ENOENT, "change folder"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proc_spawn spawn = {
            .cgroup_fd = -1, .argv = cases[i].argv, .envp = env, .cwd = cases[i].cwd};
        struct proc proc;
        const char *step = NULL;
        check_int(proc_spawn(&spawn, &proc, &step), cases[i].error);
        check_cstr(step, cases[i].step);
    }
    check_int(waitpid(-1, NULL, WNOHANG), -1); /* no child is left behind */
}

TEST(the_child_gets_only_the_named_descriptors)
{
    int leak = dup2(1, 50); /* not close-on-exec, as inherited ones are */
    check_int(leak, 50);
    struct proc_spawn spawn = PROC_SPAWN_INIT;
    struct proc_exit exit;
    struct str out = run(&spawn, "cd /proc/self/fd && echo *", &exit);
    check_str(out, STR("0 1 2 3")); /* 3 is the folder being read */
    close(leak);
}

TEST(descriptors_may_trade_places)
{
    int ends[2];
    check_int(file_pipe(ends), 0);
    int other[2];
    check_int(file_pipe(other), 0);
    const char *argv[] = {"sh", "-c", "echo one >&8; echo two >&9", NULL};
    check_int(dup2(ends[1], 8), 8);
    check_int(dup2(other[1], 9), 9);
    struct proc_fd fds[] = {{9, 8}, {8, 9}};
    struct proc_spawn spawn = {
        .cgroup_fd = -1, .argv = argv, .envp = env, .fds = fds, .fd_count = 2};
    struct proc proc;
    const char *step;
    check_int(proc_spawn(&spawn, &proc, &step), 0);
    wait_for(proc.pidfd);
    char text[32];
    check_str(str_make(text, (size_t)read(ends[0], text, sizeof(text))), STR("two\n"));
    check_str(str_make(text, (size_t)read(other[0], text, sizeof(text))), STR("one\n"));
}

TEST(signals_limits_umask_and_session_are_a_fresh_programs)
{
    proc_limits_save();
    struct rlimit soft;
    check_int(getrlimit(RLIMIT_NOFILE, &soft), 0);
    proc_raise_nofile();
    signal(SIGPIPE, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    struct proc_spawn spawn = {
        .cgroup_fd = -1, .set_umask = true, .umask = 027, .new_session = true};
    struct proc_exit exit;
    char want[128];
    snprintf(want, sizeof(want), "%llu 0027 0000000000000000 0000000000000000",
             (unsigned long long)soft.rlim_cur);
    struct str out = run(&spawn,
                         "set -- $(grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2); "
                         "echo $(ulimit -n) $(umask) $1 $2",
                         &exit);
    check_str(out, str_from(want));
    sigprocmask(SIG_UNBLOCK, &all, NULL);
}

TEST(rlimits_priority_and_oom_score_reach_the_child)
{
    struct proc_rlimit limits[] = {{RLIMIT_NOFILE, 77, 88}, {RLIMIT_CORE, 0, 0}};
    struct proc_spawn spawn = {.cgroup_fd = -1,
                               .rlimits = limits,
                               .rlimit_count = 2,
                               .set_oom_score = true,
                               .oom_score_adj = 321,
                               .nice = 11};
    struct proc_exit exit;
    struct str out = run(
        &spawn, "echo $(ulimit -Sn) $(ulimit -Hn) $(cat /proc/self/oom_score_adj) $(nice)", &exit);
    check_str(out, STR("77 88 321 11"));
}

TEST(the_child_becomes_another_user_with_its_groups)
{
    if (getuid() != 0) {
        test_skip("needs root");
    }
    uint32_t groups[] = {4242, 4343};
    struct proc_spawn spawn = {.cgroup_fd = -1,
                               .set_user = true,
                               .uid = 12345,
                               .gid = 23456,
                               .groups = groups,
                               .group_count = 2};
    struct proc_exit exit;
    struct str out =
        run(&spawn, "echo $(id -u) $(id -g) $(id -G) $(grep NoNewPrivs /proc/self/status)", &exit);
    check_str(out, STR("12345 23456 23456 4242 4343 NoNewPrivs: 1"));
    check_int(getuid(), 0); /* the parent shares memory, never credentials */
}

TEST(listen_pid_is_the_childs_own)
{
    char slot[32] = "LISTEN_PID=0";
    const char *const with_pid[] = {"PATH=/usr/bin:/bin", slot, NULL};
    const char *argv[] = {"sh", "-c", "test \"$LISTEN_PID\" = $$", NULL};
    struct proc_spawn spawn = {
        .cgroup_fd = -1, .argv = argv, .envp = with_pid, .pid_slot = slot + 11};
    struct proc proc;
    struct proc_exit exit;
    const char *step;
    check_int(proc_spawn(&spawn, &proc, &step), 0);
    wait_for(proc.pidfd);
    check_int(proc_reap(proc.pidfd, &exit), 0);
    check_int(exit.code, 0);
    file_close(&proc.pidfd);
}

TEST(identity_is_pid_and_start_time)
{
    const char *argv[] = {"sleep", "60", NULL};
    struct proc_spawn spawn = {.cgroup_fd = -1, .argv = argv, .envp = env};
    struct proc proc;
    const char *step;
    check_int(proc_spawn(&spawn, &proc, &step), 0);
    int again = -1;
    check_int(proc_open(&proc.id, &again), 0);
    file_close(&again);
    struct proc_id other = proc.id;
    other.start_time++;
    check_int(proc_open(&other, &again), -ESRCH);
    struct proc_stat stat;
    check_int(proc_stat(proc.id.pid, &stat), 0);
    check_int(stat.parent, proc_own_pid());
    check_cstr(stat.name, "sleep");
    check(stat.start_time == proc.id.start_time);
    /* A vfork's parent goes on when the old memory is given up, shortly before the new one is
     * complete. */
    for (int i = 0; i < 2000 && proc_has_env(proc.id.pid, STR("MARK=yes")) == 0; i++) {
        clock_sleep_ns(NS_PER_MS / 10);
    }
    check_int(proc_has_env(proc.id.pid, STR("MARK=yes")), 1);
    check_int(proc_has_env(proc.id.pid, STR("MARK=ye")), 0);
    check_int(proc_has_env(proc.id.pid, STR("ARK=yes")), 0);
    uint64_t pss = 0;
    check_int(proc_pss(proc.id.pid, &pss), 0);
    check(pss > 0 && pss < 64 * MIB);
    struct buf command = BUF_INIT(256);
    check_int(proc_command(proc.id.pid, &command), 0);
    check_str(buf_str(&command), STR("sleep 60"));
    buf_fini(&command);
    check_int(proc_signal(proc.pidfd, SIGKILL), 0);
    wait_for(proc.pidfd);
    struct proc_exit exit;
    check_int(proc_reap(proc.pidfd, &exit), 0);
    check_int(proc_open(&proc.id, &again), -ESRCH);
    file_close(&proc.pidfd);
}

TEST(the_exit_status_of_a_process_that_is_not_our_child_is_learned_or_said_to_be_unknown)
{
    int ends[2];
    check_int(file_pipe(ends), 0);
    /* The shell starts a grandchild of ours, tells its pid and reaps it. */
    const char *argv[] = {"sh", "-c", "(sleep 0.2; exit 42) & echo $!; wait", NULL};
    struct proc_fd fds[] = {{ends[1], 1}};
    struct proc_spawn spawn = {
        .cgroup_fd = -1, .argv = argv, .envp = env, .fds = fds, .fd_count = 1};
    struct proc proc;
    const char *step;
    check_int(proc_spawn(&spawn, &proc, &step), 0);
    char text[32] = "";
    check(read(ends[0], text, sizeof(text) - 1) > 0);
    struct proc_id id = {.pid = (int)strtol(text, NULL, 10)};
    check_int(proc_start_time(id.pid, &id.start_time), 0);
    int pidfd = -1;
    check_int(proc_open(&id, &pidfd), 0);
    struct proc_exit exit;
    check_int(proc_reap(pidfd, &exit), -EAGAIN);
    wait_for(proc.pidfd); /* the shell has reaped it */
    check_int(proc_reap(pidfd, &exit), 0);
    check(!exit.known || (!exit.signaled && exit.code == 42));
    check_int(proc_reap(proc.pidfd, &exit), 0);
    file_close(&pidfd);
    file_close(&proc.pidfd);
}

TEST(a_zombie_that_is_not_our_child_has_ended_and_tells_its_status)
{
    int ends[2];
    check_int(file_pipe(ends), 0);
    /* A parent that starts a child and never collects it: as long as it is a shell it might, so the
     * child waits until it is none. */
    const char *argv[] = {"sh", "-c",
                          "sh -c 'until grep -qx sleep /proc/$PPID/comm; do :; done; exit 42' & "
                          "echo $!; exec sleep 60",
                          NULL};
    struct proc_fd fds[] = {{ends[1], 1}};
    struct proc_spawn spawn = {
        .cgroup_fd = -1, .argv = argv, .envp = env, .fds = fds, .fd_count = 1};
    struct proc proc;
    const char *step;
    check_int(proc_spawn(&spawn, &proc, &step), 0);
    char text[32] = "";
    check(read(ends[0], text, sizeof(text) - 1) > 0);
    struct proc_id id = {.pid = (int)strtol(text, NULL, 10)};
    check_int(proc_start_time(id.pid, &id.start_time), 0);
    int pidfd = -1;
    check_int(proc_open(&id, &pidfd), 0);
    wait_for(pidfd);
    struct proc_exit exit;
    check_int(proc_reap(pidfd, &exit), 0);
    check(exit.known && !exit.signaled);
    check_int(exit.code, 42);
    check_int(proc_signal(proc.pidfd, SIGKILL), 0);
    wait_for(proc.pidfd);
    check_int(proc_reap(proc.pidfd, &exit), 0);
}

TEST(programs_are_found_as_the_shell_finds_them)
{
    struct buf out = BUF_INIT(256);
    check_int(proc_find_program(STR("sh"), "/nowhere:/bin", STR_NONE, &out), 0);
    check_str(buf_str(&out), STR("/bin/sh"));
    buf_reset(&out);
    check_int(proc_find_program(STR("sh"), "/nowhere", STR("/bin"), &out), -ENOENT);
    check_int(proc_find_program(STR("/bin/sh"), NULL, STR_NONE, &out), 0);
    buf_reset(&out);
    check_int(proc_find_program(STR("sh"), "bin:/nowhere", STR("/usr"), &out), 0);
    check_str(buf_str(&out), STR("/usr/bin/sh"));
    static const char *const here[] = {":/nowhere", "/nowhere:", "/nowhere::/nowhere", ""};
    for (size_t i = 0; i < ARRAY_LEN(here); i++) { /* an empty folder is the working folder */
        buf_reset(&out);
        check_int(proc_find_program(STR("sh"), here[i], STR("/bin"), &out), 0);
        check_str(buf_str(&out), STR("/bin/sh"));
    }
    static char longer[2 * 4096];
    snprintf(longer, sizeof(longer), "/%0*d:/bin", 4500, 0);
    buf_reset(&out);
    check_int(proc_find_program(STR("sh"), longer, STR_NONE, &out), 0);
    check_str(buf_str(&out), STR("/bin/sh"));
    buf_fini(&out);
}

/* Each step of the child that the kernel refuses is named, and no child is left behind. */
TEST(a_step_that_the_kernel_refuses_is_named)
{
    static const char *const argv[] = {"true", NULL};
    static const struct proc_rlimit too_much = {
        .resource = RLIMIT_NOFILE, .soft = 1, .hard = 1U << 31};
    static const struct proc_fd closed = {.from = 999, .to = 3};
    static const struct proc_fd beyond = {.from = 0, .to = 1 << 30};
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    check(null_fd >= 0);
    struct {
        struct proc_spawn spawn;
        int error;
        const char *step;
    } cases[] = {
        {{.rlimits = &too_much, .rlimit_count = 1}, -EPERM, "set resource limits"},
        {{.set_oom_score = true, .oom_score_adj = -2000}, -EINVAL, "set oom_score_adj"},
        {{.fds = &closed, .fd_count = 1}, -EBADF, "pass descriptors"},
        {{.fds = &beyond, .fd_count = 1}, -EINVAL, "pass descriptors"},
        {{.join_fds = {null_fd}, .join_count = 1}, -EBADF, "enter the control group"},
        {{.set_user = true, .uid = UINT32_MAX - 1, .gid = 1, .group_count = 1 << 20},
         -EINVAL,
         "change user"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proc proc;
        const char *step = NULL;
        cases[i].spawn.cgroup_fd = -1;
        cases[i].spawn.argv = argv;
        cases[i].spawn.envp = env;
        if (getuid() != 0 && cases[i].error == -EINVAL) {
            continue; /* refused earlier, for want of rights */
        }
        check_int(proc_spawn(&cases[i].spawn, &proc, &step), cases[i].error);
        check_cstr(step, cases[i].step);
    }
    check_int(close(null_fd), 0);
    check_int(waitpid(-1, NULL, WNOHANG), -1);
}

static int start_in(const char *path, const char *name, const char *cwd)
{
    const char *argv[] = {name, NULL};
    const char *own[] = {path, NULL};
    struct proc_spawn spawn = {.cgroup_fd = -1, .argv = argv, .envp = own, .cwd = cwd};
    struct proc proc;
    struct proc_exit exit;
    const char *step = NULL;
    int result = proc_spawn(&spawn, &proc, &step);
    if (result == 0) {
        wait_for(proc.pidfd);
        check_int(proc_reap(proc.pidfd, &exit), 0);
        check_int(exit.code, 0);
    }
    return result;
}

/* As execvp(3): the folders of PATH in order, an empty one is the working folder, and a program
 * that may not be run is not said to be missing. */
TEST(the_child_looks_for_its_program_in_its_own_path)
{
    static char longer[2 * 4096];
    char folder[] = "/tmp/muelle-test-XXXXXX", plain[64], path[128];
    check(mkdtemp(folder));
    snprintf(plain, sizeof(plain), "%s/only-here", folder);
    check_int(start_in("PATH=/nowhere:/usr/bin:/bin", "true", NULL), 0);
    check_int(start_in("HOME=/", "true", NULL), 0); /* no PATH at all */
    check_int(start_in("PATH=/nowhere", "true", NULL), -ENOENT);
    snprintf(longer, sizeof(longer), "PATH=/%0*d:/usr/bin:/bin", 4500, 0);
    check_int(start_in(longer, "true", NULL), 0);
    snprintf(path, sizeof(path), "PATH=%s:/nowhere", folder);
    int fd = open(plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    check(fd >= 0);
    check(write(fd, "#!/bin/true\n", 12) == 12);
    check_int(close(fd), 0);
    check_int(start_in(path, "only-here", NULL), -EACCES);
    check_int(chmod(plain, 0755), 0);
    check_int(start_in(path, "only-here", NULL), 0);
    check_int(start_in("PATH=/nowhere:", "only-here", folder), 0);
    check_int(start_in("PATH=:/nowhere", "only-here", folder), 0);
    check_int(unlink(plain), 0);
    check_int(rmdir(folder), 0);
}
