/* SPDX-License-Identifier: Apache-2.0
 *
 * The pull reader of json.h: exactly the grammar of RFC 8259, nothing beside it (no comments, no
 * trailing commas, no byte order mark, no NaN). It walks the slice once and allocates nothing.
 *
 * Invariants: 1. `at` only moves forward, and stays where an error was found.
 *             2. bit `depth - 1` of is_object says what the innermost open container is.
 *             3. after JSON_ERROR every further event is JSON_ERROR.
 *
 * `expect` is the whole state of the grammar besides depth and is_object:
 *   VALUE            at the top, or where json_next stands behind a key
 *   VALUE_OR_END     behind '['          KEY_OR_END     behind '{'
 *   COMMA_OR_END     behind a value inside a container; the comma and what it promises are one
 *                    step, so that a comma in front of an end is no value and no key: an error
 *   NOTHING          behind the top value        FAILED   for ever
 */
#include "base/json.h"

#include "base/encode.h"
#include "base/utf8.h"

enum expect {
    EXPECT_VALUE, /* the top value, the one behind a key or behind a comma; 0 = a fresh reader */
    EXPECT_VALUE_OR_END,
    EXPECT_KEY_OR_END,
    EXPECT_COMMA_OR_END,
    EXPECT_NOTHING,
    EXPECT_FAILED,
};

static enum json_type fail(struct json_reader *r)
{
    r->expect = EXPECT_FAILED;
    return JSON_ERROR;
}

static int peek(const struct json_reader *r)
{
    return r->at < r->text.len ? (unsigned char)r->text.p[r->at] : -1;
}

static void skip_space(struct json_reader *r)
{
    int c = peek(r);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        r->at++;
        c = peek(r);
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* What follows a complete value depends only on whether a container is open. */
static void value_done(struct json_reader *r)
{
    r->expect = r->depth ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
}

/* Behind a backslash: one of the short escapes, or uXXXX. */
static bool scan_escape(struct json_reader *r)
{
    int c = peek(r);
    if (c == 'u') {
        for (int i = 0; i < 4; i++) {
            r->at++;
            int digit = peek(r);
            if (digit < 0 || decode_hex_digit((char)digit) < 0) {
                return false;
            }
        }
    } else if (c <= 0 || !strchr("\"\\/bfnrt", c)) {
        return false;
    }
    r->at++;
    return true;
}

/* From the opening quote to behind the closing one; the token is what lies between. */
static bool scan_string(struct json_reader *r)
{
    size_t start = ++r->at;
    r->escaped = false;
    for (;;) {
        int c = peek(r);
        if (c < 0x20) { /* the end of the text too */
            return false;
        }
        if (c == '"') {
            break;
        }
        r->at++;
        if (c == '\\') {
            r->escaped = true;
            if (!scan_escape(r)) {
                return false;
            }
        }
    }
    r->token = str_slice(r->text, start, r->at);
    size_t valid = utf8_valid_prefix(r->token);
    if (valid < r->token.len) {
        r->at = start + valid;
        return false;
    }
    r->at++;
    return true;
}

static bool scan_digits(struct json_reader *r)
{
    size_t start = r->at;
    while (is_digit(peek(r))) {
        r->at++;
    }
    return r->at > start;
}

/* number = [ "-" ] int [ frac ] [ exp ]; no leading zeros. */
static enum json_type scan_number(struct json_reader *r)
{
    size_t start = r->at;
    if (peek(r) == '-') {
        r->at++;
    }
    if (peek(r) == '0') {
        r->at++;
    } else if (!scan_digits(r)) {
        return fail(r);
    }
    if (peek(r) == '.') {
        r->at++;
        if (!scan_digits(r)) {
            return fail(r);
        }
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-') {
            r->at++;
        }
        if (!scan_digits(r)) {
            return fail(r);
        }
    }
    r->token = str_slice(r->text, start, r->at);
    value_done(r);
    return JSON_NUMBER;
}

static enum json_type scan_word(struct json_reader *r, struct str word, enum json_type type)
{
    if (!str_starts(str_skip(r->text, r->at), word)) {
        return fail(r);
    }
    r->token = str_slice(r->text, r->at, r->at + word.len);
    r->at += word.len;
    value_done(r);
    return type;
}

static enum json_type open_container(struct json_reader *r, bool is_object)
{
    if (r->depth == JSON_DEPTH_MAX) {
        return fail(r);
    }
    uint64_t bit = UINT64_C(1) << r->depth++;
    r->is_object = is_object ? r->is_object | bit : r->is_object & ~bit;
    r->expect = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    r->at++;
    return is_object ? JSON_OBJECT : JSON_ARRAY;
}

