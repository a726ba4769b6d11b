/* SPDX-License-Identifier: Apache-2.0
 *
 * Control groups: making, limiting, killing. Finding the tree: cgroup_find.c; figures:
 * cgroup_stats.c. See cgroup.h.
 *
 * Invariants:
 * 1. Every path is made by cgroup_path: it stays below the instance's folder, and no name of a
 *    service is one of the kernel's files (a group called "memory.max" could not be made, one
 *    called "cgroup.kill" would be written to).
 * 2. Version 1 is used for limits and figures only. Who belongs to a replica is what the version 2
 *    tree says, on every rung that has groups: one answer, and events for it.
 *
 * Happy path: cgroup_create → the child is born inside (proc_spawn.c, CLONE_INTO_CGROUP) →
 * cgroup.events tells that it is empty → cgroup_remove.
 * How it fails: a limit that cannot be set is an error of the start, since running without it would
 * break a promise; a group that cannot be removed yet is -EBUSY and asked for again.
 */
#include "base/num.h"
#include "os/cgroup_private.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include <signal.h>

enum { CGROUP_PIDS_MAX = 4096, CGROUP_KILL_ROUNDS = 20 };

/* Could the kernel have a file of that name in a group's folder? Those of version 2 begin with
 * "cgroup." or a controller and a dot, those of version 1 also have three plain names. "_" itself
 * counts, so that no two names become one (cgroup-v2.rst, "Avoid Name Collisions": no file of the
 * kernel begins with it). */
static bool cgroup_is_kernels(struct str part)
{
    static const char *const controllers[] = {
        "cgroup",  "memory",  "cpu",     "cpuset",     "cpuacct", "pids",
        "io",      "blkio",   "hugetlb", "perf_event", "rdma",    "misc",
        "devices", "freezer", "dmem",    "net_cls",    "irq",     "net_prio",
    };
    static const char *const plain[] = {"tasks", "notify_on_release", "release_agent"};
    struct str head, tail;
    bool dotted = str_split(part, '.', &head, &tail);
    bool found = part.len > 0 && part.p[0] == '_';
    for (size_t i = 0; i < ARRAY_LEN(controllers) && dotted; i++) {
        found |= str_is(head, controllers[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        found |= str_is(part, plain[i]);
    }
    return found;
}

/* One part of a name as a folder's. A dot only inside a word, since ".." must not climb. */
static void cgroup_add_part(struct buf *out, struct str part)
{
    if (cgroup_is_kernels(part)) {
        buf_add_char(out, '_');
    }
    for (size_t i = 0; i < part.len; i++) {
        char c = part.p[i];
        bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || (c == '.' && i > 0 && part.p[i - 1] != '.');
        buf_add_char(out, keep ? c : '_');
    }
}

bool cgroup_path(char ret[CGROUP_FILE_PATH_MAX], const char *base, struct str name,
                 const char *file)
{
    char space[CGROUP_FILE_PATH_MAX];
    struct buf path = BUF_ON(space);
    if (name.len > CGROUP_NAME_MAX || !base[0]) {
        return false;
    }
    buf_add_cstr(&path, base);
    for (bool more = name.len > 0; more;) {
        struct str part;
        more = str_split(name, '/', &part, &name);
        buf_add_char(&path, '/');
        cgroup_add_part(&path, part);
    }
    if (file[0]) {
        buf_add_char(&path, '/');
        buf_add_cstr(&path, file);
    }
    return buf_error(&path) == 0 && str_copy(ret, CGROUP_FILE_PATH_MAX, buf_str(&path));
}

struct str cgroup_read(const char *base, struct str name, const char *file, char *space,
                       size_t size)
{
    char path[CGROUP_FILE_PATH_MAX];
    int fd = -1;
    if (!cgroup_path(path, base, name, file) || file_open(path, FILE_READ, 0, &fd) < 0) {
        return STR_NONE;
    }
    int64_t n = file_pread(fd, space, size, 0);
    file_close(&fd);
    return str_make(space, n > 0 ? (size_t)n : 0);
}

int cgroup_write(const char *base, struct str name, const char *file, const char *text)
{
    char path[CGROUP_FILE_PATH_MAX];
    if (!cgroup_path(path, base, name, file)) {
        return -ENAMETOOLONG;
    }
    int fd = -1;
    int result = file_open(path, FILE_WRITE, 0, &fd);
    if (result == 0) {
        result = file_write(fd, text, strlen(text));
    }
    file_close(&fd);
    return result;
}

bool cgroup_line(struct str text, const char *key, uint64_t *ret)
{
    while (text.len > 0) {
        struct str line;
        struct str name;
        struct str value;
        str_split(text, '\n', &line, &text);
        str_split(line, ' ', &name, &value);
        if (str_is(name, key)) {
            return num_parse_u64(str_trim_ws(value), ret) == 0;
        }
    }
    return false;
}

bool cgroup_has_path(const char *base)
{
    return base[0] != '\0';
}

bool cgroup_enable(const char *base, struct str name)
{
    char space[256];
    static const char *const controllers[] = {"memory", "cpu", "pids"};
    for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
        char text[16];
        snprintf(text, sizeof(text), "+%s", controllers[i]);
        (void)!cgroup_write(base, name, "cgroup.subtree_control", text);
    }
    struct str on = cgroup_read(base, name, "cgroup.subtree_control", space, sizeof(space));
    for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
        if (str_find(on, str_from(controllers[i])) < 0) {
            return false;
        }
    }
    return true;
}

