/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoding and decoding of segments: no files, no clock, so that they can be fuzzed and tested
 * alone.
 *
 * Why columns: times, lengths and offsets of neighbouring lines are nearly the same, so their
 * differences are a byte each, which zstd halves again; among the text they would break up its
 * matches. Why bytes apart with a newline behind each record: a search is one memmem over the
 * block, and the columns of a block without a hit are never unpacked.
 *
 * Decoders: every length is checked against what is left before it is used, sums are made in 64
 * bits, and no loop runs longer than the (checked) number of records. A checksum is no proof
 * against somebody who writes the file: it tells a disk's mistake, while the checks of lengths hold
 * for any bytes.
 */
#include "store/segment_format.h"

#include "base/map.h"

#include <zstd.h>

static const char head_magic[8] = {'m', 'u', 'l', 'o', 'g', 'h', '1', '\n'};
static const char footer_magic[8] = {'m', 'u', 'l', 'o', 'g', 'e', '1', '\n'};
enum { ZSTD_LEVEL = 1 /* measured: higher levels cost 4x the time for 5 % */ };

/* muelle runs on little-endian machines only; the build refuses others (os/). */
static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t get64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t check_of(const void *p, size_t len, uint64_t seed)
{
    return map_hash(seed, str_make(p, len));
}

void segment_head_encode(uint8_t out[SEGMENT_HEAD_HEADER], const struct segment_base *base)
{
    memcpy(out, head_magic, 8);
    put64(out + 8, (uint64_t)base->time);
    put64(out + 16, base->offset);
    put64(out + 24, base->source);
    put64(out + 32, check_of(out, 32, 0));
}

int segment_head_decode(struct str bytes, struct segment_base *ret)
{
    if (bytes.len < SEGMENT_HEAD_HEADER || memcmp(bytes.p, head_magic, 8) != 0 ||
        get64(bytes.p + 32) != check_of(bytes.p, 32, 0)) {
        return SEGMENT_E_BAD;
    }
    *ret = (struct segment_base){(int64_t)get64(bytes.p + 8), get64(bytes.p + 16),
                                 get64(bytes.p + 24)};
    return 0;
}

void segment_record_encode(struct buf *out, const struct segment_record *record)
{
    size_t size = SEGMENT_RECORD_HEADER + record->bytes.len;
    uint8_t *p = (uint8_t *)buf_reserve(out, size);
    if (!p) {
        return;
    }
    put32(p, (uint32_t)record->bytes.len);
    put64(p + 8, (uint64_t)record->time);
    put64(p + 16, record->offset);
    put64(p + 24, record->source);
    p[32] = record->flags;
    if (record->bytes.len) {
        memcpy(p + SEGMENT_RECORD_HEADER, record->bytes.p, record->bytes.len);
    }
    put32(p + 4, (uint32_t)check_of(p + 8, size - 8, record->bytes.len));
    buf_commit(out, size);
}

int segment_record_decode(struct str bytes, bool verify, struct segment_record *ret,
                          size_t *ret_size)
{
    if (bytes.len < SEGMENT_RECORD_HEADER) {
        return SEGMENT_E_BAD;
    }
    uint32_t len = get32(bytes.p);
    size_t size = SEGMENT_RECORD_HEADER + (size_t)len;
    if (len > SEGMENT_RECORD_MAX || size > bytes.len) {
        return SEGMENT_E_BAD;
    }
    if (verify && get32(bytes.p + 4) != (uint32_t)check_of(bytes.p + 8, size - 8, len)) {
        return SEGMENT_E_BAD;
    }
    *ret = (struct segment_record){
        .time = (int64_t)get64(bytes.p + 8),
        .offset = get64(bytes.p + 16),
        .source = get64(bytes.p + 24),
        .flags = (uint8_t)bytes.p[32],
        .bytes = str_make(bytes.p + SEGMENT_RECORD_HEADER, len),
    };
    *ret_size = size;
    return 0;
}

void segment_block_fini(struct segment_block *block)
{
    vec_fini(&block->columns);
    buf_fini(&block->bytes);
    (void)ZSTD_freeDCtx(block->unpacker);
    block->unpacker = NULL;
}

void segment_block_reset(struct segment_block *block)
{
    vec_reset(&block->columns);
    buf_reset(&block->bytes);
}

int segment_block_add(struct segment_block *block, const struct segment_record *record)
{
    const struct segment_column column = {
        .time = record->time,
        .offset = record->offset,
        .source = record->source,
        .start = (uint32_t)block->bytes.len,
        .len = (uint32_t)record->bytes.len,
        .flags = record->flags,
    };
    buf_add(&block->bytes, record->bytes);
    buf_add_char(&block->bytes, '\n');
    int r = buf_error(&block->bytes);
    return r < 0 ? r : vec_push(&block->columns, &column);
}

