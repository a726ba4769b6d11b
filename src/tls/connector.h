/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tls_connector: what one thread needs to connect by TLS to one kind of peer: whom it
 * trusts, which certificate it shows, and the tickets that its peers gave. One for all connections
 * of a service.
 */
#ifndef TLS_CONNECTOR_H
#define TLS_CONNECTOR_H

#include "tls/cert.h"

/* Sessions to resume: of at most that many peers, those that were used last; for each the
 * newest. */
enum { TLS_PEERS_MAX = 64, TLS_PEER_SESSIONS = 2 };
struct tls_peers;

struct tls_connector {
    SSL_CTX *ctx;
    BIO *bio;
    struct tls_peers *peers;
};
struct tls_connector_spec {
    bool verify;          /* the certificate must be for the server's name, and trusted */
    struct str ca;        /* PEM; empty: the system's */
    struct str cert, key; /* PEM, shown when asked for; may be empty */
    bool h2;              /* offers HTTP/2 */
};
/* 0, TLS_E_BAD (a text is not what it should be; it was checked before), -ENOMEM. */
must_check int tls_connector_init(struct tls_connector *connector,
                                  const struct tls_connector_spec *spec);
/* Sessions may outlive it. Accepts a zeroed one. */
void tls_connector_fini(struct tls_connector *connector);

/* --- for sessions --- */
/* A session of that peer to resume, if there is one: each is offered once (RFC 8446 §C.4). */
void tls_connector_offer(struct tls_connector *connector, SSL *ssl, uint64_t peer);
/* The handshake is done: one of TLS 1.2 that was good once is good again. */
void tls_connector_opened(SSL *ssl);

#endif
