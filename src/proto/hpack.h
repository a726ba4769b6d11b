/* SPDX-License-Identifier: Apache-2.0
 *
 * struct hpack_writer: heads in the form of HPACK (RFC 7541), written straight into the frame. What
 * comes again is one byte: a table of fields that the reader keeps, too. Without Huffman's code:
 * it costs the writer and the reader more than the bytes that it saves.
 *
 * A value is kept from the second time on that it is seen, so that what never comes again (ids,
 * times) drives nothing out. What does not fit, or collides, is written as it is. Pure; the table
 * is allocated when there is something to keep.
 */
#ifndef PROTO_HPACK_H
#define PROTO_HPACK_H

#include "proto/hpack_ring.h"
#include "proto/http.h"

/* Pseudo-header fields are ids like others here. */
enum {
    HPACK_AUTHORITY = HTTP_H_COUNT,
    HPACK_METHOD,
    HPACK_PATH,
    HPACK_PROTOCOL,
    HPACK_SCHEME,
    HPACK_STATUS,
    HPACK_IDS
};
enum { HPACK_FIELD_MAX = 24 /* bytes that a field takes besides its texts */ };

struct hpack_field {
    struct str name; /* of HTTP_H_OTHER, in any case; of others their ids say it */
    struct str value;
    uint8_t id;
    bool secret; /* must not be kept, also behind us (RFC 7541 §6.2.3) */
};
/* Of HPACK_AUTHORITY and those behind it. */
struct str hpack_pseudo_name(unsigned id);

struct hpack_memory;
struct hpack_writer {
    struct hpack_ring ring;      /* what the reader keeps, too; its limit is at most `max` */
    struct hpack_memory *memory; /* NULL: nothing was seen yet */
    uint32_t max;                /* bytes of the table that we use */
    uint32_t least;              /* the lowest that the reader allowed since the last head */
    bool tell;                   /* the next head begins with the new size */
};

void hpack_init(struct hpack_writer *writer, uint32_t max);
void hpack_fini(struct hpack_writer *writer);
/* The reader's SETTINGS_HEADER_TABLE_SIZE. */
void hpack_limit(struct hpack_writer *writer, uint32_t size);
/* Bytes that the field takes at most, a change of size in front of it included. */
static inline size_t hpack_room(const struct hpack_field *field)
{
    return field->name.len + field->value.len + HTTP_HEADER_NAME_MAX + HPACK_FIELD_MAX;
}
/* Both return the end of what they have written. A head begins with the first. */
char *hpack_begin(struct hpack_writer *writer, char *p);
char *hpack_add(struct hpack_writer *writer, char *p, const struct hpack_field *field);

#endif
