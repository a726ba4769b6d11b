/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a snapshot. The bytes come from another role, so snapshot_open checks all of them once:
 * afterwards the getters cannot leave the blob, whatever index below the counts they are asked for.
 *
 * Checked: magic, format, size, checksum (an accident, not an attack), section table, alignment,
 * counts; of every item its texts (inside TEXT, no NUL), enums, and that its service index names
 * the service it claims.
 */
#include "base/map.h"
#include "link/snapshot.h"
#include "link/snapshot_wire.h"
#include "link/wire_state.h"
#include "os/shm.h"

/* Smallest item a reader takes: the fields every writer of this format has (those that came later
 * read as zero from an older one: an edge of this program may find its snapshot). */
static const struct {
    uint32_t item_size;
    uint32_t count_max;
} section_laws[WIRE_SECTIONS] = {
    [WIRE_GATEWAY] = {offsetof(struct wire_gateway, ticket_keys), 1},
    [WIRE_LISTENERS] = {offsetof(struct wire_listener, client_ca), SNAPSHOT_LISTENERS_MAX},
    [WIRE_SERVICES] = {offsetof(struct wire_service, tls_name), SNAPSHOT_SERVICES_MAX},
    [WIRE_ENDPOINTS] = {sizeof(struct wire_endpoint), SNAPSHOT_ENDPOINTS_MAX},
    [WIRE_ROUTES] = {offsetof(struct wire_route, message_max), SNAPSHOT_ROUTES_MAX},
    [WIRE_CERTIFICATES] = {8, SNAPSHOT_CERTIFICATES_MAX}, /* 8: when there were none yet */
    [WIRE_TEXT] = {1, UINT32_MAX},
    [WIRE_POLICIES] = {sizeof(struct wire_policy), SNAPSHOT_SERVICES_MAX},
};

static struct wire_section section_of(const struct snapshot *snapshot, enum wire_section_kind kind)
{
    struct wire_section section;
    memcpy(&section, snapshot->blob.p + snapshot->sections[kind], sizeof(section));
    return section;
}

static const char *item_at(const struct snapshot *snapshot, enum wire_section_kind kind, uint32_t i)
{
    struct wire_section section = section_of(snapshot, kind);
    ensure(i < section.count);
    return snapshot->blob.p + section.offset + (size_t)i * section.item_size;
}

/* What an older writer did not say is zero. */
static void copy_item(const struct snapshot *snapshot, enum wire_section_kind kind, uint32_t i,
                      void *ret, size_t size)
{
    size_t there = section_of(snapshot, kind).item_size;
    memset(ret, 0, size);
    memcpy(ret, item_at(snapshot, kind, i), MIN(there, size));
}

#define item_copy(snapshot, kind, i, ret) copy_item((snapshot), (kind), (i), (ret), sizeof(*(ret)))

static bool text_ok(const struct snapshot *snapshot, struct wire_text text)
{
    if (text.len > SNAPSHOT_TEXT_MAX || text.offset > snapshot->text_len ||
        text.len > snapshot->text_len - text.offset) {
        return false;
    }
    const char *p = snapshot->blob.p + snapshot->text_offset + text.offset;
    return text.len == 0 || !memchr(p, '\0', text.len);
}

static bool bytes_ok(const struct snapshot *snapshot, struct wire_text text)
{
    return text.len <= SNAPSHOT_PEM_MAX && text.offset <= snapshot->text_len &&
           text.len <= snapshot->text_len - text.offset;
}

static struct str text_of(const struct snapshot *snapshot, struct wire_text text)
{
    return str_make(snapshot->blob.p + snapshot->text_offset + text.offset, text.len);
}

static bool service_ok(const struct snapshot *snapshot, uint32_t index, uint64_t id)
{
    if (index >= snapshot->services) {
        return false;
    }
    uint64_t found;
    memcpy(&found, item_at(snapshot, WIRE_SERVICES, index), sizeof(found));
    return found == id && id != 0;
}

static bool section_ok(const struct wire_section *section, uint64_t size)
{
    unsigned kind = section->kind;
    return section->version == 1 && section->item_size >= section_laws[kind].item_size &&
           section->item_size <= 4096 && section->count <= section_laws[kind].count_max &&
           (section->offset & 7) == 0 && section->offset <= size &&
           (uint64_t)section->count * section->item_size <= size - section->offset;
}

