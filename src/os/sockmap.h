/* SPDX-License-Identifier: Apache-2.0
 *
 * A shorter way between two processes of this machine that speak TCP over loopback: what one sends
 * is laid into the other's socket, without the layers of IP between (BPF sockmap). Neither process
 * notices. docs/decisions/0014-sockmap.md says why it is as it is.
 *
 * One who has the rights makes it (sockmap_new), for the sockets that the processes of one control
 * group accept on the ports that are in `ports`; they are in `sockets` from their first moment.
 * Whoever connects decides when the short way is taken: sockmap_join puts his end there. From then
 * on what he sends is a *turn*, and of what is said back in that turn SOCKMAP_TURN_MAX bytes go the
 * short way at most, the rest by TCP, which knows when the reader is slow; the short way does not.
 *
 * Laws for who joins, since bytes that go the short way overtake those that are unread in TCP:
 * 1. Nothing is under way in either direction when he joins, nor when he leaves.
 * 2. While joined he sends no more than a request's head, and the next one only when all of the
 *    answer was read.
 */
#ifndef OS_SOCKMAP_H
#define OS_SOCKMAP_H

#include "base/def.h"

enum { SOCKMAP_TURN_MAX = 256 * 1024, SOCKMAP_CONNECTIONS_MAX = 16384 };

enum sockmap_part {
    SOCKMAP_SOCKETS, /* by port here and port there */
    SOCKMAP_TURNS,   /* of each connection that was joined: bytes said back in this turn */
    SOCKMAP_PORTS,   /* of those who accept */
    SOCKMAP_LINK,    /* to the group; who makes it keeps this to himself */
    SOCKMAP_PARTS
};

/* Loopback addresses are IPv4's; a connection is known by its ports. */
struct sockmap_ends {
    uint16_t here, there;
};

/* For the group (a folder of version 2), in the network of the caller. Makes what `fds` lacks (-1):
 * all, or the link alone. 0; or -errno: `fds` is as it was, and *ret_step says what failed. */
must_check int sockmap_new(const char *group, int fds[SOCKMAP_PARTS], const char **ret_step);

/* For whoever has `sockets`, `turns` and `ports`; no rights are needed (Linux 5.19). */

/* Connections that are accepted on that port from now on can be joined. 0 or -errno. */
must_check int sockmap_serve(const int *fds, uint16_t port);
/* 0 or -errno: nothing has changed. */
must_check int sockmap_join(const int *fds, int fd, struct sockmap_ends ends);
/* Before `fd` is closed, or to speak TCP again. */
void sockmap_leave(const int *fds, struct sockmap_ends ends);
/* The other end too: what it says costs no look any more. It cannot be joined again. */
void sockmap_part(const int *fds, struct sockmap_ends ends);

#endif
