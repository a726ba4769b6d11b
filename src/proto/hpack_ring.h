/* SPDX-License-Identifier: Apache-2.0
 *
 * struct hpack_ring: the table that a peer keeps with us (RFC 7541 §2.3.2). Entries in a ring,
 * their texts behind each other, all in one allocation that grows with what is kept (at most
 * 7 KiB) and is gone when nothing is.
 *
 * A text is a line of HTTP/1, "name: value\r\n": whoever wants one copies it at once. It fits: an
 * entry counts 32 bytes, of which we need 12.
 */
#ifndef PROTO_HPACK_RING_H
#define PROTO_HPACK_RING_H

#include "base/str.h"

enum {
    HPACK_TABLE_MAX = 4096, /* bytes, as the RFC counts them: what a peer uses unless told other */
    HPACK_OVERHEAD = 32,    /* of them that an entry has besides its texts */
};

struct hpack_kept {
    uint16_t at, name_len, value_len;
    uint8_t id;
    uint8_t mark; /* the reader's: 0 at first */
};

struct hpack_ring {
    struct hpack_kept *entries; /* NULL: there is none; their texts behind them */
    uint32_t size, limit;       /* as the RFC counts */
    uint32_t next, count;       /* number of the next entry, entries that are there */
    uint16_t places;            /* for entries: a power of two */
    uint16_t text_from, text_to;
};

void hpack_ring_init(struct hpack_ring *ring);
void hpack_ring_fini(struct hpack_ring *ring);
/* At most HPACK_TABLE_MAX. What does not fit any more is pushed out. */
void hpack_ring_limit(struct hpack_ring *ring, uint32_t limit);
/* The newest is 0. NULL: there is none. */
struct hpack_kept *hpack_ring_get(const struct hpack_ring *ring, uint32_t age);
/* Adds one, and pushes others out: neither text may lie in the ring. 0 (*ret NULL: it is larger
 * than the table, which is empty now) or -ENOMEM. */
must_check int hpack_ring_add(struct hpack_ring *ring, struct str name, struct str value,
                              struct hpack_kept **ret);
/* "name: value\r\n"; of use until the next change. */
char *hpack_ring_line(const struct hpack_ring *ring, const struct hpack_kept *kept);

#endif
