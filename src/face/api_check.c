/* SPDX-License-Identifier: Apache-2.0
 *
 * The check of bodies, and of queries after they have become documents of the same kind.
 *
 *   1. A pointer names the member that is looked at; what is too long for it is cut between
 *      characters, since it goes into JSON again.
 *   2. A query is typed by its table first: "5" becomes a number only where a number is wanted, so
 *      one check serves both.
 *   3. Text holds no NUL anywhere: it becomes a path, a variable or an argument, all of which end
 *      there.
 *   4. Nested objects are not described by request tables: bodies are flat, with lists and maps of
 *      scalars. What cannot be sent cannot be got wrong.
 *
 *   code                     what is wrong
 *   request.type             another JSON type than the row's
 *   request.range            a number, a length, a number of items out of bounds
 *   request.choice           a word that is none of the row's
 *   request.text             a NUL
 *   request.name             a name that cannot be a variable's
 *   request.cursor           a cursor that no answer gave
 *   request.unknown-member   no row has that name; with the nearest one
 *   request.missing          a required one is not there
 *   request.repeated         a parameter that is no list stands twice
 *   request.query            an escape that is none, or no UTF-8
 */
#include "face/api_check.h"
#include "base/num.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "proto/uri.h"

enum { NAMES_MAX = 32, POINTER_MAX = 200 };

struct check {
    struct problem_list *problems;
    char pointer[POINTER_MAX]; /* of the member that is looked at */
};

static struct problem *complain(struct check *c, const char *code, const char *fmt, ...)
    printf_like(3, 4);
static struct problem *complain(struct check *c, const char *code, const char *fmt, ...)
{
    struct problem *problem = problem_list_add(c->problems);
    char what[PROBLEM_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    problem_set(problem, code, "%s", what);
    problem_where(problem, "%s", c->pointer[0] ? c->pointer : "/");
    problem->status = 400;
    return problem;
}

/* Appends "/NAME" as a JSON pointer has it (RFC 6901: "~0" is a tilde, "~1" a slash). What is too
 * long is cut, between characters. */
static void enter(struct check *c, struct str name)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(POINTER_MAX * 2);

    buf_add_cstr(&text, c->pointer);
    buf_add_char(&text, '/');
    for (size_t i = 0; i < MIN(name.len, (size_t)POINTER_MAX); i++) {
        if (name.p[i] == '~' || name.p[i] == '/') {
            buf_add_cstr(&text, name.p[i] == '~' ? "~0" : "~1");
        } else {
            buf_add_char(&text, name.p[i]);
        }
    }
    struct str whole = str_slice(buf_str(&text), 0, POINTER_MAX - 1);
    str_copy(c->pointer, sizeof(c->pointer), str_slice(whole, 0, utf8_valid_prefix(whole)));
}

/* For people who write JSON: its words, not ours. */
static const char *type_name(uint8_t type)
{
    switch (type) {
    case SCHEMA_BOOL:
        return "true or false";
    case SCHEMA_INT:
        return "an integer";
    case SCHEMA_DOUBLE:
        return "a number";
    case SCHEMA_LIST:
        return "a list";
    case SCHEMA_MAP:
    case SCHEMA_OBJECT:
        return "an object";
    case SCHEMA_TIME:
        return "a time (RFC 3339)";
    default:
        return "a string";
    }
}

/* The value itself is not repeated: it may be a token, and its place is told. */
static void wrong_type(struct check *c, uint8_t type)
{
    problem_expected(complain(c, "request.type", "wrong type"), "%s", type_name(type));
}

static void check_bounds(struct check *c, const struct schema_field *field, int64_t n,
                         const char *noun)
{
    if ((field->min || field->max) && (n < field->min || n > field->max)) {
        problem_expected(
            complain(c, "request.range", "%s %lld is out of bounds", noun, (long long)n),
            "%lld to %lld", (long long)field->min, (long long)field->max);
    }
}

static void check_enum(struct check *c, const struct schema_field *field, struct str text)
{
    cleanup(buf_fini) struct buf names = BUF_INIT(PROBLEM_TEXT_MAX);

    for (size_t i = 0; field->choices && field->choices[i]; i++) {
        if (str_is(text, field->choices[i])) {
            return;
        }
        buf_printf(&names, "%s%s", i ? ", " : "", field->choices[i]);
    }
    problem_expected(
        complain(c, "request.choice", "'" STR_FMT "' is not known", STR_ARG(utf8_cut(text, 80))),
        "one of: %s", buf_cstr(&names));
}

/* Paths, variables and arguments end at a NUL for the kernel: what was checked would not be what is
 * used. */
static void check_no_nul(struct check *c, struct str text)
{
    if (str_find_char(text, '\0') >= 0) {
        problem_expected(complain(c, "request.text", "a NUL character has no place in a text"),
                         "text without \\u0000");
    }
}