struct segment_record segment_block_at(const struct segment_block *block, size_t i)
{
    ensure(i < block->columns.len);
    const struct segment_column *column = vec_at(&block->columns, struct segment_column, i);
    return (struct segment_record){
        .time = column->time,
        .offset = column->offset,
        .source = column->source,
        .flags = column->flags,
        .bytes = str_make(block->bytes.p + column->start, column->len),
    };
}

static void add_varint(struct buf *out, uint64_t n)
{
    while (n >= 0x80) {
        buf_add_char(out, (char)(n | 0x80));
        n >>= 7;
    }
    buf_add_char(out, (char)n);
}

/* Takes one off the front of *in. False: it ends or is too long. */
static bool take_varint(struct str *in, uint64_t *ret)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < in->len && i < 10; i++) {
        uint8_t byte = (uint8_t)in->p[i];
        n |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret = n;
            *in = str_skip(*in, i + 1);
            return true;
        }
    }
    return false;
}

static uint64_t zigzag(uint64_t n)
{
    return (n << 1) ^ (0 - (n >> 63));
}

static uint64_t unzigzag(uint64_t n)
{
    return (n >> 1) ^ (0 - (n & 1));
}

static void add_sources(struct buf *out, const struct segment_column *columns, size_t count)
{
    for (size_t i = 0, run; i < count; i += run) {
        uint8_t bytes[8];
        for (run = 1; i + run < count && columns[i + run].source == columns[i].source; run++) {
        }
        add_varint(out, run);
        put64(bytes, columns[i].source);
        buf_add_mem(out, bytes, sizeof(bytes));
    }
}

static void add_columns(struct buf *out, const struct segment_column *columns, size_t count)
{
    int64_t time = columns[0].time;
    uint64_t expected = 0;
    for (size_t i = 0; i < count; i++) {
        add_varint(out, (uint64_t)(columns[i].time - time));
        time = columns[i].time;
    }
    for (size_t i = 0; i < count; i++) {
        add_varint(out, columns[i].len);
    }
    for (size_t i = 0; i < count; i++) {
        /* A line of a file that is read without gaps costs a zero here. */
        add_varint(out, zigzag(columns[i].offset - (expected + columns[i].len + 1)));
        expected = columns[i].offset;
    }
    for (size_t i = 0; i < count; i++) {
        buf_add_char(out, (char)columns[i].flags);
    }
    add_sources(out, columns, count);
}

/* Appends a zstd frame (RFC 8878) of `raw`; its length in *ret_len. */
static int add_frame(struct buf *out, struct str raw, uint32_t *ret_len)
{
    size_t bound = ZSTD_compressBound(raw.len);
    char *p = buf_reserve(out, bound);
    if (!p) {
        return buf_error(out);
    }
    size_t len = ZSTD_compress(p, bound, raw.p, raw.len, ZSTD_LEVEL);
    if (ZSTD_isError(len)) {
        return -ENOMEM; /* the only failure that a sufficient buffer leaves */
    }
    buf_commit(out, len);
    *ret_len = (uint32_t)len;
    return 0;
}

int segment_block_encode(const struct segment_block *block, struct buf *out,
                         struct segment_entry *ret)
{
    size_t count = block->columns.len, start = out->len;
    const struct segment_column *columns = block->columns.items;
    struct buf raw = BUF_INIT(SEGMENT_COLUMNS_MAX);
    ensure(count > 0);
    add_columns(&raw, columns, count);
    int r = buf_error(&raw);
    *ret = (struct segment_entry){
        .at = ret->at,
        .columns_raw = (uint32_t)raw.len,
        .bytes_raw = (uint32_t)block->bytes.len,
        .records = (uint32_t)count,
        .min_time = columns[0].time,
        .max_time = columns[count - 1].time,
    };
    if (r == 0) {
        r = add_frame(out, buf_str(&raw), &ret->columns_len);
    }
    if (r == 0) {
        r = add_frame(out, buf_str(&block->bytes), &ret->bytes_len);
    }
    buf_fini(&raw);
    if (r == 0) {
        ret->check = check_of(out->p + start, out->len - start, 0);
    }
    return r;
}

/* Unpacks a frame of exactly `raw_len` bytes behind `out`. The room is taken from the index and not
 * from the frame's own head, so a frame cannot ask for more memory than a block may have. */
static int take_frame(struct segment_block *block, struct str frame, size_t raw_len,
                      struct buf *out)
{
    char *p = buf_reserve(out, raw_len);
    if (!block->unpacker) { /* kept: making one costs as much as unpacking a small block */
        block->unpacker = ZSTD_createDCtx();
    }
    if (!p || !block->unpacker) {
        return -ENOMEM;
    }
    size_t len = ZSTD_decompressDCtx(block->unpacker, p, raw_len, frame.p, frame.len);
    if (ZSTD_isError(len) || len != raw_len) {
        return SEGMENT_E_BAD;
    }
    buf_commit(out, len);
    return 0;
}

