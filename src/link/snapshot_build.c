/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a snapshot: items collect in vectors in their wire form, their texts in one buffer;
 * finish resolves references by stable id to indexes and lays the sections out. Errors are sticky,
 * so that the core adds without checking and asks once.
 */
#include "base/map.h"
#include "link/snapshot.h"
#include "link/snapshot_wire.h"
#include "link/wire_state.h"

enum { TEXT_TOTAL_MAX = 64 << 20 };

uint64_t link_id(struct str tenant, struct str project, struct str service, struct str rest)
{
    const struct str parts[] = {tenant, project, service, rest};
    uint64_t id = UINT64_C(0x6d75656c6c65);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        /* The seed chains the parts, so ("a","bc") and ("ab","c") differ. */
        id = map_hash(id + 1, parts[i]);
    }
    return id ? id : 1;
}

void snapshot_builder_init(struct snapshot_builder *builder)
{
    *builder = (struct snapshot_builder){
        .listeners = VEC_INIT(struct wire_listener, SNAPSHOT_LISTENERS_MAX),
        .services = VEC_INIT(struct wire_service, SNAPSHOT_SERVICES_MAX),
        .endpoints = VEC_INIT(struct wire_endpoint, SNAPSHOT_ENDPOINTS_MAX),
        .routes = VEC_INIT(struct wire_route, SNAPSHOT_ROUTES_MAX),
        .certificates = VEC_INIT(struct wire_certificate, SNAPSHOT_CERTIFICATES_MAX),
        .policies = VEC_INIT(struct wire_policy, SNAPSHOT_SERVICES_MAX),
        .text = BUF_INIT(TEXT_TOTAL_MAX),
    };
}

void snapshot_builder_fini(struct snapshot_builder *builder)
{
    if (builder) {
        vec_fini(&builder->listeners);
        vec_fini(&builder->services);
        vec_fini(&builder->endpoints);
        vec_fini(&builder->routes);
        vec_fini(&builder->certificates);
        vec_fini(&builder->policies);
        buf_fini(&builder->text);
    }
}

static void fail(struct snapshot_builder *builder, int error)
{
    if (!builder->error) {
        builder->error = error;
    }
}

/* Bytes of any kind, of which the edge knows what they are. */
static struct wire_text add_bytes(struct snapshot_builder *builder, struct str text)
{
    if (text.len > SNAPSHOT_PEM_MAX) {
        fail(builder, -EINVAL);
        return (struct wire_text){0};
    }
    struct wire_text wire = {(uint32_t)builder->text.len, (uint32_t)text.len};
    buf_add(&builder->text, text);
    if (buf_error(&builder->text) < 0) {
        fail(builder, buf_error(&builder->text));
    }
    return wire;
}

static struct wire_text add_text(struct snapshot_builder *builder, struct str text)
{
    if (text.len > SNAPSHOT_TEXT_MAX || (text.len && memchr(text.p, '\0', text.len))) {
        fail(builder, -EINVAL);
        return (struct wire_text){0};
    }
    return add_bytes(builder, text);
}

static void push(struct snapshot_builder *builder, struct vec *items, const void *item)
{
    int r = vec_push(items, item);
    if (r < 0) {
        fail(builder, r);
    }
}

void snapshot_builder_gateway(struct snapshot_builder *builder,
                              const struct snapshot_gateway *gateway)
{
    struct wire_text name = add_text(builder, gateway->instance);
    builder->gateway = *gateway;
    struct wire_text tickets = add_bytes(builder, gateway->ticket_keys);
    struct wire_text trusted = add_text(builder, gateway->trusted_proxies);
    builder->gateway.instance = STR_NONE; /* copied: the caller's bytes may go */
    builder->gateway.ticket_keys = STR_NONE;
    builder->gateway.trusted_proxies = STR_NONE;
    builder->trusted_offset = trusted.offset;
    builder->trusted_len = trusted.len;
    builder->tickets_offset = tickets.offset;
    builder->tickets_len = tickets.len;
    builder->instance_offset = name.offset;
    builder->instance_len = name.len;
    struct wire_text geo = add_text(builder, gateway->geo);
    builder->gateway.geo = STR_NONE;
    builder->geo_offset = geo.offset;
    builder->geo_len = geo.len;
}

