/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/file.h"
#include "os/lease.h"
#include "os/thread.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], path[96];

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
}

static void tear_down(void)
{
    check_int(file_remove_tree(folder), 0);
}

TEST(a_lease_is_given_only_to_who_has_the_file_alone)
{
    int one = -1, other = -1;
    set_up();
    check_int(lease_open(path, FILE_READ | FILE_WRITE | FILE_CREATE, 0600, &one), 0);
    check_int(lease_open(path, FILE_READ, 0, &other), 0);
    check_int(lease_take(one), 1);
    file_close(&other);
    check_int(lease_take(one), 0);
    lease_end(one);
    check_int(lease_open(path, FILE_READ, 0, &other), 0);
    file_close(&one);
    file_close(&other);
    tear_down();
}

struct opener {
    struct thread thread;
    int fd;
    int result;
};

static void open_it(struct thread *thread)
{
    struct opener *opener = container_of(thread, struct opener, thread);
    opener->result = lease_open(path, FILE_WRITE | FILE_CREATE, 0600, &opener->fd);
}

/* The opener waits in open(2) with the file in hand that loses its name. Also: the signal that a
 * lease's holder gets does not end it. */
TEST(a_file_that_is_removed_while_it_is_opened_is_opened_again)
{
    struct opener opener = {.fd = -1};
    struct file_stat named, opened;
    int fd = -1;
    set_up();
    check_int(lease_open(path, FILE_READ | FILE_WRITE | FILE_CREATE, 0600, &fd), 0);
    check_int(lease_take(fd), 0);
    check_int(thread_start(&opener.thread, "opener", open_it), 0);
    for (int i = 0; i < 10000 && fcntl(fd, F_GETLEASE) == F_WRLCK; i++) {
        usleep(1000);
    }
    check(fcntl(fd, F_GETLEASE) != F_WRLCK); /* it waits */
    check_int(file_unlink(path), 0);
    lease_end(fd);
    thread_join(&opener.thread);
    check_int(opener.result, 0);
    check_int(file_stat(path, &named), 0);
    check_int(file_fstat(opener.fd, &opened), 0);
    check_int(opened.inode, named.inode);
    file_close(&fd);
    file_close(&opener.fd);
    tear_down();
}

TEST(what_cannot_be_opened_is_answered)
{
    int fd = -1;
    set_up();
    check_int(lease_open(path, FILE_READ, 0, &fd), -ENOENT);
    check_int(fd, -1);
    check_int(lease_take(fd), 1);
    tear_down();
}
