/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of processes from /proc (proc(5)): see proc_info.h. Everything read there is the
 * kernel's, but names and arguments are the process's own: bytes, not text to trust; control
 * characters become blanks before anybody prints them.
 *
 * How it fails: a process may end between any two reads; -ESRCH says that it is gone, while a lack
 * of descriptors or rights is an error of its own, since "gone" would be believed and acted on.
 */
#include "base/num.h"
#include "os/file.h"
#include "os/proc.h"
#include <limits.h>
#include <unistd.h>

/* Reads "/proc/PID/NAME" into `space`. 0, -ESRCH, -errno: without descriptors a process is not
 * gone. */
static int proc_read(int pid, const char *name, char *space, size_t size, struct str *ret)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    int fd = -1;
    int result = file_open(path, FILE_READ, 0, &fd);
    if (result < 0) {
        return result == -ENOENT ? -ESRCH : result;
    }
    size_t len = 0;
    int64_t n;
    while (len < size && (n = file_read(fd, space + len, size - len)) > 0) {
        len += (size_t)n;
    }
    file_close(&fd);
    *ret = str_make(space, len);
    return 0;
}

static uint64_t proc_field(struct str *rest)
{
    struct str word;
    str_split(*rest, ' ', &word, rest);
    int64_t value;
    return num_parse_i64(word, &value) == 0 ? (uint64_t)value : 0;
}

