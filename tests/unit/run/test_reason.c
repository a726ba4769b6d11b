/* SPDX-License-Identifier: Apache-2.0 */
#include "run/reason.h"

#include "base/num.h"
#include "harness/test.h"

static struct buf out = {.max = REASON_MAX};

static struct str exit_text(struct reason_exit exit)
{
    buf_reset(&out);
    reason_exit(&out, &exit);
    return buf_str(&out);
}

static struct str spawn_text(int error, const char *step, struct str program)
{
    struct reason_spawn spawn = {error,           str_from(step), program, STR("/usr/bin:/bin"),
                                 STR("/srv/web"), STR("www")};
    buf_reset(&out);
    reason_spawn(&out, &spawn);
    return buf_str(&out);
}

TEST(exit_codes_with_life_and_last_line)
{
    struct reason_exit e = {
        .known = true, .code = 1, .lived_ns = 3 * NS_PER_S + 1, .last_line = STR("boom")};
    check_str(exit_text(e), STR("exited 1 after 3 s, last line: boom"));
    e.last_line = STR_NONE;
    e.lived_ns = 250 * NS_PER_MS;
    check_str(exit_text(e), STR("exited 1 after 250 ms"));
}

TEST(signals_have_names)
{
    check_str(exit_text((struct reason_exit){
                  .known = true, .signaled = true, .code = 11, .lived_ns = -1}),
              STR("killed by signal 11 (segmentation fault)"));
    check_str(exit_text((struct reason_exit){
                  .known = true, .signaled = true, .code = 6, .core_dumped = true, .lived_ns = -1}),
              STR("killed by signal 6 (aborted, core dumped)"));
    check_str(exit_text((struct reason_exit){
                  .known = true, .signaled = true, .code = 45, .lived_ns = -1}),
              STR("killed by signal 45"));
}

TEST(out_of_memory_wins_over_the_signal)
{
    check_str(exit_text((struct reason_exit){
                  .known = true, .signaled = true, .code = 9, .oom = true, .lived_ns = -1}),
              STR("killed: out of memory"));
}

TEST(a_stop_that_we_asked_for_is_no_crash)
{
    check_str(exit_text((struct reason_exit){.known = true,
                                             .signaled = true,
                                             .code = 15,
                                             .asked = true,
                                             .lived_ns = -1,
                                             .last_line = STR("bye")}),
              STR("stopped by signal 15 (terminated)"));
    check_str(exit_text((struct reason_exit){.known = false, .lived_ns = -1}),
              STR("ended, status unknown"));
}

TEST(why_it_was_stopped_is_said)
{
    struct reason_exit e = {.known = true,
                            .signaled = true,
                            .code = 15,
                            .asked = true,
                            .lived_ns = 10 * NS_PER_S,
                            .ailment = STR("probe GET /health answered 500")};
    check_str(exit_text(e), STR("unhealthy: probe GET /health answered 500; stopped by signal 15 "
                                "(terminated) after 10 s"));
    e = (struct reason_exit){.known = true,
                             .signaled = true,
                             .code = 9,
                             .asked = true,
                             .lived_ns = 29 * NS_PER_S,
                             .overdue_ns = NS_PER_S};
    check_str(exit_text(e), STR("killed after 29 s: it did not stop within 1 s"));
}

TEST(spawn_errors_say_what_to_look_at)
{
    check_str(spawn_text(-ENOENT, "execute", STR("nodee")),
              STR("could not start: command not found: nodee (looked in /usr/bin:/bin)"));
    check_str(spawn_text(-ENOENT, "execute", STR("./a=b/run")),
              STR("could not start: command not found: ./a=b/run"));
    check_str(spawn_text(-ENOENT, "execute", STR("PORT=1")),
              STR("could not start: command not found: PORT=1 (no shell reads it: put variables "
                  "under 'environment')"));
    check_str(spawn_text(-EACCES, "execute", STR("nodee")),
              STR("could not start: not executable: nodee"));
    check_str(spawn_text(-ENOENT, "change folder", STR("nodee")),
              STR("could not start: working directory /srv/web: No such file or directory"));
    check_str(spawn_text(-EPERM, "set user", STR("nodee")),
              STR("could not start: cannot become user www: Operation not permitted"));
    check_str(spawn_text(-ENOMEM, "", STR("nodee")),
              STR("could not start: Cannot allocate memory"));
}

TEST(last_line_skips_blank_lines_and_holes)
{
    char text[] = "first\nsecond\r\n\n  \n";
    check_str(reason_last_line(text, sizeof(text) - 1), STR("second"));
    char hole[] = "a\0\0\0tail";
    check_str(reason_last_line(hole, sizeof(hole) - 1), STR("tail"));
    char none[] = "\n\n";
    check_str(reason_last_line(none, sizeof(none) - 1), STR_NONE);
}

TEST(last_line_is_safe_for_a_terminal)
{
    char text[] = "\x1b[31mError:\x1b[0m bad\x07 thing\n";
    check_str(reason_last_line(text, sizeof(text) - 1), STR("Error: bad  thing"));
}

TEST(last_line_of_random_bytes_has_no_control_characters)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(2000); round++) {
        char text[300];
        size_t len = rng_below(rng, sizeof(text));
        for (size_t i = 0; i < len; i++) {
            text[i] =
                rng_chance(rng, 300) ? "\n\x1b[\0m~"[rng_below(rng, 6)] : (char)rng_below(rng, 256);
        }
        struct str line = reason_last_line(text, len);
        check(line.len <= REASON_LINE_MAX);
        for (size_t i = 0; i < line.len; i++) {
            check((unsigned char)line.p[i] >= 0x20 && line.p[i] != 0x7f);
        }
    }
}

TEST(a_port_that_is_taken_is_told_in_the_words_of_who_looked)
{
    check_str(spawn_text(-EADDRINUSE, "port 80 is taken by nginx (pid 7)", STR("nodee")),
              STR("could not start: port 80 is taken by nginx (pid 7)"));
    check_str(spawn_text(-ENOEXEC, "exec", STR("nodee")),
              STR("could not start: not a program (a script needs a #! line): nodee"));
}

TEST(durations_have_the_unit_that_one_would_say)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {{-1, "0 ms"},
                 {999 * NS_PER_MS, "999 ms"},
                 {119 * NS_PER_S, "119 s"},
                 {120 * NS_PER_S, "2 min"},
                 {7199 * NS_PER_S, "119 min"},
                 {7500 * NS_PER_S, "2 h 5 min"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&out);
        reason_duration(&out, cases[i].ns);
        check_str(buf_str(&out), str_from(cases[i].text));
    }
}
