/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side: one SSL_CTX a service and thread. The system's authorities are loaded when a
 * service that is verified by them is first set up, never by a connection.
 *
 * 1. A ticket goes with what it was verified by: another configuration is another connector, and
 *    begins with none.
 * 2. What a session knows of its connector is its SSL_CTX; a connector that ends takes its peers
 *    from there, since sessions may outlive it.
 */
#include "tls/connector.h"

#include "tls/openssl.h"
#include "tls/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct peer {
    uint64_t id; /* 0 = free */
    uint64_t used;
    SSL_SESSION *sessions[TLS_PEER_SESSIONS]; /* the newest is first; NULL behind the last */
};
struct tls_peers {
    uint64_t clock; /* counts uses */
    struct peer items[TLS_PEERS_MAX];
};

/* --- sessions to resume --- */

static void forget(struct peer *peer)
{
    for (size_t i = 0; i < TLS_PEER_SESSIONS; i++) {
        SSL_SESSION_free(peer->sessions[i]);
    }
    *peer = (struct peer){0};
}

static struct peer *find_peer(struct tls_peers *peers, uint64_t id)
{
    for (size_t i = 0; i < TLS_PEERS_MAX; i++) {
        if (peers->items[i].id == id) {
            peers->items[i].used = ++peers->clock;
            return &peers->items[i];
        }
    }
    return NULL;
}

/* The place of the one that was not used for longest. */
static struct peer *make_room(struct tls_peers *peers)
{
    struct peer *oldest = &peers->items[0];
    for (size_t i = 0; i < TLS_PEERS_MAX; i++) {
        oldest = peers->items[i].used < oldest->used ? &peers->items[i] : oldest;
    }
    forget(oldest);
    return oldest;
}

static struct tls_peers *peers_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static uint64_t peer_of(const SSL *ssl)
{
    return (uint64_t)(uintptr_t)SSL_get_app_data(ssl);
}

/* Takes the session over. */
static void keep(struct tls_peers *peers, uint64_t id, SSL_SESSION *session)
{
    struct peer *peer = find_peer(peers, id);
    if (!peer) {
        peer = make_room(peers);
        peer->id = id;
        peer->used = ++peers->clock;
    }
    SSL_SESSION_free(peer->sessions[TLS_PEER_SESSIONS - 1]);
    memmove(peer->sessions + 1, peer->sessions, sizeof(peer->sessions) - sizeof(session));
    peer->sessions[0] = session;
}

/* OpenSSL's contract: 1 = the session is ours now. */
static int session_came(SSL *ssl, SSL_SESSION *session)
{
    struct tls_peers *peers = peers_of(ssl);
    uint64_t id = peer_of(ssl);
    if (!peers || id == 0 || !SSL_SESSION_is_resumable(session)) {
        return 0;
    }
    keep(peers, id, session);
    return 1;
}

void tls_connector_offer(struct tls_connector *connector, SSL *ssl, uint64_t id)
{
    SSL_set_app_data(ssl, (void *)(uintptr_t)id);
    struct peer *peer = id ? find_peer(connector->peers, id) : NULL;
    if (!peer || !peer->sessions[0]) {
        return;
    }
    SSL_SESSION *session = peer->sessions[0];
    memmove(peer->sessions, peer->sessions + 1, sizeof(peer->sessions) - sizeof(session));
    peer->sessions[TLS_PEER_SESSIONS - 1] = NULL;
    (void)!SSL_set_session(ssl, session); /* without it the handshake is a whole one */
    SSL_SESSION_free(session);
}

void tls_connector_opened(SSL *ssl)
{
    struct tls_peers *peers = peers_of(ssl);
    uint64_t id = peer_of(ssl);
    if (peers && id && SSL_session_reused(ssl) && SSL_version(ssl) < TLS1_3_VERSION) {
        keep(peers, id, SSL_get1_session(ssl));
    }
}

/* --- what it needs --- */

static int trust(SSL_CTX *ctx, const struct tls_connector_spec *spec)
{
    struct problem problem;
    X509_STORE *store = NULL;
    if (!spec->verify) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        return 0;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (spec->ca.len == 0) {
        return SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : -ENOMEM;
    }
    int r = tls_authorities_new(spec->ca, STR("ca"), &store, &problem);
    if (r == 0) {
        SSL_CTX_set_cert_store(ctx, store);
    }
    return r;
}

static int show(SSL_CTX *ctx, const struct tls_connector_spec *spec)
{
    struct problem problem;
    struct tls_cert *cert = NULL;
    if (spec->cert.len == 0) {
        return 0;
    }
    const struct tls_cert_source source = {.cert = spec->cert, .key = spec->key};
    int r = tls_cert_new(&source, &cert, &problem);
    if (r == 0 && SSL_CTX_use_cert_and_key(ctx, cert->leaf, cert->key, cert->chain, 1) != 1) {
        r = TLS_E_BAD;
    }
    tls_cert_free(cert);
    return r;
}

int tls_connector_init(struct tls_connector *connector, const struct tls_connector_spec *spec)
{
    static const unsigned char offers[] = "\x02h2\x08http/1.1";
    size_t skip = spec->h2 ? 0 : 3;
    connector->ctx = tls_openssl_ctx(false);
    connector->bio = connector->ctx ? tls_session_bio() : NULL;
    connector->peers = calloc(1, sizeof(*connector->peers));
    int r = connector->bio && connector->peers ? 0 : -ENOMEM;
    r = r != 0 ? r : trust(connector->ctx, spec);
    r = r != 0 ? r : show(connector->ctx, spec);
    if (r == 0 && SSL_CTX_set_alpn_protos(connector->ctx, offers + skip,
                                          (unsigned)(sizeof(offers) - 1 - skip)) != 0) {
        r = -ENOMEM;
    }
    if (r != 0) {
        ERR_clear_error();
        tls_connector_fini(connector);
        return r;
    }
    SSL_CTX_set_app_data(connector->ctx, connector->peers);
    SSL_CTX_set_session_cache_mode(connector->ctx,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(connector->ctx, session_came);
    return 0;
}

void tls_connector_fini(struct tls_connector *connector)
{
    if (connector->ctx) {
        SSL_CTX_set_app_data(connector->ctx, NULL);
    }
    for (size_t i = 0; connector->peers && i < TLS_PEERS_MAX; i++) {
        forget(&connector->peers->items[i]);
    }
    free(connector->peers);
    SSL_CTX_free(connector->ctx);
    BIO_free(connector->bio);
    *connector = (struct tls_connector){0};
}
