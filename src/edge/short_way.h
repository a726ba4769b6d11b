/* SPDX-License-Identifier: Apache-2.0
 *
 * `gateway.sockmap`: connections to HTTP/1 services on 127.0.0.1 are joined to their other ends
 * (os/sockmap.h) once they are idle, and leave before anything else than a request without a body
 * is sent. upstream.c asks at those moments; who does not want it pays a comparison at each.
 */
#ifndef EDGE_SHORT_WAY_H
#define EDGE_SHORT_WAY_H

#include "base/def.h"

struct endpoint;
struct stream;
struct upstream;

/* Before connecting: connections to it can be joined from now on. */
void short_way_serve(struct endpoint *endpoint);
/* It is idle after that request: joins or leaves, as the configuration is now and as the answer
 * was. */
void short_way_choose(struct upstream *upstream, const struct stream *stream);
/* It is idle, or about to be closed. */
void short_way_leave(struct upstream *upstream);

#endif