static int read_table(struct snapshot *snapshot, const struct wire_header *header)
{
    uint32_t seen = 0;
    if (header->section_count > 64 ||
        header->section_count * sizeof(struct wire_section) > header->size - sizeof(*header)) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < header->section_count; i++) {
        uint32_t at = (uint32_t)(sizeof(*header) + i * sizeof(struct wire_section));
        struct wire_section section;
        memcpy(&section, snapshot->blob.p + at, sizeof(section));
        if (section.kind >= WIRE_SECTIONS) {
            continue; /* a newer writer's */
        }
        if ((seen & (UINT32_C(1) << section.kind)) || !section_ok(&section, header->size)) {
            return -EINVAL;
        }
        seen |= UINT32_C(1) << section.kind;
        snapshot->sections[section.kind] = at;
    }
    return seen == (UINT32_C(1) << WIRE_SECTIONS) - 1 ? 0 : -EINVAL;
}

static bool listeners_ok(const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->listeners; i++) {
        struct wire_listener item;
        item_copy(snapshot, WIRE_LISTENERS, i, &item);
        bool needs_service =
            item.kind != SNAPSHOT_HTTP && (item.kind != SNAPSHOT_SNI || item.service != 0);
        if (item.id == 0 || item.kind >= SNAPSHOT_LISTENER_KINDS ||
            item.tls_client >= SNAPSHOT_CLIENT_CERTIFICATES || item.redirect_port > 65535 ||
            !text_ok(snapshot, item.address) || !bytes_ok(snapshot, item.client_ca) ||
            (needs_service && !service_ok(snapshot, item.service_index, item.service))) {
            return false;
        }
    }
    return true;
}

static bool services_ok(const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->services; i++) {
        struct wire_service item;
        item_copy(snapshot, WIRE_SERVICES, i, &item);
        if (item.id == 0 || item.balance >= SNAPSHOT_BALANCES ||
            item.protocol >= SNAPSHOT_PROTOCOLS || item.announce > 2 ||
            item.probe_kind >= SNAPSHOT_PROBES || !text_ok(snapshot, item.tls_name) ||
            !bytes_ok(snapshot, item.tls_ca) || !bytes_ok(snapshot, item.tls_cert) ||
            !bytes_ok(snapshot, item.tls_key) || !text_ok(snapshot, item.tenant) ||
            !text_ok(snapshot, item.project) || !text_ok(snapshot, item.name) ||
            !text_ok(snapshot, item.probe_path) || !text_ok(snapshot, item.probe_host) ||
            item.hash >= SNAPSHOT_HASHES || !text_ok(snapshot, item.hash_name) ||
            !text_ok(snapshot, item.sticky) || !text_ok(snapshot, item.access) ||
            item.policy > snapshot->policies) {
            return false;
        }
    }
    return true;
}

static bool policies_ok(const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->policies; i++) {
        struct wire_policy item;
        item_copy(snapshot, WIRE_POLICIES, i, &item);
        if (!text_ok(snapshot, item.fallback_body) || !text_ok(snapshot, item.fallback_type) ||
            !text_ok(snapshot, item.retry_header) || !text_ok(snapshot, item.queue_header)) {
            return false;
        }
    }
    return true;
}

static bool endpoints_ok(const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->endpoints; i++) {
        struct wire_endpoint item;
        item_copy(snapshot, WIRE_ENDPOINTS, i, &item);
        if (item.id == 0 || item.state >= SNAPSHOT_ENDPOINT_STATES ||
            item.group >= SNAPSHOT_GROUPS || !memchr(item.sticky, '\0', sizeof(item.sticky)) ||
            !service_ok(snapshot, item.service_index, item.service) ||
            !text_ok(snapshot, item.address) || !text_ok(snapshot, item.replica)) {
            return false;
        }
    }
    return true;
}

static bool routes_ok(const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->routes; i++) {
        struct wire_route item;
        item_copy(snapshot, WIRE_ROUTES, i, &item);
        if (item.id == 0 || !service_ok(snapshot, item.service_index, item.service) ||
            !text_ok(snapshot, item.host) || !text_ok(snapshot, item.path)) {
            return false;
        }
    }
    return true;
}

static bool certificates_ok(const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->certificates; i++) {
        struct wire_certificate item;
        item_copy(snapshot, WIRE_CERTIFICATES, i, &item);
        if (item.id == 0 || item.key_kind > 2 || !bytes_ok(snapshot, item.chain) ||
            !bytes_ok(snapshot, item.key) || !bytes_ok(snapshot, item.ocsp) ||
            !bytes_ok(snapshot, item.names)) {
            return false;
        }
    }
    return true;
}

