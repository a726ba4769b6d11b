/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals: see tty.h. A size of 0 by 0 is what serial lines and some CI systems tell: "not
 * known".
 */
#include "os/tty.h"

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

bool tty_keys_begin(int fd)
{
    struct termios mode;

    /* In the background, changing the terminal would stop this process. */
    if (tty_changed || tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &tty_saved) < 0) {
        return false;
    }
    mode = tty_saved;
    mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    tty_changed = tcsetattr(fd, TCSANOW, &mode) == 0;
    return tty_changed;
}

void tty_keys_end(int fd)
{
    if (tty_changed) {
        tty_changed = false;
        (void)!tcsetattr(fd, TCSANOW, &tty_saved);
    }
}
