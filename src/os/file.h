/* SPDX-License-Identifier: Apache-2.0
 *
 * Files. Blocking calls: short ones (the keeper's, a tail's) may run on a loop, long ones belong to
 * a worker. Paths are NUL-terminated; descriptors are close-on-exec. Functions return 0 or -errno
 * unless they say else.
 */
#ifndef OS_FILE_H
#define OS_FILE_H

#include "base/buf.h"

enum file_open_flags {
    FILE_READ = 1,
    FILE_WRITE = 2,
    FILE_APPEND = 4,
    FILE_CREATE = 8,
    FILE_EXCLUSIVE = 16, /* with CREATE: fails when it is there */
    FILE_TRUNCATE = 32,
    FILE_DIRECTORY = 64,
    FILE_NOFOLLOW = 128,
    FILE_NONBLOCK = 256,
};

enum file_kind {
    FILE_KIND_REGULAR,
    FILE_KIND_DIRECTORY,
    FILE_KIND_LINK,
    FILE_KIND_SOCKET,
    FILE_KIND_OTHER
};

struct file_stat {
    uint64_t size;
    uint64_t allocated; /* bytes on disk: smaller than size where holes were punched */
    uint64_t device;
    uint64_t inode;
    int64_t mtime_ns;
    uint32_t mode; /* permission bits */
    uint32_t uid;
    uint32_t gid;
    uint8_t kind; /* enum file_kind */
};

struct file_system {
    bool network; /* NFS, SMB, 9p, AFS, FUSE …: no place for a state folder */
    char name[16];
    uint64_t free_bytes; /* for this user */
    uint64_t total_bytes;
};

struct file_dir { /* nothing is allocated */
    int fd, at, len;
    char space[4096] __attribute__((aligned(8)));
};

must_check int file_open(const char *path, unsigned flags, uint32_t mode, int *ret_fd);
void file_close(int *fd); /* and sets -1; nothing when it is -1 */
must_check int file_dup(int fd, int *ret_fd);
/* Whether a program executed by this process gets the descriptor. */
must_check int file_set_inherit(int fd, bool inherit);
must_check int file_pipe(int ret_fds[2]); /* read end, write end */

/* Bytes (fewer only at the end of the file), or -errno. */
must_check int64_t file_pread(int fd, void *p, size_t len, uint64_t offset);
/* One read(2) of a stream or proc file: bytes, 0 at the end, -EAGAIN, -errno. */
must_check int64_t file_read(int fd, void *p, size_t len);
/* All or -errno. */
must_check int file_pwrite(int fd, const void *p, size_t len, uint64_t offset);
must_check int file_write(int fd, const void *p, size_t len);
/* One writev of at most 64 parts: bytes or -errno. */
must_check int64_t file_writev(int fd, const struct str *parts, size_t count);
must_check int file_sync(int fd);                  /* fdatasync */
must_check int file_sync_dir_of(const char *path); /* the folder that holds `path` */
must_check int file_truncate(int fd, uint64_t size);
/* Frees [offset, offset+len) on disk; the size stays. -EOPNOTSUPP where the file system cannot. */
must_check int file_punch_hole(int fd, uint64_t offset, uint64_t len);
/* Reserves blocks without changing the size. */
must_check int file_reserve(int fd, uint64_t offset, uint64_t len);
/* First byte at or after `offset` that is not in a hole; the size when there is none. */
must_check int file_data_start(int fd, uint64_t offset, uint64_t *ret);

must_check int file_fstat(int fd, struct file_stat *ret);
must_check int file_birth(int fd, int64_t *ret_ns); /* when it was made; 0 = not known here */
must_check int file_stat(const char *path, struct file_stat *ret); /* follows links */
must_check int file_lstat(const char *path, struct file_stat *ret);
static inline bool file_exists(const char *path)
{
    struct file_stat stat;
    return file_stat(path, &stat) == 0;
}
must_check int file_rename(const char *from, const char *to);
must_check int file_unlink(const char *path);
must_check int file_mkdir(const char *path, uint32_t mode);
/* With all its parents; fine when it is there. */
must_check int file_mkdir_p(const char *path, uint32_t mode);
must_check int file_rmdir(const char *path);
/* A folder with all it holds; links are not followed; fine when it is not there. */
must_check int file_remove_tree(const char *path);
must_check int file_chmod(const char *path, uint32_t mode);
must_check int file_chown(const char *path, uint32_t uid, uint32_t gid);
/* What the descriptor names, whatever happens to its path. */
must_check int file_fchown(int fd, uint32_t uid, uint32_t gid);
must_check int file_symlink(const char *target, const char *path);
/* Absolute, links resolved. */
must_check int file_real_path(const char *path, struct buf *out);
must_check int file_working_dir(struct buf *out);

must_check int file_dir_open(struct file_dir *dir, const char *path);
/* The next name without "." and "..", in no order, valid until the next call; NULL at the end. */
const char *file_dir_next(struct file_dir *dir, enum file_kind *ret_kind);
void file_dir_close(struct file_dir *dir);

/* Appends the whole file. -EFBIG beyond `max` bytes. */
must_check int file_read_all(const char *path, size_t max, struct buf *out);
/* The same of a regular file; -ENOTSUP for anything else: reading a pipe could wait for ever. */
must_check int file_read_regular(const char *path, size_t max, struct buf *out);
/* Writes beside it, syncs, renames, syncs the folder: readers see the old or the new content. */
must_check int file_replace(const char *path, struct str content, uint32_t mode);
/* What kind of file system holds `path`, and how full it is. */
must_check int file_system_of(const char *path, struct file_system *ret);

/* Maps [offset, offset+len) for reading. */
must_check int file_map(int fd, uint64_t offset, size_t len, const void **ret);
void file_unmap(const void *p, size_t len);

#endif
