/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths, folders and file systems: the second half of file.h.
 *
 * Removing a tree goes by descriptors of folders and never follows a link (openat, O_NOFOLLOW): a
 * service may own what lies in there, and a link put in place of a folder in the right moment must
 * not lead us out. Folders are read with getdents64 into the caller's struct, so that the keeper
 * can list one without allocating.
 * How it fails: an error of reading a folder ends the list as its end does: listings serve searches
 * and clean-ups, which look again. file_replace leaves "NAME.PID.tmp" behind when it is killed in
 * the middle; two threads must not replace one path at a time.
 */
#include "os/file.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

int file_rename(const char *from, const char *to)
{
    return rename(from, to) < 0 ? -errno : 0;
}

int file_unlink(const char *path)
{
    return unlink(path) < 0 ? -errno : 0;
}

int file_mkdir(const char *path, uint32_t mode)
{
    return mkdir(path, (mode_t)mode) < 0 ? -errno : 0;
}

int file_rmdir(const char *path)
{
    return rmdir(path) < 0 ? -errno : 0;
}

int file_chmod(const char *path, uint32_t mode)
{
    return chmod(path, (mode_t)mode) < 0 ? -errno : 0;
}

int file_chown(const char *path, uint32_t uid, uint32_t gid)
{
    return chown(path, uid, gid) < 0 ? -errno : 0;
}

int file_fchown(int fd, uint32_t uid, uint32_t gid)
{
    return fchown(fd, uid, gid) < 0 ? -errno : 0;
}

int file_symlink(const char *target, const char *path)
{
    return symlink(target, path) < 0 ? -errno : 0;
}

/* mkdir that is content with a folder that is there. */
static int file_mkdir_one(const char *path, uint32_t mode)
{
    if (mkdir(path, (mode_t)mode) == 0) {
        return 0;
    }
    int error = errno;
    struct stat st;
    /* Also EROFS, EACCES …: parents that exist need not be writable. */
    if (stat(path, &st) == 0) {
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    }
    return -error;
}

int file_mkdir_p(const char *path, uint32_t mode)
{
    /* Mostly it is there, or only the last part is not. */
    int last = file_mkdir_one(path, mode);
    if (last != -ENOENT) {
        return last;
    }
    char space[PATH_MAX];
    if (!str_copy(space, sizeof(space), str_from(path))) {
        return -ENAMETOOLONG;
    }
    for (char *at = space + 1; *at; at++) {
        if (*at != '/') {
            continue;
        }
        *at = '\0';
        int result = file_mkdir_one(space, mode);
        if (result < 0) {
            return result;
        }
        *at = '/';
    }
    return file_mkdir_one(space, mode);
}

/* Empties the folder open as `fd` (which it consumes); folders inside by recursion, so depth is
 * bounded. */
static int file_empty_dir(int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int error = -errno;
        close(fd);
        return error;
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (entry = readdir(dir))) {
        const char *name = entry->d_name;
        if (str_is(STR("."), name) || str_is(STR(".."), name)) {
            continue;
        }
        if (unlinkat(dirfd(dir), name, 0) == 0 || errno == ENOENT) {
            continue;
        }
        if (errno != EISDIR && errno != EPERM) {
            result = -errno;
            break;
        }
        int child = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0 || depth == 0) {
            result = child < 0 ? -errno : -ELOOP;
            file_close(&child);
            break;
        }
        result = file_empty_dir(child, depth - 1);
        if (result == 0 && unlinkat(dirfd(dir), name, AT_REMOVEDIR) < 0) {
            result = -errno;
        }
    }
    closedir(dir);
    return result;
}

int file_remove_tree(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return -errno;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int result = file_empty_dir(fd, 64);
    return result < 0 ? result : file_rmdir(path);
}

int file_real_path(const char *path, struct buf *out)
{
    char *real = realpath(path, NULL);
    if (!real) {
        return -errno;
    }
    buf_add_cstr(out, real);
    free(real);
    return buf_error(out);
}

int file_working_dir(struct buf *out)
{
    char space[PATH_MAX];
    if (!getcwd(space, sizeof(space))) {
        return -errno;
    }
    buf_add_cstr(out, space);
    return buf_error(out);
}

int file_dir_open(struct file_dir *dir, const char *path)
{
    dir->at = dir->len = 0;
    dir->fd = -1;
    return file_open(path, FILE_READ | FILE_DIRECTORY, 0, &dir->fd);
}

/* Some file systems (XFS made without ftype, minix, some FUSE) do not tell the kind with the name:
 * then the file itself is asked. */
static enum file_kind file_entry_kind(int fd, const struct dirent64 *entry)
{
    struct stat st;
    unsigned type = entry->d_type;
    if (type == DT_UNKNOWN && fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        type = IFTODT(st.st_mode);
    }
    switch (type) {
    case DT_DIR:
        return FILE_KIND_DIRECTORY;
    case DT_REG:
        return FILE_KIND_REGULAR;
    case DT_LNK:
        return FILE_KIND_LINK;
    case DT_SOCK:
        return FILE_KIND_SOCKET;
    default:
        return FILE_KIND_OTHER;
    }
}

