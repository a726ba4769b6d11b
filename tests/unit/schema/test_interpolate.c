/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables in text: every form by example, and all of them against a model. The model builds a
 * random expression as a tree, writes it down, and computes its value from the tree.
 */
#include "harness/test.h"
#include "schema/interpolate.h"

static bool get(void *ctx, struct str name, struct str *ret)
{
    (void)ctx;
    if (str_is(name, "SET")) {
        *ret = STR("value");
    } else if (str_is(name, "EMPTY")) {
        *ret = STR("");
    } else if (str_is(name, "DOLLAR")) {
        *ret = STR("$SET ${SET}");
    } else {
        return false;
    }
    return true;
}

static int unset_count;

static void on_unset(void *ctx, struct str name)
{
    (void)ctx;
    (void)name;
    unset_count++;
}

static int expand(const char *text, struct interpolate *in, struct buf *out)
{
    *in = (struct interpolate){.get = get, .unset = on_unset};
    buf_reset(out);
    return interpolate_text(in, str_from(text), out);
}

TEST(every_form)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"$SET", "value"},
        {"${SET}", "value"},
        {"a$SET.b", "avalue.b"},
        {"$SET$SET", "valuevalue"},
        {"$NOPE|${NOPE}", "|"},
        {"$$SET $${SET} $$$$", "$SET ${SET} $$"},
        {"$$$SET", "$value"},
        {"${SET:-d}${SET-d}", "valuevalue"},
        {"${EMPTY:-d}|${EMPTY-d}", "d|"},
        {"${NOPE:-d}|${NOPE-d}", "d|d"},
        {"${SET:+a}|${SET+a}", "a|a"},
        {"${EMPTY:+a}|${EMPTY+a}", "|a"},
        {"${NOPE:+a}|${NOPE+a}", "|"},
        {"${SET:?e}${SET?e}${EMPTY?e}", "valuevalue"},
        {"${NOPE:-}", ""},
        {"${NOPE:-${SET}}", "value"},
        {"${NOPE:-${EMPTY:-${NOPE:-deep}}}", "deep"},
        {"${NOPE:-a}b}", "ab}"},
        {"${NOPE:-{a}}", "{a}"},
        {"${NOPE:-$$x}", "$x"},
        {"${SET:-${broken}", NULL},
        {"$DOLLAR", "$SET ${SET}"},
        {"${NOPE:-a:b-c?d+e}", "a:b-c?d+e"},
        {"$", NULL},
        {"a $ b", NULL},
        {"$1", NULL},
        {"${", NULL},
        {"${}", NULL},
        {"${1}", NULL},
        {"${SET", NULL},
        {"${SET*x}", NULL},
        {"${SET:}", NULL},
        {"${SET:x}", NULL},
    };
    struct buf out = BUF_INIT(10000);
    struct interpolate in;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int r = expand(cases[i][0], &in, &out);
        check_int(r, cases[i][1] ? 0 : INTERPOLATE_E_FORM);
        if (r == 0) {
            check_str(buf_str(&out), str_from(cases[i][1]));
        }
    }
    buf_fini(&out);
}

TEST(braces_inside_of_a_text_are_plain_unless_a_dollar_opens_them)
{
    struct buf out = BUF_INIT(1000);
    struct interpolate in;
    check_int(expand("${NOPE:-{a}}", &in, &out), 0);
    check_str(buf_str(&out), STR("{a}"));
    buf_fini(&out);
}

TEST(a_required_variable_says_why_and_where)
{
    struct buf out = BUF_INIT(1000);
    struct interpolate in;
    check_int(expand("ab ${NOPE:?set me}", &in, &out), INTERPOLATE_E_REQUIRED);
    check_int(in.at, 3);
    check_str(in.name, STR("NOPE"));
    check_str(in.reason, STR("set me"));
    check_int(expand("x${SET:-}${EMPTY:?}", &in, &out), INTERPOLATE_E_REQUIRED);
    check_int(in.at, 9);
    check_int(expand("${EMPTY:-${NOPE?in}}", &in, &out), INTERPOLATE_E_REQUIRED);
    check_int(in.at, 0);
    buf_fini(&out);
}

