/* SPDX-License-Identifier: Apache-2.0
 *
 * The schema row: one description of one field, from which everything else about it is derived
 * (decoding, defaults, bounds, errors with positions, JSON, JSON schema, OpenAPI, SQL columns, CLI
 * tables).
 *
 * Why: what is described twice differs one day. A key that is in the decoder but not in the JSON
 * schema, or in the API but not in its document, cannot happen where both read one row.
 *
 * Tables are constant data; nothing here is ever written, so any thread may read. A row may exist
 * only in the document (no member in a C struct): Compose keys that only container engines act on
 * are kept that way.
 */
#ifndef SCHEMA_FIELD_H
#define SCHEMA_FIELD_H

#include "base/str.h"
#include "schema/field_kinds.h"

enum { SCHEMA_NO_MEMBER = UINT16_MAX };

struct schema_table;
struct schema_pass;
struct value;
/* Rewrites a short form into the long one, in place. What it does not understand it leaves to the
 * check that follows. Problems go to the pass. Called for values that are not null. */
typedef void schema_normalise_fn(struct schema_pass *pass, struct value *value);
/* After a table's rows are decoded into `object` (never NULL): what needs more than one row.
 * `value` is the map, to ask whether and where something was written; NULL or null when the
 * document left the object out and presets fill it. */
typedef void schema_finish_fn(struct schema_pass *pass, const struct value *value, void *object);

/* One row. Members that are left out are 0: text, optional, replaced when files are merged.
 *
 * `offset` and `count_offset` count from the struct of the row's own table; decode.c and encode.c
 * copy by them, so the type of the member must be the one that enum schema_type names. An object
 * with AT_PARENT (row.h) has offset 0 and rows that count from the parent's struct: `deploy` has no
 * struct.
 *
 * Bounds hold for numbers, lengths of texts in bytes, and (in requests of the API) counts of lists.
 * `permission` and `since` are words for tools so far. */
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

/* Rows in the order in which they are rendered; at most TABLE_ROWS_MAX (decode.c). The table of a
 * resource or file is reached by name (resource.h), others through the rows that hold them. */
struct schema_table {
    const char *name; /* "service": singular, snake_case */
    const char *en, *es;
    const struct schema_field *fields;
    uint16_t count;
    uint16_t size;  /* sizeof the C struct; 0 = document only */
    uint32_t flags; /* SCHEMA_OPEN */
    schema_finish_fn *finish;
};

/* The row of that name, or NULL; also for no table. By search: the longest table has some hundred
 * rows, and a document is read once. */
const struct schema_field *schema_field_find(const struct schema_table *table, struct str name);
/* Bytes of one item of a list or map row in its array; a map's scalar items are struct
 * spec_pair. */
size_t schema_item_size(const struct schema_field *row);

#endif
