/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of every resource, and what is derived from a table: JSON of a C struct, JSON schema,
 * OpenAPI components, SQL columns, the columns of a CLI table.
 *
 * All of it is pure and for any thread. Output goes to a writer or buffer of the caller, whose
 * error is sticky: ask it once at the end. `object` is always the struct that the table describes;
 * nothing checks that it is.
 */
#ifndef SCHEMA_RESOURCE_H
#define SCHEMA_RESOURCE_H

#include "base/json.h"
#include "schema/field.h"

/* Resources of the API; each describes the struct in status.h or status_more.h of that name. */
extern const struct schema_table schema_instance, schema_project, schema_service, schema_replica;
extern const struct schema_table schema_certificate;
extern const struct schema_table schema_route, schema_endpoint, schema_event, schema_log_line;
extern const struct schema_table schema_mapping, schema_plan_step, schema_metrics, schema_problem;
/* Configuration: the top level of a file; its rows lead to all other tables. */
extern const struct schema_table schema_config;

/* All resources of the API, NULL at the end. */
extern const struct schema_table *const schema_resources[];

enum schema_encode_flag {
    SCHEMA_ENCODE_SECRETS = 1 << 0, /* else secret values are written as "********" */
    SCHEMA_ENCODE_DETAIL = 1 << 1,  /* with the rows SCHEMA_DETAIL */
};

/* Writes the struct at `object` as one JSON object. */
void schema_encode_json(const struct schema_table *table, const void *object, unsigned flags,
                        struct json_writer *w);
/* One row's value as text for a table cell: ages, sizes and percentages for people, "-" for null.
 * `now_ns` is the wall clock. */
void schema_encode_cell(const struct schema_field *field, const void *object, int64_t now_ns,
                        struct buf *out);
/* Rows with a heading, in order: fills up to `max`, returns how many there are. */
size_t schema_columns(const struct schema_table *table, const struct schema_field **fields,
                      size_t max);

/* The table as a JSON schema object (draft 2020-12, no $defs: nested tables by $ref under
 * `ref_prefix`, for example "#/components/schemas/"). */
void schema_json_schema(const struct schema_table *table, const char *ref_prefix,
                        struct json_writer *w);
/* Members of components.schemas: every resource and every table it leads to, each once. */
void schema_openapi_schemas(struct json_writer *w);
/* The published schema of configuration files (docs/muelle.schema.json). */
void schema_config_json_schema(struct buf *out);

/* "name TEXT NOT NULL, replica INTEGER …" of the rows SCHEMA_STORED. */
void schema_sql_columns(const struct schema_table *table, struct buf *out);

#endif
