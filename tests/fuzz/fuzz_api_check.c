/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of the API against a table with a row of each kind: whatever comes, each problem has a
 * code, a place that is a JSON pointer, and text that is UTF-8; what has no problem is typed as the
 * table says, and a query means what a body with the same members means.
 *
 * The first byte chooses: a body (JSON) or a query.
 */
#include "base/utf8.h"
#include "face/api_check.h"
#include "fuzz.h"

static const char *const colours[] = {"red", "blue", NULL};
static const struct schema_field fields[] = {
    {.name = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .min = 1, .max = 5},
    {.name = "count", .type = SCHEMA_INT, .min = 0, .max = 10},
    {.name = "any", .type = SCHEMA_INT},
    {.name = "deep", .type = SCHEMA_BOOL},
    {.name = "colour", .type = SCHEMA_ENUM, .choices = colours},
    {.name = "files", .type = SCHEMA_LIST, .item = SCHEMA_STRING, .min = 1, .max = 2},
    {.name = "numbers", .type = SCHEMA_LIST, .item = SCHEMA_INT},
    {.name = "environment", .type = SCHEMA_MAP, .item = SCHEMA_STRING},
    {.name = "since", .type = SCHEMA_TIME},
};
static const struct schema_table table = {
    .name = "thing", .fields = fields, .count = ARRAY_LEN(fields)};

static void check_text(const char *text)
{
    struct str s = str_from(text);
    fuzz_check(utf8_valid_prefix(s) == s.len);
}

static void check_problems(const struct problem_list *problems)
{
    for (size_t i = 0; i < MIN(problems->count, (size_t)PROBLEM_LIST_MAX); i++) {
        const struct problem *problem = &problems->items[i];
        fuzz_check(str_starts(str_from(problem->code), STR("request.")));
        fuzz_check(problem->status == 400 && problem->where[0] == '/' && problem->what[0]);
        check_text(problem->where);
        check_text(problem->what);
        check_text(problem->expected);
        check_text(problem->hint);
    }
}

static void check_typed(const struct jdoc *doc)
{
    int64_t count = jdoc_i64(doc, "count", 0);
    struct str name = jdoc_str(doc, "name");
    const struct jdoc *files = jdoc_get(doc, "files");
    fuzz_check(count >= 0 && count <= 10 && name.len >= 1 && name.len <= 5);
    fuzz_check(!files || (files->type == JSON_ARRAY && files->count >= 1 && files->count <= 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct arena arena = ARENA_INIT(1 << 20);
    struct jdoc *doc = NULL;
    static struct problem_list problems;
    unsigned kind = fuzz_byte(&in);
    problems.count = 0;
    int r;
    if (kind % 2) {
        r = jdoc_parse(&arena, in, &doc, NULL);
        if (r == 0) {
            api_check(&table, doc, &problems);
        }
    } else {
        r = api_parse_query(kind % 4 ? NULL : &table, in, &arena, &doc, &problems);
    }
    if (r == 0) {
        check_problems(&problems);
        if (problems.count == 0 && (kind % 2 || kind % 4 == 0)) {
            check_typed(doc);
        }
    }
    arena_fini(&arena);
    return 0;
}
