/* SPDX-License-Identifier: Apache-2.0
 *
 * Which control groups this machine offers: see cgroup.h.
 *
 * /proc/self/mountinfo says where the trees are, /proc/self/cgroup where we are in each (proc(5),
 * cgroups(7)). Whether a folder can really be used is found out by making it and opening its
 * cgroup.procs for writing: rights, read-only mounts in containers and delegation have too many
 * forms to be predicted. Octal escapes of mount points are not undone: nobody mounts these trees at
 * a path with a blank, and a wrong path is merely one that cannot be used.
 *
 * Order: root tries the top of the version 2 tree, where controllers can be handed down (a group
 * with processes in it may not do that: "no internal processes"); others stay where they were put.
 * How it fails: one rung lower; what a lower rung cannot do is said by cgroup_promise, never
 * silently.
 */
#include "os/cgroup_private.h"
#include "os/cgroup_systemd.h"
#include "os/file.h"
#include "os/user.h"

struct cgroup_mounts {
    char v2[CGROUP_PATH_MAX];
    char v2_own[CGROUP_PATH_MAX]; /* our place below v2 */
    char v1[CGROUP_V1_COUNT][CGROUP_PATH_MAX];
    char v1_own[CGROUP_V1_COUNT][CGROUP_PATH_MAX];
};

static const char *const cgroup_v1_names[CGROUP_V1_COUNT] = {
    [CGROUP_V1_MEMORY] = "memory",
    [CGROUP_V1_CPU] = "cpu",
    [CGROUP_V1_PIDS] = "pids",
    [CGROUP_V1_CPUACCT] = "cpuacct",
};

/* Is `word` one of the comma-separated `list`? */
static bool cgroup_list_has(struct str list, const char *word)
{
    struct str item;
    while (list.len > 0) {
        str_split(list, ',', &item, &list);
        if (str_is(item, word)) {
            return true;
        }
    }
    return false;
}

/* "36 35 98:0 /root /mount/point opts … - type source superopts" (proc(5)). */
static void cgroup_mount_line(struct cgroup_mounts *mounts, struct str line)
{
    struct str word = STR_NONE;
    struct str point = STR_NONE;
    struct str rest = line;
    for (int i = 0; i < 5; i++) {
        str_split(rest, ' ', &word, &rest);
        point = word;
    }
    ptrdiff_t dash = str_find(rest, STR(" - "));
    if (dash < 0) {
        return;
    }
    struct str type;
    rest = str_skip(rest, (size_t)dash + 3);
    str_split(rest, ' ', &type, &rest);
    if (str_is(type, "cgroup2")) {
        str_copy(mounts->v2, sizeof(mounts->v2), point);
        return;
    }
    if (!str_is(type, "cgroup")) {
        return;
    }
    str_split(rest, ' ', &word, &rest); /* source */
    for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
        if (cgroup_list_has(rest, cgroup_v1_names[i])) {
            str_copy(mounts->v1[i], sizeof(mounts->v1[i]), point);
        }
    }
}

/* "4:memory:/path" and "0::/path". */
static void cgroup_own_line(struct cgroup_mounts *mounts, struct str line)
{
    struct str number;
    struct str controllers;
    struct str path;
    str_split(line, ':', &number, &line);
    str_split(line, ':', &controllers, &path);
    if (str_is(path, "/")) {
        path = STR("");
    }
    if (str_is(number, "0")) {
        str_copy(mounts->v2_own, sizeof(mounts->v2_own), path);
        return;
    }
    for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
        if (cgroup_list_has(controllers, cgroup_v1_names[i])) {
            str_copy(mounts->v1_own[i], sizeof(mounts->v1_own[i]), path);
        }
    }
}

static void cgroup_each_line(const char *path, struct cgroup_mounts *mounts,
                             void (*each)(struct cgroup_mounts *mounts, struct str line))
{
    struct buf text = BUF_INIT(1024 * 1024);
    if (file_read_all(path, 1024 * 1024 - 1, &text) == 0) {
        struct str rest = buf_str(&text);
        while (rest.len > 0) {
            struct str line;
            str_split(rest, '\n', &line, &rest);
            each(mounts, line);
        }
    }
    buf_fini(&text);
}

/* Makes "MOUNT/OWN/muelle-ID" and proves that it may be used; else leaves ret empty. A folder that
 * was made and cannot be used stays: it is empty, and another start of ours may have better
 * luck. */
