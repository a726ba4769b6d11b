/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables: cells are collected first, widths are known then. Text lies in one buffer, cells are
 * offsets in it (it moves while it grows). On a terminal that is too narrow, columns marked
 * `shrink` give way, the widest first; when that is not enough, those marked `drop` are left out,
 * and what gave way may have its width back. No row ends in blanks, so that copied lines are clean.
 *
 * Into a pipe nothing is cut: there is no width, and the reader is a program or a file.
 *
 *   cells    at, len into `text` (safe bytes, without style) · width in columns · style
 *   row i    cells i * column_count … : the order of adding is the layout
 */
#include "base/utf8.h"
#include "face/term.h"

enum { GAP = 2, SHRINK_MIN = 8 };

void table_init(struct table *table, const struct table_column *columns, unsigned count)
{
    ensure(count > 0 && count <= TABLE_COLUMNS_MAX);
    *table =
        (struct table){.columns = columns, .column_count = count, .text = BUF_INIT(TABLE_TEXT_MAX)};
}

void table_fini(struct table *table)
{
    if (table) {
        free(table->cells);
        buf_fini(&table->text);
        *table = (struct table){0};
    }
}

/* A row that is not complete is not rendered, so a cell without room shifts nothing. */
static struct table_cell *new_cell(struct table *table)
{
    if (table->cell_count == table->cell_cap) {
        size_t cap = MIN(table->cell_cap ? table->cell_cap * 2 : 64, (size_t)TABLE_CELLS_MAX);
        struct table_cell *cells = NULL;
        if (cap > table->cell_cap) {
            cells = realloc(table->cells, cap * sizeof(*cells));
        }
        if (!cells) {
            table->error = -ENOMEM;
            return NULL;
        }
        table->cells = cells;
        table->cell_cap = cap;
    }
    return &table->cells[table->cell_count++];
}

/* The width is that of the safe text: what is shown is what is counted. */
void table_add(struct table *table, enum term_style style, struct str text)
{
    size_t at = table->text.len;
    struct table_cell *cell = new_cell(table);

    if (!cell) {
        return;
    }
    term_add_safe(&table->text, text);
    *cell = (struct table_cell){
        .at = (uint32_t)at, .len = (uint32_t)(table->text.len - at), .style = style};
    cell->width = (uint32_t)utf8_width(str_slice(buf_str(&table->text), at, table->text.len));
}

void table_addf(struct table *table, enum term_style style, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    table_add(table, style, str_from(text));
}

/* The heading counts: a column is never narrower than its name, before it shrinks. */
static void natural_widths(const struct table *table, size_t *widths)
{
    for (unsigned c = 0; c < table->column_count; c++) {
        widths[c] = utf8_width(str_from(table->columns[c].title));
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        unsigned c = (unsigned)(i % table->column_count);
        widths[c] = MAX(widths[c], table->cells[i].width);
    }
}

/* Of a whole row; columns that are left out have width 0. Gaps only between columns that are
 * there. */
static size_t row_width(const struct table *table, const size_t *widths)
{
    size_t total = 0;

    for (unsigned c = 0; c < table->column_count; c++) {
        total += widths[c] ? widths[c] + (total ? GAP : 0) : 0;
    }
    return total;
}

