/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/proc.h"
#include <stdlib.h>

TEST(a_held_lock_names_its_holder_and_is_free_after_the_holder_closed_it)
{
    char path[] = "/tmp/muelle-lock-XXXXXX";
    int fd = mkstemp(path);
    check(fd >= 0);
    file_close(&fd);
    struct lock first = LOCK_INIT;
    struct lock second = LOCK_INIT;
    int pid = 0;
    check_int(lock_probe(path, &pid), 0);
    check_int(lock_take(&first, path, &pid), 0);
    check_int(lock_take(&second, path, &pid), LOCK_E_HELD);
    check_int(pid, proc_own_pid());
    check_int(lock_probe(path, &pid), 1);
    check_int(second.fd, -1);
    lock_release(&first);
    check_int(lock_take(&second, path, &pid), 0);
    lock_release(&second);
    check_int(file_unlink(path), 0);
}

TEST(an_adopted_lock_stays_held_when_the_first_holder_closes_its_descriptor)
{
    char path[] = "/tmp/muelle-lock-XXXXXX";
    int fd = mkstemp(path);
    check(fd >= 0);
    file_close(&fd);
    struct lock first = LOCK_INIT;
    struct lock second = LOCK_INIT;
    struct lock third = LOCK_INIT;
    int pid;
    int copy;
    check_int(lock_take(&first, path, &pid), 0);
    check_int(file_dup(first.fd, &copy), 0);
    lock_adopt(&second, copy);
    lock_release(&first);
    check_int(lock_take(&third, path, &pid), LOCK_E_HELD);
    lock_release(&second);
    check_int(lock_take(&third, path, &pid), 0);
    lock_release(&third);
    check_int(file_unlink(path), 0);
}
