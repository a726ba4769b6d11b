/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading segments: sealed files in the order of their names, then the head (or all of it
 * backwards), one block in memory at a time. The head is walked once and treated as a list of
 * uncompressed blocks.
 *
 * It shares nothing with the writer but the folder. The head is opened before the folder is listed:
 * if it is sealed in between, its records are met twice and the copies in the head are dropped by
 * their time; the other way round they would be missed. A file that is trimmed meanwhile is
 * skipped.
 *
 * Invariants: 1. records come in the order of their times, each once;
 *             2. memory is one block and its frames, whatever the size of the log;
 *             3. what the disk returns is checked before it is believed: a block that does not
 *                check is counted (`damaged`) and passed over, and the next one read.
 * Happy path: next_file (those whose name overlaps the query) → next_block (those whose times do) →
 * load_block → next_in_block. Each step forward or backward is the same code with the index turned.
 */
#include "store/segment.h"

#include "os/file.h"
#include "store/segment_files.h"

struct segment_reader {
    char *folder;
    struct segment_query query;
    char *text;          /* what is searched, folded if case does not matter */
    int head_fd;         /* -1 = there is none */
    int64_t sealed_time; /* the last one: older records of the head are copies */
    struct vec files;    /* struct segment_file */
    size_t files_done;   /* files behind us, in reading order; files.len = now the head */
    /* the file that is read */
    int fd;
    bool in_head;
    bool file_open;
    struct vec
        entries; /* struct segment_entry; those of the head have only at, bytes_len and times */
    size_t blocks_done;
    /* the block that is read */
    struct segment_block block;
    struct buf folded;
    struct buf frames;
    bool block_loaded;
    size_t records_done;
    uint64_t scanned, damaged;
};

uint64_t segment_reader_scanned(const struct segment_reader *reader)
{
    return reader->scanned;
}

uint64_t segment_reader_damaged(const struct segment_reader *reader)
{
    return reader->damaged;
}

void segment_reader_free(struct segment_reader *reader)
{
    if (!reader) {
        return;
    }
    if (!reader->in_head) {
        file_close(&reader->fd);
    }
    file_close(&reader->head_fd);
    vec_fini(&reader->files);
    vec_fini(&reader->entries);
    segment_block_fini(&reader->block);
    buf_fini(&reader->folded);
    buf_fini(&reader->frames);
    free(reader->folder);
    free(reader->text);
    free(reader);
}

static int open_all(struct segment_reader *reader)
{
    char path[SEGMENT_PATH_SIZE];
    int r = segment_path(path, reader->folder, SEGMENT_HEAD_NAME);
    if (r == 0) {
        r = file_open(path, FILE_READ, 0, &reader->head_fd);
        r = r == -ENOENT ? 0 : r;
    }
    if (r == 0) {
        r = segment_files_list(reader->folder, &reader->files);
    }
    if (r == 0 && reader->files.len) {
        reader->sealed_time =
            vec_at(&reader->files, struct segment_file, reader->files.len - 1)->last;
    }
    return r;
}

int segment_reader_new(const char *folder, const struct segment_query *query,
                       struct segment_reader **ret)
{
    struct segment_reader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        return -ENOMEM;
    }
    *reader = (struct segment_reader){
        .folder = str_dup(str_from(folder)),
        .query = *query,
        .text = str_dup(query->text),
        .head_fd = -1,
        .fd = -1,
        .files = VEC_INIT(struct segment_file, SEGMENT_FILES_MAX),
        .entries = VEC_INIT(struct segment_entry, SEGMENT_BLOCKS_MAX),
        .block = SEGMENT_BLOCK_INIT,
        .folded = BUF_INIT(SEGMENT_BLOCK_BYTES_MAX),
        .frames = BUF_INIT(SEGMENT_FRAMES_MAX),
    };
    int r = reader->folder && (reader->text || !query->text.len) ? open_all(reader) : -ENOMEM;
    if (r < 0) {
        segment_reader_free(reader);
        return r;
    }
    reader->query.text.p = reader->text;
    if (query->ignore_case && query->text.len) {
        segment_fold(reader->text, query->text.len, reader->text);
    }
    *ret = reader;
    return 0;
}

