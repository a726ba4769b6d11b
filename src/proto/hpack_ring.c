/* SPDX-License-Identifier: Apache-2.0
 *
 * 1. size <= limit <= HPACK_TABLE_MAX: texts take at most as much.
 * 2. Memory for 8, 16 … 128 entries has 48 bytes of text for each: half as much again as the table
 *    that it is for, so that texts are moved together at most once in so many bytes as that has.
 */
#include "proto/hpack_ring.h"

#include <stdlib.h>

enum {
    PLACES_MIN = 8,
    PLACES_MAX = HPACK_TABLE_MAX / HPACK_OVERHEAD,
    TEXT_EACH = 48,
    LINE_MORE = 4, /* ": " and the line's end */
};

void hpack_ring_init(struct hpack_ring *ring)
{
    *ring = (struct hpack_ring){.limit = HPACK_TABLE_MAX};
}

void hpack_ring_fini(struct hpack_ring *ring)
{
    free(ring->entries);
    ring->entries = NULL;
}

static struct hpack_kept *entry_of(const struct hpack_ring *ring, uint32_t number)
{
    return &ring->entries[number & (ring->places - 1U)];
}

static char *texts(const struct hpack_ring *ring)
{
    return (char *)&ring->entries[ring->places];
}

char *hpack_ring_line(const struct hpack_ring *ring, const struct hpack_kept *kept)
{
    return texts(ring) + kept->at;
}

struct hpack_kept *hpack_ring_get(const struct hpack_ring *ring, uint32_t age)
{
    return age < ring->count ? entry_of(ring, ring->next - 1 - age) : NULL;
}

static uint32_t line_len(size_t name_len, size_t value_len)
{
    return (uint32_t)(name_len + value_len + LINE_MORE);
}

static void evict(struct hpack_ring *ring, uint32_t size)
{
    while (ring->size > size) {
        const struct hpack_kept *oldest = entry_of(ring, ring->next - ring->count);
        ring->size -= (uint32_t)(oldest->name_len + oldest->value_len) + HPACK_OVERHEAD;
        ring->text_from = (uint16_t)(oldest->at + line_len(oldest->name_len, oldest->value_len));
        ring->count--;
    }
    if (ring->count == 0) {
        ring->text_from = ring->text_to = 0;
    }
}

void hpack_ring_limit(struct hpack_ring *ring, uint32_t limit)
{
    ensure(limit <= HPACK_TABLE_MAX);
    ring->limit = limit;
    evict(ring, limit);
    if (ring->count == 0) {
        hpack_ring_fini(ring);
        ring->places = 0;
    }
}

/* The same texts from the beginning of other memory, or of the same. */
static void move(struct hpack_ring *ring, struct hpack_kept *to, uint16_t places)
{
    uint16_t from = ring->text_from;
    memmove(&to[places], texts(ring) + from, ring->text_to - (size_t)from);
    for (uint32_t number = ring->next - ring->count; number != ring->next; number++) {
        struct hpack_kept kept = *entry_of(ring, number);
        kept.at = (uint16_t)(kept.at - from);
        to[number & (places - 1U)] = kept;
    }
    ring->entries = to;
    ring->places = places;
    ring->text_from = 0;
    ring->text_to = (uint16_t)(ring->text_to - from);
}

/* For one more entry with `len` bytes of text. */
static int make_room(struct hpack_ring *ring, uint32_t len)
{
    uint32_t text = ring->text_to - (uint32_t)ring->text_from + len;
    uint16_t places = ring->places ? ring->places : PLACES_MIN;
    if (likely(ring->count < ring->places && ring->text_to + len <= ring->places * TEXT_EACH)) {
        return 0;
    }
    while (places < PLACES_MAX && (ring->count >= places || text > places * TEXT_EACH / 3 * 2)) {
        places = (uint16_t)(places * 2);
    }
    if (places == ring->places) {
        move(ring, ring->entries, places);
        return 0;
    }
    struct hpack_kept *to = malloc(places * (sizeof(*to) + TEXT_EACH));
    if (!to) {
        return -ENOMEM;
    }
    struct hpack_kept *before = ring->entries;
    if (before) {
        move(ring, to, places);
        free(before);
    }
    ring->entries = to;
    ring->places = places;
    return 0;
}

static void put(char *p, struct str name, struct str value)
{
    memcpy(p, name.p, name.len);
    memcpy(p + name.len, ": ", 2);
    if (value.len > 0) {
        memcpy(p + name.len + 2, value.p, value.len);
    }
    memcpy(p + name.len + 2 + value.len, "\r\n", 2);
}

int hpack_ring_add(struct hpack_ring *ring, struct str name, struct str value,
                   struct hpack_kept **ret)
{
    size_t size = name.len + value.len + HPACK_OVERHEAD;
    *ret = NULL;
    if (size > ring->limit) {
        uint32_t limit = ring->limit;
        hpack_ring_limit(ring, 0);
        ring->limit = limit;
        return 0;
    }
    evict(ring, ring->limit - (uint32_t)size);
    uint32_t len = line_len(name.len, value.len);
    int r = make_room(ring, len);
    if (r < 0) {
        return r;
    }
    struct hpack_kept *kept = entry_of(ring, ring->next);
    *kept = (struct hpack_kept){
        .at = ring->text_to,
        .name_len = (uint16_t)name.len,
        .value_len = (uint16_t)value.len,
    };
    put(texts(ring) + ring->text_to, name, value);
    ring->text_to = (uint16_t)(ring->text_to + len);
    ring->size += (uint32_t)size;
    ring->next++;
    ring->count++;
    *ret = kept;
    return 0;
}
