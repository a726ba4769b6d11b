/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors for people, in three lines: what · where · what to do. They go to standard error, also
 * with --json: programs look at the exit code.
 *
 * Whatever came from a file, a service or the API goes through term_add_safe: an escape sequence in
 * a name must not reach the terminal.
 *
 *   error: unknown key 'imge'                 what, and nothing else, on the first line
 *     at /srv/shop/muelle.yaml:12:5           a place that editors and terminals can open
 *     expected one of: …; did you mean …?     what was expected, then what to do
 */
#include "face/session.h"

void say_render(const struct term *term, struct str what, struct str where, struct str todo,
                struct buf *out)
{
    term_style(out, term, TERM_CORAL, STR("error"));
    buf_add_cstr(out, ": ");
    term_add_safe(out, what);
    buf_add_char(out, '\n');
    if (where.len > 0) {
        buf_add_cstr(out, "  at ");
        term_add_safe(out, where);
        buf_add_char(out, '\n');
    }
    if (todo.len > 0) {
        buf_add_cstr(out, "  ");
        term_add_safe(out, todo);
        buf_add_char(out, '\n');
    }
}

void say_error(const struct session *s, const char *fmt, ...)
{
    cleanup(buf_fini) struct buf what = BUF_INIT(8 * KIB);
    cleanup(buf_fini) struct buf out = BUF_INIT(64 * KIB);
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&what, fmt, args);
    va_end(args);
    say_render(&s->err, buf_str(&what), STR_NONE, STR_NONE, &out);
    term_write(&s->err, buf_str(&out));
}

/* "expected …; hint" as one line of what to do. */
static void add_todo(struct buf *out, struct str expected, struct str hint)
{
    if (expected.len > 0) {
        buf_add_cstr(out, "expected ");
        buf_add(out, expected);
    }
    if (hint.len > 0) {
        buf_add_cstr(out, expected.len > 0 ? "; " : "");
        buf_add(out, hint);
    }
}

static void say_parts(const struct session *s, struct str what, struct str where,
                      struct str expected, struct str hint)
{
    cleanup(buf_fini) struct buf todo = BUF_INIT(8 * KIB);
    cleanup(buf_fini) struct buf out = BUF_INIT(64 * KIB);

    add_todo(&todo, expected, hint);
    say_render(&s->err, what, where, buf_str(&todo), &out);
    term_write(&s->err, buf_str(&out));
}

void say_problem(const struct session *s, const struct problem *problem)
{
    say_parts(s, str_from(problem->what), str_from(problem->where), str_from(problem->expected),
              str_from(problem->hint));
}

/* Those that were kept, then how many more: the count is right beyond what is kept. */
void say_problems(const struct session *s, const struct problem_list *list)
{
    size_t kept = MIN(list->count, (size_t)PROBLEM_LIST_MAX);

    for (size_t i = 0; i < kept; i++) {
        say_problem(s, &list->items[i]);
    }
    if (list->count > kept) {
        say_error(s, "and %zu more", list->count - kept);
    }
}

/* What an old or foreign server answers may be no problem document: then the status is all there
 * is.
 */
void say_answer(const struct session *s, const struct client_answer *answer)
{
    const struct jdoc *list = jdoc_get(answer->doc, "problems");
    struct str what = jdoc_str(answer->doc, "detail");

    if (!answer->doc) {
        say_error(s, "the API answered %u", answer->status);
        return;
    }
    if (list && list->count > 0) {
        jdoc_each(item, list)
        {
            say_parts(s, jdoc_str(item, "detail"), jdoc_str(item, "where"),
                      jdoc_str(item, "expected"), jdoc_str(item, "hint"));
        }
        int64_t more = jdoc_i64(answer->doc, "problem_count", 0) - (int64_t)list->count;
        if (more > 0) {
            say_error(s, "and %lld more", (long long)more);
        }
        return;
    }
    say_parts(s, what.len > 0 ? what : jdoc_str(answer->doc, "title"),
              jdoc_str(answer->doc, "where"), jdoc_str(answer->doc, "expected"),
              jdoc_str(answer->doc, "hint"));
}
