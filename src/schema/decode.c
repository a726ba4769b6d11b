/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents to structs by tables (decode.h).
 *
 * The walk is the document's: each member of a map finds its row; rows without a member get their
 * preset afterwards. Every mistake becomes a problem with the place of the value, and the walk goes
 * on, so that one run shows all mistakes.
 *
 *   1. Everything is checked, also what has no member in a struct: a misspelt key of a container is
 *      found although nothing acts on it.
 *   2. A struct member is written only by a value that is fine, or by the preset; else it stays
 *      zero. No spec with a mistake leaves schema_load, so nobody meets such a zero.
 *   3. Items that are not fine take no place in their array: `count` never counts a hole.
 *   4. Values of secret rows are in no problem: its reader may not be allowed to see them.
 *
 * A table's `finish` runs when its rows are done and sees the map too: what a struct cannot tell
 * (was it written? where?) it asks the document.
 */
#include "schema/decode.h"

#include "base/num.h"
#include "base/utf8.h"

enum { TABLE_ROWS_MAX = 160 };

/* YAML 1.1's words, since Compose files are full of them; also quoted, since a
 * variable ("${TTY:-yes}") gives a text.
 */
bool decode_bool(struct str text, bool *ret)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "n", "y"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(text, str_from(words[i]))) {
            *ret = i % 2;
            return true;
        }
    }
    return false;
}

/* For stages that ask before decoding has said what is wrong: what is no truth value counts as
 * absent.
 */
bool decode_truth(const struct value *v, bool absent)
{
    bool flag = absent;
    return v && v->kind == VALUE_SCALAR && decode_bool(v->text, &flag) ? flag : absent;
}

