/* SPDX-License-Identifier: Apache-2.0
 *
 * A loaded project back to text: YAML and JSON of the same tree, in canonical order.
 *
 *   1. Loading the YAML (with secrets shown) gives an equal project: every dollar sign is doubled,
 *      and text that a YAML reader of version 1.1 or 1.2 could take for something else is quoted.
 *      tests/unit/schema/test_render.c holds it for random texts.
 *   2. A row's type decides how a scalar is written, so that "5" in a number's place comes out as
 *      5.
 *   3. Values of rows that are secret come out as asterisks unless asked for; so do keys that no
 *      row knows (x-…): nobody can tell what they hold.
 *   4. JSON is for programs: no dollar sign is doubled there, and it is not read back.
 *
 * Why no library writes it: libyaml's emitter chooses styles by its own rules, which differ between
 * versions, and the output is compared and hashed by people and tools.
 */
#include "base/num.h"
#include "schema/field.h"
#include "schema/load.h"
#include "schema/resource.h"
#include "schema/table.h"
#include "schema/value.h"

static const struct str hidden = STR_INIT("********");

struct renderer {
    struct buf *out;
    unsigned flags;
    bool secret; /* inside of a secret row */
};

/* ------------------------------------------------------------------ scalars */

enum scalar_form { FORM_TEXT, FORM_PLAIN, FORM_TRUE, FORM_FALSE };

/* How a scalar is written, by the type that its row gives it (SCHEMA_ANY: by its looks). */
static enum scalar_form form_of(const struct value *v, enum schema_type type)
{
    int64_t integer;
    double real;
    enum value_type looks = value_type(v);
    if (type == SCHEMA_BOOL || (looks == VALUE_IS_BOOL && type != SCHEMA_STRING)) {
        return str_eq_nocase(v->text, STR("true")) ? FORM_TRUE : FORM_FALSE;
    }
    bool number = (type == SCHEMA_INT && num_parse_i64(v->text, &integer) == 0) ||
                  (type == SCHEMA_DOUBLE && num_parse_double(v->text, &real) == 0) ||
                  looks == VALUE_IS_INT || looks == VALUE_IS_FLOAT;
    return number ? FORM_PLAIN : FORM_TEXT;
}

/* Characters that mean nothing to YAML wherever they stand. ':' and blanks are looked at with what
 * follows them. */
static bool is_safe_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_./@%+=,-()$~;^", c));
}

/* A letter, or an option of a program (-v, --port). */
static bool starts_plain(struct str text)
{
    size_t at = 0;
    while (at < 2 && at + 1 < text.len && text.p[at] == '-') {
        at++;
    }
    char first = at < text.len ? text.p[at] : '\0';
    return (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') ||
           (at == 0 && (first == '_' || first == '/'));
}

/* "10s", "64m": digits and letters that no reader takes for a number, as it ends with a unit. */
static bool is_measure(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool digit = text.p[i] >= '0' && text.p[i] <= '9';
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): without its NUL */
        if (!digit && (i == 0 || !memchr("smhgk", text.p[i], 5))) {
            return false;
        }
    }
    return text.len && text.p[text.len - 1] > '9';
}

