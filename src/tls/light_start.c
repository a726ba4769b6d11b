/* SPDX-License-Identifier: Apache-2.0
 *
 * From OpenSSL to struct tls_light, at the one moment when nothing is under way: the handshake's
 * last step has just returned.
 *
 * - OpenSSL reads a record at a time and no further, so what the client sent behind its Finished is
 *   still the caller's.
 * - What that step sent are session tickets, the first records under our application key: they are
 *   counted on the wire, not believed.
 * - Secrets are told by the keylog callback, OpenSSL's only public way. Its lines go nowhere else.
 *   It prints them byte by byte, which costs a twentieth of a handshake for all five: so it is set
 *   just before each of the two that are needed, and taken away behind it.
 */
#include "tls/light.h"

#include "tls/record.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct tls_light *light_now;

static void keylog(const SSL *ssl, const char *line);

static void listen(const SSL *ssl, bool on)
{
    SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), on ? keylog : NULL);
}

/* "LABEL RANDOM SECRET" */
static void keylog(const SSL *ssl, const char *line)
{
    struct str label, random, secret, rest = str_from(line);
    (void)str_split(rest, ' ', &label, &rest);
    (void)str_split(rest, ' ', &random, &secret);
    bool in = str_eq(label, STR("CLIENT_TRAFFIC_SECRET_0"));
    if (light_now && (in || str_eq(label, STR("SERVER_TRAFFIC_SECRET_0")))) {
        tls_light_secret(light_now, !in, secret);
        listen(ssl, false);
    }
}

/* Our key comes behind our Finished message. The secrets of the handshake came before the one that
 * was just written. */
static void progress(const SSL *ssl, int where, int unused)
{
    (void)unused;
    if (light_now && (where & SSL_CB_LOOP) &&
        SSL_get_state(ssl) == TLS_ST_SW_ENCRYPTED_EXTENSIONS) {
        listen(ssl, true);
    }
}

void tls_light_before(struct tls_light *light, SSL *ssl)
{
    light_now = light;
    light->flown = light->secrets[1] > 0;
    SSL_set_info_callback(ssl, progress);
    if (light->flown) {
        listen(ssl, true); /* the client's comes with its Finished message */
    }
}

void tls_light_after(SSL *ssl)
{
    light_now = NULL;
    SSL_set_info_callback(ssl, NULL);
    listen(ssl, false);
}

/* How many records of encrypted data these bytes are; false: they are something else. */
static bool count_records(struct str bytes, uint64_t *ret)
{
    *ret = 0;
    while (bytes.len > 0) {
        size_t len = 0;
        if (bytes.len < TLS_RECORD_HEAD || tls_record_head((const uint8_t *)bytes.p, &len) != 0 ||
            bytes.len < TLS_RECORD_HEAD + len) {
            return false;
        }
        bytes = str_skip(bytes, TLS_RECORD_HEAD + len);
        ++*ret;
    }
    return true;
}

/* The verified certificate, if there is one. False: memory is out. */
static bool keep_peer(struct tls_light *light, SSL *ssl)
{
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    if (!leaf || SSL_get_verify_result(ssl) != X509_V_OK) {
        return true;
    }
    int len = i2d_X509(leaf, NULL);
    unsigned char *p = len > 0 ? malloc((size_t)len) : NULL;
    if (!p) {
        ERR_clear_error();
        return false;
    }
    light->peer = (char *)p;
    light->peer_len = (uint32_t)len;
    return i2d_X509(leaf, &p) == len;
}

static uint8_t http_of(const SSL *ssl)
{
    const unsigned char *p = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(ssl, &p, &len);
    return len == 0 ? 0 : len == 2 ? 2 : 1; /* "h2" or "http/1.1": store.c, choose_protocol */
}

bool tls_light_take(struct tls_light *light, SSL *ssl, struct str sent)
{
    enum tls_suite suite;
    uint64_t records;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    if (SSL_version(ssl) != TLS1_3_VERSION || !cipher ||
        !tls_suite_find(SSL_CIPHER_get_protocol_id(cipher), &suite) || SSL_has_pending(ssl) ||
        !light->flown || !count_records(sent, &records) || !keep_peer(light, ssl)) {
        return false;
    }
    light->http = http_of(ssl);
    return tls_light_start(light, suite, records) == 0;
}
