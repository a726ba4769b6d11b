/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds: see feed.h. That a pipe can be opened for both through /proc is described in fifo(7) and
 * proc(5): O_RDWR gives one descriptor that is a reader and a writer, so the pipe never has an end.
 *
 * A terminal is opened by /dev/ptmx and TIOCGPTPEER (ioctl_tty(2)), which needs no path of the
 * other side: it works in another mount namespace and nobody can be quicker. OPOST is off, or the
 * kernel would put a CR in front of every LF of what a program writes.
 *
 * How it fails: splice(2) moves what it can; EAGAIN is "nothing to move now" and 0. A file that is
 * opened for appending refuses splice (EINVAL), hence the offset of its own in feed_store.
 */
#include "os/feed.h"
#include "os/file.h"
#include "os/tty.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { FEED_LINES = 50, FEED_COLUMNS = 200 };

/* The same file behind another description, with flags of its own. */
static int feed_open_again(int fd, int flags, int *ret_fd)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *ret_fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    return *ret_fd < 0 ? -errno : 0;
}

int feed_pipe(int *ret_fd)
{
    int ends[2];
    *ret_fd = -1;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    int result = feed_open_again(ends[1], O_RDWR, ret_fd);
    close(ends[0]);
    close(ends[1]);
    return result;
}

int feed_find(int pid, int number, int *ret_fd)
{
    char path[48];
    struct stat stat;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
    *ret_fd = open(path, O_PATH | O_CLOEXEC); /* to look at: opening a device may do something */
    int result = *ret_fd < 0                 ? -errno
                 : fstat(*ret_fd, &stat) < 0 ? -errno
                 : S_ISFIFO(stat.st_mode)    ? 0
                                             : -ENOTSUP;
    file_close(ret_fd);
    if (result == 0) {
        *ret_fd = open(path, O_RDWR | O_CLOEXEC);
        result = *ret_fd < 0 ? -errno : 0;
    }
    return result;
}

int feed_reader(int pipe_fd, int *ret_fd)
{
    return feed_open_again(pipe_fd, O_RDONLY | O_NONBLOCK, ret_fd);
}

/* Output as the program wrote it, and a size at which few programs wrap. */
static int feed_terminal_setup(int fd, uint32_t uid, uint32_t gid)
{
    struct termios mode;
    struct winsize size = {.ws_row = FEED_LINES, .ws_col = FEED_COLUMNS};
    if (tcgetattr(fd, &mode) < 0) {
        return -errno;
    }
    mode.c_oflag &= ~(tcflag_t)OPOST;
    mode.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(fd, TCSANOW, &mode) < 0 || ioctl(fd, TIOCSWINSZ, &size) < 0 ||
        fchown(fd, uid, gid) < 0) {
        return -errno;
    }
    return 0;
}

int feed_terminal(uint32_t uid, uint32_t gid, int *ret_fd, int *ret_program_fd)
{
    int result = tty_open(ret_fd, ret_program_fd);
    if (result < 0) {
        return result;
    }
    result = feed_terminal_setup(*ret_program_fd, uid, gid);
    if (result < 0) {
        file_close(ret_fd);
        file_close(ret_program_fd);
    }
    return result;
}

static int64_t feed_splice(int from, int to, off_t *offset)
{
    ssize_t n;
    do {
        n = splice(from, NULL, to, offset, FEED_STEP, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -errno;
}

int64_t feed_collect(int terminal_fd, int pipe_fd)
{
    return feed_splice(terminal_fd, pipe_fd, NULL);
}

int64_t feed_store(int reader_fd, int file_fd)
{
    struct stat stat;
    if (fstat(file_fd, &stat) < 0) {
        return -errno;
    }
    off_t end = stat.st_size;
    return feed_splice(reader_fd, file_fd, &end);
}
