/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical form of a document (rows of a table first, in their order; names by bytes; `yes` is
 * true), so that two files that mean the same render the same and hash the same.
 *
 * Two hashes come of it. The content hash takes the whole tree: equal means that applying would
 * change nothing at all. The restart hash takes only rows SCHEMA_RESTART of one service: equal
 * means that its replicas may run on, whatever else of it changed (routes, health check, number of
 * replicas). A row that is marked wrongly therefore restarts services for nothing, or leaves them
 * running with what is no longer true; test_load.c holds the list.
 *
 * Lists keep their order: it means something in commands, and where it does not (routes) a change
 * of it costs nothing.
 */
#include "schema/decode.h"
#include "schema/load.h"
#include "schema/stages.h"

static size_t rank_of(const struct schema_table *table, struct str key)
{
    const struct schema_field *row = schema_field_find(table, key);
    return row ? (size_t)(row - table->fields) : table->count;
}

/* Insertion sort by row; keys without one (x-…) last, in their order. Maps of a table are short. */
static void sort_by_rows(const struct schema_table *table, struct value *v)
{
    for (uint32_t i = 1; i < v->count; i++) {
        struct value_member moving = v->members[i];
        size_t rank = rank_of(table, moving.key);
        uint32_t at = i;
        while (at > 0 && rank_of(table, v->members[at - 1].key) > rank) {
            v->members[at] = v->members[at - 1];
            at--;
        }
        v->members[at] = moving;
    }
    v->index = NULL;
}

/* Below keys without a row there is no order to keep but that of names. */
static void sort_all(struct value *v)
{
    value_sort(v);
    value_each(m, v)
    {
        sort_all(m->value);
    }
}

static void canonical_bool(struct value *v)
{
    bool flag;
    if (v->kind == VALUE_SCALAR && decode_bool(v->text, &flag)) {
        v->text = flag ? STR("true") : STR("false");
        v->quoted = false;
    }
}

static void sort_row(const struct schema_field *row, struct value *v)
{
    if (row && (row->type == SCHEMA_BOOL || (row->flags & SCHEMA_OR_BOOL))) {
        canonical_bool(v);
    }
    if (!row || !row->of) {
        sort_all(v);
    } else if (row->type == SCHEMA_OBJECT) {
        canonicalise(row->of, v);
    } else {
        value_sort(v); /* names; lists stay */
        value_each(m, v)
        {
            canonicalise(row->of, m->value);
        }
    }
}

void canonicalise(const struct schema_table *table, struct value *v)
{
    if (v->kind != VALUE_MAP) {
        return;
    }
    sort_by_rows(table, v);
    value_each(m, v)
    {
        sort_row(schema_field_find(table, m->key), m->value);
    }
}

/* Tables do not contain themselves, so this ends. */
static bool has_restart(const struct schema_table *table)
{
    for (size_t i = 0; table && i < table->count; i++) {
        if ((table->fields[i].flags & SCHEMA_RESTART) || has_restart(table->fields[i].of)) {
            return true;
        }
    }
    return false;
}

static size_t add_key(struct str key, struct str *ret, size_t count, size_t max)
{
    if (count < max) {
        ret[count] = key;
    }
    return count + 1;
}

size_t schema_changed_keys(const struct value *a, const struct value *b, struct str *ret,
                           size_t max)
{
    const struct value none = {.kind = VALUE_MAP};
    size_t count = 0;
    a = a && a->kind == VALUE_MAP ? a : &none;
    b = b && b->kind == VALUE_MAP ? b : &none;
    value_each(m, a)
    {
        const struct value_member *other = value_member(b, m->key);
        bool same = other ? value_equal(m->value, other->value) : !value_is_set(m->value);
        count = same ? count : add_key(m->key, ret, count, max);
    }
    value_each(m, b)
    {
        bool fresh = value_is_set(m->value) && !value_member(a, m->key);
        count = fresh ? add_key(m->key, ret, count, max) : count;
    }
    return count;
}

uint64_t canonical_restart_hash(const struct schema_table *table, const struct value *v,
                                uint64_t hash)
{
    for (size_t i = 0; v && v->kind == VALUE_MAP && i < v->count; i++) {
        const struct schema_field *row = schema_field_find(table, v->members[i].key);
        const struct value *value = v->members[i].value;
        if (!row || !value_is_set(value)) {
            continue;
        }
        if (row->flags & SCHEMA_RESTART) {
            hash = value_hash(map_hash(hash, v->members[i].key), value);
        } else if (row->type == SCHEMA_OBJECT && has_restart(row->of)) {
            hash = canonical_restart_hash(row->of, value, hash);
        }
    }
    return hash;
}
