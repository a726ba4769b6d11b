/* SPDX-License-Identifier: Apache-2.0
 *
 * Services behind a unix socket (`traffic.socket`): where it lies, and who may reach it. Private to
 * run/.
 */
#ifndef RUN_SOCKET_H
#define RUN_SOCKET_H

#include "run/model.h"

enum { SOCKET_PATH_SIZE = 108, SOCKET_ADDRESS_SIZE = 160 };

/* Where the edge finds the replica: "unix:/run/…" or "127.0.0.1:PORT". */
void socket_address(const struct run *run, const struct replica *replica,
                    char ret[SOCKET_ADDRESS_SIZE]);
/* The path of the socket, which the program finds in its environment; "" = none of its own. */
void socket_path(const struct run *run, const struct replica *replica, char ret[SOCKET_PATH_SIZE]);
/* Before a start: asks for the socket that is handed over, or makes the folder for the program's
 * own. 0 or -errno. */
must_check int socket_prepare(struct run *run, struct replica *replica);
/* The keeper has opened it: lets the edge in, and nobody else. */
void socket_opened(struct run *run, const char *address);
/* The umask with which a program makes a socket that the edge may use; else as asked. */
bool socket_umask(const struct replica *replica, uint32_t *ret);
/* A replica is gone: nothing of its own stays. */
void socket_forget(const struct run *run, const struct replica *replica);

#endif
