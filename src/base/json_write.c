/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer keeps two bits for each open container: is it an object, has it an item yet. From
 * these it knows where commas go and whether a call makes sense; the depth is bounded by the number
 * of bits.
 *
 * What it writes is always valid JSON: bytes that are no UTF-8 become U+FFFD, numbers that JSON
 * does not have become null. Integers are written in full although readers with doubles
 * (JavaScript) lose digits beyond 2^53: ids that may be larger are strings in every schema of ours.
 * How it fails: it does not; the buf remembers (buf_error), and half a document is never sent.
 */
#include "base/json.h"

#include "base/num.h"
#include "base/utf8.h"

#include <math.h>

static uint64_t level_bit(const struct json_writer *w)
{
    return UINT64_C(1) << w->depth;
}

/* What goes in front of a value or key: a comma, or nothing. */
static void separate(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->has_item & level_bit(w)) {
        buf_add_char(w->out, ',');
    }
    w->has_item |= level_bit(w);
}

static void before_value(struct json_writer *w)
{
    ensure(w->after_key || !(w->is_object & level_bit(w)) || w->depth == 0);
    separate(w);
}

static void begin(struct json_writer *w, char open, bool is_object)
{
    before_value(w);
    ensure(w->depth + 1 < JSON_DEPTH_MAX);
    w->depth++;
    w->has_item &= ~level_bit(w);
    w->is_object = is_object ? w->is_object | level_bit(w) : w->is_object & ~level_bit(w);
    buf_add_char(w->out, open);
}

static void end(struct json_writer *w, char close, bool is_object)
{
    ensure(w->depth > 0 && !w->after_key);
    ensure(!!(w->is_object & level_bit(w)) == is_object);
    w->depth--;
    buf_add_char(w->out, close);
}

void json_begin_object(struct json_writer *w)
{
    begin(w, '{', true);
}

void json_end_object(struct json_writer *w)
{
    end(w, '}', true);
}

void json_begin_array(struct json_writer *w)
{
    begin(w, '[', false);
}

void json_end_array(struct json_writer *w)
{
    end(w, ']', false);
}

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[][2] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'},
                                     {'\t', 't'}, {'\b', 'b'},  {'\f', 'f'}};
    for (size_t i = 0; i < ARRAY_LEN(shorts); i++) {
        if ((unsigned char)shorts[i][0] == c) {
            buf_add_char(out, '\\');
            buf_add_char(out, shorts[i][1]);
            return;
        }
    }
    buf_add(out, STR("\\u00"));
    buf_add_char(out, hex[c >> 4]);
    buf_add_char(out, hex[c & 15]);
}

static void add_string(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    while (s.len) {
        size_t valid = utf8_valid_prefix(s);
        size_t run = 0;
        while (run < valid && (unsigned char)s.p[run] >= 0x20 && s.p[run] != '"' &&
               s.p[run] != '\\') {
            run++;
        }
        buf_add_mem(out, s.p, run);
        s = str_skip(s, run);
        if (run < valid) {
            add_escaped(out, (unsigned char)s.p[0]);
            s = str_skip(s, 1);
        } else if (s.len) {
            buf_add(out, STR("\xef\xbf\xbd"));
            s = str_skip(s, 1);
        }
    }
    buf_add_char(out, '"');
}

void json_key(struct json_writer *w, struct str key)
{
    ensure((w->is_object & level_bit(w)) && !w->after_key);
    separate(w);
    add_string(w->out, key);
    buf_add_char(w->out, ':');
    w->after_key = true;
}

void json_str(struct json_writer *w, struct str value)
{
    before_value(w);
    add_string(w->out, value);
}

void json_cstr(struct json_writer *w, const char *value)
{
    if (value) {
        json_str(w, str_from(value));
    } else {
        json_null(w);
    }
}

void json_u64(struct json_writer *w, uint64_t value)
{
    before_value(w);
    buf_add_u64(w->out, value);
}

void json_i64(struct json_writer *w, int64_t value)
{
    before_value(w);
    buf_add_i64(w->out, value);
}

void json_double(struct json_writer *w, double value)
{
    if (!isfinite(value)) {
        json_null(w);
        return;
    }
    before_value(w);
    num_format_double(w->out, value);
}

void json_bool(struct json_writer *w, bool value)
{
    json_raw(w, value ? STR("true") : STR("false"));
}

void json_null(struct json_writer *w)
{
    json_raw(w, STR("null"));
}

void json_raw(struct json_writer *w, struct str text)
{
    before_value(w);
    buf_add(w->out, text);
}
