/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals, for the command line: is it one, and how large.
 */
#ifndef OS_TTY_H
#define OS_TTY_H

#include "base/def.h"

bool tty_is(int fd);
/* False when `fd` is no terminal or does not know; nothing is set then. */
bool tty_size(int fd, unsigned *ret_columns, unsigned *ret_rows);

#endif
