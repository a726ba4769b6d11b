/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounds of the YAML reader: aliases, depth, size; and what anchors and merges mean.
 */
#include "load_helper.h"

static struct loaded l;

TEST(an_alias_bomb_ends_early)
{
    struct buf text = BUF_INIT(100000);
    buf_add_cstr(&text, "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 20; i++) {
        buf_printf(&text, "x-%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) {
            buf_printf(&text, "%s*a%d", k ? ", " : "", i - 1);
        }
        buf_add_cstr(&text, "]\n");
    }
    buf_add_cstr(&text, "services: {a: {command: x}}\n");
    load_text(&l, buf_cstr(&text));
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "config.too-large");
    buf_fini(&text);
}

TEST(nesting_has_an_end)
{
    struct buf text = BUF_INIT(100000);
    for (int i = 0; i < 60; i++) {
        buf_printf(&text, "%*sa:\n", i, "");
    }
    buf_printf(&text, "%*sb\n", 60, "");
    load_text(&l, buf_cstr(&text));
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "config.too-deep");
    buf_reset(&text);
    for (int i = 0; i < 5000; i++) {
        buf_add_char(&text, '[');
    }
    load_text(&l, buf_cstr(&text));
    check_int(l.r, SCHEMA_E_INVALID);
    buf_fini(&text);
}

/* Each text of the chain stays within the bound; what they stand for together does not. */
TEST(aliases_do_not_get_around_the_end_of_nesting)
{
    struct buf text = BUF_INIT(100000);
    buf_add_cstr(&text, "services: {a: {command: x}}\nmodels:\n  m0: &a0 [x]\n");
    for (int i = 1; i < 3; i++) {
        buf_printf(&text, "  m%d: &a%d [[[[[[[[[[[[[[[[[[[[[[[[*a%d]]]]]]]]]]]]]]]]]]]]]]]]\n", i,
                   i, i - 1);
    }
    load_text(&l, buf_cstr(&text));
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "config.too-deep");
    check_cstr(l.problems.items[0].where, "muelle.yaml:5:35");
    buf_fini(&text);
}

TEST(a_file_beyond_the_limit_is_refused)
{
    char *text = malloc((5 << 20) + 1);
    memset(text, '#', 5 << 20);
    text[5 << 20] = '\0';
    load_text(&l, text);
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "config.unreadable-file");
    free(text);
}

TEST(a_chain_of_files_has_an_end)
{
    enum { CHAIN = 40 };
    static char paths[CHAIN][24], texts[CHAIN][48];
    struct memory_file files[CHAIN + 1] = {{NULL, NULL}};
    struct schema_load_options options = {0};
    for (int i = 0; i < CHAIN; i++) {
        snprintf(paths[i], sizeof(paths[i]), i ? "/p/%d.yaml" : "/p/muelle.yaml", i);
        snprintf(texts[i], sizeof(texts[i]), "include: [%d.yaml]\n", i + 1);
        files[i] = (struct memory_file){paths[i], texts[i]};
    }
    load_with(&l, files, &options);
    check_int(l.r, SCHEMA_E_INVALID);
    check_cstr(l.problems.items[0].code, "config.too-deep");
}

TEST(files_that_extend_each_other_are_a_cycle_or_end)
{
    struct memory_file files[] = {
        {"/p/muelle.yaml", "services: {a: {extends: {file: b.yaml, service: b}}}\n"},
        {"/p/b.yaml", "services: {b: {extends: {file: muelle.yaml, service: a}}}\n"},
        {NULL, NULL}};
    struct schema_load_options options = {0};
    load_with(&l, files, &options);
    check_int(l.r, SCHEMA_E_INVALID);
}

TEST(written_keys_win_over_merged_ones)
{
    const struct project_spec *p =
        load_good(&l, "x-a: &a {command: a, user: ua, tty: true}\n"
                      "x-b: &b {command: b, user: ub, nice: 5}\n"
                      "services:\n  s:\n    user: own\n    <<: [*a, *b]\n");
    const struct service_spec *s = &p->services[0];
    check_str(s->argv[0], STR("a"));
    check_str(s->user, STR("own"));
    check(s->tty);
    check_int(s->nice, 5);
    project_spec_unref(l.spec);
}

