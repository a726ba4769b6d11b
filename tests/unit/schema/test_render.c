/* SPDX-License-Identifier: Apache-2.0
 *
 * Rendering and loading again: any text survives, hidden values stay hidden, order does not matter.
 */
#include "base/json.h"
#include "load_helper.h"

static struct loaded l;

static const char *const nasty[] = {
    "",      " ",     "yes",  "No",   "null",       "~",    "1",      "1.5", "0x1f", "1e3",  "0440",
    "12:30", "a: b",  "a #b", "#a",   "- a",        "-",    "--",     "---", "[a",   "{a}",  "*a",
    "&a",    "!a",    "|",    ">",    "%a",         "@a",   "`a",     "'",   "\"",   "a'b",  "\\",
    "$",     "$$",    "$A",   "${A}", "a\nb",       "\n",   "a\tb",   " a",  "a ",   "?",    "? a",
    ":",     "a:",    "=",    "<<",   "é→日本",     "\x7f", "10s",    "64m", "1_0",  "+1",   ".5",
    ".inf",  "-.nan", "true", "On",   "2001-01-01", "a,b",  "a\r\nb", "😀",   "__x",  "a  b", "//",
};

/* A text of up to three of them. */
static struct str random_text(struct rng *rng, struct buf *out)
{
    buf_reset(out);
    for (size_t n = 1 + rng_below(rng, 3); n > 0; n--) {
        buf_add_cstr(out, nasty[rng_below(rng, ARRAY_LEN(nasty))]);
    }
    return buf_str(out);
}

/* As JSON, with dollar signs doubled. */
static void add_text(struct buf *out, struct str text)
{
    struct buf doubled = BUF_INIT(10000);
    for (size_t i = 0; i < text.len; i++) {
        buf_add(&doubled, text.p[i] == '$' ? STR("$$") : str_slice(text, i, i + 1));
    }
    struct json_writer w = JSON_WRITER(out);
    json_str(&w, buf_str(&doubled));
    buf_fini(&doubled);
}

TEST(any_text_survives_rendering_and_loading)
{
    struct rng *rng = test_rng();
    struct buf file = BUF_INIT(MIB), again = BUF_INIT(MIB), third = BUF_INIT(MIB),
               part = BUF_INIT(10000);
    for (size_t i = 0; i < test_rounds(2000); i++) {
        buf_reset(&file);
        buf_add_cstr(&file, "{\"services\": {\"a\": {\"command\": [\"x\", ");
        struct str text = random_text(rng, &part);
        add_text(&file, text);
        buf_add_cstr(&file, "], \"environment\": {\"E\": ");
        add_text(&file, text);
        buf_add_cstr(&file, "}, \"labels\": {");
        add_text(&file, STR("k"));
        buf_add_char(&file, ':');
        add_text(&file, text);
        buf_add_cstr(&file, "}}}}");
        bool control = str_find_char(text, '\x7f') >= 0; /* json writes it as it is: no YAML text */
        load_text(&l, buf_cstr(&file));
        check_int(l.r, control ? SCHEMA_E_INVALID : 0);
        if (control) {
            continue;
        }
        check_str(l.spec->services[0].argv[1], text);
        check_str(l.spec->services[0].environment[0].value, text);
        uint64_t hash = l.spec->content_hash;
        buf_reset(&again);
        schema_render_yaml(l.spec, SCHEMA_SHOW_SECRETS, &again);
        check_int(buf_error(&again), 0);
        project_spec_unref(l.spec);
        const struct project_spec *p = load_good(&l, buf_cstr(&again));
        check_str(p->services[0].argv[1], text);
        check_str(p->services[0].environment[0].value, text);
        check_str(p->services[0].labels[0].value, text);
        check(p->content_hash == hash);
        buf_reset(&third);
        schema_render_yaml(p, SCHEMA_SHOW_SECRETS, &third);
        check_str(buf_str(&third), buf_str(&again));
        project_spec_unref(l.spec);
    }
    buf_fini(&file);
    buf_fini(&again);
    buf_fini(&third);
    buf_fini(&part);
}

TEST(words_and_numbers_of_variables_stay_as_they_stand)
{
    struct buf out = BUF_INIT(MIB), json = BUF_INIT(MIB);
    load_good(&l, "services: {a: {command: x, environment: {A: TRUE, B: 1e3, C: 0x1f, D: 007, E: "
                  "80, F: +5}}}");
    schema_render_yaml(l.spec, SCHEMA_SHOW_SECRETS, &out);
    schema_render_service_json(l.spec, STR("a"), SCHEMA_SHOW_SECRETS, &json);
    check(str_find(buf_str(&json), STR("{\"A\":\"TRUE\",\"B\":\"1e3\",\"C\":\"0x1f\",\"D\":\"007\","
                                       "\"E\":80,\"F\":\"+5\"}")) > 0);
    project_spec_unref(l.spec);
    const struct project_spec *p = load_good(&l, buf_cstr(&out));
    static const char *const want[] = {"TRUE", "1e3", "0x1f", "007", "80", "+5"};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        check_str(p->services[0].environment[i].value, str_from(want[i]));
    }
    project_spec_unref(l.spec);
    buf_fini(&out);
    buf_fini(&json);
}

TEST(secrets_are_hidden_unless_asked_for)
{
    struct buf out = BUF_INIT(MIB);
    const struct project_spec *p = load_good(
        &l, "services: {a: {command: x, environment: {A: topsecret}, x-y: {z: topsecret}}}\n"
            "configs: {c: {content: topsecret}}\n");
    schema_render_yaml(p, 0, &out);
    schema_render_json(p, 0, &out);
    schema_render_service_json(p, STR("a"), 0, &out);
    check(str_find(buf_str(&out), STR("topsecret")) < 0);
    check(str_find(buf_str(&out), STR("********")) > 0);
    buf_reset(&out);
    schema_render_yaml(p, SCHEMA_SHOW_SECRETS, &out);
    check(str_find(buf_str(&out), STR("topsecret")) > 0);
    buf_fini(&out);
    project_spec_unref(l.spec);
}

TEST(one_service_as_json)
{
    struct buf out = BUF_INIT(MIB);
    const struct project_spec *p =
        load_good(&l, "services: {a: {command: x $PORT, deploy: {replicas: '2'}, tty: yes}}");
    schema_render_service_json(p, STR("a"), 0, &out);
    check_str(buf_str(&out),
              STR("{\"command\":\"x ${PORT}\",\"tty\":true,\"deploy\":{\"replicas\":2}}"));
    buf_reset(&out);
    schema_render_service_json(p, STR("none"), 0, &out);
    check_str(buf_str(&out), STR("null"));
    buf_fini(&out);
    project_spec_unref(l.spec);
}

TEST(the_order_of_keys_changes_nothing)
{
    const struct project_spec *p =
        load_good(&l, "services:\n  b: {command: b, user: u}\n  a: {command: a}\n");
    uint64_t hash = p->content_hash;
    check_str(p->services[0].name, STR("b"));
    project_spec_unref(l.spec);
    p = load_good(&l, "services:\n  a: {command: a}\n  b: {user: u, command: b}\n");
    check(p->content_hash == hash);
    project_spec_unref(l.spec);
}
