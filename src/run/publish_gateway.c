/* SPDX-License-Identifier: Apache-2.0
 *
 * What the projects say of the one gateway they share: of limits the strictest counts, of those
 * that say any; trusted proxies are those of all.
 */
#include "run/publish_gateway.h"

#include "base/num.h"

/* A limit where the smaller number is the stricter one. */
static void at_most(uint32_t *limit, int64_t said)
{
    uint32_t value = said > UINT32_MAX ? SNAPSHOT_NO_LIMIT : (uint32_t)said;
    if (said > 0 && (*limit == 0 || value < *limit)) {
        *limit = value;
    }
}

/* And one where the larger one is. */
static void at_least(uint32_t *limit, int64_t said)
{
    uint32_t value = said > UINT32_MAX ? SNAPSHOT_NO_LIMIT : (uint32_t)said;
    if (said > 0 && (*limit == 0 || *limit == SNAPSHOT_NO_LIMIT ||
                     (value != SNAPSHOT_NO_LIMIT && value > *limit))) {
        *limit = value;
    }
}

static void add_limits(struct snapshot_gateway *gateway, const struct gateway_limits *limits)
{
    int64_t threads = MAX(gateway->threads, 1U);
    at_most(&gateway->connections_max, (limits->connections + threads - 1) / threads);
    at_most(&gateway->head_ms, limits->header_timeout_ns / NS_PER_MS);
    at_most(&gateway->head_max, limits->header_size);
    at_most(&gateway->keepalive_ms, limits->idle_timeout_ns / NS_PER_MS);
    at_most(&gateway->address_connections, limits->address_connections);
    at_most(&gateway->address_rate, limits->address_rate);
    at_most(&gateway->glitches_max, limits->glitches);
    at_least(&gateway->body_rate, limits->body_rate);
    at_least(&gateway->read_rate, limits->read_rate);
}

static void add_http2(struct snapshot_gateway *gateway, const struct gateway_http2 *http2)
{
    at_most(&gateway->http2_streams, http2->streams);
    at_most(&gateway->http2_window, http2->window);
    at_most(&gateway->http2_session_window, http2->connection_window);
    at_most(&gateway->http2_glitches, http2->glitches);
}

void publish_gateway(struct snapshot_gateway *gateway, struct buf *networks,
                     const struct gateway_spec *spec)
{
    add_limits(gateway, &spec->limits);
    add_http2(gateway, &spec->http2);
    for (size_t i = 0; i < spec->trusted_proxies_count; i++) {
        buf_add(networks, networks->len ? STR(" ") : STR_NONE);
        buf_add(networks, spec->trusted_proxies[i]);
    }
}
