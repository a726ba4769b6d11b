/* SPDX-License-Identifier: Apache-2.0
 *
 * Instances from outside. STATE/run is a link to the RUN folder that the instance was started
 * with, so that every shell finds it, whatever its XDG_RUNTIME_DIR; whether something lives there
 * is asked of the locks, which the kernel drops with their holders.
 */
#include "role.h"
#include "base/num.h"
#include "core/instance.h"
#include "link/keeper.h"
#include "link/keeper_start.h"
#include "os/chan.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/proc.h"
#include "os/user.h"
#include <unistd.h>

#define ANSWER_NS (1 * NS_PER_S)
#define START_NS  (15 * NS_PER_S)

enum { PATH_MAX_STATE = 1024 };

/* ---- folders ---- */

/* A folder of ours alone: a name in /tmp that somebody else made first must not be used. */
static int make_private(const char *path)
{
    struct file_stat stat;
    int r = file_mkdir_p(path, 0700);

    r = r < 0 ? r : file_lstat(path, &stat);
    if (r < 0) {
        return r;
    }
    return stat.kind == FILE_KIND_DIRECTORY && stat.uid == user_own_uid() ? 0 : -EPERM;
}

/* The first of the three places that can be had; unix sockets need a short path. Root's own comes
 * first for root: its edge runs as nobody, who cannot pass /run/user/0. */
static int make_run_dir(const char *id, char *ret, size_t size)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    bool root = user_own_uid() == 0;
    char paths[3][PATH_MAX_STATE] = {"", "", ""};
    int r = -ENOENT;

    if (root) {
        snprintf(paths[0], sizeof(paths[0]), "/run/muelle/%s", id);
        if (file_mkdir_p("/run/muelle", 0711) == 0) {
            (void)!file_chmod("/run/muelle", 0711);
        }
    }
    if (base && base[0] == '/') {
        snprintf(paths[1], sizeof(paths[1]), "%s/muelle/%s", base, id);
    }
    snprintf(paths[2], sizeof(paths[2]), "/tmp/muelle-%u/%s", user_own_uid(), id);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (paths[i][0] && strlen(paths[i]) < size && (r = make_private(paths[i])) == 0) {
            str_copy(ret, size, str_from(paths[i]));
            return 0;
        }
    }
    return r;
}

/* STATE/run leads to RUN, and RUN/state says back whose it is. */
static int link_run_dir(const char *state_dir, const char *run_dir)
{
    char path[PATH_MAX_STATE];
    int r;

    snprintf(path, sizeof(path), "%s/state", run_dir);
    r = file_replace(path, str_from(state_dir), 0600);
    if (r < 0) {
        return r;
    }
    snprintf(path, sizeof(path), "%s/run", state_dir);
    r = file_unlink(path);
    r = r == -ENOENT ? 0 : r;
    return r < 0 ? r : file_symlink(run_dir, path);
}

static const char *const role_locks[ROLE_COUNT] = {"keeper.lock", "core.lock", "edge.lock"};

/* Whether the lock is held; *ret_pid by whom, 0 when that is not known. */
static bool lock_held(const char *run_dir, const char *name, int *ret_pid)
{
    char path[PATH_MAX_STATE];

    *ret_pid = 0;
    snprintf(path, sizeof(path), "%s/%s", run_dir, name);
    return lock_probe(path, ret_pid) == 1;
}

static bool any_lock_held(const char *run_dir)
{
    int pid;

    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (lock_held(run_dir, role_locks[i], &pid)) {
            return true;
        }
    }
    return false;
}

/* RUN/state names the state folder, for when that was removed under a running instance. */
static bool is_run_dir_of(const char *run_dir, const char *state_dir)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(PATH_MAX_STATE);
    char path[PATH_MAX_STATE];

    snprintf(path, sizeof(path), "%s/state", run_dir);
    return file_read_all(path, PATH_MAX_STATE, &text) == 0 && str_is(buf_str(&text), state_dir) &&
           any_lock_held(run_dir);
}

/* Looks through the run folders below `base`. */
static bool search_run_dirs(const char *base, const char *state_dir, char *ret, size_t size)
{
    struct file_dir dir;
    enum file_kind kind;
    const char *name;
    bool found = false;

    if (file_dir_open(&dir, base) < 0) {
        return false;
    }
    while (!found && (name = file_dir_next(&dir, &kind)) != NULL) {
        found =
            snprintf(ret, size, "%s/%s", base, name) < (int)size && is_run_dir_of(ret, state_dir);
    }
    file_dir_close(&dir);
    return found;
}

