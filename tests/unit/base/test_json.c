/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/num.h"
#include "harness/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* All of a text, or where it breaks. Decodes every string. */
static enum json_type read_all(struct str text, size_t *ret_at)
{
    struct json_reader r = JSON_READER(text);
    struct buf decoded = BUF_INIT(1 << 20);
    enum json_type type;
    do {
        type = json_next(&r);
        buf_reset(&decoded);
        if ((type == JSON_KEY || type == JSON_STRING) && json_token_decode(&r, &decoded) == 0) {
            check_int(buf_error(&decoded), 0);
        }
    } while (type != JSON_ERROR && type != JSON_DONE);
    check_int(json_next(&r), type);
    *ret_at = r.at;
    buf_fini(&decoded);
    return type;
}

static bool is_valid(struct str text)
{
    size_t at;
    char *exact = malloc(MAX(text.len, (size_t)1)); /* reads beyond are seen by the sanitizer */
    check(exact != NULL);
    memcpy(exact, text.p ? text.p : "", text.len);
    enum json_type type = read_all(str_make(exact, text.len), &at);
    check(at <= text.len);
    free(exact);
    return type == JSON_DONE;
}

TEST(texts_that_are_json)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "1.5e+3",
                                       "-1E-9",
                                       "\"\"",
                                       "\"\\u00e9\\n\\/\"",
                                       "true",
                                       " null\r\n\t",
                                       "[]",
                                       "{}",
                                       "[1,[2,{\"a\":[]}]]",
                                       "{\"a\":1,\"a\":2}",
                                       "{\"\":{}}",
                                       "\"\xf0\x9f\x98\x80\"",
                                       "\"\x7f\""};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        check(is_valid(str_from(good[i])));
    }
}

TEST(texts_that_are_not)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "01",
                                      "-",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "NaN",
                                      "Infinity",
                                      "'a'",
                                      "\"",
                                      "\"a",
                                      "\"\n\"",
                                      "\"\t\"",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\u12\"",
                                      "\"\\",
                                      "[",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "]",
                                      "{",
                                      "{a:1}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{\"a\" 1}",
                                      "{1:2}",
                                      "{\"a\":1]",
                                      "[1}",
                                      "1 2",
                                      "[] []",
                                      "\xef\xbb\xbf[]",
                                      "\"\xff\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "/**/1",
                                      "[1]//",
                                      "\"a\"b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (is_valid(str_from(bad[i]))) {
            printf("# taken: %s\n", bad[i]);
            check(false);
        }
    }
    check(!is_valid(STR("\"a\0b\"")));
    check(!is_valid(STR("1\0")));
}

TEST(depth_is_bounded)
{
    char text[2 * JSON_DEPTH_MAX + 2];
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        check_int(is_valid(str_make(text, 2 * depth)), depth <= JSON_DEPTH_MAX);
    }
}

TEST(events_and_tokens)
{
    struct json_reader r = JSON_READER(STR("{\"k\\u0065y\":[1.5,\"x\"],\"b\":false}"));
    struct buf out = BUF_INIT(64);
    check_int(json_next(&r), JSON_OBJECT);
    check_int(json_next(&r), JSON_KEY);
    check(r.escaped);
    check_str(r.token, STR("k\\u0065y"));
    check_int(json_token_decode(&r, &out), 0);
    check_str(buf_str(&out), STR("key"));
    check_int(json_next(&r), JSON_ARRAY);
    check_int(json_next(&r), JSON_NUMBER);
    check_str(r.token, STR("1.5"));
    check_int(json_next(&r), JSON_STRING);
    check(!r.escaped);
    check_int(json_next(&r), JSON_END);
    check_int(json_next(&r), JSON_KEY);
    check_int(json_next(&r), JSON_FALSE);
    check_int(json_next(&r), JSON_END);
    check_int(json_next(&r), JSON_DONE);
    buf_fini(&out);
}

