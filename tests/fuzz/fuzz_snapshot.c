/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge reads of the core: snapshots. One that is understood can be read whole, and built
 * again from what was read unless an id stands twice. The checksum is made right first: it guards
 * against accidents, not against us.
 */
#include "base/map.h"
#include "fuzz.h"
#include "link/snapshot.h"
#include "link/snapshot_wire.h"

#include <stdlib.h>

static void seal(char *p, size_t len)
{
    struct wire_header header;
    if (len < sizeof(header)) {
        return;
    }
    memcpy(&header, p, sizeof(header));
    if (header.size >= sizeof(header) && header.size <= len) {
        header.checksum = map_hash(0, str_make(p + sizeof(header), header.size - sizeof(header)));
        memcpy(p, &header, sizeof(header));
    }
}

static void copy_items(const struct snapshot *snapshot, struct snapshot_builder *builder)
{
    for (uint32_t i = 0; i < snapshot->listeners; i++) {
        struct snapshot_listener listener = snapshot_listener_at(snapshot, i);
        snapshot_builder_listener(builder, &listener);
    }
    for (uint32_t i = 0; i < snapshot->services; i++) {
        struct snapshot_service service = snapshot_service_at(snapshot, i);
        snapshot_builder_service(builder, &service);
    }
    for (uint32_t i = 0; i < snapshot->endpoints; i++) {
        struct snapshot_endpoint endpoint = snapshot_endpoint_at(snapshot, i);
        snapshot_builder_endpoint(builder, &endpoint);
    }
    for (uint32_t i = 0; i < snapshot->certificates; i++) {
        struct snapshot_certificate certificate = snapshot_certificate_at(snapshot, i);
        snapshot_builder_certificate(builder, &certificate);
    }
    for (uint32_t i = 0; i < snapshot->routes; i++) {
        struct snapshot_route route = snapshot_route_at(snapshot, i);
        snapshot_builder_route(builder, &route);
    }
}

static void rebuild(const struct snapshot *snapshot)
{
    struct snapshot_builder builder;
    struct snapshot again;
    struct buf out = BUF_INIT(64 * MIB);
    snapshot_builder_init(&builder);
    struct snapshot_gateway gateway = snapshot_gateway_get(snapshot);
    snapshot_builder_gateway(&builder, &gateway);
    copy_items(snapshot, &builder);
    if (snapshot_builder_finish(&builder, snapshot->sequence, snapshot->delta_base, &out) == 0) {
        fuzz_check(snapshot_open(buf_str(&out), &again) == 0);
        fuzz_check(again.services == snapshot->services && again.routes == snapshot->routes);
        fuzz_check(again.sequence == snapshot->sequence);
        fuzz_check(str_eq(snapshot_gateway_get(&again).instance, gateway.instance));
    }
    snapshot_builder_fini(&builder);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snapshot snapshot;
    char *copy = malloc(size ? size : 1);
    fuzz_check(copy);
    memcpy(copy, data, size);
    seal(copy, size);
    if (snapshot_open(str_make(copy, size), &snapshot) == 0) {
        rebuild(&snapshot);
    }
    free(copy);
    return 0;
}
