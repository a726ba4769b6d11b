/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "harness/test.h"
#include "link/snapshot.h"
#include "link/snapshot_wire.h"

#include <stdlib.h>

static void add_service(struct snapshot_builder *builder, uint64_t id, struct str name)
{
    struct snapshot_service service = {
        .id = id,
        .tenant = STR("default"),
        .project = STR("shop"),
        .name = name,
        .balance = SNAPSHOT_LEAST_CONN,
        .connect_ms = 123,
        .probe = {.kind = SNAPSHOT_PROBE_HTTP, .path = STR("/healthz"), .interval_ms = 2000},
    };
    snapshot_builder_service(builder, &service);
}

static void add_endpoint(struct snapshot_builder *builder, uint64_t id, uint64_t service,
                         struct str address)
{
    struct snapshot_endpoint endpoint = {
        .id = id,
        .service = service,
        .address = address,
        .replica = STR("web-1"),
        .state = SNAPSHOT_ENDPOINT_READY,
    };
    snapshot_builder_endpoint(builder, &endpoint);
}

static void fill(struct snapshot_builder *builder)
{
    snapshot_builder_init(builder);
    struct snapshot_gateway gateway = {
        .threads = 2,
        .expose_replica = true,
        .instance = STR("hello"),
        .ticket_keys = STR("\0key"),
    };
    snapshot_builder_gateway(builder, &gateway);
    add_endpoint(builder, 21, 11, STR("127.0.0.1:3000"));
    add_endpoint(builder, 22, 12, STR("unix:/run/x.sock"));
    add_service(builder, 11, STR("web"));
    add_service(builder, 12, STR("api"));
    struct snapshot_listener listener = {
        .id = 1,
        .kind = SNAPSHOT_HTTP,
        .address = STR("127.0.0.1:8080"),
        .tls = {true, true, SNAPSHOT_CLIENT_OPTIONAL, STR("CA"), 3, true},
        .redirect_port = 443,
    };
    struct snapshot_certificate certificate = {.id = 41,
                                               .listener = 1,
                                               .chain = STR("CHAIN"),
                                               .key = STR("KEY"),
                                               .ocsp = STR("\x30\0\x01"),
                                               .names = STR("a.localhost "),
                                               .key_kind = 1};
    snapshot_builder_certificate(builder, &certificate);
    snapshot_builder_listener(builder, &listener);
    listener = (struct snapshot_listener){
        .id = 2, .kind = SNAPSHOT_TCP, .address = STR("127.0.0.1:5432"), .service = 12};
    snapshot_builder_listener(builder, &listener);
    struct snapshot_route route = {
        .id = 31, .service = 11, .host = STR("a.localhost"), .path = STR("/x"), .flags = 1};
    snapshot_builder_route(builder, &route);
}

static struct buf built(void)
{
    struct snapshot_builder builder;
    struct buf out = BUF_INIT(SNAPSHOT_BLOB_MAX);
    fill(&builder);
    check_int(snapshot_builder_finish(&builder, 7, 5, &out), 0);
    snapshot_builder_fini(&builder);
    return out;
}

TEST(what_was_built_is_read)
{
    struct buf blob = built();
    struct snapshot snapshot;
    check_int(snapshot_open(buf_str(&blob), &snapshot), 0);
    check_int(snapshot.sequence, 7);
    check_int(snapshot.delta_base, 5);
    check_int(snapshot.services, 2);
    check_int(snapshot.endpoints, 2);
    check_int(snapshot.routes, 1);
    check_int(snapshot.listeners, 2);
    struct snapshot_service service = snapshot_service_at(&snapshot, 1);
    check_str(service.name, STR("api"));
    check_str(service.probe.path, STR("/healthz"));
    check_int(service.connect_ms, 123);
    check_int(service.balance, SNAPSHOT_LEAST_CONN);
    struct snapshot_endpoint endpoint = snapshot_endpoint_at(&snapshot, 1);
    check_str(endpoint.address, STR("unix:/run/x.sock"));
    check_int(endpoint.service, 12);
    struct snapshot_route route = snapshot_route_at(&snapshot, 0);
    check_str(route.host, STR("a.localhost"));
    check_int(route.service, 11);
    check_int(route.flags, SNAPSHOT_ROUTE_STRIP_PREFIX);
    check_str(snapshot_listener_at(&snapshot, 1).address, STR("127.0.0.1:5432"));
    check_str(snapshot_gateway_get(&snapshot).instance, STR("hello"));
    check(snapshot_gateway_get(&snapshot).expose_replica);
    buf_fini(&blob);
}

