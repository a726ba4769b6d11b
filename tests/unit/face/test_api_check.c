/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests against tables: what is accepted, and how each mistake is told.
 */
#include "base/utf8.h"
#include "face/api_check.h"
#include "harness/test.h"

static const char *const colours[] = {"red", "blue", NULL};
static const struct schema_field fields[] = {
    {.name = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .min = 1, .max = 5},
    {.name = "count", .type = SCHEMA_INT, .min = 0, .max = 10},
    {.name = "deep", .type = SCHEMA_BOOL},
    {.name = "colour", .type = SCHEMA_ENUM, .choices = colours},
    {.name = "files", .type = SCHEMA_LIST, .item = SCHEMA_STRING, .min = 1, .max = 2},
    {.name = "environment", .type = SCHEMA_MAP, .item = SCHEMA_STRING},
    {.name = "since", .type = SCHEMA_TIME},
};
static const struct schema_table table = {
    .name = "thing", .fields = fields, .count = ARRAY_LEN(fields)};

static struct problem_list problems;

static size_t body(const char *text)
{
    static struct arena arena = {.max = 1 << 20};
    struct jdoc *doc = NULL;

    problems.count = 0;
    check_int(jdoc_parse(&arena, str_from(text), &doc, NULL), 0);
    api_check(&table, doc, &problems);
    return problems.count;
}

static const struct jdoc *query(const char *text)
{
    static struct arena arena = {.max = 1 << 20};
    struct jdoc *doc = NULL;

    problems.count = 0;
    check_int(api_parse_query(&table, str_from(text), &arena, &doc, &problems), 0);
    return doc;
}

TEST(what_fits_has_no_problems)
{
    check_int(
        body("{\"name\":\"web\",\"count\":10,\"deep\":true,\"colour\":\"red\",\"files\":[\"a\"],"
             "\"environment\":{\"A\":\"1\"},\"since\":\"2026-11-20T23:00:00Z\"}"),
        0);
}

TEST(each_mistake_is_named_with_its_place)
{
    check_int(body("{}"), 1);
    check_cstr(problems.items[0].code, "request.missing");
    check_cstr(problems.items[0].where, "/name");

    check_int(body("{\"name\":\"web\",\"count\":11}"), 1);
    check_cstr(problems.items[0].code, "request.range");
    check_cstr(problems.items[0].expected, "0 to 10");

    check_int(body("{\"name\":\"web\",\"cuont\":1}"), 1);
    check_cstr(problems.items[0].hint, "did you mean 'count'?");

    check_int(body("{\"name\":7,\"count\":\"1\",\"deep\":1,\"colour\":\"green\"}"), 4);
    check_cstr(problems.items[3].expected, "one of: red, blue");

    check_int(body("{\"name\":\"web\",\"files\":[\"a\",7]}"), 1);
    check_cstr(problems.items[0].where, "/files/1");

    check_int(body("{\"name\":\"web\",\"environment\":{\"A\":null}}"), 1);
    check_cstr(problems.items[0].where, "/environment/A");

    check_int(body("{\"name\":\"toolong\"}"), 1);
    check_int(body("{\"name\":\"web\",\"count\":1.5}"), 1);
    check_int(body("{\"name\":\"web\",\"since\":\"yesterday\"}"), 1);
    check_int(body("[]"), 1);
}

TEST(a_query_is_typed_by_its_table)
{
    const struct jdoc *doc = query("name=a+b&count=3&deep=1&files=x&files=y%20z");

    check_int(problems.count, 0);
    check_str(jdoc_str(doc, "name"), STR("a b"));
    check_int(jdoc_i64(doc, "count", -1), 3);
    check(jdoc_bool(doc, "deep", false));
    const struct jdoc *files = jdoc_get(doc, "files");
    check(files && files->count == 2);
    check(files && files->first && files->first->next && str_is(files->first->next->text, "y z"));
}

TEST(a_query_with_mistakes)
{
    query("name=a&count=x");
    check_int(problems.count, 1);
    query("name=a&nmae=b");
    check_int(problems.count, 1);
    query("name=a&count=1&count=2");
    check_int(problems.count, 1);
    query("name=%zz");
    check(problems.count >= 1);
}

TEST(the_place_of_a_problem_is_a_json_pointer)
{
    check_int(body("{\"name\":\"web\",\"environment\":{\"a/b~c\":1}}"), 1);
    check_cstr(problems.items[0].where, "/environment/a~1b~0c");
}

TEST(a_name_that_is_too_long_is_cut_between_characters)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(1024);
    buf_add_cstr(&text, "{\"name\":\"web\",\"x");
    for (int i = 0; i < 150; i++) {
        buf_add_cstr(&text, "é");
    }
    buf_add_cstr(&text, "\":1}");
    check_int(body(buf_cstr(&text)), 1);
    struct str where = str_from(problems.items[0].where), what = str_from(problems.items[0].what);
    check_int(utf8_valid_prefix(where), where.len);
    check_int(utf8_valid_prefix(what), what.len);
    check(where.len > 100);
}

TEST(a_query_that_is_not_utf8_is_refused)
{
    query("name=web&deep%ff=1");
    check_int(problems.count, 1);
    check_cstr(problems.items[0].code, "request.query");
    query("name=web&colour=\x91");
    check_int(problems.count, 1);
    check_cstr(problems.items[0].code, "request.query");
}

TEST(a_text_with_a_nul_is_refused_wherever_it_stands)
{
    check_int(body("{\"name\":\"w\\u0000b\"}"), 1);
    check_cstr(problems.items[0].code, "request.text");
    check_cstr(problems.items[0].where, "/name");
    check_int(body("{\"name\":\"w\",\"files\":[\"/a\\u0000b\"]}"), 1);
    check_cstr(problems.items[0].where, "/files/0");
    check_int(body("{\"name\":\"w\",\"environment\":{\"A\":\"\\u0000\"}}"), 1);
    check_cstr(problems.items[0].where, "/environment/A");
    check_int(body("{\"name\":\"w\",\"environment\":{\"A\\u0000\":\"1\"}}"), 1);
    query("name=w%00");
    check_int(problems.count, 1);
}

TEST(what_cannot_name_a_variable_is_refused)
{
    check_int(body("{\"name\":\"w\",\"environment\":{\"A=B\":\"1\"}}"), 1);
    check_cstr(problems.items[0].code, "request.name");
    check_cstr(problems.items[0].where, "/environment/A=B");
    check_int(body("{\"name\":\"w\",\"environment\":{\"\":\"1\"}}"), 1);
}

TEST(a_repeated_parameter_is_named)
{
    query("name=a&name=b");
    check_int(problems.count, 1);
    check_cstr(problems.items[0].where, "/name");
}
