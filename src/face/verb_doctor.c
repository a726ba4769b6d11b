/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor: looks at this machine and says, line by line, what works and what cannot be promised
 * here, with what to do about it. Each check is a row of a table; it needs no instance.
 *
 *   ok        as promised
 *   warning   it works, with a promise less (which one is said)
 *   error     muelle will not run here, or not from this folder: exit code 1
 *
 * A check changes nothing: the control group that it tries is removed again.
 *
 *   check        asks                        weak or broken below
 *   kernel       /proc/sys/kernel/osrelease  5.4 (pidfd) · 6.15 (exit codes of adopted processes)
 *   cgroups      the rungs of os/cgroup      what cannot be promised without a group of one's own
 *   state_dir    statfs                      a network (locks, power cuts) · 256 MiB free
 *   run_dir      XDG_RUNTIME_DIR             a path so long that no socket fits
 *   open_files   RLIMIT_NOFILE               4096
 *   watches      inotify                     16384
 *   user         uid                         root alone may start services as others
 *   instance     the keeper                  a role that is missing
 *   records      the core                    requests or lines that left no record, as counted
 *   traffic      the core                    what was under way in an edge that was killed
 */
#include "base/num.h"
#include "face/session.h"
#include "face/show.h"
#include "face/verbs.h"
#include "os/cgroup.h"
#include "os/file.h"
#include "os/proc.h"
#include "os/sock.h"
#include "os/user.h"
#include "role.h"

/* In order of weight: the worst of all decides the exit code. */
enum verdict { FINE, WEAK, BROKEN };

struct finding {
    enum verdict verdict;
    char what[256]; /* with the figure that was found */
    char todo[256]; /* "": nothing can be done, or need be */
};

static void set(struct finding *f, enum verdict verdict, const char *todo, const char *fmt, ...)
    printf_like(4, 5);
static void set(struct finding *f, enum verdict verdict, const char *todo, const char *fmt, ...)
{
    va_list args;

    f->verdict = verdict;
    va_start(args, fmt);
    vsnprintf(f->what, sizeof(f->what), fmt, args);
    va_end(args);
    str_copy(f->todo, sizeof(f->todo), str_from(todo));
}

static void read_line(const char *path, char *ret, size_t size)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(4 * KIB);
    struct str line = STR_NONE;
    struct str rest = STR_NONE;

    if (file_read_all(path, 4 * KIB - 1, &text) == 0) {
        str_split(buf_str(&text), '\n', &line, &rest);
    }
    str_copy(ret, size, str_trim_ws(line));
}

/* 5.4: pidfd_open is 5.3, waiting by it (P_PIDFD) 5.4. 6.15: PIDFD_GET_INFO gives exit codes to who
 * is no parent. */
static void check_kernel(struct session *s, struct finding *f)
{
    char release[64];
    struct str head = STR_NONE;
    struct str rest = STR_NONE;
    struct str minor_text = STR_NONE;
    uint64_t major = 0;
    uint64_t minor = 0;

    read_line("/proc/sys/kernel/osrelease", release, sizeof(release));
    str_split(str_from(release), '.', &head, &rest);
    str_split(rest, '.', &minor_text, &rest);
    if (num_parse_u64(head, &major) < 0 || num_parse_u64(minor_text, &minor) < 0) {
        set(f, WEAK, "", "kernel version '%s' is not understood", release);
    } else if (major < 5 || (major == 5 && minor < 4)) {
        set(f, BROKEN, "use Linux 5.4 or newer (pidfd)", "kernel %s is too old", release);
    } else if (major < 6 || (major == 6 && minor < 15)) {
        set(f, WEAK, "Linux 6.15 tells the exit status of adopted processes",
            "kernel %s: after a crash of the keeper, exit codes of running services are not known",
            release);
    } else {
        set(f, FINE, "", "kernel %s", release);
    }
}

/* Tries what the core would try, down the rungs, and says which promise the reached one cannot
 * keep.
 */
static void check_cgroups(struct session *s, struct finding *f)
{
    struct cgroup_root root;
    const char *promise;

    cgroup_root_find(&root, "doctor", CGROUP_SYSTEMD);
    promise = cgroup_promise(&root);
    cgroup_root_remove(&root);
    if (root.rung == CGROUP_NONE) {
        set(f, WEAK, "run as root, or under systemd with a user session",
            "control groups: none: %s", promise ? promise : "");
    } else if (promise) {
        set(f, WEAK, "", "control groups: %s: %s", cgroup_rung_name(root.rung), promise);
    } else {
        set(f, FINE, "", "control groups: %s", cgroup_rung_name(root.rung));
    }
}

