/* SPDX-License-Identifier: Apache-2.0
 *
 * What is derived from tables for others: JSON schema (draft 2020-12), OpenAPI 3.1 components
 * (which are the same dialect), SQL columns.
 *
 * Nested tables are referred to by name, never inlined, so that each is described once and
 * recursion in tables cannot loop here.
 *
 * Two kinds of documents come of one row:
 *
 *   what we write (status)   exactly one type, null where the row may be null, all keys required
 *   what people write        long and short forms as anyOf, numbers and truth values also as text
 *                            ("${PORT}"), most keys nullable, x-… allowed, further keys not
 *
 * docs/muelle.schema.json and the OpenAPI document are held current by tests/integration
 * (config_schema.py, api_openapi.py), which also check them with foreign tools.
 */
#include "schema/resource.h"

enum { TABLES_MAX = 128 };

struct table_set {
    const struct schema_table *tables[TABLES_MAX];
    size_t count;
};

/* In order of first use, depth first: the document stays the same as long as the tables do. */
static void collect(struct table_set *set, const struct schema_table *table)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->tables[i] == table) {
            return;
        }
    }
    /* Tables are ours: more of them is a change of the program, not of data. */
    ensure(set->count < TABLES_MAX);
    set->tables[set->count++] = table;
    for (size_t i = 0; i < table->count; i++) {
        if (table->fields[i].of) {
            collect(set, table->fields[i].of);
        }
    }
}

/* ------------------------------------------------------------------ JSON schema of one value */

static void type_is(struct json_writer *w, const char *type)
{
    json_field(w, "type", cstr, type);
}

static void reference(struct json_writer *w, const char *prefix, const struct schema_table *table)
{
    struct buf name = BUF_INIT(256);
    buf_printf(&name, "%s%s", prefix, table->name);
    json_field(w, "$ref", str, buf_str(&name));
    buf_fini(&name);
}

/* The bounds of an integer, text or duration; those at the type's own ends say nothing. */
static void bounds(struct json_writer *w, const struct schema_field *row, const char *low,
                   const char *high)
{
    if (row->min == 0 && row->max == 0) {
        return;
    }
    json_key(w, str_from(low));
    json_i64(w, row->min);
    /* The largest number of a type is no bound that a reader could learn from. */
    if (row->max < INT32_MAX) {
        json_key(w, str_from(high));
        json_i64(w, row->max);
    }
}

/* `status`: values that we write, of one type each; else what documents may hold, which may be text
 * for numbers and truth values too. */
struct deriver {
    struct json_writer *w;
    const char *prefix;
    bool document;
};

/* Documents: a number may be written as text ("${PORT}"), text as a number or truth value (`A: 5`).
 */
static void types_are(struct deriver *d, const struct schema_field *row, const char *type,
                      bool null)
{
    struct json_writer *w = d->w;
    bool text = d->document && strcmp(type, "string") != 0;
    bool number = d->document && strcmp(type, "string") == 0;
    if (!text && !number && !null) {
        type_is(w, type);
        return;
    }
    json_key(w, STR("type"));
    json_begin_array(w);
    json_cstr(w, type);
    if (text) {
        json_cstr(w, "string");
    }
    if (number) {
        json_cstr(w, "number");
    }
    if (number || (row->flags & SCHEMA_OR_BOOL)) {
        json_cstr(w, "boolean");
    }
    if (null || d->document) {
        json_cstr(w, "null");
    }
    json_end_array(w);
}

/* With null among the values there is no type: a null beside "string" would need a list of types.
 */
static void enum_is(struct deriver *d, const struct schema_field *row, bool null)
{
    struct json_writer *w = d->w;
    if (!null) {
        type_is(w, "string");
    }
    json_key(w, STR("enum"));
    json_begin_array(w);
    for (size_t i = 0; row->choices[i]; i++) {
        json_cstr(w, row->choices[i]);
    }
    if (null) {
        json_null(w);
    }
    json_end_array(w);
}