/* The maps of requests are environments: execve takes "NAME=VALUE". */
static void check_name(struct check *c, struct str name)
{
    check_no_nul(c, name);
    if (name.len == 0 || str_find_char(name, '=') >= 0) {
        problem_expected(complain(c, "request.name", "'" STR_FMT "' cannot name a variable",
                                  STR_ARG(utf8_cut(name, 80))),
                         "a name without '='");
    }
}

/* All our cursors are numbers; to ignore another one would be to begin again without a word. */
static void check_text(struct check *c, const struct schema_field *field, struct str text)
{
    uint64_t n;

    check_no_nul(c, text);
    check_bounds(c, field, (int64_t)text.len, "the length");
    if (strcmp(field->name, "cursor") == 0 && num_parse_u64(text, &n) < 0) {
        problem_expected(complain(c, "request.cursor", "no answer gave this cursor"),
                         "next_cursor of the page before");
    }
}

/* An unknown type of row takes a text: strings are what most rows are. */
static void check_scalar(struct check *c, const struct schema_field *field, uint8_t type,
                         const struct jdoc *value)
{
    int64_t n = 0;

    switch (type) {
    case SCHEMA_BOOL:
        if (value->type != JSON_TRUE && value->type != JSON_FALSE) {
            wrong_type(c, type);
        }
        return;
    case SCHEMA_INT:
        if (value->type != JSON_NUMBER || num_parse_i64(value->text, &n) < 0) {
            wrong_type(c, type);
        } else {
            check_bounds(c, field, n, "the value");
        }
        return;
    case SCHEMA_ENUM:
        if (value->type == JSON_STRING) {
            check_enum(c, field, value->text);
            return;
        }
        break;
    case SCHEMA_TIME:
        if (value->type == JSON_STRING && timefmt_parse(value->text, &n) == 0) {
            return;
        }
        break;
    default:
        if (value->type == JSON_STRING) {
            check_text(c, field, value->text);
            return;
        }
        break;
    }
    wrong_type(c, type);
}

/* A list or a map: its items are scalars of type `item`. */
static void check_items(struct check *c, const struct schema_field *field, const struct jdoc *value)
{
    size_t i = 0;
    size_t end = strlen(c->pointer);

    if (value->type != (field->type == SCHEMA_LIST ? JSON_ARRAY : JSON_OBJECT)) {
        wrong_type(c, field->type);
        return;
    }
    if (field->type == SCHEMA_LIST) {
        check_bounds(c, field, (int64_t)value->count, "the number of items");
    }
    struct schema_field item = *field;
    item.min = item.max = 0;
    jdoc_each(one, value)
    {
        if (field->type == SCHEMA_LIST) {
            snprintf(c->pointer + end, sizeof(c->pointer) - end, "/%zu", i++);
        } else {
            enter(c, one->key);
            check_name(c, one->key);
        }
        check_scalar(c, &item, field->item, one);
        c->pointer[end] = '\0';
    }
}

/* A misspelt member that was passed over would be a wish that nobody hears. */
static void unknown_member(struct check *c, const struct schema_table *table, struct str name)
{
    struct str names[NAMES_MAX];
    size_t count = MIN((size_t)table->count, (size_t)NAMES_MAX);
    struct problem *problem = complain(c, "request.unknown-member", "unknown member '" STR_FMT "'",
                                       STR_ARG(utf8_cut(name, 80)));

    for (size_t i = 0; i < count; i++) {
        names[i] = str_from(table->fields[i].name);
    }
    struct str near = problem_nearest(name, names, count);
    if (near.len > 0) {
        problem_hint(problem, "did you mean '" STR_FMT "'?", STR_ARG(near));
    }
}

/* Missing members last: they are often the misspelt ones that were named above. */
void api_check(const struct schema_table *table, const struct jdoc *doc,
               struct problem_list *problems)
{
    struct check c = {.problems = problems};

    if (!doc || doc->type != JSON_OBJECT) {
        problem_expected(complain(&c, "request.type", "the request has the wrong shape"),
                         "a JSON object");
        return;
    }
    jdoc_each(member, doc)
    {
        const struct schema_field *field = schema_field_find(table, member->key);
        c.pointer[0] = '\0';
        enter(&c, member->key);
        if (!field) {
            unknown_member(&c, table, member->key);
        } else if (field->type == SCHEMA_LIST || field->type == SCHEMA_MAP) {
            check_items(&c, field, member);
        } else {
            check_scalar(&c, field, field->type, member);
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct schema_field *field = &table->fields[i];
        if ((field->flags & SCHEMA_REQUIRED) && !jdoc_get(doc, field->name)) {
            snprintf(c.pointer, sizeof(c.pointer), "/%s", field->name);
            problem_expected(complain(&c, "request.missing", "'%s' is missing", field->name), "%s",
                             type_name(field->type));
        }
    }
}

/* ---- queries ---- */

/* Zeroed by the arena: no members, no next one. */
static struct jdoc *new_node(struct arena *arena, enum json_type type, struct str key,
                             struct str text)
{
    struct jdoc *node = arena_new(arena, struct jdoc);

