/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a config lives: as long as a thread serves it, or a stream of a thread may still run one
 * of its filters. The last one to let go unmaps the snapshot.
 */
#include "edge/config.h"

#include <stdlib.h>

static void config_free(struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        sock_close(&config->listeners[i].fd);
    }
    geo_close(config->geo);
    route_table_fini(&config->table);
    route_table_fini(&config->names);
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