/* Case matters: one spelling is found when files are searched for it. */
static bool read_enum(const struct schema_field *row, struct str text, int32_t *ret)
{
    for (int32_t i = 0; row->choices[i]; i++) {
        if (str_is(text, row->choices[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Integers, durations and sizes: all are an int64_t in the end. */
static bool read_integer(enum schema_type type, struct str text, int64_t *ret)
{
    uint64_t bytes;
    switch (type) {
    case SCHEMA_DURATION:
        return num_parse_duration(text, ret) == 0;
    case SCHEMA_SIZE:
        if (num_parse_size(text, &bytes) || bytes > INT64_MAX) {
            return false;
        }
        *ret = (int64_t)bytes;
        return true;
    default:
        return num_parse_i64(text, ret) == 0;
    }
}

/* No bounds are written as both 0, so a row cannot ask for exactly 0: none has reason to. */
static bool in_bounds(const struct schema_field *row, int64_t n)
{
    return (row->min == 0 && row->max == 0) || (n >= row->min && n <= row->max);
}

/* In the words of a person who writes the file: with the bounds, and the short forms that would do.
 */
void decode_expected(const struct schema_field *row, enum schema_type type, struct buf *out)
{
    static const char *const words[] = {
        [SCHEMA_BOOL] = "true or false",
        [SCHEMA_INT] = "a whole number",
        [SCHEMA_DOUBLE] = "a number",
        [SCHEMA_STRING] = "text",
        [SCHEMA_DURATION] = "a time such as 10s or 1m30s",
        [SCHEMA_SIZE] = "a size such as 64m",
        [SCHEMA_TIME] = "a time",
        [SCHEMA_OBJECT] = "a map",
        [SCHEMA_LIST] = "a list",
        [SCHEMA_MAP] = "a map",
        [SCHEMA_RAW_JSON] = "any value",
        [SCHEMA_ANY] = "any value",
    };
    if (type == SCHEMA_ENUM) {
        buf_add_cstr(out, "one of: ");
        for (size_t i = 0; row->choices[i]; i++) {
            buf_printf(out, "%s%s", i ? ", " : "", row->choices[i]);
        }
        return;
    }
    buf_add_cstr(out, words[type]);
    bool number = type == SCHEMA_INT || type == SCHEMA_DOUBLE;
    if (number && (row->min || row->max)) {
        buf_printf(out, " from %lld to %lld", (long long)row->min, (long long)row->max);
    } else if (type == SCHEMA_STRING && row->max) {
        buf_printf(out, " of %lld to %lld bytes", (long long)row->min, (long long)row->max);
    } else if (type == SCHEMA_DURATION && row->min > 0) {
        buf_add_cstr(out, ", at least ");
        num_format_duration(out, row->min);
    } else if (type == SCHEMA_SIZE && row->min > 0) {
        buf_printf(out, " of at least %lld bytes", (long long)row->min);
    }
    if (type != row->type) {
        return; /* an item: the short forms are those of the whole */
    }
    if (row->flags & SCHEMA_OR_STRING) {
        buf_add_cstr(out, " or text");
    }
    if (row->flags & SCHEMA_OR_BOOL) {
        buf_add_cstr(out, " or true or false");
    }
}

/* An object of presets is there even if it was not written; one with a required key is not. */
static bool has_required(const struct schema_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->fields[i].flags & SCHEMA_REQUIRED) {
            return true;
        }
    }
    return false;
}

/* `sticky: true` and the like: what they mean is written otherwise. */
static void hint_map(struct problem *problem, const struct schema_field *row, enum schema_type type,
                     const struct value *v)
{
    bool yes = false;
    if (type == SCHEMA_OBJECT && type == row->type && v->kind == VALUE_SCALAR &&
        decode_bool(v->text, &yes) && yes && !has_required(row->of)) {
        problem_hint(problem, "write '%s: {}' for what is usual, or its keys within the braces",
                     row->name);
    }
}

static void say_wrong(struct schema_pass *pass, const struct schema_field *row,
                      enum schema_type type, const struct value *v)
{
    static const char *const kinds[] = {"nothing", "text", "a list", "a map"};
    struct buf expected = BUF_INIT(PROBLEM_TEXT_MAX);
    struct problem *problem;
    decode_expected(row, type, &expected);
    if (v->kind == VALUE_SCALAR && !(row->flags & SCHEMA_SECRET)) {
        problem = pass_problem(pass, v->at, "config.bad-value", "'%s' cannot be '" STR_FMT "'",
                               row->name, STR_ARG(utf8_cut(v->text, 80)));
    } else {
        problem = pass_problem(pass, v->at, "config.bad-value", "%s'%s' cannot be %s",
                               type == row->type ? "" : "an item of ", row->name, kinds[v->kind]);
    }
    problem_expected(problem, "%s", buf_cstr(&expected));
    hint_map(problem, row, type, v);
    buf_fini(&expected);
}

bool decode_scalar(struct schema_pass *pass, const struct schema_field *row, enum schema_type type,
                   const struct value *v, void *member)
{
    union {
        bool flag;
        int32_t choice;
        int64_t integer;
        double real;
        struct str text;
    } u;
    bool fine = v->kind == VALUE_SCALAR;
    size_t size = 0;
    if (!fine) {
        say_wrong(pass, row, type, v);
        return false;
    }
    /* The short form means something that `finish` knows; the member stays as it is. */
    if ((row->flags & SCHEMA_OR_BOOL) && decode_bool(v->text, &u.flag)) {
        return true;
    }
    switch (type) {
    case SCHEMA_BOOL:
        fine = decode_bool(v->text, &u.flag);
        size = sizeof(u.flag);
        break;
    case SCHEMA_ENUM:
        fine = read_enum(row, v->text, &u.choice);
        size = sizeof(u.choice);
        break;
    case SCHEMA_INT:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
        fine = read_integer(type, v->text, &u.integer) && in_bounds(row, u.integer);
        size = sizeof(u.integer);
        break;
    case SCHEMA_DOUBLE:
        fine =
            num_parse_double(v->text, &u.real) == 0 &&
            (!(row->min || row->max) || (u.real >= (double)row->min && u.real <= (double)row->max));
        size = sizeof(u.real);
        break;
    default:
        u.text = v->text;
        fine = in_bounds(row, (int64_t)v->text.len);
        size = sizeof(u.text);
        break;
    }
    if (!fine) {
        say_wrong(pass, row, type, v);
    } else if (member) {
        memcpy(member, &u, size);
    }
    return fine;
}

static const struct schema_field *key_row(const struct schema_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->fields[i].flags & SCHEMA_KEY) {
            return &table->fields[i];
        }
    }
    return NULL;
}

/* One item of a list or map. False when it takes no place in the array, also if it is fine: null,
 * and short forms that `finish` reads from the map. */
static bool decode_item(struct schema_pass *pass, const struct schema_field *row,
                        const struct value_member *m, void *item)
{
    struct value_at owner = pass->owner_at;
    if (m->value->kind == VALUE_NULL && (row->flags & SCHEMA_ITEM_OR_NULL)) {
        return false;
    }
    if (row->item == SCHEMA_ANY) {
        return false;
    }
    if (row->item != SCHEMA_OBJECT) {
        struct spec_pair *pair = row->type == SCHEMA_MAP ? item : NULL;
        if (pair) {
            pair->name = m->key;
        }
        return decode_scalar(pass, row, row->item, m->value, pair ? &pair->value : item);
    }
    if (m->value->kind == VALUE_SCALAR && (row->flags & SCHEMA_ITEM_OR_STRING)) {
        return false;
    }
    /* The item of a map carries its name, so that it can be handed on without its map. */
    const struct schema_field *key = row->type == SCHEMA_MAP ? key_row(row->of) : NULL;
    if (item && key && key->offset != SCHEMA_NO_MEMBER) {
        memcpy((char *)item + key->offset, &m->key, sizeof(m->key));
    }
    /* What is missing has no place; it is said at the key of the map that misses it. */
    pass->owner_at = row->type == SCHEMA_MAP ? m->at : m->value->at;
    decode_table(pass, row->of, m->value, item);
    pass->owner_at = owner;
    return true;
}

/* Room for all members, filled without holes: those that are wrong leave the end unused. */
static void decode_items(struct schema_pass *pass, const struct schema_field *row,
                         const struct value *v, char *object)
{
    size_t size = schema_item_size(row), count = 0;
    char *items = NULL;
    if (object && row->offset != SCHEMA_NO_MEMBER && size && v->count) {
        items = pass_alloc(pass, v->count, size);
    }
    value_each(m, v)
    {
        char *item = items ? items + count * size : NULL;
        if (decode_item(pass, row, m, item)) {
            count++;
        } else if (item) {
            memset(item, 0, size);
        }
    }
    if (items) {
        memcpy(object + row->offset, &items, sizeof(items));
        memcpy(object + row->count_offset, &count, sizeof(count));
    }
}

/* Short forms that no normalise function could rewrite are the business of `finish`. */
static void decode_row(struct schema_pass *pass, const struct schema_field *row,
                       const struct value *v, char *object)
{
    bool has_member = object && row->offset != SCHEMA_NO_MEMBER;
    enum value_kind wanted = row->type == SCHEMA_LIST ? VALUE_LIST : VALUE_MAP;
    switch ((enum schema_type)row->type) {
    case SCHEMA_ANY:
    case SCHEMA_RAW_JSON:
        return;
    case SCHEMA_OBJECT:
    case SCHEMA_LIST:
    case SCHEMA_MAP:
        break;
    default:
        (void)decode_scalar(pass, row, row->type, v, has_member ? object + row->offset : NULL);
        return;
    }
    bool flag;
    bool is_short = (row->flags & SCHEMA_OR_STRING) ||
                    ((row->flags & SCHEMA_OR_BOOL) && decode_bool(v->text, &flag));
    if (v->kind == VALUE_SCALAR && is_short) {
        return;
    }
    if (v->kind == VALUE_MAP && (row->flags & SCHEMA_OR_MAP)) {
        return;
    }
    if (v->kind != wanted) {
        say_wrong(pass, row, row->type, v);
    } else if (row->type == SCHEMA_OBJECT) {
        decode_table(pass, row->of, v, has_member ? object + row->offset : NULL);
    } else {
        decode_items(pass, row, v, object);
    }
}

/* The part of this table that knows the key: "replicas" of a service stands under "deploy". */
static const struct schema_field *find_parent(const struct schema_table *table, struct str key)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct schema_field *field = &table->fields[i];
        if (field->type == SCHEMA_OBJECT && field->of && schema_field_find(field->of, key)) {
            return field;
        }
    }
    return NULL;
}

