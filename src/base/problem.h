/* SPDX-License-Identifier: Apache-2.0
 *
 * struct problem: an error that a person will read (configuration, API, command line): what is
 * wrong, where, what was expected, what to do next. Plain bytes without pointers, so it can be
 * copied and kept.
 *
 * Printed in three lines on a terminal, rendered as an RFC 9457 document by the API.
 */
#ifndef BASE_PROBLEM_H
#define BASE_PROBLEM_H

#include "base/str.h"

enum { PROBLEM_TEXT_MAX = 400, PROBLEM_LIST_MAX = 20 };

struct problem {
    char code[48];                   /* stable slug: "config.unknown-key"; ends the RFC 9457 type */
    uint16_t status;                 /* HTTP status that fits; 0 = 500 */
    char what[PROBLEM_TEXT_MAX];     /* "unknown key 'imge'" */
    char where[PROBLEM_TEXT_MAX];    /* "muelle.yaml:12:5" or a JSON pointer "/services/web" */
    char expected[PROBLEM_TEXT_MAX]; /* "one of: image, build, command"; may be empty */
    char hint[PROBLEM_TEXT_MAX];     /* "did you mean 'image'?"; may be empty */
};

/* All problems of one input; the count goes on beyond what is kept. */
struct problem_list {
    size_t count;
    struct problem items[PROBLEM_LIST_MAX];
};

/* Empties it and sets code and what; the other parts by problem_where and so on. Texts are cut to
 * fit, never inside a character of UTF-8. `code` is part of the API: clients match it, people never
 * see it; a new meaning is a new code. Texts quote the user's input as it is: who prints them on a
 * terminal or in HTML escapes them. */
void problem_set(struct problem *problem, const char *code, const char *fmt, ...) printf_like(3, 4);
void problem_where(struct problem *problem, const char *fmt, ...) printf_like(2, 3);
void problem_expected(struct problem *problem, const char *fmt, ...) printf_like(2, 3);
void problem_hint(struct problem *problem, const char *fmt, ...) printf_like(2, 3);

/* The next free place; once the list is full the last place, which then holds the latest problem
 * (still counted). Never NULL: whoever finds a problem needs no branch for the case of too many. */
struct problem *problem_list_add(struct problem_list *list);
static inline const struct problem *problem_list_first(const struct problem_list *list)
{
    return list->count ? &list->items[0] : NULL;
}

/* Puts those from `first` on in the order of their lines ("FILE:LINE:COLUMN"). Those of one line
 * stay as they are to each other (the first is mostly the cause), and those of different files. */
void problem_list_sort(struct problem_list *list, size_t first);

/* The entry of `names` nearest to `name` (distance <= 3 and half its length), else the first one
 * that it is a short form of ("env": "environment"), or STR_NONE. */
struct str problem_nearest(struct str name, const struct str *names, size_t count);

#endif
