/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot says of TLS (link/snapshot_types.h): how listeners speak it, and with which
 * certificates. Keys are in here: these texts are never logged, shown or stored.
 */
#ifndef LINK_SNAPSHOT_TLS_H
#define LINK_SNAPSHOT_TLS_H

#include "base/str.h"

enum {
    SNAPSHOT_CERTIFICATES_MAX = 4096,
    SNAPSHOT_PEM_MAX = 64 * 1024, /* a certificate with its chain, a key, a bundle */
};

enum snapshot_client_certificate {
    SNAPSHOT_CLIENT_NONE,
    SNAPSHOT_CLIENT_OPTIONAL,
    SNAPSHOT_CLIENT_REQUIRED,
    SNAPSHOT_CLIENT_CERTIFICATES
};
/* How a listener speaks TLS; which certificate it shows is decided by the name that is asked
 * for. */
struct snapshot_tls {
    bool on;
    bool only_13;                            /* no TLS 1.2 */
    enum snapshot_client_certificate client; /* is one asked for? */
    struct str client_ca;                    /* PEM: who may have signed it */
    uint32_t tickets;                        /* sent after a handshake */
    bool light; /* its records are the edge's own after the handshake (TLS 1.3) */
};
/* How a service is reached by TLS. */
struct snapshot_upstream_tls {
    bool on;
    bool verify;            /* the certificate must be for server_name, and trusted */
    struct str server_name; /* sent, and checked */
    struct str ca;          /* PEM; empty: the machine's authorities */
    struct str cert, key;   /* PEM, shown when asked for; may be empty. Secret */
};
/* Secret: the key is in it. Only the edge reads these. */
struct snapshot_certificate {
    uint64_t id;           /* of the content */
    uint64_t listener;     /* for this one only; 0 = for all with TLS */
    struct str chain, key; /* PEM */
    struct str ocsp;       /* DER, stapled; may be empty */
    struct str names;      /* host names in lower case, each with a space behind it */
    uint32_t key_kind;     /* enum tls_key_kind */
    uint64_t origin;       /* of the files that it came from; for the core. 0 = none */
};
#endif
