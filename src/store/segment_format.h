/* SPDX-License-Identifier: Apache-2.0
 *
 * The formats of log segments, as pure functions over memory. All numbers are little-endian. The
 * disk may lie: every length is checked, every piece has a checksum (XXH3).
 *
 * head:    0  8  magic "mulogh1\n"
 *          8  8  time of the last record before this file (0 = none)
 *         16  8  offset of that record, 24 8 its source: where to go on when the head is empty
 *         32  8  checksum of the 32 bytes before; then records:
 * record:  0  4  length of the bytes        4  4  checksum of all the rest (seeded with the length)
 *          8  8  time     16 8 offset      24  8  source    32  1  flags    33 ... bytes
 *
 * sealed:  0  8  magic "mulogs1\n"; then blocks (two zstd frames each: columns, bytes), the index
 *                (SEGMENT_ENTRY_SIZE for each block) and the footer of SEGMENT_FOOTER_SIZE.
 * columns: time (varint of the difference), length (varint), offset (zigzag varint of the
 *          difference to offset + length + 1 of the record before), flags (a byte), each for all
 *          records one after another; then runs of equal sources (varint count, 8 bytes).
 * bytes:   each record's bytes and a newline.
 */
#ifndef STORE_SEGMENT_FORMAT_H
#define STORE_SEGMENT_FORMAT_H

#include "base/vec.h"
#include "store/segment.h"

enum {
    SEGMENT_HEAD_HEADER = 40,
    SEGMENT_RECORD_HEADER = 33,
    SEGMENT_SEALED_HEADER = 8,
    SEGMENT_ENTRY_SIZE = 56,
    SEGMENT_FOOTER_SIZE = 64,
    SEGMENT_BLOCK_RECORDS = 8192,
    /* What a block may hold at most: it is closed when it is beyond SEGMENT_BLOCK_RAW. */
    SEGMENT_BLOCK_BYTES_MAX = SEGMENT_BLOCK_RAW + SEGMENT_RECORD_MAX + 2,
    SEGMENT_COLUMNS_MAX = SEGMENT_BLOCK_RECORDS * 44,
    SEGMENT_FRAMES_MAX = 2 * (SEGMENT_BLOCK_BYTES_MAX + SEGMENT_COLUMNS_MAX), /* both, packed */
    SEGMENT_BLOCKS_MAX = 4096,                                                /* in one file */
};

struct segment_base { /* of a head */
    int64_t time;
    uint64_t offset;
    uint64_t source;
};

void segment_head_encode(uint8_t out[SEGMENT_HEAD_HEADER], const struct segment_base *base);
enum { SEGMENT_E_BAD = 1 }; /* what was read is damaged or torn */
must_check int segment_head_decode(struct str bytes, struct segment_base *ret);

/* Appends one record. */
void segment_record_encode(struct buf *out, const struct segment_record *record);
/* The record at the start of `bytes` and its size; SEGMENT_E_BAD: torn or damaged. `verify` false
 * skips the checksum (for walking over records that were verified before). */
must_check int segment_record_decode(struct str bytes, bool verify, struct segment_record *ret,
                                     size_t *ret_size);

/* Records as columns: being collected, or read. */
struct segment_block {
    struct vec columns; /* struct segment_column */
    struct buf bytes;
    void *unpacker; /* zstd's, made when it is needed */
};
struct segment_column {
    int64_t time;
    uint64_t offset;
    uint64_t source;
    uint32_t start; /* of the record's bytes */
    uint32_t len;
    uint8_t flags;
};
#define SEGMENT_BLOCK_INIT                                                                         \
    ((struct segment_block){VEC_INIT(struct segment_column, SEGMENT_BLOCK_RECORDS),                \
                            BUF_INIT(SEGMENT_BLOCK_BYTES_MAX), NULL})
void segment_block_fini(struct segment_block *block);
void segment_block_reset(struct segment_block *block);
/* 0, -ENOMEM, -ENOBUFS (beyond the limits above). */
must_check int segment_block_add(struct segment_block *block, const struct segment_record *record);
static inline bool segment_block_is_full(const struct segment_block *block)
{
    return block->bytes.len >= SEGMENT_BLOCK_RAW || block->columns.len == SEGMENT_BLOCK_RECORDS;
}
struct segment_record segment_block_at(const struct segment_block *block, size_t i);

struct segment_entry { /* where a sealed block lies */
    uint64_t at;
    uint32_t columns_len, columns_raw; /* compressed, and not */
    uint32_t bytes_len, bytes_raw;
    uint32_t records;
    int64_t min_time, max_time;
    uint64_t check; /* of both frames */
};
/* Compresses the block behind `out` (written to the file at entry->at). 0, -ENOMEM, -EIO. */
must_check int segment_block_encode(const struct segment_block *block, struct buf *out,
                                    struct segment_entry *ret);
/* Decodes both frames; with `bytes_only` the columns stay empty. 0, SEGMENT_E_BAD, -ENOMEM. */
must_check int segment_block_decode(struct segment_block *block, const struct segment_entry *entry,
                                    struct str frames, bool bytes_only);
must_check int segment_columns_decode(struct segment_block *block,
                                      const struct segment_entry *entry, struct str frames);

struct segment_footer {
    uint32_t blocks;
    int64_t min_time, max_time;
    struct segment_base last; /* offset and source of the last record */
    uint64_t records;
};
/* Index and footer, in this order. */
void segment_index_encode(struct buf *out, const struct segment_entry *entries,
                          struct segment_footer *footer);
/* `tail` is the file's last SEGMENT_FOOTER_SIZE bytes. 0 or SEGMENT_E_BAD. */
must_check int segment_footer_decode(struct str tail, uint64_t file_size,
                                     struct segment_footer *ret);
/* `index`: footer->blocks entries and the footer. Checks them; file_size bounds what they name. */
must_check int segment_index_decode(struct str index, const struct segment_footer *footer,
                                    uint64_t file_size, struct segment_entry *ret);

/* ASCII letters of `bytes` to lower case, into `out` of the same length. */
void segment_fold(const char *bytes, size_t len, char *out);

#endif
