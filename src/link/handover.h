/* SPDX-License-Identifier: Apache-2.0
 *
 * What an edge that is being replaced and the one that replaces it say to each other, over a
 * SEQPACKET pair whose one end the keeper holds as "handover:PID" (PID: of the old one). The new
 * one says how many connections it takes (CREDIT); each comes as one message with its descriptors.
 *
 * Both are processes of this machine and of one instance, perhaps of different versions: a message
 * of another version is not understood, and what was to be moved stays where it is.
 */
#ifndef LINK_HANDOVER_H
#define LINK_HANDOVER_H

#include "link/ring.h"

enum { HANDOVER_VERSION = 2 };

enum handover_kind {
    HANDOVER_CREDIT = 1, /* from the new one: so many more */
    HANDOVER_IDLE,       /* a client between two requests; fds: client */
    HANDOVER_TUNNEL,     /* bytes pass unread; fds: client, upstream */
    HANDOVER_KINDS
};
/* Directions that are over. */
enum { HANDOVER_CLIENT_ENDED = 1, HANDOVER_UPSTREAM_ENDED = 2 };
/* A WebSocket, between two frames in both directions. */
enum { HANDOVER_BETWEEN = 4 };

struct handover_msg {
    uint32_t magic;
    uint16_t version, kind;
    uint32_t credit;
    uint32_t requests; /* that the client has asked */
    uint8_t listener;  /* enum snapshot_listener_kind */
    uint8_t family;    /* of the client: 4, 6, 0 = unix */
    uint16_t port;
    uint8_t ended; /* HANDOVER_…_ENDED, HANDOVER_BETWEEN */
    uint8_t reserved[3];
    uint8_t ip[16];
    uint64_t listener_service; /* stable id; 0 = none */
    uint16_t redirect_port;    /* of https; 0 = none */
    uint16_t unused[3];
    /* Of a tunnel. */
    int64_t start_wall_ns, age_ns; /* its first byte */
    uint64_t bytes_in, bytes_out;
    uint32_t idle_ms; /* the route's; 0 = the service's */
    uint16_t status, flags;
    struct ring_access record; /* as far as it was known when it began */
    struct ring_more more;     /* what stands in front of it; all lengths 0: not wanted */
};

void handover_msg_init(struct handover_msg *msg, enum handover_kind kind);
/* Is it one that may be looked at, with as many descriptors as it should have? */
bool handover_msg_valid(const struct handover_msg *msg, size_t len, size_t fd_count);

#endif
