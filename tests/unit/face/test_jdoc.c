/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON document: what it understands, what it refuses, and that raw slices are the values.
 */
#include "face/jdoc.h"
#include "harness/test.h"

static struct arena arena = {.max = 16 << 20};

static struct jdoc *parse(struct str text)
{
    struct jdoc *doc = NULL;

    return jdoc_parse(&arena, text, &doc, NULL) == 0 ? doc : NULL;
}

static struct str raw(const struct jdoc *value)
{
    return value ? value->raw : STR_NONE;
}

TEST(members_are_found_by_name)
{
    const struct jdoc *doc =
        parse(STR(" {\"a\":{\"b\":[1,-2.5,\"x\\u00e9\"]},\"t\":true,\"n\":null}"));
    const struct jdoc *list = jdoc_get(jdoc_get(doc, "a"), "b");

    check(doc && list);
    check_int(list->count, 3);
    check_str(list->first->next->next->text, STR("xé"));
    check(jdoc_bool(doc, "t", false));
    check_int(jdoc_i64(doc, "n", 7), 7);
    check_int(jdoc_i64(doc, "absent", 7), 7);
    check(jdoc_get(NULL, "a") == NULL && jdoc_get(list, "a") == NULL);
    check(jdoc_double(parse(STR("{\"x\":-2.5}")), "x", 0) == -2.5);
}

TEST(raw_is_the_value_as_it_stands)
{
    const struct jdoc *doc =
        parse(STR("{\"o\":{\"k\":[ 1 , {} ]} , \"s\":\"a\\n\",\"f\":false,\"n\":12.5e1}"));

    check_str(raw(jdoc_get(doc, "o")), STR("{\"k\":[ 1 , {} ]}"));
    check_str(raw(jdoc_get(jdoc_get(doc, "o"), "k")), STR("[ 1 , {} ]"));
    check_str(raw(jdoc_get(doc, "s")), STR("\"a\\n\""));
    check_str(raw(jdoc_get(doc, "f")), STR("false"));
    check_str(raw(jdoc_get(doc, "n")), STR("12.5e1"));
    check_str(raw(parse(STR("true"))), STR("true"));
}

TEST(two_members_of_one_name_are_refused)
{
    check(parse(STR("{\"a\":1,\"a\":2}")) == NULL);
    check(parse(STR("{\"a\":1,\"\\u0061\":2}")) == NULL);
    check(parse(STR("{\"a\":1,\"b\":{\"a\":2}}")) != NULL);
}

TEST(what_is_no_json_is_refused_with_its_place)
{
    struct jdoc *doc = NULL;
    size_t at = 0;

    check_int(jdoc_parse(&arena, STR("{\"a\":}"), &doc, &at), -EINVAL);
    check_int(at, 5);
    check_int(jdoc_parse(&arena, STR(""), &doc, &at), -EINVAL);
    check_int(jdoc_parse(&arena, STR("{} x"), &doc, &at), -EINVAL);
    check_int(jdoc_parse(&arena, STR("\"\\ud800\""), &doc, &at), -EINVAL);
}

TEST(memory_is_bounded)
{
    struct arena small = ARENA_INIT(256);
    struct jdoc *doc = NULL;

    check_int(jdoc_parse(&small, STR("[1,2,3,4,5,6,7,8,9,10,11,12]"), &doc, NULL), -ENOMEM);
    arena_fini(&small);
}

/* {"0":0,"1":0, … ,"LAST":0} */
static struct str large_object(struct buf *out, size_t count, const char *last)
{
    buf_reset(out);
    buf_add_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "\"%zu\":0,", i);
    }
    buf_printf(out, "\"%s\":0}", last);
    return buf_str(out);
}

TEST(a_name_that_comes_twice_is_seen_in_an_object_of_any_size)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(1 << 20);
    for (size_t count = 28; count < 40; count++) {
        check(parse(large_object(&text, count, "last")) != NULL);
        check(parse(large_object(&text, count, "0")) == NULL);
        check(parse(large_object(&text, count, "27")) == NULL);
    }
}

/* By comparing each with each this would take minutes. */
TEST(an_object_of_very_many_members_is_read_at_once)
{
    static struct arena large = {.max = 256 << 20};
    cleanup(buf_fini) struct buf text = BUF_INIT(8 << 20);
    struct jdoc *doc = NULL;
    check_int(jdoc_parse(&large, large_object(&text, 400000, "last"), &doc, NULL), 0);
    check_int(doc->count, 400001);
    arena_fini(&large);
}
