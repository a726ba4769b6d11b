/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON document: what it took points into the input, has no member twice, and reads the same
 * when it is written from the tree.
 */
#include "base/utf8.h"
#include "face/jdoc.h"
#include "fuzz.h"

enum { TEXT_MAX = 1 << 20 };

static void write_node(struct json_writer *w, const struct jdoc *node)
{
    switch (node->type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        if (node->type == JSON_OBJECT) {
            json_begin_object(w);
        } else {
            json_begin_array(w);
        }
        jdoc_each(one, node)
        {
            if (node->type == JSON_OBJECT) {
                json_key(w, one->key);
            }
            write_node(w, one);
        }
        if (node->type == JSON_OBJECT) {
            json_end_object(w);
        } else {
            json_end_array(w);
        }
        break;
    case JSON_STRING:
        json_str(w, node->text);
        break;
    default:
        json_raw(w, node->raw);
        break;
    }
}

static void check_node(const struct jdoc *node, struct str in)
{
    size_t count = 0;
    char name[64];
    fuzz_check(node->raw.len > 0 && node->raw.p >= in.p &&
               node->raw.p + node->raw.len <= in.p + in.len);
    fuzz_check(utf8_valid_prefix(node->text) == node->text.len);
    jdoc_each(one, node)
    {
        count++;
        check_node(one, in);
        if (node->type == JSON_OBJECT && !memchr(one->key.p ? one->key.p : "", 0, one->key.len) &&
            str_copy(name, sizeof(name), one->key)) {
            fuzz_check(jdoc_get(node, name) == one); /* so no other has this name */
            (void)jdoc_str(node, name);
            (void)jdoc_i64(node, name, 0);
            (void)jdoc_double(node, name, 0);
            (void)jdoc_bool(node, name, false);
        }
    }
    fuzz_check(count == node->count);
    fuzz_check(jdoc_get(node, "") == NULL || node->type == JSON_OBJECT);
}

static bool depth_fits(const struct jdoc *node, unsigned left)
{
    bool fits = left > 0;
    jdoc_each(one, node)
    {
        fits = fits && depth_fits(one, left - 1);
    }
    return fits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct arena arena = ARENA_INIT(TEXT_MAX);
    struct jdoc *doc = NULL, *again = NULL;
    size_t at = 0;
    int r = jdoc_parse(&arena, in, &doc, &at);
    fuzz_check(r == 0 || ((r == -EINVAL || r == -ENOMEM) && at <= in.len));
    if (r == 0) {
        fuzz_check(doc != NULL);
        check_node(doc, in);
        struct buf once = BUF_INIT(TEXT_MAX), twice = BUF_INIT(TEXT_MAX);
        struct json_writer w = JSON_WRITER(&once), v = JSON_WRITER(&twice);
        if (depth_fits(doc, JSON_DEPTH_MAX - 2)) {
            write_node(&w, doc);
            fuzz_check(jdoc_parse(&arena, buf_str(&once), &again, NULL) == 0);
            write_node(&v, again);
            fuzz_check(str_eq(buf_str(&once), buf_str(&twice)));
        }
        buf_fini(&once);
        buf_fini(&twice);
    }
    arena_fini(&arena);
    return 0;
}
