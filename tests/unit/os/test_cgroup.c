/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/cgroup.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

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
