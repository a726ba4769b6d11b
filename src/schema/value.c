/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading value trees: look up, implied types, equality, order, hash. Making them is pass.c's
 * business.
 *
 * The index of a large map: open addressing over the keys, `cap` * 2 slots (a power of two), each
 * the number of a member + 1, 0 = free. It is made when the members array grows (pass.c), which is
 * when a map has proved to be large, and dropped (NULL) by whatever moves members; then a search is
 * linear again until the next growth. Without it a file with one long map takes time by the square
 * of its size: 45,000 merged keys were half a minute.
 */
#include "schema/value.h"

#include "base/map.h"
#include "base/num.h"

/* Where the key's slot is, or the free one where it belongs. At most half of the slots are used. */
static uint32_t *find_slot(const struct value *map, struct str key)
{
    uint32_t mask = map->cap * 2 - 1;
    uint32_t at = (uint32_t)map_hash(0, key) & mask;
    while (map->index[at] && !str_eq(map->members[map->index[at] - 1].key, key)) {
        at = (at + 1) & mask;
    }
    return &map->index[at];
}

void value_index_last(struct value *map)
{
    if (map->index) {
        *find_slot(map, map->members[map->count - 1].key) = map->count;
    }
}

struct value_member *value_member(const struct value *v, struct str key)
{
    if (!v || v->kind != VALUE_MAP) {
        return NULL;
    }
    if (v->index) {
        uint32_t found = *find_slot(v, key);
        return found ? &v->members[found - 1] : NULL;
    }
    value_each(m, v)
    {
        if (str_eq(m->key, key)) {
            return m;
        }
    }
    return NULL;
}

struct value *value_get(const struct value *v, const char *key)
{
    struct value_member *member = value_member(v, str_from(key));
    return member ? member->value : NULL;
}

void value_remove(struct value *v, size_t i)
{
    ensure(i < v->count);
    memmove(&v->members[i], &v->members[i + 1], (v->count - i - 1) * sizeof(v->members[0]));
    v->count--;
    v->index = NULL;
}

struct value *value_take(struct value *v, const char *key)
{
    struct value_member *member = value_member(v, str_from(key));
    if (!member) {
        return NULL;
    }
    struct value *value = member->value;
    value_remove(v, (size_t)(member - v->members));
    return value;
}

static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words; words++) {
        if (str_is(text, *words)) {
            return true;
        }
    }
    return false;
}

/* The order matters: "null" before text, integers before floats. `yes` and `on` are text here, as
 * in YAML 1.2; where a row wants a truth value decode_bool takes them all the same. */
enum value_type value_type(const struct value *v)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    int64_t integer;
    uint64_t unsigned_integer;
    double real;
    if (v->kind == VALUE_NULL) {
        return VALUE_IS_NULL;
    }
    if (v->kind != VALUE_SCALAR || v->quoted) {
        return VALUE_IS_STRING;
    }
    if (is_one_of(v->text, nulls)) {
        return VALUE_IS_NULL;
    }
    if (is_one_of(v->text, bools)) {
        return VALUE_IS_BOOL;
    }
    /* num_parse_* take no sign "+", which YAML allows. */
    struct str digits = str_starts(v->text, STR("+")) ? str_skip(v->text, 1) : v->text;
    if (num_parse_i64(digits, &integer) == 0) {
        return VALUE_IS_INT;
    }
    if (str_starts(v->text, STR("0x")) &&
        num_parse_hex(str_skip(v->text, 2), &unsigned_integer) == 0) {
        return VALUE_IS_INT;
    }
    return num_parse_double(digits, &real) == 0 ? VALUE_IS_FLOAT : VALUE_IS_STRING;
}

/* Sorted maps are compared in step: the look-up happens only where the orders differ. */
bool value_equal(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind || (a->kind >= VALUE_LIST && a->count != b->count)) {
        return false;
    }
    if (a->kind == VALUE_SCALAR) {
        return str_eq(a->text, b->text) && value_type(a) == value_type(b);
    }
    for (size_t i = 0; a->kind >= VALUE_LIST && i < a->count; i++) {
        const struct value_member *other = &b->members[i];
        if (a->kind == VALUE_MAP && !str_eq(other->key, a->members[i].key)) {
            other = value_member(b, a->members[i].key);
        }
        if (!other || !value_equal(a->members[i].value, other->value)) {
            return false;
        }
    }
    return true;
}

static int compare_members(const void *a, const void *b)
{
    return str_cmp(((const struct value_member *)a)->key, ((const struct value_member *)b)->key);
}

void value_sort(struct value *map)
{
    if (map->kind == VALUE_MAP && map->count > 1) {
        qsort(map->members, map->count, sizeof(map->members[0]), compare_members);
        map->index = NULL;
    }
}

/* Types are left out: "5" and 5 are one value to every row that takes both. */
uint64_t value_hash(uint64_t seed, const struct value *v)
{
    /* The kind and the length go in first, so that [a, b] and [ab] differ. */
    uint64_t head[3] = {seed, v->kind, v->kind == VALUE_SCALAR ? v->text.len : v->count};
    uint64_t hash = map_hash(seed, str_make((const char *)head, sizeof(head)));
    if (v->kind == VALUE_SCALAR) {
        return map_hash(hash, v->text);
    }
    value_each(m, v)
    {
        hash = v->kind == VALUE_MAP ? map_hash(hash, m->key) : hash;
        hash = value_hash(hash, m->value);
    }
    return hash;
}
