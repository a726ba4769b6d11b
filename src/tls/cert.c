/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading certificates, and saying what is wrong with them before anybody is served with them.
 *
 * 1. OpenSSL never asks for a passphrase here: a key that needs one is refused.
 * 2. What tls_cert_new takes an SSL_CTX takes, too: it is tried.
 * 3. After a failure nothing is left in OpenSSL's queue of errors: the session's fast path relies
 *    on an empty one.
 */
#include "tls/cert.h"

#include "tls/openssl.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

void tls_last_error(char *ret, size_t size)
{
    unsigned long first = ERR_get_error();
    const char *reason = first ? ERR_reason_error_string(first) : NULL;
    (void)str_copy(ret, size, reason ? str_from(reason) : STR("unknown"));
    ERR_clear_error();
}

static int refuse(struct problem *problem, struct str name, const char *code, const char *what)
{
    problem_set(problem, code, "%s", what);
    problem->status = 422;
    problem_where(problem, STR_FMT, STR_ARG(name));
    ERR_clear_error();
    return TLS_E_BAD;
}

/* A program that serves must not stop to ask. */
static int no_passphrase(char *ret, int size, int writing, void *asked)
{
    (void)ret;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static BIO *bio_of(struct str text)
{
    return text.len > TLS_PEM_MAX ? NULL : BIO_new_mem_buf(text.p ? text.p : "", (int)text.len);
}

/* --- the certificate and its chain --- */

/* Appends all certificates of a text. */
static int read_certificates(struct str pem, struct str name, STACK_OF(X509) * to,
                             struct problem *problem)
{
    bool asked = false;
    BIO *bio = bio_of(pem);
    if (!bio) {
        return pem.len > TLS_PEM_MAX
                   ? refuse(problem, name, "tls.too-large", "a PEM file has at most 64 KiB")
                   : -ENOMEM;
    }
    int r = 0;
    X509 *x;
    while (r == 0 && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked))) {
        if (sk_X509_num(to) > TLS_CHAIN_MAX || !sk_X509_push(to, x)) {
            X509_free(x);
            r = refuse(problem, name, "tls.too-long", "the chain has more than 10 certificates");
        }
    }
    BIO_free(bio);
    if (r != 0) {
        return r;
    }
    bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!end) {
        char reason[128];
        tls_last_error(reason, sizeof(reason));
        (void)refuse(problem, name, "tls.bad-certificate",
                     "this is not a certificate that can be read");
        problem_expected(problem, "PEM: -----BEGIN CERTIFICATE----- (OpenSSL says: %s)", reason);
        return TLS_E_BAD;
    }
    ERR_clear_error();
    return 0;
}

static int read_chain(const struct tls_cert_source *source, struct tls_cert *cert,
                      struct problem *problem)
{
    cert->chain = sk_X509_new_null();
    if (!cert->chain) {
        return -ENOMEM;
    }
    int r = read_certificates(source->cert, source->cert_name, cert->chain, problem);
    if (r == 0 && sk_X509_num(cert->chain) == 0) {
        r = refuse(problem, source->cert_name, "tls.bad-certificate",
                   "there is no certificate in it");
        problem_expected(problem, "PEM: -----BEGIN CERTIFICATE-----");
    }
    if (r == 0) {
        cert->leaf = sk_X509_shift(cert->chain);
        r = read_certificates(source->chain, source->chain_name, cert->chain, problem);
    }
    return r;
}

/* Each is signed by the next: a chain in another order is not followed by every client. */
static int check_order(const struct tls_cert_source *source, const struct tls_cert *cert,
                       struct problem *problem)
{
    const X509 *below = cert->leaf;
    for (int i = 0; i < sk_X509_num(cert->chain); i++) {
        X509 *above = sk_X509_value(cert->chain, i);
        if (X509_NAME_cmp(X509_get_issuer_name(below), X509_get_subject_name(above)) != 0) {
            struct str name = source->chain.len ? source->chain_name : source->cert_name;
            (void)refuse(problem, name, "tls.bad-chain",
                         "the chain is not in order: a certificate is not followed by its issuer");
            problem_expected(problem, "the server's certificate, then its issuer, then that one's");
            return TLS_E_BAD;
        }
        below = above;
    }
    return 0;
}

/* --- names and times --- */