void snapshot_builder_listener(struct snapshot_builder *builder,
                               const struct snapshot_listener *listener)
{
    struct wire_listener wire = {
        .id = listener->id,
        .service = listener->service,
        .address = add_text(builder, listener->address),
        .kind = listener->kind,
        .service_index = UINT32_MAX,
        .client_ca = add_bytes(builder, listener->tls.client_ca),
        .tls = listener->tls.on,
        .tls_only_13 = listener->tls.only_13,
        .tls_client = listener->tls.client,
        .tls_tickets = listener->tls.tickets,
        .tls_light = listener->tls.light,
        .redirect_port = listener->redirect_port,
        .proxy_protocol = listener->proxy_protocol,
    };
    push(builder, &builder->listeners, &wire);
}

/* Its number + 1; 0 = there is none. */
static uint32_t add_policy(struct snapshot_builder *builder, const struct snapshot_policy *policy)
{
    if (!policy) {
        return 0;
    }
    struct wire_policy wire = {
        .fallback_service = policy->fallback_service,
        .mirror_service = policy->mirror_service,
        .fallback_body = add_text(builder, policy->fallback_body),
        .fallback_type = add_text(builder, policy->fallback_type),
        .retry_header = add_text(builder, policy->retry_header),
        .queue_header = add_text(builder, policy->queue_header),
    };
    memcpy(wire.numbers, policy, sizeof(wire.numbers));
    push(builder, &builder->policies, &wire);
    return (uint32_t)builder->policies.len;
}

void snapshot_builder_service(struct snapshot_builder *builder,
                              const struct snapshot_service *service)
{
    const struct snapshot_probe *probe = &service->probe;
    const struct snapshot_spread *spread = &service->spread;
    struct wire_service wire = {
        .id = service->id,
        .tls_name = add_text(builder, service->tls.server_name),
        .tls_ca = add_bytes(builder, service->tls.ca),
        .tls_cert = add_bytes(builder, service->tls.cert),
        .tls_key = add_bytes(builder, service->tls.key),
        .tls = service->tls.on,
        .tls_verify = service->tls.verify,
        .tenant = add_text(builder, service->tenant),
        .project = add_text(builder, service->project),
        .name = add_text(builder, service->name),
        .probe_path = add_text(builder, probe->path),
        .probe_host = add_text(builder, probe->host),
        .body_size = service->body_size,
        .balance = service->balance,
        .state = wire_state(service->state),
        .state_rest = wire_state_rest(service->state),
        .connect_ms = service->connect_ms,
        .first_byte_ms = service->first_byte_ms,
        .idle_ms = service->idle_ms,
        .tunnel_idle_ms = service->tunnel_idle_ms,
        .hold_ms = service->hold_ms,
        .retries = service->retries,
        .connections_max = service->connections_max,
        .probe_kind = probe->kind,
        .probe_interval_ms = probe->interval_ms,
        .probe_timeout_ms = probe->timeout_ms,
        .probe_retries = probe->retries,
        .probe_start_period_ms = probe->start_period_ms,
        .probe_start_interval_ms = probe->start_interval_ms,
        .protocol = service->protocol,
        .announce = service->announce,
        .stream_ms = service->stream_ms,
        .hash_name = add_text(builder, spread->hash_name),
        .sticky = add_text(builder, spread->sticky),
        .hash = spread->hash,
        .hash_bound = spread->hash_bound,
        .sticky_max_age = spread->sticky_max_age,
        .sticky_secure = spread->sticky_secure,
        .panic = spread->panic,
        .access = add_text(builder, service->access.format),
        .access_skip = service->access.skip,
        .access_more = service->access.more,
        .policy = add_policy(builder, service->policy),
    };
    memcpy(wire.totals, spread->totals, sizeof(wire.totals));
    push(builder, &builder->services, &wire);
}

void snapshot_builder_endpoint(struct snapshot_builder *builder,
                               const struct snapshot_endpoint *endpoint)
{
    struct wire_endpoint wire = {
        .id = endpoint->id,
        .service = endpoint->service,
        .address = add_text(builder, endpoint->address),
        .replica = add_text(builder, endpoint->replica),
        .state = endpoint->state,
        .weight = endpoint->weight,
        .group = endpoint->seat.group,
        .located = endpoint->seat.located,
        .latitude = endpoint->seat.latitude,
        .longitude = endpoint->seat.longitude,
    };
    memcpy(wire.sticky, endpoint->seat.sticky, sizeof(wire.sticky));
    push(builder, &builder->endpoints, &wire);
}