/* Takes from the columns that may shrink until the row fits. */
static void shrink(const struct table *table, size_t columns, size_t *widths)
{
    size_t total = row_width(table, widths);

    while (total > columns) {
        unsigned widest = table->column_count;
        for (unsigned c = 0; c < table->column_count; c++) {
            bool wider = widest == table->column_count || widths[c] > widths[widest];
            if (table->columns[c].shrink && widths[c] > SHRINK_MIN && wider) {
                widest = c;
            }
        }
        if (widest == table->column_count) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

/* The column that goes next, the lowest rank first, or column_count. A rank of 0 is never left
 * out. */
static unsigned next_drop(const struct table *table, const size_t *widths)
{
    unsigned next = table->column_count;

    for (unsigned c = 0; c < table->column_count; c++) {
        bool sooner =
            next == table->column_count || table->columns[c].drop < table->columns[next].drop;
        if (table->columns[c].drop && widths[c] && sooner) {
            next = c;
        }
    }
    return next;
}

/* Each column that goes gives its width to all: they shrink anew from their natural widths. */
static void fit(const struct table *table, size_t columns, size_t *widths)
{
    size_t natural[TABLE_COLUMNS_MAX];

    memcpy(natural, widths, sizeof(natural));
    shrink(table, columns, widths);
    while (row_width(table, widths) > columns) {
        unsigned c = next_drop(table, natural);
        if (c == table->column_count) {
            return;
        }
        natural[c] = 0;
        memcpy(widths, natural, sizeof(natural));
        shrink(table, columns, widths);
    }
}

/* The longest prefix that is at most `width` columns wide, in whole characters. Combining marks
 * stay with their letter: they add no width. */
static struct str cut_to(struct str text, size_t width)
{
    size_t end = 0;
    size_t used = 0;

    while (end < text.len) {
        size_t n = 1;
        while (end + n < text.len && ((unsigned char)text.p[end + n] & 0xc0) == 0x80) {
            n++;
        }
        used += utf8_width(str_slice(text, end, end + n));
        if (used > width) {
            break;
        }
        end += n;
    }
    return str_slice(text, 0, end);
}

static void spaces(struct buf *out, size_t n)
{
    while (n-- > 0) {
        buf_add_char(out, ' ');
    }
}

struct shown {
    struct str text;
    size_t width;
    enum term_style style;
    bool right;
};

static void add_cell(struct buf *out, const struct term *term, struct shown cell, size_t width)
{
    bool cut = cell.width > width;
    size_t pad = cut ? 0 : width - cell.width;

    if (cut) {
        cell.text = cut_to(cell.text, width - 1);
        pad = width - 1 - utf8_width(cell.text);
    }
    if (cell.right) {
        spaces(out, pad);
    }
    if (cell.text.len > 0) {
        term_style(out, term, cell.style, cell.text);
    }
    if (cut) {
        buf_add_cstr(out, "…");
    }
    spaces(out, (cell.right ? 0 : pad) + GAP);
}

/* Blanks of the last column, and the gap behind it. */
static void end_row(struct buf *out)
{
    while (out->len > 0 && out->p[out->len - 1] == ' ') {
        buf_cut(out, out->len - 1);
    }
    buf_add_char(out, '\n');
}

/* Rows that are not complete are left out: a cell in the wrong column is worse than none. */
void table_render(const struct table *table, const struct term *term, struct buf *out)
{
    size_t widths[TABLE_COLUMNS_MAX];
    size_t rows = table->cell_count / table->column_count;

    natural_widths(table, widths);
    if (term->is_tty) {
        fit(table, term->columns, widths);
    }
    for (unsigned c = 0; c < table->column_count; c++) {
        struct str title = str_from(table->columns[c].title);
        struct shown cell = {.text = title,
                             .width = utf8_width(title),
                             .style = TERM_DIM,
                             .right = table->columns[c].right};
        if (widths[c]) {
            add_cell(out, term, cell, widths[c]);
        }
    }
    end_row(out);
    for (size_t i = 0; i < rows * table->column_count; i++) {
        const struct table_cell *from = &table->cells[i];
        unsigned c = (unsigned)(i % table->column_count);
        struct shown cell = {.text =
                                 str_slice(buf_str(&table->text), from->at, from->at + from->len),
                             .width = from->width,
                             .style = from->style,
                             .right = table->columns[c].right};
        if (widths[c]) {
            add_cell(out, term, cell, widths[c]);
        }
        if (c + 1 == table->column_count) {
            end_row(out);
        }
    }
}
