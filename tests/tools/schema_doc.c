/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes what is published about configurations, from the tables:
 *
 *   schema_doc json        docs/muelle.schema.json, for editors
 *   schema_doc markdown    the reference part of docs/configuration.md
 *
 * tests/integration/config_schema.py holds both files current.
 */
#include "base/json.h"
#include "base/num.h"
#include "schema/resource.h"

#include <stdio.h>

enum { TABLES_MAX = 64 };

struct tables {
    const struct schema_table *items[TABLES_MAX];
    size_t count;
};

static void collect(struct tables *tables, const struct schema_table *table)
{
    for (size_t i = 0; i < tables->count; i++) {
        if (tables->items[i] == table) {
            return;
        }
    }
    ensure(tables->count < TABLES_MAX);
    tables->items[tables->count++] = table;
    for (size_t i = 0; i < table->count; i++) {
        if (table->fields[i].of) {
            collect(tables, table->fields[i].of);
        }
    }
}

static const char *type_word(uint8_t type)
{
    static const char *const words[] = {
        [SCHEMA_BOOL] = "true or false",
        [SCHEMA_INT] = "number",
        [SCHEMA_DOUBLE] = "number",
        [SCHEMA_STRING] = "text",
        [SCHEMA_ENUM] = "word",
        [SCHEMA_DURATION] = "time",
        [SCHEMA_SIZE] = "size",
        [SCHEMA_TIME] = "time",
        [SCHEMA_OBJECT] = "map",
        [SCHEMA_LIST] = "list",
        [SCHEMA_MAP] = "map",
        [SCHEMA_RAW_JSON] = "any",
        [SCHEMA_ANY] = "any",
    };
    return words[type];
}

static void print_type(const struct schema_field *row)
{
    if (row->type == SCHEMA_ENUM) {
        for (size_t i = 0; row->choices[i]; i++) {
            printf("%s`%s`", i ? ", " : "", row->choices[i]);
        }
        return;
    }
    if (row->type == SCHEMA_LIST || row->type == SCHEMA_MAP) {
        printf("%s of ", row->type == SCHEMA_LIST ? "list" : "map");
    }
    if (row->of) {
        printf("[%s](#%s)", row->of->name, row->of->name);
    } else {
        printf("%s", type_word(row->type == SCHEMA_LIST || row->type == SCHEMA_MAP ? row->item
                                                                                   : row->type));
    }
    bool number = row->type == SCHEMA_INT || row->type == SCHEMA_DOUBLE;
    if (number && row->max && row->max < INT32_MAX) {
        printf(" %lld–%lld", (long long)row->min, (long long)row->max);
    }
    if (row->flags & (SCHEMA_OR_STRING | SCHEMA_ITEM_OR_STRING)) {
        printf(", or text");
    }
    if (row->flags & SCHEMA_OR_LIST) {
        printf(", or list");
    }
    if (row->flags & SCHEMA_OR_BOOL) {
        printf(", or true or false");
    }
}

static const char *support_word(const struct schema_field *row)
{
    if (row->flags & SCHEMA_MUELLE) {
        return "muelle's own";
    }
    return row->support == SCHEMA_CONTAINER ? "containers"
           : row->support == SCHEMA_KEPT    ? "kept"
           : row->support == SCHEMA_SHOWN   ? "shown"
                                            : "yes";
}

static void print_table(const struct schema_table *table)
{
    printf("\n### %s\n\n%s\n\n", table->name, table->en);
    printf("| key | holds | default | acted on | meaning |\n| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < table->count; i++) {
        const struct schema_field *row = &table->fields[i];
        if ((row->flags & SCHEMA_KEY) && row->offset != SCHEMA_NO_MEMBER) {
            continue;
        }
        printf("| `%s`%s | ", row->name, row->flags & SCHEMA_REQUIRED ? " (required)" : "");
        print_type(row);
        printf(" | %s%s%s | %s | %s%s |\n", row->preset ? "`" : "", row->preset ? row->preset : "",
               row->preset ? "`" : "", support_word(row), row->en,
               row->flags & SCHEMA_RESTART ? " ↻" : "");
    }
}

/* One member a line, so that changes can be read: only where no string is open. */
static void print_json(struct str text)
{
    bool quoted = false;
    unsigned depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        bool open = !quoted && (c == '{' || c == '['), close = !quoted && (c == '}' || c == ']');
        bool empty = open && i + 1 < text.len && (text.p[i + 1] == '}' || text.p[i + 1] == ']');
        bool was_empty = close && i > 0 && (text.p[i - 1] == '{' || text.p[i - 1] == '[');
        depth -= close;
        if (close && !was_empty) {
            printf("\n%*s", (int)(2 * depth), "");
        }
        putchar(c);
        depth += open;
        if ((open && !empty) || (!quoted && c == ',')) {
            printf("\n%*s", (int)(2 * depth), "");
        } else if (!quoted && c == ':') {
            putchar(' ');
        }
        if (c == '"' && (i == 0 || text.p[i - 1] != '\\')) {
            quoted = !quoted;
        }
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "json") == 0) {
        struct buf out = BUF_INIT(4 * MIB);
        schema_config_json_schema(&out);
        print_json(buf_str(&out));
        int r = buf_error(&out);
        buf_fini(&out);
        return r ? 1 : 0;
    }
    if (argc == 2 && strcmp(argv[1], "markdown") == 0) {
        struct tables tables = {.count = 0};
        collect(&tables, &schema_config);
        for (size_t i = 0; i < tables.count; i++) {
            print_table(tables.items[i]);
        }
        return 0;
    }
    fputs("usage: schema_doc json|markdown\n", stderr);
    return 2;
}
