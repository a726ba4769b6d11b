/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over a configuration: what all stages share. Private to schema/.
 *
 *   1. All memory comes from the arena, which becomes the project_spec's when the load succeeds and
 *      is freed when it does not. So nothing in schema/ is freed node by node.
 *   2. When memory is out `error` is set once, and the makers below hand out `sink`, a scratch node
 *      that nothing is ever attached to: stages need no check of their own, and schema_load looks
 *      at `error` between stages. The same for `too_large`.
 *   3. A mistake of the configuration is a problem with a place, never a return code: a stage says
 *      it and goes on with what is left.
 *   4. One pass belongs to one thread; passes share nothing but constant tables.
 *
 * Functions that return NULL or false have said why (a problem) or have set `error`.
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
    struct str shown; /* as given: people know the file by this name in errors */
    struct str path;  /* absolute */
};

/* A file that is being read: those that led to it, for drawing a circle. */
struct pass_open {
    struct str path;
    const struct pass_open *outer;
};

struct schema_pass {
    struct arena *arena; /* outlives the pass: see above */
    const struct schema_load_options *options;
    struct problem_list *problems; /* of the caller; may hold some from before */
    struct problem_list *notices;  /* the same; NULL = nobody wants to know */
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

/* A problem at that place; further parts by problem_expected and problem_hint. A place with line 0
 * is the first file as a whole. Never NULL: beyond PROBLEM_LIST_MAX it is only counted. */
struct problem *pass_problem(struct schema_pass *pass, struct value_at at, const char *code,
                             const char *fmt, ...) printf_like(4, 5);
/* The same for what is understood but not acted on; becomes a problem when `strict` asks for it. */
struct problem *pass_notice(struct schema_pass *pass, struct value_at at, bool strict,
                            const char *code, const char *fmt, ...) printf_like(5, 6);

/* Zeroed memory of the arena; NULL when it is out (then `error` is set). Strings come with a NUL
 * behind them, which is not counted; on failure they are "". */
void *pass_alloc(struct schema_pass *pass, size_t count, size_t size);
struct str pass_str(struct schema_pass *pass, struct str s);
struct str pass_printf(struct schema_pass *pass, const char *fmt, ...) printf_like(2, 3);
/* The content of `buf` as an arena string; frees the buffer. Its error, also -ENOBUFS, becomes the
 * pass's -ENOMEM: who can meet the bound with a file's own text checks before. */
struct str pass_take(struct schema_pass *pass, struct buf *buf);
/* "/a/./b/../c" from a base and a relative path; absolute ones are only cleaned. "~" is left alone.
 */
struct str pass_path(struct schema_pass *pass, struct str base, struct str path);
/* The folder of an absolute path; a part of it, not a copy. */
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
/* NULL when it is not set. In an included project the map is that project's own. */
const struct spec_pair *pass_env(const struct schema_pass *pass, struct str name);
/* Sets a variable; `pair` lies in the arena. False when memory is out or there are PASS_ENV_MAX of
 * them, which is said. */
bool pass_set_env(struct schema_pass *pass, struct spec_pair *pair);

/* Nodes: an empty one, a text (quoted: it stays text whatever it looks like), a deep copy with the
 * places of the original. The sink when memory is out or VALUE_NODES_MAX is met. */
struct value *pass_value(struct schema_pass *pass, enum value_kind kind, struct value_at at);
struct value *pass_scalar(struct schema_pass *pass, struct str text, struct value_at at);
struct value *pass_copy(struct schema_pass *pass, const struct value *v);
/* To the end of a list, whose item has no other parent. */
void pass_add(struct schema_pass *pass, struct value *list, struct value *item);
/* Adds at the end what is known not to be there; `at` is the key's place. */
void pass_append(struct schema_pass *pass, struct value *map, struct str key, struct value_at at,
                 struct value *item);
/* Adds or replaces; the key's place is the item's own. */
void pass_put(struct schema_pass *pass, struct value *map, struct str key, struct value *item);

#endif
