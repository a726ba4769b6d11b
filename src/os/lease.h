/* SPDX-License-Identifier: Apache-2.0
 *
 * Removing a file that others may open at any time, so that nobody is left with a file without a
 * name: who removes it holds a lease meanwhile, who opens it does so by lease_open.
 *
 *   1. A lease is given only to the one who has the file open alone (fcntl(2), F_SETLEASE).
 *   2. Who opens the file while the lease lasts waits in open(2) for its end.
 *   3. Whoever finds then that the file has lost its name takes the name again: a new file.
 *
 * Happy path of the remover: lease_take → look at the file once more → file_unlink → lease_end. The
 * lease also ends with the process that holds it.
 */
#ifndef OS_LEASE_H
#define OS_LEASE_H

#include "base/def.h"

/* `fd` is open for writing. 0: it is held; 1: somebody else has the file open (a lease of ours on
 * another descriptor counts), or it cannot be told here. */
int lease_take(int fd);
void lease_end(int fd);
/* file_open, but never a file without a name. 0 or -errno. */
must_check int lease_open(const char *path, unsigned flags, uint32_t mode, int *ret_fd);

#endif