void snapshot_builder_route(struct snapshot_builder *builder, const struct snapshot_route *route)
{
    struct wire_route wire = {
        .id = route->id,
        .service = route->service,
        .host = add_text(builder, route->host),
        .path = add_text(builder, route->path),
        .flags = route->flags,
        .message_max = route->tunnel.message_max,
        .ping_ms = route->tunnel.ping_ms,
        .tunnel_idle_ms = route->tunnel.idle_ms,
        .tunnels_max = route->tunnel.connections_max,
    };
    push(builder, &builder->routes, &wire);
}

void snapshot_builder_certificate(struct snapshot_builder *builder,
                                  const struct snapshot_certificate *certificate)
{
    struct wire_certificate wire = {
        .id = certificate->id,
        .listener = certificate->listener,
        .chain = add_bytes(builder, certificate->chain),
        .key = add_bytes(builder, certificate->key),
        .ocsp = add_bytes(builder, certificate->ocsp),
        .names = add_bytes(builder, certificate->names),
        .key_kind = certificate->key_kind,
        .origin = certificate->origin,
    };
    push(builder, &builder->certificates, &wire);
}

static struct str id_key(const uint64_t *id)
{
    return str_make((const char *)id, sizeof(*id));
}

/* Keys point into the items: every wire item starts with its id. The value is the index + 1. */
static int index_ids(struct map *ids, const struct vec *items)
{
    for (size_t i = 0; i < items->len; i++) {
        const uint64_t *id = (const void *)((const char *)items->items + i * items->item_size);
        if (*id == 0 || map_get(ids, id_key(id))) {
            return -EINVAL;
        }
        int r = map_put(ids, id_key(id), (void *)(uintptr_t)(i + 1));
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int check_ids(const struct vec *items)
{
    struct map ids = MAP_INIT(SNAPSHOT_ENDPOINTS_MAX);
    int r = index_ids(&ids, items);
    map_fini(&ids);
    return r;
}

static int resolve_one(const struct map *ids, const uint64_t *service, uint32_t *ret_index)
{
    uintptr_t found = (uintptr_t)map_get(ids, id_key(service));
    if (!found) {
        return -EINVAL;
    }
    *ret_index = (uint32_t)(found - 1);
    return 0;
}

static int resolve_all(struct snapshot_builder *builder, const struct map *ids)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < builder->listeners.len; i++) {
        struct wire_listener *item = vec_at(&builder->listeners, struct wire_listener, i);
        if (item->kind != SNAPSHOT_HTTP && (item->kind != SNAPSHOT_SNI || item->service)) {
            r = resolve_one(ids, &item->service, &item->service_index);
        }
    }
    for (size_t i = 0; r == 0 && i < builder->endpoints.len; i++) {
        struct wire_endpoint *item = vec_at(&builder->endpoints, struct wire_endpoint, i);
        r = resolve_one(ids, &item->service, &item->service_index);
    }
    for (size_t i = 0; r == 0 && i < builder->routes.len; i++) {
        struct wire_route *item = vec_at(&builder->routes, struct wire_route, i);
        r = resolve_one(ids, &item->service, &item->service_index);
    }
    return r;
}

static int resolve(struct snapshot_builder *builder)
{
    struct map ids = MAP_INIT(SNAPSHOT_SERVICES_MAX);
    int r = index_ids(&ids, &builder->services);
    if (r == 0) {
        r = resolve_all(builder, &ids);
    }
    map_fini(&ids);
    return r;
}

static void pad(struct buf *out, size_t start)
{
    static const char zeros[8];
    buf_add_mem(out, zeros, (8 - ((out->len - start) & 7)) & 7);
}

static struct wire_section add_section(struct buf *out, size_t start, enum wire_section_kind kind,
                                       struct vec *items)
{
    pad(out, start);
    struct wire_section section = {
        .kind = kind,
        .version = 1,
        .offset = (uint32_t)(out->len - start),
        .count = (uint32_t)items->len,
        .item_size = (uint32_t)items->item_size,
    };
    buf_add_mem(out, items->items, items->len * items->item_size);
    return section;
}

