/* SPDX-License-Identifier: Apache-2.0
 *
 * One append a batch: whole lines, also when two projects write to the same file. Runs on the
 * worker. What cannot be written is counted and dropped: the store has it.
 */
#include "see/access_file.h"

#include "os/file.h"

#include <string.h>

void access_file_fini(struct access_file *file)
{
    file_close(&file->fd);
    buf_fini(&file->lines);
}

void access_file_set(struct access_file *file, const char *path)
{
    if (strcmp(file->path, path)) {
        file_close(&file->fd);
        (void)str_copy(file->path, sizeof(file->path), str_from(path));
        file->error = 0;
    }
}

static bool is_stream(const struct access_file *file, const char **ret_path)
{
    *ret_path = !strcmp(file->path, "stdout")   ? "/dev/stdout"
                : !strcmp(file->path, "stderr") ? "/dev/stderr"
                                                : file->path;
    return *ret_path != file->path;
}

/* Is what the path names still what is open? */
static int open_again(struct access_file *file)
{
    struct file_stat stat;
    const char *path;
    bool stream = is_stream(file, &path);
    if (file->fd >= 0 && !stream) {
        int r = file_stat(path, &stat);
        if (r < 0 || stat.inode != file->inode || stat.device != file->device) {
            file_close(&file->fd);
        }
    }
    if (file->fd >= 0) {
        return 0;
    }
    unsigned flags = FILE_WRITE | FILE_APPEND | (stream ? 0 : FILE_CREATE);
    int r = file_open(path, flags, 0640, &file->fd);
    r = r < 0 ? r : file_fstat(file->fd, &stat);
    if (r == 0) {
        file->inode = stat.inode;
        file->device = stat.device;
    }
    return r;
}

void access_file_write(struct access_file *file, size_t count)
{
    if (file->path[0] && file->lines.len) {
        int r = buf_error(&file->lines);
        r = r < 0 ? r : open_again(file);
        r = r < 0 ? r : file_write(file->fd, file->lines.p, file->lines.len);
        file->lost += r < 0 ? count : 0;
        file->error = r;
    }
    buf_reset(&file->lines);
}
