/* SPDX-License-Identifier: Apache-2.0
 *
 * struct map: bytes to pointer, open addressing with linear probing, born with a maximum count.
 * Keys are borrowed: their bytes must live as long as the entry (usually they lie in the value).
 * Iteration order is that of insertion as long as nothing is removed: it never depends on the hash,
 * so that two runs with equal inputs behave alike.
 *
 * `seed` is 0 unless its owner sets it before the first entry: where strangers choose the keys, an
 * unknown seed keeps them from choosing such as collide. Pointers to entries are valid until the
 * next put or take; a walk that takes entries out goes from the last one to the first.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map_entry {
    struct str key;
    void *value;
    uint64_t hash;
};

struct map {
    struct map_entry *entries; /* dense, `len` of them */
    uint32_t *slots;           /* index + 1 into entries; 0 = free */
    size_t len;
    size_t cap; /* of entries; slots are twice that, a power of two */
    size_t max;
    uint64_t seed;
};

#define MAP_INIT(limit) ((struct map){.max = (limit)})

void map_fini(struct map *map);
void *map_get(const struct map *map, struct str key);
/* Adds or replaces; a replaced entry borrows the new key from then on, so the old value may be
 * freed. 0, -ENOBUFS beyond the maximum (never for a replacement), -ENOMEM: nothing changed. */
must_check int map_put(struct map *map, struct str key, void *value);
/* Takes the entry out and returns its value, NULL if there was none. The last entry takes its
 * place. */
void *map_take(struct map *map, struct str key);

/* XXH3 (64 bits) of the bytes. */
uint64_t map_hash(uint64_t seed, struct str key);

#endif
