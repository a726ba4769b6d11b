/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/cgroup.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct cgroup_root root;
static char instance[32];

static const char *const env[] = {"PATH=/usr/bin:/bin", "MUELLE_ID=test/one", NULL};

static void setup(enum cgroup_rung best)
{
    snprintf(instance, sizeof(instance), "test-%d", proc_own_pid());
    cgroup_root_find(&root, instance, best);
    if (best != CGROUP_NONE && root.rung == CGROUP_NONE) {
        test_skip("no control groups here");
    }
}

static void teardown(void)
{
    cgroup_root_remove(&root);
    check(!root.path[0] || !file_exists(root.path));
}

/* Starts `sh -c script` in the group. */
static struct proc start(struct str name, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct proc_spawn spawn = {.argv = argv, .envp = env, .cgroup_fd = -1, .new_session = true};
    int joins[CGROUP_V1_COUNT];
    check_int(cgroup_open(&root, name, &spawn.cgroup_fd), 0);
    spawn.join_count = cgroup_open_v1(&root, name, joins);
    memcpy(spawn.join_fds, joins, spawn.join_count * sizeof(int));
    struct proc proc;
    const char *step;
    check_int(proc_spawn(&spawn, &proc, &step), 0);
    for (size_t i = 0; i < spawn.join_count; i++) {
        file_close(&joins[i]);
    }
    file_close(&spawn.cgroup_fd);
    return proc;
}

static int count_pids(struct str name, int at_least)
{
    int pids[64];
    int count = 0;
    for (int i = 0; i < 400 && (count = cgroup_pids(&root, name, pids, 64)) < at_least; i++) {
        clock_sleep_ns(5 * NS_PER_MS);
    }
    return count;
}

static void wait_empty(struct str name)
{
    for (int i = 0; i < 2000 && cgroup_is_empty(&root, name) == 0; i++) {
        clock_sleep_ns(NS_PER_MS);
    }
    check_int(cgroup_is_empty(&root, name), 1);
}

static void reap(struct proc *proc)
{
    struct proc_exit exit;
    struct pollfd wait = {.fd = proc->pidfd, .events = POLLIN};
    check_int(poll(&wait, 1, 20000), 1);
    check_int(proc_reap(proc->pidfd, &exit), 0);
    file_close(&proc->pidfd);
}

TEST(a_group_holds_the_whole_tree_and_killing_it_leaves_nothing)
{
    setup(CGROUP_UNIFIED);
    struct str name = STR("default/shop/web/1");
    check_int(cgroup_create(&root, name, NULL), 0);
    int events = -1;
    check_int(cgroup_open_events(&root, name, &events), 0);
    struct proc proc =
        start(name, "trap '' TERM; for i in 1 2 3 4; do setsid sleep 60 & done; wait");
    check_int(count_pids(name, 5), 5);
    check_int(cgroup_is_empty(&root, name), 0);
    check_int(cgroup_remove(&root, name), -EBUSY);
    struct pollfd wait = {.fd = events, .events = POLLPRI};
    char text[128];
    check(file_pread(events, text, sizeof(text), 0) > 0); /* arms the notice */
    check_int(cgroup_kill(&root, name), 0);
    check_int(poll(&wait, 1, 20000), 1);
    reap(&proc);
    wait_empty(name);
    file_close(&events);
    check_int(cgroup_remove(&root, name), 0);
    check_int(cgroup_is_empty(&root, name), 1);
    teardown();
}

TEST(a_group_can_be_signalled_and_counted)
{
    setup(CGROUP_UNIFIED);
    struct str name = STR("a/b");
    check_int(cgroup_create(&root, name, NULL), 0);
    struct proc proc = start(name, "sleep 60 & sleep 60 & wait");
    check_int(count_pids(name, 3), 3);
    struct cgroup_stats stats;
    check_int(cgroup_stats(&root, name, &stats), 0);
    check(stats.pids_known && stats.pids == 3);
    check(stats.cpu_known);
    check(stats.memory_known);
    check_int(cgroup_signal(&root, name, SIGTERM), 3);
    reap(&proc);
    wait_empty(name);
    check_int(cgroup_remove(&root, name), 0);
    teardown();
}