static int find_lost(const char *state_dir, char *ret, size_t size)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    char paths[2][PATH_MAX_STATE];

    snprintf(paths[0], sizeof(paths[0]), "%s/muelle", base && base[0] == '/' ? base : "/run");
    snprintf(paths[1], sizeof(paths[1]), "/tmp/muelle-%u", user_own_uid());
    bool found = (user_own_uid() == 0 && search_run_dirs("/run/muelle", state_dir, ret, size)) ||
                 search_run_dirs(paths[0], state_dir, ret, size) ||
                 search_run_dirs(paths[1], state_dir, ret, size);
    return found ? 0 : -ENOENT;
}

/* A copy of a state folder has the identity of the one it was copied from, whose run folder must
 * not be taken for its own. RUN/state tells: it names another folder, and that still has its
 * instance.json (else this one was only moved). Its path in *other. */
static bool is_copy(const char *run_dir, const char *state_dir, struct buf *other)
{
    char path[PATH_MAX_STATE + 32];
    struct file_stat mine, its;

    snprintf(path, sizeof(path), "%s/state", run_dir);
    if (file_read_all(path, PATH_MAX_STATE - 1, other) < 0 || other->len == 0) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/instance.json", buf_cstr(other));
    if (file_stat(path, &its) < 0) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/instance.json", state_dir);
    return file_stat(path, &mine) == 0 && (mine.device != its.device || mine.inode != its.inode);
}

int role_find_run_dir(const char *state_dir, char *ret, size_t size)
{
    cleanup(buf_fini) struct buf other = BUF_INIT(PATH_MAX_STATE);
    cleanup(buf_fini) struct buf real = BUF_INIT(ROLE_PATH_MAX);
    char path[PATH_MAX_STATE];
    struct file_stat stat;
    int r;

    snprintf(path, sizeof(path), "%s/run", state_dir);
    r = file_real_path(path, &real);
    if (r < 0) {
        /* A link that leads nowhere is that of an instance which ended in order. */
        bool linked = file_lstat(path, &stat) == 0;
        return linked || find_lost(state_dir, ret, size) < 0 ? r : 0;
    }
    if (!str_copy(ret, size, buf_str(&real))) {
        return -ENAMETOOLONG;
    }
    return is_copy(ret, state_dir, &other) ? -ENOENT : 0;
}

bool role_instance_exists(const char *state_dir)
{
    char run_dir[ROLE_PATH_MAX];

    return role_find_run_dir(state_dir, run_dir, sizeof(run_dir)) == 0 && any_lock_held(run_dir);
}

bool role_state_is_lost(const char *state_dir)
{
    char path[PATH_MAX_STATE];

    snprintf(path, sizeof(path), "%s/instance.json", state_dir);
    return !file_exists(path);
}

void role_watch_open(const char *state_dir, struct role_watch *ret)
{
    char run_dir[ROLE_PATH_MAX];
    int found = role_find_run_dir(state_dir, run_dir, sizeof(run_dir));

    for (size_t i = 0; i < ROLE_COUNT; i++) {
        struct proc_id id = {0};
        ret->pidfds[i] = -1;
        if (found == 0 && lock_held(run_dir, role_locks[i], &id.pid) && id.pid > 0 &&
            proc_start_time(id.pid, &id.start_time) == 0 && proc_open(&id, &ret->pidfds[i]) < 0) {
            ret->pidfds[i] = -1;
        }
    }
}

void role_watch_close(struct role_watch *watch)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        file_close(&watch->pidfds[i]);
    }
}

bool role_watch_over(const struct role_watch *watch)
{
    struct proc_exit ignored;

    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (watch->pidfds[i] >= 0 && proc_reap(watch->pidfds[i], &ignored) == -EAGAIN) {
            return false;
        }
    }
    return true;
}

