/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking up rows, and what a row says about memory. tests/unit/schema/test_encode.c holds that a
 * name is compared within its length: a key of a document may hold any byte but NUL.
 */
#include "schema/field.h"

#include "schema/spec_parts.h"

const struct schema_field *schema_field_find(const struct schema_table *table, struct str name)
{
    for (size_t i = 0; table && i < table->count; i++) {
        if (str_is(name, table->fields[i].name)) {
            return &table->fields[i];
        }
    }
    return NULL;
}

size_t schema_item_size(const struct schema_field *row)
{
    if (row->item == SCHEMA_OBJECT) {
        return row->of->size;
    }
    if (row->type == SCHEMA_MAP) {
        return sizeof(struct spec_pair);
    }
    return row->item == SCHEMA_STRING ? sizeof(struct str) : sizeof(int64_t);
}
