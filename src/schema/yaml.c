/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML text to a value tree, from libyaml's events.
 *
 * The library knows neither keys nor bounds; those are ours:
 *   1. Depth, nodes and file size are bounded before memory is. An alias counts as what it stands
 *      for, in nodes and in depth: else a chain of aliases would nest as deep as it is long.
 *   2. A duplicate key is an error with both places (YAML 1.2.2, 3.2.1.1: keys are unique). Many
 *      readers take the last one, which hides a mistake of merging by hand.
 *   3. An alias is a copy of what its anchor held; a recursive alias is an error, since its anchor
 *      is known only when its node is complete.
 *   4. `<<` takes a map or a list of maps; keys that are written out win, earlier maps win over
 *      later (https://yaml.org/type/merge.html). Merging waits for the end of the map: a key may be
 *      written out behind it.
 *
 * As it goes: start event → a level on the stack → scalars and finished levels are attached to the
 * level below → end event: merge, remember the anchor, attach. As it fails: the first mistake of
 * syntax or bounds ends the file (what follows would be guessed), a duplicate key does not.
 *
 * Why this library: docs/decisions/0004-yaml-parser.md
 */
#include "schema/stages.h"

#include <yaml.h>

enum { ANCHORS_MAX = 4096 };

struct level {
    struct value *value;
    struct value *merge; /* of a map: list of what `<<` named */
    struct str key;      /* of a map: the key that waits for its value */
    struct value_at key_at;
    struct str anchor; /* this node's own, known to others once it is complete */
    bool has_key;
    bool merges; /* the key is a bare `<<`; quoted it is a key like any other (YAML 1.1 merge) */
};

struct yaml_reader {
    struct schema_pass *pass;
    yaml_parser_t parser;
    uint16_t file;
    struct level levels[VALUE_DEPTH_MAX];
    size_t depth;
    struct map anchors; /* name → struct value */
    struct value *root;
    size_t documents;
    bool failed;
};

static struct value_at mark_at(const struct yaml_reader *r, const yaml_mark_t *mark)
{
    return (struct value_at){.file = r->file,
                             .line = (uint32_t)mark->line + 1,
                             .column = (uint16_t)MIN(mark->column + 1, UINT16_MAX)};
}

/* The library's names (anchors, tags) end in NUL; NULL = none. */
static struct str name_of(const yaml_char_t *name)
{
    return str_from((const char *)name);
}

/* Ends the file: see above. */
static void fail(struct yaml_reader *r, struct value_at at, const char *code, const char *what)
{
    pass_problem(r->pass, at, code, "%s", what);
    r->failed = true;
}

static void attach_to_map(struct yaml_reader *r, struct level *level, struct value *v)
{
    level->has_key = false;
    if (level->merges) {
        if (!level->merge) {
            level->merge = pass_value(r->pass, VALUE_LIST, v->at);
        }
        pass_add(r->pass, level->merge, v);
        return;
    }
    const struct value_member *earlier = value_member(level->value, level->key);
    if (earlier) {
        struct problem *problem =
            pass_problem(r->pass, level->key_at, "config.duplicate-key",
                         "the key '" STR_FMT "' stands here twice", STR_ARG(level->key));
        problem_hint(problem, "it stands at line %u already: remove one of them", earlier->at.line);
        return;
    }
    pass_append(r->pass, level->value, level->key, level->key_at, v);
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
    int error = anchor.len ? map_put(&r->anchors, anchor, v) : 0;
    if (error == -ENOMEM) {
        r->pass->error = error;
    } else if (error) {
        fail(r, v->at, "config.too-many-anchors", "too many anchors in one file");
    }
}

/* `!` and `!!str` make a text of anything. `!!int` and its kind say what a row knows better, so
 * they are taken and forgotten; a tag of an application has no meaning that we could honour. */
static uint8_t tag_of(struct yaml_reader *r, const yaml_char_t *tag, struct value_at at,
                      bool *ret_text)
{
    struct str name = name_of(tag);
    *ret_text = str_is(name, YAML_STR_TAG) || str_is(name, "!");
    if (str_is(name, "!reset")) {
        return VALUE_TAG_RESET;
    }
    if (str_is(name, "!override")) {
        return VALUE_TAG_OVERRIDE;
    }
    if (name.len > 1 && !str_starts(name, STR("tag:yaml.org,2002:"))) {
        fail(r, at, "config.unknown-tag", "this tag has no meaning here");
    }
    return VALUE_TAG_NONE;
}

/* A key is a scalar that a map waits for: the library tells no difference. */
static void on_scalar(struct yaml_reader *r, const yaml_event_t *event)
{
    struct value_at at = mark_at(r, &event->start_mark);
    struct str raw = str_make((const char *)event->data.scalar.value, event->data.scalar.length);
    struct str text = pass_str(r->pass, raw);
    if (str_find_char(raw, '\0') >= 0) {
        fail(r, at, "config.not-text", "a NUL character has no place in text");
    }
    if (wants_key(r)) {
        struct level *level = &r->levels[r->depth - 1];
        level->key = text;
        level->key_at = at;
        level->has_key = true;
        level->merges = str_is(raw, "<<") && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        return;
    }
    bool is_text;
    uint8_t tag = tag_of(r, event->data.scalar.tag, at, &is_text);
    struct value *v = pass_value(r->pass, VALUE_SCALAR, at);
    v->text = text;
    v->quoted = is_text || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    v->tag = tag;
    /* `key: ~` and `key:` are the same; the latter has no place of its own, so errors name its key.
     */
    if (value_type(v) == VALUE_IS_NULL) {
        v->kind = VALUE_NULL;
        v->at = text.len || r->depth == 0 ? at : r->levels[r->depth - 1].key_at;
    }
    remember(r, pass_str(r->pass, name_of(event->data.scalar.anchor)), v);
    attach(r, v);
}

static void on_start(struct yaml_reader *r, enum value_kind kind, const yaml_event_t *event)
{
    bool is_map = kind == VALUE_MAP, is_text;
    struct value_at at = mark_at(r, &event->start_mark);
    const yaml_char_t *anchor =
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (wants_key(r)) {
        fail(r, at, "config.complex-key", "a key must be plain text, not a list or a map");
        return;
    }
    if (r->depth == VALUE_DEPTH_MAX) {
        fail(r, at, "config.too-deep", "the nesting goes too deep");
        return;
    }
    struct value *v = pass_value(r->pass, kind, at);
    v->tag = tag_of(r, tag, at, &is_text);
    if (v == &r->pass->sink) {
        r->failed = true;
        return;
    }
    r->levels[r->depth++] =
        (struct level){.value = v, .anchor = pass_str(r->pass, name_of(anchor))};
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
            pass_append(r->pass, into, m->key, m->at, pass_copy(r->pass, m->value));
        }
    }
}

