/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared memory and bells: see shm.h. F_SEAL_SEAL comes with every set of seals: nobody adds or
 * misses one later. A bell counts in the kernel, so a ring that comes while nobody waits is not
 * lost, and a thousand rings are one wake-up.
 */
#include "os/shm.h"
#include "os/file.h"
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int shm_create(const char *name, size_t size, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -errno;
    }
    if (ftruncate(fd, (off_t)size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int shm_create_sealed(const char *name, struct str content, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -errno;
    }
    int result = file_pwrite(fd, content.p, content.len, 0);
    if (result == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
        result = -errno;
    }
    if (result < 0) {
        close(fd);
        return result;
    }
    *ret_fd = fd;
    return 0;
}

int shm_check(int fd, unsigned seals)
{
    int have = fcntl(fd, F_GET_SEALS);
    if (have < 0) {
        return -EPERM; /* not even a memfd */
    }
    int want = 0;
    if (seals & SHM_SEAL_SIZE) {
        want |= F_SEAL_SHRINK | F_SEAL_GROW;
    }
    if (seals & SHM_SEAL_WRITE) {
        want |= F_SEAL_WRITE;
    }
    return (have & want) == want ? 0 : -EPERM;
}

int shm_map(struct shm *shm, int fd, bool writable)
{
    int result = shm_check(fd, SHM_SEAL_SIZE);
    if (result < 0) {
        return result;
    }
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    if (st.st_size == 0) {
        *shm = (struct shm){NULL, 0};
        return 0;
    }
    /* A write-sealed memfd refuses a shared mapping on kernels before 6.7; a private one reads the
     * same. */
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *p = mmap(NULL, (size_t)st.st_size, prot, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED && !writable) {
        p = mmap(NULL, (size_t)st.st_size, prot, MAP_PRIVATE, fd, 0);
    }
    if (p == MAP_FAILED) {
        return -errno;
    }
    *shm = (struct shm){p, (size_t)st.st_size};
    return 0;
}

void shm_unmap(struct shm *shm)
{
    if (shm->p) {
        munmap(shm->p, shm->size);
    }
    *shm = (struct shm){NULL, 0};
}

int shm_bell_create(int *ret_fd)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

/* Never waits: the counter would have to be rung 2^64 times to be full. */
void shm_bell_ring(int fd)
{
    uint64_t one = 1;
    (void)!write(fd, &one, sizeof(one)); /* a full counter rings already */
}

uint64_t shm_bell_clear(int fd)
{
    uint64_t count = 0;
    return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}