TEST(escapes)
{
    static const char *const cases[][2] = {{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
                                           {"\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac"},
                                           {"\"\\uD83D\\uDE00x\"", "\xf0\x9f\x98\x80x"},
                                           {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"},
                                           {"\"a\\u000ab\"", "a\nb"}};
    static const char *const lone[] = {"\"\\ud800\"",          "\"\\udc00\"",
                                       "\"\\ud800\\u0041\"",   "\"\\ud800x\"",
                                       "\"\\ud800\\n\\n\\n\"", "\"\\ud800\\ud800\""};
    struct buf out = BUF_INIT(64);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_reader r = JSON_READER(str_from(cases[i][0]));
        buf_reset(&out);
        check_int(json_next(&r), JSON_STRING);
        check_int(json_token_decode(&r, &out), 0);
        check_str(buf_str(&out), str_from(cases[i][1]));
    }
    for (size_t i = 0; i < ARRAY_LEN(lone); i++) {
        struct json_reader r = JSON_READER(str_from(lone[i]));
        check_int(json_next(&r), JSON_STRING);
        check_int(json_token_decode(&r, &out), -EINVAL);
    }
    buf_fini(&out);
}

TEST(skipping_passes_over_exactly_one_value)
{
    struct json_reader r = JSON_READER(STR("[{\"a\":[1,{}]},[[]],7,\"x\",8]"));
    check_int(json_next(&r), JSON_ARRAY);
    for (int i = 0; i < 4; i++) {
        check_int(json_skip(&r, json_next(&r)), 0);
    }
    check_int(json_next(&r), JSON_NUMBER);
    check_str(r.token, STR("8"));
    r = JSON_READER(STR("[[1,]]"));
    check_int(json_next(&r), JSON_ARRAY);
    check_int(json_skip(&r, json_next(&r)), -EINVAL);
    check_int(json_skip(&r, JSON_ERROR), -EINVAL);
}

static void random_string(char *memory, size_t size, struct str *ret)
{
    static const char *const parts[] = {
        "a", "\"", "\\", "\n", "\x01", "\x1f", "\x7f", "\xc3\xa9", "\xf0\x9f\x98\x80", "/"};
    size_t len = 0;
    for (uint64_t n = rng_below(test_rng(), 8); n > 0; n--) {
        struct str part = str_from(parts[rng_below(test_rng(), ARRAY_LEN(parts))]);
        if (len + part.len <= size) {
            memcpy(memory + len, part.p, part.len);
            len += part.len;
        }
    }
    *ret = str_make(memory, len);
}

/* Writes a random value, and as a plain line of text what the reader must say about it. */
static void random_value(struct json_writer *w, struct buf *want, unsigned depth)
{
    char memory[64];
    struct str s;
    struct rng *rng = test_rng();
    switch (rng_below(rng, depth ? 8 : 6)) {
    case 0:
        json_null(w);
        buf_add(want, STR("null "));
        break;
    case 1: {
        bool b = rng_chance(rng, 500);
        json_bool(w, b);
        buf_add(want, b ? STR("true ") : STR("false "));
        break;
    }
    case 2: {
        int64_t n = (int64_t)rng_u64(rng);
        json_i64(w, n);
        buf_printf(want, "%lld ", (long long)n);
        break;
    }
    case 3:
    case 4:
        random_string(memory, sizeof(memory), &s);
        json_str(w, s);
        buf_printf(want, "'" STR_FMT "' ", STR_ARG(s));
        break;
    case 5: {
        uint64_t n = rng_u64(rng);
        json_u64(w, n);
        buf_printf(want, "%llu ", (unsigned long long)n);
        break;
    }
    case 6:
        json_begin_array(w);
        buf_add(want, STR("[ "));
        for (uint64_t n = rng_below(rng, 4); n > 0; n--) {
            random_value(w, want, depth - 1);
        }
        json_end_array(w);
        buf_add(want, STR("end "));
        break;
    default:
        json_begin_object(w);
        buf_add(want, STR("{ "));
        for (uint64_t n = rng_below(rng, 4); n > 0; n--) {
            random_string(memory, sizeof(memory), &s);
            json_key(w, s);
            buf_printf(want, "'" STR_FMT "': ", STR_ARG(s));
            random_value(w, want, depth - 1);
        }
        json_end_object(w);
        buf_add(want, STR("end "));
    }
}

static void describe(struct str text, struct buf *out)
{
    static const char *const words[] = {
        [JSON_OBJECT] = "{ ",  [JSON_ARRAY] = "[ ",     [JSON_END] = "end ",
        [JSON_TRUE] = "true ", [JSON_FALSE] = "false ", [JSON_NULL] = "null "};
    struct json_reader r = JSON_READER(text);
    enum json_type type;
    while ((type = json_next(&r)) != JSON_DONE) {
        check(type != JSON_ERROR);
        if (type == JSON_KEY || type == JSON_STRING) {
            buf_add_char(out, '\'');
            check_int(json_token_decode(&r, out), 0);
            buf_add_cstr(out, type == JSON_KEY ? "': " : "' ");
        } else if (type == JSON_NUMBER) {
            buf_add(out, r.token);
            buf_add_char(out, ' ');
        } else {
            buf_add_cstr(out, words[type]);
        }
    }
}

TEST(what_was_written_is_read)
{
    for (size_t i = 0; i < test_rounds(2000); i++) {
        struct buf text = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
        struct json_writer w = JSON_WRITER(&text);
        random_value(&w, &want, 4);
        describe(buf_str(&text), &got);
        check_str(buf_str(&got), buf_str(&want));
        /* No beginning of it is complete, unless it is a number. */
        for (size_t len = 0; len < text.len && text.p[0] > '9'; len++) {
            check(!is_valid(str_slice(buf_str(&text), 0, len)));
        }
        buf_fini(&text);
        buf_fini(&want);
        buf_fini(&got);
    }
}

TEST(doubles_survive)
{
    struct buf text = BUF_INIT(64);
    for (size_t i = 0; i < test_rounds(5000); i++) {
        uint64_t bits = rng_u64(test_rng());
        double value, back;
        memcpy(&value, &bits, sizeof(value));
        buf_reset(&text);
        struct json_writer w = JSON_WRITER(&text);
        json_double(&w, value);
        check(is_valid(buf_str(&text)));
        if (!str_eq(buf_str(&text), STR("null"))) {
            check_int(num_parse_double(buf_str(&text), &back), 0);
            check(memcmp(&back, &value, sizeof(back)) == 0);
        }
    }
    buf_reset(&text);
    struct json_writer w = JSON_WRITER(&text);
    json_double(&w, 0.1);
    check_cstr(buf_cstr(&text), "0.1");
    buf_fini(&text);
}

TEST(strings_are_escaped_no_more_than_they_must)
{
    struct buf text = BUF_INIT(128);
    struct json_writer w = JSON_WRITER(&text);
    json_str(&w, STR("a b\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"));
    check_cstr(buf_cstr(&text), "\"a b\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
    buf_fini(&text);
}

TEST(what_is_no_utf8_is_replaced)
{
    struct buf text = BUF_INIT(64);
    struct json_writer w = JSON_WRITER(&text);
    json_begin_object(&w);
    json_field(&w, "a", str, STR("x\xffy\xc3"));
    json_field(&w, "b", cstr, NULL);
    json_field(&w, "c", cstr, "z");
    json_key(&w, STR("d"));
    json_raw(&w, STR("[1]"));
    json_end_object(&w);
    check_cstr(buf_cstr(&text),
               "{\"a\":\"x\xef\xbf\xbdy\xef\xbf\xbd\",\"b\":null,\"c\":\"z\",\"d\":[1]}");
    buf_fini(&text);
}

static void check_file(const char *dir, const char *name)
{
    char text[262144];
    struct buf path = BUF_INIT(1024);
    buf_printf(&path, "%s/%s", dir, name);
    FILE *f = fopen(buf_cstr(&path), "re");
    check(f != NULL);
    size_t len = fread(text, 1, sizeof(text), f);
    (void)fclose(f);
    buf_fini(&path);
    bool valid = is_valid(str_make(text, len));
    if ((name[0] == 'y' && !valid) || (name[0] == 'n' && valid)) {
        printf("# %s\n", name);
        check(false);
    }
}

/* The files of Nicolas Seriot's "Parsing JSON is a minefield": y_ must be taken, n_ refused, i_ is
 * free. */
TEST(the_minefield)
{
    struct buf dir = BUF_INIT(1024);
    const char *data = getenv("SHARED_DATA");
    buf_printf(&dir, "%s/json-parsing/test_parsing", data ? data : ".");
    DIR *d = opendir(buf_cstr(&dir));
    if (!d) {
        buf_fini(&dir);
        test_skip("no json-parsing files in SHARED_DATA");
    }
    size_t files = 0;
    const struct dirent *entry;
    while ((entry = readdir(d))) {
        if (entry->d_name[0] != '.') {
            check_file(buf_cstr(&dir), entry->d_name);
            files++;
        }
    }
    (void)closedir(d);
    buf_fini(&dir);
    check(files > 300);
}