static void scalar_is(struct deriver *d, const struct schema_field *row, enum schema_type type,
                      bool null)
{
    switch (type) {
    case SCHEMA_BOOL:
        types_are(d, row, "boolean", null);
        break;
    case SCHEMA_INT:
        types_are(d, row, "integer", null);
        bounds(d->w, row, "minimum", "maximum");
        break;
    case SCHEMA_DOUBLE:
        /* NaN, our "unknown", has no JSON: it is written as null. */
        types_are(d, row, "number", null || !d->document);
        bounds(d->w, row, "minimum", "maximum");
        break;
    case SCHEMA_ENUM:
        enum_is(d, row, null);
        break;
    case SCHEMA_TIME:
        types_are(d, row, "string", null || !d->document);
        json_field(d->w, "format", cstr, "date-time");
        break;
    case SCHEMA_ANY:
    case SCHEMA_RAW_JSON:
        break;
    default:
        types_are(d, row, "string", null);
        if (type == SCHEMA_STRING) {
            bounds(d->w, row, "minLength", "maxLength");
        }
        break;
    }
}

/* Items that may be short or null have both forms side by side. */
static void item_is(struct deriver *d, const struct schema_field *row)
{
    struct json_writer *w = d->w;
    bool text = row->flags & SCHEMA_ITEM_OR_STRING, null = row->flags & SCHEMA_ITEM_OR_NULL;
    if (row->item != SCHEMA_OBJECT) {
        scalar_is(d, row, row->item, null);
        return;
    }
    if (!text && !null) {
        reference(w, d->prefix, row->of);
        return;
    }
    json_key(w, STR("anyOf"));
    json_begin_array(w);
    json_begin_object(w);
    reference(w, d->prefix, row->of);
    json_end_object(w);
    json_begin_object(w);
    json_key(w, STR("type"));
    json_begin_array(w);
    if (text) {
        json_cstr(w, "string");
        json_cstr(w, "number");
    }
    if (null) {
        json_cstr(w, "null");
    }
    json_end_array(w);
    json_end_object(w);
    json_end_array(w);
}

/* A list, map or object in its long form. What normalising makes of every form, so an editor that
 * knows only this one is right, too. */
static void long_form(struct deriver *d, const struct schema_field *row)
{
    struct json_writer *w = d->w;
    if (row->type == SCHEMA_OBJECT) {
        reference(w, d->prefix, row->of);
        return;
    }
    type_is(w, row->type == SCHEMA_LIST ? "array" : "object");
    json_key(w, row->type == SCHEMA_LIST ? STR("items") : STR("additionalProperties"));
    json_begin_object(w);
    item_is(d, row);
    json_end_object(w);
}

/* The short forms of a row as further members of an anyOf. */
static void short_forms(struct deriver *d, const struct schema_field *row)
{
    struct json_writer *w = d->w;
    json_begin_object(w);
    json_key(w, STR("type"));
    json_begin_array(w);
    json_cstr(w, "null");
    if (row->flags & SCHEMA_OR_STRING) {
        json_cstr(w, "string");
        json_cstr(w, "number");
    }
    if (row->flags & SCHEMA_OR_BOOL) {
        json_cstr(w, "boolean");
    }
    if (row->flags & SCHEMA_OR_MAP) {
        json_cstr(w, "object");
    }
    json_end_array(w);
    json_end_object(w);
    if (row->flags & SCHEMA_OR_LIST) {
        json_begin_object(w);
        type_is(w, "array");
        json_key(w, STR("items"));
        json_begin_object(w);
        json_key(w, STR("type"));
        json_begin_array(w);
        json_cstr(w, "string");
        json_cstr(w, "number");
        json_end_array(w);
        json_end_object(w);
        json_end_object(w);
    }
}

static void value_is(struct deriver *d, const struct schema_field *row)
{
    struct json_writer *w = d->w;
    bool nested = row->type == SCHEMA_OBJECT || row->type == SCHEMA_LIST || row->type == SCHEMA_MAP;
    bool null = row->flags & (SCHEMA_ZERO_NULL | SCHEMA_OPTIONAL);
    if (!nested) {
        scalar_is(d, row, row->type, null);
        return;
    }
    if (!d->document && !null) {
        long_form(d, row);
        return;
    }
    json_key(w, STR("anyOf"));
    json_begin_array(w);
    json_begin_object(w);
    long_form(d, row);
    json_end_object(w);
    short_forms(d, row);
    json_end_array(w);
}

/* English alone: a JSON schema has one `description`. */
static void notes(struct deriver *d, const struct schema_field *row)
{
    struct json_writer *w = d->w;
    json_field(w, "description", cstr, row->en);
    if (row->preset) {
        json_field(w, "default", cstr, row->preset);
    }
    if (row->deprecated) {
        json_field(w, "deprecated", bool, true);
    }
    if (row->flags & SCHEMA_SECRET) {
        json_field(w, "writeOnly", bool, true);
    }
}

