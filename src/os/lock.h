/* SPDX-License-Identifier: Apache-2.0
 *
 * struct lock: a lock file (flock) that says who holds it. The kernel drops it when the last
 * descriptor of its holder is closed, so a dead holder never blocks; the text inside is for people
 * only and never trusted. Why flock and not fcntl: its locks belong to the open file, so one can be
 * handed to another process (lock_adopt), and closing some other descriptor of the file drops
 * nothing.
 */
#ifndef OS_LOCK_H
#define OS_LOCK_H

#include "base/def.h"

struct lock {
    int fd; /* -1 = not held */
};

#define LOCK_INIT                                                                                  \
    {                                                                                              \
        .fd = -1                                                                                   \
    }
enum { LOCK_E_HELD = 1 };

/* Takes it without waiting. 0; LOCK_E_HELD: *ret_pid is the holder's pid as written (0 unknown);
 * -EAGAIN: the file was removed under us again and again; -errno. */
must_check int lock_take(struct lock *lock, const char *path, int *ret_pid);
/* Takes over a held lock's descriptor that another process handed down, and writes the own pid. */
void lock_adopt(struct lock *lock, int fd);
/* Is it held by somebody? 1, 0, or -errno. */
must_check int lock_probe(const char *path, int *ret_pid);
void lock_release(struct lock *lock);

#endif