static bool take_times(struct str *in, struct segment_column *columns, size_t count, int64_t time)
{
    uint64_t n;
    for (size_t i = 0; i < count; i++) {
        if (!take_varint(in, &n)) {
            return false;
        }
        time = (int64_t)((uint64_t)time + n);
        columns[i].time = time;
    }
    return true;
}

static bool take_lengths(struct str *in, struct segment_column *columns, size_t count, size_t bytes)
{
    uint64_t n;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!take_varint(in, &n) || n > SEGMENT_RECORD_MAX || at + n + 1 > bytes) {
            return false;
        }
        columns[i].start = (uint32_t)at;
        columns[i].len = (uint32_t)n;
        at += n + 1;
    }
    return at == bytes;
}

static bool take_offsets_and_flags(struct str *in, struct segment_column *columns, size_t count)
{
    uint64_t n, expected = 0;
    for (size_t i = 0; i < count; i++) {
        if (!take_varint(in, &n)) {
            return false;
        }
        columns[i].offset = unzigzag(n) + expected + columns[i].len + 1;
        expected = columns[i].offset;
    }
    if (in->len < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        columns[i].flags = (uint8_t)in->p[i];
    }
    *in = str_skip(*in, count);
    return true;
}

static bool take_sources(struct str *in, struct segment_column *columns, size_t count)
{
    uint64_t run;
    for (size_t i = 0; i < count; i += run) {
        if (!take_varint(in, &run) || run == 0 || run > count - i || in->len < 8) {
            return false;
        }
        for (size_t n = 0; n < run; n++) {
            columns[i + n].source = get64(in->p);
        }
        *in = str_skip(*in, 8);
    }
    return in->len == 0;
}

int segment_columns_decode(struct segment_block *block, const struct segment_entry *entry,
                           struct str frames)
{
    struct buf raw = BUF_INIT(SEGMENT_COLUMNS_MAX);
    vec_reset(&block->columns);
    if (entry->records > SEGMENT_BLOCK_RECORDS || entry->columns_raw > SEGMENT_COLUMNS_MAX ||
        entry->columns_len > frames.len) {
        return SEGMENT_E_BAD;
    }
    int r = take_frame(block, str_slice(frames, 0, entry->columns_len), entry->columns_raw, &raw);
    for (uint32_t i = 0; i < entry->records && r == 0; i++) {
        r = vec_add(&block->columns) ? 0 : -ENOMEM;
    }
    if (r == 0) {
        struct str in = buf_str(&raw);
        struct segment_column *columns = block->columns.items;
        size_t count = block->columns.len;
        bool ok = count > 0 && take_times(&in, columns, count, entry->min_time) &&
                  take_lengths(&in, columns, count, entry->bytes_raw) &&
                  take_offsets_and_flags(&in, columns, count) &&
                  take_sources(&in, columns, count) && columns[count - 1].time == entry->max_time;
        r = ok ? 0 : SEGMENT_E_BAD;
    }
    buf_fini(&raw);
    if (r != 0) {
        vec_reset(&block->columns);
    }
    return r;
}

int segment_block_decode(struct segment_block *block, const struct segment_entry *entry,
                         struct str frames, bool bytes_only)
{
    segment_block_reset(block);
    if (entry->bytes_raw > SEGMENT_BLOCK_BYTES_MAX ||
        (uint64_t)entry->columns_len + entry->bytes_len != frames.len ||
        check_of(frames.p, frames.len, 0) != entry->check) {
        return SEGMENT_E_BAD;
    }
    int r =
        take_frame(block, str_skip(frames, entry->columns_len), entry->bytes_raw, &block->bytes);
    if (r == 0 && !bytes_only) {
        r = segment_columns_decode(block, entry, frames);
    }
    return r;
}

/* entry:   0  8  place of the block in the file
 *          8  4  columns, compressed    12  4  and not
 *         16  4  bytes, compressed      20  4  and not
 *         24  4  records                28  4  zero
 *         32  8  first time             40  8  last time
 *         48  8  checksum of both frames as they lie in the file */
static void entry_encode(uint8_t *p, const struct segment_entry *entry)
{
    put64(p, entry->at);
    put32(p + 8, entry->columns_len);
    put32(p + 12, entry->columns_raw);
    put32(p + 16, entry->bytes_len);
    put32(p + 20, entry->bytes_raw);
    put32(p + 24, entry->records);
    put32(p + 28, 0);
    put64(p + 32, (uint64_t)entry->min_time);
    put64(p + 40, (uint64_t)entry->max_time);
    put64(p + 48, entry->check);
}

