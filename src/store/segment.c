/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing segments: append to the head, seal it when it is full, trim what is old.
 *
 * Sealing: the records of the head go into "sealing.tmp" block by block, which is synced and
 * renamed to its times; then a new, empty head replaces the old one by a rename. A crash in between
 * leaves a head whose records are all sealed already: segment_open sees that by their times and
 * replaces it then. A new head begins with where the source was read to, so that nothing is lost if
 * all files are trimmed.
 *
 * Invariants:
 * 1. head_len is behind the last whole record, and every write begins there: what a failed write
 *    left behind it is cut or written over, and is no record of the log before it is whole.
 * 2. A record is in the head or in one sealed file. Both at once happens between the two renames
 *    only, and whoever finds it (segment_open, a reader) goes by the times.
 * 3. fd is the file that lies at "head", or -1. Only a person who removes the folder breaks that
 *    (segment_is_there).
 *
 * How it fails: an append that fails has stored nothing; the caller keeps its place in the source
 * and comes again. Sealing that fails (no room for a second copy) is undone, and the head grows on
 * up to HEAD_HARD_MAX, where appends begin to fail with the same error.
 */
#include "store/segment.h"

#include "os/file.h"
#include "store/segment_files.h"

/* A head that could not be sealed (no room) may grow to this before appends are refused. */
enum {
    HEAD_HARD_MAX = 4 * SEGMENT_HEAD_MAX,
    SEAL_AGAIN = SEGMENT_HEAD_MAX / 4, /* so much further on it is tried again */
    FILE_MODE = 0600,
    FOLDER_MODE = 0700,
};

static int head_path(const struct segment_stream *stream, char path[SEGMENT_PATH_SIZE])
{
    return segment_path(path, stream->folder, SEGMENT_HEAD_NAME);
}

/* Is what we append to still the file of that name? */
static bool is_head(const char *path, int fd)
{
    struct file_stat ours, there;
    return fd >= 0 && file_fstat(fd, &ours) == 0 && file_stat(path, &there) == 0 &&
           ours.inode == there.inode;
}

bool segment_is_there(const struct segment_stream *stream)
{
    char path[SEGMENT_PATH_SIZE];
    return stream->fd < 0 || (head_path(stream, path) == 0 && is_head(path, stream->fd));
}

/* Puts a new empty head in place of what is there. When it failed, stream->fd is the head that lies
 * there, or
 * -1 when that cannot be said: nothing is appended to a file that nobody would find again. */
static int replace_head(struct segment_stream *stream)
{
    char path[SEGMENT_PATH_SIZE];
    uint8_t header[SEGMENT_HEAD_HEADER];
    segment_head_encode(header,
                        &(struct segment_base){stream->last_time, stream->offset, stream->source});
    int fd = -1;
    int r = head_path(stream, path);
    if (r == 0) {
        r = file_replace(path, str_make((const char *)header, sizeof(header)), FILE_MODE);
    }
    if (r == 0) {
        r = file_open(path, FILE_READ | FILE_WRITE, 0, &fd);
    }
    if (r == 0) {
        file_close(&stream->fd);
        stream->fd = fd;
        stream->head_len = stream->synced_len = SEGMENT_HEAD_HEADER;
        stream->head_time = 0;
        stream->seal_at = 0;
        stream->synced_offset = stream->offset;
        stream->synced_source = stream->source;
    } else if (!is_head(path, stream->fd)) {
        file_close(&stream->fd);
    }
    return r;
}

/* 0 stands for "none" in the times, so a record's time is positive. */
static void note_record(struct segment_stream *stream, const struct segment_record *record)
{
    if (!stream->head_time) {
        stream->head_time = record->time;
    }
    if (!stream->first_time) {
        stream->first_time = record->time;
    }
    stream->last_time = record->time;
    stream->offset = record->offset;
    stream->source = record->source;
}

/* Takes in the head's content; what is behind the last whole record is cut. */
static int load_head(struct segment_stream *stream, struct str bytes)
{
    struct segment_base base;
    if (segment_head_decode(bytes, &base) != 0) {
        stream->cut_bytes = bytes.len;
        return replace_head(stream); /* made by a rename, so this is a damaged disk, not a crash */
    }
    stream->last_time = MAX(stream->last_time, base.time);
    stream->offset = base.offset;
    stream->source = base.source;
    stream->head_len = SEGMENT_HEAD_HEADER;
    struct segment_record record;
    size_t size;
    while (segment_record_decode(str_skip(bytes, stream->head_len), true, &record, &size) == 0) {
        stream->head_len += size;
        note_record(stream, &record);
    }
    stream->cut_bytes = bytes.len - stream->head_len;
    return stream->cut_bytes ? file_truncate(stream->fd, stream->head_len) : 0;
}