/* additionalProperties: false is what finds misspelt keys in an editor; answers leave it open, so
 * that a newer server may say more. */
static void table_is(struct deriver *d, const struct schema_table *table)
{
    struct json_writer *w = d->w;
    bool any_required = false;
    type_is(w, "object");
    json_field(w, "description", cstr, table->en);
    json_key(w, STR("properties"));
    json_begin_object(w);
    for (size_t i = 0; i < table->count; i++) {
        const struct schema_field *row = &table->fields[i];
        bool is_name = d->document && (row->flags & SCHEMA_KEY) && row->offset != SCHEMA_NO_MEMBER;
        any_required |=
            d->document ? (row->flags & SCHEMA_REQUIRED) != 0 : !(row->flags & SCHEMA_DETAIL);
        if (!is_name) {
            json_key(w, str_from(row->name));
            json_begin_object(w);
            value_is(d, row);
            notes(d, row);
            json_end_object(w);
        }
    }
    json_end_object(w);
    if (any_required && !(table->flags & SCHEMA_OPEN)) {
        json_key(w, STR("required"));
        json_begin_array(w);
        for (size_t i = 0; i < table->count; i++) {
            const struct schema_field *row = &table->fields[i];
            if (d->document ? (row->flags & SCHEMA_REQUIRED) != 0 : !(row->flags & SCHEMA_DETAIL)) {
                json_cstr(w, row->name);
            }
        }
        json_end_array(w);
    }
    if (d->document) {
        json_key(w, STR("patternProperties"));
        json_begin_object(w);
        json_key(w, STR("^x-"));
        json_begin_object(w);
        json_end_object(w);
        json_end_object(w);
        json_field(w, "additionalProperties", bool, (table->flags & SCHEMA_OPEN) != 0);
    }
}

void schema_json_schema(const struct schema_table *table, const char *ref_prefix,
                        struct json_writer *w)
{
    struct deriver d = {.w = w,
                        .prefix = ref_prefix,
                        .document = table->count && table->fields[0].class == SCHEMA_SPEC};
    json_begin_object(w);
    table_is(&d, table);
    json_end_object(w);
}

void schema_openapi_schemas(struct json_writer *w)
{
    struct table_set set = {.count = 0};
    for (size_t i = 0; schema_resources[i]; i++) {
        collect(&set, schema_resources[i]);
    }
    for (size_t i = 0; i < set.count; i++) {
        json_key(w, str_from(set.tables[i]->name));
        schema_json_schema(set.tables[i], "#/components/schemas/", w);
    }
}

void schema_config_json_schema(struct buf *out)
{
    struct table_set set = {.count = 0};
    struct json_writer w = JSON_WRITER(out);
    struct deriver d = {.w = &w, .prefix = "#/$defs/", .document = true};
    collect(&set, &schema_config);
    json_begin_object(&w);
    json_field(&w, "$schema", cstr, "https://json-schema.org/draft/2020-12/schema");
    json_field(&w, "title", cstr, "muelle.yaml");
    table_is(&d, &schema_config);
    json_key(&w, STR("$defs"));
    json_begin_object(&w);
    for (size_t i = 1; i < set.count; i++) {
        json_key(&w, str_from(set.tables[i]->name));
        schema_json_schema(set.tables[i], d.prefix, &w);
    }
    json_end_object(&w);
    json_end_object(&w);
}

/* ------------------------------------------------------------------ SQL */

/* STRICT tables of SQLite know INTEGER, REAL and TEXT; times and enums are numbers, lists JSON. */
void schema_sql_columns(const struct schema_table *table, struct buf *out)
{
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct schema_field *row = &table->fields[i];
        bool text = row->type == SCHEMA_STRING || row->type == SCHEMA_RAW_JSON ||
                    row->type == SCHEMA_LIST || row->type == SCHEMA_MAP ||
                    row->type == SCHEMA_OBJECT;
        const char *type = text ? "TEXT" : row->type == SCHEMA_DOUBLE ? "REAL" : "INTEGER";
        if (row->class != SCHEMA_STORED) {
            continue;
        }
        const char *rule = row->flags & SCHEMA_KEY         ? " PRIMARY KEY"
                           : row->flags & SCHEMA_ZERO_NULL ? ""
                                                           : " NOT NULL";
        buf_printf(out, "%s%s %s%s", count++ ? ", " : "", row->name, type, rule);
    }
}
