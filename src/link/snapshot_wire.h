/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to link/: the bytes of a snapshot (host byte order: it never leaves the machine).
 *
 *   0    header (64 bytes)
 *   64   section table: WIRE_SECTIONS entries of 24 bytes
 *   …    sections, each 8-aligned: `count` items of `item_size` bytes; TEXT is bytes
 *
 * A newer writer may append fields to an item (item_size grows) and sections to the table; readers
 * take what they know and read missing fields as zero. What changes a meaning raises WIRE_FORMAT
 * and `min_reader`.
 */
#ifndef LINK_SNAPSHOT_WIRE_H
#define LINK_SNAPSHOT_WIRE_H

#include "link/snapshot_types.h"

#define WIRE_MAGIC UINT64_C(0x31504e534c45554d) /* "MUELSNP1" */
enum { WIRE_FORMAT = 1 };

enum wire_section_kind {
    WIRE_GATEWAY,
    WIRE_LISTENERS,
    WIRE_SERVICES,
    WIRE_ENDPOINTS,
    WIRE_ROUTES,
    WIRE_CERTIFICATES,
    WIRE_TEXT,
    WIRE_POLICIES,
    WIRE_SECTIONS
};

struct wire_header {
    uint64_t magic;
    uint32_t format, min_reader;
    uint64_t size;
    uint64_t checksum; /* XXH3 of everything behind the header */
    uint64_t sequence, delta_base;
    uint32_t section_count, reserved[3];
};
struct wire_section {
    uint32_t kind, version, offset, count, item_size, reserved;
};
struct wire_text {
    uint32_t offset, len; /* in TEXT */
};
struct wire_gateway {
    struct wire_text instance;
    uint32_t threads, expose_replica, unused, connections_max, head_max, head_ms, keepalive_ms,
        upgrade_drain_ms;
    struct wire_text ticket_keys; /* bytes */
    struct wire_text geo;
    struct wire_text trusted_proxies;
    uint32_t body_rate, read_rate, address_connections, address_rate, glitches_max, reserved_limits;
    uint32_t sockmap, reserved_sockmap;
    uint32_t http2_streams, http2_window, http2_session_window, http2_glitches;
};
struct wire_listener {
    uint64_t id, service;
    struct wire_text address;
    uint32_t kind, service_index; /* UINT32_MAX = none */
    struct wire_text client_ca;
    uint32_t tls, tls_only_13, tls_client, tls_tickets, redirect_port, proxy_protocol;
    uint32_t tls_light, reserved_tls;
};
struct wire_certificate {
    uint64_t id, listener;
    struct wire_text chain, key, ocsp, names;
    uint32_t key_kind, reserved;
    uint64_t origin;
};
struct wire_service {
    uint64_t id;
    struct wire_text tenant, project, name, probe_path, probe_host;
    uint64_t body_size;
    uint32_t balance, state;
    uint32_t connect_ms, first_byte_ms, idle_ms, tunnel_idle_ms, hold_ms, retries, connections_max;
    uint32_t probe_kind, probe_interval_ms, probe_timeout_ms, probe_retries;
    uint32_t probe_start_period_ms, probe_start_interval_ms, protocol;
    struct wire_text hash_name, sticky;
    uint32_t hash, hash_bound, sticky_max_age, sticky_secure, panic;
    uint32_t policy; /* its number + 1; 0 = none */
    struct wire_text access;
    uint32_t access_skip, access_more;
    uint32_t totals[SNAPSHOT_GROUPS];
    struct wire_text tls_name, tls_ca, tls_cert, tls_key; /* the last three: bytes */
    uint32_t tls, tls_verify;
    uint32_t announce, stream_ms;
    uint32_t state_rest, reserved; /* wire_state.h */
};
struct wire_policy {
    uint64_t fallback_service, mirror_service;
    struct wire_text fallback_body, fallback_type, retry_header, queue_header;
    uint32_t numbers[SNAPSHOT_POLICY_NUMBERS];
};
struct wire_endpoint {
    uint64_t id, service;
    struct wire_text address, replica;
    uint32_t service_index, state, weight, reserved;
    uint32_t group, located; /* located: latitude and longitude are known */
    int32_t latitude, longitude;
    char sticky[SNAPSHOT_STICKY_MAX];
};
struct wire_route {
    uint64_t id, service;
    struct wire_text host, path;
    uint32_t service_index, flags;
    /* since 0.2 */
    uint64_t message_max;
    uint32_t ping_ms, tunnel_idle_ms, tunnels_max, reserved;
};

_Static_assert(sizeof(struct wire_header) == 64, "the header's layout is fixed");
_Static_assert(offsetof(struct snapshot_policy, fallback_service) == SNAPSHOT_POLICY_NUMBERS * 4,
               "numbers without holes");
_Static_assert(sizeof(struct wire_section) == 24, "the table's layout is fixed");

#endif
