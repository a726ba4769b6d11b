/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to a project_spec, and back to text.
 *
 * Pure: files come through the caller's reader, variables from the caller's environment, so that
 * the command line, the core and the fuzzers run the same code: what `muelle config` accepts the
 * core accepts. Runs on any thread; blocks as the reader does; loads on several threads do not
 * meet.
 */
#ifndef SCHEMA_LOAD_H
#define SCHEMA_LOAD_H

#include "base/problem.h"
#include "schema/spec.h"

/* Appends the whole file to `out` (whose maximum is the limit): 0 or -errno. -ENOENT is an ordinary
 * answer where a file is optional (.env); -ENOBUFS: it is larger than the limit; -ENOTSUP: it is no
 * regular file. `path` is absolute and holds no NUL, but none stands behind it. */
struct schema_reader {
    int (*read)(void *ctx, struct str path, struct buf *out);
    void *ctx;
};

struct schema_load_options {
    const struct str *files; /* YAML or Procfile, merged left to right; at least one */
    size_t files_count;
    struct str working_dir;     /* absolute: relative paths above are taken from here */
    struct str project_name;    /* empty: `name:` of the file, else the folder's name */
    const struct str *profiles; /* also taken from COMPOSE_PROFILES of the environment */
    size_t profiles_count;
    const struct spec_pair *environment; /* the caller's variables */
    size_t environment_count;
    const struct str *env_files; /* none: `.env` beside the first file, if there is one */
    size_t env_files_count;
    bool strict; /* keys that do not apply become errors */
    struct schema_reader reader;
};

enum { SCHEMA_E_INVALID = 1 }; /* the configuration is wrong: `problems` say what */

/* 0, SCHEMA_E_INVALID (then `problems` holds at least one) or -ENOMEM. `notices` collects what is
 * understood but not acted on (may be NULL). Both are added to, the first 20 are kept, all counted.
 * *ret_spec is the caller's one reference, NULL unless 0 is returned. `options` and what it points
 * to need to live during the call only. */
must_check int schema_load(const struct schema_load_options *options, struct problem_list *problems,
                           struct problem_list *notices, struct project_spec **ret_spec);

/* Sets `where` to the place in the files of what a JSON pointer names ("/services/web/command"):
 * file:line:column of the value; of the nearest key above it when the files do not say it; else
 * the first file alone. Without files (a spec made by a program) it is the pointer itself. True
 * when the value itself is there. */
bool schema_where(const struct project_spec *spec, struct problem *problem, const char *fmt, ...)
    printf_like(3, 4);

/* Keys of two maps of a spec (traffic_tree, gateway.tree; NULL = empty) whose values are written
 * differently: those of `a` first, in its order. Fills up to `max`, returns how many there are. */
size_t schema_changed_keys(const struct value *a, const struct value *b, struct str *ret,
                           size_t max);

enum schema_render_flag { SCHEMA_SHOW_SECRETS = 1 << 0 };

/* The project as understood, canonical order. Loading the YAML again gives an equal project (equal
 * content_hash) when secrets are shown; else values of secret rows and of x-… keys are "********".
 * The buffer's error is sticky: a rendering that did not fit is not whole. */
void schema_render_yaml(const struct project_spec *spec, unsigned flags, struct buf *out);
void schema_render_json(const struct project_spec *spec, unsigned flags, struct buf *out);
/* One service of it, as the API's `spec`. */
void schema_render_service_json(const struct project_spec *spec, struct str service, unsigned flags,
                                struct buf *out);

#endif