/* Four lines: what, where, expected, hint; the code stands in front of the first. */
bool role_core_problem(const char *state_dir, struct problem *ret)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(sizeof(struct problem) + 16);
    char run_dir[ROLE_PATH_MAX];
    char path[ROLE_PATH_MAX + 16];
    struct str rest;
    struct str lines[5] = {0};

    if (role_find_run_dir(state_dir, run_dir, sizeof(run_dir)) < 0) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/core.problem", run_dir);
    if (file_read_all(path, sizeof(struct problem), &text) < 0) {
        return false;
    }
    rest = buf_str(&text);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        str_split(rest, '\n', &lines[i], &rest);
    }
    problem_set(ret, "core.start", STR_FMT, STR_ARG(lines[1]));
    str_copy(ret->code, sizeof(ret->code), lines[0]);
    problem_where(ret, STR_FMT, STR_ARG(lines[2]));
    problem_expected(ret, STR_FMT, STR_ARG(lines[3]));
    problem_hint(ret, STR_FMT, STR_ARG(lines[4]));
    return lines[1].len > 0;
}

/* ---- speaking to the keeper ---- */

static int keeper_connect(const char *state_dir, int *ret_fd)
{
    char run_dir[ROLE_PATH_MAX];
    char path[ROLE_PATH_MAX + 16];
    int r = role_find_run_dir(state_dir, run_dir, sizeof(run_dir));

    if (r < 0) {
        return r;
    }
    snprintf(path, sizeof(path), "%s/keeper.sock", run_dir);
    return chan_connect(path, ret_fd);
}

static int keeper_send(int fd, enum keeper_type type, uint32_t serial, uint64_t a)
{
    struct keeper_msg msg;

    keeper_msg_init(&msg, type, STR_NONE);
    msg.serial = serial;
    msg.role = KEEPER_ROLE_TOOL;
    msg.a = a;
    return chan_send_blocking(fd, &msg, sizeof(msg), NULL, 0);
}

static int keeper_receive(int fd, struct keeper_msg *msg, int64_t timeout_ns)
{
    size_t fd_count = 0;
    int64_t n = chan_recv_blocking(fd, msg, sizeof(*msg), NULL, &fd_count, timeout_ns);

    if (n <= 0) {
        return n < 0 ? (int)n : -ECONNRESET;
    }
    return keeper_msg_valid(msg, (size_t)n) ? 0 : -EPROTO;
}

static void note(struct role_report *report, const struct keeper_msg *msg)
{
    if (msg->type == KEEPER_HELLO) {
        report->keeper_pid = (int)msg->a;
    } else if (msg->type == KEEPER_ROLE && msg->role == KEEPER_ROLE_CORE) {
        report->core_pid = (int)msg->a;
    } else if (msg->type == KEEPER_ROLE && msg->role == KEEPER_ROLE_EDGE) {
        report->edge_pid = (int)msg->a;
    } else if (msg->type == KEEPER_CHILD) {
        report->children += (msg->d & KEEPER_CHILD_RUNNING) != 0;
    }
}

/* Reads until the answer with that serial; notes all that comes on the way. *ret_a is the
 * answer's `a`. */
static int await(int fd, uint32_t serial, struct role_report *report, uint64_t *ret_a)
{
    for (;;) {
        struct keeper_msg msg;
        int r = keeper_receive(fd, &msg, ANSWER_NS);
        if (r < 0) {
            return r;
        }
        note(report, &msg);
        if (msg.serial == serial && msg.type != KEEPER_CHILD) {
            *ret_a = msg.a;
            return msg.error;
        }
    }
}

static unsigned count_threads(int pid)
{
    struct proc_stat stat;

    return pid > 0 && proc_stat(pid, &stat) == 0 ? stat.threads : 0;
}

/* The children come by pages: `a` of the answer is where the next one begins, 0 at the end. */
static int count_children(int fd, struct role_report *report)
{
    uint64_t at = 0;

    do {
        int r = keeper_send(fd, KEEPER_CHILDREN, 2, at);
        r = r < 0 ? r : await(fd, 2, report, &at);
        if (r < 0) {
            return r;
        }
    } while (at > 0);
    return 0;
}

