/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking up rows.
 */
#include "schema/field.h"

const struct schema_field *schema_field_find(const struct schema_table *table, struct str name)
{
    for (size_t i = 0; table && name.len && i < table->count; i++) {
        const char *row = table->fields[i].name;
        if (row[0] == name.p[0] && strncmp(row, name.p, name.len) == 0 && row[name.len] == '\0') {
            return &table->fields[i];
        }
    }
    return NULL;
}