static void add_name(struct tls_cert *cert, const unsigned char *p, int len, size_t *count)
{
    struct str name = str_make((const char *)p, len > 0 ? (size_t)len : 0);
    if (name.len == 0 || name.len > 253 || *count >= TLS_NAMES_MAX) {
        return;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        if (c <= ' ' || c >= 0x7f) {
            return; /* no host name: nobody can ask for it */
        }
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        buf_add_char(&cert->names, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    buf_add_char(&cert->names, ' ');
    (*count)++;
}

/* The subject's common name counts only where there is no alternative name: RFC 6125 §6.4.4. */
static int read_names(struct tls_cert *cert)
{
    size_t count = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert->leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            add_name(cert, ASN1_STRING_get0_data(name->d.dNSName),
                     ASN1_STRING_length(name->d.dNSName), &count);
        }
    }
    GENERAL_NAMES_free(names);
    if (!names) {
        X509_NAME *subject = X509_get_subject_name(cert->leaf);
        int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        const ASN1_STRING *text =
            at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
        if (text) {
            add_name(cert, ASN1_STRING_get0_data(text), ASN1_STRING_length(text), &count);
        }
        cert->is_common_name = count > 0;
    }
    ERR_clear_error();
    return buf_error(&cert->names);
}

/* Seconds since 1970, by calendar arithmetic alone. */
static int64_t seconds_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool known = epoch && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    return known ? (int64_t)days * 86400 + seconds : 0;
}

int tls_cert_check_time(const struct tls_cert *cert, struct str name, int64_t now_s,
                        struct problem *problem)
{
    if (now_s < cert->from_s) {
        (void)refuse(problem, name, "tls.not-yet-valid", "the certificate is not valid yet");
        problem_hint(problem, "it is valid in %lld hours; is this machine's clock right?",
                     (long long)((cert->from_s - now_s) / 3600 + 1));
        return TLS_E_BAD;
    }
    if (now_s > cert->until_s) {
        (void)refuse(problem, name, "tls.expired", "the certificate has expired");
        problem_hint(problem, "it ended %lld days ago: renew it",
                     (long long)((now_s - cert->until_s) / 86400));
        return TLS_E_BAD;
    }
    return 0;
}

/* --- the key --- */

static int kind_of(const EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        return TLS_KEY_RSA;
    case EVP_PKEY_EC:
        return TLS_KEY_EC;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        return TLS_KEY_ED;
    default:
        return -1;
    }
}

static int read_key(const struct tls_cert_source *source, struct tls_cert *cert,
                    struct problem *problem)
{
    bool asked = false;
    BIO *bio = bio_of(source->key);
    if (!bio) {
        return source->key.len > TLS_PEM_MAX ? refuse(problem, source->key_name, "tls.too-large",
                                                      "a PEM file has at most 64 KiB")
                                             : -ENOMEM;
    }
    cert->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
    BIO_free(bio);
    if (!cert->key) {
        int r = refuse(problem, source->key_name, "tls.bad-key",
                       asked ? "the key has a passphrase" : "there is no private key in it");
        problem_expected(problem, "PEM: -----BEGIN PRIVATE KEY-----, without a passphrase");
        if (asked) {
            problem_hint(problem, "take it off: openssl pkey -in FILE -out NEW");
        }
        return r;
    }
    int kind = kind_of(cert->key);
    if (kind < 0 || (kind == TLS_KEY_RSA && EVP_PKEY_get_bits(cert->key) < 2048)) {
        int r = refuse(problem, source->key_name, "tls.bad-key",
                       kind < 0 ? "the key is of a kind that TLS does not use"
                                : "the RSA key has fewer than 2048 bits");
        problem_expected(problem, "an ECDSA (P-256), Ed25519 or RSA key (2048 bits or more)");
        return r;
    }
    cert->kind = (enum tls_key_kind)kind;
    if (X509_check_private_key(cert->leaf, cert->key) != 1) {
        int r = refuse(problem, source->key_name, "tls.mismatch",
                       "the key is not that of the certificate");
        problem_expected(problem, "the key of the first certificate in " STR_FMT,
                         STR_ARG(source->cert_name));
        return r;
    }
    return 0;
}

/* --- OCSP --- */

static int read_ocsp(const struct tls_cert_source *source, struct tls_cert *cert,
                     struct problem *problem)
{
    if (source->ocsp.len == 0) {
        return 0;
    }
    const unsigned char *at = (const unsigned char *)source->ocsp.p;
    bool fits = source->ocsp.len <= TLS_OCSP_MAX;
    OCSP_RESPONSE *response = fits ? d2i_OCSP_RESPONSE(NULL, &at, (long)source->ocsp.len) : NULL;
    bool good = response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
    OCSP_BASICRESP *basic = good ? OCSP_response_get1_basic(response) : NULL;
    ASN1_GENERALIZEDTIME *next = NULL;
    int status = -1;
    OCSP_SINGLERESP *single = basic ? OCSP_resp_get0(basic, 0) : NULL;
    if (single) {
        status = OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
        cert->ocsp_until_s = next ? seconds_of(next) : 0;
    }
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    if (status != V_OCSP_CERTSTATUS_GOOD) {
        int r = refuse(problem, source->ocsp_name, "tls.bad-ocsp",
                       status < 0 ? "this is not an OCSP response that can be used"
                                  : "the OCSP response says that the certificate is not good");
        problem_expected(problem, "DER, as 'openssl ocsp -respout FILE' writes it");
        return r;
    }
    cert->ocsp = OPENSSL_memdup(source->ocsp.p, source->ocsp.len);
    cert->ocsp_len = source->ocsp.len;
    return cert->ocsp ? 0 : -ENOMEM;
}

