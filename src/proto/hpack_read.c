/* SPDX-License-Identifier: Apache-2.0
 *
 * What the first byte of a field says (RFC 7541 §6):
 *
 *     1xxxxxxx  an index: the field is known
 *     01xxxxxx  a field that is kept; the index of its name, or 0 and the name
 *     001xxxxx  the table's new size, in front of all fields
 *     0001xxxx  a field that nobody may keep
 *     0000xxxx  a field that is not kept
 *
 * A field is taken whole or not at all: cut, it is read anew when more has come. Only what is too
 * long is passed over piece by piece; whether its code is right is not looked at then.
 */
#include "proto/hpack_read.h"

#include "base/num.h"
#include "proto/hpack_huffman.h"
#include "proto/hpack_static.h"

#include <stdlib.h>

enum {
    NUMBER_BYTES = 5, /* behind the first one: no more are needed for 32 bits */
    READ_LONG = 2,    /* of parts: a text begins that is to be passed over */
};

void hpack_reader_init(struct hpack_reader *reader, uint32_t text_max)
{
    *reader = (struct hpack_reader){.text_max = text_max};
    hpack_ring_init(&reader->ring);
}

void hpack_reader_fini(struct hpack_reader *reader)
{
    hpack_ring_fini(&reader->ring);
}

void hpack_room_fini(struct hpack_room *room)
{
    free(room->large[0]);
    free(room->large[1]);
    hpack_room_init(room);
}

uint8_t hpack_id(struct str name)
{
    if (name.len > 0 && name.p[0] == ':') {
        for (uint8_t id = HPACK_AUTHORITY; id < HPACK_IDS; id++) {
            if (str_eq(name, hpack_pseudo_name(id))) {
                return id;
            }
        }
        return HTTP_H_OTHER;
    }
    enum http_header_id id = http_header_find(name);
    return id != HTTP_H_OTHER && str_eq(name, http_header_name(id)) ? (uint8_t)id : HTTP_H_OTHER;
}

/* --- parts --- */

/* The rest of a number behind a first byte that says `most`. */
static int read_large(struct str *bytes, uint32_t most, uint32_t *ret)
{
    const unsigned char *p = (const unsigned char *)bytes->p;
    uint64_t number = most;
    size_t n = 1;
    unsigned char c;
    do {
        if (n > NUMBER_BYTES) {
            return -EBADMSG;
        }
        if (n == bytes->len) {
            return HPACK_E_MORE;
        }
        c = p[n];
        number += (uint64_t)(c & 0x7f) << (7 * (n - 1));
        n++;
    } while (c & 0x80);
    if (number > UINT32_MAX) {
        return -EBADMSG;
    }
    *ret = (uint32_t)number;
    *bytes = str_make(bytes->p + n, bytes->len - n);
    return 0;
}

/* A number whose first `bits` bits lie in the first byte (§5.1). */
static inline int read_number(struct str *bytes, unsigned bits, uint32_t *ret)
{
    uint32_t most = (1U << bits) - 1;
    *ret = (unsigned char)bytes->p[0] & most;
    if (unlikely(*ret == most)) {
        return read_large(bytes, most, ret);
    }
    *bytes = str_make(bytes->p + 1, bytes->len - 1);
    return 0;
}

/* Text in Huffman's code, into the rest of the room's small part or memory of its own. */
static int read_code(struct str text, struct str small, char **large, struct str *ret)
{
    size_t most = hpack_huffman_room(text.len);
    char *p = (char *)(uintptr_t)small.p;
    if (most > small.len) {
        free(*large);
        p = *large = malloc(most);
        if (!p) {
            return -ENOMEM;
        }
    }
    ptrdiff_t n = hpack_huffman_read(text, p);
    if (n < 0) {
        return -EBADMSG;
    }
    *ret = str_make(p, (size_t)n);
    return 0;
}

/* How a field is read. */
struct literal {
    const struct hpack_reader *reader;
    bool keeps;
    size_t name_len, came; /* once the name was read: also its bytes as they came */
};

