/* SPDX-License-Identifier: Apache-2.0
 *
 * What is read back from log segments: heads with their records, columns of a block, the index of a
 * sealed file. Checksums guard against accidents, so they are made right first: nothing that
 * decodes may leave its bounds, and what decodes encodes to what decodes alike.
 */
#include "base/map.h"
#include "fuzz.h"
#include "store/segment_format.h"

#include <zstd.h>

enum { RECORD_CHECK = 4, FOOTER_CHECK = 48 };

static void seal_record(char *p, size_t len)
{
    uint32_t bytes, check;
    if (len < SEGMENT_RECORD_HEADER) {
        return;
    }
    memcpy(&bytes, p, sizeof(bytes));
    if (bytes <= len - SEGMENT_RECORD_HEADER) {
        check = (uint32_t)map_hash(bytes, str_make(p + 8, SEGMENT_RECORD_HEADER - 8 + bytes));
        memcpy(p + RECORD_CHECK, &check, sizeof(check));
    }
}

static void fuzz_records(struct str in)
{
    char bytes[4096];
    struct segment_record record, again;
    size_t size, size_again, at = 0;
    in = str_slice(in, 0, sizeof(bytes));
    segment_fold(in.p, in.len, bytes);
    if (in.len) {
        memcpy(bytes, in.p, in.len);
    }
    for (;;) {
        struct buf out = BUF_INIT(2 * SEGMENT_RECORD_MAX);
        seal_record(bytes + at, in.len - at);
        if (segment_record_decode(str_make(bytes + at, in.len - at), true, &record, &size) != 0) {
            return;
        }
        segment_record_encode(&out, &record);
        fuzz_check(segment_record_decode(buf_str(&out), true, &again, &size_again) == 0);
        fuzz_check(size == size_again && str_eq(record.bytes, again.bytes));
        fuzz_check(record.time == again.time && record.offset == again.offset);
        at += size;
        buf_fini(&out);
    }
}

static void check_block(struct segment_block *block)
{
    struct segment_block copy = SEGMENT_BLOCK_INIT, back = SEGMENT_BLOCK_INIT;
    struct buf frames = BUF_INIT(4 * SEGMENT_BLOCK_BYTES_MAX);
    struct segment_entry entry = {0};
    int64_t time = INT64_MIN;
    bool grows = true;
    for (size_t i = 0; i < block->columns.len; i++) {
        struct segment_record record = segment_block_at(block, i);
        grows = grows && record.time >= time;
        time = record.time;
        fuzz_check(segment_block_add(&copy, &record) == 0);
    }
    if (grows) { /* else the format has no word for it */
        fuzz_check(segment_block_encode(&copy, &frames, &entry) == 0);
        fuzz_check(segment_block_decode(&back, &entry, buf_str(&frames), false) == 0);
        fuzz_check(back.columns.len == block->columns.len);
        for (size_t i = 0; i < back.columns.len; i++) {
            struct segment_record a = segment_block_at(block, i), b = segment_block_at(&back, i);
            fuzz_check(a.time == b.time && a.offset == b.offset && a.source == b.source);
            fuzz_check(a.flags == b.flags && str_eq(a.bytes, b.bytes));
        }
    }
    segment_block_fini(&copy);
    segment_block_fini(&back);
    buf_fini(&frames);
}

/* The input as the columns of a block whose bytes are as long as they say. */
static void fuzz_columns(struct str in)
{
    static char text[2048];
    char frames[8192];
    struct segment_block block = SEGMENT_BLOCK_INIT;
    struct segment_entry entry = {.records = fuzz_byte(&in)};
    entry.bytes_raw = (entry.records << 3) + fuzz_byte(&in);
    entry.max_time = (int64_t)fuzz_byte(&in);
    in = str_slice(in, 0, 4096);
    memset(text, 'x', sizeof(text));
    size_t columns = ZSTD_compress(frames, sizeof(frames), in.p ? in.p : "", in.len, 1);
    fuzz_check(!ZSTD_isError(columns) && entry.bytes_raw <= sizeof(text) + 255);
    size_t bytes = ZSTD_compress(frames + columns, sizeof(frames) - columns, text,
                                 MIN(entry.bytes_raw, sizeof(text)), 1);
    fuzz_check(!ZSTD_isError(bytes));
    entry.columns_raw = (uint32_t)in.len;
    entry.columns_len = (uint32_t)columns;
    entry.bytes_len = (uint32_t)bytes;
    entry.check = map_hash(0, str_make(frames, columns + bytes));
    if (segment_block_decode(&block, &entry, str_make(frames, columns + bytes), false) == 0) {
        check_block(&block);
    }
    segment_block_fini(&block);
}

static void fuzz_index(struct str in)
{
    char bytes[4096];
    struct segment_footer footer;
    struct segment_entry entries[sizeof(bytes) / SEGMENT_ENTRY_SIZE];
    uint64_t file_size = 4096 + (uint64_t)fuzz_byte(&in) * 64;
    if (in.len > sizeof(bytes) || in.len < SEGMENT_FOOTER_SIZE) {
        return;
    }
    memcpy(bytes, in.p, in.len);
    memcpy(bytes + in.len - 8, "muloge1\n", 8);
    struct str tail = str_make(bytes + in.len - SEGMENT_FOOTER_SIZE, SEGMENT_FOOTER_SIZE);
    if (segment_footer_decode(tail, file_size, &footer) != 0) {
        return;
    }
    size_t size = (size_t)footer.blocks * SEGMENT_ENTRY_SIZE + SEGMENT_FOOTER_SIZE;
    if (size > in.len) {
        return;
    }
    char *index = bytes + in.len - size;
    uint64_t check = map_hash(0, str_make(index, size - SEGMENT_FOOTER_SIZE + FOOTER_CHECK));
    memcpy(index + size - SEGMENT_FOOTER_SIZE + FOOTER_CHECK, &check, sizeof(check));
    if (segment_index_decode(str_make(index, size), &footer, file_size, entries) == 0) {
        struct buf out = BUF_INIT(2 * sizeof(bytes));
        segment_index_encode(&out, entries, &footer);
        fuzz_check(buf_error(&out) == 0 && out.len == size);
        buf_fini(&out);
    }
}

static void fuzz_head(struct str in)
{
    uint8_t bytes[SEGMENT_HEAD_HEADER], again[SEGMENT_HEAD_HEADER];
    struct segment_base base;
    if (in.len < sizeof(bytes)) {
        fuzz_check(segment_head_decode(in, &base) == SEGMENT_E_BAD);
        return;
    }
    memcpy(bytes, in.p, sizeof(bytes));
    memcpy(bytes, "mulogh1\n", 8);
    uint64_t check = map_hash(0, str_make((const char *)bytes, 32));
    memcpy(bytes + 32, &check, sizeof(check));
    fuzz_check(segment_head_decode(str_make((const char *)bytes, sizeof(bytes)), &base) == 0);
    segment_head_encode(again, &base);
    fuzz_check(memcmp(bytes, again, sizeof(bytes)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    switch (fuzz_byte(&in) % 4) {
    case 0:
        fuzz_records(in);
        break;
    case 1:
        fuzz_columns(in);
        break;
    case 2:
        fuzz_index(in);
        break;
    default:
        fuzz_head(in);
    }
    return 0;
}