/* mkdir of every part of the name below `base`; controllers are handed down to all but the last. */
static int cgroup_make(const char *base, struct str name, bool enable)
{
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && name.p[i] != '/') {
            continue;
        }
        char path[CGROUP_FILE_PATH_MAX];
        struct str part = str_slice(name, 0, i);
        if (part.len == 0 || !cgroup_path(path, base, part, "")) {
            return -EINVAL;
        }
        int result = file_mkdir(path, 0755);
        if (result < 0 && result != -EEXIST) {
            return result;
        }
        if (enable && i < name.len) {
            cgroup_enable(base, part);
        }
    }
    return 0;
}

/* No limit at all is the usual case, and then nothing is written: the group begins without any. */
static bool cgroup_limits_any(const struct cgroup_limits *limits)
{
    return limits && (limits->memory_bytes != CGROUP_UNLIMITED || limits->memory_low_bytes ||
                      limits->cpu_micros_per_s != CGROUP_UNLIMITED || limits->cpu_weight ||
                      limits->pids != CGROUP_UNLIMITED);
}

int cgroup_create(const struct cgroup_root *root, struct str name,
                  const struct cgroup_limits *limits)
{
    if (root->rung == CGROUP_NONE) {
        return 0;
    }
    int result = cgroup_make(root->path, name, root->limits && root->rung != CGROUP_HYBRID);
    /* v1 folders only where there is a limit: moving a process into them costs milliseconds at its
     * start. */
    bool any = cgroup_limits_any(limits);
    for (size_t i = 0; result == 0 && any && i < CGROUP_V1_COUNT; i++) {
        if (cgroup_has_path(root->v1[i])) {
            result = cgroup_make(root->v1[i], name, false);
        }
    }
    return result == 0 && any ? cgroup_set_limits(root, name, limits) : result;
}

/* Writes a number, or the kernel's word for "no limit". */
static int cgroup_write_limit(const char *base, struct str name, const char *file, uint64_t value,
                              const char *unlimited)
{
    if (!cgroup_has_path(base)) {
        return value == CGROUP_UNLIMITED ? 0 : -EOPNOTSUPP;
    }
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return cgroup_write(base, name, file, value == CGROUP_UNLIMITED ? unlimited : text);
}

static int cgroup_limits_v1(const struct cgroup_root *root, struct str name,
                            const struct cgroup_limits *limits)
{
    int result = cgroup_write_limit(root->v1[CGROUP_V1_MEMORY], name, "memory.limit_in_bytes",
                                    limits->memory_bytes, "-1");
    uint64_t quota = limits->cpu_micros_per_s;
    if (quota != CGROUP_UNLIMITED) {
        quota = MAX(quota / 10, (uint64_t)1000); /* of the usual period of 100 ms */
    }
    if (result == 0) {
        result = cgroup_write_limit(root->v1[CGROUP_V1_CPU], name, "cpu.cfs_quota_us", quota, "-1");
    }
    if (result == 0 && limits->cpu_weight) {
        uint64_t shares = MAX(limits->cpu_weight * 1024 / 100, (uint64_t)2);
        result = cgroup_write_limit(root->v1[CGROUP_V1_CPU], name, "cpu.shares", shares, "1024");
    }
    if (result == 0) {
        result =
            cgroup_write_limit(root->v1[CGROUP_V1_PIDS], name, "pids.max", limits->pids, "max");
    }
    return result;
}

