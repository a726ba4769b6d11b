/* SPDX-License-Identifier: Apache-2.0
 *
 * Output files: see outfile.h. Opened under a lease (lease.h), so that who removes old ones cannot
 * take one away between its opening and its use.
 *
 * Trimming punches holes in steps of a MiB, at most 64 of them a call: it runs on the keeper's loop
 * while no core reads, and each step is a transaction of the file system. `allocated` is asked
 * besides the size, because a file whose front is a hole already holds less than its size says.
 */
#include "os/outfile.h"
#include "base/str.h"
#include "os/file.h"
#include "os/lease.h"
#include <limits.h>

enum { OUTFILE_STEP = 1024 * 1024, OUTFILE_STEPS_MAX = 64 };

int outfile_open(const char *path, const struct outfile_owner *owner, int *ret_fd)
{
    char folder[PATH_MAX];
    char *slash = str_copy(folder, sizeof(folder), str_from(path)) ? strrchr(folder, '/') : NULL;
    if (!slash || slash == folder) {
        return -EINVAL;
    }
    *slash = '\0';
    unsigned flags = FILE_WRITE | FILE_APPEND | FILE_CREATE | FILE_NOFOLLOW;
    int result = lease_open(path, flags, 0640, ret_fd);
    if (result == -ENOENT) {
        result = file_mkdir_p(folder, 0755);
        result = result < 0 ? result : lease_open(path, flags, 0640, ret_fd);
    }
    if (result == 0 && owner && file_fchown(*ret_fd, owner->uid, owner->gid) < 0) {
        file_close(ret_fd);
        result = -EPERM;
    }
    return result;
}

uint64_t outfile_trim(const char *path, uint64_t keep)
{
    struct file_stat stat;
    uint64_t start = 0;
    uint64_t freed = 0;
    int fd = -1;
    if (file_open(path, FILE_WRITE | FILE_NOFOLLOW, 0, &fd) < 0) {
        return 0;
    }
    if (file_fstat(fd, &stat) == 0 && stat.size > keep && stat.allocated > keep &&
        file_data_start(fd, 0, &start) == 0) {
        uint64_t end = stat.size - keep;
        for (int i = 0; start < end && i < OUTFILE_STEPS_MAX; i++) {
            uint64_t step = MIN(end - start, (uint64_t)OUTFILE_STEP);
            if (file_punch_hole(fd, start, step) < 0) {
                break;
            }
            start += step;
            freed = start;
        }
    }
    file_close(&fd);
    return freed;
}
