/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunnels: what a connection becomes behind a 101, behind a CONNECT that its route allows, and on a
 * tcp listener. tunnel_ask.c says who may have one, tunnel.c moves bytes, tunnel_frames.c reads a
 * WebSocket's where the route asks for it.
 */
#ifndef EDGE_TUNNEL_H
#define EDGE_TUNNEL_H

#include "edge/stream.h"
#include "proto/websocket.h"

/* Of a request that wants a tunnel, once its route is known. False: it was answered. */
must_check bool tunnel_ask(struct stream *stream);
/* Is the 101 in worker->response what was asked for? */
must_check bool tunnel_granted(const struct stream *stream);

bool tunnel_follows(const struct stream *stream);
/* Steps of the stream's machine: true = go on. The 101 in worker->response, and what came behind
 * it; a connection to the service that is there, of a tcp listener or a CONNECT. */
must_check bool tunnel_begin(struct stream *stream, struct str already);
must_check bool tunnel_connected(struct stream *stream);
must_check bool tunnel_run(struct stream *stream);
/* The deadline has come. May end the stream. */
void tunnel_timeout(struct stream *stream);
/* Watched tunnels of endpoints that leave, or all when the thread stops, are told so and closed. */
void tunnels_leave(struct worker *worker);

/* A WebSocket whose frames are read on their way. Only these cost memory beyond the stream. */
struct tunnel_frames {
    struct websocket_reader from[STREAM_DIRECTIONS]; /* UP: the client's frames */
    int64_t client_ns;                               /* the client's last byte */
    int64_t any_ns;                                  /* anybody's */
    int64_t ping_ns; /* our ping that is not answered yet; 0 = none */
    uint32_t ping_ms, ping_id;
    bool failing; /* the client broke the rules; what the service answers to before that passes */
    bool closing; /* both were told; what they still say is thrown away */
};

/* How long it may be silent: the route's time, else what the service says now. */
static inline int64_t tunnel_idle_ns(const struct stream *stream)
{
    uint32_t ms =
        stream->tunnel_idle_ms ? stream->tunnel_idle_ms : stream->service->spec.tunnel_idle_ms;
    return (int64_t)ms * 1000000;
}

/* For a stream that becomes a tunnel, if its route asks for it: 0, or -ENOMEM. */
must_check int tunnel_frames_new(struct stream *stream);
/* For one that was not read so far and is to be closed: 0, or -ENOMEM. */
must_check int tunnel_frames_late(struct stream *stream);
void tunnel_frames_free(struct stream *stream);
/* Passes bytes on as far as they are in order. 0, -errno (of `to`), TUNNEL_E_CLOSED: the tunnel is
 * being closed. */
enum { TUNNEL_E_CLOSED = 1 };
must_check int tunnel_frames_pass(struct stream *stream, enum stream_direction direction,
                                  struct str bytes);
/* The service's end has come: says so to the client, unless the service did. */
void tunnel_frames_end(struct stream *stream);
/* Ends the tunnel with a Close to each side that still expects frames. */
void tunnel_frames_close(struct stream *stream, unsigned to_client, unsigned to_service,
                         const char *reason);
/* While it is closing. True: all is said. */
must_check bool tunnel_frames_closing(struct stream *stream);
/* Asks a silent client. False: the tunnel's time is over. */
must_check bool tunnel_frames_timeout(struct stream *stream);
/* When the next look at the clock is due. */
int64_t tunnel_frames_deadline(const struct stream *stream);

#endif