static bool in_object(const struct json_reader *r)
{
    return r->depth && (r->is_object >> (r->depth - 1) & 1);
}

static enum json_type close_container(struct json_reader *r, bool is_object)
{
    if (in_object(r) != is_object) {
        return fail(r);
    }
    r->depth--;
    r->at++;
    value_done(r);
    return JSON_END;
}

static enum json_type read_value(struct json_reader *r)
{
    switch (peek(r)) {
    case '{':
        return open_container(r, true);
    case '[':
        return open_container(r, false);
    case '"':
        if (!scan_string(r)) {
            return fail(r);
        }
        value_done(r);
        return JSON_STRING;
    case 't':
        return scan_word(r, STR("true"), JSON_TRUE);
    case 'f':
        return scan_word(r, STR("false"), JSON_FALSE);
    case 'n':
        return scan_word(r, STR("null"), JSON_NULL);
    default:
        return scan_number(r);
    }
}

/* A key with its colon. */
static enum json_type read_key(struct json_reader *r)
{
    if (peek(r) != '"' || !scan_string(r)) {
        return fail(r);
    }
    skip_space(r);
    if (peek(r) != ':') {
        return fail(r);
    }
    r->at++;
    r->expect = EXPECT_VALUE;
    return JSON_KEY;
}

static enum json_type after_comma(struct json_reader *r)
{
    r->at++;
    skip_space(r);
    return in_object(r) ? read_key(r) : read_value(r);
}

enum json_type json_next(struct json_reader *r)
{
    if (r->expect == EXPECT_FAILED) {
        return JSON_ERROR;
    }
    skip_space(r);
    int c = peek(r);
    switch ((enum expect)r->expect) {
    case EXPECT_VALUE:
        return read_value(r);
    case EXPECT_VALUE_OR_END:
        return c == ']' ? close_container(r, false) : read_value(r);
    case EXPECT_KEY_OR_END:
        return c == '}' ? close_container(r, true) : read_key(r);
    case EXPECT_COMMA_OR_END:
        if (c == ',') {
            return after_comma(r);
        }
        return c == '}' || c == ']' ? close_container(r, c == '}') : fail(r);
    case EXPECT_NOTHING:
        return c < 0 ? JSON_DONE : fail(r);
    case EXPECT_FAILED:
        break;
    }
    return fail(r);
}

static uint32_t hex4(const char *p)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        unit = unit << 4 | (uint32_t)decode_hex_digit(p[i]);
    }
    return unit;
}

/* At the 'u' of an escape that scan_escape has seen. Returns its length, or 0 for a lone surrogate.
 */
static size_t decode_unicode(struct str s, struct buf *out)
{
    uint32_t unit = hex4(s.p + 1);
    if (unit < 0xd800 || unit > 0xdfff) {
        utf8_add(out, unit);
        return 5;
    }
    if (unit > 0xdbff || s.len < 11 || s.p[5] != '\\' || s.p[6] != 'u') {
        return 0;
    }
    uint32_t low = hex4(s.p + 7);
    if (low < 0xdc00 || low > 0xdfff) {
        return 0;
    }
    utf8_add(out, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    return 11;
}

static char short_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; /* quote, backslash, slash stand for themselves */
    }
}

int json_token_decode(const struct json_reader *r, struct buf *out)
{
    struct str s = r->token;
    while (s.len) {
        ptrdiff_t at = r->escaped ? str_find_char(s, '\\') : -1;
        size_t run = at < 0 ? s.len : (size_t)at;
        buf_add_mem(out, s.p, run);
        s = str_skip(s, run);
        if (s.len == 0) {
            break;
        }
        s = str_skip(s, 1);
        size_t used = 1;
        if (s.p[0] == 'u') {
            used = decode_unicode(s, out);
            if (used == 0) {
                return -EINVAL;
            }
        } else {
            buf_add_char(out, short_escape(s.p[0]));
        }
        s = str_skip(s, used);
    }
    return buf_error(out);
}

int json_skip(struct json_reader *r, enum json_type first)
{
    unsigned outside = r->depth;
    if (first == JSON_OBJECT || first == JSON_ARRAY) {
        outside--;
    }
    while (first != JSON_ERROR && r->depth > outside) {
        first = json_next(r);
    }
    return first == JSON_ERROR ? -EINVAL : 0;
}