/* Locks and fdatasync of a network file system promise other things than those of a disk. */
static void check_state_dir(struct session *s, struct finding *f)
{
    struct file_system fs;
    struct str folder = str_from(s->state_dir);
    char path[SESSION_PATH_MAX];

    /* The folder may not be there yet: look at the nearest one that is. */
    str_copy(path, sizeof(path), folder);
    while (!file_exists(path) && folder.len > 1) {
        ptrdiff_t slash = str_rfind_char(folder, '/');
        folder = str_slice(folder, 0, (size_t)MAX(slash, (ptrdiff_t)1));
        str_copy(path, sizeof(path), folder);
    }
    if (file_system_of(path, &fs) < 0) {
        set(f, BROKEN, "check its permissions", "state folder %s cannot be looked at",
            s->state_dir);
    } else if (fs.network) {
        set(f, BROKEN, "choose a local folder with --state-dir",
            "state folder lies on a network file system (%s)", fs.name);
    } else if (fs.free_bytes < 256 * MIB) {
        cleanup(buf_fini) struct buf free_text = BUF_INIT(64);
        num_format_bytes(&free_text, fs.free_bytes);
        set(f, WEAK, "make room", "only %s free for the state folder", buf_cstr(&free_text));
    } else {
        set(f, FINE, "", "state folder on %s", fs.name);
    }
}

/* 107 bytes hold a unix address (unix(7)); 37 of them are ours: /muelle/ID/keeper.sock and a
 * reserve.
 */
static void check_run_dir(struct session *s, struct finding *f)
{
    const char *base = getenv("XDG_RUNTIME_DIR");

    if (base && *base && strlen(base) > 70) {
        set(f, BROKEN, "set XDG_RUNTIME_DIR to a shorter path",
            "XDG_RUNTIME_DIR is too long: socket paths end at 107 bytes");
    } else if (base && *base && !file_exists(base)) {
        set(f, WEAK, "log in anew, or unset XDG_RUNTIME_DIR", "XDG_RUNTIME_DIR %s does not exist",
            base);
    } else {
        set(f, FINE, "", "run folder below %s", base && *base ? base : "/run or /tmp");
    }
}

/* Each replica costs some descriptors (output, pidfd), each connection two. */
static void check_files(struct session *s, struct finding *f)
{
    uint64_t limit = proc_raise_nofile();

    if (limit < 4096) {
        set(f, WEAK, "raise it: ulimit -Hn 65536", "only %llu open files allowed",
            (unsigned long long)limit);
    } else {
        set(f, FINE, "", "%llu open files allowed", (unsigned long long)limit);
    }
}

static void check_watches(struct session *s, struct finding *f)
{
    char text[32];
    uint64_t count = 0;

    read_line("/proc/sys/fs/inotify/max_user_watches", text, sizeof(text));
    if (num_parse_u64(str_from(text), &count) < 0) {
        set(f, WEAK, "", "watching files: the kernel does not tell its limit");
    } else if (count < 16384) {
        set(f, WEAK, "sysctl fs.inotify.max_user_watches=131072", "only %s folders can be watched",
            text);
    } else {
        set(f, FINE, "", "%s folders can be watched", text);
    }
}

static void check_user(struct session *s, struct finding *f)
{
    char name[64];
    uint32_t uid = user_own_uid();

    user_name(uid, name, sizeof(name));
    if (uid == 0) {
        set(f, FINE, "", "user root: services may run as other users (user:)");
    } else {
        set(f, FINE, "", "user %s: services run as this user; ports below 1024 need rights", name);
    }
}

/* A role that is away at this moment is mostly back in the next; twice in a row is worth a look. */
static void check_instance(struct session *s, struct finding *f)
{
    struct role_report report;

    if (!role_instance_exists(s->state_dir)) {
        set(f, FINE, "", "no instance runs in %s", s->state_dir);
    } else if (role_ask_keeper(s->state_dir, &report) < 0 || report.core_pid == 0 ||
               report.edge_pid == 0) {
        set(f, WEAK, "see muelle.log in the state folder", "the instance in %s misses a role",
            s->state_dir);
    } else {
        set(f, FINE, "", "an instance runs: keeper %d, core %d, edge %d", report.keeper_pid,
            report.core_pid, report.edge_pid);
    }
}

static int64_t figure(const struct client_answer *answer, const char *part, const char *name)
{
    return jdoc_i64(jdoc_get(answer->doc, part), name, 0);
}

