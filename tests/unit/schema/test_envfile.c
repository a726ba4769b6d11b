/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of variables: every form, every error with its line, and writing down what is then read
 * back.
 */
#include "harness/test.h"
#include "schema/envfile.h"

static bool get(void *ctx, struct str name, struct str *ret)
{
    (void)ctx;
    *ret = STR("value");
    return str_is(name, "SET");
}

/* "NAME=value|NAME2=…|" of all entries, or "error LINE". */
static struct str read_all(struct str text, struct buf *out)
{
    struct envfile file = ENVFILE(text);
    struct interpolate vars = {.get = get};
    struct buf value = BUF_INIT(100000);
    int r;
    buf_reset(out);
    while ((r = envfile_next(&file, &vars, &value)) > 0) {
        buf_printf(out, STR_FMT "%s" STR_FMT "|", STR_ARG(file.name), file.has_value ? "=" : "",
                   STR_ARG(buf_str(&value)));
    }
    if (r < 0) {
        buf_reset(out);
        buf_printf(out, "error %u", file.line);
    }
    buf_fini(&value);
    return buf_str(out);
}

TEST(every_form)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"\n\n  # comment\n", ""},
        {"A=1", "A=1|"},
        {"A=1\nB=2\r\n  C=3  \n", "A=1|B=2|C=3|"},
        {"A=", "A=|"},
        {"A", "A|"},
        {"A # c", "A|"},
        {"export A=1", "A=1|"},
        {"export=1", "export=1|"},
        {"A: yes", "A=yes|"},
        {"A = x", "A=x|"},
        {"A=a b  # c", "A=a b|"},
        {"A=a#b", "A=a#b|"},
        {"A=#c", "A=|"},
        {"A='x $SET \"y\"'", "A=x $SET \"y\"|"},
        {"A=\"x ${SET}\\n\\\"\\$SET\\\\\\q\"", "A=x value\n\"$SET\\\\q|"},
        {"A=\"two\nlines\" # c\nB=1", "A=two\nlines|B=1|"},
        {"A='two\nlines'\nB=1", "A=two\nlines|B=1|"},
        {"A=$SET-${NOPE:-d}", "A=value-d|"},
        {"A=it's", "A=it's|"},
        {"a.b-c=1", "a.b-c=1|"},
        {"=1", "error 1"},
        {"A=1\n\n%B=2", "error 3"},
        {"A B", "error 1"},
        {"A='x", "error 1"},
        {"A=1\nB=\"x\\\"", "error 2"},
        {"A='x' y", "error 1"},
        {"A=${SET", "error 1"},
        {"A=${NOPE?x}", "error 1"},
    };
    struct buf out = BUF_INIT(100000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_str(read_all(str_from(cases[i][0]), &out), str_from(cases[i][1]));
    }
    buf_fini(&out);
}

/* Any text as a double-quoted value. */
static void quote(struct str text, struct buf *out)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("\"\\$", text.p[i])) {
            buf_add_char(out, '\\');
        }
        buf_add_char(out, text.p[i]);
    }
    buf_add_char(out, '"');
}

TEST(a_quoted_text_is_read_as_it_was)
{
    static const char letters[] = "ab \"\\$#'\n=:{}%\t";
    struct rng *rng = test_rng();
    struct buf file = BUF_INIT(10000), want = BUF_INIT(10000), out = BUF_INIT(10000);
    for (size_t i = 0; i < test_rounds(5000); i++) {
        char text[16];
        size_t len = rng_below(rng, sizeof(text));
        for (size_t k = 0; k < len; k++) {
            text[k] = letters[rng_below(rng, sizeof(letters) - 1)];
        }
        buf_reset(&file);
        buf_reset(&want);
        buf_add_cstr(&file, "X=1\nA=");
        quote(str_make(text, len), &file);
        buf_add_cstr(&file, "\nY=2");
        buf_add_cstr(&want, "X=1|A=");
        buf_add(&want, str_make(text, len));
        buf_add_cstr(&want, "|Y=2|");
        check_str(read_all(buf_str(&file), &out), buf_str(&want));
    }
    buf_fini(&file);
    buf_fini(&want);
    buf_fini(&out);
}