static bool gateway_ok(const struct snapshot *snapshot)
{
    if (section_of(snapshot, WIRE_GATEWAY).count != 1) {
        return false;
    }
    struct wire_gateway item;
    item_copy(snapshot, WIRE_GATEWAY, 0, &item);
    return text_ok(snapshot, item.instance) && bytes_ok(snapshot, item.ticket_keys) &&
           text_ok(snapshot, item.geo) && text_ok(snapshot, item.trusted_proxies);
}

uint64_t snapshot_peek_sequence(struct str blob)
{
    struct wire_header header;
    if (blob.len < sizeof(header)) {
        return 0;
    }
    memcpy(&header, blob.p, sizeof(header));
    return header.magic == WIRE_MAGIC ? header.sequence : 0;
}

int snapshot_open(struct str blob, struct snapshot *ret)
{
    struct wire_header header;
    if (blob.len < sizeof(header) || blob.len > SNAPSHOT_BLOB_MAX || ((uintptr_t)blob.p & 7)) {
        return -EINVAL;
    }
    memcpy(&header, blob.p, sizeof(header));
    /* A memfd is whole pages to some writers: bytes behind `size` are not ours. */
    if (header.magic != WIRE_MAGIC || header.min_reader > WIRE_FORMAT ||
        header.size < sizeof(header) || header.size > blob.len ||
        header.checksum != map_hash(0, str_slice(blob, sizeof(header), header.size))) {
        return -EINVAL;
    }
    struct snapshot snapshot = {
        .blob = str_make(blob.p, header.size),
        .sequence = header.sequence,
        .delta_base = header.delta_base,
    };
    int r = read_table(&snapshot, &header);
    if (r < 0) {
        return r;
    }
    struct wire_section text = section_of(&snapshot, WIRE_TEXT);
    if (text.item_size != 1) {
        return -EINVAL;
    }
    snapshot.text_offset = text.offset;
    snapshot.text_len = text.count;
    snapshot.listeners = section_of(&snapshot, WIRE_LISTENERS).count;
    snapshot.services = section_of(&snapshot, WIRE_SERVICES).count;
    snapshot.endpoints = section_of(&snapshot, WIRE_ENDPOINTS).count;
    snapshot.routes = section_of(&snapshot, WIRE_ROUTES).count;
    snapshot.certificates = section_of(&snapshot, WIRE_CERTIFICATES).count;
    snapshot.policies = section_of(&snapshot, WIRE_POLICIES).count;
    if (!gateway_ok(&snapshot) || !listeners_ok(&snapshot) || !services_ok(&snapshot) ||
        !endpoints_ok(&snapshot) || !routes_ok(&snapshot) || !certificates_ok(&snapshot) ||
        !policies_ok(&snapshot)) {
        return -EINVAL;
    }
    *ret = snapshot;
    return 0;
}

static uint32_t or_default(uint32_t value, uint32_t usual)
{
    return value ? value : usual;
}

uint32_t snapshot_weight(uint32_t said)
{
    uint32_t weight = or_default(said, 1);
    return said == SNAPSHOT_WEIGHT_NONE ? 0 : MIN(weight, (uint32_t)SNAPSHOT_WEIGHT_MAX);
}

struct snapshot_gateway snapshot_gateway_get(const struct snapshot *snapshot)
{
    struct wire_gateway item;
    item_copy(snapshot, WIRE_GATEWAY, 0, &item);
    uint32_t head_max = or_default(item.head_max, 16384);
    return (struct snapshot_gateway){
        .threads = item.threads,
        .expose_replica = item.expose_replica != 0,
        .connections_max = or_default(item.connections_max, 16384),
        .head_max = MIN(head_max, 16384U),
        .head_ms = or_default(item.head_ms, 10000),
        .keepalive_ms = or_default(item.keepalive_ms, 75000),
        .upgrade_drain_ms = or_default(item.upgrade_drain_ms, 3600000),
        .instance = text_of(snapshot, item.instance),
        .ticket_keys = text_of(snapshot, item.ticket_keys),
        .geo = text_of(snapshot, item.geo),
        .trusted_proxies = text_of(snapshot, item.trusted_proxies),
        .body_rate = or_default(item.body_rate, 512),
        .read_rate = or_default(item.read_rate, 512),
        .address_connections = item.address_connections,
        .address_rate = or_default(item.address_rate, SNAPSHOT_NO_LIMIT),
        .glitches_max = or_default(item.glitches_max, 100),
        .http2_streams = or_default(item.http2_streams, 128),
        .http2_window = or_default(item.http2_window, 262144),
        .http2_session_window = or_default(item.http2_session_window, 1048576),
        .http2_glitches = or_default(item.http2_glitches, 20000),
        .sockmap = item.sockmap != 0,
    };
}