TEST(what_tls_needs_is_read_with_its_nul_bytes)
{
    struct buf blob = built();
    struct snapshot snapshot;
    check_int(snapshot_open(buf_str(&blob), &snapshot), 0);
    check_int(snapshot.certificates, 1);
    struct snapshot_certificate certificate = snapshot_certificate_at(&snapshot, 0);
    check_int(certificate.listener, 1);
    check_str(certificate.chain, STR("CHAIN"));
    check_str(certificate.key, STR("KEY"));
    check_str(certificate.ocsp, STR("\x30\0\x01"));
    check_str(certificate.names, STR("a.localhost "));
    check_int(certificate.key_kind, 1);
    struct snapshot_listener listener = snapshot_listener_at(&snapshot, 0);
    check(listener.tls.on && listener.tls.only_13 &&
          listener.tls.client == SNAPSHOT_CLIENT_OPTIONAL);
    check_str(listener.tls.client_ca, STR("CA"));
    check_int(listener.tls.tickets, 3);
    check(listener.tls.light);
    check_int(listener.redirect_port, 443);
    check(!snapshot_listener_at(&snapshot, 1).tls.on);
    check_str(snapshot_gateway_get(&snapshot).ticket_keys, STR("\0key"));
    buf_fini(&blob);
}

TEST(what_was_not_said_has_a_default)
{
    struct buf blob = built();
    struct snapshot snapshot;
    check_int(snapshot_open(buf_str(&blob), &snapshot), 0);
    check_int(snapshot_service_at(&snapshot, 0).hold_ms, 10000);
    check_int(snapshot_service_at(&snapshot, 0).body_size, 10 * MIB);
    check_int(snapshot_endpoint_at(&snapshot, 0).weight, 1);
    check_int(snapshot_gateway_get(&snapshot).head_max, 16384);
    buf_fini(&blob);
}

TEST(unknown_references_and_doubled_ids_are_refused)
{
    struct snapshot_builder builder;
    struct buf out = BUF_INIT(MIB);
    fill(&builder);
    add_endpoint(&builder, 23, 99, STR("127.0.0.1:1"));
    check_int(snapshot_builder_finish(&builder, 1, 0, &out), -EINVAL);
    snapshot_builder_fini(&builder);
    fill(&builder);
    add_service(&builder, 11, STR("again"));
    check_int(snapshot_builder_finish(&builder, 1, 0, &out), -EINVAL);
    snapshot_builder_fini(&builder);
    fill(&builder);
    add_endpoint(&builder, 21, 11, STR("127.0.0.1:1"));
    check_int(snapshot_builder_finish(&builder, 1, 0, &out), -EINVAL);
    snapshot_builder_fini(&builder);
    check_int(out.len, 0);
    buf_fini(&out);
}

TEST(text_with_nul_is_refused)
{
    struct snapshot_builder builder;
    struct buf out = BUF_INIT(MIB);
    fill(&builder);
    add_service(&builder, 13, str_make("a\0b", 3));
    check_int(snapshot_builder_finish(&builder, 1, 0, &out), -EINVAL);
    snapshot_builder_fini(&builder);
    buf_fini(&out);
}

/* Reads everything a reader can be asked for. */
static void read_all(const struct snapshot *snapshot)
{
    size_t sum = snapshot_gateway_get(snapshot).instance.len;
    for (uint32_t i = 0; i < snapshot->listeners; i++) {
        sum += map_hash(1, snapshot_listener_at(snapshot, i).address);
    }
    for (uint32_t i = 0; i < snapshot->services; i++) {
        struct snapshot_service service = snapshot_service_at(snapshot, i);
        sum += map_hash(1, service.name) + map_hash(1, service.project) +
               map_hash(1, service.probe.path);
    }
    for (uint32_t i = 0; i < snapshot->endpoints; i++) {
        struct snapshot_endpoint endpoint = snapshot_endpoint_at(snapshot, i);
        sum += map_hash(1, endpoint.address) + map_hash(1, endpoint.replica);
    }
    for (uint32_t i = 0; i < snapshot->routes; i++) {
        struct snapshot_route route = snapshot_route_at(snapshot, i);
        sum += map_hash(1, route.host) + map_hash(1, route.path);
    }
    check(sum != 1);
}

