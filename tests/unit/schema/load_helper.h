/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading configurations from memory: files are a table of path and text.
 */
#ifndef TESTS_SCHEMA_LOAD_HELPER_H
#define TESTS_SCHEMA_LOAD_HELPER_H

#include "harness/test.h"
#include "schema/load.h"

struct memory_file {
    const char *path;
    const char *text;
};

struct loaded {
    struct project_spec *spec;
    struct problem_list problems, notices;
    int r;
};

static int memory_read(void *ctx, struct str path, struct buf *out)
{
    for (const struct memory_file *f = ctx; f->path; f++) {
        if (str_is(path, f->path)) {
            buf_add_cstr(out, f->text);
            return buf_error(out);
        }
    }
    return -ENOENT;
}

/* Loads "/p/muelle.yaml" and what it leads to; variables X=x, EMPTY= and HOME=/home/u are set. */
static inline void load_with(struct loaded *l, struct memory_file *files,
                             struct schema_load_options *o)
{
    static const struct str first = STR_INIT("muelle.yaml");
    static const struct spec_pair variables[] = {{STR_INIT("X"), STR_INIT("x")},
                                                 {STR_INIT("EMPTY"), STR_INIT("")},
                                                 {STR_INIT("HOME"), STR_INIT("/home/u")}};
    *l = (struct loaded){0};
    if (!o->files_count) {
        o->files = &first;
        o->files_count = 1;
    }
    o->working_dir = STR("/p");
    o->environment = variables;
    o->environment_count = ARRAY_LEN(variables);
    o->reader = (struct schema_reader){memory_read, files};
    l->r = schema_load(o, &l->problems, &l->notices, &l->spec);
    check((l->r == 0) == (l->spec != NULL));
    check((l->r == SCHEMA_E_INVALID) == (l->problems.count > 0));
}

static inline void load_text(struct loaded *l, const char *text)
{
    struct memory_file files[] = {{"/p/muelle.yaml", text}, {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(l, files, &options);
}

/* The same, and it must succeed. */
static inline const struct project_spec *load_good(struct loaded *l, const char *text)
{
    load_text(l, text);
    if (l->r) {
        check_cstr(l->problems.items[0].what, "no problem");
    }
    return l->spec;
}

#endif
