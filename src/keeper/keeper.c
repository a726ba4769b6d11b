/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's start, its loop and its end. See keeper.h for what it is and private.h for its
 * parts.
 *
 * Start: lock → journal → control groups → socket → children and roles of the last keeper adopted →
 * missing roles started → a fresh journal → the first word to who started us → the loop, until
 * stop.c ends it → what we put into RUN removed. With --adopt-fd a role that outlived the last
 * keeper hands over what it holds by that channel; with --reexec we are that keeper ourselves.
 *
 * 1. Two keepers never work on one RUN: the lock is taken, or was handed down held, before anything
 *    there is read.
 * 2. All memory is in the one static struct, or made before the first word: nothing is allocated
 *    after it. Tables that are full are said (-ENOSPC).
 * 3. The journal stays as long as a service runs on: whoever comes next needs it.
 *
 * How it fails: before the first word only, with a sentence to who started us and in the log; exit
 * code 2 (called wrongly), 3 (locked), 1 (all else). After that nothing ends it but its end.
 */
#include "keeper/keeper.h"
#include "base/num.h"
#include "keeper/private.h"
#include "link/keeper_args.h"
#include "link/keeper_start.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/shm.h"
#include <signal.h>

#define KEEPER_AWAIT_NS (1000 * NS_PER_MS)

enum { KEEPER_EXIT_USAGE = 2, KEEPER_EXIT_LOCKED = 3 };

static struct keeper keeper_state; /* tens of MiB of which only what is used is ever touched */

static void keeper_on_child(struct loop_signal *signal)
{
    struct keeper *keeper = container_of(signal, struct keeper, child_signal);
    struct proc_exit how;
    int pid;
    /* Our own children are mostly reaped by their pidfds; here come the orphans of their trees,
     * which are ours as the subreaper, and whoever ended in the same turn. */
    while ((pid = proc_reap_any(&how)) > 0) {
        struct ward *ward = ward_by_pid(keeper, pid);
        if (ward) {
            child_ended(keeper, ward, &how);
        }
    }
}

static void keeper_on_term(struct loop_signal *signal)
{
    stop_begin(container_of(signal, struct keeper, term_signal), false);
}

/* Says why it cannot start, to who started us and in the log. */
static int keeper_fail(struct keeper *keeper, int error, const char *text)
{
    rolelog(ROLELOG_ERROR, "keeper", "%s: %s", text, strerror(-error));
    keeper_args_ready(&keeper->ready_fd, keeper->id, error, text);
    return error;
}

/* Control groups as the last keeper had them: its children are in there. */
static void keeper_groups(struct keeper *keeper, const struct keeper_args *args)
{
    bool known = keeper->cgroups.rung != CGROUP_NONE && file_exists(keeper->cgroups.path);
    if (!known && keeper->ward_top == 0) {
        cgroup_root_find(&keeper->cgroups, keeper->id, cgroup_rung_parse(args->rung));
    }
    const char *warning = cgroup_promise(&keeper->cgroups);
    if (warning) {
        rolelog(ROLELOG_WARNING, "keeper", "%s", warning);
    }
}

/* The core finds its figures' files by this. */
static void keeper_keep_groups(struct keeper *keeper)
{
    int fd = -1;
    if (shm_create_sealed("muelle-cgroups", JOURNAL_BYTES(&keeper->cgroups), &fd) == 0) {
        (void)!kept_put(keeper, STR("cgroups"), fd, NULL);
    }
}

static int keeper_open(struct keeper *keeper)
{
    int result = loop_init(&keeper->loop, entropy_seed());
    if (result < 0) {
        return result;
    }
    keeper->child_signal.received = keeper_on_child;
    keeper->term_signal.received = keeper_on_term;
    result = loop_signal_add(&keeper->loop, &keeper->child_signal, SIGCHLD);
    result = result < 0 ? result : loop_signal_add(&keeper->loop, &keeper->term_signal, SIGTERM);
    result = result < 0 ? result : proc_boot_id(keeper->journal.boot_id);
    keeper->message = dispatch;
    timer_init(&keeper->trim_timer, child_trim);
    timer_init(&keeper->sweep_timer, child_sweep);
    timer_init(&keeper->await_timer, child_await_over);
    stop_init(keeper);
    role_init(keeper, KEEPER_ROLE_CORE);
    role_init(keeper, KEEPER_ROLE_EDGE);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    (void)!proc_set_subreaper();
    proc_raise_nofile();
    return result;
}

