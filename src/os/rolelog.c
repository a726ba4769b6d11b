/* SPDX-License-Identifier: Apache-2.0
 *
 * See rolelog.h. Nothing is allocated and nothing is asked but where standard error leads: a line
 * must come through when memory is out.
 */
#include "os/rolelog.h"

#include "base/num.h"
#include "base/timefmt.h"
#include "os/clock.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 1000, MILLISECONDS = sizeof("2026-11-20T23:00:05.123") - 1 };

static bool is_file(void)
{
    struct stat stat;
    return fstat(STDERR_FILENO, &stat) == 0 && S_ISREG(stat.st_mode);
}

static void dated(enum rolelog_level level, const char *role, struct buf *out)
{
    static const char *const words[] = {"info", "warning", "error"};
    timefmt_rfc3339(out, clock_wall_ns());
    buf_cut(out, MILLISECONDS);
    buf_printf(out, "Z %s %s: ", words[level], role);
}

void rolelog_list(enum rolelog_level level, const char *role, const char *fmt, va_list args)
{
    char space[TEXT_MAX + 128], text[TEXT_MAX + 1];
    struct buf line = BUF_ON(space);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    if (is_file()) {
        dated(level, role, &line);
    } else {
        buf_printf(&line, "muelle: %s: ", role);
    }
    for (char *c = text; *c; c++) {
        buf_add_char(&line, (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c);
    }
    buf_add_char(&line, '\n');
    (void)!write(STDERR_FILENO, line.p, line.len);
}

void rolelog(enum rolelog_level level, const char *role, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    rolelog_list(level, role, fmt, args);
    va_end(args);
}
