/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: descriptors and their content. Paths and folders: path.c. See file.h.
 *
 * Invariants: 1. every descriptor is close-on-exec from its first moment: a program started by
 *                another thread in between gets none of them;
 *             2. EINTR and short transfers end here: callers see all bytes, the end of the file or
 *                an error. close(2) is never repeated: on Linux the descriptor is gone even after
 *                EINTR.
 * How it fails: a write that broke off may have written a part; who cannot have that writes beside
 * it and renames (file_replace), or knows the length that counts (store/segment.c).
 */
#include "os/file.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(struct str) == sizeof(struct iovec) &&
                   offsetof(struct str, len) == offsetof(struct iovec, iov_len),
               "a slice can be handed to writev");

enum { FILE_PARTS_MAX = 64 };

int file_open(const char *path, unsigned flags, uint32_t mode, int *ret_fd)
{
    static const struct {
        unsigned from;
        int to;
    } map[] = {
        {FILE_APPEND, O_APPEND},     {FILE_CREATE, O_CREAT},        {FILE_EXCLUSIVE, O_EXCL},
        {FILE_TRUNCATE, O_TRUNC},    {FILE_DIRECTORY, O_DIRECTORY}, {FILE_NOFOLLOW, O_NOFOLLOW},
        {FILE_NONBLOCK, O_NONBLOCK},
    };
    int os_flags = O_CLOEXEC | O_NOCTTY;
    if (flags & FILE_WRITE) {
        os_flags |= flags & FILE_READ ? O_RDWR : O_WRONLY;
    }
    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        os_flags |= flags & map[i].from ? map[i].to : 0;
    }
    int fd;
    do {
        fd = open(path, os_flags, (mode_t)mode);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

void file_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd); /* after EINTR the descriptor is gone too */
        *fd = -1;
    }
}

int file_dup(int fd, int *ret_fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) {
        return -errno;
    }
    *ret_fd = copy;
    return 0;
}

int file_set_inherit(int fd, bool inherit)
{
    return fcntl(fd, F_SETFD, inherit ? 0 : FD_CLOEXEC) < 0 ? -errno : 0;
}

int file_pipe(int ret_fds[2])
{
    return pipe2(ret_fds, O_CLOEXEC) < 0 ? -errno : 0;
}

int64_t file_pread(int fd, void *p, size_t len, uint64_t offset)
{
    uint8_t *at = p;
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, at + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    return (int64_t)done;
}

int64_t file_read(int fd, void *p, size_t len)
{
    ssize_t n;
    do {
        n = read(fd, p, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int file_pwrite(int fd, const void *p, size_t len, uint64_t offset)
{
    const uint8_t *at = p;
    while (len > 0) {
        ssize_t n = pwrite(fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int file_write(int fd, const void *p, size_t len)
{
    const uint8_t *at = p;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int64_t file_writev(int fd, const struct str *parts, size_t count)
{
    ssize_t n;
    do {
        n = writev(fd, (const struct iovec *)(const void *)parts, (int)MIN(count, FILE_PARTS_MAX));
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int file_sync(int fd)
{
    return fdatasync(fd) < 0 ? -errno : 0;
}

int file_truncate(int fd, uint64_t size)
{
    return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

int file_punch_hole(int fd, uint64_t offset, uint64_t len)
{
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocate(fd, mode, (off_t)offset, (off_t)len) < 0 ? -errno : 0;
}

int file_reserve(int fd, uint64_t offset, uint64_t len)
{
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) < 0 ? -errno : 0;
}

/* SEEK_DATA (lseek(2)): file systems that do not know holes say that everything is data. */
int file_data_start(int fd, uint64_t offset, uint64_t *ret)
{
    /* lseek moves a position that pread and O_APPEND writes do not use. */
    off_t at = lseek(fd, (off_t)offset, SEEK_DATA);
    if (at >= 0) {
        *ret = (uint64_t)at;
        return 0;
    }
    if (errno != ENXIO) {
        return -errno;
    }
    struct file_stat stat = {0};
    int result = file_fstat(fd, &stat);
    *ret = result == 0 ? stat.size : 0;
    return result;
}

static uint8_t file_kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return FILE_KIND_REGULAR;
    case S_IFDIR:
        return FILE_KIND_DIRECTORY;
    case S_IFLNK:
        return FILE_KIND_LINK;
    case S_IFSOCK:
        return FILE_KIND_SOCKET;
    default:
        return FILE_KIND_OTHER;
    }
}

static void file_stat_fill(struct file_stat *ret, const struct stat *st)
{
    *ret = (struct file_stat){
        .size = (uint64_t)st->st_size,
        .allocated = (uint64_t)st->st_blocks * 512,
        .device = (uint64_t)st->st_dev,
        .inode = (uint64_t)st->st_ino,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .mode = (uint32_t)(st->st_mode & 07777),
        .uid = st->st_uid,
        .gid = st->st_gid,
        .kind = file_kind_of(st->st_mode),
    };
}

int file_fstat(int fd, struct file_stat *ret)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    file_stat_fill(ret, &st);
    return 0;
}

int file_birth(int fd, int64_t *ret_ns)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) < 0) {
        return -errno;
    }
    bool known = st.stx_mask & STATX_BTIME;
    *ret_ns = known ? st.stx_btime.tv_sec * INT64_C(1000000000) + st.stx_btime.tv_nsec : 0;
    return 0;
}

int file_stat(const char *path, struct file_stat *ret)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        return -errno;
    }
    file_stat_fill(ret, &st);
    return 0;
}

int file_lstat(const char *path, struct file_stat *ret)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        return -errno;
    }
    file_stat_fill(ret, &st);
    return 0;
}

int file_read_all(const char *path, size_t max, struct buf *out)
{
    int fd = -1;
    int result = file_open(path, FILE_READ, 0, &fd);
    if (result < 0) {
        return result;
    }
    /* Through a piece of the stack: a proc file has no size to reserve by, and `out` may be as
     * small as the file. */
    char piece[16 * 1024];
    size_t total = 0;
    int64_t n;
    while (result == 0 && (n = file_read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0) {
            result = (int)n;
        } else if ((size_t)n > max - total) {
            result = -EFBIG;
        } else {
            buf_add_mem(out, piece, (size_t)n);
            total += (size_t)n;
            result = buf_error(out);
        }
    }
    file_close(&fd);
    return result;
}

int file_read_regular(const char *path, size_t max, struct buf *out)
{
    struct file_stat stat;
    int r = file_stat(path, &stat);
    if (r < 0) {
        return r;
    }
    switch (stat.kind) {
    case FILE_KIND_REGULAR:
        return file_read_all(path, max, out);
    case FILE_KIND_DIRECTORY:
        return -EISDIR;
    default:
        return -ENOTSUP;
    }
}

int file_map(int fd, uint64_t offset, size_t len, const void **ret)
{
    void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    if (p == MAP_FAILED) {
        return -errno;
    }
    *ret = p;
    return 0;
}

void file_unmap(const void *p, size_t len)
{
    if (p) {
        munmap((void *)(uintptr_t)p, len);
    }
}
