/* SPDX-License-Identifier: Apache-2.0
 *
 * The value tree: a configuration document between its text and its structs. Every node and every
 * key knows where it stood, so that an error found late still names file, line and column.
 *
 * Nodes lie in the arena of the pass and are changed in place by the stages (interpolation,
 * normalisation, merging). A node has one parent: sharing (aliases) is resolved by copying.
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

/* What an untyped reader makes of a scalar (YAML 1.2 core schema). */
enum value_type { VALUE_IS_NULL, VALUE_IS_BOOL, VALUE_IS_INT, VALUE_IS_FLOAT, VALUE_IS_STRING };

/* Compose's tags for merging. */
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
    struct str text; /* scalars */
    struct value_member *members;
    uint32_t *index; /* of a large map: see value.c; NULL = none */
    uint32_t count;
    uint32_t cap;
};

struct value_member {
    struct str key; /* of maps */
    struct value_at at;
    struct value *value;
};

/* The iteration that almost every stage does: `m` is a struct value_member *. */
#define value_each(m, v)                                                                           \
    for (struct value_member *m = (v)->members, *m##_end = (v)->kind >= VALUE_LIST && (v)->count   \
                                                               ? (v)->members + (v)->count         \
                                                               : m;                                \
         m != m##_end; m++)

/* The member's value, or NULL; NULL too when `v` is NULL or no map. */
struct value *value_get(const struct value *v, const char *key);
struct value_member *value_member(const struct value *v, struct str key);
/* Removes the member of that name and returns its value, or NULL. */
struct value *value_take(struct value *v, const char *key);
/* Removes member i, keeping the order. */
void value_remove(struct value *v, size_t i);

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
