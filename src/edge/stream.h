/* SPDX-License-Identifier: Apache-2.0
 *
 * struct stream: one request and its answer, whatever the HTTP versions on both sides: a head of
 * ids and values (struct http1_head: spans into a base), body pieces, back-pressure. Its steps are
 * in stream_steps.c, the codec of both sides in exchange.c.
 *
 * 1. The request's head stays in client->in until the answer's head was sent: until then it can be
 *    sent again.
 * 2. Nothing is read from one side while bytes wait for the other.
 * 3. A stream leaves exactly one access record and one count, in stream_end.
 */
#ifndef EDGE_STREAM_H
#define EDGE_STREAM_H

#include "edge/client.h"
#include "edge/policy.h"
#include "edge/replay.h"
#include "edge/service.h"
#include "edge/stream_state.h"
#include "edge/upstream.h"
#include "proto/http1_body.h"
#include "proto/tls_hello.h"
#include "proto/websocket_bounds.h"

enum stream_direction { STREAM_UP, STREAM_DOWN, STREAM_DIRECTIONS };
enum { STREAM_EDITS_MAX = 8, STREAM_REQUEST_ID_MAX = 64 };

struct stream_field {
    struct str name, value;
};

struct stream {
    struct worker *worker;
    struct client *client;
    struct upstream *upstream;
    struct service *service;
    struct endpoint *endpoint;
    const struct endpoint *avoid;         /* the one that failed last; compared only */
    struct generation *generation;        /* of `route` and `filters`, while any of them may run */
    struct generation *global_generation; /* of `global` */
    const struct filter_chain *filters;   /* the route's */
    const struct filter_chain *global;    /* the gateway's */
    const struct route *route;            /* valid while `generation` is held */
    struct counters_cell *cell;           /* while there is an endpoint: counted in its in_flight */
    struct service_waiter waiting;        /* for an endpoint */
    struct stream *next_free;
    struct tunnel_frames *frames; /* a tunnel whose frames are read */
    struct ring_access *record;   /* a tunnel's, as far as it is known when it begins */
    atomic_uint *tunnel_slot;     /* where it is counted, if its route has a limit */

    uint8_t state; /* enum stream_state */
    uint8_t filter_at[STREAM_DIRECTIONS];
    bool suspended[STREAM_DIRECTIONS], has_trailers[STREAM_DIRECTIONS];
    bool tcp, brief, more_kept;  /* brief: a tunnel that ends at STREAM_BRIEF; see record.h */
    bool connect, flows;         /* CONNECT that its route allows; events or a call (stream_ms) */
    bool frames_asked, follows;  /* a WebSocket to be read; one of which only `bounds` are */
    bool shared_load, bound;     /* how service_pick counted it; the client's cookie names it */
    bool path_changed;           /* `path` is not what the client wrote */
    bool head_sent, body_moved;  /* handed to the kernel; gone and not to be sent again */
    bool up_done, up_broken;     /* all was handed over; it takes no more, and may still answer */
    bool answer_seen, continued; /* a byte of the answer has come; a 100, so the body is read */
    bool answer_begun;           /* the client was sent (part of) a final head */
    bool down_done;              /* the whole answer was handed over */
    bool cut;                    /* the answer broke off: the client must not take it for whole */
    bool keep_client, keep_upstream; /* the connections live on afterwards */
    uint8_t place, code, carried;    /* enum policy_place, ring_code, stream_carried */
    bool chunk_down;                 /* we frame the answer in chunks */
    uint8_t retries, interims;       /* interim answers that were passed on */
    uint8_t add_request_count, add_response_count, request_id_len;
    struct ip remote; /* whom a trusted proxy names; family 0: whoever connected */
    uint16_t status, flags, close_code; /* RING_FLAG_…; ring_access.close_code */
    uint32_t tunnel_idle_ms;            /* the route's; 0 = the service's */
    int last_error;                     /* of the upstream, for the page */
    uint64_t bytes_in, bytes_out;
    int64_t start_ns, start_wall_ns, head_ns, pick_ns, connect_ns, sent_ns, answer_ns;
    int64_t picked_ns, connect_from_ns; /* 0 = it did not wait, nor connect */
    uint64_t route_id;
    struct websocket_bounds bounds[STREAM_DIRECTIONS];

    /* Up to here a tunnel needs it (stream_shorten); what follows is a request's. */
    struct http1_body up, down;
    struct str path; /* as it is forwarded: normalised, perhaps stripped */
    struct block *path_block;
    struct block *answer_in;               /* a response head that is not complete yet */
    struct replay replay;                  /* of the body behind the first block */
    struct block *held[STREAM_DIRECTIONS]; /* a body piece whose filter suspended */
    void *filter_state[2 * FILTERS_MAX];   /* by filter->slot */
    uint64_t body_size;                    /* of the request at most */
    int64_t blocked_ns, waited_ns; /* the client reads slowly: since when, and before that */
    struct policy_visit visit;

    /* Not cleared for a new request. */
    union {
        struct http1_head req;
        struct tls_hello hello; /* of an sni listener */
    };
    struct http1_trailers trailers[STREAM_DIRECTIONS]; /* of a chunked body */
    struct block *trailer_block[STREAM_DIRECTIONS];    /* while has_trailers */
    struct stream_field add_request[STREAM_EDITS_MAX];
    struct stream_field add_response[STREAM_EDITS_MAX];
    char request_id[STREAM_REQUEST_ID_MAX];
};

#define STREAM_BRIEF offsetof(struct stream, up)

static inline struct http1_body *stream_body(struct stream *stream, enum stream_direction direction)
{
    return direction == STREAM_UP ? &stream->up : &stream->down;
}

/* For the client: a new request. NULL when memory is out. */
struct stream *stream_new(struct client *client);
/* Goes on as far as it can. May end the stream and close its connections. */
void stream_run(struct stream *stream);
/* The client's deadline has come. */
void stream_timeout(struct stream *stream);
/* The client is gone. */
void stream_abort(struct stream *stream);

#endif
