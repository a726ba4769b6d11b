/* SPDX-License-Identifier: Apache-2.0
 *
 * Output for people: colours that know when to stay away, tables aligned by what a terminal shows
 * (not by bytes), and a block of lines that is drawn over itself while something is going on.
 *
 * Rendering is pure (bytes into a buf); only term_init, term_measure and term_write touch a
 * descriptor. Sequences used are those of ECMA-48 that every terminal has: SGR colours, cursor up,
 * erase below, and DEC's hide and show of the cursor.
 */
#ifndef FACE_TERM_H
#define FACE_TERM_H

#include "base/buf.h"

/* What a style means is the same everywhere, so that a reader learns it once. */
enum term_style {
    TERM_PLAIN,
    TERM_BOLD,  /* names */
    TERM_DIM,   /* headings, times, what is beside the point */
    TERM_GREEN, /* well */
    TERM_AMBER, /* on its way, or to be looked at */
    TERM_CORAL, /* wrong */
    TERM_GREY,  /* stopped, absent, unknown */
    TERM_BLUE,  /* addresses */
};

struct term {
    int fd;
    bool is_tty; /* lines may be cut and drawn over */
    bool color;
    unsigned columns; /* 80 when unknown */
    unsigned rows;
};

/* Looks at `fd`. Colours: only on a terminal, not with NO_COLOR (any value), TERM=dumb or
 * `no_color`. */
void term_init(struct term *term, int fd, bool no_color);
/* Asks for the size again (after SIGWINCH). */
void term_measure(struct term *term);
/* Writes all of it; gives up silently when the reader has gone. */
void term_write(const struct term *term, struct str text);

void term_style(struct buf *out, const struct term *term, enum term_style style, struct str text);
/* The style of a state or health word; TERM_PLAIN for others. */
enum term_style term_state_style(struct str word);
/* The symbol that goes with it, so that colour is never alone: ● ◐ ✕ ○. */
const char *term_state_mark(struct str word);
/* Bytes from a service or a file, safe for a terminal: control characters (but tab) become ^X or
 * \x…. */
void term_add_safe(struct buf *out, struct str text);

/* ---- tables ---- */

enum { TABLE_COLUMNS_MAX = 12, TABLE_CELLS_MAX = 12 << 16, TABLE_TEXT_MAX = 16 << 20 };

struct table_column {
    const char *title;
    bool right;   /* numbers */
    bool shrink;  /* may be cut when the terminal is too narrow; else never */
    uint8_t drop; /* still too narrow: left out, 1 first; 0 = never */
};

struct table_cell {
    uint32_t at; /* into text */
    uint32_t len;
    uint32_t width; /* columns on a terminal */
    enum term_style style;
};

struct table {
    const struct table_column *columns; /* the caller's, until table_fini */
    unsigned column_count;
    struct table_cell *cells; /* row by row */
    size_t cell_count;
    size_t cell_cap;
    struct buf text; /* of all cells, without style */
    int error;       /* -ENOMEM: cells are missing at the end */
};

void table_init(struct table *table, const struct table_column *columns, unsigned count);
void table_fini(struct table *table);
/* The next cell, row by row. Control characters are made safe. table_addf cuts at 255 bytes. When
 * there is no room `error` is set, what is there is rendered, and show_table says so. */
void table_add(struct table *table, enum term_style style, struct str text);
void table_addf(struct table *table, enum term_style style, const char *fmt, ...) printf_like(3, 4);
/* Renders it with a heading; rows are the complete ones. */
void table_render(const struct table *table, const struct term *term, struct buf *out);

/* ---- a block drawn over itself ---- */

struct live {
    const struct term *term;
    unsigned lines; /* drawn last time */
    bool hidden_cursor;
};

/* Replaces the block drawn before by `text` (whole lines), cut to the terminal's size: a line that
 * wrapped, or a block that scrolled, could not be found again. */
void live_draw(struct live *live, struct str text);
/* Puts `text` (whole lines) above the block, which is drawn again by the next live_draw. */
void live_print_above(struct live *live, struct str text);
/* Leaves what is drawn and shows the cursor again. */
void live_end(struct live *live);

#endif
