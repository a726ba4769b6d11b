/* SPDX-License-Identifier: Apache-2.0
 *
 * Short forms to long ones (normalise.h), and the walk that applies them by the tables.
 *
 * Compose has up to four ways to write one thing. All later stages know one of them; that the
 * others exist is known here, in normalise_ports.c, and in the flags of rows that tell the JSON
 * schema.
 *
 * Paths become absolute here, since this is the last time that the file they stand in is known:
 * after merging, "./web" of two files would be two folders with one name.
 */
#include "schema/normalise.h"

#include "schema/decode.h"
#include "schema/resource.h"
#include "schema/stages.h"

static bool is_text(const struct value *v)
{
    return v->kind == VALUE_SCALAR;
}

/* Turns `v` into an empty list or map, keeping its place and tag. */
static struct value as_empty(const struct value *v, enum value_kind kind)
{
    return (struct value){.kind = (uint8_t)kind, .tag = v->tag, .at = v->at};
}

void normalise_path(struct schema_pass *pass, struct value *v)
{
    if (is_text(v)) {
        v->text = pass_path(pass, pass->base_dir, v->text);
    }
}

/* The names of streams are no paths. */
void normalise_log_file(struct schema_pass *pass, struct value *v)
{
    if (is_text(v) && !str_is(v->text, "stdout") && !str_is(v->text, "stderr")) {
        normalise_path(pass, v);
    }
}

/* The tag goes to the list: `!override x` means the whole key. */
void normalise_list(struct schema_pass *pass, struct value *v)
{
    if (is_text(v)) {
        struct value *item = pass_copy(pass, v);
        item->tag = VALUE_TAG_NONE;
        *v = as_empty(v, VALUE_LIST);
        pass_add(pass, v, item);
    }
}

void normalise_paths(struct schema_pass *pass, struct value *v)
{
    normalise_list(pass, v);
    value_each(m, v)
    {
        normalise_path(pass, m->value);
    }
}

/* "K=V" items into a map; `absent` is the kind of the value of a lone "K". */
static void pairs(struct schema_pass *pass, struct value *v, enum value_kind absent)
{
    if (v->kind == VALUE_LIST) {
        struct value map = as_empty(v, VALUE_MAP);
        value_each(m, v)
        {
            struct str name, text;
            if (!is_text(m->value)) {
                return;
            }
            bool has_value = str_split(m->value->text, '=', &name, &text);
            struct value *item = pass_value(pass, has_value ? VALUE_SCALAR : absent, m->value->at);
            item->text = text.p ? text : STR("");
            item->quoted = true;
            item->replica = m->value->replica;
            pass_put(pass, &map, name, item);
        }
        *v = map;
    }
}

/* Labels and the like: "K" alone is K with an empty value, since null means nothing to them. */
void normalise_pairs(struct schema_pass *pass, struct value *v)
{
    pairs(pass, v, VALUE_SCALAR);
    value_each(m, v)
    {
        m->value->quoted |= is_text(m->value);
        if (m->value->kind == VALUE_NULL) {
            m->value->kind = VALUE_SCALAR;
            m->value->text = STR("");
            m->value->quoted = true;
        }
    }
}

/* "K" alone is the caller's own K (environment.c), so null must stay. */
void normalise_environment(struct schema_pass *pass, struct value *v)
{
    pairs(pass, v, VALUE_NULL);
}

/* A list of names into a map; `fill` makes each value. An item that is no text leaves the list as
 * it is: checking says then that a map is wanted. */
static void names(struct schema_pass *pass, struct value *v,
                  struct value *(*fill)(struct schema_pass *pass, struct value_at at))
{
    if (v->kind != VALUE_LIST) {
        return;
    }
    struct value map = as_empty(v, VALUE_MAP);
    value_each(m, v)
    {
        if (!is_text(m->value)) {
            return;
        }
        pass_put(pass, &map, m->value->text, fill(pass, m->value->at));
    }
    *v = map;
}

static struct value *fill_null(struct schema_pass *pass, struct value_at at)
{
    return pass_value(pass, VALUE_NULL, at);
}

static struct value *fill_started(struct schema_pass *pass, struct value_at at)
{
    struct value *map = pass_value(pass, VALUE_MAP, at);
    pass_put(pass, map, STR("condition"), pass_scalar(pass, STR("service_started"), at));
    return map;
}

void normalise_names(struct schema_pass *pass, struct value *v)
{
    names(pass, v, fill_null);
}

/* The short form waits for the start alone, as in Compose. */
void normalise_depends_on(struct schema_pass *pass, struct value *v)
{
    names(pass, v, fill_started);
}

/* What exists already is called as the key says, unless it has a name: old files write it as
 * {external: {name: …}}. */