int proc_stat(int pid, struct proc_stat *ret)
{
    char space[1024];
    struct str text;
    int result = proc_read(pid, "stat", space, sizeof(space), &text);
    if (result < 0) {
        return result;
    }
    /* The name may hold anything, ")" and spaces too: it ends at the last parenthesis. */
    ptrdiff_t open = str_find_char(text, '(');
    ptrdiff_t close = str_rfind_char(text, ')');
    if (open < 0 || close < open) {
        return -ESRCH;
    }
    *ret = (struct proc_stat){0};
    str_copy(ret->name, sizeof(ret->name), str_slice(text, (size_t)open + 1, (size_t)close));
    struct str rest = str_trim_ws(str_skip(text, (size_t)close + 1));
    if (rest.len < 2) {
        return -ESRCH;
    }
    ret->state = rest.p[0];
    rest = str_skip(rest, 2);
    uint64_t fields[53] = {0}; /* index = number in proc(5) */
    for (size_t i = 4; i < ARRAY_LEN(fields); i++) {
        fields[i] = proc_field(&rest);
    }
    ret->parent = (int)fields[4];
    ret->session = (int)fields[6];
    uint64_t tick_ns = (uint64_t)NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
    ret->cpu_ns = (fields[14] + fields[15]) * tick_ns;
    ret->threads = (uint32_t)fields[20];
    ret->start_time = fields[22];
    ret->exit_status = (int)fields[52];
    ret->rss_bytes = fields[24] * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

int proc_start_time(int pid, uint64_t *ret)
{
    struct proc_stat stat;
    int result = proc_stat(pid, &stat);
    if (result == 0) {
        *ret = stat.start_time;
    }
    return result;
}

int proc_pss(int pid, uint64_t *ret_bytes)
{
    char space[4096];
    struct str text;
    int result = proc_read(pid, "smaps_rollup", space, sizeof(space), &text);
    if (result < 0) {
        return result;
    }
    ptrdiff_t at = str_find(text, STR("\nPss:"));
    if (at < 0) {
        return -ESRCH;
    }
    struct str rest = str_trim(str_skip(text, (size_t)at + 5));
    struct str word;
    str_split(rest, ' ', &word, &rest);
    uint64_t kib;
    result = num_parse_u64(word, &kib);
    if (result == 0) {
        *ret_bytes = kib * KIB;
    }
    return result;
}

/* Only its first 4 KiB: it is shown to people. Kernel threads have none (-ESRCH). */
int proc_command(int pid, struct buf *out)
{
    char space[4096];
    struct str text;
    int result = proc_read(pid, "cmdline", space, sizeof(space), &text);
    if (result < 0) {
        return result;
    }
    if (text.len == 0) {
        return -ESRCH;
    }
    while (text.len > 0 && text.p[text.len - 1] == '\0') {
        text.len--;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        buf_add_char(out, c < ' ' || c == 0x7f ? ' ' : (char)c);
    }
    return buf_error(out);
}

/* Looks for `entry` between NULs in a stream read in pieces of any size; environments may have
 * megabytes, and all processes are asked. */
int proc_has_env(int pid, struct str entry)
{
    enum { PIECE = 8192 };
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    int fd = -1;
    int result = file_open(path, FILE_READ, 0, &fd);
    if (result < 0) {
        return result;
    }
    /* Compared byte by byte: `matched` counts, -1 means this variable is another one. */
    char space[PIECE];
    ptrdiff_t matched = 0;
    int64_t n = 0;
    bool found = false;
    while (!found && (n = file_read(fd, space, sizeof(space))) > 0) {
        for (int64_t i = 0; i < n && !found; i++) {
            if (space[i] == '\0') {
                found = matched == (ptrdiff_t)entry.len;
                matched = 0;
            } else if (matched >= 0) {
                bool same = matched < (ptrdiff_t)entry.len && entry.p[matched] == space[i];
                matched = same ? matched + 1 : -1;
            }
        }
    }
    file_close(&fd);
    return found ? 1 : (int)MIN(n, 0);
}

/* A walk of /proc sees each process that lives from its beginning to its end once; what starts or
 * ends meanwhile it may see or not. */
int proc_each(bool (*each)(int pid, void *arg), void *arg)
{
    struct file_dir dir;
    int result = file_dir_open(&dir, "/proc");
    if (result < 0) {
        return result;
    }
    const char *name;
    while ((name = file_dir_next(&dir, NULL))) {
        uint64_t pid;
        if (num_parse_u64(str_from(name), &pid) == 0 && pid <= INT32_MAX && !each((int)pid, arg)) {
            break;
        }
    }
    file_dir_close(&dir);
    return 0;
}

/* "CWD/FOLDER/NAME" behind `start`; false when it is too long to be a path. */
static bool program_path(struct str cwd, struct str folder, struct str name, struct buf *out)
{
    bool relative = folder.len == 0 || folder.p[0] != '/';
    if (cwd.len + folder.len + name.len + 3 > PATH_MAX) {
        return false;
    }
    if (relative) {
        buf_add(out, cwd.len ? cwd : STR("."));
        buf_add_char(out, '/');
    }
    buf_add(out, folder);
    buf_add_cstr(out, folder.len ? "/" : "");
    buf_add(out, name);
    return true;
}

int proc_find_program(struct str name, const char *path_env, struct str cwd, struct buf *out)
{
    size_t start = out->len;
    if (str_find_char(name, '/') >= 0) {
        buf_add(out, name);
        int r = buf_error(out);
        return r == 0 && access(buf_cstr(out) + start, X_OK) < 0 ? -ENOENT : r;
    }
    struct str rest = str_from(path_env ? path_env : "/usr/local/bin:/usr/bin:/bin");
    for (bool more = true; more;) { /* an empty folder is the working folder, the last one too */
        struct str folder;
        more = str_split(rest, ':', &folder, &rest);
        buf_cut(out, start);
        if (!program_path(cwd, folder, name, out)) {
            continue;
        }
        if (buf_error(out)) {
            return buf_error(out);
        }
        const char *path = buf_cstr(out) + start;
        struct file_stat stat;
        if (access(path, X_OK) == 0 && file_stat(path, &stat) == 0 &&
            stat.kind == FILE_KIND_REGULAR) {
            return 0;
        }
    }
    buf_cut(out, start);
    return -ENOENT;
}