TEST(unset_variables_without_a_default_are_reported)
{
    struct buf out = BUF_INIT(1000);
    struct interpolate in;
    unset_count = 0;
    check_int(expand("$NOPE ${NOPE} ${NOPE:-x} ${NOPE+x} $SET", &in, &out), 0);
    check_int(unset_count, 2);
    buf_fini(&out);
}

static bool keep(void *ctx, struct str name)
{
    (void)ctx;
    return str_is(name, "PORT");
}

TEST(kept_names_stay_in_braces)
{
    struct buf out = BUF_INIT(1000);
    struct interpolate in = {.get = get, .keep = keep};
    check_int(interpolate_text(&in, STR("$PORT ${PORT:-1} $PORTAL $SET"), &out), 0);
    check_str(buf_str(&out), STR("${PORT} ${PORT}  value"));
    check(in.kept);
    buf_reset(&out);
    check_int(interpolate_text(&in, STR("$SET"), &out), 0);
    check(!in.kept);
    buf_fini(&out);
}

TEST(nesting_has_an_end)
{
    struct buf text = BUF_INIT(10000), out = BUF_INIT(10000);
    struct interpolate in;
    for (int i = 0; i < 100; i++) {
        buf_add_cstr(&text, "${NOPE:-");
    }
    for (int i = 0; i < 100; i++) {
        buf_add_char(&text, '}');
    }
    check_int(expand(buf_cstr(&text), &in, &out), INTERPOLATE_E_FORM);
    buf_fini(&text);
    buf_fini(&out);
}

/* ------------------------------------------------------------------ the model */

static const struct {
    const char *name;
    const char *value; /* NULL = not set */
} variables[] = {{"SET", "value"}, {"EMPTY", ""}, {"NOPE", NULL}};

/* Writes a random expression and its value; false when its value is an error. */
static bool model(struct rng *rng, unsigned depth, struct buf *text, struct buf *value)
{
    size_t parts = rng_below(rng, 4);
    for (size_t i = 0; i < parts; i++) {
        size_t v = rng_below(rng, ARRAY_LEN(variables));
        const char *set = variables[v].value;
        static const char ops[] = "-+?";
        bool colon = rng_below(rng, 2) == 0;
        switch (rng_below(rng, depth ? 4 : 3)) {
        case 0:
            buf_add_cstr(text, "a b:.");
            buf_add_cstr(value, "a b:.");
            break;
        case 1:
            buf_add_cstr(text, "$$");
            buf_add_cstr(value, "$");
            break;
        case 2:
            buf_printf(text, colon ? "$%s " : "${%s} ", variables[v].name);
            buf_printf(value, "%s ", set ? set : "");
            break;
        default: {
            char op = ops[rng_below(rng, 3)];
            bool counts = set && !(colon && !*set);
            struct buf inner_text = BUF_INIT(1 << 20), inner_value = BUF_INIT(1 << 20);
            bool fine = model(rng, depth - 1, &inner_text, &inner_value);
            buf_printf(text, "${%s%s%c%s}", variables[v].name, colon ? ":" : "", op,
                       buf_cstr(&inner_text));
            bool inner = op == '+' ? counts : !counts && op == '-';
            bool bad = (inner && !fine) || (op == '?' && !counts);
            buf_add_cstr(value, inner ? buf_cstr(&inner_value) : op == '+' ? "" : set ? set : "");
            buf_fini(&inner_text);
            buf_fini(&inner_value);
            if (bad) {
                return false;
            }
        }
        }
    }
    return true;
}

TEST(any_expression_has_the_value_of_its_tree)
{
    struct rng *rng = test_rng();
    struct buf text = BUF_INIT(1 << 20), value = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    for (size_t i = 0; i < test_rounds(20000); i++) {
        struct interpolate in;
        buf_reset(&text);
        buf_reset(&value);
        bool fine = model(rng, 3, &text, &value);
        int r = expand(buf_cstr(&text), &in, &out);
        check_int(r, fine ? 0 : INTERPOLATE_E_REQUIRED);
        if (fine) {
            check_str(buf_str(&out), buf_str(&value));
        }
    }
    buf_fini(&text);
    buf_fini(&value);
    buf_fini(&out);
}
