/* SPDX-License-Identifier: Apache-2.0
 *
 * Trimming: list the sealed files of all streams → oldest end first → unlink until the rest fits
 * and is young enough → streams that nobody writes and that hold nothing young go as a whole.
 *
 *   1. Heads are never removed while their stream is written: their writer has them open.
 *   2. What cannot be listed or removed is passed over and told at the end: one damaged folder must
 *      not let all others grow. Nothing depends on a round being whole: each looks at the disk
 *      anew.
 */
#include "see/retain.h"

#include "os/file.h"
#include "store/segment_files.h"

#include <stdlib.h>

enum { RETAIN_FILES_MAX = 1 << 20 };

/* A sealed file of any stream. */
struct kept_file {
    struct segment_file file;
    uint64_t bytes;
    uint32_t stream; /* index into the catalog */
};

static int path_of(const char *folder, const struct segment_file *file,
                   char path[SEGMENT_PATH_SIZE])
{
    char name[SEGMENT_NAME_SIZE];
    segment_file_name(name, file);
    return segment_path(path, folder, name);
}

static int add_files(const char *folder, uint32_t stream, struct vec *ret)
{
    struct vec files = VEC_INIT(struct segment_file, SEGMENT_FILES_MAX);
    int r = segment_files_list(folder, &files);
    for (size_t i = 0; i < files.len && r == 0; i++) {
        struct kept_file kept = {*vec_at(&files, struct segment_file, i), 0, stream};
        char path[SEGMENT_PATH_SIZE];
        struct file_stat stat;
        r = path_of(folder, &kept.file, path);
        if (r == 0 && file_stat(path, &stat) == 0) {
            kept.bytes = stat.size;
            r = vec_push(ret, &kept);
        }
    }
    vec_fini(&files);
    return r;
}

static int by_end(const void *a, const void *b)
{
    const struct kept_file *x = a, *y = b;
    return (x->file.last > y->file.last) - (x->file.last < y->file.last);
}

static int remove_file(const char *logs, const struct vec *catalog, const struct kept_file *kept)
{
    char folder[STREAM_PATH_MAX], path[SEGMENT_PATH_SIZE];
    int r = stream_folder(vec_at(catalog, struct stream_id, kept->stream), logs, folder);
    if (r == 0) {
        r = path_of(folder, &kept->file, path);
    }
    if (r == 0) {
        r = file_unlink(path);
    }
    return r == -ENOENT ? 0 : r;
}

/* A file whose mtime is old may still have its writer: a quiet service. */
static bool is_open(const struct retain *retain, const struct stream_id *id)
{
    for (size_t i = 0; i < retain->open->len; i++) {
        if (stream_eq(vec_at(retain->open, struct stream_id, i), id)) {
            return true;
        }
    }
    return false;
}

/* A stream that nobody writes goes as a whole when its head is too old, too: by the file's mtime,
 * which is the wall clock of its last line, so that no head has to be read. */
static int remove_stream(const struct retain *retain, const struct stream_id *id,
                         struct retain_result *ret)
{
    char folder[STREAM_PATH_MAX], head[SEGMENT_PATH_SIZE];
    struct file_stat stat;
    struct vec files = VEC_INIT(struct segment_file, SEGMENT_FILES_MAX);
    int r = stream_folder(id, retain->logs, folder);
    if (r == 0) {
        r = segment_path(head, folder, SEGMENT_HEAD_NAME);
    }
    if (r == 0) {
        r = segment_files_list(folder, &files);
    }
    if (r == 0 && files.len == 0 && file_stat(head, &stat) == 0 &&
        stat.mtime_ns < retain->min_time && !is_open(retain, id)) {
        r = file_remove_tree(folder);
        ret->streams += r == 0;
        ret->freed_bytes += r == 0 ? stat.size : 0;
        if (r == 0 && retain->gone) {
            r = vec_push(retain->gone, id);
        }
    }
    vec_fini(&files);
    return r;
}

static int first_error(int r, int one)
{
    return r < 0 ? r : one;
}

static int remove_files(const struct retain *retain, const struct vec *files,
                        struct retain_result *ret)
{
    int r = 0;
    for (size_t i = 0; i < files->len; i++) {
        const struct kept_file *kept = vec_at(files, struct kept_file, i);
        if (ret->stored_bytes <= retain->max_bytes && kept->file.last >= retain->min_time) {
            break;
        }
        int one = remove_file(retain->logs, retain->catalog, kept);
        if (one == 0) {
            ret->stored_bytes -= kept->bytes;
            ret->freed_bytes += kept->bytes;
            ret->files++;
        }
        r = first_error(r, one);
    }
    return r;
}

/* The sealed files of all streams that can be listed, the one that ended first in front. */
static int list_files(const struct retain *retain, struct vec *ret)
{
    char folder[STREAM_PATH_MAX];
    int r = 0;
    for (size_t i = 0; i < retain->catalog->len; i++) {
        int one = stream_folder(vec_at(retain->catalog, struct stream_id, i), retain->logs, folder);
        r = first_error(r, one < 0 ? one : add_files(folder, (uint32_t)i, ret));
    }
    if (ret->len > 1) {
        qsort(ret->items, ret->len, sizeof(struct kept_file), by_end);
    }
    return r;
}

int retain_trim(const struct retain *retain, struct retain_result *ret)
{
    struct vec files = VEC_INIT(struct kept_file, RETAIN_FILES_MAX);
    *ret = (struct retain_result){0};
    int r = list_files(retain, &files);
    for (size_t i = 0; i < files.len; i++) {
        ret->stored_bytes += vec_at(&files, struct kept_file, i)->bytes;
    }
    r = first_error(r, remove_files(retain, &files, ret));
    for (size_t i = 0; i < retain->catalog->len; i++) {
        const struct stream_id *id = vec_at(retain->catalog, struct stream_id, i);
        r = first_error(r, remove_stream(retain, id, ret));
    }
    vec_fini(&files);
    return r;
}