/* Is it too long for everybody? A letter of Huffman's code has at most 30 bits. */
static bool is_too_long(const struct literal *literal, uint32_t len, bool coded)
{
    size_t least = literal->name_len + (coded ? len / 4 : len);
    return literal->came + len > literal->reader->text_max &&
           (!literal->keeps || least > literal->reader->ring.limit);
}

static int read_len(struct str *bytes, uint32_t *ret)
{
    int r = bytes->len > 0 ? read_number(bytes, 7, ret) : HPACK_E_MORE;
    return r == 0 && *ret > HPACK_TEXT_MAX ? -EBADMSG : r;
}

/* A name or value (§5.2). READ_LONG: its length was read. */
static int read_text(const struct literal *literal, struct str *bytes, struct str small,
                     char **large, struct str *ret)
{
    bool coded = bytes->len > 0 && bytes->p[0] & 0x80;
    uint32_t len;
    int r = read_len(bytes, &len);
    if (r != 0) {
        return r;
    }
    if (unlikely(is_too_long(literal, len, coded))) {
        ret->len = len;
        return READ_LONG;
    }
    if (len > bytes->len) {
        return HPACK_E_MORE;
    }
    struct str text = str_make(bytes->p, len);
    *bytes = str_make(bytes->p + len, bytes->len - len);
    if (coded) {
        return read_code(text, small, large, ret);
    }
    *ret = text;
    return 0;
}

/* --- fields --- */

static void found_kept(const struct hpack_ring *ring, struct hpack_kept *kept,
                       struct hpack_found *ret)
{
    const char *line = hpack_ring_line(ring, kept);
    *ret = (struct hpack_found){
        .name = str_make(line, kept->name_len),
        .value = str_make(line + kept->name_len + 2, kept->value_len),
        .mark = &kept->mark,
        .id = kept->id,
        .line = true,
    };
}

/* The field of an index (§2.3.3). */
static int look_up(struct hpack_reader *reader, uint32_t index, struct hpack_found *ret)
{
    if (index > HPACK_STATIC_LAST) {
        struct hpack_kept *kept = hpack_ring_get(&reader->ring, index - HPACK_STATIC_LAST - 1);
        if (unlikely(!kept)) {
            return -EBADMSG;
        }
        found_kept(&reader->ring, kept, ret);
        return 0;
    }
    const struct hpack_field *field = &hpack_static[index];
    *ret = (struct hpack_found){.name = field->name, .value = field->value, .id = field->id};
    return index == 0 ? -EBADMSG : 0;
}

/* A name of the table that may be pushed out by what is kept now (§4.4). */
static int own_name(struct hpack_room *room, struct str *name)
{
    char *p = room->small;
    if (name->len > HPACK_ROOM) {
        free(room->large[0]);
        p = room->large[0] = malloc(name->len);
        if (!p) {
            return -ENOMEM;
        }
    }
    memcpy(p, name->p, name->len);
    name->p = p;
    return 0;
}

static int read_name(struct hpack_reader *reader, const struct literal *literal, struct str *bytes,
                     struct hpack_room *room, struct hpack_found *ret)
{
    uint32_t index;
    int r = read_number(bytes, literal->keeps ? 6 : 4, &index);
    if (r != 0) {
        return r;
    }
    if (index > 0) {
        r = look_up(reader, index, ret);
        ret->mark = NULL;
        ret->line = false;
        return r == 0 && literal->keeps && index > HPACK_STATIC_LAST ? own_name(room, &ret->name)
                                                                     : r;
    }
    *ret = (struct hpack_found){0};
    r = read_text(literal, bytes, str_make(room->small, HPACK_ROOM), &room->large[0], &ret->name);
    if (r == 0) {
        ret->id = hpack_id(ret->name);
    }
    return r;
}

static int keep(struct hpack_reader *reader, struct hpack_found *found)
{
    struct hpack_kept *kept;
    int r = hpack_ring_add(&reader->ring, found->name, found->value, &kept);
    if (kept) {
        kept->id = found->id;
        found_kept(&reader->ring, kept, found);
    }
    return r;
}