/* True when every YAML reader takes the bare text for text. */
static bool is_safe_plain(struct str text)
{
    static const char *const words[] = {"true", "false", "yes", "no",   "on",   "off", "y",
                                        "n",    "null",  "nan", ".nan", ".inf", "inf"};
    if (!starts_plain(text) && !is_measure(text)) {
        return false;
    }
    /* YAML 1.1 makes truth values and numbers of these; Compose and most editors still read 1.1. */
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(text, str_from(words[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        char next = i + 1 < text.len ? text.p[i + 1] : ' ';
        bool inner =
            (text.p[i] == ':' && next != ' ') || (text.p[i] == ' ' && next != ' ' && next != '#');
        if (!is_safe_char(text.p[i]) && !inner) {
            return false;
        }
    }
    return true;
}

static void yaml_text(struct buf *out, struct str text)
{
    if (is_safe_plain(text)) {
        buf_add(out, text);
        return;
    }
    struct json_writer w = JSON_WRITER(out);
    json_str(&w, text);
}

/* With every dollar sign doubled. */
static void yaml_doubled(struct buf *out, struct str text)
{
    struct buf doubled = BUF_INIT(2 * VALUE_FILE_MAX);
    if (str_find_char(text, '$') < 0) {
        yaml_text(out, text);
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        buf_add(&doubled, text.p[i] == '$' ? STR("$$") : str_slice(text, i, i + 1));
    }
    yaml_text(out, buf_str(&doubled));
    out->error = out->error ? out->error : buf_error(&doubled);
    buf_fini(&doubled);
}

static void yaml_scalar(struct renderer *r, const struct value *v, enum schema_type type)
{
    static const struct str words[] = {
        [FORM_TRUE] = STR_INIT("true"), [FORM_FALSE] = STR_INIT("false")};
    enum scalar_form form = form_of(v, type);
    if (v->kind == VALUE_NULL) {
        buf_add(r->out, STR("null"));
    } else if (r->secret) {
        buf_printf(r->out, "\"" STR_FMT "\"", STR_ARG(hidden));
    } else if (form == FORM_TEXT) {
        yaml_doubled(r->out, v->text);
    } else {
        buf_add(r->out, form == FORM_PLAIN ? v->text : words[form]);
    }
}

/* ------------------------------------------------------------------ YAML */

/* What a node's children are, by its row; no row: anything. */
struct kind_of {
    const struct schema_table *table;     /* a map with these rows */
    const struct schema_field *container; /* a list or map of items by this row */
};

static struct kind_of kind_of_row(const struct schema_field *row)
{
    struct kind_of kind = {NULL, NULL};
    if (row && row->type == SCHEMA_OBJECT) {
        kind.table = row->of;
    } else if (row && (row->type == SCHEMA_LIST || row->type == SCHEMA_MAP)) {
        kind.container = row;
    }
    return kind;
}

struct child {
    struct kind_of kind;
    enum schema_type type; /* of a scalar */
    bool secret;
};

/* Below an unknown key everything is secret; below a list or map the row of the whole decides. */
static struct child child_of(const struct kind_of *parent, struct str key)
{
    struct child child = {.type = SCHEMA_ANY};
    if (parent->table) {
        const struct schema_field *row = schema_field_find(parent->table, key);
        child.kind = kind_of_row(row);
        child.type = row && row->type != SCHEMA_OBJECT ? row->type : SCHEMA_ANY;
        child.secret = !row || (row->flags & SCHEMA_SECRET); /* x-…: nobody knows what it holds */
    } else if (parent->container) {
        child.kind.table = parent->container->of;
        child.type = parent->container->item;
    }
    return child;
}

static void yaml_node(struct renderer *r, const struct value *v, const struct child *how,
                      unsigned indent);

/* Two blanks a level, also under "- ": the style of Compose's own output. */
static void yaml_indent(struct renderer *r, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++) {
        buf_add(r->out, STR("  "));
    }
}

/* Members of a non-empty list or map, each on lines of its own; `inline_first`: the first one goes
 * on in the line that a "- " began. */
static void yaml_members(struct renderer *r, const struct value *v, const struct kind_of *kind,
                         unsigned indent, bool inline_first)
{
    bool outer = r->secret;
    value_each(m, v)
    {
        struct child child = child_of(kind, m->key);
        if (m != v->members || !inline_first) {
            yaml_indent(r, indent);
        }
        if (v->kind == VALUE_LIST) {
            buf_add_char(r->out, '-');
        } else {
            yaml_text(r->out, m->key);
            buf_add_char(r->out, ':');
        }
        r->secret = outer || (child.secret && !(r->flags & SCHEMA_SHOW_SECRETS));
        bool in_line = v->kind == VALUE_LIST && m->value->kind >= VALUE_LIST && m->value->count;
        if (in_line) {
            buf_add_char(r->out, ' ');
            yaml_members(r, m->value, &child.kind, indent + 1, true);
        } else {
            yaml_node(r, m->value, &child, indent + 1);
        }
        r->secret = outer;
    }
}

static void yaml_node(struct renderer *r, const struct value *v, const struct child *how,
                      unsigned indent)
{
    if (v->kind < VALUE_LIST) {
        buf_add_char(r->out, ' ');
        yaml_scalar(r, v, how->type);
        buf_add_char(r->out, '\n');
    } else if (v->count == 0) {
        buf_add(r->out, v->kind == VALUE_LIST ? STR(" []\n") : STR(" {}\n"));
    } else {
        buf_add_char(r->out, '\n');
        yaml_members(r, v, &how->kind, indent, false);
    }
}

void schema_render_yaml(const struct project_spec *spec, unsigned flags, struct buf *out)
{
    struct renderer r = {.out = out, .flags = flags};
    struct kind_of top = {&schema_config, NULL};
    yaml_members(&r, spec->tree, &top, 0, false);
}

/* ------------------------------------------------------------------ JSON */

/* Numbers that JSON writes in another way than the file does stay text where a text belongs; so do
 * file modes everywhere: 0440 would be another number. */
static void json_number(struct json_writer *w, const struct value *v, enum schema_type type)
{
    int64_t integer;
    double real;
    bool octal = v->text.len > 1 && v->text.p[0] == '0' && v->text.p[1] != '.';
    if (!octal && num_parse_i64(v->text, &integer) == 0) {
        json_i64(w, integer);
    } else if (!octal && type != SCHEMA_STRING && num_parse_double(v->text, &real) == 0) {
        json_double(w, real);
    } else {
        json_str(w, v->text);
    }
}

static void json_scalar(struct renderer *r, const struct value *v, enum schema_type type,
                        struct json_writer *w)
{
    enum scalar_form form = form_of(v, type);
    if (v->kind == VALUE_NULL) {
        json_null(w);
    } else if (r->secret) {
        json_str(w, hidden);
    } else if (form == FORM_TEXT) {
        json_str(w, v->text);
    } else if (form == FORM_PLAIN) {
        json_number(w, v, type);
    } else {
        json_bool(w, form == FORM_TRUE);
    }
}

static void json_node(struct renderer *r, const struct value *v, const struct child *how,
                      struct json_writer *w)
{
    bool outer = r->secret, is_map = v->kind == VALUE_MAP;
    if (v->kind < VALUE_LIST) {
        json_scalar(r, v, how->type, w);
        return;
    }
    is_map ? json_begin_object(w) : json_begin_array(w);
    value_each(m, v)
    {
        struct child child = child_of(&how->kind, m->key);
        if (is_map) {
            json_key(w, m->key);
        }
        r->secret = outer || (child.secret && !(r->flags & SCHEMA_SHOW_SECRETS));
        json_node(r, m->value, &child, w);
        r->secret = outer;
    }
    is_map ? json_end_object(w) : json_end_array(w);
}

void schema_render_json(const struct project_spec *spec, unsigned flags, struct buf *out)
{
    struct renderer r = {.out = out, .flags = flags};
    struct json_writer w = JSON_WRITER(out);
    struct child top = {.kind = {&schema_config, NULL}};
    json_node(&r, spec->tree, &top, &w);
}

void schema_render_service_json(const struct project_spec *spec, struct str service, unsigned flags,
                                struct buf *out)
{
    struct renderer r = {.out = out, .flags = flags};
    struct json_writer w = JSON_WRITER(out);
    struct child top = {.kind = {&table_service, NULL}};
    const struct value_member *m = value_member(value_get(spec->tree, "services"), service);
    if (m) {
        json_node(&r, m->value, &top, &w);
    } else {
        json_null(&w);
    }
}