TEST(limits_are_kept_by_the_kernel)
{
    setup(CGROUP_UNIFIED);
    if (!root.limits) {
        teardown();
        test_skip("controllers are not ours here");
    }
    struct str name = STR("limited");
    struct cgroup_limits limits = CGROUP_LIMITS_NONE;
    limits.pids = 3;
    limits.memory_bytes = 32 * MIB;
    limits.cpu_micros_per_s = 500000;
    check_int(cgroup_create(&root, name, &limits), 0);
    struct proc proc = start(name, "for i in 1 2 3 4 5 6; do sleep 60 & done; sleep 60");
    clock_sleep_ns(100 * NS_PER_MS);
    check(count_pids(name, 1) <= 3);
    check_int(cgroup_kill(&root, name), 0);
    reap(&proc);
    wait_empty(name);
    check_int(cgroup_remove(&root, name), 0);
    teardown();
}

TEST(names_cannot_climb_out_of_the_instances_folder)
{
    setup(CGROUP_UNIFIED);
    check_int(cgroup_create(&root, STR("../../evil"), NULL), 0);
    char path[CGROUP_PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/__/__/evil", root.path);
    check(file_exists(path));
    check_int(cgroup_remove(&root, STR("../../evil")), 0);
    check_int(cgroup_remove(&root, STR("never/made")), 0);
    teardown();
}

/* A service may be called what the kernel calls its files. */
TEST(names_of_the_kernels_files_are_groups_like_others)
{
    static const char *const names[] = {"shop/cgroup.kill/1", "shop/memory.max/1", "shop/tasks/1",
                                        "shop/_tasks/1", "cgroup.procs"};
    setup(CGROUP_SYSTEMD);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str name = str_from(names[i]);
        check_int(cgroup_create(&root, name, NULL), 0);
        struct proc proc = start(name, "exec sleep 60");
        for (size_t other = 0; other < ARRAY_LEN(names); other++) {
            bool same = other == i;
            check(same || cgroup_is_empty(&root, str_from(names[other])) == 1);
        }
        check_int(cgroup_is_empty(&root, name), 0);
        check_int(cgroup_kill(&root, name), 0);
        wait_empty(name);
        reap(&proc);
        check_int(cgroup_remove(&root, name), 0);
    }
    teardown();
}

static bool end_stray(int pid, void *arg)
{
    struct proc_stat stat;
    if (proc_stat(pid, &stat) == 0 && stat.parent == proc_own_pid()) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return true;
}

/* As subreaper we are the parent of what the test left. */
static void end_strays(void)
{
    check_int(proc_each(end_stray, NULL), 0);
}