/* From here on it is passed over. */
static void begin_skip(struct hpack_reader *reader, bool keeps, uint32_t len, bool value_comes)
{
    if (keeps) { /* it is larger than the table, and leaves it empty (§4.4) */
        uint32_t limit = reader->ring.limit;
        hpack_ring_limit(&reader->ring, 0);
        hpack_ring_limit(&reader->ring, limit);
    }
    reader->skipping = true;
    reader->skip_value = value_comes;
    reader->skip = len;
}

/* What has come of it. */
static int skip(struct hpack_reader *reader, struct str *bytes, struct hpack_found *ret)
{
    for (;;) {
        size_t n = MIN((size_t)reader->skip, bytes->len);
        reader->skip -= (uint32_t)n;
        *bytes = str_skip(*bytes, n);
        if (reader->skip > 0) {
            return HPACK_E_MORE;
        }
        if (!reader->skip_value) {
            reader->skipping = false;
            *ret = (struct hpack_found){.too_long = true};
            return 0;
        }
        uint32_t len;
        int r = read_len(bytes, &len);
        if (r != 0) {
            return r;
        }
        reader->skip = len;
        reader->skip_value = false;
    }
}

static int read_literal(struct hpack_reader *reader, struct str *bytes, struct hpack_room *room,
                        struct hpack_found *ret)
{
    unsigned first = (unsigned char)bytes->p[0];
    struct literal literal = {.reader = reader, .keeps = first & 0x40};
    size_t before = bytes->len;
    int r = read_name(reader, &literal, bytes, room, ret);
    if (r != 0) {
        if (r == READ_LONG) {
            begin_skip(reader, literal.keeps, (uint32_t)ret->name.len, true);
        }
        return r;
    }
    literal.name_len = ret->name.len;
    literal.came = before - bytes->len;
    struct str small = str_make(room->small, HPACK_ROOM);
    if (ret->name.p == room->small) {
        small = str_skip(small, ret->name.len);
    }
    r = read_text(&literal, bytes, small, &room->large[1], &ret->value);
    if (unlikely(r != 0)) {
        if (r == READ_LONG) {
            begin_skip(reader, literal.keeps, (uint32_t)ret->value.len, false);
        }
        return r;
    }
    ret->secret = first < 0x20 && first & 0x10;
    return literal.keeps ? keep(reader, ret) : 0;
}

static int read_size(struct hpack_reader *reader, struct str *bytes)
{
    uint32_t size;
    int r = reader->begun ? -EBADMSG : read_number(bytes, 5, &size);
    if (r != 0) {
        return r;
    }
    if (size > HPACK_TABLE_MAX) {
        return -EBADMSG;
    }
    hpack_ring_limit(&reader->ring, size);
    return 0;
}

int hpack_read(struct hpack_reader *reader, struct str *bytes, struct hpack_room *room,
               struct hpack_found *ret)
{
    if (unlikely(reader->skipping)) {
        return skip(reader, bytes, ret);
    }
    while (bytes->len > 0) {
        struct str rest = *bytes;
        unsigned first = (unsigned char)rest.p[0];
        uint32_t index;
        int r;
        if (likely(first & 0x80)) {
            r = read_number(&rest, 7, &index);
            r = r == 0 ? look_up(reader, index, ret) : r;
        } else if (unlikely((first & 0xe0) == 0x20)) {
            r = read_size(reader, &rest);
            if (r == 0) {
                *bytes = rest;
                continue;
            }
        } else {
            r = read_literal(reader, &rest, room, ret);
        }
        if (likely(r == 0)) {
            reader->begun = true;
            *bytes = rest;
        } else if (unlikely(r == READ_LONG)) {
            reader->begun = true;
            *bytes = rest;
            return skip(reader, bytes, ret);
        }
        return r;
    }
    return HPACK_E_MORE;
}