static int cgroup_limits_v2(const struct cgroup_root *root, struct str name,
                            const struct cgroup_limits *limits)
{
    int result = cgroup_write_limit(root->path, name, "memory.max", limits->memory_bytes, "max");
    if (result == 0 && limits->memory_low_bytes) {
        result = cgroup_write_limit(root->path, name, "memory.low", limits->memory_low_bytes, "0");
    }
    if (result == 0) {
        char text[48] = "max 100000";
        if (limits->cpu_micros_per_s != CGROUP_UNLIMITED) {
            snprintf(text, sizeof(text), "%llu 100000",
                     (unsigned long long)MAX(limits->cpu_micros_per_s / 10, (uint64_t)1000));
        }
        result = cgroup_write(root->path, name, "cpu.max", text);
    }
    if (result == 0 && limits->cpu_weight) {
        result = cgroup_write_limit(root->path, name, "cpu.weight", limits->cpu_weight, "100");
    }
    if (result == 0) {
        result = cgroup_write_limit(root->path, name, "pids.max", limits->pids, "max");
    }
    return result;
}

int cgroup_set_limits(const struct cgroup_root *root, struct str name,
                      const struct cgroup_limits *limits)
{
    if (!root->limits) {
        return cgroup_limits_any(limits) ? -EOPNOTSUPP : 0;
    }
    return root->rung == CGROUP_HYBRID ? cgroup_limits_v1(root, name, limits)
                                       : cgroup_limits_v2(root, name, limits);
}

int cgroup_open(const struct cgroup_root *root, struct str name, int *ret_fd)
{
    *ret_fd = -1;
    char path[CGROUP_FILE_PATH_MAX];
    if (root->rung == CGROUP_NONE) {
        return 0;
    }
    if (!cgroup_path(path, root->path, name, "")) {
        return -ENAMETOOLONG;
    }
    return file_open(path, FILE_READ | FILE_DIRECTORY, 0, ret_fd);
}

size_t cgroup_open_v1(const struct cgroup_root *root, struct str name, int fds[CGROUP_V1_COUNT])
{
    size_t count = 0;
    for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
        char path[CGROUP_FILE_PATH_MAX];
        if (cgroup_has_path(root->v1[i]) && cgroup_path(path, root->v1[i], name, "cgroup.procs") &&
            file_open(path, FILE_WRITE, 0, &fds[count]) == 0) {
            count++;
        }
    }
    return count;
}

int cgroup_open_events(const struct cgroup_root *root, struct str name, int *ret_fd)
{
    char path[CGROUP_FILE_PATH_MAX];
    if (root->rung == CGROUP_NONE) {
        return -ENOTSUP;
    }
    if (!cgroup_path(path, root->path, name, "cgroup.events")) {
        return -ENAMETOOLONG;
    }
    return file_open(path, FILE_READ, 0, ret_fd);
}

int cgroup_is_empty(const struct cgroup_root *root, struct str name)
{
    char space[256];
    char path[CGROUP_FILE_PATH_MAX];
    if (root->rung == CGROUP_NONE) {
        return -ENOTSUP;
    }
    struct str text = cgroup_read(root->path, name, "cgroup.events", space, sizeof(space));
    uint64_t populated;
    if (cgroup_line(text, "populated", &populated)) {
        return populated == 0;
    }
    return cgroup_path(path, root->path, name, "") && !file_exists(path) ? 1 : -EIO;
}

int cgroup_freeze(const struct cgroup_root *root, struct str name, bool freeze)
{
    if (root->rung == CGROUP_NONE) {
        return -ENOTSUP;
    }
    return cgroup_write(root->path, name, "cgroup.freeze", freeze ? "1" : "0");
}

