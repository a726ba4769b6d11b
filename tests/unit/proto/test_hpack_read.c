/* SPDX-License-Identifier: Apache-2.0
 *
 * The examples of RFC 7541, what is malformed, and the same verdict, fields and table as nghttp2's
 * reader has, whatever comes and however it is cut.
 */
#include "base/buf.h"
#include "base/encode.h"
#include "base/num.h"
#include "harness/test.h"
#include "hpack_pair.h"
#include "proto/hpack_huffman.h"

#include <stdlib.h>

static void add_line(void *context, const struct hpack_found *field)
{
    buf_printf(context, STR_FMT ": " STR_FMT "%s\n", STR_ARG(field->name), STR_ARG(field->value),
               field->secret ? " (secret)" : "");
}

/* Hexadecimal, with spaces. */
static struct str bytes_of(struct buf *out, const char *hex)
{
    struct buf digits = BUF_INIT(64 * KIB);
    for (; *hex; hex++) {
        if (*hex != ' ') {
            buf_add_char(&digits, *hex);
        }
    }
    check_int(decode_hex(out, buf_str(&digits)), 0);
    buf_fini(&digits);
    return buf_str(out);
}

static int read_hex(struct hpack_reader *reader, const char *hex, size_t step, struct buf *text)
{
    struct buf bytes = BUF_INIT(64 * KIB);
    int r = hpack_read_block(reader, bytes_of(&bytes, hex), step, add_line, text);
    buf_fini(&bytes);
    return r;
}

/* --- appendix C --- */