/* Read as a whole: a head is bounded (HEAD_HARD_MAX and one batch), and this is the one moment in
 * which all of it is verified. */
static int open_head(struct segment_stream *stream)
{
    char path[SEGMENT_PATH_SIZE];
    struct buf bytes = BUF_INIT(HEAD_HARD_MAX * 2);
    int r = head_path(stream, path);
    if (r == 0) {
        r = file_open(path, FILE_READ | FILE_WRITE, 0, &stream->fd);
        if (r == -ENOENT) {
            return replace_head(stream);
        }
    }
    if (r == 0) {
        r = file_read_all(path, bytes.max, &bytes);
    }
    if (r == 0) {
        r = load_head(stream, buf_str(&bytes));
    }
    buf_fini(&bytes);
    return r;
}

static int file_bytes(const char *folder, const struct segment_file *file, uint64_t *ret)
{
    char name[SEGMENT_NAME_SIZE], path[SEGMENT_PATH_SIZE];
    struct file_stat stat = {0};
    segment_file_name(name, file);
    int r = segment_path(path, folder, name);
    if (r == 0) {
        r = file_stat(path, &stat);
    }
    *ret = r == 0 ? stat.size : 0;
    return r;
}

/* Where the newest sealed file ended: for a stream whose head is gone. */
static int load_sealed(struct segment_stream *stream, struct vec *files)
{
    struct segment_footer footer = {0};
    struct vec entries = VEC_INIT(struct segment_entry, SEGMENT_BLOCKS_MAX);
    int r = 0;
    for (size_t i = 0; i < files->len && r == 0; i++) {
        uint64_t bytes;
        r = file_bytes(stream->folder, vec_at(files, struct segment_file, i), &bytes);
        stream->sealed_bytes += bytes;
    }
    if (files->len && r == 0) {
        const struct segment_file *last = vec_at(files, struct segment_file, files->len - 1);
        int fd = -1;
        stream->first_time = vec_at(files, struct segment_file, 0)->first;
        stream->last_time = last->last;
        if (segment_sealed_open(stream->folder, last, &fd, &footer, &entries) == 0) {
            stream->offset = footer.last.offset;
            stream->source = footer.last.source;
        }
        file_close(&fd);
    }
    vec_fini(&entries);
    return r;
}

static int open_files(struct segment_stream *stream)
{
    struct vec files = VEC_INIT(struct segment_file, SEGMENT_FILES_MAX);
    char tmp[SEGMENT_PATH_SIZE];
    int r = segment_files_list(stream->folder, &files);
    if (r == 0) {
        r = load_sealed(stream, &files);
    }
    int64_t sealed_time = stream->last_time;
    if (r == 0) {
        r = open_head(stream);
    }
    if (r == 0 && files.len && stream->head_time && stream->last_time <= sealed_time) {
        r = replace_head(stream); /* the sealing was interrupted behind its rename */
    }
    if (r == 0) {
        r = segment_path(tmp, stream->folder, SEGMENT_TMP_NAME);
    }
    if (r == 0) {
        int gone = file_unlink(tmp);
        r = gone == -ENOENT ? 0 : gone;
    }
    vec_fini(&files);
    return r;
}

int segment_open(struct segment_stream *stream, const char *folder)
{
    *stream = SEGMENT_STREAM_INIT;
    stream->folder = str_dup(str_from(folder));
    int r = stream->folder ? file_mkdir_p(folder, FOLDER_MODE) : -ENOMEM;
    if (r == 0) {
        r = open_files(stream);
    }
    if (r < 0) {
        segment_close(stream);
    }
    return r;
}

void segment_close(struct segment_stream *stream)
{
    if (stream) {
        file_close(&stream->fd);
        free(stream->folder);
        stream->folder = NULL;
    }
}

/* Times that do not grow are a programmer's error: identity, order and cursors of lines rest on
 * them. */
static int encode_all(const struct segment_stream *stream, const struct segment_record *records,
                      size_t count, struct buf *out)
{
    int64_t time = stream->last_time;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        ensure(records[i].time > time && records[i].bytes.len <= SEGMENT_RECORD_MAX);
        time = records[i].time;
        bytes += records[i].bytes.len;
        segment_record_encode(out, &records[i]);
    }
    ensure(bytes <= SEGMENT_BATCH_MAX);
    return buf_error(out);
}