int cgroup_pids(const struct cgroup_root *root, struct str name, int *pids, size_t max)
{
    char path[CGROUP_FILE_PATH_MAX];
    if (root->rung == CGROUP_NONE) {
        return -ENOTSUP;
    }
    if (!cgroup_path(path, root->path, name, "cgroup.procs")) {
        return -ENAMETOOLONG;
    }
    int fd = -1;
    int result = file_open(path, FILE_READ, 0, &fd);
    if (result < 0) {
        return result == -ENOENT ? 0 : result;
    }
    /* A stream of "PID\n", read by pieces: there may be thousands. */
    char piece[4096];
    int64_t n;
    uint32_t pid = 0;
    int count = 0;
    while ((n = file_read(fd, piece, sizeof(piece))) > 0) {
        for (int64_t i = 0; i < n; i++) {
            if (piece[i] >= '0' && piece[i] <= '9') {
                pid = pid * 10 + (uint32_t)(piece[i] - '0');
            } else if (pid > 0) {
                if ((size_t)count < max) {
                    pids[count] = (int)pid;
                }
                count++;
                pid = 0;
            }
        }
    }
    file_close(&fd);
    return n < 0 && n != -ENODEV ? (int)n : count;
}

int cgroup_signal(const struct cgroup_root *root, struct str name, int signum)
{
    /* The keeper's and the core's one thread each: no stack for it. Between reading a number and
     * sending to it the process may end and the number be given anew; only cgroup.kill has no such
     * moment, so a kill is tried that way first. */
    static int pids[CGROUP_PIDS_MAX];
    int count = cgroup_pids(root, name, pids, CGROUP_PIDS_MAX);
    int sent = 0;
    for (int i = 0; i < MIN(count, (int)CGROUP_PIDS_MAX); i++) {
        sent += kill(pids[i], signum) == 0;
    }
    return count < 0 ? count : sent;
}

int cgroup_kill(const struct cgroup_root *root, struct str name)
{
    if (root->rung == CGROUP_NONE) {
        return -ENOTSUP;
    }
    int result = cgroup_write(root->path, name, "cgroup.kill", "1");
    if (result != -ENOENT) {
        return result;
    }
    char path[CGROUP_FILE_PATH_MAX];
    if (!cgroup_path(path, root->path, name, "") || !file_exists(path)) {
        return 0; /* no such group: nothing to kill */
    }
    /* Before kernel 5.14: frozen processes cannot fork, so one round would do; freezing takes a
     * moment. */
    result = cgroup_freeze(root, name, true);
    for (int i = 0; i < CGROUP_KILL_ROUNDS && cgroup_is_empty(root, name) == 0; i++) {
        (void)!cgroup_signal(root, name, SIGKILL);
    }
    int thawed = cgroup_freeze(root, name, false);
    return result < 0 ? result : thawed;
}

/* Removes groups below a folder, then itself. They hold no files that could be removed. */
static int cgroup_remove_tree(const char *path, unsigned depth)
{
    int result = file_rmdir(path);
    if (result == 0 || result == -ENOENT) {
        return 0;
    }
    if (depth == 0 || result != -EBUSY) {
        return result;
    }
    struct file_dir dir;
    if (file_dir_open(&dir, path) < 0) {
        return result;
    }
    const char *child;
    enum file_kind kind;
    while ((child = file_dir_next(&dir, &kind))) {
        char below[CGROUP_FILE_PATH_MAX];
        int len = snprintf(below, sizeof(below), "%s/%s", path, child);
        if (kind == FILE_KIND_DIRECTORY && len > 0 && (size_t)len < sizeof(below)) {
            (void)!cgroup_remove_tree(below, depth - 1);
        }
    }
    file_dir_close(&dir);
    return file_rmdir(path);
}

/* Removes "BASE/name" and those of its parents that are empty then. */
static int cgroup_remove_under(const char *base, struct str name)
{
    char path[CGROUP_FILE_PATH_MAX];
    if (!cgroup_path(path, base, name, "")) {
        return -ENAMETOOLONG;
    }
    int result = cgroup_remove_tree(path, 8);
    ptrdiff_t slash;
    while (result == 0 && (slash = str_rfind_char(name, '/')) > 0) {
        name = str_slice(name, 0, (size_t)slash);
        if (!cgroup_path(path, base, name, "") || file_rmdir(path) < 0) {
            break;
        }
    }
    return result;
}

int cgroup_remove(const struct cgroup_root *root, struct str name)
{
    if (root->rung == CGROUP_NONE) {
        return 0;
    }
    for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
        if (cgroup_has_path(root->v1[i])) {
            (void)!cgroup_remove_under(root->v1[i], name);
        }
    }
    return cgroup_remove_under(root->path, name);
}