TEST(without_groups_the_tree_is_found_by_its_mark_and_its_parents)
{
    setup(CGROUP_NONE);
    check_int(root.rung, CGROUP_NONE);
    check(cgroup_promise(&root) != NULL);
    check_int(cgroup_create(&root, STR("x"), NULL), 0);
    check_int(proc_set_subreaper(), 0);
    /* A double fork with its own session keeps nothing of its parent but the environment. */
    struct proc proc =
        start(STR("x"), "(setsid sleep 60 &) ; (setsid env -i sleep 60 &) ; exec sleep 60");
    int pids[16];
    int count = 0;
    for (int i = 0; i < 400 && count < 2; i++) {
        clock_sleep_ns(5 * NS_PER_MS);
        count = cgroup_find_marked(STR("MUELLE_ID=test/one"), proc.id.pid, pids, 16);
    }
    check(count >= 2); /* the one with a cleared environment is what this rung cannot promise */
    for (int round = 0; round < 400 && count > 0; round++) {
        for (int i = 0; i < count; i++) {
            kill(pids[i], SIGKILL);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        count = cgroup_find_marked(STR("MUELLE_ID=test/one"), proc.id.pid, pids, 16);
    }
    check_int(count, 0);
    file_close(&proc.pidfd);
    end_strays();
}

/* ---- what the kernel's files get and say, on plain files in their place ---- */

static char folder[64];

static void put(const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    check_int(file_replace(path, str_from(text), 0600), 0);
}

static void check_file(const char *file, const char *want)
{
    char path[256];
    cleanup(buf_fini) struct buf text = BUF_INIT(4096);
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    check_int(file_read_all(path, 4096, &text), 0);
    check_str(buf_str(&text), str_from(want));
}

/* A group `web` whose files are there and empty. */
static void plain_group(uint8_t rung, const char *const *files, size_t count)
{
    char path[256];
    snprintf(folder, sizeof(folder), "/tmp/muelle-cgroup-%d", proc_own_pid());
    snprintf(path, sizeof(path), "%s/web", folder);
    check_int(file_mkdir_p(path, 0700), 0);
    root = (struct cgroup_root){.rung = rung, .limits = true};
    str_copy(root.path, sizeof(root.path), str_from(folder));
    for (size_t i = 0; rung == CGROUP_HYBRID && i < CGROUP_V1_COUNT; i++) {
        str_copy(root.v1[i], sizeof(root.v1[i]), str_from(folder));
    }
    for (size_t i = 0; i < count; i++) {
        put(files[i], "");
    }
}

static const struct cgroup_limits some_limits = {.memory_bytes = 64 * MIB,
                                                 .memory_low_bytes = 16 * MIB,
                                                 .cpu_micros_per_s = 1500000,
                                                 .cpu_weight = 200,
                                                 .pids = 30};

TEST(limits_are_written_in_the_words_of_version_2)
{
    const char *const files[] = {"web/memory.max", "web/memory.low", "web/cpu.max",
                                 "web/cpu.weight", "web/pids.max"};
    plain_group(CGROUP_UNIFIED, files, ARRAY_LEN(files));
    check_int(cgroup_create(&root, STR("web"), &some_limits), 0);
    check_file("web/memory.max", "67108864");
    check_file("web/memory.low", "16777216");
    check_file("web/cpu.max", "150000 100000");
    check_file("web/cpu.weight", "200");
    check_file("web/pids.max", "30");
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        put(files[i], "");
    }
    struct cgroup_limits none = CGROUP_LIMITS_NONE;
    check_int(cgroup_set_limits(&root, STR("web"), &none), 0);
    check_file("web/memory.max", "max");
    check_file("web/cpu.max", "max 100000");
    check_file("web/pids.max", "max");
    check_file("web/memory.low", "");
    check_int(file_remove_tree(folder), 0);
}

TEST(limits_are_written_in_the_words_of_version_1)
{
    const char *const files[] = {"web/memory.limit_in_bytes", "web/cpu.cfs_quota_us",
                                 "web/cpu.shares", "web/pids.max"};
    plain_group(CGROUP_HYBRID, files, ARRAY_LEN(files));
    check_int(cgroup_set_limits(&root, STR("web"), &some_limits), 0);
    check_file("web/memory.limit_in_bytes", "67108864");
    check_file("web/cpu.cfs_quota_us", "150000");
    check_file("web/cpu.shares", "2048");
    check_file("web/pids.max", "30");
    memset(root.v1, 0, sizeof(root.v1));
    check_int(cgroup_set_limits(&root, STR("web"), &some_limits), -EOPNOTSUPP);
    root.limits = false;
    check_int(cgroup_set_limits(&root, STR("web"), &some_limits), -EOPNOTSUPP);
    struct cgroup_limits none = CGROUP_LIMITS_NONE;
    check_int(cgroup_set_limits(&root, STR("web"), &none), 0);
    check_int(file_remove_tree(folder), 0);
}

TEST(figures_are_read_from_the_files_of_version_2)
{
    struct cgroup_stats stats;
    plain_group(CGROUP_UNIFIED, NULL, 0);
    put("web/cpu.stat", "usage_usec 1500\nuser_usec 1000\nthrottled_usec 20\n");
    put("web/memory.current", "5000\n");
    put("web/memory.stat", "anon 100\ninactive_file 2000\n");
    put("web/memory.peak", "9000\n");
    put("web/memory.events", "low 0\noom 2\noom_kill 1\n");
    put("web/pids.current", "4\n");
    check_int(cgroup_stats(&root, STR("web"), &stats), 0);
    check_int(stats.cpu_ns, 1500000);
    check_int(stats.throttled_ns, 20000);
    check_int(stats.memory_bytes, 3000); /* what the kernel could drop at once does not count */
    check_int(stats.memory_peak_bytes, 9000);
    check_int(stats.oom_kills, 1);
    check_int(stats.pids, 4);
    check_int(file_remove_tree(folder), 0);
}

