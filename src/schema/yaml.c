/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML text to a value tree, from libfyaml's events.
 *
 * The library's own document tree is quadratic in the number of keys and knows no bounds, so only
 * its event parser is used; keys, aliases and merges are ours:
 *  1. Depth, nodes and file size are bounded before memory is.
 *  2. A duplicate key is an error with both places.
 *  3. An alias is a copy of what its anchor held; a recursive alias is an error.
 *  4. `<<` takes a map or a list of maps; keys that are written out win, earlier maps win over
 * later.
 */
#include "schema/pass.h"
#include "schema/yaml_text.h"

#include <libfyaml.h>

enum { ANCHORS_MAX = 4096, DUPLICATES_BY_MAP = 16 };

struct level {
    struct value *value;
    struct value *merge; /* of a map: list of what `<<` named */
    struct str key;      /* of a map: the key that waits for its value */
    struct value_at key_at;
    struct str anchor; /* this node's own, known to others once it is complete */
    bool has_key;
    struct map seen; /* of a large map: its keys */
};

struct yaml_reader {
    struct schema_pass *pass;
    struct fy_parser *parser;
    uint16_t file;
    struct str text;
    struct level levels[VALUE_DEPTH_MAX];
    size_t depth;
    struct map anchors; /* name → struct value */
    struct value *root;
    size_t documents;
    bool failed;
};

static struct value_at token_at(const struct yaml_reader *r, struct fy_token *token)
{
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
    if (!mark || mark->line < 0) {
        return (struct value_at){.file = r->file, .line = 1, .column = 1};
    }
    return (struct value_at){.file = r->file,
                             .line = (uint32_t)mark->line + 1,
                             .column = (uint16_t)MIN(mark->column + 1, UINT16_MAX)};
}

/* The library marks what stands behind a quote or a `*`; people look for the sign itself. */
static struct value_at sign_at(const struct yaml_reader *r, struct fy_token *token)
{
    struct value_at at = token_at(r, token);
    at.column = (uint16_t)(at.column - (at.column > 1));
    return at;
}

static struct value_at scalar_at(const struct yaml_reader *r, struct fy_token *token)
{
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    bool quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    return quoted ? sign_at(r, token) : token_at(r, token);
}

static struct str token_text(struct schema_pass *pass, struct fy_token *token)
{
    size_t len = 0;
    const char *text = token ? fy_token_get_text(token, &len) : NULL;
    return text ? pass_str(pass, str_make(text, len)) : STR("");
}

static void fail(struct yaml_reader *r, struct value_at at, const char *code, const char *what)
{
    pass_problem(r->pass, at, code, "%s", what);
    r->failed = true;
}

/* Quoted texts are read from the file itself (yaml_text.c says why), all others by the library. */
static struct str scalar_text(struct yaml_reader *r, struct fy_token *token)
{
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    if (style != FYSS_SINGLE_QUOTED && style != FYSS_DOUBLE_QUOTED) {
        return token_text(r->pass, token);
    }
    const struct fy_mark *start = fy_token_start_mark(token), *end = fy_token_end_mark(token);
    struct str raw = str_slice(r->text, start->input_pos, end->input_pos);
    struct buf out = BUF_INIT(VALUE_FILE_MAX);
    if (style == FYSS_SINGLE_QUOTED) {
        yaml_text_single(raw, &out);
    } else {
        const char *wrong = yaml_text_double(raw, &out);
        if (wrong) {
            fail(r, scalar_at(r, token), "config.syntax", wrong);
        }
    }
    return pass_take(r->pass, &out);
}

/* A key that was there before; a large map keeps its keys in a hash map. */
static const struct value_member *find_key(struct level *level, struct str key)
{
    if (level->value->count <= DUPLICATES_BY_MAP) {
        return value_member(level->value, key);
    }
    if (level->seen.len == 0) {
        level->seen = MAP_INIT(VALUE_NODES_MAX);
    }
    for (size_t i = level->seen.len; i < level->value->count; i++) {
        if (map_put(&level->seen, level->value->members[i].key, (void *)(uintptr_t)(i + 1))) {
            return value_member(level->value, key);
        }
    }
    uintptr_t found = (uintptr_t)map_get(&level->seen, key);
    return found ? &level->value->members[found - 1] : NULL;
}

