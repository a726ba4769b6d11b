/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients that speak HTTP/2: each of their requests is a struct client of its own, whose connection
 * is a lane.
 */
#ifndef EDGE_H2_CLIENT_H
#define EDGE_H2_CLIENT_H

#include "edge/client.h"

/* The client's connection becomes an HTTP/2 session, of which `client->in` holds the first bytes
 * (the preface). 0 or -errno: the connection is of no use. */
must_check int h2_client_start(struct client *client);

#endif