    if (node) {
        node->type = type;
        node->key = key;
        node->text = text;
    }
    return node;
}

/* To the end, so that repeated keys keep their order; the head bounds how long this takes. */
static void append(struct jdoc *parent, struct jdoc *node)
{
    struct jdoc **end = &parent->first;

    while (*end) {
        end = &(*end)->next;
    }
    *end = node;
    parent->count++;
}

/* The text as the type that the table wants; what does not fit stays a string and is refused by
 * the check. */
static enum json_type typed(uint8_t type, struct str text)
{
    int64_t n = 0;

    if (type == SCHEMA_INT && num_parse_i64(text, &n) == 0) {
        return JSON_NUMBER;
    }
    if (type == SCHEMA_BOOL && (str_is(text, "1") || str_is(text, "true"))) {
        return JSON_TRUE;
    }
    if (type == SCHEMA_BOOL && (str_is(text, "0") || str_is(text, "false"))) {
        return JSON_FALSE;
    }
    return JSON_STRING;
}

/* A query being read. */
struct query {
    const struct schema_table *table; /* NULL: the endpoint takes no parameter */
    struct arena *arena;
    struct jdoc *object;           /* what it becomes */
    struct problem_list *problems; /* of the whole request */
};

/* By search: the head of a request bounds how many there can be. */
static struct jdoc *last_of(struct jdoc *object, struct str key)
{
    for (struct jdoc *member = object->first; member; member = member->next) {
        if (str_eq(member->key, key)) {
            return member;
        }
    }
    return NULL;
}

/* Repeating means a list only where the row is one. Elsewhere the first and the last are equally
 * wrong, and two readers that choose differently are a hole. */
static int add_param(struct query *q, struct str key, struct str value)
{
    const struct schema_field *field = q->table ? schema_field_find(q->table, key) : NULL;
    bool list = field && field->type == SCHEMA_LIST;
    enum json_type type = !field ? JSON_STRING : typed(list ? field->item : field->type, value);
    struct jdoc *node = new_node(q->arena, type, key, value);
    struct jdoc *old = last_of(q->object, key);

    if (!node) {
        return -ENOMEM;
    }
    if (!list && old) {
        struct check c = {.problems = q->problems};
        enter(&c, key);
        complain(&c, "request.repeated", "'" STR_FMT "' may stand once only",
                 STR_ARG(utf8_cut(key, 80)));
        return 0;
    }
    if (!list) {
        append(q->object, node);
        return 0;
    }
    if (!old) {
        old = new_node(q->arena, JSON_ARRAY, key, STR_NONE);
        if (!old) {
            return -ENOMEM;
        }
        append(q->object, old);
    }
    append(old, node);
    return 0;
}

/* With "+" for a blank, as HTML forms and URLSearchParams write it (WHATWG URL, 5.1). */
static int decode_param(struct arena *arena, struct str text, struct str *ret)
{
    cleanup(buf_fini) struct buf decoded = BUF_INIT(text.len + 1);
    int r = uri_decode(&decoded, text, true);

    if (r < 0) {
        return r;
    }
    if (utf8_valid_prefix(buf_str(&decoded)) < decoded.len) {
        return -EINVAL;
    }
    *ret = arena_str(arena, buf_str(&decoded));
    return ret->p ? 0 : -ENOMEM;
}

int api_parse_query(const struct schema_table *table, struct str query, struct arena *arena,
                    struct jdoc **ret, struct problem_list *problems)
{
    static const struct schema_table none = {.name = "query"};
    struct jdoc *object = new_node(arena, JSON_OBJECT, STR_NONE, STR_NONE);
    struct query q = {.table = table, .arena = arena, .object = object, .problems = problems};
    struct str key = STR_NONE;
    struct str value = STR_NONE;

    while (object && uri_query_next(&query, &key, &value)) {
        int r = decode_param(arena, key, &key);
        r = r ? r : decode_param(arena, value, &value);
        if (r == -EINVAL) {
            struct check c = {.problems = problems};
            complain(&c, "request.query", "the query holds a broken escape, or is not UTF-8");
            continue;
        }
        r = r ? r : add_param(&q, key, value);
        if (r < 0) {
            return r;
        }
    }
    if (!object) {
        return -ENOMEM;
    }
    api_check(table ? table : &none, object, problems);
    *ret = object;
    return 0;
}