static void attach_to_map(struct yaml_reader *r, struct level *level, struct value *v)
{
    level->has_key = false;
    if (str_is(level->key, "<<")) {
        if (!level->merge) {
            level->merge = pass_value(r->pass, VALUE_LIST, v->at);
        }
        pass_add(r->pass, level->merge, v);
        return;
    }
    const struct value_member *earlier = find_key(level, level->key);
    if (earlier) {
        struct problem *problem =
            pass_problem(r->pass, level->key_at, "config.duplicate-key",
                         "the key '" STR_FMT "' stands here twice", STR_ARG(level->key));
        problem_hint(problem, "it stands at line %u already: remove one of them", earlier->at.line);
        return;
    }
    uint32_t before = level->value->count;
    if (v == &r->pass->sink || level->value == &r->pass->sink) {
        return;
    }
    /* pass_put would look for the key once more. */
    struct value holder = {.kind = VALUE_LIST,
                           .members = level->value->members,
                           .count = before,
                           .cap = level->value->cap};
    pass_add(r->pass, &holder, v);
    level->value->members = holder.members;
    level->value->cap = holder.cap;
    level->value->count = holder.count;
    if (holder.count > before) {
        holder.members[before].key = level->key;
        holder.members[before].at = level->key_at;
    }
}

static void attach(struct yaml_reader *r, struct value *v)
{
    if (r->depth == 0) {
        r->root = v;
        return;
    }
    struct level *level = &r->levels[r->depth - 1];
    if (level->value->kind == VALUE_LIST) {
        pass_add(r->pass, level->value, v);
    } else {
        attach_to_map(r, level, v);
    }
}

static bool wants_key(const struct yaml_reader *r)
{
    return r->depth && r->levels[r->depth - 1].value->kind == VALUE_MAP &&
           !r->levels[r->depth - 1].has_key;
}

static void remember(struct yaml_reader *r, struct str anchor, struct value *v)
{
    if (anchor.len && map_put(&r->anchors, anchor, v)) {
        fail(r, v->at, "config.too-many-anchors", "too many anchors in one file");
    }
}

static uint8_t tag_of(struct yaml_reader *r, struct fy_token *token, bool *ret_text)
{
    size_t len = 0;
    const char *tag = token ? fy_token_get_text(token, &len) : NULL;
    struct str name = tag ? str_make(tag, len) : STR_NONE;
    *ret_text = str_ends(name, STR("yaml.org,2002:str"));
    if (str_ends(name, STR("!reset"))) {
        return VALUE_TAG_RESET;
    }
    if (str_ends(name, STR("!override"))) {
        return VALUE_TAG_OVERRIDE;
    }
    if (name.len && !str_starts(name, STR("tag:yaml.org,2002:"))) {
        fail(r, token_at(r, token), "config.unknown-tag", "this tag has no meaning here");
    }
    return VALUE_TAG_NONE;
}

static void on_scalar(struct yaml_reader *r, struct fy_event *event)
{
    struct fy_token *token = event->scalar.value;
    struct value_at at = scalar_at(r, token ? token : event->scalar.tag);
    struct str text = scalar_text(r, token);
    if (wants_key(r)) {
        struct level *level = &r->levels[r->depth - 1];
        level->key = text;
        level->key_at = at;
        level->has_key = true;
        return;
    }
    bool is_text;
    uint8_t tag = tag_of(r, event->scalar.tag, &is_text);
    struct value *v = pass_value(r->pass, VALUE_SCALAR, at);
    v->text = text;
    v->quoted = is_text || (token && fy_token_scalar_style(token) != FYSS_PLAIN);
    v->tag = tag;
    if (value_type(v) == VALUE_IS_NULL) {
        v->kind = VALUE_NULL;
        v->at = token ? at : (r->depth ? r->levels[r->depth - 1].key_at : at);
    }
    remember(r, token_text(r->pass, event->scalar.anchor), v);
    attach(r, v);
}

static void on_start(struct yaml_reader *r, enum value_kind kind, struct fy_token *start,
                     struct fy_token *anchor, struct fy_token *tag)
{
    struct value_at at = token_at(r, start);
    if (wants_key(r)) {
        fail(r, at, "config.complex-key", "a key must be plain text, not a list or a map");
        return;
    }
    if (r->depth == VALUE_DEPTH_MAX) {
        fail(r, at, "config.too-deep", "the nesting goes too deep");
        return;
    }
    bool is_text;
    struct value *v = pass_value(r->pass, kind, at);
    v->tag = tag_of(r, tag, &is_text);
    if (v == &r->pass->sink) {
        r->failed = true;
        return;
    }
    r->levels[r->depth++] = (struct level){.value = v, .anchor = token_text(r->pass, anchor)};
}

/* Members of `from` that `into` has not yet. */
static void merge_missing(struct yaml_reader *r, struct value *into, const struct value *from)
{
    if (from->kind != VALUE_MAP) {
        fail(r, from->at, "config.bad-merge", "'<<' takes a map or a list of maps");
        return;
    }
    value_each(m, from)
    {
        if (!value_member(into, m->key)) {
            pass_put(r->pass, into, m->key, pass_copy(r->pass, m->value));
            struct value_member *added = value_member(into, m->key);
            if (added) {
                added->at = m->at;
            }
        }
    }
}

