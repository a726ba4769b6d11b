/* SPDX-License-Identifier: Apache-2.0 */
#include "run/reason.h"

#include "base/num.h"
#include "base/utf8.h"

#include <signal.h>

static const struct {
    int signum;
    const char *name;
} signal_names[] = {
    {SIGHUP, "hang-up"},
    {SIGINT, "interrupt"},
    {SIGQUIT, "quit"},
    {SIGILL, "illegal instruction"},
    {SIGTRAP, "trap"},
    {SIGABRT, "aborted"},
    {SIGBUS, "bus error"},
    {SIGFPE, "arithmetic error"},
    {SIGKILL, "killed"},
    {SIGUSR1, "user signal 1"},
    {SIGSEGV, "segmentation fault"},
    {SIGUSR2, "user signal 2"},
    {SIGPIPE, "broken pipe"},
    {SIGALRM, "alarm"},
    {SIGTERM, "terminated"},
    {SIGXCPU, "CPU time limit"},
    {SIGXFSZ, "file size limit"},
    {SIGSYS, "forbidden system call"},
};

const char *reason_signal_name(int signum)
{
    for (size_t i = 0; i < ARRAY_LEN(signal_names); i++) {
        if (signal_names[i].signum == signum) {
            return signal_names[i].name;
        }
    }
    return NULL;
}

void reason_duration(struct buf *out, int64_t ns)
{
    int64_t s = ns / NS_PER_S;
    if (s < 1) {
        buf_printf(out, "%lld ms", (long long)(MAX(ns, 0) / NS_PER_MS));
    } else if (s < 120) {
        buf_printf(out, "%lld s", (long long)s);
    } else if (s < 7200) {
        buf_printf(out, "%lld min", (long long)(s / 60));
    } else {
        buf_printf(out, "%lld h %lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
    }
}

static void add_life(struct buf *out, const struct reason_exit *exit)
{
    if (exit->lived_ns >= 0) {
        buf_add_cstr(out, " after ");
        reason_duration(out, exit->lived_ns);
    }
    if (exit->last_line.len > 0 && !exit->asked) {
        buf_add_cstr(out, ", last line: ");
        buf_add(out, str_slice(exit->last_line, 0, REASON_LINE_MAX));
    }
}

void reason_exit(struct buf *out, const struct reason_exit *exit)
{
    if (exit->ailment.len > 0) {
        struct str why = str_slice(exit->ailment, 0, REASON_LINE_MAX);
        why = str_slice(why, 0, utf8_valid_prefix(why));
        buf_printf(out, "unhealthy: " STR_FMT "; ", STR_ARG(why));
    }
    if (exit->oom) {
        buf_add_cstr(out, "killed: out of memory");
    } else if (!exit->known) {
        buf_add_cstr(out, "ended, status unknown");
    } else if (exit->overdue_ns > 0) {
        buf_add_cstr(out, "killed");
    } else if (exit->signaled) {
        const char *name = reason_signal_name(exit->code);
        buf_printf(out, exit->asked ? "stopped by signal %d" : "killed by signal %d", exit->code);
        if (name) {
            buf_printf(out, " (%s%s)", name, exit->core_dumped ? ", core dumped" : "");
        }
    } else if (exit->asked) {
        buf_printf(out, "stopped, exit code %d", exit->code);
    } else {
        buf_printf(out, "exited %d", exit->code);
    }
    add_life(out, exit);
    if (exit->overdue_ns > 0) {
        buf_add_cstr(out, ": it did not stop within ");
        reason_duration(out, exit->overdue_ns);
    }
}

/* NAME=…, as a shell takes it. */
static bool is_assignment(struct str word)
{
    ptrdiff_t end = str_find_char(word, '=');
    for (ptrdiff_t i = 0; i < end; i++) {
        char c = word.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return end > 0;
}

static void add_missing(struct buf *out, const struct reason_spawn *spawn)
{
    buf_printf(out, "command not found: " STR_FMT, STR_ARG(spawn->program));
    if (is_assignment(spawn->program)) {
        buf_add_cstr(out, " (no shell reads it: put variables under 'environment')");
    } else if (str_find_char(spawn->program, '/') < 0) {
        buf_printf(out, " (looked in " STR_FMT ")",
                   STR_ARG(str_slice(spawn->path, 0, REASON_LINE_MAX)));
    }
}

void reason_spawn(struct buf *out, const struct reason_spawn *spawn)
{
    bool execute = str_find(spawn->step, STR("exec")) >= 0;
    bool folder = str_find(spawn->step, STR("folder")) >= 0;
    buf_add_cstr(out, "could not start: ");
    if (execute && spawn->error == -ENOENT) {
        add_missing(out, spawn);
    } else if (execute && spawn->error == -EACCES) {
        buf_printf(out, "not executable: " STR_FMT, STR_ARG(spawn->program));
    } else if (execute && spawn->error == -ENOEXEC) {
        buf_printf(out, "not a program (a script needs a #! line): " STR_FMT,
                   STR_ARG(spawn->program));
    } else if (folder) {
        buf_printf(out, "working directory " STR_FMT ": %s", STR_ARG(spawn->cwd),
                   strerror(-spawn->error));
    } else if (str_find(spawn->step, STR("user")) >= 0) {
        buf_printf(out, "cannot become user " STR_FMT ": %s", STR_ARG(spawn->user),
                   strerror(-spawn->error));
    } else if (spawn->error == -EADDRINUSE && spawn->step.len) {
        buf_add(out, spawn->step); /* it names the port and who has it */
    } else {
        buf_printf(out, STR_FMT "%s%s", STR_ARG(spawn->step), spawn->step.len ? ": " : "",
                   strerror(-spawn->error));
    }
}

/* Length of the escape sequence at p (ECMA-48 CSI), 0 if there is none. */
static size_t escape_len(const char *p, size_t len)
{
    if (len < 2 || p[0] != 0x1b || p[1] != '[') {
        return 0;
    }
    size_t i = 2;
    while (i < len && !(p[i] >= '@' && p[i] <= '~')) {
        i++;
    }
    return MIN(i + 1, len);
}

/* Takes out what could do harm on a terminal. Returns the new length. */
static size_t clean(char *p, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len;) {
        size_t skip = escape_len(p + i, len - i);
        if (skip) {
            i += skip;
            continue;
        }
        p[out++] = (unsigned char)p[i] < 0x20 || p[i] == 0x7f ? ' ' : p[i];
        i++;
    }
    return out;
}

struct str reason_last_line(char *tail, size_t len)
{
    while (len > 0) {
        size_t start = len;
        while (start > 0 && tail[start - 1] != '\n' && tail[start - 1] != '\0') {
            start--;
        }
        struct str line = str_trim_ws(str_make(tail + start, clean(tail + start, len - start)));
        if (line.len > 0) {
            size_t valid = utf8_valid_prefix(str_slice(line, 0, REASON_LINE_MAX));
            return str_slice(line, 0, valid);
        }
        len = start > 0 ? start - 1 : 0;
    }
    return STR_NONE;
}
