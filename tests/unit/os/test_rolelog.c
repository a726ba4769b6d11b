/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timefmt.h"
#include "harness/test.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/rolelog.h"

#include <stdlib.h>
#include <unistd.h>

static char said[8192];

/* What is said while standard error leads to `fd`, read from `from`. */
static struct str say(int fd, int from, enum rolelog_level level, const char *text)
{
    int saved = dup(2);
    check(saved >= 0 && dup2(fd, 2) == 2);
    rolelog(level, "edge", "%s", text);
    check(dup2(saved, 2) == 2);
    close(saved);
    int64_t n = file_read(from, said, sizeof(said));
    return str_make(said, n > 0 ? (size_t)n : 0);
}

static struct str say_to_file(enum rolelog_level level, const char *text)
{
    char path[] = "/tmp/muelle-rolelog-XXXXXX";
    int from = mkstemp(path), to = -1;
    check_int(file_open(path, FILE_WRITE | FILE_APPEND, 0600, &to), 0);
    struct str line = say(to, from, level, text);
    check_int(file_unlink(path), 0);
    close(from);
    close(to);
    return line;
}

TEST(a_line_in_a_file_has_its_time_level_and_role)
{
    static const char *const levels[] = {"info", "warning", "error"};
    for (int level = ROLELOG_INFO; level <= ROLELOG_ERROR; level++) {
        int64_t before = clock_wall_ns() / 1000000 * 1000000, at = 0;
        struct str line = say_to_file((enum rolelog_level)level, "it is there"), time, word;
        check(str_split(line, ' ', &time, &line));
        check_int(time.len, sizeof("2026-11-20T23:00:05.123Z") - 1);
        check_int(timefmt_parse(time, &at), 0);
        check(at >= before && at <= clock_wall_ns());
        check(str_split(line, ' ', &word, &line));
        check_str(word, str_from(levels[level]));
        check_str(line, STR("edge: it is there\n"));
    }
}

TEST(who_reads_along_is_told_no_time)
{
    int ends[2];
    check_int(file_pipe(ends), 0);
    check_str(say(ends[1], ends[0], ROLELOG_ERROR, "cannot start"),
              STR("muelle: edge: cannot start\n"));
    close(ends[0]);
    close(ends[1]);
}

TEST(whatever_is_said_is_one_line)
{
    check(str_ends(say_to_file(ROLELOG_INFO, "a\nb\x1b[2J\x7f"), STR("edge: a b [2J \n")));
    char text[4001];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct str line = say_to_file(ROLELOG_WARNING, text);
    check(str_ends(line, STR("xxx\n")));
    check_int(line.len, sizeof("2026-11-20T23:00:05.123Z warning edge: \n") - 1 + 1000);
}