TEST(an_alias_is_a_copy)
{
    const struct project_spec *p =
        load_good(&l, "services:\n  a: &a {command: x, environment: &e [A=1]}\n  b: *a\n"
                      "  c: {command: y, environment: *e}\n");
    check_int(p->services_count, 3);
    check_str(p->services[1].argv[0], STR("x"));
    check_str(p->services[2].environment[0].value, STR("1"));
    project_spec_unref(l.spec);
}

TEST(block_texts_keep_their_lines)
{
    const struct project_spec *p = load_good(
        &l, "services:\n  a:\n    command:\n      - sh\n      - -c\n      - |\n        one\n"
            "        two $$x\n      - >-\n        three\n        four\n");
    check_str(p->services[0].argv[2], STR("one\ntwo $x\n"));
    check_str(p->services[0].argv[3], STR("three four"));
    project_spec_unref(l.spec);
}

TEST(single_quoted_texts)
{
    static const char *const cases[][2] = {
        {"'a'", "a"},
        {"''", ""},
        {"'a''b'", "a'b"},
        {"''''", "'"},
        {"'''a'''", "'a'"},
        {"'a''\n   b'", "a' b"},
        {"'a'' \n\n   b ''c'", "a'\nb 'c"},
        {"' a''  b '", " a'  b "},
        {"'a''\n\n\n    '", "a'\n\n"},
        {"'\n   a'''", " a'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text = BUF_INIT(10000);
        buf_printf(&text, "services:\n a:\n  command: [x, %s]\n", cases[i][0]);
        const struct project_spec *p = load_good(&l, buf_cstr(&text));
        check_str(p->services[0].argv[1], str_from(cases[i][1]));
        project_spec_unref(l.spec);
        buf_fini(&text);
    }
}

TEST(closing_brackets_may_stand_under_their_key)
{
    const struct project_spec *p =
        load_good(&l, "services:\n  a:\n    command: [\n      x,\n    y\n    ]\n"
                      "    environment: {\n      A: b\n    }\n");
    check_str(p->services[0].argv[1], STR("y"));
    check_int(p->services[0].environment_count, 1);
    project_spec_unref(l.spec);
}

TEST(large_maps_find_duplicates_too)
{
    struct buf text = BUF_INIT(1 << 20);
    buf_add_cstr(&text, "services:\n");
    for (int i = 0; i < 3000; i++) {
        buf_printf(&text, "  s%d: {command: x}\n", i);
    }
    const struct project_spec *p = load_good(&l, buf_cstr(&text));
    check_int(p->services_count, 3000);
    project_spec_unref(l.spec);
    buf_add_cstr(&text, "  s17: {command: y}\n");
    load_text(&l, buf_cstr(&text));
    check_cstr(l.problems.items[0].code, "config.duplicate-key");
    check_cstr(l.problems.items[0].where, "muelle.yaml:3002:3");
    check(str_find(str_from(l.problems.items[0].hint), STR("line 19 ")) > 0);
    buf_fini(&text);
}

TEST(a_key_that_an_alias_brought_keeps_its_own_place)
{
    load_text(&l, "x-a: &a\n  commnd:\n    - x\nservices:\n  b: *a\n");
    check_cstr(l.problems.items[0].where, "muelle.yaml:2:3");
}

TEST(a_quoted_merge_key_is_a_key)
{
    const struct project_spec *p =
        load_good(&l, "services:\n  a:\n    command: x\n    environment: {\"<<\": y}\n");
    check_int(p->services[0].environment_count, 1);
    check_str(p->services[0].environment[0].name, STR("<<"));
    project_spec_unref(l.spec);
}

/* 20,000 variables took 4 s when each was looked for among all others. */
TEST(a_large_map_is_merged_in_no_time)
{
    struct buf text = BUF_INIT(4 << 20);
    buf_add_cstr(&text, "x-e: &e\n");
    for (int i = 0; i < 20000; i++) {
        buf_printf(&text, "  V%d: v\n", i);
    }
    buf_add_cstr(&text, "services:\n  a:\n    command: x\n    environment:\n      <<: *e\n"
                        "      V19999: own\n");
    const struct project_spec *p = load_good(&l, buf_cstr(&text));
    check_int(p->services[0].environment_count, 20000);
    size_t own = 0;
    for (size_t i = 0; i < p->services[0].environment_count; i++) {
        own += str_is(p->services[0].environment[i].value, "own");
    }
    check_int(own, 1);
    project_spec_unref(l.spec);
    buf_fini(&text);
}
