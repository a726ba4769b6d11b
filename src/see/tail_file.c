/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an output file into segments. The happy path: read a chunk behind `offset` → cut it at
 * newlines → append the records → `offset` is that of the last record. Everything else is about
 * files that are not what they were: truncated, with holes, replaced, too far ahead.
 *
 *   what is seen                          what it means                      what is done
 *   size < offset                         truncated by the service           begin_again, a notice
 *   data where a hole was made            truncated, and grown again         the same
 *   a hole at the place                   trimmed by the keeper, or the      pass_hole, a notice with
 *                                         burst limit                        the number of bytes
 *   another file has the name             moved or removed by a person       read to the end, then the new
 *   the segments' folder is gone          removed by a person                store_anew
 *   another inode, or birth time          the output was removed and made    from 0, another source
 *
 * Not seen: a service that truncates its output and writes more than had been read, between two
 * looks and before anything was freed; of that, the bytes up to the old place are missed.
 *
 * How it fails: `error` says why; the place does not move beyond what is stored, so the next look
 * comes back to the same byte. A notice that cannot be stored takes its step back, and is said
 * again.
 */
#include "see/tail_file.h"

#include "base/map.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/lease.h"

#include <stdarg.h>
#include <stdio.h>

enum { BATCH_RECORDS = 4096, PAGE = 4096, SOURCE_COUNT_MASK = 0xffff };

void tail_file_init(struct tail_file *file, const struct stream_id *id, const char *path)
{
    *file = (struct tail_file){
        .id = *id, .segment = SEGMENT_STREAM_INIT, .fd = -1, .burst = TAIL_BURST_DEFAULT};
    (void)str_copy(file->path, sizeof(file->path), str_from(path));
}

void tail_file_close(struct tail_file *file)
{
    segment_close(&file->segment);
    file_close(&file->fd);
    file->opened = false;
}

/* The wall clock, but never twice and never backwards: when it is set back, lines go on a
 * nanosecond apart until it has caught up. */
static int64_t next_time(struct tail_clock *clock)
{
    clock->last_ns = MAX(clock->last_ns + 1, clock->wall_ns);
    return clock->last_ns;
}

/* Names the file for ever: inode and when it was made, without the bits that count truncations. */
static int file_source(int fd, uint64_t *ret)
{
    struct file_stat stat;
    struct {
        uint64_t inode;
        int64_t birth_ns;
    } name = {0};
    int r = file_fstat(fd, &stat);
    if (r == 0) {
        name.inode = stat.inode;
        r = file_birth(fd, &name.birth_ns);
    }
    if (r == 0) {
        *ret =
            map_hash(0, str_make((const char *)&name, sizeof(name))) & ~(uint64_t)SOURCE_COUNT_MASK;
    }
    return r;
}

/* Where the freed part ends, as far as it was read: after a start. */
static uint64_t find_punched(const struct tail_file *file)
{
    uint64_t start = 0;
    int r = file_data_start(file->fd, 0, &start);
    return r == 0 ? MIN(start, file->offset) : 0;
}

static int open_output(struct tail_file *file)
{
    file->writable = true;
    int r = file_open(file->path, FILE_READ | FILE_WRITE | FILE_NOFOLLOW, 0, &file->fd);
    if (r == -EACCES || r == -EROFS || r == -EPERM) {
        file->writable = false;
        r = file_open(file->path, FILE_READ | FILE_NOFOLLOW, 0, &file->fd);
    }
    if (r < 0) {
        return r;
    }
    uint64_t source = 0;
    r = file_source(file->fd, &source);
    if (r < 0) {
        file_close(&file->fd);
        return r;
    }
    bool same = (file->segment.source & ~(uint64_t)SOURCE_COUNT_MASK) == source;
    file->source = same ? file->segment.source : source;
    file->offset = same ? file->segment.offset : 0;
    file->punched = find_punched(file);
    file->reserved = 0;
    return 0;
}

int tail_file_open(struct tail_file *file, const char *logs, struct tail_clock *clock)
{
    int r = 0;
    if (!file->opened) {
        char folder[STREAM_PATH_MAX];
        r = stream_folder(&file->id, logs, folder);
        if (r == 0) {
            r = segment_open(&file->segment, folder);
        }
        if (r < 0) {
            return r;
        }
        file->opened = true;
        clock->last_ns = MAX(clock->last_ns, file->segment.last_time);
    }
    if (file->fd < 0) {
        r = open_output(file);
    }
    return r == -ENOENT ? 0 : r;
}

/* A record in muelle's own words; moves the place in the file. */
static int append_notice(struct tail_file *file, struct tail_clock *clock, const char *fmt, ...)
    printf_like(3, 4);
