/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of the targets that have a whole edge inside: its services' end of each connection, its
 * clock, and what may happen while an input is sent. The clock stands: a turn takes TURN_NS, and
 * time passes only where an input says so, so that an input does the same each time.
 *
 * A *script* is what happens: its steps (lower half of a byte) and options (16: `tcp`, 32:
 * `switches`, 64: `stubborn`, 128: `scarce`), then two bytes a step: how much of the input goes
 * before it (below 128: bytes; from there on (n - 128) × 32; 255: all of it), then in the lower
 * half how long it takes (see lengths_ms, 8: at once instead of in slices), in the upper half what
 * it is (see `acts`).
 */
#ifndef TESTS_FUZZ_EDGE_WORLD_H
#define TESTS_FUZZ_EDGE_WORLD_H

#include "../unit/edge/inside.h"
#include "fuzz.h"
#include "link/snapshot.h"

enum { WORLD_PEERS = 16, WORLD_OTHERS = 4 };

/* A service's end of a connection. */
struct world_peer {
    int fd;
    struct buf asked;
    struct str rest;         /* of an answer that is being sent */
    unsigned owed;           /* answers that were kept back */
    bool http2, begun, told; /* its speech, if that is HTTP/2: settings, and the input, were said */
};

struct world {
    struct inside inside;
    struct world_peer peers[WORLD_PEERS];
    size_t peer_count;
    /* What a target sets: */
    void (*describe)(struct snapshot_builder *builder);       /* world_service() for each */
    void (*asked)(struct world_peer *peer, struct str bytes); /* a service was sent something */
    bool speaks_http2;                                        /* all services do */
    size_t cut;                                               /* it is sent so much at a time */
    /* One input: */
    bool timed;         /* it has a script */
    bool tcp, switches; /* it comes to a tcp listener; services answer by 101 */
    bool scarce;        /* memory runs out at times */
    bool stubborn;      /* at the end nobody gives way, so that only time-outs end it */
    struct str script;
    int client;
    int input; /* a service's connection that is sent the input; -1: none (any more) */
    bool input_told;
    struct buf got;
    bool ended;               /* the client's connection */
    bool silent, half, large; /* services: do not answer, do so without an end, say much */
    bool deaf;                /* the client does not read */
    int others[WORLD_OTHERS]; /* other clients; with all of them one has to go */
    unsigned other_turn;
    enum snapshot_endpoint_state endpoints;
    bool changed, stopped; /* the snapshot is not that of the beginning; the edge was to stop */
};
extern struct world world;

/* Takes the script off the input; the client connects. */
void world_begin(struct str *in, bool timed);
/* A service at the peers; with a policy it has more than one endpoint. */
void world_service(struct snapshot_builder *builder, const struct snapshot_service *service,
                   const struct snapshot_route *route);
/* Serves as `describe` says, unless it does already. */
void world_open(void);
void world_turn(void);
/* Sends all, in cuts, with what the script says in between. */
void world_play(const int *fd, struct str in);
void world_send(const int *fd, struct str bytes, size_t step);
/* Answers as things stand: now, later, half … */
void world_answer(struct world_peer *peer);
/* The client has said all: the edge must come to an end with it, then with all else, and nothing is
 * held any more. */
void world_end(void);

#endif
