/* SPDX-License-Identifier: Apache-2.0
 *
 * An answer is checked as a client would: by the issuer that stands in the chain, which need not be
 * a root (X509_V_FLAG_PARTIAL_CHAIN). The question has no nonce: responders answer from stock.
 */
#include "tls/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

static X509 *issuer_of(const struct tls_cert *cert)
{
    X509 *issuer = sk_X509_num(cert->chain) > 0 ? sk_X509_value(cert->chain, 0) : NULL;
    return issuer && X509_check_issued(issuer, cert->leaf) == X509_V_OK ? issuer : NULL;
}

bool tls_ocsp_has_issuer(const struct tls_cert *cert)
{
    return issuer_of(cert) != NULL;
}

bool tls_ocsp_url(const struct tls_cert *cert, char ret[TLS_OCSP_URL_MAX])
{
    bool found = false;
    STACK_OF(OPENSSL_STRING) *urls = issuer_of(cert) ? X509_get1_ocsp(cert->leaf) : NULL;
    for (int i = 0; !found && i < sk_OPENSSL_STRING_num(urls); i++) {
        struct str url = str_from(sk_OPENSSL_STRING_value(urls, i));
        found = str_starts(url, STR("http://")) && str_copy(ret, TLS_OCSP_URL_MAX, url);
    }
    X509_email_free(urls);
    ERR_clear_error();
    return found;
}

bool tls_ocsp_must_staple(const struct tls_cert *cert)
{
    enum { STATUS_REQUEST = 5 };
    bool must = false;
    TLS_FEATURE *features = X509_get_ext_d2i(cert->leaf, NID_tlsfeature, NULL, NULL);
    for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++) {
        must |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == STATUS_REQUEST;
    }
    TLS_FEATURE_free(features);
    ERR_clear_error();
    return must;
}

static OCSP_CERTID *id_of(const struct tls_cert *cert)
{
    X509 *issuer = issuer_of(cert);
    return issuer ? OCSP_cert_to_id(NULL, cert->leaf, issuer) : NULL; /* SHA-1: what all know */
}

int tls_ocsp_request(const struct tls_cert *cert, struct buf *out)
{
    unsigned char *der = NULL;
    OCSP_CERTID *id = id_of(cert);
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    bool added = id && request && OCSP_request_add0_id(request, id);
    int len = added ? i2d_OCSP_REQUEST(request, &der) : 0;
    int r = !id ? -EINVAL : len > 0 ? 0 : -ENOMEM;
    if (!added) {
        OCSP_CERTID_free(id);
    }
    if (r == 0) {
        buf_add_mem(out, (const char *)der, (size_t)len);
        r = buf_error(out);
    }
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
    ERR_clear_error();
    return r;
}

/* --- answers --- */

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *time)
{
    struct tm tm;
    return time && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static const char *what_is_wrong(const struct tls_cert *cert, OCSP_BASICRESP *basic, int64_t now_s,
                                 struct tls_ocsp_times *ret)
{
    OCSP_CERTID *id = id_of(cert);
    ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
    int status = -1;
    bool found =
        id && OCSP_resp_find_status(basic, id, &status, NULL, NULL, &this_update, &next_update);
    OCSP_CERTID_free(id);
    if (!found) {
        return "the answer is about another certificate";
    }
    *ret = (struct tls_ocsp_times){seconds_of(this_update), seconds_of(next_update)};
    if (status == V_OCSP_CERTSTATUS_REVOKED) {
        return "the certificate is revoked";
    }
    if (status != V_OCSP_CERTSTATUS_GOOD) {
        return "the responder does not know the certificate";
    }
    if (ret->this_s > now_s + TLS_OCSP_SKEW_S || ret->next_s <= now_s) {
        return "the answer is not of now (or does not say until when)";
    }
    return NULL;
}

static bool is_signed(const struct tls_cert *cert, OCSP_BASICRESP *basic)
{
    X509_STORE *trusted = X509_STORE_new();
    X509 *issuer = issuer_of(cert);
    bool good = trusted && issuer && X509_STORE_add_cert(trusted, issuer) == 1 &&
                X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
                OCSP_basic_verify(basic, cert->chain, trusted, 0) == 1;
    X509_STORE_free(trusted);
    return good;
}

int tls_ocsp_check(const struct tls_cert *cert, struct str response, int64_t now_s,
                   struct tls_ocsp_times *ret, struct problem *problem)
{
    const unsigned char *at = (const unsigned char *)response.p;
    bool fits = response.len > 0 && response.len <= TLS_OCSP_MAX;
    OCSP_RESPONSE *whole = fits ? d2i_OCSP_RESPONSE(NULL, &at, (long)response.len) : NULL;
    bool full = whole && OCSP_response_status(whole) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
    OCSP_BASICRESP *basic = full ? OCSP_response_get1_basic(whole) : NULL;
    const char *wrong = !whole                    ? "this is not an OCSP response"
                        : !basic                  ? "the responder refuses to answer"
                        : !is_signed(cert, basic) ? "the answer is not signed by the issuer"
                                                  : what_is_wrong(cert, basic, now_s, ret);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(whole);
    ERR_clear_error();
    if (wrong) {
        problem_set(problem, "tls.bad-ocsp", "%s", wrong);
        return TLS_E_BAD;
    }
    return 0;
}