static int append_notice(struct tail_file *file, struct tail_clock *clock, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    const struct segment_record record = {
        .time = next_time(clock),
        .offset = file->offset,
        .source = file->source,
        .flags = LOGS_NOTICE,
        .bytes = str_make(text, MIN((size_t)n, sizeof(text) - 1)),
    };
    return segment_append(&file->segment, &record, 1);
}

/* The service truncated its own file (`> /dev/stderr`): begin again, and say so. */
static void begin_again(struct tail_file *file, struct tail_clock *clock, struct tail_result *ret)
{
    uint64_t source = file->source, offset = file->offset;
    uint64_t count = (source + 1) & SOURCE_COUNT_MASK;
    file->source = (source & ~(uint64_t)SOURCE_COUNT_MASK) | count;
    file->offset = 0;
    ret->error = append_notice(file, clock,
                               "[muelle: the service truncated its own output here; what it had "
                               "written since it was read last is lost]");
    if (ret->error < 0) {
        file->source = source;
        file->offset = offset;
        return;
    }
    file->punched = file->reserved = 0;
    ret->truncated = true;
}

static bool was_truncated(const struct tail_file *file, uint64_t size)
{
    uint64_t start = 0;
    if (size < file->offset) {
        return true;
    }
    /* It may have grown again already: then there is data where a hole was. */
    return file->punched >= PAGE && file_data_start(file->fd, 0, &start) == 0 &&
           start < file->punched;
}

/* What is allocated and not unread output (room, and what waits to be freed) stays a small part of
 * the burst: a feed goes by what is allocated (run/feeds.c) and would wait for it for ever. */
static uint64_t part_of_burst(const struct tail_file *file, uint64_t most)
{
    uint64_t part = file->burst / 8;
    return MIN(part, most);
}

/* Frees [from, to) in steps, on page borders inside. Best effort: some file systems cannot. */
static uint64_t punch(struct tail_file *file, uint64_t from, uint64_t to)
{
    from = from & ~(uint64_t)(PAGE - 1);
    to = to & ~(uint64_t)(PAGE - 1);
    while (file->writable && from < to) {
        uint64_t len = MIN(to - from, (uint64_t)TAIL_HOLE_MAX);
        if (file_punch_hole(file->fd, from, len) < 0) {
            break;
        }
        from += len;
    }
    return from;
}

/* Too far behind: the oldest unread bytes go. The reader meets the hole and says how much is
 * missing. The first page is zeroed only behind the place: what lies in front of it may not be
 * synced yet. */
static void limit_burst(struct tail_file *file, uint64_t size)
{
    if (size - file->offset > file->burst && file->writable) {
        uint64_t page = ALIGN_UP(file->offset, PAGE);
        if (page == file->offset ||
            file_punch_hole(file->fd, file->offset, page - file->offset) == 0) {
            /* Some more than that, not to be back at once; but never near what is being written. */
            uint64_t more = MIN((uint64_t)TAIL_HOLE_MAX, file->burst / 2);
            (void)punch(file, page, size - file->burst + more);
        }
    }
}

/* Does a hole begin at the place, or with the next page and only zeros before? Where it ends. */
static bool find_hole(const struct tail_file *file, const char *bytes, size_t len,
                      uint64_t *ret_end)
{
    uint64_t from = file->offset, page = ALIGN_UP(from, PAGE);
    if (file_data_start(file->fd, from, ret_end) < 0) {
        return false;
    }
    if (*ret_end > from) {
        return true;
    }
    for (size_t i = 0; i < page - from; i++) {
        if (i >= len || bytes[i] != 0) {
            return false;
        }
    }
    return file_data_start(file->fd, page, ret_end) == 0 && *ret_end > page;
}

/* Passes over a hole in front of the place and the rest of the line that it cut. */
static void pass_hole(struct tail_file *file, struct tail_clock *clock, uint64_t start,
                      struct tail_result *ret)
{
    char bytes[PAGE];
    uint64_t from = file->offset;
    int64_t n = file_pread(file->fd, bytes, sizeof(bytes), start);
    const char *end = n > 0 ? memchr(bytes, '\n', (size_t)n) : NULL;
    file->offset = end ? start + (uint64_t)(end - bytes) + 1 : start;
    uint64_t dropped = file->offset - from;
    ret->error = append_notice(file, clock,
                               "[muelle: %llu bytes of output are missing here: there "
                               "was more than could be kept]",
                               (unsigned long long)dropped);
    if (ret->error < 0) {
        file->offset = from;
        return;
    }
    ret->dropped += dropped;
    ret->lines++;
}

