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
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/shm.h"
#include "os/user.h"
#include <signal.h>
#include <stdarg.h>

#define KEEPER_AWAIT_NS (1000 * NS_PER_MS)
#define KEEPER_STOP_NS  (10 * NS_PER_S)

enum { KEEPER_EXIT_USAGE = 2, KEEPER_EXIT_LOCKED = 3 };

struct keeper_args {
    const char *run_dir;
    const char *state_dir;
    const char *id;
    const char *rung; /* the best control group rung to try, for tests */
    int lock_fd;
    int ready_fd;
    int adopt_fd;
    int reexec_fd; /* we are the same process, executed anew */
    enum keeper_role adopt_role;
};

static struct keeper keeper_state; /* tens of MiB of which only what is used is ever touched */

void keeper_log(const struct keeper *keeper, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fprintf(stderr, "muelle: keeper: %s\n", text);
}

void keeper_run_path(const struct keeper *keeper, const char *name, char ret[KEEPER_PATH_MAX])
{
    snprintf(ret, KEEPER_PATH_MAX, "%s/%s", keeper->run_dir, name);
}

static bool keeper_all_empty(const struct keeper *keeper)
{
    for (size_t i = 0; i < keeper->ward_top; i++) {
        if (keeper->wards[i].used && !keeper->wards[i].empty) {
            return false;
        }
    }
    return true;
}

void keeper_stop_step(struct keeper *keeper)
{
    if (keeper->stopping == KEEPER_STOP_SERVICES && keeper_all_empty(keeper)) {
        keeper->stopping = KEEPER_STOP_ROLES;
        role_stop(keeper, KEEPER_ROLE_CORE);
        role_stop(keeper, KEEPER_ROLE_EDGE);
    }
    if (keeper->stopping == KEEPER_STOP_ROLES && !keeper->roles[KEEPER_ROLE_CORE].up &&
        !keeper->roles[KEEPER_ROLE_EDGE].up) {
        keeper->stopping = KEEPER_STOPPED;
        loop_stop(&keeper->loop);
    }
}

void keeper_stop(struct keeper *keeper, bool kill_services)
{
    if (keeper->stopping) {
        return;
    }
    /* The roles must not take our end for a crash and bring us back. */
    keeper->roles[KEEPER_ROLE_CORE].wanted = false;
    keeper->roles[KEEPER_ROLE_EDGE].wanted = false;
    keeper->stopping = KEEPER_STOP_SERVICES;
    if (!kill_services) {
        keeper->stopping = KEEPER_STOP_ROLES;
        role_stop(keeper, KEEPER_ROLE_CORE);
        role_stop(keeper, KEEPER_ROLE_EDGE);
    }
    for (size_t i = 0; kill_services && i < keeper->ward_top; i++) {
        if (keeper->wards[i].used && !keeper->wards[i].empty) {
            ward_kill(keeper, &keeper->wards[i]);
        }
    }
    loop_timer_after(&keeper->loop, &keeper->stop_timer, KEEPER_STOP_NS);
    keeper_stop_step(keeper);
}

/* Something does not die (in the kernel, on a dead disk): the end comes all the same and is
 * said. */
static void keeper_stop_late(struct timer *timer, int64_t now_ns)
{
    struct keeper *keeper = container_of(timer, struct keeper, stop_timer);
    for (size_t i = 0; i < keeper->ward_top; i++) {
        const struct ward *ward = &keeper->wards[i];
        if (ward->used && !ward->empty && keeper->stopping == KEEPER_STOP_SERVICES) {
            keeper_log(keeper, "%s (pid %d) does not end", ward->id, ward->proc.pid);
        }
    }
    if (keeper->stopping == KEEPER_STOP_SERVICES) {
        keeper->stopping = KEEPER_STOP_ROLES;
        role_stop(keeper, KEEPER_ROLE_CORE);
        role_stop(keeper, KEEPER_ROLE_EDGE);
        loop_timer_after(&keeper->loop, timer, KEEPER_STOP_NS);
        keeper_stop_step(keeper);
        return;
    }
    loop_stop(&keeper->loop);
}

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
            ward_ended(keeper, ward, &how);
        }
    }
}