static void on_end(struct yaml_reader *r)
{
    struct level level = r->levels[--r->depth];
    map_fini(&level.seen);
    if (level.merge) {
        value_each(m, level.merge)
        {
            if (m->value->kind == VALUE_LIST) {
                value_each(item, m->value)
                {
                    merge_missing(r, level.value, item->value);
                }
            } else {
                merge_missing(r, level.value, m->value);
            }
        }
    }
    remember(r, level.anchor, level.value);
    attach(r, level.value);
}

static void on_alias(struct yaml_reader *r, struct fy_event *event)
{
    struct value_at at = sign_at(r, event->alias.anchor);
    struct str name = token_text(r->pass, event->alias.anchor);
    if (wants_key(r)) {
        fail(r, at, "config.complex-key", "a key must be plain text, not an alias");
        return;
    }
    const struct value *target = map_get(&r->anchors, name);
    if (!target) {
        struct problem *problem =
            pass_problem(r->pass, at, "config.unknown-alias",
                         "nothing is anchored as '&" STR_FMT "'", STR_ARG(name));
        problem_hint(problem, "an alias stands after its anchor, and not inside of it");
        r->failed = true;
        return;
    }
    attach(r, pass_copy(r->pass, target));
}

static void on_event(struct yaml_reader *r, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (r->documents++) {
            fail(r, token_at(r, event->document_start.document_start), "config.many-documents",
                 "a file holds one document; this is a second one");
        }
        break;
    case FYET_SCALAR:
        on_scalar(r, event);
        break;
    case FYET_ALIAS:
        on_alias(r, event);
        break;
    case FYET_MAPPING_START:
        on_start(r, VALUE_MAP, event->mapping_start.mapping_start, event->mapping_start.anchor,
                 event->mapping_start.tag);
        break;
    case FYET_SEQUENCE_START:
        on_start(r, VALUE_LIST, event->sequence_start.sequence_start, event->sequence_start.anchor,
                 event->sequence_start.tag);
        break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        on_end(r);
        break;
    default:
        break;
    }
}

/* What the library found wrong: its first error. */
static void say_syntax(struct yaml_reader *r, struct fy_diag *diag)
{
    void *at = NULL;
    struct fy_diag_error *error = fy_diag_errors_iterate(diag, &at);
    struct value_at where = {.file = r->file, .line = 1, .column = 1};
    if (error && error->line > 0) {
        where.line = (uint32_t)error->line;
        where.column = (uint16_t)MIN(MAX(error->column, 1), UINT16_MAX);
    }
    struct problem *problem =
        pass_problem(r->pass, where, "config.syntax", "this is not valid YAML: %s",
                     error && error->msg ? error->msg : "unknown error");
    problem_hint(problem, "check indentation, colons and quotes near this place");
    r->failed = true;
}

static void read_events(struct yaml_reader *r, struct fy_diag *diag)
{
    bool ended = false;
    while (!r->failed && !r->pass->error && !r->pass->too_large) {
        struct fy_event *event = fy_parser_parse(r->parser);
        if (!event) {
            break;
        }
        ended = event->type == FYET_STREAM_END;
        on_event(r, event);
        fy_parser_event_free(r->parser, event);
    }
    if (!ended && !r->failed && !r->pass->error && !r->pass->too_large) {
        say_syntax(r, diag);
    }
    while (r->depth) {
        map_fini(&r->levels[--r->depth].seen);
    }
}

struct value *yaml_parse(struct schema_pass *pass, uint16_t file, struct str text)
{
    struct value_at top = {.file = file, .line = 1, .column = 1};
    struct fy_diag_cfg diag_cfg = {.level = FYET_ERROR, .module_mask = ~0u};
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    struct fy_parse_cfg cfg = {.diag = diag,
                               .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 |
                                        FYPCF_SLOPPY_FLOW_INDENTATION};
    struct yaml_reader *r = calloc(1, sizeof(*r));
    struct fy_parser *parser = diag ? fy_parser_create(&cfg) : NULL;
    if (!r || !parser || fy_parser_set_string(parser, text.len ? text.p : "", text.len)) {
        pass->error = -ENOMEM;
    } else {
        fy_diag_set_collect_errors(diag, true);
        *r = (struct yaml_reader){.pass = pass, .parser = parser, .file = file, .text = text};
        r->anchors = MAP_INIT(ANCHORS_MAX);
        read_events(r, diag);
        map_fini(&r->anchors);
    }
    struct value *root = r && r->root && !r->failed ? r->root : pass_value(pass, VALUE_MAP, top);
    free(r);
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return root;
}
