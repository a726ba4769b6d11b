/* SPDX-License-Identifier: Apache-2.0
 *
 * Making route tables: afresh from a snapshot, or from another one that differs in some routes.
 *
 * A table is an array of shards, each a small hash table of entries. Sharing a table copies the
 * array and counts each shard; what is changed afterwards is copied first, one shard at a time. So
 * one route more costs the array and a shard (some KB), whatever the number of routes.
 *
 * 1. A shard that more than one table has is never written to.
 * 2. An entry counts the routes that it names: those that came by deltas live as long as a table
 *    leads to them; the others lie in the config.
 * 3. Shards are at most half full: a search ends at the first free place.
 * 4. The depth of a host may stay larger than it is after a route went: it only bounds a search.
 * 5. A change that memory does not allow has changed nothing that can be seen.
 */
#include "edge/route.h"

#include <stdlib.h>

enum { SHARD_ROUTES = 16, SHARD_MIN = 8 }; /* usual number of entries; of places */

static void use_route(const struct route *route)
{
    if (route && route->refs) {
        atomic_fetch_add(route->refs, 1);
    }
}

static void drop_route(const struct route *route)
{
    if (route && route->refs && atomic_fetch_sub(route->refs, 1) == 1) {
        free(route->refs); /* its memory begins there */
    }
}

static uint32_t depth_of(struct str path)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < path.len; i++) {
        depth += path.p[i] == '/';
    }
    return depth;
}

/* --- shards --- */

static struct route_shard *new_shard(uint32_t places)
{
    struct route_shard *shard = calloc(1, sizeof(*shard) + places * sizeof(struct route_entry));
    if (shard) {
        atomic_init(&shard->refs, 1);
        shard->mask = places - 1;
    }
    return shard;
}

static void unref_shard(struct route_shard *shard)
{
    if (!shard || atomic_fetch_sub(&shard->refs, 1) > 1) {
        return;
    }
    for (uint32_t i = 0; i <= shard->mask; i++) {
        drop_route(shard->entries[i].of);
        drop_route(shard->entries[i].route);
    }
    free(shard);
}

static struct route_entry *free_place(struct route_shard *shard, uint64_t hash)
{
    size_t i = hash & shard->mask;
    while (shard->entries[i].of) {
        i = (i + 1) & shard->mask;
    }
    return &shard->entries[i];
}

static struct route_shard *copy_shard(const struct route_shard *from, uint32_t places)
{
    struct route_shard *shard = new_shard(places);
    for (uint32_t i = 0; shard && i <= from->mask; i++) {
        const struct route_entry *entry = &from->entries[i];
        if (entry->of) {
            *free_place(shard, entry->hash) = *entry;
            use_route(entry->of);
            use_route(entry->route);
            shard->used++;
        }
    }
    return shard;
}

/* The shard of this hash, this table's own; with room for one entry more if it is to grow. NULL: no
 * memory. */
static struct route_shard *own_shard(struct route_table *table, uint64_t hash, bool grow)
{
    struct route_shard **at = &table->shards[hash >> 32 & table->shard_mask];
    uint32_t places = (*at)->mask + 1;
    bool full = grow && ((*at)->used + 1) * 2 > places;
    if (full || atomic_load(&(*at)->refs) > 1) {
        struct route_shard *own = copy_shard(*at, full ? places * 2 : places);
        if (!own) {
            return NULL;
        }
        unref_shard(*at);
        *at = own;
    }
    return *at;
}

/* What stood behind the entry, and would not be found any more, moves up. */
static void take_out(struct route_shard *shard, struct route_entry *entry)
{
    size_t hole = (size_t)(entry - shard->entries);
    drop_route(entry->of);
    drop_route(entry->route);
    shard->used--;
    for (size_t i = (hole + 1) & shard->mask; shard->entries[i].of; i = (i + 1) & shard->mask) {
        size_t home = shard->entries[i].hash & shard->mask;
        if (((i - home) & shard->mask) >= ((i - hole) & shard->mask)) {
            shard->entries[hole] = shard->entries[i];
            hole = i;
        }
    }
    shard->entries[hole] = (struct route_entry){0};
}

static void set_entry(struct route_entry *entry, const struct route *of, const struct route *route)
{
    use_route(of);
    use_route(route);
    drop_route(entry->of);
    drop_route(entry->route);
    entry->of = of;
    entry->route = route;
}

/* --- tables --- */

static void count_host(struct route_table *table, struct str host, uint32_t one)
{
    table->wildcards += str_starts(host, STR("*.")) ? one : 0;
    table->any += host.len == 0 ? one : 0;
}

