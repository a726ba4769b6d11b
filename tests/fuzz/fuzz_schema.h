/* SPDX-License-Identifier: Apache-2.0
 *
 * What the targets of schema/ share: files in memory, loading, and the law of rendering: what was
 * loaded renders to a file that loads to the same project.
 */
#ifndef FUZZ_SCHEMA_H
#define FUZZ_SCHEMA_H

#include "fuzz.h"
#include "schema/load.h"

enum { FUZZ_FILES = 4 };

/* Parts of the input, cut at lines "%%". */
struct fuzz_files {
    struct str paths[FUZZ_FILES];
    struct str texts[FUZZ_FILES];
};

static int fuzz_read(void *ctx, struct str path, struct buf *out)
{
    const struct fuzz_files *files = ctx;
    for (size_t i = 0; i < FUZZ_FILES; i++) {
        if (files->texts[i].p && str_eq(path, files->paths[i])) {
            buf_add(out, files->texts[i]);
            return buf_error(out);
        }
    }
    return -ENOENT;
}

static inline void fuzz_cut(struct fuzz_files *files, struct str input)
{
    for (size_t i = 0; i < FUZZ_FILES; i++) {
        ptrdiff_t cut = i + 1 < FUZZ_FILES ? str_find(input, STR("\n%%\n")) : -1;
        files->texts[i] = cut < 0 ? input : str_slice(input, 0, (size_t)cut + 1);
        files->texts[i].p = files->texts[i].p ? files->texts[i].p : "";
        if (cut < 0) {
            return;
        }
        input = str_skip(input, (size_t)cut + 4);
    }
}

static inline struct project_spec *fuzz_load(struct fuzz_files *files, const struct str *names,
                                             size_t count, bool strict)
{
    static struct problem_list problems, notices;
    static const struct str all = STR_INIT("*");
    static const struct spec_pair variables[] = {{STR_INIT("X"), STR_INIT("x")},
                                                 {STR_INIT("E"), STR_INIT("")}};
    struct schema_load_options options = {.files = names,
                                          .files_count = count,
                                          .working_dir = STR("/p"),
                                          .project_name = STR("p"),
                                          .profiles = &all,
                                          .profiles_count = 1,
                                          .environment = variables,
                                          .environment_count = 2,
                                          .strict = strict,
                                          .reader = {fuzz_read, files}};
    struct project_spec *spec = NULL;
    problems.count = notices.count = 0;
    int r = schema_load(&options, &problems, &notices, &spec);
    fuzz_check(r == 0 || r == SCHEMA_E_INVALID);
    fuzz_check((r == 0) == (spec != NULL));
    fuzz_check((r == 0) == (problems.count == 0));
    for (size_t i = 0; i < problems.count && i < PROBLEM_LIST_MAX; i++) {
        fuzz_check(problems.items[i].code[0] && problems.items[i].what[0] &&
                   problems.items[i].where[0]);
    }
    return spec;
}

static inline void fuzz_same(const struct service_spec *a, const struct service_spec *b)
{
    fuzz_check(a && b && a->spec_hash == b->spec_hash && a->argv_count == b->argv_count);
    fuzz_check(a->environment_count == b->environment_count && a->replicas == b->replicas);
    fuzz_check(a->routes_count == b->routes_count && a->ports_count == b->ports_count);
    for (size_t i = 0; i < a->argv_count; i++) {
        fuzz_check(str_eq(a->argv[i], b->argv[i]));
    }
}

/* Renders, loads that, and compares. Takes the reference. */
static inline void fuzz_round_trip(struct project_spec *spec)
{
    struct buf text = BUF_INIT(64 * MIB), json = BUF_INIT(64 * MIB);
    if (!spec) {
        return;
    }
    schema_render_json(spec, 0, &json);
    schema_render_yaml(spec, SCHEMA_SHOW_SECRETS, &text);
    fuzz_check(buf_error(&text) == 0 && buf_error(&json) == 0);
    struct fuzz_files again = {{STR("/p/muelle.yaml")}, {buf_str(&text)}};
    static const struct str name = STR_INIT("muelle.yaml");
    struct project_spec *second = fuzz_load(&again, &name, 1, false);
    fuzz_check(second && second->services_count == spec->services_count);
    fuzz_check(second->content_hash == spec->content_hash);
    for (size_t i = 0; i < spec->services_count; i++) {
        fuzz_same(&spec->services[i], project_spec_service(second, spec->services[i].name));
    }
    project_spec_unref(second);
    project_spec_unref(spec);
    buf_fini(&text);
    buf_fini(&json);
}

#endif
