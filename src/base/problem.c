/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts are cut where they do not fit, never refused: a problem that cannot be told is worse than
 * one that is told short. ensure_failed stands here because it is the other way to tell somebody
 * what is wrong; it writes with stdio, since after a broken assertion there is nothing left to
 * save.
 *
 * problem_nearest: a typing mistake is one or two steps (str_distance counts swapped neighbours as
 * one), and never more than half of a short word, or "a" would become any name. A short form
 * ("env") wins over a distant likeness, but not over a name that is one step away.
 */
#include "base/problem.h"

#include "base/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHORT_FORM_MIN = 3 };

void ensure_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "muelle: assertion failed: %s (%s:%d)\n", cond, file, line);
    abort();
}

/* A text that did not fit ends inside a character: that one goes, too. */
static void drop_half_character(char *text)
{
    size_t len = strlen(text);
    size_t lead = len;
    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80) {
        lead--;
    }
    unsigned char c = lead > 0 ? (unsigned char)text[lead - 1] : 0;
    size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
    if (len + 1 - lead < size) {
        text[lead - 1] = '\0';
    }
}

#define FORMAT_INTO(field, fmt)                                                                    \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, fmt);                                                                       \
        (void)vsnprintf((field), sizeof(field), (fmt), args);                                      \
        va_end(args);                                                                              \
        drop_half_character(field);                                                                \
    } while (0)

void problem_set(struct problem *problem, const char *code, const char *fmt, ...)
{
    *problem = (struct problem){0};
    (void)str_copy(problem->code, sizeof(problem->code), str_from(code));
    FORMAT_INTO(problem->what, fmt);
}

void problem_where(struct problem *problem, const char *fmt, ...)
{
    FORMAT_INTO(problem->where, fmt);
}

void problem_expected(struct problem *problem, const char *fmt, ...)
{
    FORMAT_INTO(problem->expected, fmt);
}

void problem_hint(struct problem *problem, const char *fmt, ...)
{
    FORMAT_INTO(problem->hint, fmt);
}

struct problem *problem_list_add(struct problem_list *list)
{
    size_t at = MIN(list->count, (size_t)PROBLEM_LIST_MAX - 1);
    list->count++;
    return &list->items[at];
}

/* The line of "FILE:LINE:COLUMN", 0 without one. */
static uint64_t line_of(const struct problem *problem, struct str *ret_file)
{
    struct str where = str_from(problem->where);
    ptrdiff_t end = str_rfind_char(where, ':');
    ptrdiff_t colon = end < 0 ? -1 : str_rfind_char(str_slice(where, 0, (size_t)end), ':');
    uint64_t line = 0;
    if (colon < 0 || num_parse_u64(str_slice(where, (size_t)colon + 1, (size_t)end), &line) != 0) {
        *ret_file = where;
        return 0;
    }
    *ret_file = str_slice(where, 0, (size_t)colon);
    return line;
}

/* Each goes in front of the first of its file that stands further below. */
void problem_list_sort(struct problem_list *list, size_t first)
{
    for (size_t i = first + 1; i < MIN(list->count, (size_t)PROBLEM_LIST_MAX); i++) {
        struct str file, other;
        struct problem moved = list->items[i];
        uint64_t line = line_of(&moved, &file);
        size_t to = first;
        while (to < i && (line_of(&list->items[to], &other) <= line || !str_eq(file, other))) {
            to++;
        }
        memmove(&list->items[to + 1], &list->items[to], (i - to) * sizeof(moved));
        list->items[to] = moved;
    }
}

struct str problem_nearest(struct str name, const struct str *names, size_t count)
{
    struct str best = STR_NONE;
    struct str longer = STR_NONE;
    unsigned best_distance = 4;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = str_distance(name, names[i], 3);
        if (distance < best_distance && distance * 2 <= name.len) {
            best = names[i];
            best_distance = distance;
        }
        if (!longer.len && name.len >= SHORT_FORM_MIN && str_starts(names[i], name)) {
            longer = names[i];
        }
    }
    return longer.len && best_distance > 1 ? longer : best;
}
