/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes a client's connection go.
 */
#ifndef EDGE_CLIENT_RUN_H
#define EDGE_CLIENT_RUN_H

#include "edge/client.h"

/* Takes `fd` over. 0 or -errno (then fd is closed). */
must_check int client_open(struct worker *worker, int fd, const struct sock_addr *peer,
                           struct client_source source);
/* One that another edge accepted: the caller sets its deadline and makes it go. NULL: memory is
 * out, `fd` is closed. */
struct client *client_adopt(struct worker *worker, int fd, const struct sock_addr *peer,
                            struct client_source source);
/* A request of its own on one lane of the connection that `parent` is: its conn is open. */
void client_open_lane(struct client *client, const struct client *parent);
/* Its address is what the peer says in a header of the PROXY protocol. */
void client_set_address(struct client *client, const struct sock_addr *peer);
/* Goes on wherever it stands; from a task. */
void client_run(struct client *client);
/* There is no room for who waits: closes the connection that is idle longest, else the one whose
 * head takes longest. False: none is, or all are fresh. */
bool client_evict(struct worker *worker);
/* The edge stops, and this one is idle: what it has asked by now is answered; one that never asked
 * may have its first request on the way and gets a moment for it. */
void client_drain(struct client *client);

#endif
