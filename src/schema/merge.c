/* SPDX-License-Identifier: Apache-2.0
 *
 * One document over another: several -f files, extends, x-muelle. The rule of each key stands in
 * its row (enum schema_merge); keys without a row are replaced.
 *
 * Compose's tags: `!reset` removes what was there, `!override` replaces it whatever the rule.
 *
 *   1. Both documents are in their long forms (normalise.c), so that equal things have equal
 *      shapes: "8080:80" and {published: 8080, target: 80} meet as the same item.
 *   2. `from` is used up: its nodes become part of `into`. So a base that others extend, too, is
 *      copied before (extend.c).
 *   3. Null is no value: `command:` alone in a later file leaves the earlier one; !reset removes
 *      it.
 */
#include "schema/resource.h"
#include "schema/stages.h"
#include "schema/table.h"

static void merge_map(struct schema_pass *pass, const struct schema_table *table,
                      struct value *into, struct value *from);

/* By content: lists of texts, and ports that a range has turned into maps. */
static bool contains(const struct value *list, const struct value *item)
{
    value_each(m, list)
    {
        if (value_equal(m->value, item)) {
            return true;
        }
    }
    return false;
}

/* What tells two items of a list apart: the member of the row SCHEMA_KEY; of "from:to:mode", `to`.
 */
static struct str item_key(const struct schema_field *row, const struct value *item)
{
    struct str from, to;
    if (item->kind == VALUE_SCALAR) {
        bool has_target = str_split(item->text, ':', &from, &to);
        if (has_target) {
            (void)str_split(to, ':', &from, &to);
        }
        return from;
    }
    for (size_t i = 0; row->of && i < row->of->count; i++) {
        if (row->of->fields[i].flags & SCHEMA_KEY) {
            const struct value *key = value_get(item, row->of->fields[i].name);
            return key ? key->text : STR_NONE;
        }
    }
    return STR_NONE;
}

/* The later item as a whole: half of one mount and half of another are neither. */
static void merge_by_key(struct schema_pass *pass, const struct schema_field *row,
                         struct value *into, const struct value *from)
{
    value_each(m, from)
    {
        struct str key = item_key(row, m->value);
        size_t i = 0;
        while (i < into->count && !str_eq(item_key(row, into->members[i].value), key)) {
            i++;
        }
        if (i < into->count && key.len) {
            into->members[i].value = m->value;
        } else {
            pass_add(pass, into, m->value);
        }
    }
}

static void merge_list(struct schema_pass *pass, const struct schema_field *row, struct value *into,
                       const struct value *from)
{
    if (row->merge == SCHEMA_MERGE_BY_KEY) {
        merge_by_key(pass, row, into, from);
        return;
    }
    value_each(m, from)
    {
        if (row->merge != SCHEMA_MERGE_UNIQUE || !contains(into, m->value)) {
            pass_add(pass, into, m->value);
        }
    }
}

static void merge_value(struct schema_pass *pass, const struct schema_field *row,
                        struct value *into, struct value *from)
{
    bool same_kind = into->kind == from->kind;
    /* Another kind is another thing ({…} over "text"): there is nothing to merge key by key. */
    if (!row || !same_kind || row->merge == SCHEMA_MERGE_REPLACE ||
        from->tag == VALUE_TAG_OVERRIDE) {
        *into = *from;
    } else if (from->kind == VALUE_LIST) {
        merge_list(pass, row, into, from);
    } else if (from->kind != VALUE_MAP) {
        *into = *from;
    } else if (row->type == SCHEMA_OBJECT) {
        merge_map(pass, row->of, into, from);
    } else {
        /* A map by name (services, environment …): each entry by the item's own rules. */
        struct schema_field item = {.type = SCHEMA_OBJECT, .of = row->of};
        item.merge = row->item == SCHEMA_OBJECT ? SCHEMA_MERGE_OBJECT : SCHEMA_MERGE_REPLACE;
        value_each(m, from)
        {
            struct value_member *there = value_member(into, m->key);
            if (!there) {
                pass_put(pass, into, m->key, m->value);
                there = value_member(into, m->key);
            } else if (m->value->tag == VALUE_TAG_RESET) {
                value_remove(into, (size_t)(there - into->members));
                continue;
            } else if (m->value->kind != VALUE_NULL || !row->of) {
                merge_value(pass, &item, there->value, m->value);
            }
            if (there) {
                there->at = m->at;
            }
        }
    }
    into->tag = VALUE_TAG_NONE;
}

static void merge_map(struct schema_pass *pass, const struct schema_table *table,
                      struct value *into, struct value *from)
{
    value_each(m, from)
    {
        const struct schema_field *row = schema_field_find(table, m->key);
        struct value_member *there = value_member(into, m->key);
        if (m->value->tag == VALUE_TAG_RESET) {
            if (there) {
                value_remove(into, (size_t)(there - into->members));
            }
        } else if (!there) {
            pass_put(pass, into, m->key, m->value);
            there = value_member(into, m->key);
            if (there) {
                there->at = m->at;
            }
        } else if (m->value->kind != VALUE_NULL) {
            merge_value(pass, row, there->value, m->value);
        }
    }
}

void merge_tree(struct schema_pass *pass, struct value *into, struct value *from)
{
    if (into->kind == VALUE_MAP && from->kind == VALUE_MAP) {
        merge_map(pass, &schema_config, into, from);
    }
}

void merge_service(struct schema_pass *pass, struct value *into, struct value *from)
{
    if (into->kind == VALUE_MAP && from->kind == VALUE_MAP) {
        merge_map(pass, &table_service, into, from);
    }
}

/* `x-muelle` of a map becomes part of the map: maps deeply, anything else replaces. pass_put and
 * not merge_map: below x-muelle stand muelle's own keys, which no other file wrote. */
static void fold(struct schema_pass *pass, struct value *into, struct value *from)
{
    value_each(m, from)
    {
        struct value_member *there = value_member(into, m->key);
        if (there && there->value->kind == VALUE_MAP && m->value->kind == VALUE_MAP) {
            fold(pass, there->value, m->value);
            continue;
        }
        pass_put(pass, into, m->key, m->value);
        there = value_member(into, m->key);
        if (there) {
            there->at = m->at;
        }
    }
}

static void fold_own(struct schema_pass *pass, struct value *map)
{
    struct value *own = map->kind == VALUE_MAP ? value_take(map, "x-muelle") : NULL;
    if (own && own->kind == VALUE_MAP) {
        fold(pass, map, own);
    } else if (own && own->kind != VALUE_NULL) {
        pass_problem(pass, own->at, "config.bad-value",
                     "'x-muelle' takes a map of muelle's own keys");
    }
}

void merge_own_keys(struct schema_pass *pass, struct value *root)
{
    fold_own(pass, root);
    struct value *services = value_get(root, "services");
    if (!services) {
        return;
    }
    value_each(m, services)
    {
        fold_own(pass, m->value);
    }
}