#define DATE "Mon, 21 Oct 2013 20:13:2"
static const struct example {
    const char *section;
    uint32_t limit, size; /* of the table: before; after (0: not said) */
    const char *hex, *fields;
} examples[] = {
    {"C.2.1", 4096, 55, "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
     "custom-key: custom-header\n"},
    {"C.2.2", 4096, 0, "040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n"},
    {"C.2.3", 4096, 0, "1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret (secret)\n"},
    {"C.2.4", 4096, 0, "82", ":method: GET\n"},
    {"C.3.1", 4096, 57, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
     ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"},
    {"C.3.2", 0, 110, "8286 84be 5808 6e6f 2d63 6163 6865",
     ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
     "cache-control: no-cache\n"},
    {"C.3.3", 0, 164, "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
     ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n"
     "custom-key: custom-value\n"},
    {"C.4.1", 4096, 57, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
     ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"},
    {"C.4.2", 0, 110, "8286 84be 5886 a8eb 1064 9cbf",
     ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
     "cache-control: no-cache\n"},
    {"C.4.3", 0, 164, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
     ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n"
     "custom-key: custom-value\n"},
    {"C.5.1", 256, 222,
     "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a "
     "3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
     ":status: 302\ncache-control: private\ndate: " DATE "1 GMT\n"
     "location: https://www.example.com\n"},
    {"C.5.2", 0, 222, "4803 3330 37c1 c0bf",
     ":status: 307\ncache-control: private\ndate: " DATE "1 GMT\n"
     "location: https://www.example.com\n"},
    {"C.5.3", 0, 215,
     "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 "
     "677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 "
     "553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
     ":status: 200\ncache-control: private\ndate: " DATE "2 GMT\n"
     "location: https://www.example.com\ncontent-encoding: gzip\n"
     "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"},
    {"C.6.1", 256, 222,
     "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e "
     "919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
     ":status: 302\ncache-control: private\ndate: " DATE "1 GMT\n"
     "location: https://www.example.com\n"},
    {"C.6.2", 0, 222, "4883 640e ffc1 c0bf",
     ":status: 307\ncache-control: private\ndate: " DATE "1 GMT\n"
     "location: https://www.example.com\n"},
    {"C.6.3", 0, 215,
     "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 "
     "821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed "
     "4ee5 b106 3d50 07",
     ":status: 200\ncache-control: private\ndate: " DATE "2 GMT\n"
     "location: https://www.example.com\ncontent-encoding: gzip\n"
     "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"},
};

TEST(the_examples_of_the_rfc_are_read_however_they_are_cut)
{
    for (size_t step = 1; step < 80; step++) {
        struct hpack_reader reader;
        hpack_reader_init(&reader, 2 * HPACK_TEXT_MAX);
        for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
            const struct example *example = &examples[i];
            struct buf text = BUF_INIT(64 * KIB);
            if (example->limit) { /* the first one of a connection */
                hpack_reader_fini(&reader);
                hpack_reader_init(&reader, 2 * HPACK_TEXT_MAX);
                hpack_ring_limit(&reader.ring, example->limit);
            }
            check_int(read_hex(&reader, example->hex, step, &text), 0);
            check_str(buf_str(&text), str_from(example->fields));
            check_int(reader.ring.size, example->size);
            buf_fini(&text);
        }
        hpack_reader_fini(&reader);
    }
}

/* --- what is malformed --- */

static const struct {
    const char *what, *hex;
    bool good;
} shapes[] = {
    {"index 0", "80", false},
    {"the last index of the static table", "bd", true},
    {"an index behind it, the table is empty", "be", false},
    {"a large index", "ff ff ff ff 0f", false},
    {"an index of 5 bytes that is small", "ff 80 80 80 80 00", false},
    {"an index that is written longer than it needs", "ff 80 00 82", false},
    {"the same of a length", "00 01 61 7f 80 00 62", false},
    {"a length that is written in five bytes", "00 01 61 7f 82 80 80 80 00", false},
    {"a number of six bytes", "00 01 61 7f 80 80 80 80 80 00", false},
    {"a number of more than 32 bits", "00 01 61 7f 80 80 80 80 10", false},
    {"an index of 33 bits, the lower of which are 2", "ff 83 ff ff ff 0f", false},
    {"a number without end", "ff ff ff ff ff ff", false},
    {"a name's index behind the table", "7e 01 61", false},
    {"a name's index behind the table, not kept", "0f 2f 01 61", false},
    {"a name of the static table", "7d 01 61", true},
    {"a name's index of the newest field", "40 01 61 01 62 7e 01 63", true},
    {"a text longer than any may be", "00 01 61 7f 82 ff 03", false},
    {"a text that ends behind the block", "00 01 61 02 62", false},
    {"a field without value", "00 01 61", false},
    {"a field without anything", "40", false},
    {"a value's length that is cut", "00 01 61 7f", false},
    {"an empty name and value", "00 00 00", true},
    {"empty in Huffman's code", "00 80 80", true},
    {"the table's size, none", "20", true},
    {"the table's size, as large as may be", "3f e1 1f", true},
    {"the table's size, one more", "3f e2 1f", false},
    {"the table's size twice", "20 3f e1 1f 82", true},
    {"the table's size behind a field", "82 20", false},
    {"the table's size, cut", "3f e1", false},
    {"a field pushed out by the table's size", "40 01 61 01 62 be", true},
    {"a field as large as the table", "3f 03 40 01 61 01 62 be", true},
    {"a field that is larger by one", "3f 02 40 01 61 01 62 be", false},
    {"padding of eight ones", "00 01 61 82 1f ff", false},
    {"padding of seven ones", "00 01 61 83 fc 7f ff", false},
    {"padding of five ones", "00 01 61 81 1f", true},
    {"padding of three zeroes", "00 01 61 81 18", false},
    {"padding of ones and a zero", "00 01 61 81 1e", false},
    {"EOS", "00 01 61 84 ff ff ff ff", false},
    {"EOS behind a letter", "00 01 61 85 1f ff ff ff ff", false},
    {"EOS in front of eight bytes", "00 01 61 8c ff ff ff fc 18 63 18 c6 31 8c 63 18", false},
    {"the code of the largest symbol", "00 01 61 84 ff ff ff f3", true},
    {"an empty block", "", true},
};

TEST(every_malformed_shape_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct hpack_pair pair;
        struct buf bytes = BUF_INIT(KIB);
        for (size_t step = 1; step < 20; step++) {
            hpack_pair_init(&pair);
            buf_reset(&bytes);
            if (hpack_pair_read(&pair, bytes_of(&bytes, shapes[i].hex), step) != shapes[i].good) {
                check_cstr(shapes[i].what, shapes[i].good ? "good" : "bad");
            }
            hpack_pair_fini(&pair);
        }
        buf_fini(&bytes);
    }
}