static void keeper_on_term(struct loop_signal *signal)
{
    keeper_stop(container_of(signal, struct keeper, term_signal), false);
}

static bool keeper_parse(int argc, char **argv, struct keeper_args *ret)
{
    *ret = (struct keeper_args){.lock_fd = -1, .ready_fd = -1, .adopt_fd = -1, .reexec_fd = -1};
    for (int i = 0; i + 1 < argc; i++) {
        struct str name = str_from(argv[i]);
        const char *value = argv[i + 1];
        uint64_t number = 0;
        bool is_number = num_parse_u64(str_from(value), &number) == 0 && number < 1024;
        if (str_is(name, "--run-dir")) {
            ret->run_dir = value;
        } else if (str_is(name, "--state-dir")) {
            ret->state_dir = value;
        } else if (str_is(name, "--id")) {
            ret->id = value;
        } else if (str_is(name, "--cgroups")) {
            ret->rung = value;
        } else if (str_is(name, "--lock-fd") && is_number) {
            ret->lock_fd = (int)number;
        } else if (str_is(name, "--ready-fd") && is_number) {
            ret->ready_fd = (int)number;
        } else if (str_is(name, "--adopt-fd") && is_number) {
            ret->adopt_fd = (int)number;
        } else if (str_is(name, "--reexec-fd") && is_number) {
            ret->reexec_fd = (int)number;
        } else if (str_is(name, "--adopt-role")) {
            ret->adopt_role = str_is(STR("edge"), value) ? KEEPER_ROLE_EDGE : KEEPER_ROLE_CORE;
        }
    }
    return ret->run_dir && ret->state_dir && ret->id;
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
    if (args->lock_fd >= 0) {
        lock_adopt(&keeper->lock, args->lock_fd);
        return 0;
    }
    keeper_run_path(keeper, "keeper.lock", path);
    int holder = 0;
    int result = lock_take(&keeper->lock, path, &holder);
    char text[KEEPER_TEXT_MAX];
    if (result == LOCK_E_HELD) {
        snprintf(text, sizeof(text), "a keeper runs for this instance already (pid %d)", holder);
        keeper_tell_ready(keeper, -EALREADY, text);
        keeper_log(keeper, "%s", text);
        return -EALREADY;
    }
    if (result < 0) {
        snprintf(text, sizeof(text), "%s: %s", "keeper.lock", strerror(-result));
        keeper_tell_ready(keeper, result, text);
    }
    return result;
}

static enum cgroup_rung keeper_best_rung(const char *name)
{
    for (enum cgroup_rung rung = CGROUP_NONE; name && rung <= CGROUP_SYSTEMD; rung++) {
        if (str_is(str_from(name), cgroup_rung_name(rung))) {
            return rung;
        }
    }
    return CGROUP_SYSTEMD;
}