int role_ask_keeper(const char *state_dir, struct role_report *ret)
{
    char run_dir[ROLE_PATH_MAX];
    uint64_t ignored;
    int fd = -1;
    int r = keeper_connect(state_dir, &fd);

    *ret = (struct role_report){0};
    r = r < 0 ? r : keeper_send(fd, KEEPER_HELLO, 1, 0);
    r = r < 0 ? r : await(fd, 1, ret, &ignored);
    r = r < 0 ? r : count_children(fd, ret);
    file_close(&fd);
    if (r == 0 && role_find_run_dir(state_dir, run_dir, sizeof(run_dir)) == 0) {
        ptrdiff_t slash = str_rfind_char(str_from(run_dir), '/'); /* RUN is named by the id */
        str_copy(ret->instance, sizeof(ret->instance),
                 str_skip(str_from(run_dir), (size_t)(slash + 1)));
    }
    ret->edge_threads = count_threads(ret->edge_pid);
    return r;
}

void role_kill_instance(const char *state_dir)
{
    struct role_report ignored = {0};
    uint64_t a;
    int fd = -1;
    int r = keeper_connect(state_dir, &fd);

    r = r < 0 ? r : keeper_send(fd, KEEPER_HELLO, 1, 0);
    r = r < 0 ? r : await(fd, 1, &ignored, &a);
    r = r < 0 ? r : keeper_send(fd, KEEPER_SHUTDOWN, 2, 1);
    /* The answer or the closed channel: either way it has been told. */
    if (r == 0) {
        (void)!await(fd, 2, &ignored, &a);
    }
    file_close(&fd);
}

/* ---- replacing ---- */

/* One request and its answer. */
static int keeper_ask(const char *state_dir, const struct keeper_msg *request,
                      struct role_report *ret)
{
    uint64_t ignored;
    int fd = -1;
    int r = keeper_connect(state_dir, &fd);

    r = r < 0 ? r : keeper_send(fd, KEEPER_HELLO, 1, 0);
    r = r < 0 ? r : await(fd, 1, ret, &ignored);
    r = r < 0 ? r : chan_send_blocking(fd, request, sizeof(*request), NULL, 0);
    r = r < 0 ? r : await(fd, request->serial, ret, &ignored);
    file_close(&fd);
    return r;
}

/* Does that process run this file? */
static bool runs(int pid, const char *binary)
{
    cleanup(buf_fini) struct buf real = BUF_INIT(PATH_MAX_STATE);
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    return file_real_path(path, &real) == 0 && str_is(buf_str(&real), binary);
}

int role_become(const char *state_dir, const char *binary, struct problem *problem)
{
    struct role_report report = {0};
    struct keeper_msg request;
    int64_t end = clock_mono_ns() + START_NS;

    keeper_msg_init(&request, KEEPER_REEXEC, str_from(binary));
    request.serial = 2;
    request.role = KEEPER_ROLE_TOOL;
    int r = strlen(binary) <= KEEPER_NAME_MAX ? keeper_ask(state_dir, &request, &report)
                                              : -ENAMETOOLONG;
    while (r == 0 &&
           !(role_ask_keeper(state_dir, &report) == 0 && runs(report.keeper_pid, binary))) {
        r = clock_mono_ns() < end ? 0 : -ETIMEDOUT;
        clock_sleep_ns(5 * NS_PER_MS);
    }
    if (r < 0) {
        problem_set(problem, "upgrade.keeper", "the keeper does not become this program: %s",
                    r == -ENOEXEC  ? "it is no muelle that runs here"
                    : r == -EACCES ? "it is no muelle binary, or may not be executed"
                                   : strerror(-r));
        problem_where(problem, "%s", binary);
        problem_expected(problem, "the binary of another version of muelle");
        problem_hint(problem, "all goes on as before");
    }
    return r;
}

static int pid_of(const struct role_report *report, enum role_kind kind)
{
    return kind == ROLE_CORE ? report->core_pid : report->edge_pid;
}

int role_replace(const char *state_dir, enum role_kind kind, int *ret_pid, struct problem *problem)
{
    struct role_report before = {0}, now = {0};
    struct keeper_msg request;
    int64_t end = clock_mono_ns() + START_NS;

    keeper_msg_init(&request, KEEPER_ROLE, STR_NONE);
    request.serial = 2;
    request.role = kind == ROLE_CORE ? KEEPER_ROLE_CORE : KEEPER_ROLE_EDGE;
    int r = role_ask_keeper(state_dir, &before);
    r = r < 0 ? r : keeper_ask(state_dir, &request, &now);
    while (r == 0) {
        bool known = role_ask_keeper(state_dir, &now) == 0;
        *ret_pid = pid_of(&now, kind);
        if (known && *ret_pid > 0 && *ret_pid != pid_of(&before, kind)) {
            return 0;
        }
        r = clock_mono_ns() < end ? 0 : -ETIMEDOUT;
        clock_sleep_ns(5 * NS_PER_MS);
    }
    problem_set(problem, "upgrade.role", "the %s is not replaced: %s",
                kind == ROLE_CORE ? "core" : "edge", strerror(-r));
    problem_where(problem, "%s/muelle.log", state_dir);
    problem_hint(problem, "'muelle status' shows what runs");
    return r;
}

