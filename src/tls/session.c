/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions over memory. OpenSSL reads and writes through a BIO that has no bytes of its own: it
 * stands for the wire of the call that is under way on this thread, so one of it serves all
 * sessions of the thread, and an idle session holds no buffer.
 *
 * 1. `wire` is set exactly while a call into OpenSSL is under way.
 * 2. OpenSSL's queue of errors is empty whenever no call is under way: who fails empties it. So the
 *    fast path need not.
 * 3. A failed session is never used again, but to be freed.
 * 4. Where the door says so, tls_light takes over when the handshake is done: then `ssl` is NULL.
 */
#include "tls/session.h"

#include "base/encode.h"
#include "tls/connector.h"
#include "tls/light.h"
#include "tls/store.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static _Thread_local struct tls_wire *wire_now;
static _Thread_local char last_reason[96];

/* --- the BIO --- */

static int wire_read(BIO *bio, char *p, int len)
{
    struct tls_wire *wire = wire_now;
    BIO_clear_retry_flags(bio);
    if (!wire || wire->in.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = MIN(wire->in.len, (size_t)len);
    memcpy(p, wire->in.p, n);
    wire->in.p += n;
    wire->in.len -= n;
    return (int)n;
}

static int wire_write(BIO *bio, const char *p, int len)
{
    struct tls_wire *wire = wire_now;
    BIO_clear_retry_flags(bio);
    if (!wire || (size_t)len > wire->out_cap - wire->out_len) {
        return -1; /* never, by the contract; the session fails */
    }
    memcpy(wire->out + wire->out_len, p, (size_t)len);
    wire->out_len += (size_t)len;
    return len;
}

static long wire_ctrl(BIO *bio, int command, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "wire");
    if (method &&
        (!BIO_meth_set_read(method, wire_read) || !BIO_meth_set_write(method, wire_write) ||
         !BIO_meth_set_ctrl(method, wire_ctrl))) {
        BIO_meth_free(method);
        method = NULL;
    }
}