static void name_external(struct schema_pass *pass, struct str key, struct value *v)
{
    struct value *external = value_get(v, "external"), *name = value_get(external, "name");
    bool old_form = external && external->kind == VALUE_MAP && external->count == 1 && name;
    if (value_is_set(value_get(v, "name")) || !(old_form || decode_truth(external, false))) {
        return;
    }
    struct value_at at = external->at;
    pass_put(pass, v, STR("name"), old_form ? name : pass_scalar(pass, key, at));
    pass_put(pass, v, STR("external"), pass_scalar(pass, STR("true"), at));
}

void normalise_empty(struct schema_pass *pass, struct value *v)
{
    value_each(m, v)
    {
        m->value->kind = m->value->kind == VALUE_NULL ? VALUE_MAP : m->value->kind;
        name_external(pass, m->key, m->value);
    }
}

/* A URL is no path (git contexts): it stays as it is. */
void normalise_build(struct schema_pass *pass, struct value *v)
{
    if (is_text(v)) {
        struct value *context = pass_copy(pass, v);
        *v = as_empty(v, VALUE_MAP);
        pass_put(pass, v, STR("context"), context);
    }
    struct value *context = value_get(v, "context");
    bool is_url = context && (str_find(context->text, STR("://")) >= 0 ||
                              str_starts(context->text, STR("git@")));
    if (context && !is_url) {
        normalise_path(pass, context);
    }
}

/* Texts in a list into maps with one member `key`. */
static void items_to_maps(struct schema_pass *pass, struct value *v, struct str key)
{
    if (v->kind != VALUE_LIST) {
        return;
    }
    value_each(m, v)
    {
        if (is_text(m->value)) {
            struct value *text = m->value;
            m->value = pass_value(pass, VALUE_MAP, text->at);
            pass_put(pass, m->value, key, text);
        }
    }
}

void normalise_sources(struct schema_pass *pass, struct value *v)
{
    items_to_maps(pass, v, STR("source"));
}

void normalise_env_file(struct schema_pass *pass, struct value *v)
{
    normalise_list(pass, v);
    items_to_maps(pass, v, STR("path"));
    value_each(m, v)
    {
        struct value *path = value_get(m->value, "path");
        if (path) {
            normalise_path(pass, path);
        }
    }
}

void normalise_extends(struct schema_pass *pass, struct value *v)
{
    if (is_text(v)) {
        struct value *service = pass_copy(pass, v);
        *v = as_empty(v, VALUE_MAP);
        pass_put(pass, v, STR("service"), service);
    }
    struct value *file = value_get(v, "file");
    if (file) {
        normalise_path(pass, file);
    }
}

void normalise_include(struct schema_pass *pass, struct value *v)
{
    normalise_list(pass, v);
    items_to_maps(pass, v, STR("path"));
    static const char *const lists[] = {"path", "env_file"};
    value_each(m, v)
    {
        for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
            struct value *paths = value_get(m->value, lists[i]);
            if (paths) {
                normalise_paths(pass, paths);
            }
        }
        struct value *dir = value_get(m->value, "project_directory");
        if (dir) {
            normalise_path(pass, dir);
        }
    }
}

void normalise_listen(struct schema_pass *pass, struct value *v)
{
    normalise_list(pass, v);
    items_to_maps(pass, v, STR("address"));
}

/* Names that people bring along from nginx and HAProxy; files and API show ours. */
void normalise_balance(struct schema_pass *pass, struct value *v)
{
    static const char *const aliases[][2] = {{"round-robin", "round_robin"},
                                             {"roundrobin", "round_robin"},
                                             {"rr", "round_robin"},
                                             {"least-connections", "least_conn"},
                                             {"least_connections", "least_conn"},
                                             {"least-conn", "least_conn"},
                                             {"leastconn", "least_conn"}};
    for (size_t i = 0; is_text(v) && i < ARRAY_LEN(aliases); i++) {
        if (str_is(v->text, aliases[i][0])) {
            v->text = str_from(aliases[i][1]);
        }
    }
}

static void walk_map(struct schema_pass *pass, const struct schema_table *table, struct value *v);

/* The row's own function first: it makes the shape that the rows below it expect. */
static void walk_row(struct schema_pass *pass, const struct schema_field *row, struct value *v)
{
    if (row->normalise && v->kind != VALUE_NULL) {
        row->normalise(pass, v);
    }
    if (!row->of) {
        return;
    }
    if (row->type == SCHEMA_OBJECT) {
        walk_map(pass, row->of, v);
        return;
    }
    value_each(m, v)
    {
        walk_map(pass, row->of, m->value);
    }
}

static void walk_map(struct schema_pass *pass, const struct schema_table *table, struct value *v)
{
    if (v->kind != VALUE_MAP) {
        return;
    }
    for (size_t i = 0; i < v->count; i++) {
        const struct schema_field *row = schema_field_find(table, v->members[i].key);
        if (row) {
            walk_row(pass, row, v->members[i].value);
        }
    }
}

void normalise_tree(struct schema_pass *pass, struct value *root)
{
    walk_map(pass, &schema_config, root);
}
