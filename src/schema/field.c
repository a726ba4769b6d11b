/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking up rows.
 */
#include "schema/field.h"

const struct schema_field *schema_field_find(const struct schema_table *table, struct str name)
{
    for (size_t i = 0; table && i < table->count; i++) {
        if (str_is(name, table->fields[i].name)) {
            return &table->fields[i];
        }
    }
    return NULL;
}
