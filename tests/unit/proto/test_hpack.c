/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writer writes, nghttp2 and our reader read: the same fields, whatever the table's size,
 * and however often it changes.
 */
#include "base/buf.h"
#include "harness/test.h"
#include "hpack_pair.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIELDS_MAX = 24, TEXT_MAX = 600 };

struct pair {
    struct hpack_writer writer;
    nghttp2_hd_inflater *reader;
    struct hpack_reader ours;
    char texts[FIELDS_MAX][2][TEXT_MAX];
    char out[FIELDS_MAX * (2 * TEXT_MAX + 64)];
};

static struct str lower(struct str name, char memory[TEXT_MAX])
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        memory[i] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    return str_make(memory, name.len);
}

static struct str name_of(const struct hpack_field *field, char memory[TEXT_MAX])
{
    static const char *const pseudo[] = {":authority", ":method", ":path",
                                         ":protocol",  ":scheme", ":status"};
    if (field->id >= HTTP_H_COUNT) {
        return str_from(pseudo[field->id - HTTP_H_COUNT]);
    }
    return field->id == HTTP_H_OTHER ? lower(field->name, memory)
                                     : http_header_name((enum http_header_id)field->id);
}

struct expected {
    const struct hpack_field *fields;
    size_t count, found;
};

static void check_field(void *context, const struct hpack_found *found)
{
    struct expected *expected = context;
    char memory[TEXT_MAX];
    check(expected->found < expected->count);
    const struct hpack_field *field = &expected->fields[expected->found++];
    check_str(found->name, name_of(field, memory));
    check_str(found->value, field->value);
    check_int(found->id, hpack_id(found->name));
    check(found->secret || !field->secret);
}

static void check_ours(struct pair *pair, struct str block, const struct hpack_field *fields,
                       size_t count)
{
    struct expected expected = {.fields = fields, .count = count};
    size_t step = 1 + rng_below(test_rng(), (uint32_t)block.len + 1);
    check_int(hpack_read_block(&pair->ours, block, step, check_field, &expected), 0);
    check_int(expected.found, count);
}

/* Reads a head back and compares. */
static void check_read(struct pair *pair, struct str block, const struct hpack_field *fields,
                       size_t count)
{
    size_t found = 0;
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(pair->reader, &nv, &flags, (const uint8_t *)block.p,
                                           block.len, 1);
        check(n >= 0);
        block = str_skip(block, (size_t)n);
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            char memory[TEXT_MAX];
            check(found < count);
            check_str(str_make((char *)nv.name, nv.namelen), name_of(&fields[found], memory));
            check_str(str_make((char *)nv.value, nv.valuelen), fields[found].value);
            found++;
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            break;
        }
    }
    nghttp2_hd_inflate_end_headers(pair->reader);
    check_int(found, count);
}

static size_t write_head(struct pair *pair, const struct hpack_field *fields, size_t count)
{
    char *p = hpack_begin(&pair->writer, pair->out);
    for (size_t i = 0; i < count; i++) {
        char *end = hpack_add(&pair->writer, p, &fields[i]);
        check((size_t)(end - p) <= hpack_room(&fields[i]));
        p = end;
    }
    return (size_t)(p - pair->out);
}

static struct str random_text(char memory[TEXT_MAX], size_t most, const char *letters)
{
    size_t len = rng_below(test_rng(), 8) ? rng_below(test_rng(), 12) : rng_below(test_rng(), most);
    for (size_t i = 0; i < len; i++) {
        memory[i] = letters[rng_below(test_rng(), strlen(letters))];
    }
    return str_make(memory, len);
}

