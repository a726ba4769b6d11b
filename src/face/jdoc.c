/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON document: one pass over the pull reader, without recursion; the reader bounds the depth.
 * Repeated keys: a small object is compared at each member, a large one is sorted at its end, so
 * that a body of 400,000 members does not stop the loop.
 *
 *   member of a node   of text "a": {"b\n": [1]}, node `b`
 *   key                decoded: "b", LF
 *   raw                [1] as it stands, borrowed from the input
 *   text               of strings and numbers; empty here
 *   first, count       its items
 */
#include "face/jdoc.h"
#include "base/num.h"

enum { COMPARED_MAX = 32 };

struct build {
    struct arena *arena;
    struct json_reader reader;
    struct jdoc *open[JSON_DEPTH_MAX + 1]; /* containers from the top down */
    struct jdoc *last[JSON_DEPTH_MAX + 1]; /* their newest members */
    const char *start[JSON_DEPTH_MAX + 1]; /* of their text, for `raw` */
    unsigned depth;
    struct str key;   /* of the member whose value comes next */
    struct jdoc *top; /* the whole */
};

/* Text without escapes stays where it is, in the input: most of a document is never copied. */
static int decode(struct build *b, struct str *ret)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(b->reader.token.len + 1);
    int r;

    if (!b->reader.escaped) {
        *ret = b->reader.token;
        return 0;
    }
    r = json_token_decode(&b->reader, &text);
    if (r < 0) {
        return r;
    }
    *ret = arena_str(b->arena, buf_str(&text));
    return ret->p ? 0 : -ENOMEM;
}

/* `last` makes adding a step; `first` is the order of the text. */
static int attach(struct build *b, struct jdoc *node)
{
    struct jdoc *parent = b->depth ? b->open[b->depth - 1] : NULL;

    if (!parent) {
        b->top = node;
        return 0;
    }
    if (parent->type == JSON_OBJECT) {
        const struct jdoc *m = parent->count < COMPARED_MAX ? parent->first : NULL;
        for (; m; m = m->next) {
            if (str_eq(m->key, b->key)) {
                return -EINVAL;
            }
        }
        node->key = b->key;
    }
    if (b->last[b->depth - 1]) {
        b->last[b->depth - 1]->next = node;
    } else {
        parent->first = node;
    }
    b->last[b->depth - 1] = node;
    parent->count++;
    return 0;
}

/* Where the value whose first event was just read began. */
static const char *value_start(const struct build *b, enum json_type type)
{
    const struct json_reader *r = &b->reader;

    switch (type) {
    case JSON_STRING:
        return r->token.p - 1;
    case JSON_NUMBER:
        return r->token.p;
    case JSON_TRUE:
    case JSON_NULL:
        return r->text.p + r->at - 4;
    case JSON_FALSE:
        return r->text.p + r->at - 5;
    default:
        return r->text.p + r->at - 1;
    }
}

/* `raw` of a container is set twice: here up to its first byte, at its end for good. */
static int add_value(struct build *b, enum json_type type)
{
    struct jdoc *node = arena_new(b->arena, struct jdoc);
    const char *start = value_start(b, type);
    int r = 0;

    if (!node) {
        return -ENOMEM;
    }
    node->type = type;
    if (type == JSON_STRING) {
        r = decode(b, &node->text);
    } else if (type == JSON_NUMBER) {
        node->text = b->reader.token;
    }
    r = r ? r : attach(b, node);
    if (r < 0) {
        return r;
    }
    node->raw = str_make(start, (size_t)(b->reader.text.p + b->reader.at - start));
    if (type == JSON_OBJECT || type == JSON_ARRAY) {
        b->open[b->depth] = node;
        b->last[b->depth] = NULL;
        b->start[b->depth] = start;
        b->depth++;
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* 0, -EINVAL (a key is there twice), -ENOMEM. On the heap and not in the arena: it is gone before
 * the document is used. */
static int check_large(const struct jdoc *object)
{
    size_t count = 0;
    struct str *keys = calloc(object->count, sizeof(*keys));

    if (!keys) {
        return -ENOMEM;
    }
    jdoc_each(member, object)
    {
        keys[count++] = member->key;
    }
    qsort(keys, count, sizeof(*keys), by_key);
    bool repeated = false;
    for (size_t i = 1; i < count && !repeated; i++) {
        repeated = str_eq(keys[i - 1], keys[i]);
    }
    free(keys);
    return repeated ? -EINVAL : 0;
}

/* Keys are complete now: a large object is checked for doubles as a whole. */
static int end_container(struct build *b)
{
    struct jdoc *node = b->open[--b->depth];
    const char *start = b->start[b->depth];

    node->raw = str_make(start, (size_t)(b->reader.text.p + b->reader.at - start));
    return node->type == JSON_OBJECT && node->count > COMPARED_MAX ? check_large(node) : 0;
}

static int step(struct build *b, enum json_type type)
{
    switch (type) {
    case JSON_ERROR:
        return -EINVAL;
    case JSON_KEY:
        return decode(b, &b->key);
    case JSON_END:
        return end_container(b);
    default:
        return add_value(b, type);
    }
}

/* Memory that is out is no mistake of the text: *ret_at means nothing then. */
int jdoc_parse(struct arena *arena, struct str text, struct jdoc **ret, size_t *ret_at)
{
    struct build b = {.arena = arena, .reader = JSON_READER(text)};

    for (;;) {
        enum json_type type = json_next(&b.reader);
        int r;
        if (type == JSON_DONE) {
            break;
        }
        r = step(&b, type);
        if (r < 0) {
            if (ret_at) {
                *ret_at = b.reader.at;
            }
            return r;
        }
    }
    *ret = b.top;
    return 0;
}

const struct jdoc *jdoc_get(const struct jdoc *object, const char *key)
{
    if (!object || object->type != JSON_OBJECT) {
        return NULL;
    }
    jdoc_each(member, object)
    {
        if (str_is(member->key, key)) {
            return member;
        }
    }
    return NULL;
}

struct str jdoc_str(const struct jdoc *object, const char *key)
{
    const struct jdoc *value = jdoc_get(object, key);

    return value && value->type == JSON_STRING ? value->text : STR_NONE;
}

/* A number with a fraction or too large is no integer: the fallback. */
int64_t jdoc_i64(const struct jdoc *object, const char *key, int64_t otherwise)
{
    const struct jdoc *value = jdoc_get(object, key);
    int64_t n = 0;

    return value && value->type == JSON_NUMBER && num_parse_i64(value->text, &n) == 0 ? n
                                                                                      : otherwise;
}

double jdoc_double(const struct jdoc *object, const char *key, double otherwise)
{
    const struct jdoc *value = jdoc_get(object, key);
    double n = 0;

    return value && value->type == JSON_NUMBER && num_parse_double(value->text, &n) == 0
               ? n
               : otherwise;
}

bool jdoc_bool(const struct jdoc *object, const char *key, bool otherwise)
{
    const struct jdoc *value = jdoc_get(object, key);

    return value && (value->type == JSON_TRUE || value->type == JSON_FALSE)
               ? value->type == JSON_TRUE
               : otherwise;
}