static void say_unknown(struct schema_pass *pass, const struct schema_table *table,
                        const struct value_member *m)
{
    struct str names[TABLE_ROWS_MAX];
    size_t count = 0;
    /* All keys when they fit into a problem; a service has some hundred, of which a cut list would
     * be no help. */
    struct buf all = BUF_INIT(PROBLEM_TEXT_MAX - 1);
    for (size_t i = 0; i < table->count && count < ARRAY_LEN(names); i++) {
        bool in_document =
            !(table->fields[i].flags & SCHEMA_KEY) || table->fields[i].offset == SCHEMA_NO_MEMBER;
        if (in_document) {
            buf_printf(&all, "%s%s", count ? ", " : "", table->fields[i].name);
            names[count++] = str_from(table->fields[i].name);
        }
    }
    struct problem *problem =
        pass_problem(pass, m->at, "config.unknown-key", "unknown key '" STR_FMT "'",
                     STR_ARG(utf8_cut(m->key, 80)));
    struct str nearest = problem_nearest(m->key, names, count);
    if (!buf_error(&all)) {
        problem_expected(problem, "one of: %s", buf_cstr(&all));
    } else {
        struct str name = str_from(table->name);
        name.len -= str_ends(name, STR("_spec")) ? strlen("_spec") : 0;
        problem_expected(problem, "a key of a " STR_FMT, STR_ARG(name));
    }
    const struct schema_field *parent = find_parent(table, m->key);
    if (parent) {
        problem_hint(problem, "it belongs into '%s': write '%s: { " STR_FMT ": … }'", parent->name,
                     parent->name, STR_ARG(m->key));
    } else if (nearest.len) {
        problem_hint(problem, "did you mean '" STR_FMT "'?", STR_ARG(nearest));
    } else {
        problem_hint(problem, "keys that begin with x- are yours: muelle passes over them");
    }
    buf_fini(&all);
}

