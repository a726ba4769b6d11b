/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and listings of segment files. The name of a sealed file says which times it holds, so that
 * most files are passed over without being opened: FIRST-LAST, 16 hexadecimal digits each,
 * nanoseconds since 1970. Fixed width makes the order of names (ls) that of times.
 *
 * How it fails: a file whose footer or index does not check is SEGMENT_E_BAD: readers count and
 * skip it, and trimming removes it by its name like any other.
 */
#include "store/segment_files.h"

#include "base/num.h"
#include "os/file.h"

int segment_path(char path[SEGMENT_PATH_SIZE], const char *folder, const char *name)
{
    int n = snprintf(path, SEGMENT_PATH_SIZE, "%s/%s", folder, name);
    return n < SEGMENT_PATH_SIZE ? 0 : -ENAMETOOLONG;
}

void segment_file_name(char name[SEGMENT_NAME_SIZE], const struct segment_file *file)
{
    (void)snprintf(name, SEGMENT_NAME_SIZE, "%016llx-%016llx", (unsigned long long)file->first,
                   (unsigned long long)file->last);
}

/* The inverse; false: another file. A name with times the wrong way round is no file of ours. */
static bool parse_name(struct str name, struct segment_file *ret)
{
    uint64_t first, last;
    if (name.len != 33 || name.p[16] != '-' || num_parse_hex(str_slice(name, 0, 16), &first) != 0 ||
        num_parse_hex(str_skip(name, 17), &last) != 0 || (int64_t)first > (int64_t)last) {
        return false;
    }
    *ret = (struct segment_file){(int64_t)first, (int64_t)last};
    return true;
}

static int by_first(const void *a, const void *b)
{
    const struct segment_file *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

int segment_files_list(const char *folder, struct vec *ret)
{
    struct file_dir dir;
    int r = file_dir_open(&dir, folder);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    const char *name;
    enum file_kind kind;
    while (r == 0 && (name = file_dir_next(&dir, &kind)) != NULL) {
        struct segment_file file;
        if (parse_name(str_from(name), &file)) {
            r = vec_push(ret, &file);
        }
    }
    file_dir_close(&dir);
    if (r == 0 && ret->len > 1) {
        qsort(ret->items, ret->len, sizeof(struct segment_file), by_first);
    }
    return r;
}

static int read_index(int fd, const struct segment_footer *footer, uint64_t size,
                      struct vec *ret_entries)
{
    size_t len = (size_t)footer->blocks * SEGMENT_ENTRY_SIZE + SEGMENT_FOOTER_SIZE;
    struct buf index = BUF_INIT(len);
    char *p = buf_reserve(&index, len);
    int r = p ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < footer->blocks && r == 0; i++) {
        r = vec_add(ret_entries) ? 0 : -ENOMEM;
    }
    if (r == 0) {
        int64_t n = file_pread(fd, p, len, size - len);
        r = n < 0 ? (int)n
                  : segment_index_decode(str_make(p, (size_t)n), footer, size, ret_entries->items);
    }
    buf_fini(&index);
    return r;
}

static int read_footer(int fd, struct segment_footer *ret, struct vec *ret_entries)
{
    char tail[SEGMENT_FOOTER_SIZE];
    struct file_stat stat;
    int r = file_fstat(fd, &stat);
    if (r < 0) {
        return r;
    }
    if (stat.size < SEGMENT_SEALED_HEADER + SEGMENT_FOOTER_SIZE) {
        return SEGMENT_E_BAD;
    }
    int64_t n = file_pread(fd, tail, sizeof(tail), stat.size - sizeof(tail));
    if (n < 0) {
        return (int)n;
    }
    r = segment_footer_decode(str_make(tail, (size_t)n), stat.size, ret);
    return r == 0 ? read_index(fd, ret, stat.size, ret_entries) : r;
}

int segment_sealed_open(const char *folder, const struct segment_file *file, int *ret_fd,
                        struct segment_footer *ret, struct vec *ret_entries)
{
    char name[SEGMENT_NAME_SIZE], path[SEGMENT_PATH_SIZE];
    segment_file_name(name, file);
    *ret_fd = -1;
    int r = segment_path(path, folder, name);
    if (r == 0) {
        r = file_open(path, FILE_READ, 0, ret_fd);
    }
    if (r == 0) {
        r = read_footer(*ret_fd, ret, ret_entries);
        if (r != 0) {
            file_close(ret_fd);
        }
    }
    return r;
}
