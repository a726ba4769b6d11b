/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling and asking the route table (route.h says how it decides).
 *
 * 1. Open addressing at most half full, sizes powers of two: a search ends at the first free slot.
 * 2. A host is asked only for prefixes as deep as its deepest route: a long path costs no more.
 * 3. Nothing here allocates when asked, and nothing is written after route_table_init.
 */
#include "edge/route.h"

#include "base/map.h"

#include <stdlib.h>

struct route_host {
    struct str name;
    uint64_t hash;
    uint32_t depth; /* of its deepest prefix; how many '/' a prefix has */
    bool used;
    const struct route *root; /* the route of "" */
};
struct route_slot {
    const struct route *route;
    uint32_t host; /* slot of its host */
    uint64_t hash;
};

enum { SEED = 0x726f7574 };

static uint32_t depth_of(struct str path)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < path.len; i++) {
        depth += path.p[i] == '/';
    }
    return depth;
}

static size_t table_size(size_t count)
{
    size_t size = 8;
    while (size < count * 2) {
        size *= 2;
    }
    return size;
}

/* The slot of this host, or the free one where it belongs. */
static uint32_t host_slot(const struct route_table *table, struct str name, uint64_t hash)
{
    size_t i = hash & (table->host_slots - 1);
    while (table->hosts[i].used &&
           !(table->hosts[i].hash == hash && str_eq(table->hosts[i].name, name))) {
        i = (i + 1) & (table->host_slots - 1);
    }
    return (uint32_t)i;
}

static uint64_t path_hash(uint32_t host, struct str path)
{
    return map_hash(SEED + host, path);
}

static struct route_slot *path_slot(const struct route_table *table, uint32_t host, struct str path)
{
    uint64_t hash = path_hash(host, path);
    size_t i = hash & (table->slot_count - 1);
    for (;;) {
        struct route_slot *slot = &table->slots[i];
        if (!slot->route ||
            (slot->hash == hash && slot->host == host && str_eq(slot->route->path, path))) {
            return slot;
        }
        i = (i + 1) & (table->slot_count - 1);
    }
}

static void add_route(struct route_table *table, const struct route *route)
{
    uint64_t hash = map_hash(SEED, route->host);
    uint32_t at = host_slot(table, route->host, hash);
    struct route_host *host = &table->hosts[at];
    if (!host->used) {
        *host = (struct route_host){.name = route->host, .hash = hash, .used = true};
        table->wildcards |= str_starts(route->host, STR("*."));
        if (route->host.len == 0) {
            table->any = at;
        }
    }
    if (route->path.len == 0) {
        host->root = host->root ? host->root : route;
        return;
    }
    uint32_t depth = depth_of(route->path);
    host->depth = MAX(host->depth, depth);
    struct route_slot *slot = path_slot(table, at, route->path);
    if (!slot->route) {
        *slot = (struct route_slot){route, at, path_hash(at, route->path)};
    }
}

int route_table_init(struct route_table *table, const struct route *routes, size_t count,
                     bool passthrough)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used += routes[i].passthrough == passthrough;
    }
    *table = (struct route_table){
        .host_slots = table_size(used),
        .slot_count = table_size(used),
        .any = UINT32_MAX,
    };
    table->hosts = calloc(table->host_slots, sizeof(*table->hosts));
    table->slots = calloc(table->slot_count, sizeof(*table->slots));
    if (!table->hosts || !table->slots) {
        route_table_fini(table);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        if (routes[i].passthrough == passthrough) {
            add_route(table, &routes[i]);
        }
    }
    return 0;
}

void route_table_fini(struct route_table *table)
{
    free(table->hosts);
    free(table->slots);
    *table = (struct route_table){.any = UINT32_MAX};
}

/* The longest prefix of `path` at a segment border that has at most the host's depth. */
static const struct route *find_path(const struct route_table *table, uint32_t at, struct str path)
{
    const struct route_host *host = &table->hosts[at];
    if (host->depth == 0) {
        return host->root;
    }
    size_t ends[64];
    size_t count = 0;
    size_t wanted = MIN(host->depth, (uint32_t)ARRAY_LEN(ends));
    for (size_t i = 1; i <= path.len && count < wanted; i++) {
        if (i == path.len || path.p[i] == '/') {
            ends[count++] = i;
        }
    }
    while (count > 0) {
        const struct route_slot *slot = path_slot(table, at, str_slice(path, 0, ends[--count]));
        if (slot->route) {
            return slot->route;
        }
    }
    return host->root;
}

static const struct route *find_host(const struct route_table *table, struct str name,
                                     struct str path)
{
    uint32_t at = host_slot(table, name, map_hash(SEED, name));
    return table->hosts[at].used ? find_path(table, at, path) : NULL;
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
        if (!route && table->wildcards) {
            route = find_wildcard(table, host, path);
        }
    }
    if (!route && table->any != UINT32_MAX) {
        route = find_path(table, table->any, path);
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