/* What a document left out: presets, and objects that consist of presets. */
static void decode_absent(struct schema_pass *pass, const struct schema_field *row, char *object)
{
    if (row->flags & SCHEMA_REQUIRED) {
        struct problem *problem = pass_problem(pass, pass->owner_at, "config.missing-key",
                                               "the key '%s' is missing", row->name);
        problem_hint(problem, "%s", row->en);
        return;
    }
    if (!object || row->offset == SCHEMA_NO_MEMBER) {
        return;
    }
    if (row->type == SCHEMA_OBJECT && !has_required(row->of)) {
        decode_table(pass, row->of, NULL, object + row->offset);
    } else if (row->preset) {
        struct value preset = {.kind = VALUE_SCALAR, .text = str_from(row->preset)};
        (void)decode_scalar(pass, row, row->type, &preset, object + row->offset);
    }
}

/* Nothing (v == NULL) and null are an empty map: presets, and what is required is missing. */
void decode_table(struct schema_pass *pass, const struct schema_table *table, const struct value *v,
                  void *object)
{
    if (v && v->kind != VALUE_MAP && v->kind != VALUE_NULL) {
        struct problem *problem =
            pass_problem(pass, v->at, "config.bad-value", "a map belongs here");
        problem_expected(problem, "keys of '%s': %s", table->name, table->en);
        return;
    }
    bool present[TABLE_ROWS_MAX] = {false};
    ensure(table->count <= TABLE_ROWS_MAX);
    for (size_t i = 0; v && v->kind == VALUE_MAP && i < v->count; i++) {
        const struct value_member *m = &v->members[i];
        const struct schema_field *row = schema_field_find(table, m->key);
        bool is_key = row && (row->flags & SCHEMA_KEY) && row->offset != SCHEMA_NO_MEMBER;
        if ((!row || is_key) && !str_starts(m->key, STR("x-")) && !(table->flags & SCHEMA_OPEN)) {
            say_unknown(pass, table, m);
        } else if (row && !is_key && m->value->kind != VALUE_NULL) {
            present[row - table->fields] = true;
            decode_row(pass, row, m->value, object);
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        if (!present[i]) {
            decode_absent(pass, &table->fields[i], object);
        }
    }
    if (table->finish && object) {
        table->finish(pass, v, object);
    }
}

bool decode_check(struct schema_pass *pass, const struct schema_table *table, const struct value *v)
{
    size_t before = pass->problems->count;
    pass->owner_at = v->at;
    decode_table(pass, table, v, NULL);
    return pass->problems->count == before && v->kind == VALUE_MAP;
}
