/* SPDX-License-Identifier: Apache-2.0
 *
 * The value tree: a configuration document between its text and its structs. Every node and every
 * key knows where it stood, so that an error found late still names file, line and column.
 *
 * Why a tree of our own and not the library's: four forms of text (YAML, Procfile, .env, an
 * `extends` from another file) meet in one document, are merged, and are rendered again; the tree
 * is the only form that all stages share.
 *
 *   1. Nodes lie in the arena of the pass and are changed in place by the stages. Nothing is freed
 *      before the whole load is over, so a stage may keep any pointer to a node.
 *   2. A node has one parent: aliases are resolved by copying, so changing one place changes one.
 *   3. Keys of a map differ. Whoever adds asks value_member first (pass_put does it).
 *   4. At most VALUE_DEPTH_MAX levels, so that every walk may recurse, and JSON_DEPTH_MAX is kept.
 *   5. `index` is right or NULL: what moves or removes members drops it, what adds keeps it up.
 */
#ifndef SCHEMA_VALUE_H
#define SCHEMA_VALUE_H

#include "base/buf.h"
#include "base/json.h"

enum {
    VALUE_DEPTH_MAX = 48,     /* levels of nesting */
    VALUE_NODES_MAX = 200000, /* of one pass, aliases expanded */
    VALUE_FILE_MAX = 4 << 20, /* bytes of one file */
    VALUE_SEARCHED_MAX = 32,  /* a map with room for more members has an index */
};

enum value_kind { VALUE_NULL, VALUE_SCALAR, VALUE_LIST, VALUE_MAP };

/* What an untyped reader makes of a scalar (YAML 1.2.2, 10.3.2: core schema). Only rendering and
 * equality ask for it: decoding goes by the row, so that `version: 5` may be a text. */
enum value_type { VALUE_IS_NULL, VALUE_IS_BOOL, VALUE_IS_INT, VALUE_IS_FLOAT, VALUE_IS_STRING };

/* Compose's tags for merging: a value that removes, or that replaces whatever the rule of its key.
 * They are used up by the merge; what is left of them later means nothing. */
enum value_tag { VALUE_TAG_NONE, VALUE_TAG_RESET, VALUE_TAG_OVERRIDE };

struct value_at {
    uint32_t line;   /* from 1; 0 = not from a file */
    uint16_t column; /* from 1 */
    uint16_t file;   /* index into the files of the pass */
};

struct value_member;

struct value {
    uint8_t kind; /* enum value_kind */
    uint8_t tag;  /* enum value_tag */
    bool quoted;  /* a scalar that is text whatever it looks like */
    bool replica; /* holds references to the replica's own names (PORT …): not interpolated */
    struct value_at at;
    struct str text;              /* scalars: decoded, without quotes; holds no NUL */
    struct value_member *members; /* of lists and maps, in the order of the file */
    uint32_t *index;              /* of a large map: see value.c; NULL = none */
    uint32_t count;
    uint32_t cap;
};

struct value_member {
    struct str key;     /* of maps; empty in lists */
    struct value_at at; /* of the key; in lists that of the value */
    struct value *value;
};

/* The iteration that almost every stage does: `m` is a struct value_member *. Nothing happens for a
 * scalar or null. The body may change m->value but add and remove no members. */
#define value_each(m, v)                                                                           \
    for (struct value_member *m = (v)->members, *m##_end = (v)->kind >= VALUE_LIST && (v)->count   \
                                                               ? (v)->members + (v)->count         \
                                                               : m;                                \
         m != m##_end; m++)

/* The member's value, or NULL; NULL too when `v` is NULL or no map. */
struct value *value_get(const struct value *v, const char *key);
/* The member itself, to change its value or to see where the key stands; valid until members are
 * added or removed. A map beyond VALUE_SEARCHED_MAX is not searched but looked up. */
struct value_member *value_member(const struct value *v, struct str key);
/* Removes the member of that name and returns its value, or NULL. */
struct value *value_take(struct value *v, const char *key);
/* Removes member i (i < count), keeping the order of the others. */
void value_remove(struct value *v, size_t i);

/* The place of item i of a list; of what stands there in its place (a short form): its own. */
static inline struct value_at value_item_at(const struct value *v, size_t i)
{
    return v->kind == VALUE_LIST && i < v->count ? v->members[i].value->at : v->at;
}

/* There and not null: `key:` without a value means the same as no key, in Compose and here. */
static inline bool value_is_set(const struct value *v)
{
    return v && v->kind != VALUE_NULL;
}

enum value_type value_type(const struct value *v);
/* Same kind, same content; order of map members does not matter, that of lists does. */
bool value_equal(const struct value *a, const struct value *b);
/* The member just added as the last one becomes known to the index, if there is one. */
void value_index_last(struct value *map);
/* Sorts the members of a map by key, byte order. */
void value_sort(struct value *map);
/* Content hash in the sense of value_equal (of sorted maps). */
uint64_t value_hash(uint64_t seed, const struct value *v);

#endif
