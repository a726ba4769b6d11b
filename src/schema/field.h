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

enum schema_type {                  /* C member behind it */
                   SCHEMA_BOOL,     /* bool */
                   SCHEMA_INT,      /* int64_t */
                   SCHEMA_DOUBLE,   /* double; NaN = unknown = null */
                   SCHEMA_STRING,   /* struct str */
                   SCHEMA_ENUM,     /* int32_t: index into `choices` */
                   SCHEMA_DURATION, /* int64_t nanoseconds; "1m30s" in documents */
                   SCHEMA_SIZE,     /* int64_t bytes; "64m" in documents */
                   SCHEMA_TIME,     /* int64_t wall clock ns; RFC 3339 in documents; 0 = null */
                   SCHEMA_OBJECT,   /* the struct described by `of`, embedded; or a pointer:
                                       SCHEMA_BY_POINTER */
                   SCHEMA_LIST, /* items described by `item` / `of`: const T *x; size_t x_count */
                   SCHEMA_MAP,  /* name → item: as a list whose item holds its key in its row
                                   SCHEMA_KEY */
                   SCHEMA_RAW_JSON, /* struct str holding one JSON value */
                   SCHEMA_ANY,      /* document only: any value */
};

enum schema_unit {
    SCHEMA_UNIT_NONE,
    SCHEMA_UNIT_BYTES,
    SCHEMA_UNIT_PERCENT,
    SCHEMA_UNIT_COUNT,
    SCHEMA_UNIT_PER_SECOND,
    SCHEMA_UNIT_SECONDS,
    SCHEMA_UNIT_MILLISECONDS,
};

enum schema_class { SCHEMA_SPEC, SCHEMA_STATUS, SCHEMA_STORED };

/* How a later file's (or an extending service's) value meets an earlier one. */
enum schema_merge {
    SCHEMA_MERGE_REPLACE,
    SCHEMA_MERGE_OBJECT, /* key by key; also maps */
    SCHEMA_MERGE_APPEND, /* lists: earlier items first */
    SCHEMA_MERGE_UNIQUE, /* lists: equal items once */
    SCHEMA_MERGE_BY_KEY, /* lists: items whose SCHEMA_KEY row is equal replace each other */
};

/* What muelle does with a key of a process service. */
enum schema_support {
    SCHEMA_SUPPORTED,
    SCHEMA_CONTAINER, /* acted on by engine drivers; said once when a process has it */
    SCHEMA_KEPT,      /* read, checked and rendered; no effect yet; said once */
    SCHEMA_SHOWN,     /* words for people and tools: part of every rendering, never acted on */
};

enum schema_flag {
    SCHEMA_REQUIRED = 1 << 0,
    SCHEMA_IMMUTABLE = 1 << 1,  /* a change means a new object */
    SCHEMA_SECRET = 1 << 2,     /* hidden unless SCHEMA_SHOW_SECRETS */
    SCHEMA_RESTART = 1 << 3,    /* part of the spec hash: a change restarts the replicas */
    SCHEMA_FILTER = 1 << 4,     /* API lists may filter by it */
    SCHEMA_SORT = 1 << 5,       /* API lists may sort by it */
    SCHEMA_KEY = 1 << 6,        /* the name of a map item; the identity in a list */
    SCHEMA_ZERO_NULL = 1 << 7,  /* 0 or the empty string is encoded as null */
    SCHEMA_DETAIL = 1 << 8,     /* only in single resources, not in lists */
    SCHEMA_BY_POINTER = 1 << 9, /* the member is a pointer; NULL = null */
    SCHEMA_OPEN = 1 << 10,      /* object: any further key is kept */
    SCHEMA_MUELLE = 1 << 11,    /* muelle's own key: may also stand under x-muelle */
    /* Short forms that a document may have instead (a normalise function or `finish` reads them):
     */
    SCHEMA_OR_STRING = 1 << 12, /* text or a number */
    SCHEMA_OR_LIST = 1 << 13,   /* a list of texts */
    SCHEMA_OR_BOOL = 1 << 14,
    SCHEMA_OR_MAP = 1 << 15,
    SCHEMA_ITEM_OR_STRING = 1 << 16, /* items of a list or map: text or a number */
    SCHEMA_ITEM_OR_NULL = 1 << 17,
    SCHEMA_OPTIONAL = 1 << 18, /* a bool at count_offset says whether the member holds; else null */
};

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

#endif
