/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may connect: the header of the PROXY protocol that says who it is, and the limits of one
 * address.
 */
#ifndef EDGE_ADMIT_H
#define EDGE_ADMIT_H

#include "edge/client.h"

/* The address is known: counts the connection there. False: it is one too many (and counted as
 * refused by that limit); nothing was taken. */
must_check bool admit_address(struct client *client);
/* Reads the header in front of all else. True: the connection goes on; false: the rest of it is to
 * come, or the client is closed. */
must_check bool admit_announced(struct client *client);
/* Something that is lawful and that no honest client does often. Too much of it: true, and this
 * request is to be the connection's last. */
must_check bool admit_glitch(struct client *client);

#endif
