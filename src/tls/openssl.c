/* SPDX-License-Identifier: Apache-2.0
 *
 * One place for what every SSL_CTX has in common, so that a certificate that was switched to by its
 * name brings no other manners with it.
 *
 * OpenSSL's configuration file is not read: what muelle does must not depend on the machine. All
 * that can be fetched (ciphers, digests, groups) an SSL_CTX fetches when it is made; a connection
 * fetches nothing.
 */
#include "tls/openssl.h"

#include <openssl/ssl.h>

#define CIPHERS_12                                                                                 \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS     "X25519:P-256:P-384"

SSL_CTX *tls_openssl_ctx(bool server)
{
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
        return NULL;
    }
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ctx) {
        return NULL;
    }
    uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, options);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    bool good = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 &&
                SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) == 1 &&
                SSL_CTX_set1_groups_list(ctx, GROUPS) == 1;
    if (!good) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}