TEST(a_number_ends_at_32_bits)
{
    struct hpack_reader reader;
    struct buf text = BUF_INIT(KIB);
    hpack_reader_init(&reader, 2 * HPACK_TEXT_MAX);
    check_int(read_hex(&reader, "3f 9a 0a", 1, &text), 0); /* C.1.2: 1337 */
    check_int(reader.ring.limit, 1337);
    check_int(read_hex(&reader, "3f 9a 8a 80 80 00", 1, &text), 0);
    check_int(reader.ring.limit, 1337);
    check_int(read_hex(&reader, "3f 9a 8a 80 80 80 00", 1, &text), -EBADMSG);
    hpack_reader_fini(&reader);
    buf_fini(&text);
}

/* --- the table --- */

TEST(an_empty_table_has_no_memory)
{
    struct hpack_reader reader;
    struct buf text = BUF_INIT(KIB);
    hpack_reader_init(&reader, 2 * HPACK_TEXT_MAX);
    check_int(read_hex(&reader, "82 86 84 00 01 61 01 62", 99, &text), 0);
    check(!reader.ring.entries);
    check_int(read_hex(&reader, "40 01 61 01 62", 99, &text), 0);
    check(reader.ring.entries);
    check_int(read_hex(&reader, "20 3f e1 1f", 99, &text), 0);
    check(!reader.ring.entries);
    check_int(reader.ring.limit, 4096);
    hpack_reader_fini(&reader);
    buf_fini(&text);
}

TEST(a_field_larger_than_the_table_empties_it_and_its_name_may_come_from_there)
{
    struct hpack_pair pair;
    struct buf block = BUF_INIT(64 * KIB);
    hpack_pair_init(&pair);
    check(hpack_pair_read(&pair, bytes_of(&block, "40 01 61 01 62"), 99));
    buf_reset(&block);
    bytes_of(&block, "7e 7f 81 1f"); /* 4096 bytes of a value */
    for (size_t i = 0; i < 4096; i++) {
        buf_add_char(&block, 'x');
    }
    check(hpack_pair_read(&pair, buf_str(&block), SIZE_MAX));
    check_int(pair.ours.ring.count, 0);
    check(!pair.ours.ring.entries);
    hpack_pair_fini(&pair);
    buf_fini(&block);
}

static void count_marks(void *context, const struct hpack_found *field)
{
    unsigned *marks = context;
    if (field->mark) {
        *marks += *field->mark;
        *field->mark = 1;
    }
}

TEST(a_mark_comes_again_with_its_field)
{
    struct hpack_reader reader;
    unsigned marks = 0;
    hpack_reader_init(&reader, 2 * HPACK_TEXT_MAX);
    struct str blocks[] = {STR("\x40\1a\1b\x40\1c\1d"), STR("\xbe\xbf\x40\1e\1f\xbf"),
                           STR("\x7e\1g")};
    check_int(hpack_read_block(&reader, blocks[0], 99, count_marks, &marks), 0);
    check_int(marks, 0);
    check_int(hpack_read_block(&reader, blocks[1], 99, count_marks, &marks), 0);
    check_int(marks, 3);
    check_int(hpack_read_block(&reader, blocks[2], 99, count_marks, &marks), 0);
    check_int(marks, 3); /* of the name alone nothing is known */
    hpack_reader_fini(&reader);
}

/* --- against nghttp2 --- */

enum { FIELDS_MAX = 20, TEXT_MAX = 5000 };

