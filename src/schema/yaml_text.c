/* SPDX-License-Identifier: Apache-2.0
 *
 * Quoted YAML scalars (yaml_text.h).
 *
 * Done here since libfyaml 0.7.12 reads two escaped quotes in a row ('''' inside of '…') as three, goes
 * wrong where a line ends in an escaped line break after an escaped backslash, and never frees what it
 * allocates for a text of many pieces. Compared with PyYAML in tests/integration/config_yaml.py.
 */
#include "schema/yaml_text.h"

#include "base/num.h"
#include "base/utf8.h"

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Blanks around a line break go, one break becomes a space, each further one stays; blanks without a break
 * stay. Returns how many bytes were read. */
static size_t fold(struct str raw, struct buf *out)
{
    size_t at = 0, breaks = 0;
    for (; at < raw.len && is_white(raw.p[at]); at++) {
        breaks += raw.p[at] == '\n';
    }
    if (breaks == 0) {
        buf_add(out, str_slice(raw, 0, at));
    } else if (breaks == 1) {
        buf_add_char(out, ' ');
    }
    for (; breaks > 1; breaks--) {
        buf_add_char(out, '\n');
    }
    return at;
}

void yaml_text_single(struct str raw, struct buf *out)
{
    for (size_t at = 0; at < raw.len;) {
        if (is_white(raw.p[at])) {
            at += fold(str_skip(raw, at), out);
            continue;
        }
        buf_add_char(out, raw.p[at]);
        at += raw.p[at] == '\'' ? 2 : 1;
    }
}

/* The escaped line break: nothing of it stays, nor of the blanks that the next line begins with; further
 * breaks do. */
static size_t continued(struct str raw, struct buf *out)
{
    size_t at = 0, breaks = 0;
    for (; at < raw.len && is_white(raw.p[at]); at++) {
        breaks += raw.p[at] == '\n';
    }
    for (; breaks > 1; breaks--) {
        buf_add_char(out, '\n');
    }
    return at;
}

/* XX, XXXX or XXXXXXXX at the start of `raw`. */
static bool read_hex(struct str raw, size_t digits, uint64_t *ret)
{
    return raw.len >= digits && num_parse_hex(str_slice(raw, 0, digits), ret) == 0;
}

/* \x, \u, \U; a pair of surrogates as JSON writes it is one character. Returns bytes read, 0 if wrong. */
static size_t code_point(struct str raw, size_t digits, struct buf *out)
{
    uint64_t code, low;
    size_t len = digits;
    if (!read_hex(raw, digits, &code)) {
        return 0;
    }
    struct str next = str_skip(raw, digits);
    if (code >= 0xd800 && code < 0xdc00 && str_starts(next, STR("\\u")) &&
        read_hex(str_skip(next, 2), 4, &low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        len += 6;
    }
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return 0;
    }
    utf8_add(out, (uint32_t)code);
    return len;
}

/* What stands behind a backslash. Returns bytes read, 0 if it is no escape. */
static size_t escape(struct str raw, struct buf *out)
{
    static const char plain[][2] = {
        {'a', '\a'}, {'b', '\b'}, {'t', '\t'}, {'\t', '\t'}, {'n', '\n'}, {'v', '\v'}, {'f', '\f'},
        {'r', '\r'}, {'e', 0x1b}, {' ', ' '},  {'"', '"'},   {'/', '/'},  {'\\', '\\'}};
    static const struct {
        char letter;
        uint16_t code;
    } wide[] = {{'N', 0x85}, {'_', 0xa0}, {'L', 0x2028}, {'P', 0x2029}};
    char c = raw.len ? raw.p[0] : '\0';
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (c == plain[i][0]) {
            buf_add_char(out, plain[i][1]);
            return 1;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(wide); i++) {
        if (c == wide[i].letter) {
            utf8_add(out, wide[i].code);
            return 1;
        }
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    size_t len = digits ? code_point(str_skip(raw, 1), digits, out) : 0;
    return len ? 1 + len : 0;
}

const char *yaml_text_double(struct str raw, struct buf *out)
{
    for (size_t at = 0; at < raw.len;) {
        struct str rest = str_skip(raw, at);
        if (is_white(raw.p[at])) {
            at += fold(rest, out);
        } else if (raw.p[at] != '\\') {
            buf_add_char(out, raw.p[at++]);
        } else if (rest.len > 1 && (rest.p[1] == '\n' || str_starts(rest, STR("\\\r\n")))) {
            at += 1 + continued(str_skip(rest, 1), out);
        } else {
            size_t len = escape(str_skip(rest, 1), out);
            if (len == 0) {
                return "this escape has no meaning";
            }
            at += 1 + len;
        }
    }
    return NULL;
}
