/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests checked against their tables (schema/field.h): a body or a query becomes a document
 * whose every member is known, of its type and within its bounds; else there are problems with
 * JSON pointers (RFC 6901).
 *
 * Strict on purpose: a misspelt member that is passed over is a wish that is not fulfilled.
 * Problems are added to the list (at most PROBLEM_LIST_MAX are kept), so one answer shows all
 * mistakes. Pure; memory comes from the caller's arena.
 */
#ifndef FACE_API_CHECK_H
#define FACE_API_CHECK_H

#include "base/problem.h"
#include "face/jdoc.h"
#include "schema/field.h"

/* Adds a problem for each thing that is wrong with `doc`. */
void api_check(const struct schema_table *table, const struct jdoc *doc,
               struct problem_list *problems);
/* The query as an object, typed by the table: numbers, booleans, lists (repeated keys). Unknown
 * keys and broken escapes are problems. 0 or -ENOMEM; *ret is never NULL on success. `table` may
 * be NULL: then any key is unknown. */
must_check int api_parse_query(const struct schema_table *table, struct str query,
                               struct arena *arena, struct jdoc **ret,
                               struct problem_list *problems);

#endif
