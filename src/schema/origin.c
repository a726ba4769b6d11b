/* SPDX-License-Identifier: Apache-2.0
 *
 * Where something of a loaded project stands in its files: for mistakes that only a machine can
 * tell (a program that is not installed, a port that is taken), found long after the files were
 * read. The tree that a spec keeps for rendering knows the place of every node.
 *
 * A pointer is a path through that tree as RFC 6901 has it, without its escapes: names of services
 * hold neither '/' nor '~' (verify.c). What the files do not say (a preset, a derived listener) has
 * the place of the nearest key above, which is where one would write it.
 */
#include "base/num.h"
#include "schema/load.h"
#include "schema/value.h"

#include <stdarg.h>
#include <stdio.h>

static const struct value_member *step(const struct value *v, struct str key)
{
    uint64_t i;
    if (v->kind == VALUE_MAP) {
        return value_member(v, key);
    }
    bool is_index = v->kind == VALUE_LIST && num_parse_u64(key, &i) == 0 && i < v->count;
    return is_index ? &v->members[i] : NULL;
}

/* The value of the pointer's end; else the key of the last part that is there. */
static struct value_at find(const struct value *v, struct str pointer, bool *ret_there)
{
    struct value_at at = {0};
    while (v && pointer.len) {
        struct str key;
        (void)str_split(pointer, '/', &key, &pointer);
        if (key.len == 0) {
            continue; /* before the first slash */
        }
        const struct value_member *m = step(v, key);
        v = m ? m->value : NULL;
        if (m && (m->at.line || v->at.line)) {
            bool use_value = v->at.line && (pointer.len == 0 || !m->at.line);
            at = use_value ? v->at : m->at;
        }
    }
    *ret_there = v != NULL;
    return at;
}

bool schema_where(const struct project_spec *spec, struct problem *problem, const char *fmt, ...)
{
    char pointer[PROBLEM_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(pointer, sizeof(pointer), fmt, args);
    va_end(args);
    bool there = false;
    struct value_at at = find(spec->tree, str_from(pointer), &there);
    if (at.line && at.file < spec->files_count) {
        problem_where(problem, STR_FMT ":%u:%u", STR_ARG(spec->files[at.file]), at.line, at.column);
    } else if (spec->files_count) {
        problem_where(problem, STR_FMT, STR_ARG(spec->files[0]));
    } else {
        problem_where(problem, "%s", pointer);
    }
    return there;
}