static struct segment_entry entry_decode(const char *p)
{
    return (struct segment_entry){
        .at = get64(p),
        .columns_len = get32(p + 8),
        .columns_raw = get32(p + 12),
        .bytes_len = get32(p + 16),
        .bytes_raw = get32(p + 20),
        .records = get32(p + 24),
        .min_time = (int64_t)get64(p + 32),
        .max_time = (int64_t)get64(p + 40),
        .check = get64(p + 48),
    };
}

/* footer:  0  4  blocks            4  4  zero
 *          8  8  first time       16  8  last time
 *         24  8  last offset      32  8  last source: where the source is read on without a head
 *         40  8  records          48  8  checksum of the index and the footer up to here
 *         56  8  magic "muloge1\n", at the end: a file that was cut has none */
void segment_index_encode(struct buf *out, const struct segment_entry *entries,
                          struct segment_footer *footer)
{
    size_t start = out->len, index = (size_t)footer->blocks * SEGMENT_ENTRY_SIZE;
    uint8_t *p = (uint8_t *)buf_reserve(out, index + SEGMENT_FOOTER_SIZE);
    if (!p) {
        return;
    }
    for (uint32_t i = 0; i < footer->blocks; i++) {
        entry_encode(p + (size_t)i * SEGMENT_ENTRY_SIZE, &entries[i]);
    }
    p += index;
    put32(p, footer->blocks);
    put32(p + 4, 0);
    put64(p + 8, (uint64_t)footer->min_time);
    put64(p + 16, (uint64_t)footer->max_time);
    put64(p + 24, footer->last.offset);
    put64(p + 32, footer->last.source);
    put64(p + 40, footer->records);
    put64(p + 48, check_of(out->p + start, index + 48, 0));
    memcpy(p + 56, footer_magic, 8);
    buf_commit(out, index + SEGMENT_FOOTER_SIZE);
}

int segment_footer_decode(struct str tail, uint64_t file_size, struct segment_footer *ret)
{
    if (tail.len != SEGMENT_FOOTER_SIZE || memcmp(tail.p + 56, footer_magic, 8) != 0) {
        return SEGMENT_E_BAD;
    }
    *ret = (struct segment_footer){
        .blocks = get32(tail.p),
        .min_time = (int64_t)get64(tail.p + 8),
        .max_time = (int64_t)get64(tail.p + 16),
        .last = {(int64_t)get64(tail.p + 16), get64(tail.p + 24), get64(tail.p + 32)},
        .records = get64(tail.p + 40),
    };
    uint64_t index = (uint64_t)ret->blocks * SEGMENT_ENTRY_SIZE + SEGMENT_FOOTER_SIZE;
    bool ok = ret->blocks > 0 && ret->blocks <= SEGMENT_BLOCKS_MAX &&
              index + SEGMENT_SEALED_HEADER <= file_size && ret->min_time <= ret->max_time;
    return ok ? 0 : SEGMENT_E_BAD;
}

int segment_index_decode(struct str index, const struct segment_footer *footer, uint64_t file_size,
                         struct segment_entry *ret)
{
    size_t size = (size_t)footer->blocks * SEGMENT_ENTRY_SIZE;
    if (index.len != size + SEGMENT_FOOTER_SIZE ||
        get64(index.p + size + 48) != check_of(index.p, size + 48, 0)) {
        return SEGMENT_E_BAD;
    }
    for (uint32_t i = 0; i < footer->blocks; i++) {
        ret[i] = entry_decode(index.p + (size_t)i * SEGMENT_ENTRY_SIZE);
        uint64_t len = (uint64_t)ret[i].columns_len + ret[i].bytes_len;
        if (len > SEGMENT_FRAMES_MAX || ret[i].at > file_size || len > file_size - ret[i].at) {
            return SEGMENT_E_BAD;
        }
    }
    return 0;
}

/* Eight bytes at once: the high bit of each marks an upper-case letter, moved to bit 5 it makes it
 * lower. */
static uint64_t fold_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t low_bits = word & ~high;
    uint64_t from_a = low_bits + ones * (0x80 - 'A');
    uint64_t beyond_z = low_bits + ones * (0x7f - 'Z');
    uint64_t upper = (from_a ^ beyond_z) & ~word & high;
    return word | upper >> 2;
}

void segment_fold(const char *bytes, size_t len, char *out)
{
    size_t i = 0;
    for (; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof(word));
        word = fold_word(word);
        memcpy(out + i, &word, sizeof(word));
    }
    for (; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        out[i] = (char)(c + ((unsigned char)(c - 'A') < 26 ? 32 : 0));
    }
}