TEST(figures_are_read_from_the_files_of_version_1_where_2_has_none)
{
    struct cgroup_stats stats;
    plain_group(CGROUP_HYBRID, NULL, 0);
    put("web/cpu.stat", "usage_usec 1500\nthrottled_time 77\n");
    put("web/memory.usage_in_bytes", "5000\n");
    put("web/memory.stat", "total_inactive_file 9999\n");
    put("web/memory.max_usage_in_bytes", "9000\n");
    put("web/memory.oom_control", "oom_kill_disable 0\noom_kill 3\n");
    check_int(cgroup_stats(&root, STR("web"), &stats), 0);
    check_int(stats.memory_bytes, 0); /* never below nothing */
    check_int(stats.memory_peak_bytes, 9000);
    check_int(stats.oom_kills, 3);
    check_int(stats.throttled_ns, 77);
    check_int(file_remove_tree(folder), 0);
}

TEST(a_kernel_without_cgroup_kill_freezes_kills_and_thaws)
{
    char self[16];
    plain_group(CGROUP_UNIFIED, NULL, 0);
    check_int(cgroup_kill(&root, STR("gone")), 0); /* no such group */
    int pid = fork();
    if (pid == 0) {
        for (;;) {
            (void)pause();
        }
    }
    snprintf(self, sizeof(self), "%d\n", pid);
    put("web/cgroup.freeze", "");
    put("web/cgroup.procs", self);
    put("web/cgroup.events", "populated 1\nfrozen 0\n");
    check_int(cgroup_kill(&root, STR("web")), 0);
    check_file("web/cgroup.freeze", "0");
    int status = 0;
    check_int(waitpid(pid, &status, 0), pid);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    check_int(file_remove_tree(folder), 0);
}

TEST(without_groups_nothing_is_promised)
{
    struct cgroup_stats stats;
    int fd = 0, pids[4];
    root = (struct cgroup_root){.rung = CGROUP_NONE};
    check_int(cgroup_create(&root, STR("web"), NULL), 0);
    check_int(cgroup_open(&root, STR("web"), &fd), 0);
    check_int(fd, -1);
    check_int(cgroup_open_events(&root, STR("web"), &fd), -ENOTSUP);
    check_int(cgroup_is_empty(&root, STR("web")), -ENOTSUP);
    check_int(cgroup_freeze(&root, STR("web"), true), -ENOTSUP);
    check_int(cgroup_kill(&root, STR("web")), -ENOTSUP);
    check_int(cgroup_pids(&root, STR("web"), pids, 4), -ENOTSUP);
    check_int(cgroup_signal(&root, STR("web"), SIGTERM), -ENOTSUP);
    check_int(cgroup_stats(&root, STR("web"), &stats), -ENOTSUP);
    check_int(cgroup_remove(&root, STR("web")), 0);
}

TEST(a_name_beyond_the_longest_is_refused_everywhere)
{
    static char longer[4096];
    struct str name = str_make(longer, sizeof(longer) - 1);
    int fd = -1, pids[4];
    memset(longer, 'x', sizeof(longer) - 1);
    plain_group(CGROUP_UNIFIED, NULL, 0);
    check_int(cgroup_create(&root, name, NULL), -EINVAL);
    check_int(cgroup_open(&root, name, &fd), -ENAMETOOLONG);
    check_int(cgroup_open_events(&root, name, &fd), -ENAMETOOLONG);
    check_int(cgroup_pids(&root, name, pids, 4), -ENAMETOOLONG);
    check_int(cgroup_freeze(&root, name, true), -ENAMETOOLONG);
    check_int(cgroup_remove(&root, name), -ENAMETOOLONG);
    check_int(cgroup_set_limits(&root, name, &some_limits), -ENAMETOOLONG);
    check_int(file_remove_tree(folder), 0);
}