struct snapshot_listener snapshot_listener_at(const struct snapshot *snapshot, uint32_t i)
{
    struct wire_listener item;
    item_copy(snapshot, WIRE_LISTENERS, i, &item);
    return (struct snapshot_listener){
        .id = item.id,
        .kind = (enum snapshot_listener_kind)item.kind,
        .address = text_of(snapshot, item.address),
        .service = item.service,
        .tls =
            {
                .on = item.tls != 0,
                .only_13 = item.tls_only_13 != 0,
                .client = (enum snapshot_client_certificate)item.tls_client,
                .client_ca = text_of(snapshot, item.client_ca),
                .tickets = item.tls_tickets,
                .light = item.tls_light != 0,
            },
        .redirect_port = item.redirect_port,
        .proxy_protocol = item.proxy_protocol != 0,
    };
}

struct snapshot_certificate snapshot_certificate_at(const struct snapshot *snapshot, uint32_t i)
{
    struct wire_certificate item;
    item_copy(snapshot, WIRE_CERTIFICATES, i, &item);
    return (struct snapshot_certificate){
        .id = item.id,
        .listener = item.listener,
        .chain = text_of(snapshot, item.chain),
        .key = text_of(snapshot, item.key),
        .ocsp = text_of(snapshot, item.ocsp),
        .names = text_of(snapshot, item.names),
        .key_kind = item.key_kind,
        .origin = item.origin,
    };
}

bool snapshot_fd_has_listener(int fd, const struct sock_addr *addr)
{
    struct shm shm;
    struct snapshot snapshot;
    bool found = false;
    if (shm_check(fd, SHM_SEAL_SIZE | SHM_SEAL_WRITE) < 0 || shm_map(&shm, fd, false) < 0) {
        return false;
    }
    if (snapshot_open(str_make((const char *)shm.p, shm.size), &snapshot) == 0) {
        for (uint32_t i = 0; !found && i < snapshot.listeners; i++) {
            struct sock_addr named;
            struct snapshot_listener listener = snapshot_listener_at(&snapshot, i);
            found = sock_addr_parse(listener.address, &named) == 0 && sock_addr_eq(&named, addr);
        }
    }
    shm_unmap(&shm);
    return found;
}

struct snapshot_service snapshot_service_at(const struct snapshot *snapshot, uint32_t i)
{
    struct wire_service item;
    item_copy(snapshot, WIRE_SERVICES, i, &item);
    return (struct snapshot_service){
        .id = item.id,
        .tls =
            {
                .on = item.tls != 0,
                .verify = item.tls_verify != 0,
                .server_name = text_of(snapshot, item.tls_name),
                .ca = text_of(snapshot, item.tls_ca),
                .cert = text_of(snapshot, item.tls_cert),
                .key = text_of(snapshot, item.tls_key),
            },
        .tenant = text_of(snapshot, item.tenant),
        .project = text_of(snapshot, item.project),
        .name = text_of(snapshot, item.name),
        .balance = (enum snapshot_balance)item.balance,
        .state = wire_state_read(item.state, item.state_rest),
        .connect_ms = or_default(item.connect_ms, 2000),
        .first_byte_ms = or_default(item.first_byte_ms, 60000),
        .idle_ms = or_default(item.idle_ms, 60000),
        .tunnel_idle_ms = or_default(item.tunnel_idle_ms, 3600000),
        .hold_ms = item.hold_ms == UINT32_MAX ? 0 : or_default(item.hold_ms, 10000),
        .retries = item.retries == UINT32_MAX ? 0 : or_default(item.retries, 2),
        .body_size = item.body_size ? item.body_size : 10 * MIB,
        .call_size = item.body_size ? item.body_size : UINT64_MAX,
        .connections_max = or_default(item.connections_max, 1024),
        .probe =
            {
                .kind = (enum snapshot_probe_kind)item.probe_kind,
                .path = text_of(snapshot, item.probe_path),
                .host = text_of(snapshot, item.probe_host),
                .interval_ms = or_default(item.probe_interval_ms, 5000),
                .timeout_ms = or_default(item.probe_timeout_ms, 2000),
                .retries = or_default(item.probe_retries, 3),
                .start_period_ms = item.probe_start_period_ms,
                .start_interval_ms = item.probe_start_interval_ms,
            },
        .protocol = (enum snapshot_protocol)item.protocol,
        .announce = item.announce,
        .stream_ms = or_default(item.stream_ms, 3600000),
        .spread =
            {
                .hash = (enum snapshot_hash)item.hash,
                .hash_name = text_of(snapshot, item.hash_name),
                .hash_bound = item.hash_bound == UINT32_MAX ? 0 : or_default(item.hash_bound, 125),
                .sticky = text_of(snapshot, item.sticky),
                .sticky_max_age = item.sticky_max_age,
                .sticky_secure = item.sticky_secure != 0,
                .panic = item.panic,
                .totals = {item.totals[0], item.totals[1], item.totals[2], item.totals[3]},
            },
        .access = {text_of(snapshot, item.access), item.access_skip, item.access_more != 0},
        .policy_index = item.policy,
    };
}

