/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over a configuration: what all stages share. Private to schema/.
 *
 * Memory: everything comes from the arena. When it is out, `error` is set once and the makers below
 * hand out a scratch node that nothing is ever attached to, so that stages need no check of their
 * own; schema_load looks at `error` between stages.
 */
#ifndef SCHEMA_PASS_H
#define SCHEMA_PASS_H

#include "base/arena.h"
#include "base/map.h"
#include "schema/field.h"
#include "schema/load.h"
#include "schema/value.h"

enum {
    PASS_FILES_MAX = 256, /* files that one project may be made of */
    PASS_ENV_MAX = 65536, /* variables */
    PASS_ARENA_MAX = 96 << 20,
    PASS_CHAIN_MAX = 32, /* nesting of include and extends */
};

struct pass_file {
    struct str shown; /* as given: for errors */
    struct str path;  /* absolute */
};

struct pass_open {
    struct str path;
    const struct pass_open *outer;
};
struct schema_pass {
    struct arena *arena;
    const struct schema_load_options *options;
    struct problem_list *problems;
    struct problem_list *notices;
    struct pass_file files[PASS_FILES_MAX];
    size_t files_count;
    struct map env;        /* name → struct spec_pair: the caller's, then .env */
    struct map unset_said; /* names of unset variables that a notice was given for */
    struct map noticed;    /* keys that a notice was given for */
    struct str base_dir;   /* for relative paths of the file at hand */
    struct str work_dir;   /* of the project */
    struct str project_name;
    struct value *disabled;       /* services whose profiles are not chosen, by name; NULL = none */
    const struct pass_open *open; /* the files that are being loaded, the innermost first */
    struct value_at owner_at; /* the key whose map is being decoded: where a missing key is said */
    size_t nodes;
    int error;         /* 0 or -ENOMEM */
    bool too_large;    /* VALUE_NODES_MAX was met and said */
    struct value sink; /* see above */
};

/* A problem at that place; further parts by problem_expected and problem_hint. */
struct problem *pass_problem(struct schema_pass *pass, struct value_at at, const char *code,
                             const char *fmt, ...) printf_like(4, 5);
/* The same for what is understood but not acted on; becomes a problem when `strict` asks for it. */
struct problem *pass_notice(struct schema_pass *pass, struct value_at at, bool strict,
                            const char *code, const char *fmt, ...) printf_like(5, 6);

void *pass_alloc(struct schema_pass *pass, size_t count, size_t size);
struct str pass_str(struct schema_pass *pass, struct str s);
struct str pass_printf(struct schema_pass *pass, const char *fmt, ...) printf_like(2, 3);
/* The content of `buf` as an arena string; frees the buffer. */
struct str pass_take(struct schema_pass *pass, struct buf *buf);
/* "/a/./b/../c" from a base and a relative path; absolute ones are only cleaned. "~" is left alone.
 */
struct str pass_path(struct schema_pass *pass, struct str base, struct str path);
struct str pass_dir(struct str path);
/* Makes the file known: its index, or -1 beyond PASS_FILES_MAX (said). */
int pass_file(struct schema_pass *pass, struct str shown, struct str path);
/* Says that a file cannot be read, by the reader's -errno; `max` is what it may have had, in
 * bytes. */
struct problem *pass_unreadable(struct schema_pass *pass, struct value_at at, struct str path,
                                int error, size_t max);
/* UTF-8 without control characters: checked before any parser sees a file. False when it said a
 * problem. */
bool pass_check_text(struct schema_pass *pass, uint16_t file, struct str text);
struct str pass_without_mark(struct str text); /* a byte order mark is no part of the text */
const struct spec_pair *pass_env(const struct schema_pass *pass, struct str name);
/* Sets a variable; `pair` lies in the arena. False when memory is out or there are PASS_ENV_MAX of
 * them, which is said. */
bool pass_set_env(struct schema_pass *pass, struct spec_pair *pair);

struct value *pass_value(struct schema_pass *pass, enum value_kind kind, struct value_at at);
struct value *pass_scalar(struct schema_pass *pass, struct str text, struct value_at at);
struct value *pass_copy(struct schema_pass *pass, const struct value *v);
void pass_add(struct schema_pass *pass, struct value *list, struct value *item);
/* Adds at the end what is known not to be there; `at` is the key's place. */
void pass_append(struct schema_pass *pass, struct value *map, struct str key, struct value_at at,
                 struct value *item);
/* Adds or replaces. */
void pass_put(struct schema_pass *pass, struct value *map, struct str key, struct value *item);

/* Stages, in the order of their use. Each says what is wrong as problems. */
struct value *yaml_parse(struct schema_pass *pass, uint16_t file, struct str text);
struct value *procfile_parse(struct schema_pass *pass, uint16_t file, struct str text);
void merge_own_keys(struct schema_pass *pass, struct value *root); /* x-muelle */
void interpolate_tree(struct schema_pass *pass, struct value *root);
void normalise_tree(struct schema_pass *pass, struct value *root);
void extend_services(struct schema_pass *pass, struct value *root, struct str path, unsigned depth);
void include_files(struct schema_pass *pass, struct value *root, unsigned depth);
/* Merges `from` over `into` (normalised documents), which takes over its nodes. */
void merge_tree(struct schema_pass *pass, struct value *into, struct value *from);
void merge_service(struct schema_pass *pass, struct value *into, struct value *from);
void environment_resolve(struct schema_pass *pass, struct value *root);
void profiles_apply(struct schema_pass *pass, struct value *root);
void verify_project(struct schema_pass *pass, const struct value *root, struct project_spec *spec);
void canonicalise(const struct schema_table *table, struct value *v);
uint64_t canonical_restart_hash(const struct schema_table *table, const struct value *v,
                                uint64_t seed);

/* One file to a document that is ready to be merged. `shown_at` is where it is asked for (or line
 * 0). NULL when it said a problem. */
struct value *load_file(struct schema_pass *pass, struct str path, struct str base_dir,
                        struct value_at asked_at, unsigned depth);
/* Adds the variables of a file; those that are there win. */
void environment_load(struct schema_pass *pass, struct str path, bool required, struct value_at at);

#endif
