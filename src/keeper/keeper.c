/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's start, its loop and its end. See keeper.h for what it is and private.h for its
 * parts.
 *
 * Start: lock → journal → control groups → children and roles of the last keeper adopted → socket →
 * missing roles started. With --adopt-fd a role that outlived the last keeper hands over what it
 * holds by that channel.
 *
 * End (SHUTDOWN, SIGTERM): trees killed if so ordered and empty → roles told to end → socket and
 * journal removed. Only SHUTDOWN with a = 1 stops services.
 */
#include "keeper/keeper.h"
#include "base/num.h"
#include "keeper/private.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/shm.h"
#include "os/user.h"
#include <signal.h>

#define KEEPER_AWAIT_NS (1000 * NS_PER_MS)

enum { KEEPER_EXIT_USAGE = 2, KEEPER_EXIT_LOCKED = 3 };

struct keeper_args {
    const char *run_dir;
    const char *state_dir;
    const char *id;
    const char *rung; /* the best control group rung to try, for tests */
    const char *lock_fd;
    const char *ready_fd;
    const char *adopt_fd;
    const char *adopt_role;
    const char *reexec; /* given: we are the same process, executed anew */
};

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

static bool keeper_parse(int argc, char **argv, struct keeper_args *ret)
{
    const struct {
        const char *name;
        const char **value;
    } table[] = {{"--run-dir", &ret->run_dir},
                 {"--state-dir", &ret->state_dir},
                 {"--id", &ret->id},
                 {"--cgroups", &ret->rung},
                 {"--lock-fd", &ret->lock_fd},
                 {"--ready-fd", &ret->ready_fd},
                 {"--adopt-fd", &ret->adopt_fd},
                 {"--adopt-role", &ret->adopt_role},
                 {"--reexec", &ret->reexec}};
    *ret = (struct keeper_args){0};
    for (int i = 0; i + 1 < argc; i++) {
        for (size_t k = 0; k < ARRAY_LEN(table); k++) {
            if (strcmp(argv[i], table[k].name) == 0) {
                *table[k].value = argv[i + 1];
            }
        }
    }
    return ret->run_dir && ret->state_dir && ret->id;
}

/* A descriptor that was handed down, or -1. */
static int keeper_parse_fd(const char *text)
{
    uint64_t fd;
    return text && num_parse_u64(str_from(text), &fd) == 0 && fd < 1024 ? (int)fd : -1;
}

/* Says to who started us whether we run: a HELLO with the pid, or an error with its text. */
static void keeper_tell_ready(struct keeper *keeper, int error, const char *text)
{
    if (keeper->ready_fd < 0) {
        return;
    }
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_HELLO, str_from(keeper->id));
    msg.error = error;
    msg.a = (uint64_t)proc_own_pid();
    str_copy(msg.text, sizeof(msg.text), str_from(text));
    (void)!chan_send_blocking(keeper->ready_fd, &msg, sizeof(msg), NULL, 0);
    file_close(&keeper->ready_fd);
}

static int keeper_lock(struct keeper *keeper, const struct keeper_args *args)
{
    char path[KEEPER_PATH_MAX];
    char text[KEEPER_TEXT_MAX];
    int holder = 0;
    if (args->lock_fd) {
        lock_adopt(&keeper->lock, keeper_parse_fd(args->lock_fd));
        return 0;
    }
    keeper_run_path(keeper, "keeper.lock", path);
    int result = lock_take(&keeper->lock, path, &holder);
    if (result == LOCK_E_HELD) {
        snprintf(text, sizeof(text), "a keeper runs for this instance already (pid %d)", holder);
        result = -EALREADY;
    } else if (result < 0) {
        snprintf(text, sizeof(text), "keeper.lock: %s", strerror(-result));
    }
    if (result < 0) {
        keeper_log(keeper, "%s", text);
        keeper_tell_ready(keeper, result, text);
    }
    return result;
}

/* Control groups as the last keeper had them: its children are in there. */
static void keeper_groups(struct keeper *keeper, const struct keeper_args *args)
{
    bool known = keeper->cgroups.rung != CGROUP_NONE && file_exists(keeper->cgroups.path);
    bool children = keeper->ward_top > 0;
    if (!known && !children) {
        const char *rung = args->rung ? args->rung : getenv("MUELLE_CGROUPS");
        cgroup_root_find(&keeper->cgroups, keeper->id, cgroup_rung_parse(rung));
    }
    const char *warning = cgroup_promise(&keeper->cgroups);
    if (warning) {
        keeper_log(keeper, "%s", warning);
    }
}