/* The figures of the instance; false: nobody can be asked for them. The answer is to be ended. */
static bool ask_figures(struct session *s, struct client_answer *answer)
{
    const struct client_request request = {.method = "GET", .target = "/api/metrics"};

    return role_instance_exists(s->state_dir) && !session_connect(s, true) &&
           !session_call(s, &request, answer);
}

/* Records are dropped when the core is away for long, or the disk full; then they are counted. */
static void check_records(struct session *s, struct finding *f)
{
    struct client_answer answer = {0};

    if (!ask_figures(s, &answer)) {
        set(f, FINE, "", "records of requests: no core to ask");
        client_answer_fini(&answer);
        return;
    }
    long long ring = figure(&answer, "edge", "records_dropped");
    long long disk = figure(&answer, "logs", "access_records_dropped");
    long long file = figure(&answer, "logs", "access_records_unwritten");
    if (ring + disk + file == 0) {
        set(f, FINE, "", "records of requests: none was lost");
    } else {
        bool file_only = ring + disk == 0;
        set(f, WEAK,
            file_only ? "a folder that is there and can be written to: gateway.access_log.file, "
                        "'muelle.log' in the state folder says what failed"
                      : "room on the disk, or fewer records: gateway.access_log.sample",
            "records of requests that were lost: %lld as the core was away or slow, %lld as the "
            "disk was full, %lld in the file of gateway.access_log only",
            ring, disk, file);
    }
    client_answer_fini(&answer);
}

/* Since the instance began: an edge that was killed took with it what it carried. */
static void check_traffic(struct session *s, struct finding *f)
{
    struct client_answer answer = {0};

    if (!ask_figures(s, &answer)) {
        set(f, FINE, "", "requests under way: no core to ask");
        client_answer_fini(&answer);
        return;
    }
    long long requests = figure(&answer, "edge", "requests_lost");
    long long tunnels = figure(&answer, "edge", "tunnels_lost");
    if (requests + tunnels == 0) {
        set(f, FINE, "", "requests under way: none was lost with an edge since the counters began");
    } else {
        set(f, WEAK,
            "'muelle events' says when (role.restarted), 'muelle.log' in the state folder of what "
            "it died",
            "lost with an edge that was killed or broke: %lld requests under way, %lld tunnels",
            requests, tunnels);
    }
    client_answer_fini(&answer);
}

static const struct {
    const char *name;
    void (*run)(struct session *s, struct finding *f);
} checks[] = {
    {"kernel", check_kernel},   {"cgroups", check_cgroups},   {"state_dir", check_state_dir},
    {"run_dir", check_run_dir}, {"open_files", check_files},  {"watches", check_watches},
    {"user", check_user},       {"instance", check_instance}, {"records", check_records},
    {"traffic", check_traffic},
};
static const char *const verdict_names[] = {"ok", "warning", "error"};

static void add_json(struct json_writer *w, const char *name, const struct finding *f)
{
    json_begin_object(w);
    json_field(w, "check", cstr, name);
    json_field(w, "verdict", cstr, verdict_names[f->verdict]);
    json_field(w, "what", cstr, f->what);
    json_field(w, "hint", cstr, f->todo);
    json_end_object(w);
}

static void add_line(struct buf *out, const struct term *term, const struct finding *f)
{
    static const enum term_style styles[] = {TERM_GREEN, TERM_AMBER, TERM_CORAL};
    static const char *const marks[] = {"●", "◐", "✕"};

    term_style(out, term, styles[f->verdict], str_from(marks[f->verdict]));
    buf_printf(out, " %s\n", f->what);
    if (f->todo[0]) {
        buf_printf(out, "    %s\n", f->todo);
    }
}

/* All checks, whatever the first ones say: they are asked when something is wrong already. */
static int doctor_run(struct session *s)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(256 * KIB);
    struct json_writer w = JSON_WRITER(&out);
    enum verdict worst = FINE;

    if (s->json) {
        json_begin_array(&w);
    }
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        struct finding f = {0};
        checks[i].run(s, &f);
        worst = MAX(worst, f.verdict);
        if (s->json) {
            add_json(&w, checks[i].name, &f);
        } else {
            add_line(&out, &s->out, &f);
        }
    }
    if (s->json) {
        json_end_array(&w);
        show_json(s, &out);
    } else {
        term_write(&s->out, buf_str(&out));
    }
    return worst == BROKEN ? CLI_FAILED : CLI_OK;
}

int verb_doctor(const struct cli_args *args)
{
    struct session s;
    int r = session_init(&s, args);

    r = r ? r : doctor_run(&s);
    session_fini(&s);
    return r;
}
