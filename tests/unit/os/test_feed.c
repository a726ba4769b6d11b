/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/str.h"
#include "harness/test.h"
#include "os/feed.h"
#include "os/file.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[32];

/* A file in a folder of our own, which goes with its last file. */
static int new_file(const char *name, char path[256])
{
    int fd = -1;
    str_copy(folder, sizeof(folder), STR("/tmp/muelle-test-XXXXXX"));
    check(mkdtemp(folder) != NULL);
    snprintf(path, 256, "%s/%s", folder, name);
    check_int(file_open(path, FILE_WRITE | FILE_CREATE, 0600, &fd), 0);
    return fd;
}

static void check_content(const char *path, struct str want)
{
    struct buf got = BUF_INIT(1 << 20);
    check_int(file_read_all(path, 1 << 20, &got), 0);
    check_str(buf_str(&got), want);
    buf_fini(&got);
    check_int(file_unlink(path), 0);
    (void)rmdir(folder);
}

TEST(a_pipe_keeps_what_is_in_it_and_no_writer_is_ever_without_a_reader)
{
    char path[256];
    int pipe = -1, reader = -1, file = new_file("out", path);
    check_int(feed_pipe(&pipe), 0);
    signal(SIGPIPE, SIG_DFL);
    check_int(write(pipe, "one\n", 4), 4);
    check_int(feed_reader(pipe, &reader), 0);
    check_int(feed_store(reader, file), 4);
    check_int(feed_store(reader, file), 0);
    file_close(&reader);
    check_int(write(pipe, "two\n", 4), 4); /* nobody reads now */
    check_int(feed_reader(pipe, &reader), 0);
    check_int(feed_store(reader, file), 4);
    check_content(path, STR("one\ntwo\n"));
    /* The reader does not wait, the program's descriptor still does. */
    check(fcntl(reader, F_GETFL) & O_NONBLOCK);
    check(!(fcntl(pipe, F_GETFL) & O_NONBLOCK));
    file_close(&reader);
    file_close(&pipe);
    file_close(&file);
}

TEST(a_pipe_is_found_again_with_who_writes_to_it)
{
    int pipe = -1, found = -1, file = -1;
    char path[256];
    check_int(feed_pipe(&pipe), 0);
    check_int(write(pipe, "x", 1), 1);
    check_int(feed_find(getpid(), pipe, &found), 0);
    file_close(&pipe);
    char got[4];
    check_int(read(found, got, sizeof(got)), 1);
    file = new_file("plain", path);
    file_close(&pipe);
    check_int(feed_find(getpid(), file, &pipe), -ENOTSUP);
    check_int(feed_find(getpid(), 1000, &pipe), -ENOENT);
    check_int(pipe, -1);
    file_close(&found);
    file_close(&file);
    check_int(file_unlink(path), 0);
    (void)rmdir(folder);
}

TEST(what_finds_no_room_stays_in_the_pipe)
{
    int pipe = -1, reader = -1;
    char path[256], got[8];
    int closed = new_file("closed", path);
    file_close(&closed);
    check_int(file_open(path, FILE_READ, 0, &closed), 0); /* not for writing */
    check_int(feed_pipe(&pipe), 0);
    check_int(feed_reader(pipe, &reader), 0);
    check_int(write(pipe, "kept", 4), 4);
    check_int(feed_store(reader, closed), -EBADF);
    check_int(feed_store(-1, closed), -EBADF);
    check_int(feed_store(reader, -1), -EBADF);
    check_int(read(reader, got, sizeof(got)), 4);
    check_int(file_unlink(path), 0);
    (void)rmdir(folder);
    file_close(&closed);
    file_close(&reader);
    file_close(&pipe);
}

TEST(a_terminal_is_one_and_its_lines_come_as_written)
{
    char path[256];
    int terminal = -1, program = -1, pipe = -1, reader = -1, file = new_file("tty", path);
    struct winsize size;
    check_int(feed_terminal(getuid(), getgid(), &terminal, &program), 0);
    check_int(isatty(program), 1);
    check_int(ioctl(program, TIOCGWINSZ, &size), 0);
    check_int(size.ws_col, 200);
    check_int(feed_pipe(&pipe), 0);
    check_int(feed_reader(pipe, &reader), 0);
    check_int(feed_collect(terminal, pipe), 0);
    check_int(write(program, "a\nb\n", 4), 4);
    check_int(feed_collect(terminal, pipe), 4);
    check_int(write(program, "c\n", 2), 2);
    file_close(&program);
    check_int(feed_collect(terminal, pipe), 2); /* what was written before the end is there */
    check_int(feed_collect(terminal, pipe), -EIO);
    check_int(feed_store(reader, file), 6);
    check_content(path, STR("a\nb\nc\n"));
    file_close(&terminal);
    file_close(&reader);
    file_close(&pipe);
    file_close(&file);
}