static void on_end(struct yaml_reader *r)
{
    struct level level = r->levels[--r->depth];
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

/* Levels of nesting: 0 for a scalar. Bounded, since what is anchored was bounded when it was
 * read. */
static size_t height_of(const struct value *v)
{
    size_t most = 0;
    value_each(m, v)
    {
        size_t height = height_of(m->value);
        most = MAX(most, height);
    }
    return most + (v->kind >= VALUE_LIST);
}

static void on_alias(struct yaml_reader *r, const yaml_event_t *event)
{
    struct value_at at = mark_at(r, &event->start_mark);
    struct str name = name_of(event->data.alias.anchor);
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
    if (r->depth + height_of(target) > VALUE_DEPTH_MAX) {
        fail(r, at, "config.too-deep", "the nesting goes too deep with what this alias stands for");
        return;
    }
    attach(r, pass_copy(r->pass, target));
}

static void on_event(struct yaml_reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->documents++) {
            fail(r, mark_at(r, &event->start_mark), "config.many-documents",
                 "a file holds one document; this is a second one");
        }
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(r, event);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(r, event);
        break;
    case YAML_MAPPING_START_EVENT:
        on_start(r, VALUE_MAP, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_start(r, VALUE_LIST, event);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        on_end(r);
        break;
    default:
        break;
    }
}

/* What the library found wrong. Its context says where the thing began that went wrong. The
 * library's words, with the place; the hint is for the mistakes that people make. */
static void say_syntax(struct yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        r->pass->error = -ENOMEM;
        return;
    }
    struct problem *problem =
        pass_problem(r->pass, mark_at(r, &p->problem_mark), "config.syntax",
                     "this is not valid YAML: %s", p->problem ? p->problem : "unknown error");
    if (p->context && p->context_mark.line != p->problem_mark.line) {
        problem_hint(problem, "%s, which begins at line %zu", p->context, p->context_mark.line + 1);
    } else if (p->problem && strstr(p->problem, "cannot start any token")) {
        problem_hint(problem, "indent with blanks, not tabs; put quotes around a text that begins "
                              "with @, %% or `");
    } else {
        problem_hint(problem, "check indentation, colons and quotes near this place");
    }
    r->failed = true;
}

static bool may_go_on(const struct yaml_reader *r)
{
    return !r->failed && !r->pass->error && !r->pass->too_large;
}

static void read_events(struct yaml_reader *r)
{
    bool ended = false;
    while (!ended && may_go_on(r)) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            say_syntax(r);
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        on_event(r, &event);
        yaml_event_delete(&event);
    }
}

struct value *yaml_parse(struct schema_pass *pass, uint16_t file, struct str text)
{
    struct value_at top = {.file = file, .line = 1, .column = 1};
    struct yaml_reader *r = calloc(1, sizeof(*r));
    struct value *root = NULL;
    if (r && yaml_parser_initialize(&r->parser)) {
        r->pass = pass;
        r->file = file;
        r->anchors = MAP_INIT(ANCHORS_MAX);
        /* pass_check_text has read it as UTF-8: the library must not guess something else. */
        yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&r->parser, (const unsigned char *)(text.len ? text.p : ""),
                                     text.len);
        read_events(r);
        root = r->failed ? NULL : r->root;
        map_fini(&r->anchors);
        yaml_parser_delete(&r->parser);
    } else {
        pass->error = -ENOMEM;
    }
    free(r);
    /* An empty file, or one that failed: the caller asks the list of problems, not this. */
    return root ? root : pass_value(pass, VALUE_MAP, top);
}