static struct str random_text(char *p, size_t most, bool name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-0123456789";
    size_t len = rng_below(test_rng(), 9) ? rng_below(test_rng(), 30)
                                          : rng_below(test_rng(), (uint32_t)most);
    bool binary = !name && rng_below(test_rng(), 4) == 0;
    for (size_t i = 0; i < len; i++) {
        p[i] = binary ? (char)rng_below(test_rng(), 256) : letters[rng_below(test_rng(), 37)];
    }
    return str_make(p, len);
}

/* A few that come again and again, others that never do. */
static nghttp2_nv random_field(char *memory)
{
    static const char *const names[] = {":status", ":path", "content-type", "x-one", "x-two",
                                        "cookie",  "date",  "server",       "x-y",   "etag"};
    static const char *const values[] = {"", "200", "/", "text/html", "one", "two", "three"};
    struct str name = str_from(names[rng_below(test_rng(), ARRAY_LEN(names))]);
    struct str value = str_from(values[rng_below(test_rng(), ARRAY_LEN(values))]);
    if (rng_below(test_rng(), 6) == 0) {
        name = random_text(memory, TEXT_MAX, true);
    }
    if (rng_below(test_rng(), 3) == 0) {
        value = random_text(memory + TEXT_MAX, TEXT_MAX, false);
    }
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.p,
        .value = (uint8_t *)(uintptr_t)value.p,
        .namelen = name.len,
        .valuelen = value.len,
        .flags = rng_below(test_rng(), 8) ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX,
    };
}

static size_t random_block(nghttp2_hd_deflater *writer, char *memory, uint8_t *out, size_t cap)
{
    nghttp2_nv fields[FIELDS_MAX];
    size_t count = rng_below(test_rng(), FIELDS_MAX);
    for (size_t i = 0; i < count; i++) {
        fields[i] = random_field(memory + i * 2 * TEXT_MAX);
    }
    for (size_t i = rng_below(test_rng(), 12) ? 0 : 1 + rng_below(test_rng(), 2); i > 0; i--) {
        static const uint32_t sizes[] = {0, 31, 32, 100, 300, 1000, 4095, 4096};
        uint32_t size = sizes[rng_below(test_rng(), ARRAY_LEN(sizes))];
        check_int(nghttp2_hd_deflate_change_table_size(writer, size), 0);
    }
    ssize_t len = nghttp2_hd_deflate_hd(writer, out, cap, fields, count);
    check(len >= 0);
    return (size_t)len;
}

/* Some bytes are others, some are gone, some are new. */
static size_t damage(uint8_t *p, size_t len, size_t cap)
{
    for (size_t i = rng_below(test_rng(), 3); i > 0 && len > 0; i--) {
        size_t at = rng_below(test_rng(), (uint32_t)len);
        switch (rng_below(test_rng(), 4)) {
        case 0:
            p[at] = (uint8_t)rng_below(test_rng(), 256);
            break;
        case 1:
            p[at] ^= (uint8_t)(1U << rng_below(test_rng(), 8));
            break;
        case 2:
            memmove(p + at, p + at + 1, len - at - 1);
            len--;
            break;
        default:
            if (len < cap) {
                memmove(p + at + 1, p + at, len - at);
                p[at] = (uint8_t)rng_below(test_rng(), 256);
                len++;
            }
        }
    }
    return len;
}

/* Blocks of one connection, some of them damaged (until both refuse one). */
static void run_pair(bool damaged)
{
    size_t cap = FIELDS_MAX * (2 * TEXT_MAX + 64);
    char *memory = malloc(FIELDS_MAX * 2 * (size_t)TEXT_MAX);
    uint8_t *out = malloc(cap);
    for (size_t round = 0; round < test_rounds(40); round++) {
        struct hpack_pair pair;
        nghttp2_hd_deflater *writer;
        hpack_pair_init(&pair);
        check_int(nghttp2_hd_deflate_new(&writer, 4096), 0);
        bool good = true;
        for (size_t i = 0; i < 100 && good; i++) {
            size_t len = random_block(writer, memory, out, cap);
            if (damaged && rng_below(test_rng(), 3) == 0) {
                len = damage(out, len, cap);
            }
            size_t step = rng_below(test_rng(), 4) ? SIZE_MAX : 1 + rng_below(test_rng(), 2000);
            good = hpack_pair_read(&pair, str_make((char *)out, len), step);
            check(good || damaged);
        }
        hpack_pair_fini(&pair);
        nghttp2_hd_deflate_del(writer);
    }
    free(memory);
    free(out);
}

