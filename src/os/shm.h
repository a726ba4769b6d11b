/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared memory as sealed memfds: passed by descriptor, no name, gone with its last holder.
 *
 * Seals (fcntl(2), "File Sealing") are what lets roles of different rights share a page: who maps
 * memory that another one may shrink gets SIGBUS at a time of the other's choosing. So shm_map
 * refuses what is not sealed against it. What is inside may change under the reader unless
 * SHM_SEAL_WRITE is set: values are copied first and checked then.
 */
#ifndef OS_SHM_H
#define OS_SHM_H

#include "base/str.h"

enum shm_seal {
    SHM_SEAL_SIZE = 1,  /* neither grows nor shrinks: a reader cannot get SIGBUS */
    SHM_SEAL_WRITE = 2, /* content is fixed for ever */
};

struct shm {
    uint8_t *p;
    size_t size;
};

/* A zeroed memfd of `size` bytes, size sealed. `name` shows in /proc. 0 or -errno. */
must_check int shm_create(const char *name, size_t size, int *ret_fd);
/* A memfd with that content, fully sealed. */
must_check int shm_create_sealed(const char *name, struct str content, int *ret_fd);
/* Checks that at least `seals` (enum shm_seal bits) are set: 0 or -EPERM. */
must_check int shm_check(int fd, unsigned seals);
/* Maps all of it. -EPERM when the size is not sealed. */
must_check int shm_map(struct shm *shm, int fd, bool writable);
void shm_unmap(struct shm *shm);

/* An eventfd ("bell"): ring wakes its watcher (level-triggered until cleared). */
must_check int shm_bell_create(int *ret_fd);
void shm_bell_ring(int fd);
/* How often it rang since the last time; 0 = not at all. */
uint64_t shm_bell_clear(int fd);

#endif