/* Records being collected from a chunk. Their bytes lie in the chunk: flush_batch comes before the
 * next one is read over it. */
struct batch {
    struct tail_file *file;
    struct tail_clock *clock;
    struct tail_result *ret;
    struct segment_record *records;
    size_t count;
    size_t used; /* bytes of the chunk that the records cover */
};

/* Writes what was collected; moves the place on success. False: it failed, see ret->error. */
static bool flush_batch(struct batch *batch)
{
    struct tail_file *file = batch->file;
    if (batch->count == 0) {
        return true;
    }
    batch->ret->error = segment_append(&file->segment, batch->records, batch->count);
    if (batch->ret->error < 0) {
        return false;
    }
    const struct segment_record *last = &batch->records[batch->count - 1];
    batch->ret->lines += batch->count;
    batch->ret->bytes += last->offset - file->offset;
    (void)str_copy(batch->ret->last_line, sizeof(batch->ret->last_line), last->bytes);
    file->offset = last->offset;
    batch->count = 0;
    return true;
}

/* `size` bytes of the file become one record of `bytes`. */
static bool add_record(struct batch *batch, struct str bytes, size_t size, uint8_t flags)
{
    uint64_t from = batch->count ? batch->records[batch->count - 1].offset : batch->file->offset;
    batch->records[batch->count++] = (struct segment_record){
        .time = next_time(batch->clock),
        .offset = from + size,
        .source = batch->file->source,
        .flags = flags,
        .bytes = bytes,
    };
    batch->used += size;
    return batch->count < BATCH_RECORDS || flush_batch(batch);
}

/* Without its carriage return. */
static struct str trim_line(struct str line)
{
    return line.len && line.p[line.len - 1] == '\r' ? str_slice(line, 0, line.len - 1) : line;
}

/* Cuts the chunk into records. `ended`: what is left at its end is a line too. */
static void cut_lines(struct batch *batch, struct str chunk, bool ended)
{
    while (chunk.len) {
        size_t look = MIN(chunk.len, (size_t)TAIL_LINE_MAX);
        const char *newline = memchr(chunk.p, '\n', look);
        struct str line;
        size_t size;
        uint8_t flags = 0;
        if (newline) {
            line = trim_line(str_make(chunk.p, (size_t)(newline - chunk.p)));
            size = (size_t)(newline - chunk.p) + 1;
        } else if (look == TAIL_LINE_MAX) {
            line = str_make(chunk.p, look);
            size = look;
            flags = LOGS_PART;
        } else if (ended) {
            line = chunk;
            size = chunk.len;
            flags = LOGS_NO_EOL;
        } else {
            break;
        }
        if (!add_record(batch, line, size, flags)) {
            return;
        }
        chunk = str_skip(chunk, size);
    }
    (void)flush_batch(batch);
}

/* Reads and stores one chunk. Returns how far it got; 0 = nothing more for now. */
static uint64_t read_chunk(struct batch *batch, char *bytes, size_t len, uint64_t ended_at)
{
    struct tail_file *file = batch->file;
    uint64_t before = file->offset;
    int64_t n = file_pread(file->fd, bytes, len, before);
    if (n < 0) {
        batch->ret->error = (int)n;
        return 0;
    }
    uint64_t end = 0;
    if (n > 0 && bytes[0] == 0 && find_hole(file, bytes, (size_t)n, &end)) {
        pass_hole(file, batch->clock, end, batch->ret);
        return file->offset - before;
    }
    bool ended = (size_t)n < len && before + (uint64_t)n <= ended_at;
    cut_lines(batch, str_make(bytes, (size_t)n), ended);
    return file->offset - before;
}

/* Keeps room for the service to write on a full disk: blocks behind its end are allocated before
 * they are needed (fallocate with KEEP_SIZE), so the last MiB of a service's words finds its place.
 * Best effort. */
static void keep_reserve(struct tail_file *file, uint64_t size)
{
    uint64_t room = part_of_burst(file, TAIL_RESERVE);
    if (file->writable && file->reserved < size + room / 2) {
        int r = file_reserve(file->fd, size, room);
        file->reserved = r == 0 ? size + room : file->reserved;
    }
}

