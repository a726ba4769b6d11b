/* SPDX-License-Identifier: Apache-2.0
 *
 * Leases by F_SETLEASE: see lease.h. An open(2) that breaks a lease waits for its holder, at most
 * /proc/sys/fs/lease-break-time (45 s): a remover that was stopped (SIGSTOP) in the few
 * microseconds of holding one delays whoever opens that file, and nobody else. Network file systems
 * have no leases: there nothing is removed, which costs room and loses no line.
 */
#include "os/lease.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

enum { OPEN_TRIES = 100 };

int lease_take(int fd)
{
    /* The kernel tells its holder when somebody waits: SIGIO would end this process, SIGURG does
     * nothing. */
    return fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0;
}

void lease_end(int fd)
{
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
}

int lease_open(const char *path, unsigned flags, uint32_t mode, int *ret_fd)
{
    for (int i = 0; i < OPEN_TRIES; i++) {
        struct stat st;
        int r = file_open(path, flags, mode, ret_fd);
        if (r < 0 || fstat(*ret_fd, &st) < 0 || st.st_nlink > 0) {
            return r;
        }
        file_close(ret_fd);
    }
    return -EBUSY;
}
