/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge reads of the core: snapshots, as they come, or good ones with some bytes changed.
 * One that is understood can be read whole, and built again from what was read unless an id stands
 * twice. The checksum is made right first: it guards against accidents, not against us.
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
        struct snapshot_policy policy;
        if (service.policy_index > 0) {
            policy = snapshot_policy_at(snapshot, service.policy_index);
            fuzz_check(policy.fallback_status <= 599 && policy.breaker_probes > 0);
            service.policy = &policy;
        }
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

static void add_service(struct snapshot_builder *builder, uint64_t id, unsigned choice)
{
    const struct snapshot_policy policy = {.parts = 511,
                                           .fallback_service = 1,
                                           .mirror_service = 2,
                                           .fallback_body = STR("sorry"),
                                           .fallback_type = STR("text/plain"),
                                           .retry_header = STR("x-retry"),
                                           .queue_header = STR("x-priority")};
    struct snapshot_service service = {
        .id = id,
        .tenant = STR("t"),
        .project = STR("p"),
        .name = STR("web"),
        .policy = choice & 1 ? &policy : NULL,
        .balance = choice % SNAPSHOT_BALANCES,
        .state = choice % SNAPSHOT_SERVICE_STATES,
        .protocol = choice % SNAPSHOT_PROTOCOLS,
        .probe = {.kind = choice % SNAPSHOT_PROBES, .path = STR("/healthz"), .host = STR("h")},
        .spread = {.hash = choice % SNAPSHOT_HASHES,
                   .hash_name = STR("user"),
                   .sticky = STR("seat")},
        .tls = {.on = choice & 2,
                .server_name = STR("s"),
                .ca = STR("ca"),
                .cert = STR("cert"),
                .key = STR("key")},
        .access = {.format = STR("combined")}};
    snapshot_builder_service(builder, &service);
}

static void add_gateway(struct snapshot_builder *builder, unsigned choice)
{
    const struct snapshot_gateway gateway = {.threads = choice % 4,
                                             .instance = STR("i"),
                                             .ticket_keys = STR("0123456789abcdef"),
                                             .geo = STR("/g"),
                                             .trusted_proxies = STR("10.0.0.0/8 ")};
    const struct snapshot_listener listener = {.id = 9,
                                               .kind = choice % SNAPSHOT_LISTENER_KINDS,
                                               .address = STR("127.0.0.1:80"),
                                               .service = choice % 3,
                                               .tls = {.on = choice & 1, .client_ca = STR("ca")}};
    const struct snapshot_certificate certificate = {.id = 8,
                                                     .listener = choice & 1 ? 9 : 0,
                                                     .chain = STR("chain"),
                                                     .key = STR("key"),
                                                     .ocsp = STR("ocsp"),
                                                     .names = STR("a.example ")};
    snapshot_builder_gateway(builder, &gateway);
    snapshot_builder_listener(builder, &listener);
    snapshot_builder_certificate(builder, &certificate);
}

/* One of each thing; `choice` says of which kind. */
static void build(unsigned choice, struct buf *out)
{
    struct snapshot_builder builder;
    const struct snapshot_endpoint endpoint = {.id = 5,
                                               .service = 1,
                                               .address = STR("127.0.0.1:3000"),
                                               .replica = STR("web-1"),
                                               .state = choice % SNAPSHOT_ENDPOINT_STATES,
                                               .seat = {.sticky = "abc"}};
    const struct snapshot_route route = {
        .id = 6, .service = 1, .host = STR("*.example"), .path = STR("/a"), .flags = choice};
    snapshot_builder_init(&builder);
    add_gateway(&builder, choice);
    add_service(&builder, 1, choice);
    add_service(&builder, 2, choice / 3);
    snapshot_builder_endpoint(&builder, &endpoint);
    snapshot_builder_route(&builder, &route);
    fuzz_check(snapshot_builder_finish(&builder, 1, 0, out) == 0 || out->len == 0);
    snapshot_builder_fini(&builder);
}

static void check_snapshot(struct str bytes, bool good)
{
    struct snapshot snapshot;
    char *copy = fuzz_copy(bytes);
    seal(copy, bytes.len);
    (void)snapshot_peek_sequence(str_make(copy, bytes.len));
    int r = snapshot_open(str_make(copy, bytes.len), &snapshot);
    fuzz_check(r == 0 || !good);
    if (r == 0) {
        rebuild(&snapshot);
    }
    free(copy);
}

/* Some bytes of a good one are changed, by pairs of a place and a byte. */
static void check_changed(struct str in)
{
    struct buf out = BUF_INIT(1 * MIB);
    build(fuzz_byte(&in), &out);
    bool good = in.len == 0 && out.len > 0;
    while (in.len >= 3 && out.len > 0) {
        size_t at = (size_t)fuzz_byte(&in) << 8;
        at |= fuzz_byte(&in);
        out.p[at % out.len] = (char)fuzz_byte(&in);
    }
    check_snapshot(buf_str(&out), good);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    if (fuzz_byte(&in) % 4) {
        check_changed(in);
    } else {
        check_snapshot(in, false);
    }
    return 0;
}
