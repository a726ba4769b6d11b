/* SPDX-License-Identifier: Apache-2.0
 *
 * LISTEN (link/keeper.h): what a listening socket is called, and opening one.
 */
#ifndef LINK_KEEPER_LISTEN_H
#define LINK_KEEPER_LISTEN_H

#include "link/keeper.h"
#include "os/sock.h"

/* The name under which the socket of that address is kept, in `space`, and the address; empty: it
 * is none. Equal addresses have one name. */
struct str keeper_listen_name(struct str address, struct sock_addr *ret,
                              char space[KEEPER_NAME_MAX + 1]);
/* Opens it. 0, or -errno and what is wrong in msg->text, for a person. Allocates nothing. */
must_check int keeper_listen_open(struct keeper_msg *msg, const struct sock_addr *addr,
                                  int *ret_fd);

#endif