static uint32_t between(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : MIN(value, high);
}

/* Within what the edge reckons with: no division by 0, no time that overflows. */
static void bound(struct snapshot_policy *policy)
{
    enum { DAY_MS = 86400000, MANY = 1000000 };
    uint32_t *const times[] = {
        &policy->retry_window_ms,     &policy->breaker_window_ms,
        &policy->breaker_open_ms,     &policy->outlier_interval_ms,
        &policy->outlier_ejection_ms, &policy->outlier_ejection_max_ms,
        &policy->queue_interval_ms,   &policy->slow_start_ms,
    };
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        *times[i] = between(*times[i], 1, DAY_MS);
    }
    policy->total_ms = MIN(policy->total_ms, (uint32_t)DAY_MS);
    uint32_t buffer = or_default(policy->retry_buffer, 64 * 1024);
    policy->retry_buffer = buffer == UINT32_MAX ? 0 : MIN(buffer, 1024 * 1024U);
    policy->queue_ms = between(or_default(policy->queue_ms, 5000), 1, DAY_MS);
    policy->retry_backoff_ms = MIN(policy->retry_backoff_ms, 60000U);
    policy->hedge_percentile = MIN(policy->hedge_percentile, 99U);
    policy->breaker_probes = between(policy->breaker_probes, 1, 63);
    policy->queue_length = MIN(policy->queue_length, 65536U);
    policy->concurrency_least = between(policy->concurrency_least, 1, MANY);
    policy->concurrency_most = between(policy->concurrency_most, policy->concurrency_least, MANY);
    policy->concurrency_initial =
        between(policy->concurrency_initial, policy->concurrency_least, policy->concurrency_most);
    policy->concurrency_tolerance_permille =
        between(policy->concurrency_tolerance_permille, 1000, 3000);
    policy->fallback_status = between(policy->fallback_status, 200, 599);
}

struct snapshot_policy snapshot_policy_at(const struct snapshot *snapshot, uint32_t policy_index)
{
    struct wire_policy item;
    ensure(policy_index > 0);
    item_copy(snapshot, WIRE_POLICIES, policy_index - 1, &item);
    struct snapshot_policy policy = {
        .fallback_service = item.fallback_service,
        .mirror_service = item.mirror_service,
        .fallback_body = text_of(snapshot, item.fallback_body),
        .fallback_type = text_of(snapshot, item.fallback_type),
        .retry_header = text_of(snapshot, item.retry_header),
        .queue_header = text_of(snapshot, item.queue_header),
    };
    memcpy(&policy, item.numbers, sizeof(item.numbers));
    bound(&policy);
    return policy;
}

struct snapshot_endpoint snapshot_endpoint_at(const struct snapshot *snapshot, uint32_t i)
{
    struct wire_endpoint item;
    item_copy(snapshot, WIRE_ENDPOINTS, i, &item);
    struct snapshot_endpoint endpoint = {
        .id = item.id,
        .service = item.service,
        .address = text_of(snapshot, item.address),
        .replica = text_of(snapshot, item.replica),
        .state = (enum snapshot_endpoint_state)item.state,
        .weight = item.weight == SNAPSHOT_WEIGHT_NONE ? item.weight : snapshot_weight(item.weight),
        .seat = {item.group, item.located, item.latitude, item.longitude, ""},
    };
    memcpy(endpoint.seat.sticky, item.sticky, sizeof(item.sticky));
    return endpoint;
}

struct snapshot_route snapshot_route_at(const struct snapshot *snapshot, uint32_t i)
{
    struct wire_route item;
    item_copy(snapshot, WIRE_ROUTES, i, &item);
    return (struct snapshot_route){
        .id = item.id,
        .service = item.service,
        .host = text_of(snapshot, item.host),
        .path = text_of(snapshot, item.path),
        .flags = item.flags,
        .tunnel =
            {
                .message_max = item.message_max,
                .ping_ms = item.ping_ms,
                .idle_ms = item.tunnel_idle_ms,
                .connections_max = item.tunnels_max,
            },
    };
}
