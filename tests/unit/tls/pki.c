/* SPDX-License-Identifier: Apache-2.0
 *
 * The test's authority is the program's own (tls/issue.h).
 */
#include "pki.h"

#include "harness/test.h"

#include <openssl/ocsp.h>

static struct pki make(const struct pki *issuer, const char *names, enum tls_key_kind kind,
                       int64_t until_s, bool client)
{
    struct pki pki = {BUF_INIT(TLS_PEM_MAX), BUF_INIT(TLS_PEM_MAX)};
    struct str list[16], rest = str_from(names);
    struct tls_cert *above = NULL;
    struct problem problem;
    size_t count = 0;
    while (rest.len > 0 && count < ARRAY_LEN(list)) {
        (void)str_split(rest, ' ', &list[count++], &rest);
    }
    if (issuer) {
        const struct tls_cert_source source = {.cert = buf_str(&issuer->cert),
                                               .key = buf_str(&issuer->key)};
        check_int(tls_cert_new(&source, &above, &problem), 0);
    }
    const struct tls_issue_spec spec = {
        .common_name = count ? list[0] : STR("test authority"),
        .names = list,
        .name_count = count,
        .from_s = 1700000000,
        .until_s = until_s,
        .kind = kind,
        .authority = !issuer,
        .client = client,
    };
    check_int(tls_issue(&spec, above, &pki.cert, &pki.key), 0);
    tls_cert_free(above);
    return pki;
}

struct pki pki_make_until(const struct pki *issuer, const char *names, enum tls_key_kind kind,
                          int64_t until_s)
{
    return make(issuer, names, kind, until_s, false);
}

struct pki pki_make_client(const struct pki *issuer, const char *name)
{
    return make(issuer, name, TLS_KEY_EC, 4000000000, true);
}

struct pki pki_make(const struct pki *issuer, const char *names, enum tls_key_kind kind)
{
    return pki_make_until(issuer, names, kind, 4000000000);
}

void pki_fini(struct pki *pki)
{
    buf_fini(&pki->cert);
    buf_fini(&pki->key);
}

struct tls_cert *pki_read(const struct pki *pki, const struct pki *chain)
{
    struct tls_cert *cert = NULL;
    struct problem problem;
    const struct tls_cert_source source = {.cert = buf_str(&pki->cert),
                                           .key = buf_str(&pki->key),
                                           .chain = chain ? buf_str(&chain->cert) : STR_NONE};
    check_int(tls_cert_new(&source, &cert, &problem), 0);
    return cert;
}

void pki_say(const struct pki_said *said, struct buf *out)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, said->about->leaf, said->issuer->leaf);
    ASN1_TIME *this_update = ASN1_TIME_set(NULL, (time_t)said->this_s);
    ASN1_TIME *next_update = said->next_s ? ASN1_TIME_set(NULL, (time_t)said->next_s) : NULL;
    ASN1_TIME *revoked = ASN1_TIME_set(NULL, (time_t)said->this_s);
    check(OCSP_basic_add1_status(basic, id, said->status, 0, revoked, this_update, next_update) !=
          NULL);
    check_int(OCSP_basic_sign(basic, said->signer->leaf, said->signer->key, EVP_sha256(), NULL,
                              said->flags),
              1);
    OCSP_RESPONSE *whole = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char *der = NULL;
    int len = i2d_OCSP_RESPONSE(whole, &der);
    check(len > 0);
    buf_add_mem(out, (const char *)der, (size_t)len);
    OPENSSL_free(der);
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next_update);
    ASN1_TIME_free(revoked);
    OCSP_CERTID_free(id);
    OCSP_RESPONSE_free(whole);
    OCSP_BASICRESP_free(basic);
}