/* Both shards are this table's own before anything is written: what fails has changed nothing. */
static int put(struct route_table *table, const struct route *route, bool replace)
{
    uint64_t hash = route_host_hash(route->host);
    uint64_t path_hash = route_path_hash(hash, route->path);
    struct route_shard *shard = own_shard(table, hash, true);
    struct route_shard *paths = route->path.len ? own_shard(table, path_hash, true) : shard;
    if (!shard || !paths) {
        return -ENOMEM;
    }
    struct route_entry *host = route_host_entry(table, route->host);
    if (!host->of) {
        host->hash = hash;
        set_entry(host, route, NULL);
        shard->used++;
        count_host(table, route->host, 1);
    }
    struct route_entry *entry = host;
    if (route->path.len > 0) {
        uint32_t depth = depth_of(route->path);
        host->depth = MAX(host->depth, depth);
        entry = route_path_entry(table, host, route->path);
    }
    if (entry->route && !replace) {
        return 0;
    }
    host->count += !entry->route;
    if (entry != host) {
        paths->used += !entry->of;
        entry->hash = path_hash;
    }
    set_entry(entry, entry == host ? host->of : route, route);
    return 0;
}

static int make_shards(struct route_table *table, size_t shards, uint32_t places)
{
    *table = (struct route_table){.shard_mask = shards - 1};
    table->shards = calloc(shards, sizeof(*table->shards));
    bool ok = table->shards != NULL;
    for (size_t i = 0; ok && places > 0 && i < shards; i++) {
        table->shards[i] = new_shard(places);
        ok = table->shards[i] != NULL;
    }
    if (!ok) {
        route_table_fini(table);
    }
    return ok ? 0 : -ENOMEM;
}

int route_table_init(struct route_table *table, const struct route *routes, size_t count,
                     bool passthrough)
{
    size_t used = 0;
    size_t shards = 1;
    for (size_t i = 0; i < count; i++) {
        used += routes[i].passthrough == passthrough;
    }
    while (shards * SHARD_ROUTES < used) {
        shards *= 2;
    }
    int r = make_shards(table, shards, used > 0 ? 2 * SHARD_ROUTES : SHARD_MIN);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (routes[i].passthrough == passthrough) {
            r = put(table, &routes[i], false);
        }
    }
    if (r < 0) {
        route_table_fini(table);
    }
    return r;
}

void route_table_fini(struct route_table *table)
{
    for (size_t i = 0; table->shards && i <= table->shard_mask; i++) {
        unref_shard(table->shards[i]);
    }
    free(table->shards);
    *table = (struct route_table){0};
}

int route_table_share(const struct route_table *from, struct route_table *ret)
{
    int r = make_shards(ret, from->shard_mask + 1, 0);
    for (size_t i = 0; r == 0 && i <= from->shard_mask; i++) {
        ret->shards[i] = from->shards[i];
        atomic_fetch_add(&ret->shards[i]->refs, 1);
    }
    ret->wildcards = from->wildcards;
    ret->any = from->any;
    return r;
}

int route_table_put(struct route_table *table, const struct route *route)
{
    return put(table, route, true);
}

/* Where the route with that id is, if (host, path) leads to it. */
static struct route_entry *find_entry(const struct route_table *table, struct str host,
                                      struct str path, uint64_t id)
{
    struct route_entry *entry = route_host_entry(table, host);
    if (entry->of && path.len > 0) {
        entry = route_path_entry(table, entry, path);
    }
    return entry->of && entry->route && entry->route->id == id ? entry : NULL;
}

int route_table_drop(struct route_table *table, struct str host, struct str path, uint64_t id)
{
    uint64_t hash = route_host_hash(host);
    if (!find_entry(table, host, path, id)) {
        return 0;
    }
    struct route_shard *shard = own_shard(table, hash, false);
    struct route_shard *paths =
        path.len ? own_shard(table, route_path_hash(hash, path), false) : shard;
    if (!shard || !paths) {
        return -ENOMEM;
    }
    if (path.len > 0) {
        take_out(paths, find_entry(table, host, path, id)); /* the host may have moved */
    }
    struct route_entry *entry = route_host_entry(table, host);
    if (path.len == 0) {
        set_entry(entry, entry->of, NULL);
    }
    if (--entry->count == 0) {
        count_host(table, host, UINT32_MAX);
        take_out(shard, entry);
    }
    return 0;
}

int route_table_walk(const struct route_table *table,
                     int (*each)(void *context, const struct route *route), void *context)
{
    int r = 0;
    for (size_t s = 0; r == 0 && table->shards && s <= table->shard_mask; s++) {
        const struct route_shard *shard = table->shards[s];
        for (uint32_t i = 0; r == 0 && i <= shard->mask; i++) {
            const struct route *route = shard->entries[i].route;
            r = route ? each(context, route) : 0;
        }
    }
    return r;
}
