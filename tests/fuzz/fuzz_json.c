/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON reader: it ends, stays in bounds, and what it took can be written by the writer and read
 * again with the same events.
 */
#include "base/json.h"
#include "base/utf8.h"
#include "fuzz.h"

enum { OUT_MAX = 1 << 20 };

/* Passes one event on to the writer. False when the text has something that the writer cannot
 * say. */
static bool copy_event(struct json_reader *r, struct json_writer *w, enum json_type type)
{
    struct buf text = BUF_INIT(OUT_MAX);
    bool good = true;
    switch (type) {
    case JSON_OBJECT:
        good = w->depth + 2 < JSON_DEPTH_MAX;
        if (good) {
            json_begin_object(w);
        }
        break;
    case JSON_ARRAY:
        good = w->depth + 2 < JSON_DEPTH_MAX;
        if (good) {
            json_begin_array(w);
        }
        break;
    case JSON_END:
        if (w->is_object >> w->depth & 1) {
            json_end_object(w);
        } else {
            json_end_array(w);
        }
        break;
    case JSON_KEY:
    case JSON_STRING:
        good = json_token_decode(r, &text) == 0;
        fuzz_check(!good || utf8_valid_prefix(buf_str(&text)) == text.len);
        if (good && type == JSON_KEY) {
            json_key(w, buf_str(&text));
        } else if (good) {
            json_str(w, buf_str(&text));
        }
        break;
    default:
        json_raw(w, r->token);
    }
    buf_fini(&text);
    return good;
}

static enum json_type rewrite(struct str in, struct buf *out)
{
    struct json_reader r = JSON_READER(in);
    struct json_writer w = JSON_WRITER(out);
    for (;;) {
        size_t before = r.at;
        enum json_type type = json_next(&r);
        fuzz_check(r.at >= before && r.at <= in.len && r.depth <= JSON_DEPTH_MAX);
        if (type == JSON_DONE || type == JSON_ERROR) {
            fuzz_check(json_next(&r) == type);
            return type;
        }
        if (!copy_event(&r, &w, type)) {
            return JSON_ERROR;
        }
    }
}

static void skip_all(struct str in)
{
    struct json_reader r = JSON_READER(in);
    enum json_type first = json_next(&r);
    if (json_skip(&r, first) == 0 && first != JSON_DONE) {
        fuzz_check(r.depth == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct buf once = BUF_INIT(OUT_MAX), twice = BUF_INIT(OUT_MAX);
    skip_all(in);
    if (rewrite(in, &once) == JSON_DONE && buf_error(&once) == 0) {
        fuzz_check(rewrite(buf_str(&once), &twice) == JSON_DONE);
        fuzz_check(str_eq(buf_str(&once), buf_str(&twice)));
    }
    buf_fini(&once);
    buf_fini(&twice);
    return 0;
}