static bool cgroup_try_folder(char ret[CGROUP_PATH_MAX], const char *mount, const char *own,
                              const char *instance_id)
{
    int len = snprintf(ret, CGROUP_PATH_MAX, "%s%s/muelle-%s", mount, own, instance_id);
    bool fits = len > 0 && len < CGROUP_PATH_MAX;
    if (!mount[0] || !fits || (file_mkdir(ret, 0755) < 0 && !file_exists(ret))) {
        ret[0] = '\0';
        return false;
    }
    int fd = -1;
    char procs[CGROUP_FILE_PATH_MAX];
    bool usable = cgroup_path(procs, ret, STR_NONE, "cgroup.procs") &&
                  file_open(procs, FILE_WRITE, 0, &fd) == 0;
    file_close(&fd);
    if (!usable) {
        ret[0] = '\0';
    }
    return usable;
}

static bool cgroup_try_v2(struct cgroup_root *root, const struct cgroup_mounts *mounts,
                          const char *instance_id)
{
    /* Root takes the top, where controllers may be handed down; others stay where they are put. */
    bool at_top = user_own_uid() == 0 && cgroup_try_folder(root->path, mounts->v2, "", instance_id);
    if (!at_top && !cgroup_try_folder(root->path, mounts->v2, mounts->v2_own, instance_id)) {
        return false;
    }
    char parent[CGROUP_PATH_MAX];
    str_copy(parent, sizeof(parent), str_from(root->path));
    *strrchr(parent, '/') = '\0';
    root->limits = cgroup_enable(parent, STR_NONE) && cgroup_enable(root->path, STR_NONE);
    return true;
}

static bool cgroup_try_v1(struct cgroup_root *root, const struct cgroup_mounts *mounts,
                          const char *instance_id)
{
    for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
        if (!cgroup_try_folder(root->v1[i], mounts->v1[i], mounts->v1_own[i], instance_id)) {
            cgroup_try_folder(root->v1[i], mounts->v1[i], "", instance_id);
        }
    }
    return root->v1[CGROUP_V1_MEMORY][0] && root->v1[CGROUP_V1_CPU][0] &&
           root->v1[CGROUP_V1_PIDS][0];
}

void cgroup_root_find(struct cgroup_root *root, const char *instance_id, enum cgroup_rung best)
{
    memset(root, 0, sizeof(*root));
    root->rung = CGROUP_NONE;
    if (best >= CGROUP_SYSTEMD && cgroup_systemd_scope(root, instance_id) == 0) {
        root->rung = CGROUP_SYSTEMD;
        return;
    }
    if (best == CGROUP_NONE) {
        return;
    }
    struct cgroup_mounts *mounts = calloc(1, sizeof(*mounts));
    if (!mounts) {
        return;
    }
    cgroup_each_line("/proc/self/mountinfo", mounts, cgroup_mount_line);
    cgroup_each_line("/proc/self/cgroup", mounts, cgroup_own_line);
    if (cgroup_try_v2(root, mounts, instance_id)) {
        root->rung = CGROUP_UNIFIED;
        bool has_v1 = mounts->v1[CGROUP_V1_MEMORY][0] != '\0';
        if (!root->limits && has_v1) {
            root->rung = CGROUP_HYBRID;
            root->limits = cgroup_try_v1(root, mounts, instance_id);
        }
    }
    free(mounts);
}

void cgroup_root_remove(const struct cgroup_root *root)
{
    if (root->path[0]) {
        (void)!file_rmdir(root->path);
    }
    for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
        if (root->v1[i][0]) {
            (void)!file_rmdir(root->v1[i]);
        }
    }
}

const char *cgroup_rung_name(enum cgroup_rung rung)
{
    static const char *const names[] = {
        [CGROUP_NONE] = "none",
        [CGROUP_HYBRID] = "hybrid",
        [CGROUP_UNIFIED] = "unified",
        [CGROUP_SYSTEMD] = "systemd",
    };
    return (size_t)rung < ARRAY_LEN(names) ? names[rung] : "unknown";
}

enum cgroup_rung cgroup_rung_parse(const char *name)
{
    for (enum cgroup_rung rung = CGROUP_NONE; name && rung <= CGROUP_SYSTEMD; rung++) {
        if (str_is(str_from(name), cgroup_rung_name(rung))) {
            return rung;
        }
    }
    return CGROUP_SYSTEMD;
}

const char *cgroup_promise(const struct cgroup_root *root)
{
    if (root->rung == CGROUP_NONE) {
        return "no control groups can be made here: limits do not work, and a stopped service's "
               "process that "
               "left its session and cleared its environment may stay";
    }
    return root->limits ? NULL
                        : "control groups work, but memory, CPU and process limits do not: the "
                          "controllers are "
                          "not delegated to us";
}
