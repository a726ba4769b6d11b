/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of chains over an array. Invariant: an item's `next` is smaller than its own place + 1,
 * so every chain ends.
 */
#include "run/rivals.h"

#include "base/map.h"

#include <stdlib.h>

struct rival {
    const struct service_spec *service;
    uint32_t index, next; /* of its routes; in the chain: index + 1, 0 = the last */
};

static uint64_t hash_of(const struct route_spec *route)
{
    return map_hash(map_hash(route->passthrough, route->host), route->path);
}

static bool may_have_new(const struct service_spec *service, const struct project_spec *before)
{
    const struct service_spec *old = before ? project_spec_service(before, service->name) : NULL;
    return !old || service->routes_hash == 0 || service->routes_hash != old->routes_hash;
}

static size_t count_new(const struct project_spec *spec, const struct project_spec *before)
{
    size_t count = 0;
    for (size_t i = 0; i < spec->services_count; i++) {
        const struct service_spec *service = &spec->services[i];
        count += may_have_new(service, before) ? service->routes_count : 0;
    }
    return count;
}

static void add(struct rivals *rivals, const struct service_spec *service)
{
    for (size_t i = 0; i < service->routes_count; i++) {
        uint32_t *head = &rivals->heads[hash_of(&service->routes[i]) & rivals->mask];
        rivals->items[rivals->count] = (struct rival){service, (uint32_t)i, *head};
        *head = (uint32_t)++rivals->count;
    }
}

int rivals_init(struct rivals *rivals, const struct project_spec *spec,
                const struct project_spec *before)
{
    size_t count = count_new(spec, before), size = 1;
    *rivals = RIVALS_INIT;
    if (count == 0) {
        return 0;
    }
    while (size < count * 2) {
        size *= 2;
    }
    rivals->items = calloc(count, sizeof(*rivals->items));
    rivals->heads = calloc(size, sizeof(*rivals->heads));
    rivals->mask = size - 1;
    if (!rivals->items || !rivals->heads) {
        rivals_fini(rivals);
        return -ENOMEM;
    }
    for (size_t i = 0; i < spec->services_count; i++) {
        if (may_have_new(&spec->services[i], before)) {
            add(rivals, &spec->services[i]);
        }
    }
    return 0;
}

void rivals_fini(struct rivals *rivals)
{
    free(rivals->items);
    free(rivals->heads);
    *rivals = RIVALS_INIT;
}

void rivals_find(const struct rivals *rivals, const struct project_spec *other, rivals_fn *found,
                 void *arg)
{
    for (size_t s = 0; rivals->count > 0 && s < other->services_count; s++) {
        const struct service_spec *service = &other->services[s];
        for (size_t i = 0; i < service->routes_count; i++) {
            const struct route_spec *route = &service->routes[i];
            uint32_t at = rivals->heads[hash_of(route) & rivals->mask];
            for (; at; at = rivals->items[at - 1].next) {
                const struct rival *own = &rivals->items[at - 1];
                if (route_spec_same_place(&own->service->routes[own->index], route)) {
                    found(arg, own->service, own->index, service);
                }
            }
        }
    }
}