int tls_cert_staple(struct tls_cert *cert, struct str response)
{
    unsigned char *copy = OPENSSL_memdup(response.p, response.len);
    if (!copy) {
        return -ENOMEM;
    }
    OPENSSL_free(cert->ocsp);
    cert->ocsp = copy;
    cert->ocsp_len = response.len;
    return 0;
}

/* --- whole --- */

/* Key sizes and signatures that OpenSSL refuses are said now and not to the first client. */
static int try_it(const struct tls_cert_source *source, const struct tls_cert *cert,
                  struct problem *problem)
{
    SSL_CTX *ctx = tls_openssl_ctx(true);
    if (!ctx) {
        return -ENOMEM;
    }
    int r = 0;
    if (SSL_CTX_use_cert_and_key(ctx, cert->leaf, cert->key, cert->chain, 1) != 1) {
        char reason[128];
        tls_last_error(reason, sizeof(reason));
        r = refuse(problem, source->cert_name, "tls.refused", "the certificate cannot be used");
        problem_expected(problem, "what OpenSSL takes; it says: %s", reason);
    }
    SSL_CTX_free(ctx);
    return r;
}

int tls_cert_new(const struct tls_cert_source *source, struct tls_cert **ret,
                 struct problem *problem)
{
    struct tls_cert *cert = calloc(1, sizeof(*cert));
    if (!cert) {
        return -ENOMEM;
    }
    cert->names = BUF_INIT(TLS_NAMES_MAX * 254);
    int r = read_chain(source, cert, problem);
    r = r != 0 ? r : read_key(source, cert, problem);
    r = r != 0 ? r : check_order(source, cert, problem);
    r = r != 0 ? r : read_ocsp(source, cert, problem);
    r = r != 0 ? r : read_names(cert);
    r = r != 0 ? r : try_it(source, cert, problem);
    if (r != 0) {
        tls_cert_free(cert);
        return r;
    }
    cert->from_s = seconds_of(X509_get0_notBefore(cert->leaf));
    cert->until_s = seconds_of(X509_get0_notAfter(cert->leaf));
    *ret = cert;
    return 0;
}

void tls_cert_free(struct tls_cert *cert)
{
    if (cert) {
        X509_free(cert->leaf);
        sk_X509_pop_free(cert->chain, X509_free);
        EVP_PKEY_free(cert->key);
        OPENSSL_free(cert->ocsp);
        buf_fini(&cert->names);
        free(cert);
    }
}

static int take_text(BIO *bio, bool written, struct buf *out)
{
    char *p = NULL;
    long len = written ? BIO_get_mem_data(bio, &p) : 0;
    if (len > 0) {
        buf_add_mem(out, p, (size_t)len);
    }
    BIO_free(bio);
    return len > 0 ? buf_error(out) : -ENOMEM;
}

int tls_cert_write(const struct tls_cert *cert, struct buf *chain, struct buf *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool written = bio && PEM_write_bio_X509(bio, cert->leaf) == 1;
    for (int i = 0; written && i < sk_X509_num(cert->chain); i++) {
        written = PEM_write_bio_X509(bio, sk_X509_value(cert->chain, i)) == 1;
    }
    int r = take_text(bio, written, chain);
    if (r < 0) {
        return r;
    }
    bio = BIO_new(BIO_s_secmem());
    written = bio && PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL) == 1;
    return take_text(bio, written, key);
}

int tls_authorities_new(struct str pem, struct str name, X509_STORE **ret, struct problem *problem)
{
    X509_STORE *store = X509_STORE_new();
    int r = store ? 0 : -ENOMEM;
    bool asked = false;
    BIO *bio =
        r == 0 && pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.p ? pem.p : "", (int)pem.len) : NULL;
    X509 *x;
    int count = 0;
    while (bio && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked))) {
        count += X509_STORE_add_cert(store, x) == 1;
        X509_free(x);
    }
    BIO_free(bio);
    if (r == 0 && (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)) {
        r = refuse(problem, name, "tls.bad-authority",
                   "there is no certificate of an authority in it that can be read");
        problem_expected(problem, "PEM: -----BEGIN CERTIFICATE-----");
    }
    ERR_clear_error();
    if (r != 0) {
        X509_STORE_free(store);
        return r;
    }
    *ret = store;
    return 0;
}

void tls_authorities_free(X509_STORE *authorities)
{
    X509_STORE_free(authorities);
}
