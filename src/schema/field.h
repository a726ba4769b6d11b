/* SPDX-License-Identifier: Apache-2.0
 *
 * The schema row: one description of one field, from which everything else about it is derived
 * (decoding, defaults, bounds, errors with positions, JSON, JSON schema, OpenAPI, SQL columns, CLI
 * tables).
 *
 * Tables are constant data; nothing here is ever written. A row may exist only in the document (no
 * member in a C struct): Compose keys that only container engines act on are kept that way.
 */
#ifndef SCHEMA_FIELD_H
#define SCHEMA_FIELD_H

#include "base/str.h"
#include "schema/field_kinds.h"

enum { SCHEMA_NO_MEMBER = UINT16_MAX };

struct schema_table;
struct schema_pass;
struct value;
/* Rewrites a short form into the long one, in place. Problems go to the pass. */
typedef void schema_normalise_fn(struct schema_pass *pass, struct value *value);
/* After a table's rows are decoded into `object`: what needs more than one row. `value` is the map.
 */
typedef void schema_finish_fn(struct schema_pass *pass, const struct value *value, void *object);

struct schema_field {
    const char *name; /* in documents and JSON; the Compose key where Compose has one */
    uint8_t type;     /* enum schema_type */
    uint8_t item;     /* enum schema_type of list and map items */
    uint8_t unit;
    uint8_t class;
    uint8_t merge;
    uint8_t support;
    uint16_t offset; /* of the member, or SCHEMA_NO_MEMBER; an object's 0 may be its parent's own
                        struct */
    uint16_t count_offset;
    uint32_t flags;
    const struct schema_table *of;
    const char *const *choices; /* enums: names, NULL at the end */
    schema_normalise_fn *normalise;
    int64_t min, max;       /* bounds of numbers, lengths and counts; both 0 = none */
    const char *preset;     /* default as text in a document; NULL = none */
    const char *reference;  /* the top-level map that the value names an entry of */
    const char *permission; /* NULL = that of the resource */
    const char *since;      /* version; NULL = 0.1 */
    const char *deprecated; /* what to use instead; NULL = not deprecated */
    const char *column;     /* heading in CLI tables; NULL = not shown */
    const char *en, *es;    /* one sentence each */
};

struct schema_table {
    const char *name; /* "service": singular, snake_case */
    const char *en, *es;
    const struct schema_field *fields;
    uint16_t count;
    uint16_t size;  /* sizeof the C struct; 0 = document only */
    uint32_t flags; /* SCHEMA_OPEN */
    schema_finish_fn *finish;
};

/* The row of that name, or NULL. */
const struct schema_field *schema_field_find(const struct schema_table *table, struct str name);
/* Bytes of one item of a list or map row in its array; a map's scalar items are struct
 * spec_pair. */
size_t schema_item_size(const struct schema_field *row);

#endif
