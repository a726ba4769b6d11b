/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals, for the command line: is it one, how large, its keys one by one, and one of our own
 * for a program that runs elsewhere. Who writes to something else (a file, a pipe, CI) gets no
 * colours and no cursor movements.
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
/* The same for who passes on all that is typed and all that is shown: nothing is a signal, an end
 * of line or an end of input any more (cfmakeraw, termios(3)). */
bool tty_raw_begin(int fd);
void tty_keys_end(int fd);

/* A new terminal: the side that is read and written by who shows it (does not block), and the
 * program's. No process's own until one takes it (TIOCSCTTY). 0 or -errno. */
must_check int tty_open(int *ret_fd, int *ret_program_fd);
/* The same with the modes and the size that `like` has. */
must_check int tty_new(int like, int *ret_fd, int *ret_program_fd);
/* Gives `fd` the size of `like`; its program is told by SIGWINCH. */
void tty_resize(int fd, int like);

#endif