int segment_append(struct segment_stream *stream, const struct segment_record *records,
                   size_t count)
{
    if (stream->fd < 0) { /* all that was in it is sealed, but no new one could be made then */
        int made = replace_head(stream);
        if (made < 0) {
            return made;
        }
    }
    /* One that failed is not repeated by each append: that would pack all of the head for a
     * line. */
    if (stream->head_len > HEAD_HARD_MAX ||
        (stream->head_len > SEGMENT_HEAD_MAX && stream->head_len >= stream->seal_at)) {
        int sealed = segment_seal(stream);
        stream->seal_at = sealed < 0 ? stream->head_len + SEAL_AGAIN : 0;
        if (sealed < 0 && (stream->fd < 0 || stream->head_len > HEAD_HARD_MAX)) {
            return sealed;
        }
    }
    struct buf bytes =
        BUF_INIT(SEGMENT_BATCH_MAX + count * SEGMENT_RECORD_HEADER + SEGMENT_RECORD_HEADER);
    int r = encode_all(stream, records, count, &bytes);
    if (r == 0) {
        r = file_pwrite(stream->fd, bytes.p, bytes.len, stream->head_len);
        if (r < 0) {
            /* A part of it may be there. If cutting fails too, the next append writes over it; and
             * if a crash comes first, its whole records are as good as appended: the source goes on there. */
            int cut = file_truncate(stream->fd, stream->head_len);
            (void)cut;
        }
    }
    if (r == 0 && count) {
        stream->head_len += bytes.len;
        note_record(stream, &records[0]);
        note_record(stream, &records[count - 1]);
    }
    buf_fini(&bytes);
    return r;
}

int segment_sync(struct segment_stream *stream)
{
    if (stream->synced_len == stream->head_len || stream->fd < 0) {
        return 0;
    }
    int r = file_sync(stream->fd);
    if (r == 0) {
        stream->synced_len = stream->head_len;
        stream->synced_offset = stream->offset;
        stream->synced_source = stream->source;
    }
    return r;
}

/* What sealing needs at hand: one block of records and what it packs to, so that the memory does
 * not grow with the head. */
struct sealing {
    int fd;
    uint64_t at; /* in the new file */
    struct segment_block block;
    struct buf out;
    struct vec entries;
    struct segment_footer footer;
};

/* Writes the block where the last one ended; places in the index are the file's own, so a reader
 * needs nothing but the footer. */
static int seal_block(struct sealing *sealing)
{
    struct segment_entry *entry = vec_add(&sealing->entries);
    if (!entry) {
        return -ENOMEM;
    }
    buf_reset(&sealing->out);
    entry->at = sealing->at;
    int r = segment_block_encode(&sealing->block, &sealing->out, entry);
    if (r == 0) {
        r = file_pwrite(sealing->fd, sealing->out.p, sealing->out.len, sealing->at);
    }
    sealing->at += sealing->out.len;
    segment_block_reset(&sealing->block);
    return r;
}

static int seal_record(struct sealing *sealing, const struct segment_record *record)
{
    struct segment_footer *footer = &sealing->footer;
    int r = segment_block_add(&sealing->block, record);
    if (footer->records++ == 0) {
        footer->min_time = record->time;
    }
    footer->max_time = record->time;
    footer->last = (struct segment_base){record->time, record->offset, record->source};
    if (r == 0 && segment_block_is_full(&sealing->block)) {
        r = seal_block(sealing);
    }
    return r;
}

/* Streams the head's records through a buffer of one block. They are checked once more: a bit that
 * the disk turned since must not get a fresh checksum and be believed for ever. */
static int seal_records(struct segment_stream *stream, struct sealing *sealing)
{
    struct buf window = BUF_INIT(SEGMENT_BLOCK_RAW + SEGMENT_RECORD_MAX + SEGMENT_RECORD_HEADER);
    uint64_t at = SEGMENT_HEAD_HEADER;
    int r = 0;
    while (r == 0 && at < stream->head_len) {
        struct segment_record record;
        size_t used = 0, size;
        size_t want = (size_t)MIN(stream->head_len - at, (uint64_t)window.max);
        buf_reset(&window);
        char *p = buf_reserve(&window, want);
        int64_t n = p ? file_pread(stream->fd, p, want, at) : -ENOMEM;
        r = n < 0 ? (int)n : 0;
        struct str bytes = str_make(p, n < 0 ? 0 : (size_t)n);
        while (r == 0 && segment_record_decode(str_skip(bytes, used), true, &record, &size) == 0) {
            r = seal_record(sealing, &record);
            used += size;
        }
        if (r == 0 && used == 0) {
            r = -EIO; /* what was verified before does not read back */
        }
        at += used;
    }
    buf_fini(&window);
    if (r == 0 && sealing->block.columns.len) {
        r = seal_block(sealing);
    }
    return r;
}

