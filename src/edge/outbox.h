/* SPDX-License-Identifier: Apache-2.0
 *
 * struct outbox: small sends of one turn of the loop, which go to the kernel one after the other at
 * its end. Reading and sending by turns, each throws the other's code out of the processor's cache;
 * and what is added behind a connection's own bytes leaves with them. Most was written where it
 * then waits: the thread's scratch memory (worker->out) begins behind the last byte. conn.c is its
 * only user: a connection has one entry at most, whose number is conn->queued.
 */
#ifndef EDGE_OUTBOX_H
#define EDGE_OUTBOX_H

#include "base/str.h"

struct conn;

enum {
    /* Of a connection: more goes at once. It costs a copy, or the room of many; and if the kernel
     * takes nothing, a large read must still fit behind it (BLOCK_LARGE_SIZE). */
    OUTBOX_PIECE = 2048,
    OUTBOX_ENTRIES = 128,
    OUTBOX_SIZE = 64 * 1024,
    OUTBOX_SCRATCH = 48 * 1024, /* behind it, always */
};

struct outbox_entry {
    struct conn *conn; /* NULL: it was taken */
    uint32_t at, len;
};

struct outbox {
    uint32_t count, len;
    struct outbox_entry entries[OUTBOX_ENTRIES];
    char bytes[OUTBOX_SIZE + OUTBOX_SCRATCH];
};

/* OUTBOX_SCRATCH bytes that nothing waits in. */
static inline char *outbox_scratch(struct outbox *outbox)
{
    return outbox->bytes + outbox->len;
}

/* The bytes, or a copy, wait for conn_send_queued. Its entry's number, from 1; 0: there is no room,
 * or it is too much. */
uint32_t outbox_add(struct outbox *outbox, struct conn *conn, struct str bytes);
/* The same behind the bytes of an entry. False: no room, too much, or another entry lies behind
 * it. */
must_check bool outbox_join(struct outbox *outbox, uint32_t entry, struct str bytes);
/* Empties an entry. Its bytes stay until the next one is added. */
struct str outbox_take(struct outbox *outbox, uint32_t entry);

#endif
