/* SPDX-License-Identifier: Apache-2.0
 *
 * Lock files: see lock.h. A file that was removed and made again would be two locks: so the taker
 * looks whether the one it locked is still the one at the path.
 */
#include "os/lock.h"
#include "base/num.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_TRIES = 100 }; /* whoever removes the file again and again is not an instance's end */

static int lock_read_pid(int fd)
{
    char text[16];
    ssize_t n = pread(fd, text, sizeof(text), 0);
    struct str word = str_trim_ws(str_make(text, n > 0 ? (size_t)n : 0));
    uint64_t pid;
    return num_parse_u64(word, &pid) == 0 && pid <= INT32_MAX ? (int)pid : 0;
}

/* Over what the last holder wrote; a reader in between may find nothing. */
static void lock_write_pid(int fd)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d\n", getpid());
    /* For people only: a failure (a full disk) is no reason to refuse the lock. */
    (void)!ftruncate(fd, 0);
    (void)!pwrite(fd, text, (size_t)len, 0);
}

/* Is the file that we locked still the one at `path`? Whoever ends an instance removes its
 * folder. */
static bool lock_is_current(int fd, const char *path)
{
    struct stat held;
    struct stat named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

/* One try; -EAGAIN: the file was removed between open and flock. */
static int lock_try(struct lock *lock, const char *path, int *ret_pid)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int error = errno;
        *ret_pid = lock_read_pid(fd);
        close(fd);
        return error == EWOULDBLOCK ? LOCK_E_HELD : -error;
    }
    if (!lock_is_current(fd, path)) {
        close(fd);
        return -EAGAIN;
    }
    lock_write_pid(fd);
    lock->fd = fd;
    return 0;
}

int lock_take(struct lock *lock, const char *path, int *ret_pid)
{
    int result = -EAGAIN;
    *ret_pid = 0;
    for (int i = 0; i < LOCK_TRIES && result == -EAGAIN; i++) {
        result = lock_try(lock, path, ret_pid);
    }
    return result;
}

void lock_adopt(struct lock *lock, int fd)
{
    lock->fd = fd;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    lock_write_pid(fd);
}

int lock_probe(const char *path, int *ret_pid)
{
    *ret_pid = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    /* A shared lock asks without standing in a taker's way for longer than this call. */
    int result = 0;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0) {
        result = errno == EWOULDBLOCK ? 1 : -errno;
        *ret_pid = lock_read_pid(fd);
    }
    close(fd);
    return result;
}

void lock_release(struct lock *lock)
{
    if (lock->fd >= 0) {
        close(lock->fd);
        lock->fd = -1;
    }
}
