/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals: see tty.h.
 */
#include "os/tty.h"

#include <sys/ioctl.h>
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