/* The core finds its figures' files by this. */
static void keeper_keep_groups(struct keeper *keeper)
{
    int fd = -1;
    struct str bytes = str_make((const char *)&keeper->cgroups, sizeof(keeper->cgroups));
    if (shm_create_sealed("muelle-cgroups", bytes, &fd) == 0) {
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
    result = result < 0 ? result : proc_boot_id(keeper->boot_id);
    keeper->message = dispatch;
    timer_init(&keeper->trim_timer, child_trim);
    timer_init(&keeper->sweep_timer, child_sweep);
    timer_init(&keeper->await_timer, child_await_over);
    timer_init(&keeper->journal_timer, journal_retry);
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
    struct ward *ward = NULL;
    while ((ward = ward_next(keeper, ward))) {
        child_adopt(keeper, ward, args->adopt_fd != NULL);
    }
    if (args->adopt_fd) {
        bool edge = args->adopt_role && strcmp(args->adopt_role, "edge") == 0;
        loop_timer_after(&keeper->loop, &keeper->await_timer, KEEPER_AWAIT_NS);
        (void)peer_new(keeper, keeper_parse_fd(args->adopt_fd),
                       edge ? KEEPER_ROLE_EDGE : KEEPER_ROLE_CORE);
    }
    for (enum keeper_role role = KEEPER_ROLE_CORE; role <= KEEPER_ROLE_EDGE; role++) {
        struct proc_id last = keeper->roles[role].rec.proc;
        if (!role_adopt(keeper, role, &last)) {
            role_start(keeper, role);
        }
    }
    loop_timer_after(&keeper->loop, &keeper->trim_timer, NS_PER_S);
}

/* Removes what we put into RUN. Services that run on need the journal. */
static void keeper_clean(struct keeper *keeper)
{
    static const char *const names[] = {"keeper.sock",  "keeper.journal", "core.lock", "core.sock",
                                        "core.problem", "admin.sock",     "edge.lock", "token",
                                        "state",        "keeper.lock"};
    bool all = ward_all_empty(keeper);
    kept_unlink(keeper);
    for (size_t i = 0; i < (all ? ARRAY_LEN(names) : 1); i++) {
        char path[KEEPER_PATH_MAX];
        keeper_run_path(keeper, names[i], path);
        (void)!file_unlink(path);
    }
    if (all) {
        cgroup_root_remove(&keeper->cgroups);
        (void)!file_rmdir(keeper->run_dir);
    }
}

static int keeper_run(struct keeper *keeper, const struct keeper_args *args)
{
    int result = keeper_open(keeper);
    if (result < 0) {
        keeper_tell_ready(keeper, result, strerror(-result));
        return result;
    }
    journal_load(keeper);
    keeper_groups(keeper, args);
    if (args->reexec) {
        result = reexec_load(keeper);
    } else {
        keeper_keep_groups(keeper);
        result = peer_listen(keeper);
    }
    keeper->handed_count = 0;
    if (result < 0) {
        keeper_log(keeper, "keeper.sock: %s", strerror(-result));
        keeper_tell_ready(keeper, result, "keeper.sock cannot be made");
        return result;
    }
    if (user_own_uid() == 0) {
        /* Root's edge is nobody and must reach the core's admin.sock; all else in there is 0600. */
        (void)!file_chmod(keeper->run_dir, 0711);
    }
    keeper_adopt(keeper, args);
    (void)journal_rewrite(keeper);
    keeper_tell_ready(keeper, 0, "");
    result = loop_run(&keeper->loop);
    keeper_clean(keeper);
    return result;
}

/* Nothing is held yet. False: a path is too long. */
static bool keeper_init(struct keeper *keeper, const struct keeper_args *args)
{
    keeper->lock = (struct lock)LOCK_INIT;
    keeper->ready_fd = keeper_parse_fd(args->ready_fd);
    keeper->journal.fd = -1;
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
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0) {
        return KEEPER_SELF_TEST_CODE; /* the loader found all that this binary needs */
    }
    if (!keeper_parse(argc, argv, &args)) {
        fprintf(stderr, "usage: muelle keeper --run-dir DIR --state-dir DIR --id ID\n");
        return KEEPER_EXIT_USAGE;
    }
    if (!keeper_init(keeper, &args)) {
        keeper_tell_ready(keeper, -ENAMETOOLONG, "the folder's path is too long");
        return KEEPER_EXIT_USAGE;
    }
    proc_title_set("muelle: keeper %s", keeper->id);
    if (!args.reexec && keeper_lock(keeper, &args) < 0) {
        return KEEPER_EXIT_LOCKED;
    }
    int result = keeper_run(keeper, &args);
    loop_fini(&keeper->loop);
    lock_release(&keeper->lock);
    return result < 0 ? 1 : 0;
}