/* [first, last] of a file or block against [from, to) of the query. */
static bool overlaps(const struct segment_reader *reader, int64_t first, int64_t last)
{
    return last >= reader->query.from && first < reader->query.to;
}

/* Reads [at, at+len) into frames; fewer bytes only at the end of the file, which the checks of what
 * is decoded then find. */
static int read_frames(struct segment_reader *reader, uint64_t at, size_t len)
{
    buf_reset(&reader->frames);
    char *p = buf_reserve(&reader->frames, len);
    int64_t n = p ? file_pread(reader->fd, p, len, at) : -ENOMEM;
    if (n >= 0) {
        buf_commit(&reader->frames, (size_t)n);
    }
    return n < 0 ? (int)n : 0;
}

/* Notes one stretch of whole records of the head; what is behind the last valid one does not
 * count. */
static int index_stretch(struct segment_reader *reader, uint64_t at, size_t *ret_used)
{
    struct segment_entry entry = {.at = at};
    struct segment_record record;
    struct str bytes = buf_str(&reader->frames);
    size_t used = 0, size;
    while (used < SEGMENT_BLOCK_RAW && entry.records < SEGMENT_BLOCK_RECORDS &&
           segment_record_decode(str_skip(bytes, used), true, &record, &size) == 0) {
        if (entry.records++ == 0) {
            entry.min_time = record.time;
        }
        entry.max_time = record.time;
        used += size;
    }
    entry.bytes_len = (uint32_t)used;
    *ret_used = used;
    return used ? vec_push(&reader->entries, &entry) : 0;
}

static int open_head(struct segment_reader *reader)
{
    size_t used, window = SEGMENT_BLOCK_RAW + SEGMENT_RECORD_MAX + SEGMENT_RECORD_HEADER;
    uint64_t at = SEGMENT_HEAD_HEADER;
    reader->fd = reader->head_fd;
    reader->in_head = true;
    vec_reset(&reader->entries);
    if (reader->head_fd < 0) {
        return 0;
    }
    int r;
    do {
        r = read_frames(reader, at, window);
        used = 0;
        if (r == 0) {
            r = index_stretch(reader, at, &used);
        }
        at += used;
    } while (r == 0 && used > 0);
    return r;
}

static int open_sealed(struct segment_reader *reader, const struct segment_file *file)
{
    struct segment_footer footer;
    vec_reset(&reader->entries);
    int r = segment_sealed_open(reader->folder, file, &reader->fd, &footer, &reader->entries);
    if (r == -ENOENT || r == SEGMENT_E_BAD) {
        reader->damaged += r == SEGMENT_E_BAD;
        vec_reset(&reader->entries);
        return 0; /* as a file without blocks */
    }
    return r;
}

/* Opens the next file in reading order; *ret_any = false when there is none. */
static int next_file(struct segment_reader *reader, bool *ret_any)
{
    if (!reader->in_head) {
        file_close(&reader->fd);
    }
    reader->fd = -1;
    reader->in_head = false;
    size_t total = reader->files.len + 1; /* and the head */
    while (reader->files_done < total) {
        size_t i = reader->files_done++;
        i = reader->query.backward ? total - 1 - i : i;
        const struct segment_file *file =
            i < reader->files.len ? vec_at(&reader->files, struct segment_file, i) : NULL;
        if (file && !overlaps(reader, file->first, file->last)) {
            continue;
        }
        *ret_any = true;
        reader->blocks_done = 0;
        return file ? open_sealed(reader, file) : open_head(reader);
    }
    *ret_any = false;
    return 0;
}

/* The head's stretch as a block; copies of sealed records are left out. */
static int parse_stretch(struct segment_reader *reader, const struct segment_entry *entry)
{
    struct segment_record record;
    size_t used = 0, size;
    struct str bytes = buf_str(&reader->frames);
    int r = 0;
    segment_block_reset(&reader->block);
    for (uint32_t i = 0; i < entry->records && r == 0; i++, used += size) {
        if (segment_record_decode(str_skip(bytes, used), false, &record, &size) != 0) {
            break; /* it was cut meanwhile */
        }
        if (record.time > reader->sealed_time) {
            r = segment_block_add(&reader->block, &record);
        }
    }
    return r;
}