TEST(what_nghttp2_writes_is_read_as_nghttp2_reads_it)
{
    run_pair(false);
}

TEST(damaged_blocks_get_the_verdict_that_nghttp2_has)
{
    run_pair(true);
}

TEST(whatever_is_text_in_huffmans_code_or_is_not)
{
    for (size_t round = 0; round < test_rounds(20000); round++) {
        struct hpack_pair pair;
        uint8_t block[40] = {0, 1, 'a'};
        size_t len = rng_below(test_rng(), 30);
        block[3] = (uint8_t)(0x80 | len);
        for (size_t i = 0; i < len; i++) { /* many ones: long codes */
            block[4 + i] = (uint8_t)(rng_below(test_rng(), 2) ? 0xff : rng_below(test_rng(), 256));
        }
        hpack_pair_init(&pair);
        (void)hpack_pair_read(&pair, str_make((char *)block, 4 + len), SIZE_MAX);
        hpack_pair_fini(&pair);
    }
}

TEST(a_text_of_every_byte_is_read_from_huffmans_code)
{
    nghttp2_hd_deflater *writer;
    uint8_t out[KIB];
    char text[16];
    check_int(nghttp2_hd_deflate_new(&writer, 0), 0);
    for (unsigned c = 0; c < 256; c++) {
        memset(text, 'a', sizeof(text)); /* so many that the code is shorter */
        text[c % 16] = (char)c;
        nghttp2_nv field = {
            .name = (uint8_t *)text, .namelen = 16, .value = (uint8_t *)text, .valuelen = 16};
        ssize_t len = nghttp2_hd_deflate_hd(writer, out, sizeof(out), &field, 1);
        struct hpack_pair pair;
        hpack_pair_init(&pair);
        check(hpack_pair_read(&pair, str_make((char *)out, (size_t)len), SIZE_MAX));
        hpack_pair_fini(&pair);
    }
    nghttp2_hd_deflate_del(writer);
}

/* --- what is too long --- */

/* A text of `n` groups of letters, plain or in Huffman's code: of 5 bits each, or of 30. */
static void add_text(struct buf *out, size_t n)
{
    static const struct str groups[] = {STR_INIT("abcdefgh"), STR_INIT("\x18\xc6\x31\x8c\x63"),
                                        STR_INIT("\xff\xff\xff\xf3\xff\xff\xff\xcf\xff\xff"
                                                 "\xff\x3f\xff\xff\xfc")};
    size_t kind = rng_below(test_rng(), 3);
    size_t len = n * groups[kind].len;
    buf_add_char(out, (char)(kind > 0 ? 0xff : 0x7f));
    for (len -= 127; len >= 128; len >>= 7) {
        buf_add_char(out, (char)(len | 128));
    }
    buf_add_char(out, (char)len);
    for (size_t i = 0; i < n; i++) {
        buf_add(out, groups[kind]);
    }
}

static void add_any(struct buf *out)
{
    static const size_t counts[] = {26, 30, 100, 500, 1000, 1100, 2100, 4300};
    switch (rng_below(test_rng(), 5)) {
    case 0:
        buf_add_char(out,
                     (char)(0x80 | (1 + rng_below(test_rng(), 64)))); /* perhaps there is none */
        break;
    case 1: /* with a name of the tables */
        buf_add_char(out, (char)(0x40 | (1 + rng_below(test_rng(), 62))));
        add_text(out, counts[rng_below(test_rng(), ARRAY_LEN(counts))]);
        break;
    case 2:
        buf_add(out, STR("\x40\x01z\x01y"));
        break;
    default:
        buf_add_char(out, "\x00\x10\x40"[rng_below(test_rng(), 3)]);
        add_text(out, counts[rng_below(test_rng(), 1 + rng_below(test_rng(), ARRAY_LEN(counts)))]);
        add_text(out, counts[rng_below(test_rng(), ARRAY_LEN(counts))]);
    }
}

