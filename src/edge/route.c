/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the route table (route.h says how it decides; route_table.c makes it).
 *
 * 1. A host is asked only for prefixes as deep as its deepest route: a long path costs no more.
 * 2. Nothing here allocates or writes.
 */
#include "edge/route.h"

#include "base/map.h"

enum { SEED = 0x726f7574 };

static const struct route_shard *shard_of(const struct route_table *table, uint64_t hash)
{
    return table->shards[hash >> 32 & table->shard_mask];
}

uint64_t route_host_hash(struct str host)
{
    return host.len > 0 ? map_hash(SEED, host) : SEED; /* routes for all hosts are asked often */
}

uint64_t route_path_hash(uint64_t host_hash, struct str path)
{
    return map_hash(SEED ^ host_hash, path);
}

static inline always_inline_fn struct route_entry *host_entry(const struct route_table *table,
                                                              struct str host)
{
    uint64_t hash = route_host_hash(host);
    const struct route_shard *shard = shard_of(table, hash);
    size_t i = hash & shard->mask;
    for (;;) {
        const struct route_entry *entry = &shard->entries[i];
        if (!entry->of ||
            (entry->hash == hash && entry->count > 0 && str_eq(entry->of->host, host))) {
            return (struct route_entry *)(uintptr_t)entry;
        }
        i = (i + 1) & shard->mask;
    }
}

struct route_entry *route_host_entry(const struct route_table *table, struct str host)
{
    return host_entry(table, host);
}

struct route_entry *route_path_entry(const struct route_table *table,
                                     const struct route_entry *host, struct str path)
{
    uint64_t hash = route_path_hash(host->hash, path);
    const struct route_shard *shard = shard_of(table, hash);
    size_t i = hash & shard->mask;
    for (;;) {
        const struct route_entry *entry = &shard->entries[i];
        if (!entry->of ||
            (entry->hash == hash && entry->count == 0 && str_eq(entry->of->path, path) &&
             str_eq(entry->of->host, host->of->host))) {
            return (struct route_entry *)(uintptr_t)entry;
        }
        i = (i + 1) & shard->mask;
    }
}

/* The longest prefix of `path` at a segment border that has at most the host's depth. */
static const struct route *find_path(const struct route_table *table,
                                     const struct route_entry *host, struct str path)
{
    size_t ends[64];
    size_t count = 0;
    size_t wanted = MIN(host->depth, (uint32_t)ARRAY_LEN(ends));
    for (size_t i = 1; i <= path.len && count < wanted; i++) {
        if (i == path.len || path.p[i] == '/') {
            ends[count++] = i;
        }
    }
    while (count > 0) {
        const struct route_entry *entry =
            route_path_entry(table, host, str_slice(path, 0, ends[--count]));
        if (entry->of) {
            return entry->route;
        }
    }
    return host->route;
}

static const struct route *find_host(const struct route_table *table, struct str name,
                                     struct str path)
{
    const struct route_entry *host = host_entry(table, name);
    if (!host->of) {
        return NULL;
    }
    return host->depth > 0 ? find_path(table, host, path) : host->route;
}

/* "*.b.c" and "*.c" for "a.b.c": one look per label, so bounded by the host's length. */
static const struct route *find_wildcard(const struct route_table *table, struct str host,
                                         struct str path)
{
    char name[ROUTE_HOST_MAX + 2];
    const struct route *route = NULL;
    for (size_t i = 0; !route && i + 1 < host.len; i++) {
        if (host.p[i] == '.') {
            name[0] = '*';
            memcpy(name + 1, host.p + i, host.len - i);
            route = find_host(table, str_make(name, host.len - i + 1), path);
        }
    }
    return route;
}

const struct route *route_table_find(const struct route_table *table, struct str host,
                                     struct str path)
{
    const struct route *route = NULL;
    if (host.len > 0 && host.len <= ROUTE_HOST_MAX) {
        route = find_host(table, host, path);
        if (!route && table->wildcards > 0) {
            route = find_wildcard(table, host, path);
        }
    }
    if (!route && table->any) {
        route = find_host(table, STR_NONE, path);
    }
    return route;
}

/* Eight bytes at once: bit 7 of a byte's sum says "at least", and nothing carries out of it. */
static uint64_t lower_eight(uint64_t x)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), seven = ones * 0x7f;
    uint64_t from_a = (x & seven) + ones * (0x80 - 'A');
    uint64_t behind_z = (x & seven) + ones * (0x80 - 'Z' - 1);
    uint64_t upper = from_a & ~behind_z & ~x & ones * 0x80;
    return x | upper >> 2; /* 0x80 >> 2 is the bit between the cases */
}

static void to_lower(char *to, const char *from, size_t len)
{
    uint64_t x;
    if (len < 8) {
        for (size_t i = 0; i < len; i++) {
            to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + ('a' - 'A')) : from[i];
        }
        return;
    }
    for (size_t at = 0; at < len; at += 8) {
        at = MIN(at, len - 8); /* the last word may overlap the one before */
        memcpy(&x, from + at, 8);
        x = lower_eight(x);
        memcpy(to + at, &x, 8);
    }
}

struct str route_host_of(struct str authority, char memory[ROUTE_HOST_MAX + 1])
{
    size_t len = authority.len;
    if (len > 0 && authority.p[0] != '[') {
        ptrdiff_t colon = str_find_char(authority, ':');
        len = colon >= 0 ? (size_t)colon : len;
        len -= len > 1 && authority.p[len - 1] == '.';
    } else if (len > 0) {
        ptrdiff_t bracket = str_find_char(authority, ']');
        len = bracket >= 0 ? (size_t)bracket + 1 : len;
    }
    if (len > ROUTE_HOST_MAX) {
        return STR_NONE;
    }
    to_lower(memory, authority.p, len);
    return str_make(memory, len);
}
