/* SPDX-License-Identifier: Apache-2.0
 *
 * A bell: an eventfd that the keeper holds and two roles share. Ringing never blocks and never fails in a way
 * that matters: a bell that is already ringing stays so. The listener watches the descriptor for reading,
 * calls bell_clear first and looks at the shared memory then.
 */
#ifndef LINK_BELL_H
#define LINK_BELL_H

#include "os/shm.h"

/* A new bell, close-on-exec and non-blocking. 0 or -errno. */
must_check static inline int bell_new(int *ret_fd)
{
    return shm_bell_create(ret_fd);
}
static inline void bell_ring(int fd)
{
    shm_bell_ring(fd);
}
static inline void bell_clear(int fd)
{
    shm_bell_clear(fd);
}

#endif
