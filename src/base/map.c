/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries lie densely in an array, in the order of insertion; the hash table holds only their
 * indices. So iteration is a walk over an array, and the same in every run, whatever the seed.
 *
 * Invariants: 1. slots are a power of two, at most half of them taken: probing ends;
 *             2. an index i + 1 stands in exactly one slot, reachable from its hash without a gap;
 *             3. keys are borrowed: the map never copies or frees them.
 *
 * Half-empty slots and the stored hash make a miss cost about one cache line and no comparison of
 * keys. Growing keeps the old slots until the new ones are there, so without memory the map is as
 * it was.
 */
#include "base/map.h"

#include <stdlib.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#define XXH_INLINE_ALL
#include <xxhash.h>
#pragma GCC diagnostic pop

enum { MAP_CAP_MIN = 8 };

uint64_t map_hash(uint64_t seed, struct str key)
{
    return XXH3_64bits_withSeed(key.p ? key.p : "", key.len, seed);
}

void map_fini(struct map *map)
{
    if (map) {
        free(map->entries);
        free(map->slots);
        *map = (struct map){.max = map->max, .seed = map->seed};
    }
}

static size_t slot_mask(const struct map *map)
{
    return map->cap * 2 - 1;
}

/* The slot that holds `key`, or the free one where it would go. */
static size_t find_slot(const struct map *map, struct str key, uint64_t hash)
{
    size_t at = hash & slot_mask(map);
    while (map->slots[at]) {
        const struct map_entry *entry = &map->entries[map->slots[at] - 1];
        if (entry->hash == hash && str_eq(entry->key, key)) {
            break;
        }
        at = (at + 1) & slot_mask(map);
    }
    return at;
}

static int grow(struct map *map)
{
    size_t cap = map->cap ? map->cap * 2 : MAP_CAP_MIN;
    struct map_entry *entries = reallocarray(map->entries, cap, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    map->entries = entries;
    uint32_t *slots = calloc(cap * 2, sizeof(*slots));
    if (!slots) {
        return -ENOMEM;
    }
    free(map->slots);
    map->slots = slots;
    map->cap = cap;
    for (size_t i = 0; i < map->len; i++) {
        slots[find_slot(map, entries[i].key, entries[i].hash)] = (uint32_t)(i + 1);
    }
    return 0;
}

void *map_get(const struct map *map, struct str key)
{
    if (map->len == 0) {
        return NULL;
    }
    uint32_t index = map->slots[find_slot(map, key, map_hash(map->seed, key))];
    return index ? map->entries[index - 1].value : NULL;
}

int map_put(struct map *map, struct str key, void *value)
{
    uint64_t hash = map_hash(map->seed, key);
    if (map->cap) {
        uint32_t index = map->slots[find_slot(map, key, hash)];
        if (index) {
            map->entries[index - 1].key = key;
            map->entries[index - 1].value = value;
            return 0;
        }
    }
    if (map->len >= map->max) {
        return -ENOBUFS;
    }
    if (map->len == map->cap) {
        int r = grow(map);
        if (r < 0) {
            return r;
        }
    }
    map->entries[map->len] = (struct map_entry){key, value, hash};
    map->slots[find_slot(map, key, hash)] = (uint32_t)++map->len;
    return 0;
}

/* Linear probing without tombstones: entries behind the hole that may live there move up. */
static void free_slot(struct map *map, size_t hole)
{
    size_t at = hole;
    for (;;) {
        map->slots[hole] = 0;
        for (;;) {
            at = (at + 1) & slot_mask(map);
            if (!map->slots[at]) {
                return;
            }
            size_t home = map->entries[map->slots[at] - 1].hash & slot_mask(map);
            if (((at - home) & slot_mask(map)) >= ((at - hole) & slot_mask(map))) {
                break;
            }
        }
        map->slots[hole] = map->slots[at];
        hole = at;
    }
}

void *map_take(struct map *map, struct str key)
{
    if (map->len == 0) {
        return NULL;
    }
    size_t slot = find_slot(map, key, map_hash(map->seed, key));
    if (!map->slots[slot]) {
        return NULL;
    }
    size_t index = map->slots[slot] - 1;
    void *value = map->entries[index].value;
    free_slot(map, slot);
    size_t last = --map->len;
    if (index != last) {
        map->slots[find_slot(map, map->entries[last].key, map->entries[last].hash)] =
            (uint32_t)(index + 1);
        map->entries[index] = map->entries[last];
    }
    return value;
}
