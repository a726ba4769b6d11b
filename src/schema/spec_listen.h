/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners and how they speak TLS, as a part of struct project_spec (spec.h).
 */
#ifndef SCHEMA_SPEC_LISTEN_H
#define SCHEMA_SPEC_LISTEN_H

#include "base/str.h"

/* PEM files, absolute; chain and ocsp (DER) may be empty. */
struct certificate_spec {
    struct str cert, key, chain, ocsp;
};

enum tls_version { TLS_VERSION_12, TLS_VERSION_13 };
enum client_certificate_kind {
    CLIENT_CERTIFICATE_NONE,
    CLIENT_CERTIFICATE_OPTIONAL,
    CLIENT_CERTIFICATE_REQUIRED
};
struct gateway_tls_spec {
    const struct certificate_spec *certificates;
    size_t certificates_count;
    int32_t min_version;        /* enum tls_version */
    struct str client_ca;       /* PEM file, absolute; empty = nobody is asked */
    int32_t client_certificate; /* enum client_certificate_kind */
    int64_t tickets;
    bool light;
    bool ocsp_fetch; /* responders are asked for answers to staple */
};

enum listen_kind { LISTEN_HTTP, LISTEN_HTTPS, LISTEN_TCP, LISTEN_TLS };

/* What one client may cost; 0 = not said, GATEWAY_NO_LIMIT = no limit. */
#define GATEWAY_NO_LIMIT INT64_MAX
struct gateway_limits {
    int64_t header_timeout_ns, idle_timeout_ns, header_size;
    int64_t connections, address_connections, address_rate, glitches;
    int64_t body_rate, read_rate; /* bytes a second */
};

/* What one HTTP/2 connection may; 0 and GATEWAY_NO_LIMIT as above. */
struct gateway_http2 {
    int64_t streams, window, connection_window, glitches;
};

struct listen_spec {
    struct str address; /* canonical, the identity: "http://127.0.0.1:8080", "tcp://[::]:5432" */
    int32_t kind;       /* enum listen_kind */
    struct str host;    /* IP literal without brackets; "::" = all, both families */
    int64_t port;
    struct str service; /* tcp, tls: whose replicas get the connections; tls: of unrouted names */
    int64_t target;     /* their port; 0 = the replica's PORT */
    struct certificate_spec certificate; /* https: its own; empty = those of gateway.tls */
    struct str redirect;                 /* http: "https", "https:PORT"; empty = nowhere */
    int64_t redirect_port;               /* from that; 0 = nowhere */
    bool from_ports;                     /* stands for a `ports:` entry of a process */
    bool proxy_protocol;                 /* connections begin with a header of the PROXY protocol */
};

#endif