const char *file_dir_next(struct file_dir *dir, enum file_kind *ret_kind)
{
    for (;;) {
        if (dir->at >= dir->len) {
            dir->at = 0;
            dir->len = (int)getdents64(dir->fd, dir->space, sizeof(dir->space));
            if (dir->len <= 0) {
                return NULL;
            }
        }
        const struct dirent64 *entry = (const void *)(dir->space + dir->at);
        dir->at += entry->d_reclen;
        if (str_is(STR("."), entry->d_name) || str_is(STR(".."), entry->d_name)) {
            continue;
        }
        if (ret_kind) {
            *ret_kind = file_entry_kind(dir->fd, entry);
        }
        return entry->d_name;
    }
}

void file_dir_close(struct file_dir *dir)
{
    file_close(&dir->fd);
}

/* The folder part of a path, as open(2) wants it. */
static bool file_dir_part(const char *path, char *ret, size_t size)
{
    struct str whole = str_from(path);
    ptrdiff_t slash = str_rfind_char(whole, '/');
    if (slash < 0) {
        return str_copy(ret, size, STR("."));
    }
    return str_copy(ret, size, str_slice(whole, 0, (size_t)MAX(slash, 1)));
}

/* A rename is on disk when the folder is: without this the old content may be back after a power
 * cut. */
int file_sync_dir_of(const char *path)
{
    char folder[PATH_MAX];
    if (!file_dir_part(path, folder, sizeof(folder))) {
        return -ENAMETOOLONG;
    }
    int fd = -1;
    int result = file_open(folder, FILE_READ | FILE_DIRECTORY, 0, &fd);
    if (result < 0) {
        return result;
    }
    if (fsync(fd) < 0) {
        result = -errno;
    }
    file_close(&fd);
    return result;
}

int file_replace(const char *path, struct str content, uint32_t mode)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, getpid());
    if (len < 0 || (size_t)len >= sizeof(temporary)) {
        return -ENAMETOOLONG;
    }
    int fd = -1;
    int result =
        file_open(temporary, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE | FILE_NOFOLLOW, mode, &fd);
    if (result < 0) {
        return result;
    }
    result = file_write(fd, content.p, content.len);
    if (result == 0 && fchmod(fd, (mode_t)mode) < 0) { /* whatever the umask */
        result = -errno;
    }
    if (result == 0) {
        result = file_sync(fd);
    }
    file_close(&fd);
    if (result == 0) {
        result = file_rename(temporary, path);
    }
    if (result < 0) {
        unlink(temporary);
        return result;
    }
    return file_sync_dir_of(path);
}

/* Magic numbers that <linux/magic.h> of Debian 12 lacks. */
#define FILE_MAGIC_CIFS  0xFF534D42u
#define FILE_MAGIC_SMB2  0xFE534D42u
#define FILE_MAGIC_CEPH  0x00c36400u
#define FILE_MAGIC_GFS2  0x01161970u
#define FILE_MAGIC_OCFS2 0x7461636fu
#define FILE_MAGIC_FUSE  0x65735546u
#define FILE_MAGIC_XFS   0x58465342u

int file_system_of(const char *path, struct file_system *ret)
{
    static const struct {
        uint32_t magic;
        bool network;
        const char *name;
    } kinds[] = {
        {NFS_SUPER_MAGIC, true, "nfs"},
        {FILE_MAGIC_CIFS, true, "cifs"},
        {FILE_MAGIC_SMB2, true, "smb"},
        {SMB_SUPER_MAGIC, true, "smb"},
        {V9FS_MAGIC, true, "9p"},
        {AFS_SUPER_MAGIC, true, "afs"},
        {FILE_MAGIC_CEPH, true, "ceph"},
        {FILE_MAGIC_GFS2, true, "gfs2"},
        {FILE_MAGIC_OCFS2, true, "ocfs2"},
        {FILE_MAGIC_FUSE, true, "fuse"},
        {EXT4_SUPER_MAGIC, false, "ext4"},
        {FILE_MAGIC_XFS, false, "xfs"},
        {BTRFS_SUPER_MAGIC, false, "btrfs"},
        {TMPFS_MAGIC, false, "tmpfs"},
        {OVERLAYFS_SUPER_MAGIC, false, "overlay"},
    };
    struct statfs fs;
    if (statfs(path, &fs) < 0) {
        return -errno;
    }
    uint64_t block = (uint64_t)fs.f_bsize;
    *ret = (struct file_system){.free_bytes = (uint64_t)fs.f_bavail * block,
                                .total_bytes = (uint64_t)fs.f_blocks * block};
    str_copy(ret->name, sizeof(ret->name), STR("other"));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].magic == (uint32_t)fs.f_type) {
            ret->network = kinds[i].network;
            str_copy(ret->name, sizeof(ret->name), str_from(kinds[i].name));
        }
    }
    return 0;
}
