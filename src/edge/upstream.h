/* SPDX-License-Identifier: Apache-2.0
 *
 * struct upstream: a connection to an endpoint: in use by one stream, or idle in the endpoint's
 * pool (last in, first out: the warmest connection is used, the others may end). Any event on an
 * idle one closes it: a service that speaks unasked, or hangs up, is not used again.
 */
#ifndef EDGE_UPSTREAM_H
#define EDGE_UPSTREAM_H

#include "base/wheel.h"
#include "edge/conn.h"
#include "os/sockmap.h"

struct announce;
struct endpoint;
struct stream;

enum { UPSTREAM_IDLE_S = 60, UPSTREAM_IDLE_MAX = 512 /* per endpoint */, UPSTREAM_FRESH_MS = 1000 };

struct upstream {
    struct conn conn;
    struct list node; /* endpoint->idle; alone while in use */
    struct timer timer;
    int64_t idle_until_ns;
    struct endpoint *endpoint;
    void *user;               /* NULL: it is idle */
    void (*news)(void *user); /* of the user: a stream, or a copy of one (mirror.c) */
    bool connecting;
    bool joined; /* what is said goes the short way (short_way.h), known by `ends` */
    bool parted; /* and will not again */
    struct sockmap_ends ends;
    struct announce *announced; /* what it began with (announce.h); NULL: nothing */
};

/* Where a request of `stream` may go on an HTTP/2 connection that others share, these give a lane
 * of it. An upgrade needs a connection of its own (HTTP/1), unless it is a WebSocket and the
 * service has said that it takes them over HTTP/2. */

/* An idle connection, or NULL. A request that cannot be sent twice (`repeatable` is false) gets
 * only one that was used a moment ago: the service may be closing an older one at this very
 * time. */
struct upstream *upstream_take(struct endpoint *endpoint, struct stream *stream, bool repeatable,
                               void (*news)(void *user));
/* Starts connecting; `news` is told of that and of all that happens to it while in use. 0, -EBUSY
 * (there are as many connections to the service as there may be), or -errno. */
must_check int upstream_connect(struct endpoint *endpoint, struct stream *stream,
                                void (*news)(void *user), struct upstream **ret);
/* A connection that another edge made, in use by `stream`. Takes `fd` over on success. 0 or
 * -errno. */
must_check int upstream_adopt(struct endpoint *endpoint, struct stream *stream, int fd,
                              void (*news)(void *user), struct upstream **ret);
/* Asks how connecting went: 0 done, UPSTREAM_E_WAIT, UPSTREAM_E_OTHER (the peer does not take it
 * so: release it and take another), or -errno. */
enum { UPSTREAM_E_WAIT = 1, UPSTREAM_E_OTHER };
must_check int upstream_connected(struct upstream *upstream);
/* The stream has ended: keeps the connection for the next one if `reusable`, else closes it. */
void upstream_release(struct upstream *upstream, bool reusable);
/* Closes the connection that was idle for longest. False: none is. */
bool upstream_close_one(struct endpoint *endpoint);
/* Closes the endpoint's idle connections. */
void upstream_close_idle(struct endpoint *endpoint);

#endif
