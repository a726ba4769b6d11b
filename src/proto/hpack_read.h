/* SPDX-License-Identifier: Apache-2.0
 *
 * struct hpack_reader: heads in the form of HPACK (RFC 7541), read field by field from the bytes of
 * a block as far as they have come. Pure; its table is allocated when a peer keeps something.
 *
 *     hpack_read_begin(&reader);                            a block
 *     while ((r = hpack_read(&reader, &bytes, &room, &found)) == 0) …
 *     r is HPACK_E_MORE: what is left in `bytes` is the beginning of a field; at the block's end
 *     there must be none, nor may hpack_read_is_amid be true.
 *     hpack_room_fini(&room);
 *
 * Whoever cuts blocks keeps the beginning of a field until its rest has come. A field whose texts
 * are longer than `text_max` together is none that anybody takes: it is passed over as it comes and
 * told without its texts. That is as good as reading it as long as the table could not keep it,
 * either; one that it could is at most four tables long.
 */
#ifndef PROTO_HPACK_READ_H
#define PROTO_HPACK_READ_H

#include "proto/hpack.h"
#include "proto/hpack_ring.h"

enum {
    HPACK_TEXT_MAX = 65536, /* bytes of a name or value as they come */
    HPACK_ROOM = 2048,
};

struct hpack_reader {
    struct hpack_ring ring;
    uint32_t text_max;
    uint32_t skip;   /* bytes of the text that is passed over now */
    bool begun;      /* a field of the block was read: the table's size stays */
    bool skipping;   /* a field is passed over … */
    bool skip_value; /* … whose value comes yet */
};

/* A field that was read. Texts lie in the bytes, the table or the room: until the next call. */
struct hpack_found {
    struct str name, value;
    uint8_t
        *mark;   /* a byte that stays with the field in the table, 0 at first; NULL: it has none */
    uint8_t id;  /* as in struct hpack_field */
    bool line;   /* at name.p lies "name: value\r\n" */
    bool secret; /* must not be kept in a table, neither by others (RFC 7541 §6.2.3) */
    bool too_long; /* it was passed over: it has neither name nor value */
};

/* Where texts in Huffman's code become readable. */
struct hpack_room {
    char *large[2];
    char small[HPACK_ROOM]; /* not initialised */
};

void hpack_reader_init(struct hpack_reader *reader, uint32_t text_max);
void hpack_reader_fini(struct hpack_reader *reader);
static inline void hpack_read_begin(struct hpack_reader *reader)
{
    reader->begun = false;
}
/* Is the rest of a field to come that is passed over? */
static inline bool hpack_read_is_amid(const struct hpack_reader *reader)
{
    return reader->skipping;
}
/* 0; HPACK_E_MORE; -EBADMSG: the reader is of no use any more; -ENOMEM: likewise. */
enum { HPACK_E_MORE = 1 };
must_check int hpack_read(struct hpack_reader *reader, struct str *bytes, struct hpack_room *room,
                          struct hpack_found *ret);
/* The id of a name: HPACK_…, or enum http_header_id if it is in lower case. */
uint8_t hpack_id(struct str name);
static inline struct hpack_found hpack_found_make(struct str name, struct str value)
{
    return (struct hpack_found){.name = name, .value = value, .id = hpack_id(name)};
}
static inline void hpack_room_init(struct hpack_room *room)
{
    room->large[0] = room->large[1] = NULL;
}
void hpack_room_fini(struct hpack_room *room);

#endif