/* Is the text anywhere in the block? Sets up the folded copy when case does not matter. */
static bool block_has_text(struct segment_reader *reader)
{
    struct str bytes = buf_str(&reader->block.bytes);
    if (!reader->query.text.len) {
        return true;
    }
    if (reader->query.ignore_case) {
        buf_reset(&reader->folded);
        char *p = buf_reserve(&reader->folded, bytes.len);
        if (!p) {
            return false; /* buf_error says so to load_block */
        }
        segment_fold(bytes.p, bytes.len, p);
        buf_commit(&reader->folded, bytes.len);
        bytes = buf_str(&reader->folded);
    }
    return memmem(bytes.p, bytes.len, reader->query.text.p, reader->query.text.len) != NULL;
}

/* A sealed block: its bytes first, and its columns only if the text occurs in them. A hit that
 * spans two records (the newline between them is part of the text) is found here and refused by
 * `matches`. */
static int load_sealed(struct segment_reader *reader, const struct segment_entry *entry)
{
    int r = segment_block_decode(&reader->block, entry, buf_str(&reader->frames), true);
    if (r == 0 && block_has_text(reader)) {
        r = segment_columns_decode(&reader->block, entry, buf_str(&reader->frames));
    }
    if (r == SEGMENT_E_BAD) {
        reader->damaged++;
        segment_block_reset(&reader->block);
        r = 0;
    }
    return r;
}

static int load_block(struct segment_reader *reader, const struct segment_entry *entry)
{
    int r = read_frames(reader, entry->at, (size_t)entry->columns_len + entry->bytes_len);
    if (r == 0) {
        r = reader->in_head ? parse_stretch(reader, entry) : load_sealed(reader, entry);
    }
    reader->scanned += reader->block.bytes.len;
    if (r == 0 && reader->in_head && !block_has_text(reader)) {
        vec_reset(&reader->block.columns);
    }
    if (r == 0) {
        r = buf_error(&reader->folded);
    }
    reader->records_done = 0;
    reader->block_loaded = r == 0;
    return r;
}

/* Loads the next block of the open file; *ret_any = false at its end. */
static int next_block(struct segment_reader *reader, bool *ret_any)
{
    reader->block_loaded = false;
    while (reader->blocks_done < reader->entries.len) {
        size_t i = reader->blocks_done++;
        i = reader->query.backward ? reader->entries.len - 1 - i : i;
        const struct segment_entry *entry = vec_at(&reader->entries, struct segment_entry, i);
        if (overlaps(reader, entry->min_time, entry->max_time)) {
            *ret_any = true;
            return load_block(reader, entry);
        }
    }
    *ret_any = false;
    return 0;
}

static bool matches(const struct segment_reader *reader, const struct segment_column *column)
{
    const struct segment_query *query = &reader->query;
    if (column->time < query->from || column->time >= query->to) {
        return false;
    }
    const char *bytes = query->ignore_case ? reader->folded.p : reader->block.bytes.p;
    return !query->text.len ||
           memmem(bytes + column->start, column->len, query->text.p, query->text.len) != NULL;
}

/* The next record of the loaded block that matches. */
static bool next_in_block(struct segment_reader *reader, struct segment_record *ret)
{
    size_t count = reader->block.columns.len;
    while (reader->block_loaded && reader->records_done < count) {
        size_t i = reader->records_done++;
        i = reader->query.backward ? count - 1 - i : i;
        if (matches(reader, vec_at(&reader->block.columns, struct segment_column, i))) {
            *ret = segment_block_at(&reader->block, i);
            return true;
        }
    }
    return false;
}

int segment_reader_next(struct segment_reader *reader, struct segment_record *ret)
{
    while (!next_in_block(reader, ret)) {
        bool any = false;
        const bool *cancelled = reader->query.cancelled;
        if (cancelled && __atomic_load_n(cancelled, __ATOMIC_RELAXED)) {
            return -ECANCELED;
        }
        int r = reader->file_open ? next_block(reader, &any) : 0;
        if (r == 0 && !any) {
            r = next_file(reader, &any);
            reader->file_open = any;
            if (r == 0 && !any) {
                return SEGMENT_E_END;
            }
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
