/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of trees of real processes, where no control group counts them.
 */
#include "harness/test.h"

#include "see/usage.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BALLAST = 24 * 1024 * 1024 };

static volatile char *ballast;

static void use_memory(void)
{
    ballast = malloc(BALLAST);
    for (size_t i = 0; ballast && i < BALLAST; i += 4096) {
        ballast[i] = 1;
    }
}

/* A process with a child and a grandchild that hold memory; `ready` says when all are there. */
static int start_tree(void)
{
    int ready[2];
    char byte;
    check(pipe(ready) == 0);
    int pid = fork();
    if (pid == 0) {
        for (int depth = 0; depth < 2 && fork() == 0; depth++) {
        }
        use_memory();
        (void)!write(ready[1], "x", 1);
        for (;;) {
            pause();
        }
    }
    check(pid > 0);
    for (int i = 0; i < 3; i++) {
        check(read(ready[0], &byte, 1) == 1);
    }
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void kill_all(const int *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)kill(pids[i], SIGKILL);
    }
    (void)waitpid(pids[0], NULL, 0);
}

TEST(the_whole_tree_counts_and_the_table_of_processes_is_read_once)
{
    struct usage_scan scan;
    struct usage usage = {0};
    int pids[16], later[16];
    int pid = start_tree();
    usage_scan_init(&scan, NULL);
    check_int(usage_pids(&scan, STR("t/p/s/1"), pid, pids, ARRAY_LEN(pids)), 3);
    check_int(pids[0], pid);
    check(usage_read(&scan, STR("t/p/s/1"), pid, &usage));
    check_int(usage.pids, 3);
    check(usage.memory_bytes > 3 * (uint64_t)BALLAST);
    check_int(usage_pids(&scan, STR_NONE, pid, pids, 2), 2); /* no more than there is room for */
    check_int(usage_pids(&scan, STR_NONE, pid, pids, 0), 0);
    size_t count = usage_pids(&scan, STR_NONE, pid, pids, ARRAY_LEN(pids));
    kill_all(pids, count);
    /* A scan says how it was; the next one does not find it. */
    check_int(usage_pids(&scan, STR_NONE, pid, later, ARRAY_LEN(later)), 3);
    check(usage_read(&scan, STR_NONE, pid, &usage));
    usage_scan_fini(&scan);
    usage_scan_init(&scan, NULL);
    check(!usage_read(&scan, STR_NONE, pid, &usage));
    usage_scan_fini(&scan);
}

TEST(of_no_process_nothing_is_known)
{
    struct usage_scan scan;
    struct usage usage;
    struct cgroup_root none = {.rung = CGROUP_NONE};
    usage_scan_init(&scan, &none);
    check(!usage_read(&scan, STR("t/p/s/1"), 0, &usage));
    check(!usage_read(&scan, STR("t/p/s/1"), -1, &usage));
    check(!scan.scanned); /* nobody needed it */
    check(!usage_read(&scan, STR("t/p/s/1"), 0x7ffffff0, &usage));
    usage_scan_fini(&scan);
}

/* A group that is not there (yet): the tree of the main process is read instead. */
TEST(a_group_that_cannot_be_read_is_replaced_by_the_tree)
{
    struct usage_scan scan;
    struct usage usage;
    struct cgroup_root root = {.rung = CGROUP_UNIFIED};
    (void)str_copy(root.path, sizeof(root.path), STR("/nowhere"));
    usage_scan_init(&scan, &root);
    check(usage_read(&scan, STR("t/p/s/1"), getpid(), &usage));
    check(usage.memory_bytes > 0 && usage.pids >= 1);
    usage_scan_fini(&scan);
}