/* Shared by all sessions of a thread: it is told nothing but what to do now. */
BIO *tls_session_bio(void)
{
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    bool made = CRYPTO_THREAD_run_once(&once, make_method) == 1 && method;
    BIO *bio = made ? BIO_new(method) : NULL;
    if (bio) {
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* --- beginning and ending --- */

static int begin(struct tls_session *session, SSL_CTX *ctx, BIO *bio)
{
    *session = (struct tls_session){.ssl = bio ? SSL_new(ctx) : NULL};
    if (!session->ssl) {
        ERR_clear_error();
        return -ENOMEM;
    }
    if (!BIO_up_ref(bio)) {
        tls_session_fini(session);
        return -ENOMEM;
    }
    SSL_set_bio(session->ssl, bio, bio);
    return 0;
}

int tls_session_accept(struct tls_session *session, struct tls_store *store, uint64_t door)
{
    *session = (struct tls_session){0};
    SSL_CTX *ctx = tls_store_door(store, door);
    if (!ctx) {
        return -ENOENT;
    }
    struct tls_ciphers *ciphers = tls_store_light(store, door);
    int r = begin(session, ctx, tls_store_bio(store));
    if (r == 0) {
        unsigned tickets = tls_store_tickets(store, door);
        session->light = ciphers ? tls_light_new(ciphers) : NULL; /* NULL: as if it had none */
        if (session->light) { /* only OpenSSL can make them, and it goes with the handshake */
            SSL_set_num_tickets(session->ssl, tickets);
        } else {
            session->owed = (uint8_t)tickets;
        }
        SSL_set_accept_state(session->ssl);
        SSL_set_app_data(session->ssl, (void *)(uintptr_t)door);
    }
    return r;
}

int tls_session_connect(struct tls_session *session, struct tls_connector *connector,
                        const char *server_name, uint64_t peer)
{
    *session = (struct tls_session){0};
    int r = begin(session, connector->ctx, connector->bio);
    if (r < 0) {
        return r;
    }
    SSL *ssl = session->ssl;
    SSL_set_connect_state(ssl);
    tls_connector_offer(connector, ssl, peer);
    if (!server_name || !server_name[0]) {
        return 0;
    }
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* An address is never sent (RFC 6066 §3), but checked. */
    bool good = X509_VERIFY_PARAM_set1_ip_asc(param, server_name) == 1 ||
                (SSL_set_tlsext_host_name(ssl, server_name) == 1 &&
                 X509_VERIFY_PARAM_set1_host(param, server_name, 0) == 1);
    ERR_clear_error();
    if (!good) {
        tls_session_fini(session);
        return -ENOMEM;
    }
    return 0;
}

void tls_session_fini(struct tls_session *session)
{
    SSL_free(session->ssl);
    tls_light_free(session->light);
    session->ssl = NULL;
    session->light = NULL;
}

/* --- a call into OpenSSL --- */

static int fail(struct tls_session *session)
{
    session->failed = true;
    unsigned long first = ERR_get_error();
    const char *reason = first ? ERR_reason_error_string(first) : NULL;
    long verified = SSL_get_verify_result(session->ssl);
    if (verified != X509_V_OK && first &&
        ERR_GET_REASON(first) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        reason = X509_verify_cert_error_string(verified);
    }
    (void)str_copy(last_reason, sizeof(last_reason), str_from(reason ? reason : "broken off"));
    ERR_clear_error();
    return -EPROTO;
}

const char *tls_session_reason(const struct tls_session *session)
{
    if (session->failed && !session->ssl && session->light) {
        return tls_light_reason(session->light);
    }
    return session->failed ? last_reason : "";
}

/* The call returned `r` <= 0. */
static int why(struct tls_session *session, int r)
{
    switch (SSL_get_error(session->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return TLS_E_WANT;
    case SSL_ERROR_ZERO_RETURN:
        session->ended = true;
        return TLS_E_END;
    default:
        return fail(session);
    }
}

/* What the last step sent begins at `from` of the wire. Who resumes gets one ticket more for the
 * one it used. TLS 1.2 has given its own already. */
static int opened(struct tls_session *session, struct tls_wire *wire, size_t from)
{
    struct str sent = str_make(wire->out + from, wire->out_len - from);
    session->open = true;
    if (!SSL_is_server(session->ssl)) {
        tls_connector_opened(session->ssl);
    }
    if (session->owed) {
        bool later = SSL_version(session->ssl) >= TLS1_3_VERSION;
        session->owed = !later ? 0 : SSL_session_reused(session->ssl) ? 1 : session->owed;
    }
    if (session->light && tls_light_take(session->light, session->ssl, sent)) {
        SSL_free(session->ssl);
        session->ssl = NULL;
        if (tls_light_owe(session->light, sent)) { /* with the first answer, as without it */
            wire->out_len = from;
        }
    } else {
        tls_light_free(session->light);
        session->light = NULL;
    }
    return 0;
}

int tls_session_step(struct tls_session *session, struct tls_wire *wire)
{
    if (session->open || session->failed) {
        return session->failed ? -EPROTO : 0;
    }
    size_t before = wire->out_len;
    wire_now = wire;
    if (session->light) {
        tls_light_before(session->light, session->ssl);
    }
    int r = SSL_do_handshake(session->ssl);
    if (session->light) {
        tls_light_after(session->ssl);
    }
    r = r == 1 ? opened(session, wire, before) : why(session, r);
    wire_now = NULL;
    return r == TLS_E_END ? fail(session) : r;
}

/* One record after the other. The call that would only say that nothing is left is saved. */
static int read_records(struct tls_session *session, struct tls_wire *wire, char *p, size_t len,
                        size_t *ret)
{
    while (*ret < len) {
        size_t n = 0;
        if (SSL_read_ex(session->ssl, p + *ret, len - *ret, &n) != 1) {
            return why(session, 0);
        }
        *ret += n;
        if (wire->in.len == 0 && SSL_pending(session->ssl) == 0) {
            return TLS_E_WANT;
        }
    }
    return 0;
}

int tls_session_read(struct tls_session *session, struct tls_wire *wire, char *p, size_t len,
                     size_t *ret)
{
    *ret = 0;
    if (unlikely(session->failed)) {
        return -EPROTO;
    }
    if (unlikely(session->ended)) {
        return TLS_E_END;
    }
    if (unlikely(!session->open)) {
        int r = tls_session_step(session, wire);
        if (r != 0) {
            return r;
        }
        if (wire->in.len == 0) {
            return TLS_E_WANT;
        }
    }
    if (!session->ssl) {
        int r = tls_light_read(session->light, wire, p, len, ret);
        session->ended = r == TLS_E_END;
        session->failed = r < 0;
        return r;
    }
    wire_now = wire;
    int r = read_records(session, wire, p, len, ret);
    wire_now = NULL;
    return r;
}

bool tls_session_pending(const struct tls_session *session)
{
    if (!session->open || session->failed) {
        return false;
    }
    return session->ssl ? SSL_pending(session->ssl) > 0 : tls_light_pending(session->light);
}

/* The tickets leave with the first answer: one send, and one packet, less for each connection. The
 * next write makes them. */
static void give_tickets(struct tls_session *session)
{
    if (!tls_store_has_keys()) {
        session->owed = 0; /* a new configuration has no tickets */
    }
    while (session->owed > 0 && SSL_new_session_ticket(session->ssl) == 1) {
        session->owed--;
    }
    session->owed = 0;
}

int tls_session_write(struct tls_session *session, struct tls_wire *wire, struct str bytes)
{
    size_t written = 0;
    if (unlikely(!session->open || session->failed || session->notified)) {
        return -EPIPE;
    }
    if (bytes.len == 0) {
        return 0;
    }
    if (!session->ssl) {
        int r = tls_light_write(session->light, wire, bytes);
        session->failed |= r < 0;
        return r;
    }
    bool tickets = session->owed > 0;
    if (unlikely(tickets)) {
        give_tickets(session);
    }
    wire_now = wire;
    int r = SSL_write_ex(session->ssl, bytes.p, bytes.len, &written);
    wire_now = NULL;
    if (unlikely(tickets)) {
        SSL_free_buffers(session->ssl); /* tickets are a handshake: it got those for reading, too */
    }
    if (unlikely(r != 1)) {
        (void)fail(session);
        return -EPIPE;
    }
    return 0;
}

void tls_session_end(struct tls_session *session, struct tls_wire *wire)
{
    if (!session->open || session->failed || session->notified) {
        return;
    }
    session->notified = true;
    if (!session->ssl) {
        tls_light_end(session->light, wire);
        return;
    }
    wire_now = wire;
    if (SSL_shutdown(session->ssl) < 0) {
        (void)fail(session);
    }
    wire_now = NULL;
}

struct str tls_session_protocol(const struct tls_session *session)
{
    static const char *const names[] = {"", "http/1.1", "h2"};
    const unsigned char *p = NULL;
    unsigned len = 0;
    if (!session->ssl) {
        return str_from(names[session->light->http]);
    }
    SSL_get0_alpn_selected(session->ssl, &p, &len);
    return str_make((const char *)p, len);
}

unsigned tls_session_version(const struct tls_session *session, bool *ret_resumed)
{
    *ret_resumed = session->open && session->ssl && SSL_session_reused(session->ssl);
    if (!session->open) {
        return 0;
    }
    return !session->ssl || SSL_version(session->ssl) == TLS1_3_VERSION ? 13 : 12;
}

bool tls_session_identity(const struct tls_session *session, struct buf *out)
{
    const struct tls_light *light = session->light;
    if (session->open && !session->ssl) {
        encode_base64(out, str_make(light->peer, light->peer_len));
        return light->peer && buf_error(out) == 0;
    }
    X509 *leaf = session->open ? SSL_get0_peer_certificate(session->ssl) : NULL;
    unsigned char *der = NULL;
    if (!leaf || SSL_get_verify_result(session->ssl) != X509_V_OK) {
        return false;
    }
    int len = i2d_X509(leaf, &der);
    if (len > 0) {
        encode_base64(out, str_make((const char *)der, (size_t)len));
    }
    OPENSSL_free(der);
    ERR_clear_error();
    return len > 0 && buf_error(out) == 0;
}
