/* SPDX-License-Identifier: Apache-2.0
 *
 * Short words for writing tables. Private to the table_*.c files.
 *
 *   {"name", SCHEMA_TYPE, WHERE, what it may hold …, .flags = …, SAY("English.", "Español.")}
 *
 * WHERE is DOC_ONLY, AT, LIST_AT or AT_PARENT and must be there: without it offset 0 would be taken
 * for the first member. The words are sentences: they become the description in the JSON schema,
 * OpenAPI, docs/configuration.md and the hint of a missing key.
 *
 * The macros hide nothing but designators, so a table can be read without them; clang-format is
 * told to keep one row a paragraph.
 */
#ifndef SCHEMA_ROW_H
#define SCHEMA_ROW_H

#include "schema/field.h"

/* A row is {"name", SCHEMA_TYPE, …} with exactly one of these three … */
#define DOC_ONLY            .offset = SCHEMA_NO_MEMBER, .count_offset = SCHEMA_NO_MEMBER
#define AT(struct_, member) .offset = offsetof(struct_, member), .count_offset = SCHEMA_NO_MEMBER
#define LIST_AT(struct_, member)                                                                   \
    .offset = offsetof(struct_, member), .count_offset = offsetof(struct_, member##_count)
/* An object whose rows lie in the parent's own struct. */
#define AT_PARENT .offset = 0, .count_offset = SCHEMA_NO_MEMBER

/* … what it may hold … */
#define TEXTS             .item = SCHEMA_STRING
#define OF(table)         .of = &(table)
#define OBJECTS(table)    .item = SCHEMA_OBJECT, .of = &(table)
#define ONE_OF(names)     .choices = (names)
#define BOUNDS(low, high) .min = (low), .max = (high)

/* … and what it is. */
#define SAY(english, spanish) .en = (english), .es = (spanish)

/* A table of the rows `rows`, for `struct_` or, document only, for no struct. */
#define TABLE_OF(name_, rows, struct_)                                                             \
    .name = (name_), .fields = (rows), .count = ARRAY_LEN(rows), .size = sizeof(struct_)
#define TABLE_DOC(name_, rows) .name = (name_), .fields = (rows), .count = ARRAY_LEN(rows)

#endif