/* Control groups as the last keeper had them: its children are in there. */
static void keeper_groups(struct keeper *keeper, const struct keeper_args *args)
{
    bool known = keeper->cgroups.rung != CGROUP_NONE && file_exists(keeper->cgroups.path);
    bool children = keeper->ward_top > 0;
    if (!known && !children) {
        const char *rung = args->rung ? args->rung : getenv("MUELLE_CGROUPS");
        cgroup_root_find(&keeper->cgroups, keeper->id, keeper_best_rung(rung));
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

static int keeper_open(struct keeper *keeper, const struct keeper_args *args)
{
    int result = loop_init(&keeper->loop, entropy_seed());
    if (result < 0) {
        return result;
    }
    keeper->child_signal.received = keeper_on_child;
    keeper->term_signal.received = keeper_on_term;
    result = loop_signal_add(&keeper->loop, &keeper->child_signal, SIGCHLD);
    if (result == 0) {
        result = loop_signal_add(&keeper->loop, &keeper->term_signal, SIGTERM);
    }
    if (result == 0) {
        result = proc_boot_id(keeper->boot_id);
    }
    timer_init(&keeper->trim_timer, output_trim);
    timer_init(&keeper->sweep_timer, ward_sweep);
    timer_init(&keeper->await_timer, ward_await_over);
    timer_init(&keeper->stop_timer, keeper_stop_late);
    timer_init(&keeper->journal_timer, journal_retry);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    (void)!proc_set_subreaper();
    proc_raise_nofile();
    role_init(keeper, KEEPER_ROLE_CORE);
    role_init(keeper, KEEPER_ROLE_EDGE);
    return result;
}

static void keeper_adopt(struct keeper *keeper, const struct keeper_args *args)
{
    bool handover = args->adopt_fd >= 0;
    for (size_t i = 0; i < keeper->ward_top; i++) {
        if (keeper->wards[i].used) {
            ward_adopt(keeper, &keeper->wards[i], handover);
        }
    }
    if (handover) {
        loop_timer_after(&keeper->loop, &keeper->await_timer, KEEPER_AWAIT_NS);
        (void)peer_new(keeper, args->adopt_fd, args->adopt_role);
    }
    for (enum keeper_role role = KEEPER_ROLE_CORE; role <= KEEPER_ROLE_EDGE; role++) {
        struct proc_id last = keeper->roles[role].proc;
        if (!role_adopt(keeper, role, &last)) {
            role_start(keeper, role);
        }
    }
    loop_timer_after(&keeper->loop, &keeper->trim_timer, NS_PER_S);
}

/* Removes what we put into RUN. Services that run on need the journal. */
static void keeper_clean(struct keeper *keeper)
{
    static const char *const names[] = {"keeper.sock", "keeper.journal", "core.lock",
                                        "core.sock",   "core.problem",   "admin.sock",
                                        "edge.lock",   "token",          "keeper.lock"};
    bool all = keeper_all_empty(keeper);
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
    int result = keeper_open(keeper, args);
    if (result < 0) {
        keeper_tell_ready(keeper, result, strerror(-result));
        return result;
    }
    journal_load(keeper);
    keeper_groups(keeper, args);
    if (args->reexec_fd >= 0) {
        result = reexec_load(keeper, args->reexec_fd);
    } else {
        keeper_keep_groups(keeper);
        result = peer_listen(keeper);
    }
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
    journal_rewrite(keeper);
    keeper_tell_ready(keeper, 0, "");
    result = loop_run(&keeper->loop);
    keeper_clean(keeper);
    return result;
}

int keeper_main(int argc, char **argv)
{
    struct keeper *keeper = &keeper_state;
    struct keeper_args args;
    if (argc == 2 && str_is(STR("--self-test"), argv[1])) {
        return KEEPER_SELF_TEST_CODE; /* the loader found all that this binary needs */
    }
    if (!keeper_parse(argc, argv, &args)) {
        fprintf(stderr, "usage: muelle keeper --run-dir DIR --state-dir DIR --id ID\n");
        return KEEPER_EXIT_USAGE;
    }
    keeper->lock = (struct lock)LOCK_INIT;
    keeper->ready_fd = args.ready_fd;
    keeper->journal_fd = -1;
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        keeper->kept[i].fd = -1;
    }
    if (!str_copy(keeper->run_dir, sizeof(keeper->run_dir), str_from(args.run_dir)) ||
        !str_copy(keeper->state_dir, sizeof(keeper->state_dir), str_from(args.state_dir)) ||
        !str_copy(keeper->id, sizeof(keeper->id), str_from(args.id))) {
        keeper_tell_ready(keeper, -ENAMETOOLONG, "the folder's path is too long");
        return KEEPER_EXIT_USAGE;
    }
    proc_title_set("muelle: keeper %s", keeper->id);
    int result = args.reexec_fd >= 0 ? 0 : keeper_lock(keeper, &args);
    if (result < 0) {
        return KEEPER_EXIT_LOCKED;
    }
    result = keeper_run(keeper, &args);
    loop_fini(&keeper->loop);
    lock_release(&keeper->lock);
    return result < 0 ? 1 : 0;
}
