/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side: one SSL_CTX a service and thread. The system's authorities are loaded when a
 * service that is verified by them is first set up, never by a connection.
 */
#include "tls/connector.h"

#include "tls/openssl.h"
#include "tls/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

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
    int r = connector->bio ? 0 : -ENOMEM;
    r = r != 0 ? r : trust(connector->ctx, spec);
    r = r != 0 ? r : show(connector->ctx, spec);
    if (r == 0 && SSL_CTX_set_alpn_protos(connector->ctx, offers + skip,
                                          (unsigned)(sizeof(offers) - 1 - skip)) != 0) {
        r = -ENOMEM;
    }
    if (r != 0) {
        ERR_clear_error();
        tls_connector_fini(connector);
    }
    return r;
}

void tls_connector_fini(struct tls_connector *connector)
{
    SSL_CTX_free(connector->ctx);
    BIO_free(connector->bio);
    *connector = (struct tls_connector){0};
}
