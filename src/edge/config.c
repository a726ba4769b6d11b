/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a config lives: as long as a thread serves it, a stream of a thread may still run one of
 * its filters, or another config stands on it. The last one to let go unmaps the snapshot.
 */
#include "edge/config.h"

#include <stdlib.h>

static void config_free(struct config *config)
{
    route_table_fini(&config->table);
    route_table_fini(&config->names);
    if (config->base) {
        config_unref(config->base);
        free(config);
        return;
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        sock_close(&config->listeners[i].fd);
    }
    geo_close(config->geo);
    map_fini(&config->service_index);
    free(config->trusted);
    free(config->listeners);
    free(config->tunnels);
    free(config->chains);
    free(config->routes);
    free(config->route_counts);
    free(config->services);
    shm_unmap(&config->shm);
    free(config);
}

static const struct config *root_of(const struct config *config)
{
    return config->base ? config->base : config;
}

bool config_is_akin(const struct config *a, const struct config *b)
{
    return root_of(a) == root_of(b);
}

int config_share(struct config *from, struct config **ret)
{
    struct config *config = malloc(sizeof(*config));
    if (!config) {
        return -ENOMEM;
    }
    *config = *from;
    atomic_init(&config->refs, 1);
    config->base = config_ref(from->base ? from->base : from);
    config->table = config->names = (struct route_table){0};
    int r = route_table_share(&from->table, &config->table);
    r = r < 0 ? r : route_table_share(&from->names, &config->names);
    if (r < 0) {
        config_unref(config);
        return r;
    }
    *ret = config;
    return 0;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add(&config->refs, 1);
    return config;
}

void config_unref(struct config *config)
{
    if (config && atomic_fetch_sub(&config->refs, 1) == 1) {
        config_free(config);
    }
}
