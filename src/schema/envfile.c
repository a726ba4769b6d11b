/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading files of variables (envfile.h), one entry at a time: a cursor over the text that is moved
 * behind the entry, so the caller decides what an entry means and may stop at any.
 *
 *   1. `line` is that of the entry's name, also when its quoted value runs over many lines.
 *   2. An entry is whole or an error. What is behind an error cannot be told (a quote that is never
 *      closed swallows the rest), so reading ends there.
 */
#include "schema/envfile.h"

static char peek(const struct envfile *f)
{
    return f->at < f->text.len ? f->text.p[f->at] : '\0';
}

static void skip_blanks(struct envfile *f)
{
    while (peek(f) == ' ' || peek(f) == '\t') {
        f->at++;
    }
}

static struct str rest_of_line(struct envfile *f)
{
    size_t start = f->at;
    while (f->at < f->text.len && f->text.p[f->at] != '\n') {
        f->at++;
    }
    return str_slice(f->text, start, f->at);
}

/* To the start of the next line that is neither empty nor a comment. */
static bool next_line(struct envfile *f)
{
    while (f->at < f->text.len) {
        char c = peek(f);
        if (c == '\n') {
            f->line++;
            f->at++;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            f->at++;
        } else if (c == '#') {
            (void)rest_of_line(f);
        } else {
            return true;
        }
    }
    return false;
}

static bool is_name_char(char c)
{
    return c == '_' || c == '.' || c == '-' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z');
}

static struct str read_name(struct envfile *f)
{
    size_t start = f->at;
    while (is_name_char(peek(f))) {
        f->at++;
    }
    return str_slice(f->text, start, f->at);
}

static int error(struct envfile *f, const char *what)
{
    f->error = what;
    return -1;
}

/* A value that was cut would be used as if it were whole. */
static int whole(struct envfile *f, const struct buf *value)
{
    return buf_error(value) ? error(f, "the value grows beyond 1 MiB") : 1;
}

static int expand(struct envfile *f, struct interpolate *vars, struct str text, struct buf *value)
{
    int r = interpolate_text(vars, text, value);
    if (r == INTERPOLATE_E_REQUIRED) {
        return error(f, "a required variable is not set");
    }
    return r ? error(f,
                     "a variable reference that cannot be read (write $$ for a plain dollar sign)")
             : whole(f, value);
}

/* Escapes of a double-quoted text; an escaped dollar becomes `$$`, which expansion makes one again.
 * Only in double quotes. An escape that is not known stays as it was written, backslash and all. */
static void unescape(struct str text, struct buf *out)
{
    static const char from[] = "nrt", to[] = "\n\r\t";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c != '\\' || i + 1 == text.len) {
            buf_add_char(out, c);
            continue;
        }
        c = text.p[++i];
        const char *known = strchr(from, c);
        if (known && c) {
            buf_add_char(out, to[known - from]);
        } else if (c == '$') {
            buf_add(out, STR("$$"));
        } else if (c == '"' || c == '\\') {
            buf_add_char(out, c);
        } else {
            buf_add_char(out, '\\');
            buf_add_char(out, c);
        }
    }
}

/* The text up to the closing quote; what follows it on the line may only be a comment. */
static int read_quoted(struct envfile *f, struct interpolate *vars, struct buf *value)
{
    char quote = f->text.p[f->at++];
    size_t start = f->at;
    uint32_t lines = 0;
    while (f->at < f->text.len && f->text.p[f->at] != quote) {
        f->at += quote == '"' && f->text.p[f->at] == '\\' && f->at + 1 < f->text.len;
        lines += f->text.p[f->at] == '\n';
        f->at++;
    }
    if (f->at >= f->text.len) {
        return error(f, "a quote that is never closed");
    }
    struct str inner = str_slice(f->text, start, f->at++);
    struct str after = str_trim_ws(rest_of_line(f));
    if (after.len && after.p[0] != '#') {
        return error(f, "text behind a closing quote");
    }
    f->line += lines;
    if (quote == '\'') {
        buf_add(value, inner);
        return whole(f, value);
    }
    struct buf plain = BUF_INIT(value->max);
    unescape(inner, &plain);
    value->error = buf_error(&plain);
    int r = value->error ? whole(f, value) : expand(f, vars, buf_str(&plain), value);
    buf_fini(&plain);
    return r;
}

/* A "#" begins a comment only behind a blank: colours ("#fff") and URLs stay whole. */
static int read_plain(struct envfile *f, struct interpolate *vars, struct buf *value)
{
    struct str text = rest_of_line(f);
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '#' && (i == 0 || text.p[i - 1] == ' ' || text.p[i - 1] == '\t')) {
            text = str_slice(text, 0, i);
        }
    }
    return expand(f, vars, str_trim_ws(text), value);
}

int envfile_next(struct envfile *f, struct interpolate *vars, struct buf *value)
{
    buf_reset(value);
    if (!next_line(f)) {
        return 0;
    }
    f->name = read_name(f);
    if (str_is(f->name, "export") && (peek(f) == ' ' || peek(f) == '\t')) {
        skip_blanks(f);
        f->name = read_name(f);
    }
    if (f->name.len == 0) {
        return error(f, "a line that does not begin with a variable's name");
    }
    skip_blanks(f);
    char c = peek(f);
    f->has_value = c == '=' || c == ':';
    if (!f->has_value) {
        struct str after = str_trim_ws(rest_of_line(f));
        return after.len && after.p[0] != '#' ? error(f, "'=' is missing behind the name") : 1;
    }
    f->at++;
    if (f->raw) {
        struct str text = rest_of_line(f);
        buf_add(value, str_ends(text, STR("\r")) ? str_slice(text, 0, text.len - 1) : text);
        return whole(f, value);
    }
    skip_blanks(f);
    c = peek(f);
    return c == '"' || c == '\'' ? read_quoted(f, vars, value) : read_plain(f, vars, value);
}