/* `path` is set to the sealed file's name as soon as it may lie there. */
static int seal_end(struct segment_stream *stream, struct sealing *sealing, const char *tmp,
                    char path[SEGMENT_PATH_SIZE])
{
    char name[SEGMENT_NAME_SIZE];
    buf_reset(&sealing->out);
    sealing->footer.blocks = (uint32_t)sealing->entries.len;
    segment_index_encode(&sealing->out, sealing->entries.items, &sealing->footer);
    int r = buf_error(&sealing->out);
    if (r == 0) {
        r = file_pwrite(sealing->fd, sealing->out.p, sealing->out.len, sealing->at);
    }
    sealing->at += sealing->out.len;
    if (r == 0) {
        r = file_sync(sealing->fd);
    }
    segment_file_name(name,
                      &(struct segment_file){sealing->footer.min_time, sealing->footer.max_time});
    if (r == 0) {
        r = segment_path(path, stream->folder, name);
    }
    if (r == 0) {
        r = file_rename(tmp, path);
    }
    return r == 0 ? file_sync_dir_of(path) : r;
}

/* The head stays and goes on: what was made of its records must go, or they would be there twice,
 * in the sealed file and in front of newer ones in the head. If it cannot go, nothing more is
 * appended. */
static void undo_seal(struct segment_stream *stream, const char *tmp, const char *path)
{
    int gone = file_unlink(tmp); /* gives the room back; open removes it otherwise */
    if (path[0]) {
        gone = file_unlink(path);
        if (gone < 0 && gone != -ENOENT) {
            file_close(&stream->fd);
        }
    }
}

int segment_seal(struct segment_stream *stream)
{
    char tmp[SEGMENT_PATH_SIZE], path[SEGMENT_PATH_SIZE] = "";
    if (!stream->head_time || stream->fd < 0) {
        return 0;
    }
    struct sealing sealing = {
        .fd = -1,
        .at = SEGMENT_SEALED_HEADER,
        .block = SEGMENT_BLOCK_INIT,
        .out = BUF_INIT(SEGMENT_BLOCK_BYTES_MAX * 2),
        .entries = VEC_INIT(struct segment_entry, SEGMENT_BLOCKS_MAX),
    };
    int r = segment_path(tmp, stream->folder, SEGMENT_TMP_NAME);
    if (r == 0) {
        r = file_open(tmp, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, FILE_MODE, &sealing.fd);
    }
    if (r == 0) {
        r = file_pwrite(sealing.fd, "mulogs1\n", SEGMENT_SEALED_HEADER, 0);
    }
    if (r == 0) {
        r = seal_records(stream, &sealing);
    }
    if (r == 0) {
        r = seal_end(stream, &sealing, tmp, path);
    }
    if (r == 0) {
        r = replace_head(stream);
    }
    if (r == 0 || (path[0] && stream->fd < 0)) {
        stream->sealed_bytes += sealing.at;
    } else {
        undo_seal(stream, tmp, path);
    }
    file_close(&sealing.fd);
    segment_block_fini(&sealing.block);
    buf_fini(&sealing.out);
    vec_fini(&sealing.entries);
    return r;
}

int segment_trim(struct segment_stream *stream, uint64_t max_bytes, int64_t min_time,
                 uint64_t *ret_freed)
{
    struct vec files = VEC_INIT(struct segment_file, SEGMENT_FILES_MAX);
    int r = segment_files_list(stream->folder, &files);
    size_t i = 0;
    for (; i < files.len && r == 0; i++) {
        const struct segment_file *file = vec_at(&files, struct segment_file, i);
        char name[SEGMENT_NAME_SIZE], path[SEGMENT_PATH_SIZE];
        uint64_t bytes;
        if (stream->sealed_bytes <= max_bytes && file->last >= min_time) {
            break;
        }
        segment_file_name(name, file);
        r = file_bytes(stream->folder, file, &bytes);
        if (r == 0) {
            r = segment_path(path, stream->folder, name);
        }
        if (r == 0) {
            r = file_unlink(path);
        }
        if (r == 0) {
            stream->sealed_bytes -= MIN(bytes, stream->sealed_bytes);
            *ret_freed += bytes;
        }
    }
    if (r == 0) {
        stream->first_time =
            i < files.len ? vec_at(&files, struct segment_file, i)->first : stream->head_time;
    }
    vec_fini(&files);
    return r;
}
