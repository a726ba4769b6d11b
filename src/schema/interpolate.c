/* SPDX-License-Identifier: Apache-2.0
 *
 * Expanding variables (interpolate.h): a cursor over the text, recursion only for the texts inside
 * of `${NAME:-text}`, bounded by INTERPOLATE_NESTING_MAX.
 *
 *   1. A value that was put in is never looked at again: a `$` in it is a dollar sign.
 *   2. Only the branch that is taken is expanded: ${A:-${B:?say so}} asks for B only without A.
 *   3. After an error `at` is the place of the outermost `$`: what a person sees in the file.
 *
 * Differs from a shell in one point, as Compose does: `}` inside of a text ends it unless a `${`
 * opened before, and quotes mean nothing.
 */
#include "schema/interpolate.h"

struct reference {
    struct str name;
    char op;       /* 0, '-', '+', '?' */
    bool or_empty; /* the ':' forms: an empty value counts as unset */
    struct str text;
    size_t len; /* of the whole reference, from `$` */
};

static bool is_name_char(char c, bool first)
{
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (!first && c >= '0' && c <= '9');
}

static size_t name_len(struct str s)
{
    size_t n = 0;
    while (n < s.len && is_name_char(s.p[n], n == 0)) {
        n++;
    }
    return n;
}

/* Where the `}` stands that closes a text, over nested `${…}`; -1 if nowhere. "$$" hides the brace
 * behind it: "$${" is a dollar sign and a brace. */
static ptrdiff_t closing_brace(struct str s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '$' && i + 1 < s.len && (s.p[i + 1] == '{' || s.p[i + 1] == '$')) {
            depth += s.p[i + 1] == '{';
            i++;
        } else if (s.p[i] == '}' && depth-- == 0) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

/* Reads `${…}` or `$NAME` at the start of `s`; false if there is none. */
static bool read_reference(struct str s, struct reference *ref)
{
    *ref = (struct reference){0};
    if (s.len < 2 || s.p[1] != '{') {
        ref->name = str_slice(s, 1, 1 + name_len(str_skip(s, 1)));
        ref->len = 1 + ref->name.len;
        return ref->name.len > 0;
    }
    struct str rest = str_skip(s, 2);
    ref->name = str_slice(rest, 0, name_len(rest));
    rest = str_skip(rest, ref->name.len);
    ptrdiff_t close = closing_brace(rest);
    if (ref->name.len == 0 || close < 0) {
        return false;
    }
    struct str inner = str_slice(rest, 0, (size_t)close);
    ref->len = 2 + ref->name.len + inner.len + 1;
    if (inner.len == 0) {
        return true;
    }
    ref->or_empty = inner.p[0] == ':';
    inner = str_skip(inner, ref->or_empty);
    ref->op = inner.len ? inner.p[0] : '\0';
    ref->text = str_skip(inner, 1);
    return ref->op == '-' || ref->op == '+' || ref->op == '?';
}

static int expand(struct interpolate *in, struct str text, struct buf *out, unsigned nesting);

static int expand_reference(struct interpolate *in, const struct reference *ref, struct buf *out,
                            unsigned nesting)
{
    struct str value = STR_NONE;
    /* Whatever the form was: the name is always set when a replica starts, so no default can
     * matter.
     */
    if (in->keep && in->keep(in->ctx, ref->name)) {
        in->kept = true;
        buf_add(out, STR("${"));
        buf_add(out, ref->name);
        buf_add_char(out, '}');
        return 0;
    }
    bool set = in->get(in->ctx, ref->name, &value);
    bool counts = set && !(ref->or_empty && value.len == 0);
    switch (ref->op) {
    case '+':
        return counts ? expand(in, ref->text, out, nesting + 1) : 0;
    case '-':
        if (!counts) {
            return expand(in, ref->text, out, nesting + 1);
        }
        break;
    case '?':
        if (!counts) {
            in->name = ref->name;
            in->reason = ref->text;
            return INTERPOLATE_E_REQUIRED;
        }
        break;
    default:
        if (!set && in->unset) {
            in->unset(in->ctx, ref->name);
        }
        break;
    }
    buf_add(out, value);
    return 0;
}

static int expand(struct interpolate *in, struct str text, struct buf *out, unsigned nesting)
{
    ptrdiff_t dollar;
    size_t base = 0;
    if (nesting > INTERPOLATE_NESTING_MAX) {
        return INTERPOLATE_E_FORM;
    }
    while ((dollar = str_find_char(text, '$')) >= 0) {
        buf_add(out, str_slice(text, 0, (size_t)dollar));
        base += (size_t)dollar;
        text = str_skip(text, (size_t)dollar);
        if (nesting == 0) {
            in->at = base;
        }
        struct reference ref;
        int r = 0;
        if (text.len > 1 && text.p[1] == '$') {
            buf_add_char(out, '$');
            ref.len = 2;
        } else if (read_reference(text, &ref)) {
            r = expand_reference(in, &ref, out, nesting);
        } else {
            r = INTERPOLATE_E_FORM;
        }
        if (r) {
            return r;
        }
        base += ref.len;
        text = str_skip(text, ref.len);
    }
    buf_add(out, text);
    return 0;
}

int interpolate_text(struct interpolate *in, struct str text, struct buf *out)
{
    in->kept = false;
    in->at = 0;
    return expand(in, text, out, 0);
}
