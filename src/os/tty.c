/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals: see tty.h. A size of 0 by 0 is what serial lines and some CI systems tell: "not
 * known".
 */
#include "os/tty.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

bool tty_is(int fd)
{
    return isatty(fd) == 1;
}

bool tty_size(int fd, unsigned *ret_columns, unsigned *ret_rows)
{
    struct winsize size = {0};

    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0) {
        return false;
    }
    *ret_columns = size.ws_col;
    *ret_rows = size.ws_row;
    return true;
}

static struct termios tty_saved;
static bool tty_changed;

static bool tty_begin(int fd, void (*change)(struct termios *mode))
{
    struct termios mode;

    /* In the background, changing the terminal would stop this process. */
    if (tty_changed || tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &tty_saved) < 0) {
        return false;
    }
    mode = tty_saved;
    change(&mode);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    tty_changed = tcsetattr(fd, TCSANOW, &mode) == 0;
    return tty_changed;
}

static void tty_key_by_key(struct termios *mode)
{
    mode->c_lflag &= ~(tcflag_t)(ICANON | ECHO);
}

bool tty_keys_begin(int fd)
{
    return tty_begin(fd, tty_key_by_key);
}

bool tty_raw_begin(int fd)
{
    return tty_begin(fd, cfmakeraw);
}

void tty_keys_end(int fd)
{
    if (tty_changed) {
        tty_changed = false;
        (void)!tcsetattr(fd, TCSANOW, &tty_saved);
    }
}

/* By TIOCGPTPEER (ioctl_tty(2)), which needs no path of the program's side, so that it works in
 * whatever namespace this runs. */
int tty_open(int *ret_fd, int *ret_program_fd)
{
    int unlocked = 0;

    *ret_program_fd = -1;
    *ret_fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (*ret_fd >= 0 && ioctl(*ret_fd, TIOCSPTLCK, &unlocked) == 0) {
        *ret_program_fd = ioctl(*ret_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    }
    int r = *ret_program_fd < 0 ? -errno : 0;
    if (r < 0) {
        file_close(ret_fd);
    }
    return r;
}

int tty_new(int like, int *ret_fd, int *ret_program_fd)
{
    struct termios mode;
    int r = tty_open(ret_fd, ret_program_fd);

    if (r < 0) {
        return r;
    }
    if (tcgetattr(like, &mode) < 0 || tcsetattr(*ret_program_fd, TCSANOW, &mode) < 0) {
        r = -errno;
        file_close(ret_fd);
        file_close(ret_program_fd);
        return r;
    }
    tty_resize(*ret_fd, like);
    return 0;
}

void tty_resize(int fd, int like)
{
    struct winsize size;

    if (ioctl(like, TIOCGWINSZ, &size) == 0) {
        (void)!ioctl(fd, TIOCSWINSZ, &size);
    }
}