static void read_chunks(struct batch *batch, uint64_t size, uint64_t budget, uint64_t ended_at)
{
    struct tail_file *file = batch->file;
    struct tail_result *ret = batch->ret;
    /* One byte more than there is: a short read then says that this is the end. */
    size_t len = (size_t)MIN(size - file->offset + 1, (uint64_t)TAIL_CHUNK);
    uint64_t start = file->offset;
    char *bytes = malloc(len);
    batch->records = malloc(BATCH_RECORDS * sizeof(*batch->records));
    if (!bytes || !batch->records) {
        ret->error = -ENOMEM;
    }
    while (ret->error == 0) {
        batch->clock->wall_ns = clock_wall_ns();
        if (read_chunk(batch, bytes, len, ended_at) == 0) {
            break;
        }
        if (file->offset - start >= budget) {
            ret->more = true;
            break;
        }
    }
    free(bytes);
    free(batch->records);
}

/* Is the name another file's by now? */
static bool is_other_file(const char *path, const struct file_stat *ours)
{
    struct file_stat named;
    return file_stat(path, &named) == 0 &&
           (named.inode != ours->inode || named.device != ours->device);
}

/* Has somebody moved or removed it, and the name is another file's? And nobody writes to it any
 * more: then what it holds is all, and the other one is next. */
static bool was_left(const struct tail_file *file, const struct file_stat *stat)
{
    if (!is_other_file(file->path, stat) || lease_take(file->fd) != 0) {
        return false;
    }
    lease_end(file->fd);
    return true;
}

void tail_file_read(struct tail_file *file, struct tail_clock *clock, uint64_t budget,
                    uint64_t ended_at, struct tail_result *ret)
{
    struct batch batch = {.file = file, .clock = clock, .ret = ret};
    struct file_stat stat;
    *ret = (struct tail_result){.missing = file->fd < 0};
    if (ret->missing) {
        return;
    }
    ret->error = file_fstat(file->fd, &stat);
    if (ret->error == 0 && was_truncated(file, stat.size)) {
        begin_again(file, clock, ret);
    }
    bool left = ret->error == 0 && was_left(file, &stat);
    if (left) {
        ended_at = UINT64_MAX;
        ret->error = file_fstat(file->fd, &stat); /* its last words came before */
    }
    if (ret->error < 0) {
        return;
    }
    keep_reserve(file, stat.size);
    limit_burst(file, stat.size);
    if (stat.size > file->offset) {
        read_chunks(&batch, stat.size, budget, ended_at);
    }
    if (left && ret->error == 0 && !ret->more) {
        file_close(&file->fd);
        ret->more = true;
    }
}

/* The folder of the segments was removed under us, after the last sync at the earliest: what was
 * stored since then is read and stored again, what was there before went with the folder. */
static int store_anew(struct tail_file *file)
{
    char folder[STREAM_PATH_MAX];
    if (file->segment.synced_source == file->source) {
        file->offset = MIN(file->offset, file->segment.synced_offset);
    }
    if (!str_copy(folder, sizeof(folder), str_from(file->segment.folder))) {
        return -ENAMETOOLONG;
    }
    segment_close(&file->segment);
    int r = segment_open(&file->segment, folder);
    file->opened = r == 0;
    return r;
}

int tail_file_sync(struct tail_file *file)
{
    if (file->opened && !segment_is_there(&file->segment)) {
        return store_anew(file);
    }
    int r = segment_sync(&file->segment);
    if (r < 0 || file->fd < 0 || file->segment.synced_source != file->source) {
        return r;
    }
    uint64_t stored = file->segment.synced_offset;
    uint64_t end = stored > TAIL_KEEP ? stored - TAIL_KEEP : 0;
    /* In steps worth a journal entry of the file system. */
    if (end > file->punched && end - file->punched >= part_of_burst(file, TAIL_HOLE_MAX)) {
        file->punched = punch(file, file->punched, end);
    }
    return 0;
}

/* The lease lasts until the name is gone: who opens it in between waits, and takes a new file. */
static bool unlink_alone(struct tail_file *file)
{
    struct file_stat stat;
    if (lease_take(file->fd) != 0) {
        return false;
    }
    int r = file_fstat(file->fd, &stat);
    /* Written since, by one who closed it again; or moved away since, and the name is given anew:
     * the lease is on our file, not on that one. */
    if (r == 0 && (stat.size != file->offset || is_other_file(file->path, &stat))) {
        r = -EAGAIN;
    }
    if (r == 0) {
        r = file_unlink(file->path);
    }
    lease_end(file->fd);
    return r == 0 || r == -ENOENT;
}

bool tail_file_remove(struct tail_file *file)
{
    struct file_stat stat;
    if (file->fd < 0) {
        return !file_exists(file->path);
    }
    bool read = file_fstat(file->fd, &stat) == 0 && stat.size == file->offset;
    if (!read || segment_sync(&file->segment) < 0 || !unlink_alone(file)) {
        return false;
    }
    file_close(&file->fd);
    return true;
}
