/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals, for the command line: is it one, and how large. Who writes to something else (a file,
 * a pipe, CI) gets no colours and no cursor movements.
 */
#ifndef OS_TTY_H
#define OS_TTY_H

#include "base/def.h"

/* isatty(3): false for anything else, also for a closed descriptor. */
bool tty_is(int fd);
/* False when `fd` is no terminal or does not know; nothing is set then. */
bool tty_size(int fd, unsigned *ret_columns, unsigned *ret_rows);

/* From now on each key of terminal `fd` can be read as it is pressed, and is not shown; end gives
 * the terminal back as it was. False when `fd` is no terminal that this process may read now. One
 * at a time. */
bool tty_keys_begin(int fd);
void tty_keys_end(int fd);

#endif
