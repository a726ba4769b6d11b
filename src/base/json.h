/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON (RFC 8259): a writer onto a buf, and a strict pull reader over a slice.
 *
 * Writer: commas and nesting are its own business; misuse (a value where a key belongs) is a
 * programmer's error. It checks no duplicate keys, and writes one top value per struct json_writer.
 * Reader: no allocation, bounded depth; strings come back raw and are decoded on demand, so that a
 * caller who skips a value pays nothing. Duplicate keys come as they are: the caller says which
 * counts (RFC 8259 §4 leaves it open, and two readers that differ can be played against each
 * other).
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 64 };

struct json_writer {
    struct buf *out;
    unsigned depth;
    uint64_t is_object; /* bit per level */
    uint64_t has_item;  /* bit per level */
    bool after_key;
};

#define JSON_WRITER(buf) ((struct json_writer){.out = (buf)})

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, struct str key);
/* Invalid UTF-8 is written as U+FFFD, so that the output is always valid JSON. */
void json_str(struct json_writer *w, struct str value);
void json_cstr(struct json_writer *w, const char *value); /* NULL = null */
void json_u64(struct json_writer *w, uint64_t value);
void json_i64(struct json_writer *w, int64_t value);
void json_double(struct json_writer *w, double value); /* NaN and infinities = null */
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
/* `text` must be one valid JSON value. */
void json_raw(struct json_writer *w, struct str text);

#define json_field(w, name, kind, value) (json_key((w), STR(name)), json_##kind((w), (value)))

enum json_type {
    JSON_ERROR,
    JSON_OBJECT, /* then, per member: JSON_KEY and its value; JSON_END closes */
    JSON_ARRAY,  /* then its values; JSON_END closes */
    JSON_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_DONE, /* after the top value, when nothing but white space is left */
};

struct json_reader {
    struct str text;
    size_t at; /* on JSON_ERROR: the byte that was not understood */
    unsigned depth;
    uint64_t is_object; /* bit per level */
    uint8_t expect;     /* private */
    struct str
        token;    /* of the last event: raw bytes of a key or string (without quotes), or number */
    bool escaped; /* the token holds backslashes: use json_token_decode */
};

#define JSON_READER(slice) ((struct json_reader){.text = (slice)})

/* The next event. JSON_ERROR comes again and again, with `at` on the byte; JSON_DONE too. Depth
 * beyond JSON_DEPTH_MAX is an error: who recurses along with it needs no bound of its own. */
enum json_type json_next(struct json_reader *r);
/* Appends the last key or string with its escapes resolved: valid UTF-8, which may hold NUL
 * ("\u0000"), so check before it becomes a C string. 0; -EINVAL for a lone surrogate (then a part
 * was appended); buf_error. */
must_check int json_token_decode(const struct json_reader *r, struct buf *out);
/* After a value's first event: passes over the rest of it. 0 or -EINVAL. */
must_check int json_skip(struct json_reader *r, enum json_type first);

#endif