struct fields {
    size_t count, kept_max;
    struct {
        size_t hash, len;
    } items[64];
};

static void note_field(void *context, const struct hpack_found *field)
{
    struct fields *fields = context;
    size_t hash = field->name.len * 31 + field->secret;
    for (size_t i = 0; i < field->value.len; i++) {
        hash = hash * 31 + (unsigned char)field->value.p[i];
    }
    ensure(fields->count < ARRAY_LEN(fields->items));
    fields->items[fields->count].hash = field->too_long ? SIZE_MAX : hash;
    fields->items[fields->count++].len = field->name.len + field->value.len;
}

/* As http2_read.c does: each frame behind what was left of the one before. */
static int read_frames(struct hpack_reader *reader, struct str block, struct fields *fields)
{
    struct buf rest = BUF_INIT(MIB);
    int r = HPACK_E_MORE;
    hpack_read_begin(reader);
    while (r == HPACK_E_MORE && block.len > 0) {
        struct hpack_room room;
        struct hpack_found field;
        struct str frame = str_slice(block, 0, 1 + rng_below(test_rng(), 9000));
        block = str_skip(block, frame.len);
        buf_add(&rest, frame);
        struct str bytes = buf_str(&rest);
        hpack_room_init(&room);
        while ((r = hpack_read(reader, &bytes, &room, &field)) == 0) {
            note_field(fields, &field);
        }
        hpack_room_fini(&room);
        buf_consume(&rest, rest.len - bytes.len);
        fields->kept_max = MAX(fields->kept_max, rest.len);
    }
    bool ended = r == HPACK_E_MORE && rest.len == 0 && !hpack_read_is_amid(reader);
    buf_fini(&rest);
    return ended ? 0 : -EBADMSG;
}

/* A reader that keeps little of a cut field reads what one reads that keeps all, and has the same
 * table: but for fields that are too long for whoever wants heads. */
TEST(what_is_too_long_is_passed_over_and_changes_nothing_else)
{
    static const uint32_t limits[] = {100, 2000, 16384};
    size_t long_ones = 0, blocks = 0;
    for (size_t round = 0; round < 300; round++) {
        uint32_t most = limits[round % ARRAY_LEN(limits)];
        struct hpack_reader all, little;
        hpack_reader_init(&all, 2 * HPACK_TEXT_MAX);
        hpack_reader_init(&little, most);
        for (bool good = true; good && blocks < 100000; blocks++) {
            struct buf block = BUF_INIT(8 * MIB);
            struct fields want = {0}, got = {0};
            for (size_t n = 1 + rng_below(test_rng(), 4); n > 0; n--) {
                add_any(&block);
            }
            good = hpack_read_block(&all, buf_str(&block), SIZE_MAX, note_field, &want) == 0;
            check_int(read_frames(&little, buf_str(&block), &got) == 0, good);
            check_int(got.count, want.count);
            for (size_t i = 0; i < want.count; i++) {
                bool is_long = got.items[i].hash == SIZE_MAX;
                long_ones += is_long;
                check(is_long ? 4 * want.items[i].len > most
                              : got.items[i].hash == want.items[i].hash);
            }
            check(got.kept_max <= MAX(most, 4U * HPACK_TABLE_MAX) + 16);
            check_int(little.ring.size, all.ring.size);
            check_int(little.ring.count, all.ring.count);
            buf_fini(&block);
        }
        hpack_reader_fini(&all);
        hpack_reader_fini(&little);
    }
    check(long_ones > 300);
}
