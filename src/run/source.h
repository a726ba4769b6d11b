/* SPDX-License-Identifier: Apache-2.0
 *
 * struct source: how a project was loaded: names of files, profiles, the caller's variables, and
 * the content of every file that was read. It is what the store holds about a project, so that a
 * core that starts again runs what was applied, whatever happened to the files meanwhile; a reload
 * reads the files anew.
 */
#ifndef RUN_SOURCE_H
#define RUN_SOURCE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/problem.h"
#include "base/vec.h"
#include "os/user.h"
#include "schema/spec.h"

enum {
    SOURCE_FILES_MAX = 256, /* read by one load, includes and env files too */
    SOURCE_FILE_BYTES_MAX = 4 << 20,
    SOURCE_BYTES_MAX = 16 << 20,
};

/* A file as it was read; error -ENOENT = it was looked for and was not there. */
struct source_file {
    struct str path;
    struct str content;
    int error;
};

struct certificates_kept;

struct source {
    struct arena arena;
    struct str name; /* asked for; empty = the file's own */
    struct str working_dir;
    struct str *files;
    size_t file_count;
    struct str *profiles;
    size_t profile_count;
    struct str *env_files;
    size_t env_file_count;
    struct spec_pair *environment;
    size_t environment_count;
    bool strict;
    struct vec read;     /* of struct source_file */
    struct user **users; /* per service of the spec; NULL = ours. Filled by source_check */
    size_t user_count;
    struct certificates *certificates; /* filled by source_check */
    uint32_t refs;
};

struct source *source_new(void);
struct source *source_ref(struct source *source);
/* On the loop's thread. Accepts NULL. */
void source_unref(struct source *source);
/* A copy of what was asked, without what was read. NULL when memory is out. */
struct source *source_again(const struct source *source);

/* Loads the project; blocks: on a worker. `stored`: from the contents held, else from the disk. 0,
 * SCHEMA_E_INVALID with problems, -errno. */
must_check int source_load(struct source *source, bool stored, struct problem_list *problems,
                           struct problem_list *notices, struct project_spec **ret_spec);
/* What must be true before anything is started: commands, folders and users exist, certificates
 * can serve, no cycle. Blocks. Adds to `problems`, and what is doubtful to `notices`; fills users
 * and certificates. 0 or -errno. */
struct source_check {
    const struct project_spec *spec;
    const struct certificates_kept *kept; /* NULL = nothing */
    bool files_only;                      /* nothing is made that is not there */
    struct str state;                     /* the folder of the instance; may be empty */
    struct problem_list *problems;
    struct problem_list *notices; /* may be NULL */
};
must_check int source_check(struct source *source, const struct source_check *check);
/* The user that a service runs as; NULL = ours. */
const struct user *source_user(const struct source *source, const struct project_spec *spec,
                               const struct service_spec *service);
/* A variable of the caller; STR_NONE if there is none. */
struct str source_env(const struct source *source, struct str name);

/* The store's form, and back. */
void source_encode(const struct source *source, struct buf *out);
must_check int source_decode(struct str text, struct source **ret_source);

#endif