static struct hpack_field random_field(struct pair *pair, size_t i)
{
    static const char *const usual[] = {"200", "404", "GET", "/", "https", "text/html", "gzip"};
    struct hpack_field field = {.id = (uint8_t)rng_below(test_rng(), HPACK_IDS)};
    if (rng_below(test_rng(), 3) == 0) {
        field.id = HTTP_H_OTHER;
        field.name = random_text(pair->texts[i][0], 200, "aZ-");
        if (field.name.len == 0) {
            field.name = STR("X");
        }
    }
    field.secret = rng_below(test_rng(), 10) == 0;
    field.value = rng_below(test_rng(), 3) ? random_text(pair->texts[i][1], TEXT_MAX, "ab")
                                           : str_from(usual[rng_below(test_rng(), 7)]);
    return field;
}

TEST(what_is_written_is_read_the_same)
{
    static const uint32_t sizes[] = {0, 31, 64, 100, 500, 1024, 4096};
    struct pair *pair = calloc(1, sizeof(*pair));
    for (size_t round = 0; round < test_rounds(60); round++) {
        hpack_init(&pair->writer, sizes[1 + rng_below(test_rng(), ARRAY_LEN(sizes) - 1)]);
        check_int(nghttp2_hd_inflate_new(&pair->reader), 0);
        hpack_reader_init(&pair->ours, 2 * HPACK_TEXT_MAX);
        for (size_t heads = 0; heads < 200; heads++) {
            struct hpack_field fields[FIELDS_MAX];
            size_t count = rng_below(test_rng(), FIELDS_MAX);
            for (size_t i = 0; i < count; i++) {
                fields[i] = random_field(pair, i);
            }
            for (size_t i = rng_below(test_rng(), 20) ? 0 : rng_below(test_rng(), 4); i > 0; i--) {
                uint32_t size = sizes[rng_below(test_rng(), ARRAY_LEN(sizes))];
                hpack_limit(&pair->writer, size);
                check_int(nghttp2_hd_inflate_change_table_size(pair->reader, size), 0);
            }
            size_t len = write_head(pair, fields, count);
            check_read(pair, str_make(pair->out, len), fields, count);
            check_ours(pair, str_make(pair->out, len), fields, count);
        }
        hpack_fini(&pair->writer);
        nghttp2_hd_inflate_del(pair->reader);
        hpack_reader_fini(&pair->ours);
    }
    free(pair);
}

TEST(what_comes_again_is_one_byte_from_the_third_time_on)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    struct hpack_field fields[] = {
        {.id = HPACK_STATUS, .value = STR("200")},
        {.id = HTTP_H_CONTENT_TYPE, .value = STR("text/html; charset=utf-8")},
        {.id = HTTP_H_OTHER, .name = STR("X-Powered-By"), .value = STR("muelle")},
    };
    hpack_init(&pair->writer, 1024);
    check(write_head(pair, fields, 3) > 40);
    check(write_head(pair, fields, 3) > 40);
    check_int(write_head(pair, fields, 3), 3);
    hpack_fini(&pair->writer);
    free(pair);
}

TEST(secrets_and_what_never_comes_again_stay_out_of_the_table)
{
    static const enum http_header_id ids[] = {HTTP_H_AUTHORIZATION, HTTP_H_PROXY_AUTHORIZATION,
                                              HTTP_H_COOKIE,        HTTP_H_SET_COOKIE,
                                              HTTP_H_X_REQUEST_ID,  HTTP_H_CONTENT_LENGTH};
    static const struct str values[] = {STR_INIT("0123456789"),
                                        STR_INIT("however long: 0123456789 0123456789 0123456789")};
    struct pair *pair = calloc(1, sizeof(*pair));
    hpack_init(&pair->writer, 1024);
    for (size_t n = 0; n < 2 * ARRAY_LEN(ids); n++) {
        size_t i = n / 2;
        struct hpack_field field = {.id = (uint8_t)ids[i], .value = values[n % 2]};
        size_t first = write_head(pair, &field, 1);
        bool secret = i < 4;
        check_int((unsigned char)pair->out[0] & 0xf0, secret ? 0x10 : 0);
        check_int(write_head(pair, &field, 1), first);
        check_int(write_head(pair, &field, 1), first);
    }
    check(!pair->writer.ring.entries);
    hpack_fini(&pair->writer);
    free(pair);
}
