/* SPDX-License-Identifier: Apache-2.0
 *
 * `gateway:` of a project (see spec.h).
 */
#ifndef SCHEMA_SPEC_GATEWAY_H
#define SCHEMA_SPEC_GATEWAY_H

#include "schema/access_spec.h"
#include "schema/spec_parts.h"

enum { GATEWAY_THREADS_MAX = 16 };

struct value;

struct gateway_spec {
    const struct listen_spec *listens; /* of `gateway.listen` first, then those from `ports:` */
    size_t listens_count;
    struct gateway_tls_spec tls;
    struct listen_spec admin; /* port 0: no admin listener */
    int64_t threads;          /* 0 = chosen by muelle */
    int64_t upgrade_drain_ns;
    bool expose_replica;           /* adds X-Muelle-Replica: web-1 */
    struct str geo_database;       /* absolute; empty: none */
    const struct str *admin_names; /* host names of the admin listener, in lower case */
    size_t admin_names_count;
    struct access_log_spec access_log;
    const struct str *trusted_proxies; /* networks, checked */
    size_t trusted_proxies_count;
    struct gateway_limits limits;
    struct gateway_http2 http2;
    bool sockmap;             /* the short way to services on this machine */
    const struct value *tree; /* `gateway` as it is written; NULL: it is not */
};

#endif
