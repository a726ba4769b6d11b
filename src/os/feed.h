/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds: what a program writes to when it does not write to a file. A pipe is one descriptor that
 * can be read and written, so that it holds what is in it for as long as anybody has it, and no
 * writer ever meets a pipe without a reader: it waits when the pipe is full. A terminal is read by
 * moving what it has into such a pipe. All moving is done by splice(2): at no moment do bytes exist
 * only in the memory of who moves them.
 */
#ifndef OS_FEED_H
#define OS_FEED_H

#include "base/def.h"

enum { FEED_STEP = 64 * 1024 };

/* A pipe in one descriptor. 0 or -errno. */
must_check int feed_pipe(int *ret_fd);
/* A terminal of 50 lines by 200 columns that leaves line ends as they are: the side that is read,
 * and the program's, owned by `uid` and `gid`. 0 or -errno. */
must_check int feed_terminal(uint32_t uid, uint32_t gid, int *ret_fd, int *ret_program_fd);
/* The reading end of a feed_pipe descriptor, which does not wait. 0 or -errno. */
must_check int feed_reader(int pipe_fd, int *ret_fd);
/* The feed_pipe that a process has as descriptor `number`, when nobody else kept it. 0, -ENOTSUP
 * (no pipe), -errno. */
must_check int feed_find(int pid, int number, int *ret_fd);
/* Moves at most FEED_STEP bytes from a terminal into a pipe. Bytes; 0 = nothing there, or no room;
 * -EIO: nobody has the program's side open; -errno. */
must_check int64_t feed_collect(int terminal_fd, int pipe_fd);
/* Moves at most FEED_STEP bytes from a reader to the end of a file that nobody else writes to (two
 * who did would write over each other: the end is asked, then written to) and that is not O_APPEND.
 * Bytes; 0 = nothing there; -ENOSPC …: they stay in the pipe. */
must_check int64_t feed_store(int reader_fd, int file_fd);

#endif
