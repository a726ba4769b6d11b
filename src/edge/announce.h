/* SPDX-License-Identifier: Apache-2.0
 *
 * `traffic.proxy_protocol`: connections to the service begin with a header of the PROXY protocol
 * that names the client. A connection that said so for one client is never used for another: it is
 * known by the bytes that it began with. Who does not want it pays one branch where a connection is
 * taken, made, or given back.
 */
#ifndef EDGE_ANNOUNCE_H
#define EDGE_ANNOUNCE_H

#include "edge/stream.h"
#include "proto/proxy_protocol.h"

enum { ANNOUNCE_MAX = 512, ANNOUNCE_IDLE_S = 10 /* kept for the same client */ };

/* What one connection began with. */
struct announce {
    uint16_t len;
    char bytes[];
};

/* For a connection to `service` on behalf of `stream`; NULL: of ourselves (a probe). Empty: the
 * service wants none. */
struct str announce_write(const struct service *service, const struct stream *stream,
                          char ret[ANNOUNCE_MAX]);
/* The same in front of all that `conn`, which is connecting, will say. *ret (to be freed; may be
 * NULL) is what it says. 0 or -ENOMEM. */
must_check int announce_begin(const struct service *service, const struct stream *stream,
                              struct conn *conn, struct announce **ret);
/* An idle connection of the endpoint's that was announced for this client; NULL: none. */
struct upstream *announce_find(struct endpoint *endpoint, const struct stream *stream);

#endif
