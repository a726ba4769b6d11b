/* SPDX-License-Identifier: Apache-2.0
 *
 * Colours, states and the block that is drawn over itself. Colours are the 16 of the terminal's own
 * theme, so that they fit light and dark without a question to the terminal.
 *
 * Colour is never alone: each state has a mark of another shape, for readers who cannot tell the
 * colours, for pipes and for NO_COLOR (https://no-color.org).
 *
 * The block: cursor up by the lines drawn last time, erase to the end of the screen, draw anew, all
 * in one write, so that nothing flickers. The cursor is hidden meanwhile; live_end must come before
 * the process ends, also on Ctrl-C.
 *
 *   ESC [ … m        style and back to plain          ESC [ n A CR     up n lines, to column 1
 *   ESC [ J          erase to the end of the screen   ESC [ ? 25 l, h  hide, show the cursor
 */
#include "face/term.h"
#include "base/utf8.h"
#include "os/file.h"
#include "os/tty.h"

static const char *const style_codes[] = {
    [TERM_PLAIN] = "",         [TERM_BOLD] = "\x1b[1m",   [TERM_DIM] = "\x1b[2m",
    [TERM_GREEN] = "\x1b[32m", [TERM_AMBER] = "\x1b[33m", [TERM_CORAL] = "\x1b[31m",
    [TERM_GREY] = "\x1b[90m",  [TERM_BLUE] = "\x1b[36m",
};

/* Words of states and healths, with the shape that stands for each. */
static const struct {
    const char *word;
    enum term_style style;
    const char *mark;
} states[] = {
    {"running", TERM_GREEN, "●"},   {"completed", TERM_GREEN, "●"}, {"healthy", TERM_GREEN, "●"},
    {"pending", TERM_AMBER, "◐"},   {"starting", TERM_AMBER, "◐"},  {"stopping", TERM_AMBER, "◐"},
    {"unhealthy", TERM_AMBER, "◐"}, {"degraded", TERM_AMBER, "◐"},  {"crashed", TERM_CORAL, "✕"},
    {"failed", TERM_CORAL, "✕"},    {"stopped", TERM_GREY, "○"},    {"unknown", TERM_GREY, "○"},
};

/* 80 × 24 is what a terminal has been since the VT100; for pipes nothing asks. */
void term_measure(struct term *term)
{
    if (!term->is_tty || !tty_size(term->fd, &term->columns, &term->rows)) {
        term->columns = 80;
        term->rows = 24;
    }
}

/* Only output that is a terminal has colours: a variable that forces them into pipes ends up in
 * files.
 */
void term_init(struct term *term, int fd, bool no_color)
{
    const char *kind = getenv("TERM");
    const char *off = getenv("NO_COLOR");

    *term = (struct term){.fd = fd, .is_tty = tty_is(fd)};
    term->color =
        term->is_tty && !no_color && !(off && *off) && !(kind && str_is(STR("dumb"), kind));
    term_measure(term);
}

void term_write(const struct term *term, struct str text)
{
    /* A reader that has gone (a closed pipe) is no error of ours. */
    if (file_write(term->fd, text.p, text.len) < 0) {
        return;
    }
}

/* Reset behind each piece, so that text that is cut or interrupted colours nothing after it. */
void term_style(struct buf *out, const struct term *term, enum term_style style, struct str text)
{
    bool styled = term->color && style != TERM_PLAIN;

    if (styled) {
        buf_add_cstr(out, style_codes[style]);
    }
    buf_add(out, text);
    if (styled) {
        buf_add_cstr(out, "\x1b[0m");
    }
}

enum term_style term_state_style(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (str_is(word, states[i].word)) {
            return states[i].style;
        }
    }
    return TERM_PLAIN;
}

const char *term_state_mark(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (str_is(word, states[i].word)) {
            return states[i].mark;
        }
    }
    return "·";
}

/* ESC is the worst of them (it moves the cursor, sets titles, answers questions into the shell's
 * input), but each control character can hide what stands beside it. Tabs stay: they only
 * indent. */
void term_add_safe(struct buf *out, struct str text)
{
    size_t at = 0;

    while (at < text.len) {
        struct str rest = str_skip(text, at);
        size_t valid = utf8_valid_prefix(rest);
        for (size_t i = 0; i < valid; i++) {
            unsigned char c = (unsigned char)rest.p[i];
            if (c == 0xc2 && i + 1 < valid && (unsigned char)rest.p[i + 1] < 0xa0) {
                /* C1 controls in UTF-8: some terminals obey them. */
                buf_printf(out, "\\x%02x", (unsigned char)rest.p[++i]);
            } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
                buf_printf(out, "^%c", c ^ 0x40);
            } else {
                buf_add_char(out, (char)c);
            }
        }
        at += valid;
        if (at < text.len) {
            buf_printf(out, "\\x%02x", (unsigned char)text.p[at++]);
        }
    }
}

/* ---- the block ---- */

/* One line cut to `columns`, escape sequences counting nothing. */
static void add_cut(struct buf *out, struct str line, unsigned columns)
{
    size_t used = 0;

    for (size_t i = 0; i < line.len;) {
        size_t n = 1;
        if (line.p[i] == '\x1b') {
            while (i + n < line.len && line.p[i + n] != 'm') {
                n++;
            }
            n = MIN(n + 1, line.len - i);
        } else {
            while (i + n < line.len && ((unsigned char)line.p[i + n] & 0xc0) == 0x80) {
                n++;
            }
            used += utf8_width(str_slice(line, i, i + n));
            if (used > columns) {
                buf_add_cstr(out, "\x1b[0m");
                return;
            }
        }
        buf_add(out, str_slice(line, i, i + n));
        i += n;
    }
}

static void erase(const struct live *live, struct buf *out)
{
    if (live->lines > 0) {
        buf_printf(out, "\x1b[%uA\r\x1b[J", live->lines);
    }
}

/* One line less than the screen has: writing the last one would scroll, and the block with it. */
void live_draw(struct live *live, struct str text)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * MIB);
    unsigned lines = 0;
    unsigned most = live->term->rows > 2 ? live->term->rows - 1 : 1;

    if (!live->hidden_cursor) {
        buf_add_cstr(&out, "\x1b[?25l");
        live->hidden_cursor = true;
    }
    erase(live, &out);
    while (text.len > 0 && lines < most) {
        struct str line = STR_NONE;
        str_split(text, '\n', &line, &text);
        add_cut(&out, line, live->term->columns);
        buf_add_char(&out, '\n');
        lines++;
    }
    live->lines = lines;
    term_write(live->term, buf_str(&out));
}

/* The block is gone until the next drawing: the text takes its place, and scrolls away as text
 * does.
 */
void live_print_above(struct live *live, struct str text)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * MIB);

    erase(live, &out);
    buf_add(&out, text);
    live->lines = 0;
    term_write(live->term, buf_str(&out));
}

void live_end(struct live *live)
{
    if (live->hidden_cursor) {
        term_write(live->term, STR("\x1b[?25h"));
        live->hidden_cursor = false;
    }
    live->lines = 0;
}
