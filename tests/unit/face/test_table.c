/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables and terminal text: aligned by what is shown, safe against what services print.
 */
#include "base/utf8.h"
#include "face/term.h"
#include "harness/test.h"

static const struct table_column columns[] = {{.title = "NAME", .shrink = true},
                                              {.title = "N", .right = true},
                                              {.title = "WHY", .shrink = true}};

static struct buf render(unsigned width, const char *const (*rows)[3], size_t count)
{
    struct term term = {.is_tty = width > 0, .columns = width, .rows = 24};
    struct buf out = BUF_INIT(1 * MIB);
    struct table table;

    table_init(&table, columns, 3);
    for (size_t i = 0; i < count * 3; i++) {
        table_add(&table, TERM_GREEN, str_from(rows[i / 3][i % 3]));
    }
    table_render(&table, &term, &out);
    table_fini(&table);
    return out;
}

TEST(columns_align_by_display_width)
{
    static const char *const rows[][3] = {{"web", "1", "ok"}, {"日本", "10", "é"}};
    cleanup(buf_fini) struct buf out = render(0, rows, 2);

    check_str(buf_str(&out), STR("NAME   N  WHY\n"
                                 "web    1  ok\n"
                                 "日本  10  é\n"));
}

TEST(a_narrow_terminal_cuts_the_widest_column_first)
{
    static const char *const rows[][3] = {
        {"web", "1", "exited 1 after 3 s, last line: cannot bind"}};
    cleanup(buf_fini) struct buf out = render(30, rows, 1);
    struct str rest = buf_str(&out);
    struct str line = STR_NONE;

    while (str_split(rest, '\n', &line, &rest)) {
        check(utf8_width(line) <= 30);
    }
    check(str_find(buf_str(&out), STR("web   1  exited 1 after 3 s, l…\n")) > 0 ||
          str_find(buf_str(&out), STR("…\n")) > 0);
}

TEST(what_cannot_shrink_is_left_out_in_its_order)
{
    static const struct table_column many[] = {{.title = "SERVICE", .shrink = true},
                                               {.title = "STATE"},
                                               {.title = "PORT", .right = true, .drop = 1},
                                               {.title = "PID", .right = true, .drop = 2},
                                               {.title = "REASON", .shrink = true}};
    static const struct {
        unsigned columns;
        const char *heading;
    } cases[] = {{80, "SERVICE  STATE     PORT    PID  REASON\n"},
                 {33, "SERVICE  STATE      PID  REASON\n"},
                 {24, "SERVICE  STATE    REASON\n"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct term term = {.is_tty = true, .columns = cases[i].columns, .rows = 24};
        cleanup(buf_fini) struct buf out = BUF_INIT(1 * KIB);
        struct table table;
        table_init(&table, many, ARRAY_LEN(many));
        const char *cells[] = {"web", "running", "10080", "12345", ""};
        for (size_t c = 0; c < ARRAY_LEN(cells); c++) {
            table_add(&table, TERM_DIM, str_from(cells[c]));
        }
        table_render(&table, &term, &out);
        table_fini(&table);
        struct str rest = buf_str(&out), line;
        bool first = true;
        while (str_split(rest, '\n', &line, &rest)) {
            check(utf8_width(line) <= cases[i].columns);
            check(!str_ends(line, STR(" ")));
            if (first) {
                check_str(line,
                          str_slice(str_from(cases[i].heading), 0, strlen(cases[i].heading) - 1));
            }
            first = false;
        }
    }
}

TEST(widths_hold_for_random_text)
{
    struct rng *rng = test_rng();

    for (size_t round = 0; round < test_rounds(200); round++) {
        char text[3][40];
        const char *rows[1][3] = {{text[0], text[1], text[2]}};
        unsigned width = (unsigned)(24 + rng_below(rng, 60));
        for (size_t i = 0; i < 3; i++) {
            size_t len = rng_below(rng, i == 1 ? 4 : 39);
            for (size_t k = 0; k < len; k++) {
                text[i][k] = (char)(1 + rng_below(rng, 255));
            }
            text[i][len] = '\0';
        }
        cleanup(buf_fini) struct buf out = render(width, (const char *const(*)[3])rows, 1);
        struct str rest = buf_str(&out);
        struct str line = STR_NONE;
        size_t lines = 0;
        check_int(utf8_valid_prefix(rest), rest.len);
        while (str_split(rest, '\n', &line, &rest)) {
            check(utf8_width(line) <= MAX(width, 8U + 2 + 16 + 2 + 8));
            lines++;
        }
        check_int(lines, 2);
    }
}

TEST(control_characters_never_reach_the_terminal)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(4096);

    term_add_safe(&out, STR("a\x1b[31mb\x07\x7f\tc\xff\xc2\x9b"));
    check_str(buf_str(&out), STR("a^[[31mb^G^?\tc\\xff\\x9b"));
}

TEST(colour_only_where_it_is_wanted)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(4096);
    struct term term = {.color = false};

    term_style(&out, &term, TERM_CORAL, STR("x"));
    check_str(buf_str(&out), STR("x"));
    term.color = true;
    buf_reset(&out);
    term_style(&out, &term, TERM_CORAL, STR("x"));
    check_str(buf_str(&out), STR("\x1b[31mx\x1b[0m"));
}

TEST(each_state_has_a_shape_besides_its_colour)
{
    check_cstr(term_state_mark(STR("running")), "●");
    check_cstr(term_state_mark(STR("crashed")), "✕");
    check_cstr(term_state_mark(STR("unheard-of")), "·");
    check_int(term_state_style(STR("unhealthy")), TERM_AMBER);
}