static struct wire_gateway gateway_wire(const struct snapshot_builder *builder)
{
    const struct snapshot_gateway *gateway = &builder->gateway;
    return (struct wire_gateway){
        .instance = {builder->instance_offset, builder->instance_len},
        .threads = gateway->threads,
        .expose_replica = gateway->expose_replica,
        .trusted_proxies = {builder->trusted_offset, builder->trusted_len},
        .body_rate = gateway->body_rate,
        .read_rate = gateway->read_rate,
        .address_connections = gateway->address_connections,
        .address_rate = gateway->address_rate,
        .glitches_max = gateway->glitches_max,
        .http2_streams = gateway->http2_streams,
        .http2_window = gateway->http2_window,
        .http2_session_window = gateway->http2_session_window,
        .http2_glitches = gateway->http2_glitches,
        .connections_max = gateway->connections_max,
        .head_max = gateway->head_max,
        .head_ms = gateway->head_ms,
        .keepalive_ms = gateway->keepalive_ms,
        .upgrade_drain_ms = gateway->upgrade_drain_ms,
        .sockmap = gateway->sockmap,
        .ticket_keys = {builder->tickets_offset, builder->tickets_len},
        .geo = {builder->geo_offset, builder->geo_len},
    };
}

static uint64_t add_digest(uint64_t digest, const void *bytes, size_t size)
{
    return map_hash(digest, str_make(bytes, size));
}

uint64_t snapshot_builder_digest(const struct snapshot_builder *builder)
{
    const struct vec *const parts[] = {&builder->listeners, &builder->policies,
                                       &builder->certificates};
    struct wire_gateway gateway = gateway_wire(builder);
    uint64_t digest = add_digest(0, &gateway, sizeof(gateway));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        digest = add_digest(digest, parts[i]->items, parts[i]->len * parts[i]->item_size);
    }
    for (size_t i = 0; i < builder->services.len; i++) {
        struct wire_service service = *vec_at(&builder->services, struct wire_service, i);
        service.state = service.state_rest = 0;
        digest = add_digest(digest, &service, sizeof(service));
    }
    digest = add_digest(digest, builder->text.p, builder->text.len);
    return digest ? digest : 1;
}

static void lay_out(struct snapshot_builder *builder, struct buf *out, size_t start,
                    struct wire_section sections[WIRE_SECTIONS])
{
    struct wire_gateway gateway = gateway_wire(builder);
    struct vec one = {.items = &gateway, .len = 1, .item_size = sizeof(gateway)};
    struct vec text = {.items = builder->text.p, .len = builder->text.len, .item_size = 1};
    struct vec *const parts[WIRE_SECTIONS] = {
        [WIRE_GATEWAY] = &one,
        [WIRE_LISTENERS] = &builder->listeners,
        [WIRE_SERVICES] = &builder->services,
        [WIRE_ENDPOINTS] = &builder->endpoints,
        [WIRE_ROUTES] = &builder->routes,
        [WIRE_CERTIFICATES] = &builder->certificates,
        [WIRE_TEXT] = &text,
        [WIRE_POLICIES] = &builder->policies,
    };
    for (unsigned kind = 0; kind < WIRE_SECTIONS; kind++) {
        sections[kind] = add_section(out, start, kind, parts[kind]);
    }
    pad(out, start);
}

int snapshot_builder_finish(struct snapshot_builder *builder, uint64_t sequence,
                            uint64_t delta_base, struct buf *out)
{
    int r = builder->error;
    if (r == 0) {
        r = resolve(builder);
    }
    if (r == 0) {
        r = check_ids(&builder->endpoints);
    }
    if (r == 0) {
        r = check_ids(&builder->routes);
    }
    if (r < 0) {
        return r;
    }
    size_t start = out->len;
    struct wire_section sections[WIRE_SECTIONS] = {0};
    struct wire_header header = {
        .magic = WIRE_MAGIC,
        .format = WIRE_FORMAT,
        .min_reader = WIRE_FORMAT,
        .sequence = sequence,
        .delta_base = delta_base,
        .section_count = WIRE_SECTIONS,
    };
    buf_add_mem(out, &header, sizeof(header));
    buf_add_mem(out, sections, sizeof(sections));
    lay_out(builder, out, start, sections);
    if (buf_error(out) < 0) {
        return buf_error(out);
    }
    memcpy(out->p + start + sizeof(header), sections, sizeof(sections));
    header.size = out->len - start;
    header.checksum =
        map_hash(0, str_make(out->p + start + sizeof(header), header.size - sizeof(header)));
    memcpy(out->p + start, &header, sizeof(header));
    return 0;
}