static void keeper_adopt(struct keeper *keeper, const struct keeper_args *args)
{
    WARD_EACH (keeper, ward) {
        child_adopt(keeper, ward, args->adopt_fd >= 0);
    }
    if (args->adopt_fd >= 0) {
        loop_timer_after(&keeper->loop, &keeper->await_timer, KEEPER_AWAIT_NS);
        (void)peer_new(keeper, args->adopt_fd, args->adopt_role);
    }
    for (enum keeper_role role = KEEPER_ROLE_CORE; role <= KEEPER_ROLE_EDGE; role++) {
        struct proc_id last = keeper->roles[role].rec.proc;
        if (!role_adopt(keeper, role, &last)) {
            role_start(keeper, role);
        }
    }
    loop_timer_after(&keeper->loop, &keeper->trim_timer, NS_PER_S);
}

/* Services that run on need the journal. */
static void keeper_clean(struct keeper *keeper)
{
    char path[KEEPER_PATH_MAX];
    kept_unlink(keeper);
    keeper_run_path(keeper, "keeper.sock", path);
    (void)!file_unlink(path);
    if (ward_all_empty(keeper)) {
        cgroup_root_remove(&keeper->cgroups);
        keeper_start_clean(keeper->run_dir);
    }
}

static int keeper_run(struct keeper *keeper, const struct keeper_args *args)
{
    int result = keeper_open(keeper);
    if (result < 0) {
        return keeper_fail(keeper, result, "the loop cannot be made");
    }
    memory_load(keeper);
    keeper_groups(keeper, args);
    if (args->reexec) {
        result = reexec_load(keeper);
    } else {
        keeper_keep_groups(keeper);
        result = peer_listen(keeper, -1);
    }
    keeper->handed_count = 0;
    if (result < 0) {
        return keeper_fail(keeper, result, "keeper.sock cannot be made");
    }
    keeper_adopt(keeper, args);
    (void)journal_rewrite(&keeper->journal);
    keeper_args_ready(&keeper->ready_fd, keeper->id, 0, "");
    result = loop_run(&keeper->loop);
    keeper_clean(keeper);
    return result;
}

/* Nothing is held yet. False: a path is too long. */
static bool keeper_init(struct keeper *keeper, const struct keeper_args *args)
{
    keeper->lock = (struct lock)LOCK_INIT;
    keeper->ready_fd = args->ready_fd;
    keeper->listen_watch.fd = -1;
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        keeper->kept[i].fd = -1;
    }
    return str_copy(keeper->run_dir, sizeof(keeper->run_dir), str_from(args->run_dir)) &&
           str_copy(keeper->state_dir, sizeof(keeper->state_dir), str_from(args->state_dir)) &&
           str_copy(keeper->id, sizeof(keeper->id), str_from(args->id));
}

int keeper_main(int argc, char **argv)
{
    struct keeper *keeper = &keeper_state;
    struct keeper_args args;
    char text[KEEPER_TEXT_MAX];
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0) {
        return KEEPER_SELF_TEST_CODE;
    }
    if (!keeper_args_parse(argc, argv, &args)) {
        fprintf(stderr, "usage: muelle keeper --run-dir DIR --state-dir DIR --id ID\n");
        return KEEPER_EXIT_USAGE;
    }
    if (!keeper_init(keeper, &args)) {
        (void)keeper_fail(keeper, -ENAMETOOLONG, "the folder's path is too long");
        return KEEPER_EXIT_USAGE;
    }
    proc_title_set("muelle: keeper %s", keeper->id);
    int result = args.reexec ? 0 : keeper_args_lock(&args, &keeper->lock, text);
    if (result < 0) {
        (void)keeper_fail(keeper, result, text);
        return KEEPER_EXIT_LOCKED;
    }
    result = keeper_run(keeper, &args);
    loop_fini(&keeper->loop);
    lock_release(&keeper->lock);
    return result < 0 ? 1 : 0;
}
