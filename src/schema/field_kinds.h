/* SPDX-License-Identifier: Apache-2.0
 *
 * The words that rows are written with: types, units, classes, merge rules, flags (field.h).
 *
 * Values are never stored nor sent: an order may change, a name may not (tests and tables use it).
 */
#ifndef SCHEMA_FIELD_KINDS_H
#define SCHEMA_FIELD_KINDS_H

/* What a field holds; behind the word the member of the C struct, and its form in documents. */
enum schema_type {
    SCHEMA_BOOL,     /* bool */
    SCHEMA_INT,      /* int64_t */
    SCHEMA_DOUBLE,   /* double; NaN = unknown = null */
    SCHEMA_STRING,   /* struct str; UTF-8 without NUL */
    SCHEMA_ENUM,     /* int32_t: index into `choices` */
    SCHEMA_DURATION, /* int64_t nanoseconds; "1m30s" in documents */
    SCHEMA_SIZE,     /* int64_t bytes; "64m" (powers of 1024) in documents */
    SCHEMA_TIME,     /* int64_t wall clock ns since 1970; RFC 3339 in documents; 0 = null */
    SCHEMA_OBJECT,   /* the struct described by `of`, embedded */
    SCHEMA_LIST,     /* items described by `item` / `of`: const T *x; size_t x_count */
    SCHEMA_MAP,      /* name → item: as a list whose item holds its key in its row SCHEMA_KEY */
    SCHEMA_RAW_JSON, /* struct str holding one JSON value, which is trusted to be one */
    SCHEMA_ANY,      /* document only: any value, neither checked nor decoded */
};

/* What a number counts: how a cell shows it, and the suffix of a figure's name. */
enum schema_unit {
    SCHEMA_UNIT_NONE,
    SCHEMA_UNIT_BYTES,
    SCHEMA_UNIT_PERCENT,
    SCHEMA_UNIT_COUNT,
    SCHEMA_UNIT_PER_SECOND,
    SCHEMA_UNIT_SECONDS,
    SCHEMA_UNIT_MILLISECONDS,
};

/* Who says a field's value: a file, muelle at run time, or a row of the store (a SQL column). */
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

/* SCHEMA_FILTER, SCHEMA_SORT and SCHEMA_IMMUTABLE are words for tools so far: nothing in the
 * program reads them. All others are acted on where their comment says. */
enum schema_flag {
    SCHEMA_REQUIRED = 1 << 0,
    SCHEMA_IMMUTABLE = 1 << 1, /* a change means a new object */
    SCHEMA_SECRET = 1 << 2,    /* hidden unless SCHEMA_SHOW_SECRETS */
    SCHEMA_RESTART = 1 << 3,   /* part of the spec hash: a change restarts the replicas */
    SCHEMA_FILTER = 1 << 4,    /* API lists may filter by it */
    SCHEMA_SORT = 1 << 5,      /* API lists may sort by it */
    SCHEMA_KEY = 1 << 6,       /* the name of a map item; the identity in a list */
    SCHEMA_ZERO_NULL = 1 << 7, /* 0 or the empty string is encoded as null */
    SCHEMA_DETAIL = 1 << 8,    /* only in single resources, not in lists */
    SCHEMA_OPEN = 1 << 10,     /* object: any further key is kept */
    SCHEMA_MUELLE = 1 << 11,   /* muelle's own key: may also stand under x-muelle */
    /* Short forms that a document may have instead: a normalise function rewrites them, or `finish`
     * reads them from the map. Decoding passes over them, the JSON schema allows them. */
    SCHEMA_OR_STRING = 1 << 12, /* text or a number */
    SCHEMA_OR_LIST = 1 << 13,   /* a list of texts */
    SCHEMA_OR_BOOL = 1 << 14,
    SCHEMA_OR_MAP = 1 << 15,
    SCHEMA_ITEM_OR_STRING = 1 << 16, /* items of a list or map: text or a number */
    SCHEMA_ITEM_OR_NULL = 1 << 17,
    SCHEMA_OPTIONAL = 1 << 18, /* a bool at count_offset says whether the member holds; else null */
};

#endif