/* ---- starting ---- */

static void start_problem(struct problem *problem, const char *state_dir, int error,
                          const char *what)
{
    problem_set(problem, "instance.start", "the instance cannot be started: %s: %s", what,
                strerror(-error));
    problem_where(problem, "%s", state_dir);
    problem_hint(problem, "see muelle.log in that folder, or run 'muelle doctor'");
}

/* Two who start at once must not choose different run folders: one after the other. */
static int take_start_lock(struct lock *lock, const char *state_dir)
{
    char path[PATH_MAX_STATE];
    int64_t end = clock_mono_ns() + START_NS;
    int pid = 0;
    int r;

    snprintf(path, sizeof(path), "%s/start.lock", state_dir);
    while ((r = lock_take(lock, path, &pid)) == LOCK_E_HELD && clock_mono_ns() < end) {
        clock_sleep_ns(5 * NS_PER_MS);
    }
    return r == LOCK_E_HELD ? -EBUSY : r;
}

void role_tidy(const char *state_dir)
{
    char path[PATH_MAX_STATE];
    struct file_stat stat;
    struct lock lock = LOCK_INIT;
    int pid = 0;

    snprintf(path, sizeof(path), "%s/start.lock", state_dir);
    if (file_stat(path, &stat) < 0 || lock_take(&lock, path, &pid) != 0) {
        return;
    }
    char link[PATH_MAX_STATE];
    snprintf(link, sizeof(link), "%s/run", state_dir);
    if (file_stat(link, &stat) == -ENOENT) { /* it leads nowhere any more */
        (void)!file_unlink(link);
        (void)!file_unlink(path);
        snprintf(path, sizeof(path), "/tmp/muelle-%u", user_own_uid());
        (void)!file_rmdir(path);
    }
    lock_release(&lock);
}

static int start_locked(struct instance *instance, const char *state_dir, struct problem *problem)
{
    cleanup(buf_fini) struct buf other = BUF_INIT(PATH_MAX_STATE);
    int r;

    if (role_instance_exists(state_dir)) {
        return 1;
    }
    r = make_run_dir(instance->id, instance->run_dir, sizeof(instance->run_dir));
    if (r < 0) {
        start_problem(problem, state_dir, r, "no folder for its sockets");
        return r;
    }
    if (is_copy(instance->run_dir, state_dir, &other)) {
        problem_set(problem, "state.copied",
                    "this state folder is a copy of that of another instance");
        problem_where(problem, "%s", state_dir);
        problem_hint(problem,
                     "the other is %s: end that one first, or remove this one to start anew here",
                     buf_cstr(&other));
        return -EEXIST;
    }
    r = link_run_dir(state_dir, instance->run_dir);
    if (r < 0) {
        start_problem(problem, state_dir, r, "writing to the state folder");
        return r;
    }
    const struct keeper_start start = {
        .run_dir = instance->run_dir, .state_dir = instance->state_dir, .id = instance->id};
    int pid = 0;
    return keeper_start(&start, &pid, problem); /* 1: somebody was faster; as good as ours */
}

int role_start_keeper(const char *state_dir, struct problem *problem)
{
    struct instance instance;
    struct lock lock = LOCK_INIT;
    int locked = file_mkdir_p(state_dir, 0700);
    int r;

    /* The lock comes before instance.json, which must not be read half-written. */
    locked = locked < 0 ? locked : take_start_lock(&lock, state_dir);
    r = instance_open(&instance, state_dir, problem);
    if (r == 0 && locked < 0) {
        start_problem(problem, state_dir, locked, "locking the state folder");
        r = locked;
    }
    r = r < 0 ? r : start_locked(&instance, state_dir, problem);
    lock_release(&lock);
    return r;
}