/* Makes the checksum right again, so that the damage reaches the checks behind it. */
static void seal(char *p, size_t len)
{
    uint64_t size;
    memcpy(&size, p + 16, sizeof(size));
    if (size >= 64 && size <= len) {
        uint64_t sum = map_hash(0, str_make(p + 64, size - 64));
        memcpy(p + 24, &sum, sizeof(sum));
    }
}

/* Where the snapshot's only service with that state lies. */
static char *first_service(const struct buf *blob)
{
    struct wire_header header;
    memcpy(&header, blob->p, sizeof(header));
    for (uint32_t i = 0; i < header.section_count; i++) {
        struct wire_section section;
        memcpy(&section, blob->p + sizeof(header) + i * sizeof(section), sizeof(section));
        if (section.kind == WIRE_SERVICES) {
            return (char *)blob->p + section.offset;
        }
    }
    return NULL;
}

static struct buf with_state(enum snapshot_service_state state)
{
    struct snapshot_builder builder;
    struct buf out = BUF_INIT(MIB);
    struct snapshot_service service = {.id = 11, .name = STR("web"), .state = state};
    snapshot_builder_init(&builder);
    snapshot_builder_service(&builder, &service);
    check_int(snapshot_builder_finish(&builder, 1, 0, &out), 0);
    snapshot_builder_fini(&builder);
    return out;
}

TEST(a_state_that_older_readers_do_not_know_is_written_as_one_that_they_do)
{
    for (int state = 0; state < SNAPSHOT_SERVICE_STATES; state++) {
        struct buf blob = with_state((enum snapshot_service_state)state);
        struct snapshot snapshot;
        struct wire_service wire;
        memcpy(&wire, first_service(&blob), sizeof(wire));
        check(wire.state <= SNAPSHOT_SERVICE_CRASHED);
        check_int(snapshot_open(buf_str(&blob), &snapshot), 0);
        check_int(snapshot_service_at(&snapshot, 0).state, state);
        wire.state = 77; /* a newer core's */
        wire.state_rest = 0;
        memcpy(first_service(&blob), &wire, sizeof(wire));
        seal((char *)blob.p, blob.len);
        check_int(snapshot_open(buf_str(&blob), &snapshot), 0);
        check_int(snapshot_service_at(&snapshot, 0).state, SNAPSHOT_SERVICE_STOPPED);
        buf_fini(&blob);
    }
}

TEST(damaged_bytes_never_lead_a_reader_astray)
{
    struct rng *rng = test_rng();
    struct buf blob = built();
    size_t rounds = test_rounds(20000);
    size_t understood = 0;
    for (size_t round = 0; round < rounds; round++) {
        /* An exact heap block, so that the sanitizer sees every byte read beyond it. */
        size_t len = rng_chance(rng, 200) ? rng_below(rng, blob.len + 1) : blob.len;
        char *copy = malloc(len ? len : 1);
        check(copy != NULL);
        memcpy(copy, blob.p, len);
        size_t changes = rng_below(rng, 6);
        for (size_t i = 0; i < changes && len > 0; i++) {
            copy[rng_below(rng, len)] =
                (char)(rng_chance(rng, 500) ? rng_u64(rng) : rng_below(rng, 4));
        }
        if (len >= 64) {
            seal(copy, len);
        }
        struct snapshot snapshot;
        if (snapshot_open(str_make(copy, len), &snapshot) == 0) {
            understood++;
            read_all(&snapshot);
        }
        free(copy);
    }
    check(understood > 0);
    buf_fini(&blob);
}

TEST(every_prefix_is_refused)
{
    struct buf blob = built();
    for (size_t len = 0; len < blob.len; len++) {
        struct snapshot snapshot;
        check_int(snapshot_open(str_make(blob.p, len), &snapshot), -EINVAL);
    }
    buf_fini(&blob);
}

TEST(ids_depend_on_every_part)
{
    uint64_t id = link_id(STR("a"), STR("b"), STR("c"), STR("d"));
    check(id != link_id(STR("ab"), STR(""), STR("c"), STR("d")));
    check(id != link_id(STR("a"), STR("b"), STR("cd"), STR("")));
    check(id == link_id(STR("a"), STR("b"), STR("c"), STR("d")));
}
